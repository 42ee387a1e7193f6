"""Means and intervals over the seeds of a benchmark: measurements in, rows of text and intervals out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rnn2vec.benchmark.measurements import CONSTANT
from rnn2vec.encoders import ENCODERS
from rnn2vec.evaluation.intervals import Interval, interval, paired_difference
from rnn2vec.evaluation.readers import READERS
from rnn2vec.evaluation.results import SAME_Z
from rnn2vec.families import family_of
from rnn2vec.interface import Classes, Numbers

SHORT = {"total-variation": "TV"}
"""Losses in few letters."""


CONTROLS = {
    "frozen": ("control: one z for all", True),
    "untrained": ("control: untrained", False),
    "shuffled": ("control: shuffled labels", False),
}
"""By reading, what a control is called, and whether it is of the constant encoder."""


class _Place(NamedTuple):
    """Where a value stands; its size is None for the preset's probes, whatever they are."""

    encoder: str
    reading: str
    part: str
    metric: str
    step: int
    size: tuple[int, int] | None


class ZooResults:
    """The measurements of one zoo.

    Args:
        table: all measurements, see :data:`rnn2vec.benchmark.measurements.SCHEMA`.
        zoo: name of the zoo.
    """

    def __init__(self, table: pa.Table, zoo: str) -> None:
        self.table = table.filter(pc.equal(table["zoo"], zoo))
        self.name = zoo
        self.family: str = self.table["family"][0].as_py()
        self._values: dict[_Place, dict[int, float]] = {}
        plain = self.table.filter(pc.equal(self.table["snapshot"], -1))
        for row in plain.to_pylist():
            named = _Place(row["encoder"], row["reading"], row["part"], row["metric"], row["step"], None)
            sized = named._replace(size=(row["probes"], row["probe_length"]))
            for place in [sized] if row["ablation"] else [sized, named]:
                self._values.setdefault(place, {})[row["seed"]] = row["value"]
        found = set(pc.unique(self.table["encoder"]).to_pylist())
        self.encoders = [name for name in ENCODERS if name in found]
        """Encoders measured, in the order of the registry."""

    def seeds(
        self,
        encoder: str,
        reading: str,
        part: str,
        metric: str,
        step: int = -1,
        size: tuple[int, int] | None = None,
    ) -> dict[int, float]:
        """Values by seed, of the preset's probes or of those of a ``size``: sequences and their length."""
        return self._values.get(_Place(encoder, reading, part, metric, step, size), {})

    def interval(
        self, encoder: str, reading: str, part: str, metric: str, size: tuple[int, int] | None = None
    ) -> Interval:
        """Mean over seeds and its interval."""
        return interval(list(self.seeds(encoder, reading, part, metric, size=size).values()))

    def difference(self, encoder: str, other: str, reading: str, part: str, metric: str) -> Interval:
        """Interval of the difference of two encoders over the seeds that both have."""
        one, two = self.seeds(encoder, reading, part, metric), self.seeds(other, reading, part, metric)
        both = sorted(set(one) & set(two))
        return paired_difference([one[seed] for seed in both], [two[seed] for seed in both])

    def sizes(self, encoder: str) -> list[tuple[int, int]]:
        """Numbers and lengths of the sequences of questions that were tried."""
        sizes = {place.size for place in self._values if place.encoder == encoder and place.size}
        return sorted(size for size in sizes if min(size) > 0)

    def steps(self, encoder: str) -> list[int]:
        """Steps at which pretraining was measured."""
        curve = (encoder, "emulation", "validation curve")
        return sorted({place.step for place in self._values if place[:3] == curve and place.size is None})

    @property
    def loss(self) -> tuple[str, str, str]:
        """Reading, part and metric of the loss that is compared: the same for all, whichever was trained with."""
        measured = {place.metric for place in self._values if place[1:3] == ("emulation", "validation")}
        common = (Classes.common_loss, Numbers.common_loss)
        return "emulation", "validation", next((name for name in common if name in measured), common[0])

    @property
    def loss_title(self) -> str:
        """What that loss is called in a table."""
        return f"loss ({SHORT.get(self.loss[2], self.loss[2])})"

    def loss_name(self) -> str:
        """The loss that was trained with."""
        names = {place.metric for place in self._values if place.part == "validation curve"}
        return " and ".join(sorted(names))

    def snapshots(self, reading: str, metric: str, encoder: str = "") -> tuple[np.ndarray, np.ndarray]:
        """Snapshots and a value of each, ``[S]`` both."""
        at = [("reading", reading), ("metric", metric), ("encoder", encoder)]
        mask = pc.greater_equal(self.table["snapshot"], 0)
        for column, value in at:
            mask = pc.and_(mask, pc.equal(self.table[column], value))
        chosen = self.table.filter(mask)
        return chosen["snapshot"].to_numpy(), chosen["value"].to_numpy()

    def z(self, encoder: str) -> np.ndarray:
        """Z of every snapshot, of the seed that kept it, ``[S, Z]``; ``[S, 0]`` if none did."""
        chosen = self.table.filter(
            pc.and_(pc.equal(self.table["reading"], "z"), pc.equal(self.table["encoder"], encoder))
        )
        return np.array(chosen["vector"].to_pylist(), dtype=np.float32) if chosen.num_rows else np.zeros((0, 0))


