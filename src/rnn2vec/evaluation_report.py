"""Draw an evaluation: the page a reader opens, from a zoo, its pretrained encoders and their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec.emulation.store import TrainedEncoder, load_trained
from rnn2vec.encoders.probing import ProbingEncoder
from rnn2vec.evaluation import Evaluation, results_table
from rnn2vec.files import write_atomically
from rnn2vec.report import figures
from rnn2vec.report.page import Section, render_page
from rnn2vec.tasks.formal_language import SYMBOLS, to_text
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

INTERROGATED = 4
"""Networks whose interrogation is drawn."""


def write_report(
    path: Path,
    zoo: Zoo,
    directories: Sequence[Path],
    evaluations: Sequence[Evaluation],
    results: Mapping[str, Any],
    title: str,
    note: str = "",
) -> None:
    """Write one self-contained HTML file.

    Args:
        path: the file.
        zoo: the zoo the encoders were evaluated on.
        directories: encoder directories, in the order of ``evaluations``.
        evaluations: what :func:`rnn2vec.evaluation.evaluate` returned.
        results: what :func:`rnn2vec.evaluation.collect_results` made of them.
        title: headline of the page.
        note: what a reader should know first, such as the size of the run.
    """
    trained = [load_trained(directory, zoo) for directory in directories]
    about = results["zoo"]
    lead = (
        f"{about['models']} recurrent networks ({zoo.spec}) were trained on {about['languages']} formal languages "
        "a^n b^(n+mb) c^(n+mc) d^(n+md). Encoders turned each of their snapshots into a vector z of length "
        f"{trained[0].encoder.embedding_size}, learning only to let an emulator imitate the networks. "
        f"Validation languages were never seen in that training. {note}"
    )
    caption = (
        "Loss: distance of the emulator's next-letter distributions from the network's "
        f"({trained[0].recipe.loss}), on validation and out-of-distribution (OOD) languages. b, c, d and language: "
        "share of networks whose shift of that letter, and whole language, a logistic regression reads from the "
        "frozen z (networks that generate their language only). Accuracy R2: how well z predicts a network's accuracy. "
        "End-to-end: the language, from the same encoder trained on labels. Seconds: pretraining."
    )
    footer = (
        f"Seed {about['seed']}; "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items())
        + f". Zoo {about['checksum'][:12]}."
    )
    sections = _sections(zoo, trained, evaluations, results)
    write_atomically(path, render_page(title, lead, results_table(results), caption, sections, footer).encode())


def _sections(
    zoo: Zoo, trained: Sequence[TrainedEncoder], evaluations: Sequence[Evaluation], results: Mapping[str, Any]
) -> list[Section]:
    accuracy = zoo.column("accuracy")
    validation = split_zoo(zoo).validation
    languages = results["zoo"]["languages"]
    sections = [
        Section(
            "What the frozen representation knows",
            "Share of validation networks whose language is read correctly, letter by letter and as a whole. "
            "Solid: logistic regression on the frozen z. Hatched: the same encoder trained end to end on the labels. "
            f"Dashed: chance for the whole language, 1 in {languages}.",
            figures.task_bars(_validation_metrics(results), 1 / languages),
        ),
        Section(
            "Learning to emulate",
            "Emulation loss while training; thick on validation languages, thin on training batches.",
            figures.loss_curves({run.encoder.name: run.record["history"] for run in trained}, trained[0].recipe.loss),
        ),
        Section(
            "Maps of the zoo",
            "The first two principal components of z, a dot for every snapshot. Above: coloured by language; networks "
            "of one language should meet, whichever seed they grew from. Below: by the accuracy the network has "
            "reached.",
            figures.embedding_maps({e.name: e.embeddings for e in evaluations}, zoo.tasks, accuracy),
        ),
        Section(
            "Clones from a vector",
            "For every validation snapshot: share of strings in its language, written by the network itself and by the "
            "emulator that knows it only as z.",
            figures.clone_fidelity(accuracy[validation], {e.name: e.clone_accuracy for e in evaluations}),
        ),
    ]
    shown = _different_networks(zoo, validation)
    for run in trained:
        if isinstance(run.encoder, ProbingEncoder):
            sections.append(_interrogation(zoo, run, shown))
    sections.append(_next_letter(zoo, trained, evaluations, shown[0]))
    return sections


def _validation_metrics(results: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        name: {kind: values[kind]["validation"] for kind in ("frozen", "supervised") if kind in values}
        for name, values in results["encoders"].items()
    }


def _different_networks(zoo: Zoo, rows: np.ndarray) -> np.ndarray:
    """Fully trained networks of different languages, the most accurate first."""
    last = rows[zoo.column("step")[rows] == zoo.recipe.snapshots[-1]]
    last = last[np.argsort(-zoo.column("accuracy")[last], kind="stable")]
    _, first = np.unique(zoo.tasks[last], axis=0, return_index=True)
    return last[np.sort(first)][:INTERROGATED]


def _title(zoo: Zoo, row: int) -> str:
    task = zoo.recipe.task(int(zoo.column("model")[row]))
    return f"model {zoo.column('model')[row]}: {task}, accuracy {zoo.column('accuracy')[row]:.2f}"


@torch.no_grad()
def _interrogation(zoo: Zoo, run: TrainedEncoder, rows: np.ndarray) -> Section:
    assert isinstance(run.encoder, ProbingEncoder)
    asked = run.encoder.interrogate(zoo.population(rows))
    # of several sequences of questions, the one whose answers tell these networks apart best
    best = int(asked.answers.var(dim=0).sum((1, 2)).argmax())
    kind = (
        "Each question depends on the answers before it: from the first that differs, the networks are asked "
        "different things."
        if run.encoder.interactive
        else "Every network is asked the same; the answers differ."
    )
    return Section(
        f"What the {run.encoder.name} encoder asks",
        f"One of its {run.encoder.options['probes']} sequences of questions, put to {len(rows)} networks of validation "
        f"languages: the input it gives and the network's answer, its prediction of the next token, step by step. "
        f"{kind}",
        figures.interrogation(
            asked.probes[:, best].numpy(),
            asked.answers[:, best].numpy(),
            SYMBOLS,
            [_title(zoo, int(row)) for row in rows],
        ),
    )


@torch.no_grad()
def _next_letter(zoo: Zoo, trained: Sequence[TrainedEncoder], evaluations: Sequence[Evaluation], row: int) -> Section:
    rollouts = zoo.rollouts([row])
    lengths = (rollouts.inputs[0] < len(SYMBOLS) - 2).sum(1)
    string = int(lengths.argmax())
    tokens = rollouts.inputs[0, string]
    steps = min(int(lengths[string]) + 3, rollouts.outputs.shape[2])
    inputs = torch.from_numpy(tokens[:-1]).long()[None, None]
    emulated = {}
    for run, evaluation in zip(trained, evaluations, strict=True):
        logits, _ = run.emulator(torch.from_numpy(evaluation.embeddings[[row]]), inputs)
        emulated[evaluation.name] = logits[0, 0, :steps].softmax(-1).numpy()
    network = np.exp(rollouts.outputs[0, string, :steps].astype(np.float64))
    title = f"{_title(zoo, row)}; string {to_text(tokens)}"
    return Section(
        "The network and its emulators, letter by letter",
        "Next-token probabilities while reading one string: of the network, and of the emulators told only its z. The "
        "information is in the steps where one letter gives way to the next.",
        figures.next_letter(network, emulated, [SYMBOLS[token] for token in tokens[:steps]], SYMBOLS, title),
    )
