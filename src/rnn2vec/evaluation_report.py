"""Draw an evaluation: the page a reader opens, from a zoo, its pretrained encoders and their results."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec.downstream.properties import PROPERTIES, Property
from rnn2vec.downstream.readers import LINEAR, READERS
from rnn2vec.emulation.emulate import Observed
from rnn2vec.emulation.store import TrainedEncoder, load_trained
from rnn2vec.encoders.probing import ProbingEncoder
from rnn2vec.evaluation import results_table
from rnn2vec.evaluation_store import Evaluation
from rnn2vec.files import write_atomically
from rnn2vec.report import figures, maps
from rnn2vec.report.page import Section, render_page
from rnn2vec.tasks.formal_language import SYMBOLS, to_text
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo


@dataclasses.dataclass(frozen=True)
class View:
    """How a family of tasks is put to a reader.

    Attributes:
        tasks: the tasks, in the plural.
        columns: what the family's columns of the table mean.
        symbols: names of the classes that networks predict.
        answer: what a network's answer is.
        step: what it reads in a step.
        where: where in a sequence to look.
        clones: what is counted of the emulator; ``clone_axis``: the same on an axis.
    """

    tasks: str
    columns: str
    symbols: Sequence[str]
    answer: str
    step: str
    where: str
    clones: str
    clone_axis: str


VIEWS = {
    "formal-languages": View(
        tasks="formal languages a^n b^(n+mb) c^(n+mc) d^(n+md)",
        columns="b, c, d and language: share of networks whose shift of that letter, and whole language, is read from "
        "the frozen z (networks that generate their language only); (linear): by the linear reader alone.",
        symbols=SYMBOLS,
        answer="the next token",
        step="token just read",
        where="The information is in the steps where one letter gives way to the next.",
        clones="the share of strings in its language written by the emulator",
        clone_axis="share of the emulator's strings in the language",
    ),
    "sequential-digits": View(
        tasks="angles: digits rotated by an angle, read tile by tile",
        columns="Angle error: median, in degrees, of the angle that is read from the frozen z (networks that have "
        "learnt their task only; 90 by chance); (linear): by the linear reader alone. Step: share of snapshots whose "
        "training step is right. Gap R2: how well z predicts validation loss less training loss.",
        symbols=tuple("0123456789"),
        answer="the class of the digit",
        step="tile just read",
        where="Networks commit themselves as more of the digit is read.",
        clones="the share of images in which it is joined in naming the digit by the emulator",
        clone_axis="agreement of the emulator",
    ),
}

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
    view = VIEWS[zoo.family]
    lead = (
        f"{about['models']} recurrent networks ({zoo.architecture}) were trained on {about['tasks']} {view.tasks}. "
        f"Encoders turned each of their snapshots into a vector z of length {trained[0].encoder.embedding_size}, "
        "learning only to let an emulator imitate the networks. Networks of validation tasks were never seen in that "
        f"training. {note}"
    )
    caption = (
        f"Loss: distance of the emulator's distributions from the network's ({trained[0].recipe.loss}), on validation "
        f"tasks and on the unseen half of the out-of-distribution (OOD) ones. {view.columns} Accuracy R2: how well z "
        "predicts a network's accuracy. End-to-end: from the same encoder trained on labels. Seconds: pretraining."
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
    accuracy, view = zoo.column("accuracy"), VIEWS[zoo.family]
    validation = split_zoo(zoo).validation
    sections = [
        _knowledge(zoo, results),
        Section(
            "How z is read",
            "For every property and encoder, the reader that cross-validation over the tasks that predictors see "
            f"prefers, among {', '.join(READERS)}; in brackets what it came to there, and the linear one beside it "
            "(share right, R2, or median error). Properties of the task are fitted to networks that have learnt it.",
            table=_readers_table(results),
        ),
        Section(
            "Learning to emulate",
            "Emulation loss while training; thick on validation tasks, thin on training batches.",
            figures.loss_curves({run.encoder.name: run.record["history"] for run in trained}, trained[0].recipe.loss),
        ),
        Section(
            "Maps of the zoo",
            f"The first two principal components of z, a dot for every snapshot. Above: coloured by "
            f"{zoo.recipe.task_noun}; networks of one task should meet, whichever seed they grew from. Below: by the "
            "accuracy the network has reached.",
            maps.embedding_maps({e.name: e.embeddings for e in evaluations}, zoo.tasks, accuracy),
        ),
        Section(
            "Clones from a vector",
            f"For every validation snapshot, the network's accuracy, and {view.clones} that knows it only as z.",
            maps.clone_fidelity(
                accuracy[validation],
                {e.name: e.clone_scores for e in evaluations},
                ("accuracy of the network", view.clone_axis),
            ),
        ),
    ]
    shown = _different_networks(zoo, validation)
    for run in trained:
        if isinstance(run.encoder, ProbingEncoder):
            sections.append(_interrogation(zoo, run, shown))
    sections.append(_answers(zoo, trained, evaluations, shown[0]))
    return sections


def _knowledge(zoo: Zoo, results: Mapping[str, Any]) -> Section:
    metrics = {
        name: {kind: values[kind]["validation"] for kind in ("frozen", "supervised") if kind in values}
        for name, values in results["encoders"].items()
    }
    how = (
        "Solid: from the frozen z, by the reader that cross-validation prefers. Hatched: the same encoder "
        "trained end to end on the labels."
    )
    if zoo.family == "formal-languages":
        chance = 1 / results["zoo"]["tasks"]
        return Section(
            "What the frozen representation knows",
            "Share of validation networks whose language is read correctly, letter by letter and as a whole. "
            f"{how} Dashed: chance for the whole language.",
            figures.task_bars(metrics, chance),
        )
    panels = {
        "angle_error": "angle, degrees off",
        "accuracy_r2": "accuracy, R2",
        "step": "training step, share",
        "generalisation_gap_r2": "generalisation gap, R2",
    }
    return Section(
        "What the frozen representation knows",
        "Properties of validation networks. Angles: median error of networks that have learnt their task, 90 degrees "
        f"by chance. {how}",
        figures.property_bars(metrics, panels),
    )


def _readers_table(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The reader chosen for every property, a row an encoder; in brackets what it came to in cross-validation, and the
    linear one beside it.
    """
    return [
        {"encoder": name}
        | {
            wanted.name.replace("_", " "): _reading(wanted, values["readers"][wanted.name])
            for wanted in PROPERTIES[results["zoo"]["family"]]
        }
        for name, values in results["encoders"].items()
    ]