def main_table(results: ZooResults) -> list[dict[str, str]]:
    """A row an encoder, means and intervals; the paper's loss beside ours. Below them the controls, each column's
    best: what a figure must exceed to say anything.
    """
    family = family_of(results.family)
    paper = family.paper_losses
    rows = []
    for name in results.encoders:
        row = {"encoder": name, results.loss_title: results.interval(name, *results.loss).text(4)}
        row["paper's loss"] = f"{paper[name]:.3f}" if name in paper else "-"
        row |= {
            column.title: _cell(results, name, column.reading, column.part, column.metric) for column in family.columns
        }
        row["seconds"] = results.interval(name, "cost", "pretraining", "seconds").text(0)
        rows.append(row)
    return _drop_empty([*rows, *_best_controls(results, list(rows[0]) if rows else [])])


def _best_controls(results: ZooResults, columns: Sequence[str]) -> list[dict[str, str]]:
    """A row a control; of several encoders, the one that comes out best in the column."""
    rows = []
    for reading, (title, single) in CONTROLS.items():
        row = dict.fromkeys(columns, "-") | {"encoder": title}
        for column in family_of(results.family).columns:
            if column.reading == "frozen":
                part, metric = column.part, column.metric
                better = family_of(results.family).metric(metric).better
                names = [CONSTANT] if single else results.encoders
                found = [results.interval(name, reading, part, metric) for name in names]
                known = [interval for interval in found if not np.isnan(interval.mean)]
                if known:
                    best = max(known, key=lambda interval: better * interval.mean)
                    row[column.title] = _text(results, best, metric)
        rows.append(row)
    return rows


def control_table(results: ZooResults) -> list[dict[str, str]]:
    """What the same predictors get right where there is nothing, or nothing learnt, to be read."""
    columns = [column for column in family_of(results.family).columns if column.reading == "frozen"]

    def row(control: str, name: str, reading: str) -> dict[str, str]:
        cells = {column.title: _cell(results, name, reading, column.part, column.metric) for column in columns}
        return {"control": control, "encoder": name, **cells}

    rows = [row(SAME_Z, CONSTANT, "frozen")]
    for reading, control in (("untrained", "untrained encoder"), ("shuffled", "shuffled labels")):
        rows += [row(control, name, reading) for name in results.encoders]
    return rows


def reader_table(results: ZooResults) -> list[dict[str, str]]:
    """The readers chosen for every property, and for how many seeds; empty for measurements that do not tell."""
    rows = []
    for name in results.encoders:
        row = {"encoder": name}
        for wanted in family_of(results.family).properties:
            chosen = {reader: len(results.seeds(name, "chosen", reader, wanted.name)) for reader in READERS}
            counts = sorted(chosen.items(), key=lambda item: -item[1])
            row[wanted.name.replace("_", " ")] = ", ".join(f"{reader} {n}" for reader, n in counts if n) or "-"
        rows.append(row)
    return rows if any(cell != "-" for row in rows for title, cell in row.items() if title != "encoder") else []


def difference_table(results: ZooResults) -> list[dict[str, str]]:
    """The encoder with the lowest loss against every other, seed by seed."""
    if len(results.encoders) < 2:
        return []
    best, known = best_encoder(results), family_of(results.family).headline_column
    columns = {
        results.loss_title: results.loss,
        known.title: ("frozen", "validation", known.metric),
        f"{known.title} OOD": ("frozen", "ood", known.metric),
        "accuracy R2": ("frozen", "validation", "accuracy_r2"),
    }
    return [
        {"difference": f"{best} - {name}"}
        | {
            title: results.difference(best, name, *where).text(
                4 if where == results.loss else family_of(results.family).metric(where[2]).digits
            )
            for title, where in columns.items()
        }
        for name in results.encoders
        if name != best
    ]


def best_encoder(results: ZooResults) -> str:
    """The encoder with the lowest validation loss; one whose loss is not known comes last."""
    return min(results.encoders, key=lambda name: np.nan_to_num(results.interval(name, *results.loss).mean, nan=np.inf))


def _cell(results: ZooResults, name: str, reading: str, part: str, metric: str) -> str:
    return _text(results, results.interval(name, reading, part, metric), metric)


def _text(results: ZooResults, found: Interval, metric: str) -> str:
    read = family_of(results.family).metric(metric)
    return found.text(read.digits, read.unit)


def _drop_empty(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    empty = {title for title in rows[0] if all(row[title] == "-" for row in rows)} if rows else set()
    return [{title: cell for title, cell in row.items() if title not in empty} for row in rows]
