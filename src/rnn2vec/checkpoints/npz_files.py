"""``.npz`` of numpy: arrays by name. What is pickled in it, an array of objects, is never read."""

from __future__ import annotations

import io
import math

import numpy as np

from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.declaration import Declaration
from rnn2vec.errors import RNN2VecError

NAME = "npz"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def recognised(archive: dict[str, bytes]) -> bool:
    """Whether the entries of an archive are arrays of numpy."""
    return bool(archive) and all(name.endswith(".npy") for name in archive)


def read(archive: dict[str, bytes], said: Declaration) -> tuple[dict[str, Array], list[str]]:
    """Arrays by name in the file's order, and the names of those that were declared to be ignored.

    Raises:
        RNN2VecError: if an array is damaged, larger than its entry, or of anything but numbers.
    """
    names = {entry: entry.removesuffix(".npy") for entry in archive}
    kept = [entry for entry, name in names.items() if not said.ignores(name)]
    ignored = [name for entry, name in names.items() if entry not in kept]
    return {names[entry]: _array(names[entry], archive[entry]) for entry in kept}, ignored


def _array(name: str, content: bytes) -> Array:
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise RNN2VecError(f"{name} is of version {version} of numpy's format; 1.0 and 2.0 are read")
        shape, columns, dtype = _HEADERS[version](file)
    except (ValueError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        if isinstance(error, RNN2VecError):
            raise
        raise RNN2VecError(f"{name} is no whole array of numpy: it was truncated or altered") from error
    if dtype.kind not in "fiub":
        kind = "objects, which are pickled and never read" if dtype.hasobject else str(dtype)
        raise RNN2VecError(f"{name} holds {kind}; arrays of a network hold numbers: declare ignore=['{name}']")
    left = len(content) - file.tell()
    if math.prod(shape) * dtype.itemsize != left:
        raise RNN2VecError(f"{name} claims the shape {list(shape)} of {dtype}; the file has {left} bytes of it")
    flat = np.frombuffer(content, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if columns else "C").astype(np.float64)
