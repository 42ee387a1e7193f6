"""Zoos whose files are altered on purpose, with the checksums made to fit, or not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy

from rnn2vec import Zoo
from rnn2vec.checksums import own_checksum
from rnn2vec.zoo.shards import TRACES

ChangeTable = Callable[[pa.Table], pa.Table]


def flip_a_byte(path: Path) -> None:
    """Alter the last byte of a file."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def rewrite_index(directory: Path, change: Callable[[dict[str, Any]], object], signed: bool = True) -> None:
    """Edit ``zoo.json``, with its own checksum made to fit, or, as an earlier version wrote it, without one."""
    index = json.loads((directory / "zoo.json").read_text())
    change(index)
    index.pop("sha256", None)
    if signed:
        index["sha256"] = own_checksum(index)
    (directory / "zoo.json").write_text(json.dumps(index))


def record(directory: Path, name: str) -> None:
    """Make the recorded checksum of a file fit it."""
    checksum = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    rewrite_index(directory, lambda index: index["checksums"].update({name: checksum}))


def rewrite_table(directory: Path, change: ChangeTable) -> None:
    """Edit the table and make its recorded checksum fit."""
    path = directory / "snapshots.parquet"
    pq.write_table(change(pq.ParquetFile(path).read()), path)
    record(directory, path.name)


def put(name: str, value: Any, row: int | None = 10) -> ChangeTable:
    """Put a value into one row of a column, or into every row."""

    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        values = [value] * len(values) if row is None else [*values[:row], value, *values[row + 1 :]]
        return table.set_column(table.column_names.index(name), name, pa.array(values))

    return change


def row_checksum(tensors: dict[str, np.ndarray], row: int, names: list[str]) -> str:
    """SHA-256 of a row's bytes, tensor by tensor."""
    return hashlib.sha256(b"".join(tensors[name][row].tobytes() for name in names)).hexdigest()


def rewrite_shard(directory: Path, name: str, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    """Edit the tensors of a shard, and make the checksums of its file and of its rows fit, where they can."""
    tensors = safetensors.numpy.load((directory / name).read_bytes())
    folder, shard = name.split("/")[0], int(Path(name).stem)
    names = [key for key in ("inputs", "outputs") if key in tensors] if folder == "traces" else in_order(tensors)
    change(tensors)
    (directory / name).write_bytes(safetensors.numpy.save(tensors))

    def change_table(table: pa.Table) -> pa.Table:
        column = f"{folder}_sha256"
        checksums = [
            row_checksum(tensors, at["row"], names)
            if at["shard"] == shard and all(key in tensors and tensors[key].shape[:1] > (at["row"],) for key in names)
            else at[column]
            for at in table.to_pylist()
        ]
        return table.set_column(table.column_names.index(column), column, pa.array(checksums))

    rewrite_table(directory, change_table)
    record(directory, name)


def in_order(tensors: dict[str, np.ndarray]) -> list[str]:
    """Names of a recurrent stack's parameters in torch.nn's order, the head last."""
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    layers = sum(name.startswith("weight_hh") for name in tensors)
    return [f"{part}_l{layer}" for layer in range(layers) for part in parts] + ["linear.weight", "linear.bias"]


def put_nan(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    """An edit that makes one number of a tensor NaN."""

    def change(tensors: dict[str, np.ndarray]) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name].reshape(-1)[-1] = np.nan

    return change


def as_schema_1(zoo: Zoo, directory: Path) -> Path:
    """What a version that knew only schema 1 would have written for a zoo that was built: its files, made by hand."""
    for name in ("weights", "rollouts"):
        (directory / name).mkdir(parents=True)
    recipe = json.loads((zoo.directory / "zoo.json").read_text())["recipe"]
    spec = {"cell": "lstm", "input_size": zoo.architecture.input_size, "hidden_size": zoo.architecture.widest}
    spec |= {"num_layers": zoo.architecture.num_layers, "output_size": zoo.architecture.output_size}
    spec["nonlinearity"] = "tanh"
    settings = zoo.task_set.to_dict()
    family = settings.pop("name")
    old = {"family": family, "spec": spec, **recipe, "seed": zoo.seed, "rollouts": recipe["traces"], **settings}
    del old["traces"]
    for path in zoo.directory.glob("*/*.safetensors"):
        tensors = safetensors.numpy.load(path.read_bytes())
        if path.parent.name == "traces":  # all numbers were float16
            halved = {name: tensors[name].astype(np.float16) for name in TRACES if tensors[name].dtype.kind == "f"}
            tensors |= halved
        folder = {"weights": "weights", "traces": "rollouts"}[path.parent.name]
        (directory / folder / path.name).write_bytes(safetensors.numpy.save(tensors))
    added = ["name", "source", "architecture", "weights_sha256", "traces_sha256"]
    pq.write_table(zoo.snapshots.drop_columns(added), directory / "snapshots.parquet")
    (directory / "README.md").write_text("---\n---\n")
    files = (path for path in directory.rglob("*") if path.is_file())
    checksums = {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
    index = {"schema_version": 1, "family": family, "spec": spec, "seed": zoo.seed, "recipe": old}
    index |= {"checksums": checksums, "sha256": own_checksum(index)}
    (directory / "zoo.json").write_text(json.dumps(index))
    return directory
