"""The report of a benchmark, drawn from its measurements alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rnn2vec.benchmark.tables import (
    ZooResults,
    best_encoder,
    control_table,
    difference_table,
    main_table,
    reader_table,
)
from rnn2vec.families import family_of
from rnn2vec.files import write_atomically
from rnn2vec.report import figures, intervals, maps
from rnn2vec.report.page import Section, render_page

READINGS = ("frozen", "linear", "supervised", "untrained", "shuffled")


def write_benchmark_report(path: Path, table: pa.Table) -> None:
    """Write one self-contained HTML file with the tables and figures of a benchmark.

    Args:
        path: the file.
        table: measurements, see :data:`rnn2vec.benchmark.measurements.SCHEMA`.
    """
    zoos = [ZooResults(table, name) for name in pc.unique(table["zoo"]).to_pylist()]
    seeds = len({seed for seed in pc.unique(table["seed"]).to_pylist() if seed >= 0})
    lead = (
        f"Encoders of recurrent networks, each pretrained with {seeds} seed{'s' if seeds > 1 else ''} by emulation and "
        "evaluated on what their representations know. Figures are means over seeds; in brackets and as lines, 95 % "
        "bootstrap intervals of these means. With few seeds, such intervals show the spread that was seen, no more."
    )
    sections = [section for results in zoos for section in _sections(results)]
    page = render_page("Benchmark of encoders", lead, [], "", sections, "Drawn from results.parquet.")
    write_atomically(path, page.encode())


def _sections(results: ZooResults) -> list[Section]:
    known = family_of(results.family).headline_column
    models, tasks = (int(results.seeds("", "truth", "", name)[-1]) for name in ("models", "tasks"))
    readers = reader_table(results)
    how = "(linear): by a linear reader alone." if readers else "They are from before readers were chosen."
    about = f"{results.name}: {results.family}, {models} networks, {tasks} tasks"
    sections = [
        Section(
            about,
            f"Loss: {results.loss[2].replace('-', ' ')} between emulator and network on validation tasks, whichever "
            "loss was trained with; the paper's is of its own zoo, at its own size, and compares in order only. Other "
            "columns are read from "
            f"the frozen z, or end to end from the same encoder trained on labels. {how} "
            "Seconds: of pretraining. Controls: the best of all encoders in each column; every one of them is in "
            "the next table.",
            table=main_table(results),
        ),
        Section(
            f"Controls, {results.name}",
            "The same predictors where z is the same for all networks, comes from an encoder as it was before any "
            "training, or where the labels of the networks that predictors see were dealt out at random.",
            table=control_table(results),
        ),
        Section(
            f"Emulation and knowledge, {results.name}",
            "Means over seeds and their intervals. Open squares: the paper's loss. Triangles, if any: by a linear "
            "reader. Diamonds: end to end on labels. Grey crosses: controls.",
            intervals.interval_panels(knowledge_panels(results)),
        ),
    ]
    if readers:
        sections.append(
            Section(
                f"How z is read, {results.name}",
                "The reader that cross-validation over the tasks that predictors see preferred for each property, and "
                "for how many seeds. Properties of the task are fitted to networks that have learnt it.",
                table=readers,
            )
        )
    if len(results.encoders) > 1:
        sections.append(
            Section(
                f"Differences, {results.name}",
                f"The encoder with the lowest loss, {best_encoder(results)}, less each other, seed by seed. An "
                "interval that does not touch zero is a difference that these seeds agree on.",
                table=difference_table(results),
            )
        )
    sections.append(
        Section(
            f"Learning to emulate, {results.name}",
            "Loss while pretraining, mean over seeds; thick on validation tasks, thin on training batches.",
            figures.loss_curves({name: _history(results, name) for name in results.encoders}, results.loss_name()),
        )
    )
    sections += _maps(results)
    learned = question_curves(results, "frozen", "validation", known.metric)
    curves = [curve for curves in learned.values() for curve in curves.values()]
    if any(len(curve) > 1 and np.isfinite(list(curve.values())).any() for curve in curves):
        sections += [
            Section(
                f"How many questions, and how long, {results.name}",
                f"{known.title} on validation tasks, read from the frozen z, against the number of sequences of "
                "questions (at full length) and against their length (at full number).",
                intervals.interval_curves(learned, "questions", known.title),
            ),
            Section(
                f"The same, by loss, {results.name}",
                f"{results.loss[2].replace('-', ' ').capitalize()} between emulator and network on validation tasks.",
                intervals.interval_curves(question_curves(results, *results.loss), "questions", results.loss_title),
            ),
        ]
    return sections


def knowledge_panels(results: ZooResults) -> dict[str, intervals.Panel]:
    """Loss, headline and accuracy of every encoder, for :func:`rnn2vec.report.intervals.interval_panels`."""
    paper, known = family_of(results.family).paper_losses, family_of(results.family).headline_column
    panels: dict[str, intervals.Panel] = {
        "emulation loss, validation": {
            name: {"frozen": _ends(results, name, *results.loss)}
            | ({"paper": (paper[name],) * 3} if name in paper else {})
            for name in results.encoders
        }
    }
    wanted = [(known.title, known.metric, part) for part in ("validation", "ood")]
    wanted.append(("accuracy R2", "accuracy_r2", "validation"))
    for title, metric, part in wanted:
        panels[f"{title}, {part if part == 'validation' else 'OOD'}"] = {
            name: {
                reading: _ends(results, name, reading, part, metric)
                for reading in READINGS
                if results.seeds(name, reading, part, metric)
            }
            for name in results.encoders
        }
    return panels


def _ends(
    results: ZooResults, name: str, reading: str, part: str, metric: str, size: tuple[int, int] | None = None
) -> intervals.Ends:
    found = results.interval(name, reading, part, metric, size)
    return found.mean, found.low, found.high


def _history(results: ZooResults, name: str) -> list[dict[str, float]]:
    def mean(reading: str, part: str, metric: str, step: int) -> float:
        return float(np.mean(list(results.seeds(name, reading, part, metric, step).values())))

    loss = results.loss_name()
    return [
        {
            "step": step,
            "seconds": mean("cost", "pretraining", "seconds", step),
            "train": mean("emulation", "train curve", loss, step),
            "validation": mean("emulation", "validation curve", loss, step),
        }
        for step in results.steps(name)
    ]


def _maps(results: ZooResults) -> list[Section]:
    embeddings = {name: z for name in results.encoders if len(z := results.z(name))}
    if not embeddings:
        return []
    family = family_of(results.family)
    names = family.task_set.task_columns
    tasks = np.stack([results.snapshots("truth", name)[1] for name in names], axis=1)
    accuracy = results.snapshots("truth", "accuracy")[1]
    clones = {name: results.snapshots("clone", "score", name) for name in embeddings}
    rows = next(iter(clones.values()))[0]
    return [
        Section(
            f"Maps of {results.name}",
            "The first two principal components of z, a dot for every snapshot. Above: coloured by task; below: by the "
            "accuracy the network has reached. One seed.",
            maps.embedding_maps(embeddings, tasks, accuracy, names, family.words.task, family.tasks_are_angles),
        ),
        Section(
            f"Clones from a vector, {results.name}",
            "For every validation snapshot, the network's accuracy, and the score at the same task of the emulator "
            "that knows it only as z. One seed.",
            maps.clone_fidelity(
                accuracy[rows], {name: scores for name, (_, scores) in clones.items()}, ("accuracy", "clone's score")
            ),
        ),
    ]


def question_curves(
    results: ZooResults, reading: str, part: str, metric: str
) -> dict[str, dict[str, dict[float, intervals.Ends]]]:
    """A metric against the number and the length of sequences of questions (figure 5 of the paper).

    Returns:
        for :func:`rnn2vec.report.intervals.interval_curves`: what was varied, by encoder, intervals by size.
    """
    where = (reading, part, metric)
    curves: dict[str, dict[str, dict[float, intervals.Ends]]] = {"number of sequences": {}, "length of a sequence": {}}
    for name in results.encoders:
        sizes = [size for size in results.sizes(name) if results.seeds(name, *where, size=size)]
        if not sizes:
            continue
        most, longest = max(size[0] for size in sizes), max(size[1] for size in sizes)
        for title, axis, fixed in (("number of sequences", 0, longest), ("length of a sequence", 1, most)):
            curves[title][name] = {
                float(size[axis]): _ends(results, name, *where, size) for size in sizes if size[1 - axis] == fixed
            }
    return curves


def benchmark_rows(table: pa.Table) -> dict[str, list[dict[str, str]]]:
    """What the terminal shows: by zoo, an encoder's loss, the family's headline and accuracy, with intervals."""
    shown = {}
    for name in pc.unique(table["zoo"]).to_pylist():
        results = ZooResults(table, name)
        known = family_of(results.family).headline_column.title
        wanted = ["encoder", results.loss_title, known, f"{known} OOD", "accuracy R2", "end-to-end"]
        shown[name] = [{key: row[key] for key in wanted if key in row} for row in main_table(results)]
    return shown