def _reading(wanted: Property, reading: Mapping[str, Any]) -> str:
    scores = {name: _score(wanted.kind, score) for name, score in reading["scores"].items()}
    if not scores:
        return f"{reading['reader']} ({reading['note']})" if reading["reader"] else reading["note"]
    beside = "" if reading["reader"] == LINEAR else f"; {LINEAR} {scores[LINEAR]}"
    return f"{reading['reader']} ({scores[reading['reader']]}{beside})"


def _score(kind: str, score: float | None) -> str:
    """Degrees for angles, else two digits; a dash where there was nothing to measure."""
    if score is None or math.isnan(score):
        return "-"
    return f"{-score:.0f}\u00b0" if kind == "angle" else f"{score:.2f}"


def _different_networks(zoo: Zoo, rows: np.ndarray) -> np.ndarray:
    """Fully trained networks of different tasks, the most accurate first."""
    last = rows[zoo.column("step")[rows] == zoo.recipe.snapshots[-1]]
    last = last[np.argsort(-zoo.column("accuracy")[last], kind="stable")]
    _, first = np.unique(zoo.tasks[last], axis=0, return_index=True)
    return last[np.sort(first)][:INTERROGATED]


def _title(zoo: Zoo, row: int) -> str:
    task = zoo.task(row)
    return f"model {zoo.column('model')[row]}: {task}, accuracy {zoo.column('accuracy')[row]:.2f}"


@torch.no_grad()
def _interrogation(zoo: Zoo, run: TrainedEncoder, rows: np.ndarray) -> Section:
    assert isinstance(run.encoder, ProbingEncoder)
    asked = run.encoder.interrogate(zoo.networks(rows))
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
        f"tasks: the input it gives and the network's answer, {VIEWS[zoo.family].answer}, step by step. {kind}",
        figures.interrogation(
            zoo.interface.inputs.shares(asked.probes[:, best]).numpy(),
            asked.answers[:, best].numpy(),
            VIEWS[zoo.family].symbols,
            [_title(zoo, int(row)) for row in rows],
            tile=math.isqrt(zoo.architecture.input_size) if zoo.interface.inputs.kind == "numbers" else None,
        ),
    )


@torch.no_grad()
def _answers(zoo: Zoo, trained: Sequence[TrainedEncoder], evaluations: Sequence[Evaluation], row: int) -> Section:
    observed, view = Observed(zoo.networks([row]), zoo.traces([row])), VIEWS[zoo.family]
    inputs, outputs = observed.traces.inputs[0], observed.traces.outputs[0]
    if zoo.interface.inputs.kind == "numbers":
        chosen, steps = 0, outputs.shape[1]
        read, title = [str(step) for step in range(steps)], _title(zoo, row)
    else:
        lengths = (inputs < len(SYMBOLS) - 2).sum(1)
        chosen = int(lengths.argmax())
        steps = min(int(lengths[chosen]) + 3, outputs.shape[1])
        read = [SYMBOLS[token] for token in inputs[chosen, :steps]]
        title = f"{_title(zoo, row)}; string {to_text(inputs[chosen])}"
    shown, network = observed.tensors(sequences=[chosen])
    emulated = {}
    for run, evaluation in zip(trained, evaluations, strict=True):
        logits, _ = run.emulator(torch.from_numpy(evaluation.embeddings[[row]]), shown)
        emulated[evaluation.name] = logits[0, 0, :steps].softmax(-1).numpy()
    return Section(
        "The network and its emulators, step by step",
        f"Probabilities of {view.answer} while reading one sequence: of the network, and of the emulators told only "
        f"its z. {view.where}",
        figures.answers_along(network[0, 0, :steps].exp().numpy(), emulated, read, view.symbols, title, view.step),
    )
