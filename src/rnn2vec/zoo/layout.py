"""Where the parts of a zoo are in its folder, and the index that names and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn2vec.checksums import sealed
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_json, write_json

SCHEMA_VERSION = 1
TABLE = "snapshots.parquet"
INDEX = "zoo.json"
CARD = "README.md"
BUILDING = "building.json"
"""Present in a directory from the first moment of a build to its last: the recipe that the shards there follow."""
IMPORTING = "importing.json"
"""Present in a directory from the first moment of an import to its last: the source."""


def weights_path(directory: Path, shard: int) -> Path:
    """File of a shard's weights: torch.nn's names to ``[snapshots of the shard, ...]``."""
    return directory / "weights" / f"{shard:05d}.safetensors"


def rollouts_path(directory: Path, shard: int) -> Path:
    """File of a shard's ``inputs``, ``outputs`` (see :class:`rnn2vec.zoo.store.Rollouts`) and metrics ``[S]``."""
    return directory / "rollouts" / f"{shard:05d}.safetensors"


def write_index(directory: Path, index: Mapping[str, Any]) -> None:
    """Write an index with its own checksum; with it, a folder is a zoo."""
    write_json(directory / INDEX, sealed(index))


def read_index(directory: Path) -> dict[str, Any]:
    """Read the index of a zoo, which has a recipe and checksums.

    Raises:
        RNN2VecError: if there is none, it is no JSON object, or of a newer schema.
    """
    path = directory / INDEX
    if not path.is_file():
        reason = (
            "its build has not finished: run the same command again"
            if (directory / BUILDING).exists() or (directory / IMPORTING).exists()
            else ("make one with `rnn2vec zoo build FAMILY --out DIR`")
        )
        raise RNN2VecError(f"a zoo is a directory with a {INDEX}; {directory} has none: {reason}")
    index = read_json(path, "zoo index")
    version = index.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RNN2VecError(f"{path} states no schema_version, so it is no zoo of this format")
    if version > SCHEMA_VERSION:
        raise RNN2VecError(
            f"{directory} has schema version {version}, this rnn2vec reads up to {SCHEMA_VERSION}: upgrade rnn2vec"
        )
    if not isinstance(index.get("recipe"), dict) or not isinstance(index.get("checksums"), dict):
        raise RNN2VecError(f"{path} lacks a recipe or checksums; restore or rebuild the zoo")
    return index
