"""Draw an evaluation: the page a reader opens, from a zoo, its pretrained encoders and their results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec.emulation.emulate import Observed
from rnn2vec.emulation.store import TrainedEncoder, load_trained
from rnn2vec.encoders.probing import ProbingEncoder
from rnn2vec.evaluation.properties import view_of_zoo
from rnn2vec.evaluation.readers import LINEAR, READERS
from rnn2vec.evaluation.results import SAME_Z, results_table, view_of_results
from rnn2vec.evaluation.store import Evaluation
from rnn2vec.families import family_of
from rnn2vec.families.family import Property
from rnn2vec.families.kinds import KINDS, SHARE
from rnn2vec.fields import counted
from rnn2vec.files import write_atomically
from rnn2vec.report import figures, maps
from rnn2vec.report.page import Section, render_page
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
        evaluations: what :func:`rnn2vec.evaluation.evaluate.evaluate` returned.
        results: what :func:`rnn2vec.evaluation.results.collect_results` made of them.
        title: headline of the page.
        note: what a reader should know first, such as the size of the run.
    """
    trained = [load_trained(directory, zoo) for directory in directories]
    about = results["zoo"]
    view = view_of_zoo(zoo).words
    made = "; ".join(map(str, zoo.architectures))
    of = f"are of {about['tasks']} {zoo.index.split_by}s"
    if zoo.index.task_set is not None:
        of = f"were trained on {about['tasks']} {view.tasks}"
    lead = (
        f"{about['models']} recurrent networks ({made}) {of}. "
        f"Encoders turned each of their snapshots into a vector z of length {trained[0].encoder.embedding_size}, "
        "learning only to let an emulator imitate the networks. Networks of validation tasks were never seen in that "
        f"training. {note}"
    )
    table = results_table(results)
    parts = {part: counted(size["snapshots"], "snapshot") for part, size in about["parts"].items()}
    held = f"on {parts['validation']} of validation {view.task}s"
    if "ood" in parts:
        held += f" and {parts['ood']} of the unseen half of out-of-distribution (OOD) ones"
    sentences = {
        "loss": f"Loss: distance of the emulator's answers from the network's ({trained[0].recipe.loss}), {held}.",
        "encoder": view.columns,
        "accuracy R2": "Accuracy R2: how well z predicts a network's accuracy.",
        "end-to-end": "End-to-end: from the same encoder trained on labels.",
        "seconds": f"Seconds: pretraining. {SAME_Z.capitalize()}: what a predictor gets right that learns nothing of a "
        "network.",
    }
    shown = [said for word, said in sentences.items() if any(word in column for column in table[0])]
    footer = (
        f"Seed {about['seed']}; "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items())
        + f". Zoo {about['checksum'][:12]}."
    )
    sections = _sections(zoo, trained, evaluations, results)
    write_atomically(path, render_page(title, lead, table, " ".join(shown), sections, footer).encode())


def _sections(
    zoo: Zoo, trained: Sequence[TrainedEncoder], evaluations: Sequence[Evaluation], results: Mapping[str, Any]
) -> list[Section]:
    validation = split_zoo(zoo).validation
    sections = [
        *([_knowledge(zoo, results)] if results["zoo"]["labels"] else []),
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
    ]
    if zoo.index.task_set is not None:
        sections += _of_family(zoo, evaluations, validation)
    shown = _different_networks(zoo, validation)
    for run in trained:
        if isinstance(run.encoder, ProbingEncoder):
            sections.append(_interrogation(zoo, run, shown))
    sections.append(_answers(zoo, trained, evaluations, shown[0]))
    return sections


