"""Plain values: what may stand as an answer, a label or the name of a question, and when two of them are the same.

Two values are the same if and only if Python says that they are equal, and it must say so of every copy: ``True``, 1
and 1.0 are one value, so are 0.0 and -0.0; 1 and ``"1"`` are two. What counts is the number and not its type, so
numbers, arrays and tensors of numpy or torch become Python's numbers and nested tuples of them, as lists become tuples.
Refused is what does not equal itself (NaN, wherever it is held) and what equals nothing but itself (objects without an
``==`` of their own).
"""

from __future__ import annotations

import dataclasses
import enum
import numbers
import operator
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

from rnn2vec.errors import RNN2VecError


class Array(Protocol):
    """What numpy's arrays and torch's tensors have in common."""

    def tolist(self) -> Any:
        """The values as Python's."""


Listed: TypeAlias = Iterable[Any] | Array
"""What has members in order: a list, an array, a tensor."""

_ATOMS = frozenset({bool, int, str, bytes, type(None)})
_ONE_OF_A_KIND = (type(None), type(Ellipsis), type, enum.Enum)
"""There is never a second copy of these, so that being the same object is being equal."""


def listed(values: Listed) -> list[Any]:
    """The members of a sequence; of an array or a tensor as Python's numbers, or nested tuples of them.

    Raises:
        TypeError: if it has no members, or none in an order that is meant.
    """
    members: Any = _as_python(values) if _is_array(values) else values
    if isinstance(members, Mapping | set | frozenset):
        raise TypeError(f"a {type(members).__name__} has no rows in order")
    return list(members)


def plain(value: Any, what: str) -> Hashable:
    """A value whose equality can be relied on, the same as the one given.

    Args:
        value: a number, text, bytes, None, a list, tuple or frozenset of such values, an array or a tensor, a frozen
            dataclass of such values, or any other hashable object with an ``==`` of its own.
        what: what it stands for, in messages.

    Raises:
        RNN2VecError: if it is not hashable, does not equal itself, or equals nothing but itself.
    """
    try:
        return _plain(value, what)
    except RecursionError as error:
        raise RNN2VecError(f"every {what} is a number, text or a tuple of them; got one nested too deep") from error


def _plain(value: Any, what: str) -> Hashable:
    if type(value) in _ATOMS:
        return value
    if _is_array(value):
        try:
            value = _as_python(value)
        except TypeError as error:
            raise RNN2VecError(f"every {what} is a number, text or a tuple of them; {error}") from error
    if isinstance(value, list | tuple | frozenset):
        members = [_plain(member, what) for member in value]
        if isinstance(value, list) or any(member is not own for member, own in zip(members, value, strict=True)):
            return frozenset(members) if isinstance(value, frozenset) else tuple(members)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.compare and _plain(held := getattr(value, field.name), what) is not held:
                raise RNN2VecError(
                    f"every {what} is known by its value; got {value!r}, which holds {type(held).__name__} in "
                    f"{field.name}: give it Python's numbers and tuples"
                )
    _check_equality(value, what)
    return value


def plain_list(values: Listed, what: str) -> list[Hashable]:
    """The members of a sequence, array or tensor, each as :func:`plain` gives it.

    Raises:
        RNN2VecError: if it is none, or as :func:`plain` does.
    """
    try:
        members = listed(values)
    except TypeError as error:
        raise RNN2VecError(f"{what}s are given in order, as a list; {error}") from error
    return [plain(member, what) for member in members]


def whole_number(value: Any, what: str) -> int:
    """Python's number for a whole one, also of numpy or torch; 3.0 is refused, True is 1.

    Raises:
        RNN2VecError: if it is none.
    """
    try:
        return operator.index(_as_python(value) if _is_array(value) else value)
    except TypeError as error:
        raise RNN2VecError(f"{what}: a whole number is needed; got {value!r}") from error


def whole_rows(values: Listed, what: str) -> list[tuple[int, ...]]:
    """Rows of whole numbers, also of arrays and tensors.

    Raises:
        RNN2VecError: if there are no rows, or :func:`whole_number` refuses an entry.
    """
    try:
        rows = [listed(row) for row in listed(values)]
    except TypeError as error:
        raise RNN2VecError(f"{what}: rows of whole numbers are needed; {error}") from error
    return [tuple(whole_number(entry, what) for entry in row) for row in rows]


def real_number(value: Any, what: str) -> float:
    """Python's float for a real number, also of numpy or torch; its range is the caller's to check, and NaN.

    Raises:
        RNN2VecError: if it is none.
    """
    try:
        number = _as_python(value) if _is_array(value) else value
        if not isinstance(number, numbers.Real):
            raise TypeError("it is none")
        return float(number)
    except (TypeError, OverflowError) as error:
        raise RNN2VecError(f"{what}: a number is needed; got {value!r}") from error


def time_limit(seconds: Any) -> float:
    """Seconds that a search may take, 0 or more; infinity is no limit.

    Raises:
        RNN2VecError: if it is no such number.
    """
    limit = real_number(seconds, "seconds of a search")
    if not limit >= 0:
        raise RNN2VecError(f"a search takes 0 seconds or more; got {seconds}")
    return limit


def _is_array(value: Any) -> bool:
    """Whether it is of an array library: a tensor, an array, or one of numpy's numbers. None of them is imported."""
    return hasattr(type(value), "tolist") or hasattr(type(value), "__array__")


def _as_python(value: Any) -> Any:
    """An array as Python's number, or nested tuples of them.

    Raises:
        TypeError: if it cannot be.
    """
    if getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):
        raise TypeError(f"what {value!r} equals depends on its unit: write times as text")
    try:
        return _as_tuples(value.tolist() if hasattr(value, "tolist") else np.asarray(value).tolist())
    except (ValueError, RuntimeError) as error:  # of a sparse tensor, or one without data
        raise TypeError(f"{type(value).__name__} has no values to read: {error}") from error


def _as_tuples(nested: Any) -> Any:
    return tuple(map(_as_tuples, nested)) if isinstance(nested, list) else nested


def _check_equality(value: Any, what: str) -> None:
    kind: Any = type(value)
    by_identity = object.__eq__ is kind.__eq__ or object.__hash__ is kind.__hash__
    if by_identity and not isinstance(value, _ONE_OF_A_KIND):
        raise RNN2VecError(
            f"every {what} is known by its value; got {value!r}, which equals nothing but itself: give a number, text "
            "or a tuple of them"
        )
    try:
        hash(value)
        equal = bool(value == value)
    except Exception as error:  # whatever somebody's own == or hash raises
        raise RNN2VecError(f"every {what} is hashable, such as a number, text or a tuple of them; {error}") from error
    if not equal:  # it would pass for another value each time that it is given
        raise RNN2VecError(f"every {what} equals itself; got {value!r}, which does not: replace it, say by None")
