"""Values that come from outside, such as the fields of a recipe in JSON: made plain numbers and tuples, or refused."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError

LARGEST = 2**31 - 1
"""Of what is counted: networks, steps, sequences. It fits the 32-bit numbers that other tools read tables with."""

_EXACT = 2**53
"""Up to here, a float64 tells every whole number from the next."""


def whole(name: str, value: object, low: int = 1, high: int = LARGEST) -> int:
    """The whole number that a field holds; 8.0 is one, as in JSON, 0.9, True and "8" are none.

    Raises:
        RNN2VecError: if it is none, or outside ``low .. high``.
    """
    number = _as_whole(value)
    if number is None:
        raise RNN2VecError(f"{name} is a whole number; got {shown(value)}")
    if number < low:
        raise RNN2VecError(f"{name} is at least {low}; got {shown(number)}")
    if number > high:
        raise RNN2VecError(f"{name} is at most {high}; got {shown(number)}")
    return number


def _as_whole(value: Any) -> int | None:
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, (float, np.floating)):
        return int(value) if float(value).is_integer() else None
    try:
        return operator.index(value)
    except TypeError:
        return None


def number(name: str, value: object, low: float = 0.0) -> float:
    """The finite number that a field holds, of at least ``low``.

    Raises:
        RNN2VecError: if it is none.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if math.isfinite(found) and found >= low:
            return found
    raise RNN2VecError(f"{name} is a finite number of at least {low:g}; got {shown(value)}")


def sequence(name: str, value: object) -> tuple[Any, ...]:
    """The values that a field holds, in order.

    Raises:
        RNN2VecError: if it holds no list of them.
    """
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping)):
        raise RNN2VecError(f"{name} is a list; got {shown(value)}")
    return tuple(value)


def shown(value: object) -> str:
    """A value as a message shows it; Python refuses to write very long numbers."""
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return f"a very long {type(value).__name__}"


def are_whole(array: np.ndarray) -> bool:
    """Whether an array holds whole numbers alone, each of which an int64 holds exactly; NaN is none."""
    if array.dtype.kind == "f":
        return bool((np.isfinite(array) & (array == np.rint(array)) & (np.abs(array) <= _EXACT)).all())
    return array.dtype.kind in "iu" and (array.size == 0 or int(array.max()) < 2**63)