def _of_family(zoo: Zoo, evaluations: Sequence[Evaluation], validation: np.ndarray) -> list[Section]:
    """What only networks of a family have: tasks, and an accuracy at them."""
    family = family_of(zoo.family)
    accuracy, view = zoo.column("accuracy"), family.words
    return [
        Section(
            "Maps of the zoo",
            f"The first two principal components of z, a dot for every snapshot. Above: coloured by "
            f"{view.task}; networks of one task should meet, whichever seed they grew from. Below: by the "
            "accuracy the network has reached.",
            maps.embedding_maps(
                {e.name: e.embeddings for e in evaluations},
                zoo.tasks,
                accuracy,
                family.task_set.task_columns,
                view.task,
                family.tasks_are_angles,
            ),
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


def _knowledge(zoo: Zoo, results: Mapping[str, Any]) -> Section:
    metrics = {
        name: {kind: values[kind]["validation"] for kind in ("frozen", "supervised") if kind in values}
        for name, values in results["encoders"].items()
    }
    how = (
        "Solid: from the frozen z, by the reader that cross-validation prefers. Hatched: the same encoder "
        "trained end to end on the labels."
    )
    family, tasks = view_of_zoo(zoo), results["zoo"]["tasks"]
    words = family.words
    title, caption = "What the frozen representation knows", f"{words.knowledge_caption} {how}"
    known = {name: family.metric(name) for name in words.knowledge}
    if all(metric is SHARE for metric in known.values()):
        chance = 1 / tasks if list(words.knowledge)[-1] == "exact" else None
        line = "" if chance is None else f" Dashed: chance, one of {tasks} tasks."
        return Section(title, caption + line, figures.share_bars(metrics, words.knowledge, chance))
    return Section(
        title,
        caption,
        figures.property_bars(metrics, words.knowledge, {name: metric.most for name, metric in known.items()}),
    )


def _readers_table(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The reader chosen for every property, a row an encoder; in brackets what it came to in cross-validation, and the
    linear one beside it.
    """
    return [
        {"encoder": name}
        | {
            wanted.name.replace("_", " "): _reading(wanted, values["readers"][wanted.name])
            for wanted in view_of_results(results).properties
        }
        for name, values in results["encoders"].items()
    ]


def _reading(wanted: Property, reading: Mapping[str, Any]) -> str:
    metric = KINDS[wanted.kind][0]
    scores = {
        name: metric.text(score if score is None else metric.better * score)
        for name, score in reading["scores"].items()
    }
    if not scores:
        return f"{reading['reader']} ({reading['note']})" if reading["reader"] else reading["note"]
    beside = "" if reading["reader"] == LINEAR else f"; {LINEAR} {scores[LINEAR]}"
    return f"{reading['reader']} ({scores[reading['reader']]}{beside})"


def _different_networks(zoo: Zoo, rows: np.ndarray) -> np.ndarray:
    """Fully trained networks of different tasks, the most accurate first; or networks of different files."""
    if zoo.index.task_set is None:
        _, first = np.unique(zoo.groups[rows], axis=0, return_index=True)
        return rows[np.sort(first)][:INTERROGATED]
    last = rows[zoo.column("step")[rows] == zoo.steps[-1]]
    last = last[np.argsort(-zoo.column("accuracy")[last], kind="stable")]
    _, first = np.unique(zoo.tasks[last], axis=0, return_index=True)
    return last[np.sort(first)][:INTERROGATED]


def _title(zoo: Zoo, row: int) -> str:
    if zoo.index.task_set is None:
        return str(zoo.column("name")[row])
    task = zoo.task(row)
    return f"model {zoo.column('model')[row]}: {task}, accuracy {zoo.column('accuracy')[row]:.2f}"


@torch.no_grad()
def _interrogation(zoo: Zoo, run: TrainedEncoder, rows: np.ndarray) -> Section:
    assert isinstance(run.encoder, ProbingEncoder)
    view = view_of_zoo(zoo).words
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
        f"tasks: the input it gives and the network's answer, {view.answer}, step by step. {kind}",
        figures.interrogation(
            zoo.interface.inputs.shares(asked.probes[:, best]).numpy(),
            asked.answers[:, best].numpy(),
            view.symbols,
            [_title(zoo, int(row)) for row in rows],
            tile=math.isqrt(zoo.interface.inputs.size) if view.tile else None,
            lines=not (view.tile or zoo.interface.inputs.drawn),
            limits=zoo.interface.outputs.extent(asked.answers[:, best].numpy()),
        ),
    )


@torch.no_grad()
def _answers(zoo: Zoo, trained: Sequence[TrainedEncoder], evaluations: Sequence[Evaluation], row: int) -> Section:
    traces, view = zoo.traces([row]), view_of_zoo(zoo).words
    reading = view_of_zoo(zoo).show(traces.inputs[0], traces.outputs[0])
    chosen, steps, read = reading.sequence, reading.steps, reading.labels
    title = _title(zoo, row) + (f"; {reading.text}" if reading.text else "")
    shown, _ = Observed(zoo.networks([row]), traces).tensors(sequences=np.array([[chosen]]))
    outputs = zoo.interface.outputs
    network = outputs.answers(outputs.tensor(traces.outputs[0, chosen, :steps])).numpy()
    emulated = {}
    for run, evaluation in zip(trained, evaluations, strict=True):
        said, _ = run.emulator(torch.from_numpy(evaluation.embeddings[[row]]), shown)
        emulated[evaluation.name] = outputs.answers(said[0, 0, :steps]).numpy()
    return Section(
        "The network and its emulators, step by step",
        f"{view.answer[0].upper()}{view.answer[1:]} while reading one sequence: of the network, and of the emulators "
        f"told only its z. {view.where}",
        figures.answers_along(
            network,
            emulated,
            read,
            view.symbols,
            title,
            view.step,
            outputs.extent(network, *emulated.values()),
            outputs.distance,
        ),
    )
