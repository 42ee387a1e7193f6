"""npy files of a published zoo: numbers as the layout means them, whatever type and byte order they are stored in."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import are_whole

_UNREADABLE = (ValueError, OSError, EOFError, SyntaxError, tokenize.TokenError)
"""What numpy raises for a damaged file; its header is a Python literal."""


def load(path: Path) -> np.ndarray:
    """An array that is read from disk when it is used; a table is read now."""
    if not path.is_file():
        raise RNN2VecError(f"the paper's layout holds {path.name}; {path.parent} does not: is this a published zoo?")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _UNREADABLE as error:
        raise RNN2VecError(f"{path} is damaged ({error}): fetch it again") from error
    kind = "f" if path.stem in ("parameters", "logits", "accuracy_losses") else "iuf"
    if array.dtype.kind not in kind or array.dtype.itemsize > 8 or array.ndim < 2 or len(array) == 0:
        raise RNN2VecError(f"{path} holds numbers, a row a snapshot; got {array.dtype} of shape {list(array.shape)}")
    if path.stem not in ("tasks", "num_step", "num_step_correct", "accuracy_losses"):
        return array
    if not np.isfinite(array).all():
        raise RNN2VecError(f"numbers in {path} are finite; got NaN or infinity")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def dimensions_of(array: np.ndarray, dimensions: tuple[str, ...], name: str) -> tuple[int, ...]:
    """The shape of an array that has these dimensions."""
    if array.ndim != len(dimensions):
        raise RNN2VecError(f"{name}.npy has the shape [{', '.join(dimensions)}]; got {list(array.shape)}")
    return array.shape


def check_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise :class:`RNN2VecError` unless an array has this shape."""
    if array.shape != shape:
        raise RNN2VecError(f"{name}.npy of this published zoo has the shape {list(shape)}; got {list(array.shape)}")


def whole_numbers(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array of this shape as int64, if its numbers are whole."""
    check_shape(name, array, shape)
    if not are_whole(array):
        broken = next(row for row in range(len(array)) if not are_whole(array[row]))
        raise RNN2VecError(f"numbers in {name}.npy are whole; row {broken} holds {array[broken].tolist()}")
    return array.astype(np.int64)


def exactly(name: str, array: np.ndarray, dtype: Any, part: slice) -> np.ndarray:
    """A copy of some rows in the type that a zoo holds them in, if that changes none of their numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        converted = np.array(array, dtype=dtype, order="C")
    same = (np.isfinite(converted) & (converted == array)).reshape(len(array), -1).all(1)
    if not same.all():
        row = int(same.argmin())
        named = f"row {part.start + row} of {name}.npy"
        if not np.isfinite(array[row]).all():
            raise RNN2VecError(f"numbers of a published zoo are finite; {named} holds NaN or infinity")
        raise RNN2VecError(
            f"a zoo stores {name} as {np.dtype(dtype)}, which does not hold {named} exactly: convert the array to "
            f"{np.dtype(dtype)} yourself if rounding is meant"
        )
    return converted


def header(dtype: Any, shape: tuple[int, ...]) -> bytes:
    """The head of an npy file, as numpy writes it."""
    described = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()
