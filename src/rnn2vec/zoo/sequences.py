"""Sequences from a user's file, for networks to be observed on: ``.npy``, ``.npz``, ``.csv`` or ``.wav``."""

from __future__ import annotations

import csv
import dataclasses
import io
import struct
import tokenize
import warnings
import zipfile
from pathlib import Path

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_bytes
from rnn2vec.interface import Numbers, Tokens
from rnn2vec.networks.stimuli import STEPS

MOST = 64
"""Sequences that are kept of a long file."""
DAMAGED = (
    ValueError, EOFError, KeyError, MemoryError, struct.error, zipfile.BadZipFile, csv.Error, tokenize.TokenError,
    ZeroDivisionError, UnboundLocalError, UserWarning,
)  # fmt: skip
"""What numpy and scipy raise at files that are truncated or altered."""
ARRAY = "inputs"
"""The array of an npz file that holds several."""


@dataclasses.dataclass(frozen=True)
class Sequences:
    """What networks are observed on.

    Attributes:
        values: tokens ``[R, T]`` or numbers ``[R, T, X]``.
        note: where they come from, and what was left out.
    """

    values: np.ndarray
    note: str


def read_sequences(path: Path, inputs: Tokens | Numbers) -> Sequences:
    """Read sequences for networks with such inputs.

    Arrays are ``[T, X]`` or ``[R, T, X]``, of one input or of tokens also ``[T]`` or ``[R, T]``; a csv has a row a step
    and a column an input, and may have a head; a wav has a channel an input, from -1 to 1. What is longer than
    :data:`~rnn2vec.networks.stimuli.STEPS` is cut; of more sequences than :data:`MOST`, as many are kept, evenly
    spread. Nothing is unpickled.

    Raises:
        RNN2VecError: if the file cannot be read, or does not fit the inputs.
    """
    try:
        content = read_bytes(path)
        read = READERS.get(path.suffix.lower())
        if read is None:
            raise RNN2VecError(f"inputs are a file of {', '.join(READERS)}; got {path.suffix or 'no suffix'}")
        values = _shaped(read(content), inputs)
    except OSError as error:
        raise RNN2VecError(f"cannot read the inputs {path}: {error.strerror or error}") from error
    except RNN2VecError as error:  # which is a ValueError, too
        raise RNN2VecError(f"inputs {path}: {error}") from error
    except DAMAGED as error:
        raise RNN2VecError(
            f"cannot read the inputs {path}: {error}: it was truncated, or is of another format"
        ) from error
    if problem := inputs.problem(values):
        raise RNN2VecError(f"inputs {path}: {problem}; got others, such as {values.reshape(-1)[:3].tolist()}")
    steps = STEPS[inputs.kind]
    count, length = values.shape[:2]
    if length > steps:
        parts = length // steps
        values = values[:, : parts * steps].reshape(count * parts, steps, *values.shape[2:])
    kept = np.linspace(0, len(values) - 1, min(MOST, len(values))).astype(int)
    note = f"{path.name}: {len(kept)} sequences of {values.shape[1]} steps"
    if len(kept) * values.shape[1] < count * length:
        note += f", of {count} of {length}, cut and evenly spread"
    return Sequences(values[kept], note)


def _shaped(array: np.ndarray, inputs: Tokens | Numbers) -> np.ndarray:
    """``[R, T]`` tokens or ``[R, T, X]`` numbers of an array that may lack its first or last axis."""
    if inputs.kind == "tokens":
        whole = array.astype(np.int64) if array.dtype.kind in "iuf" and np.array_equal(array, np.rint(array)) else array
        found = whole[..., 0] if whole.ndim > 1 and whole.shape[-1] == 1 else whole
        found, wanted = np.atleast_2d(found), 2
    else:
        found = array.astype(np.float32) if array.dtype.kind in "iuf" else array
        if inputs.size == 1 and (found.ndim == 1 or found.shape[-1] != 1):
            found = found[..., None]
        found, wanted = found[None] if found.ndim == 2 else found, 3
    fits = found.ndim == wanted and 0 not in found.shape and (wanted == 2 or found.shape[-1] == inputs.size)
    if not fits:
        raise RNN2VecError(
            f"sequences for networks that read {inputs} have {inputs.size} numbers a step, or are tokens "
            f"of shape [T] or [R, T]; got an array of shape {list(array.shape)}"
        )
    return found


def _npy(content: bytes) -> np.ndarray:
    return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))


def _npz(content: bytes) -> np.ndarray:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        names = list(arrays)
        if len(names) != 1 and ARRAY not in names:
            raise RNN2VecError(f"an npz file holds one array, or one called {ARRAY}; got {', '.join(names) or 'none'}")
        return np.asarray(arrays[ARRAY if ARRAY in names else names[0]])


def _csv(content: bytes) -> np.ndarray:
    rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if row]
    if rows and not all(_is_number(cell) for cell in rows[0]):
        rows = rows[1:]  # a head
    if len({len(row) for row in rows}) != 1:
        raise RNN2VecError("a csv has rows of one length, a number a cell; got others")
    return np.array([[[float(cell) for cell in row] for row in rows]])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _wav(content: bytes) -> np.ndarray:
    """Samples ``[1, T, X]``, the largest that a format holds as 1."""
    from scipy.io import wavfile  # slow to import

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Chunk .* not understood")  # titles and the like
        warnings.filterwarnings("error", "Reached EOF")
        _, samples = wavfile.read(io.BytesIO(content))
    samples = samples.reshape(1, len(samples), -1)
    if samples.dtype.kind == "f":
        return np.asarray(samples)
    middle = 128 if samples.dtype == np.uint8 else 0
    return (samples.astype(np.float64) - middle) / (128 if middle else 2 ** (8 * samples.dtype.itemsize - 1))


READERS = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".wav": _wav}
