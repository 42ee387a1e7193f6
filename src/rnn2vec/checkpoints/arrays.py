"""Numbers from files: made float64 arrays of a known shape, or refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

Array = np.ndarray[Any, np.dtype[np.float64]]


def array(name: str, values: object, *shape: int | None) -> Array:
    """Numbers as a finite float64 array; None stands for a size of at least 1 that the numbers decide.

    Raises:
        RNN2VecError: if they are ragged, no numbers, not finite, or of another shape.
    """
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RNN2VecError(f"{name} holds numbers in rows of one length; got others ({error})") from error
    if found.dtype.kind not in "fiu":
        raise RNN2VecError(f"{name} holds numbers; got {found.dtype} of shape {list(found.shape)}")
    fits = found.ndim == len(shape) and all(
        size == wanted or (wanted is None and size > 0) for size, wanted in zip(found.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise RNN2VecError(f"{name} has the shape [{wanted}]; got {list(found.shape)}")
    with np.errstate(invalid="ignore"):  # what is not finite is refused below
        exact = found.astype(np.float64)
    if not np.isfinite(exact).all():
        raise RNN2VecError(
            f"{name} holds finite numbers; got NaN or infinity: the training diverged, or the file is damaged"
        )
    return exact


def mapping(name: str, value: object) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RNN2VecError: if it is none.
    """
    if not isinstance(value, dict):
        raise RNN2VecError(f"{name} is an object with names; got {type(value).__name__}")
    return value


def field(values: dict[str, Any], name: str) -> Any:
    """A field that a format always has.

    Raises:
        RNN2VecError: if it is missing.
    """
    if name not in values:
        raise RNN2VecError(f"the file has a field {name}; got only {shown(sorted(values)[:20])}")
    return values[name]


def not_read(where: str, values: dict[str, Any], known: Collection[str]) -> list[str]:
    """A note of the fields of a file that are of no known meaning; none if there are none."""
    others = sorted(set(values) - set(known))
    return [f"not read, of {where}: {', '.join(shown(name) for name in others[:10])}"] if others else []
