"""Measurements: one table of plain numbers, from which every table and figure of a benchmark is drawn."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.store import Evaluation
from rnn2vec.files import parse_parquet, read_bytes, write_atomically
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

SCHEMA = pa.schema(
    [
        ("zoo", pa.string()),
        ("family", pa.string()),
        ("encoder", pa.string()),
        ("seed", pa.int32()),
        ("ablation", pa.bool_()),
        ("probes", pa.int32()),
        ("probe_length", pa.int32()),
        ("reading", pa.string()),
        ("part", pa.string()),
        ("metric", pa.string()),
        ("step", pa.int32()),
        ("snapshot", pa.int32()),
        ("value", pa.float64()),
        ("vector", pa.list_(pa.float32())),
    ]
)
"""A row a measurement.

``zoo`` and ``family`` say where; ``encoder``, ``seed``, ``probes`` and ``probe_length`` what was measured,
``ablation`` whether its probes are other than the preset's. ``reading`` says how: ``emulation`` (``metric`` is a loss),
``frozen``, ``linear`` (by the linear reader alone), ``supervised`` (end to end), ``untrained`` and ``shuffled``
(controls), ``cross-validation`` (``part`` is a reader, ``metric`` a property), ``chosen`` (1 for the reader chosen),
``clone``, ``z``, ``cost``, ``truth`` (of the zoo itself, of no encoder). ``part`` is a part of the zoo, ``step`` a
training step and ``snapshot`` a row of the zoo's table, -1 where there is none. ``vector`` is a snapshot's z, which has
no value.
"""

CONSTANT = "constant"
"""The encoder that gives every network the same z: a control."""

Row = dict[str, Any]


def zoo_rows(zoo: Zoo, name: str) -> list[Row]:
    """The zoo itself: tasks, accuracy and training step of its snapshots, and its size."""
    at = {"zoo": name, "family": zoo.family, "reading": "truth"}
    columns = [*zoo.task_set.task_columns, "accuracy", "step"]
    rows = [
        at | {"metric": metric, "snapshot": snapshot, "value": float(value)}
        for metric in columns
        for snapshot, value in enumerate(zoo.column(metric))
    ]
    sizes = {"models": zoo.models, "tasks": len(np.unique(zoo.tasks, axis=0)), "seed": zoo.seed}
    return rows + [at | {"metric": metric, "value": float(value)} for metric, value in sizes.items()]


def run_rows(
    zoo: Zoo,
    at: Mapping[str, Any],
    evaluation: Evaluation,
    controls: Mapping[str, Mapping[str, Mapping[str, float]]],
    history: Iterable[Mapping[str, float]],
    keep_z: bool,
) -> list[Row]:
    """Everything measured of one encoder.

    Args:
        zoo: that it was measured on.
        at: what the rows share, such as ``zoo``, ``encoder`` and ``seed``.
        evaluation: of the encoder.
        controls: readings as of ``evaluation.results["frozen"]``, by name.
        history: of its pretraining.
        keep_z: whether to keep z and the clones' scores of single snapshots, which the maps need.
    """
    results, rows = evaluation.results, []

    def add(reading: str, metric: str, value: float, **more: Any) -> None:
        rows.append({**at, "reading": reading, "metric": metric, "value": float(value), **more})

    loss = results["emulation_loss"]
    common = results["common_loss"]
    for name, losses in {loss["name"]: loss, common["name"]: common}.items():
        for part in ("validation", "ood"):
            add("emulation", name, losses[part], part=part)
    for entry in history:
        for part in ("train", "validation"):
            add("emulation", loss["name"], entry[part], part=f"{part} curve", step=int(entry["step"]))
        add("cost", "seconds", entry["seconds"], part="pretraining", step=int(entry["step"]))
    readings = {name: results[name] for name in ("frozen", "linear", "supervised") if name in results} | dict(controls)
    for reading, parts in readings.items():
        for part, metrics in parts.items():
            for metric, value in metrics.items():
                add(reading, metric, value, part=part)
    for wanted, reading in results["readers"].items():
        for reader, score in reading["scores"].items():
            add("cross-validation", wanted, score, part=reader)
        add("chosen", wanted, 1.0, part=reading["reader"])
    for metric, value in results["clones"].items():
        add("clone", metric, value, part="validation")
    add("cost", "seconds", results["seconds"], part="pretraining")
    add("cost", "parameters", results["parameters"])
    if "supervised" in results:
        add("cost", "seconds", results["supervised_seconds"], part="end to end")
    if keep_z:
        for snapshot, z in enumerate(evaluation.embeddings.astype(np.float32)):
            add("z", "z", math.nan, snapshot=snapshot, vector=z)
        for snapshot, value in zip(split_zoo(zoo).validation, evaluation.clone_scores, strict=True):
            add("clone", "score", value, part="validation", snapshot=int(snapshot))
    return rows


def as_table(rows: Iterable[Row]) -> pa.Table:
    """Rows as a table; what a row does not say is empty, or -1."""
    empty = {"encoder": "", "seed": -1, "ablation": False, "probes": -1, "probe_length": -1}
    empty |= {"part": "", "step": -1, "snapshot": -1, "vector": None}
    return pa.Table.from_pylist([empty | row for row in rows], SCHEMA)


def write_measurements(path: Path, table: pa.Table) -> None:
    """Write a table of :data:`SCHEMA` as parquet, atomically."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def read_measurements(path: Path) -> pa.Table:
    """Read what :func:`write_measurements` wrote.

    Raises:
        RNN2VecError: if the file is missing, damaged or another kind of table.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise RNN2VecError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        table = parse_parquet(content)
        columns = table.schema.names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RNN2VecError(f"{path} is not a whole parquet file ({error}); remove it and repeat its command") from error
    if not table.schema.equals(SCHEMA):
        raise RNN2VecError(f"measurements have the columns {', '.join(SCHEMA.names)}; {path} has {', '.join(columns)}")
    return table
