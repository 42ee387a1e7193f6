"""Values that come from outside, such as the fields of a recipe in JSON: made plain numbers and tuples, or refused."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError

LARGEST = 2**31 - 1
"""Of what is counted: networks, steps, sequences. It fits the 32-bit numbers that other tools read tables with."""

MOST_FOR_NEAR = 10_000
"""Names among which a mistyped one is looked for, which takes a second."""
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
_EXACT = 2**53
"""Up to here, a float64 tells every whole number from the next."""


def whole(name: str, value: object, low: int = 1, high: int = LARGEST) -> int:
    """The whole number that a field holds, numpy's too; 0.9, 8.0, True and "8" are none.

    Raises:
        RNN2VecError: if it is none, or outside ``low .. high``.
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise RNN2VecError(f"{name} is a whole number; got {shown(value)}")
    if value < low:
        raise RNN2VecError(f"{name} is at least {low}; got {shown(value)}")
    if value > high:
        raise RNN2VecError(f"{name} is at most {high}; got {shown(value)}")
    return int(value)


def number(name: str, value: object, low: float = 0.0) -> float:
    """The finite number that a field holds, of at least ``low``; float32 holds it, too.

    Raises:
        RNN2VecError: if it is none.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if real and max(low, -_LARGEST_FLOAT) <= value <= _LARGEST_FLOAT:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    at_least = f" of at least {low:g}" if low > -math.inf else ""
    raise RNN2VecError(f"{name} is a finite number{at_least}; got {shown(value)}")


def sequence(name: str, value: object) -> tuple[Any, ...]:
    """The values that a field holds, in order.

    Raises:
        RNN2VecError: if it holds no list of them.
    """
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping)):
        raise RNN2VecError(f"{name} is a list; got {shown(value)}")
    return tuple(value)


def make_plain(owner: object, name: str, value: object) -> None:
    """Keep a field of a frozen dataclass as Python's own number or tuple, which JSON holds and which equals what is
    read from there.
    """
    object.__setattr__(owner, name, value)


def shown(value: object) -> str:
    """A value as a message shows it; Python refuses to write very long numbers."""
    try:
        return repr(value.item() if isinstance(value, np.generic) else value)
    except (ValueError, RecursionError):
        return f"a very long {type(value).__name__}"


def counted(number: int, noun: str) -> str:
    """A number of things, such as ``1 input`` and ``2 inputs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def are_whole(array: np.ndarray) -> bool:
    """Whether an array holds whole numbers alone, each of which an int64 holds exactly; NaN is none."""
    if array.dtype.kind == "f":
        array = array.astype(np.float64, copy=False)  # the largest exact number is infinite in float16
        return bool((np.isfinite(array) & (array == np.rint(array)) & (np.abs(array) <= _EXACT)).all())
    return array.dtype.kind in "iu" and (array.size == 0 or int(array.max()) < 2**63)


def are_finite_floats(array: np.ndarray) -> bool:
    """Whether an array holds floats, none of them NaN or infinite."""
    return array.dtype.kind == "f" and bool(np.isfinite(array).all())


def near_names(name: str, known: Sequence[str]) -> str:
    """What a message says of a name that is none of the known ones: those near it, or the first few."""
    near = [other for other in known if name.lower() in other.lower()][:5]
    if not near and len(known) <= MOST_FOR_NEAR:
        near = difflib.get_close_matches(name, known, 5)
    return f"near it are {', '.join(near)}" if near else f"names are such as {', '.join(known[:3])}"
