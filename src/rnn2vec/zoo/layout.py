"""Where the parts of a zoo are in its folder."""

from __future__ import annotations

from pathlib import Path

SCHEMA_VERSION = 2
TABLE = "snapshots.parquet"
INDEX = "zoo.json"
CARD = "README.md"
BUILDING = "building.json"
"""Present in a directory from the first moment of a build to its last: the recipe that the shards there follow."""
IMPORTING = "importing.json"
"""Present in a directory from the first moment of an import to its last: the source."""
TRACES = {1: "rollouts", 2: "traces"}
"""The folder of traces, by schema version."""


def weights_path(directory: Path, shard: int) -> Path:
    """File of a shard's weights: names of parameters to ``[rows of the shard, ...]``."""
    return directory / "weights" / f"{shard:05d}.safetensors"


def traces_path(directory: Path, shard: int, version: int = SCHEMA_VERSION) -> Path:
    """File of a shard's ``inputs``, ``outputs`` (see :class:`rnn2vec.zoo.traces.Traces`) and metrics ``[S]``."""
    return directory / TRACES[version] / f"{shard:05d}.safetensors"
