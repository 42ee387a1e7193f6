"""Files spoilt at random: bytes, JSON values, whole files; what a reader must refuse, or read as it was meant."""

from __future__ import annotations

import contextlib
import json
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.testing.malicious import Exploit

STRANGE: tuple[Any, ...] = (
    None,
    -1,
    0,
    1e400,
    2**70,
    "",
    "../../outside",
    "/outside",
    [],
    {},
    [[]],
    True,
    "x" * 1000,
    0.5,
    "nan",
)
"""Values that few places of a JSON file may hold."""


def mutated(whole: bytes, numbers: np.random.Generator) -> bytes:
    """A few bytes changed, half of the time near the beginning; a piece moved or doubled; or the end cut off. What is
    empty stays so.
    """
    content = bytearray(whole)
    if not content:
        return b""
    among = len(content) if numbers.random() < 0.5 else min(len(content), 4096)
    for place in numbers.integers(0, among, numbers.integers(1, 5)).tolist():
        own = content[int(numbers.integers(len(content)))]  # keeps texts what they are
        content[place] = int(numbers.choice([0, 1, 127, 128, 255, *numbers.integers(256, size=3), *[own] * 8]))
    if numbers.random() < 0.1:
        start, size, to = (int(numbers.integers(len(content))) for _ in range(3))
        piece = content[start : start + size % 64]
        content[to : to + (len(piece) if numbers.random() < 0.5 else 0)] = piece
    if numbers.random() < 0.2:
        del content[int(numbers.integers(len(content))) :]
    return bytes(content)


def damage(directory: Path, numbers: random.Random, touched: Path, pattern: str = "*") -> str:
    """Spoil one file of a directory, of those that fit a pattern; say how. If none does, a file ``new`` is added.

    Args:
        directory: changed in place.
        numbers: decide which file, and how.
        touched: a file that appears if a reader executes what it reads.
        pattern: of names.
    """
    files = sorted(path for path in directory.rglob(pattern) if path.is_file())
    path = numbers.choice(files or [directory / "new"])
    path.touch()
    content = bytearray(path.read_bytes())
    kinds = ["truncate", "flip", "splice", "delete", "swap", "pickle", "zeros", "header"]
    kind = numbers.choice(kinds + ["json"] * 6 * (path.suffix == ".json"))
    if kind == "truncate":
        content = content[: numbers.randrange(len(content) + 1)]
    elif kind == "flip":
        for _ in range(numbers.choice([1, 1, 4, 50])):
            if content:
                content[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)
    elif kind == "header" and content:  # where sizes and shapes are
        for _ in range(numbers.choice([1, 2, 8])):
            content[numbers.randrange(min(len(content), 200))] = numbers.randrange(256)
    elif kind == "splice":
        start = numbers.randrange(len(content) + 1)
        content[start : start + numbers.randrange(40)] = numbers.randbytes(numbers.randrange(40))
    elif kind == "delete":
        path.unlink()
        return f"delete {path.name}"
    elif kind == "swap":
        other = numbers.choice(sorted(path for path in directory.rglob("*") if path.is_file()))
        content = bytearray(other.read_bytes())
    elif kind == "pickle":
        content = bytearray(pickle.dumps(Exploit(touched)))
        if path.suffix == ".npy":
            np.save(path, np.array([Exploit(touched)], dtype=object), allow_pickle=True)
            return f"pickle {path.name}"
    elif kind == "zeros":
        content = bytearray(len(content))
    elif kind == "json":
        with contextlib.suppress(ValueError):  # damaged before
            content = bytearray(json.dumps(spoilt(json.loads(content), numbers)).encode())
    path.write_bytes(bytes(content))
    return f"{kind} {path.name}"


def spoilt(value: Any, numbers: random.Random) -> Any:
    """A JSON value with something in it changed, removed or added."""
    if isinstance(value, dict) and value and numbers.random() < 0.85:
        key = numbers.choice(sorted(value))
        changed = dict(value)
        if numbers.random() < 0.15:
            del changed[key]
        elif numbers.random() < 0.1:
            changed[numbers.choice(["../../outside", "", "extra"])] = changed.pop(key)
        else:
            changed[key] = spoilt(value[key], numbers)
        return changed
    if isinstance(value, list) and value and numbers.random() < 0.7:
        place = numbers.randrange(len(value))
        return [spoilt(one, numbers) if index == place else one for index, one in enumerate(value)]
    return numbers.choice(STRANGE)
