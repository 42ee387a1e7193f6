"""JSON that shows whether it was altered: the checksums of files beside it, and one of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn2vec.errors import RNN2VecError

CHECKSUMS = "checksums"
"""Field: the SHA-256 of files beside it, by their names."""
OWN = "sha256"
"""Field: the SHA-256 of all other fields."""


def own_checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON object without :data:`OWN` and :data:`CHECKSUMS`, a wrong one of which shows at its file.

    It is that of the text that ``json.dumps`` makes of it with sorted keys and Python's default separators.
    """
    said = {name: value for name, value in values.items() if name not in (OWN, CHECKSUMS)}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they will be read from JSON, with their own checksum; what is no finite number becomes null."""
    plain: dict[str, Any] = json.loads(json.dumps(values), parse_constant=lambda constant: None)
    return plain | {OWN: own_checksum(plain)}


def require_unaltered(path: Path, values: Mapping[str, Any]) -> None:
    """Hold what was read against its own checksum; what an earlier version wrote has none, and passes.

    Raises:
        RNN2VecError: if it says something else by now.
    """
    if OWN in values and values[OWN] != own_checksum(values):
        raise RNN2VecError(
            f"{path} differs from its own checksum: it was altered after it was written; restore or rebuild it"
        )


def recorded_checksum(path: Path, values: Mapping[str, Any], name: str) -> str | None:
    """SHA-256 of the file ``name`` that JSON beside it records; None if an earlier version wrote the JSON.

    Raises:
        RNN2VecError: if there are checksums but none of this file.
    """
    if CHECKSUMS not in values:
        return None
    checksums = values[CHECKSUMS]
    found = checksums.get(name) if isinstance(checksums, dict) else None
    if not isinstance(found, str):
        raise RNN2VecError(
            f"{CHECKSUMS} in {path} hold the SHA-256 of {name}; got {checksums!r}: restore or rebuild it"
        )
    return found
