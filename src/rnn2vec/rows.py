"""Which rows are meant: numbers, masks and slices become row numbers, in one place, or are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from rnn2vec.errors import RNN2VecError

Rows: TypeAlias = int | np.integer[Any] | slice | Sequence[int] | Sequence[bool] | np.ndarray | Tensor
"""One number, a slice, a sequence of whole numbers, or a mask with a boolean for every row; of numpy or torch, too."""


def row_numbers(rows: Rows, length: int, of: str = "network") -> np.ndarray:
    """The numbers of the rows that are meant, ``[K]`` int64, each within ``0 .. length - 1``.

    Negative numbers count from the end, as in numpy; a boolean mask has one value for each row and means those where it
    is true; one number means one row.

    Args:
        rows: what was asked for.
        length: rows there are.
        of: what a row is called in messages.

    Raises:
        RNN2VecError: if no row is asked for, a number is outside, a mask has another length, or they are neither whole
            numbers nor booleans.
    """
    try:
        if isinstance(rows, slice):
            chosen = np.arange(length)[rows]
        else:
            chosen = np.asarray(rows.detach().cpu().numpy() if isinstance(rows, Tensor) else rows)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RNN2VecError(f"rows are whole numbers, a slice, or a mask of booleans; got {rows!r}") from error
    if chosen.dtype == bool:
        if chosen.shape != (length,):
            raise RNN2VecError(f"a mask has a boolean for each {of}, {length} in all; got the shape {chosen.shape}")
        chosen = np.flatnonzero(chosen)
    if chosen.size == 0:
        raise RNN2VecError(f"at least one {of} of {length} is asked for; got none")
    if chosen.ndim > 1 or not np.issubdtype(chosen.dtype, np.integer):
        raise RNN2VecError(
            f"rows are one list of whole numbers, or a mask of booleans; got {chosen.dtype} of shape {chosen.shape}"
        )
    numbers = np.atleast_1d(chosen)
    outside = (numbers < -length) | (numbers >= length)
    if outside.any():
        raise RNN2VecError(
            f"each {of} has a number in 0..{length - 1}, or -1 down to -{length} from the end; got "
            f"{numbers[outside][0]}"
        )
    numbers = numbers.astype(np.int64)
    return np.where(numbers < 0, numbers + length, numbers)
