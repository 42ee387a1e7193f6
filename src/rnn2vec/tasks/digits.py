"""Images of handwritten digits: MNIST from its original files, and a small set that needs no download."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np

from rnn2vec.errors import RNN2VecError

NORMALISATION = {"mnist": (0.1307, 0.3081), "uci": (0.3053, 0.3759)}
"""Mean and standard deviation of the pixels, scaled to 0..1, by source; MNIST's as in the paper."""

IMAGE_SIDE = {"mnist": 28, "uci": 8}
"""Pixels of an image's side, by source."""

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FILES = {
    "train-images-idx3-ubyte": (
        "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        "md5:d53e105ee54ea40749a09fcbcd1e9432",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
}
"""MNIST's training files: checksum as they are fetched, gzipped, and SHA-256 of what is in them."""


@dataclasses.dataclass(frozen=True, eq=False)
class Digits:
    """Images and their classes.

    Attributes:
        source: ``mnist`` or ``uci``.
        images: ``[D, S, S]`` uint8, 0 for black.
        labels: ``[D]`` int64, 0..9.
    """

    source: str
    images: np.ndarray
    labels: np.ndarray


@functools.cache
def load_digits(source: str, directory: str | None = None) -> Digits:
    """Load a set of digits.

    Args:
        source: ``mnist``, the 60,000 training images of 28 x 28; or ``uci``, the 1,797 images of 8 x 8 of the UCI
            repository that scikit-learn ships.
        directory: where MNIST's IDX files are, gzipped or not; by default they are fetched once into the user's cache.

    Raises:
        RNN2VecError: if the source is unknown, a file is missing, damaged or not MNIST's, or cannot be fetched.
    """
    check_source(source)
    if source == "uci":
        from sklearn.datasets import load_digits  # seconds, which few who import this need

        bundled = load_digits()
        return Digits(source, np.round(bundled.images * (255 / 16)).astype(np.uint8), bundled.target.astype(np.int64))
    images, labels = (_content(name, directory) for name in FILES)
    return Digits(source, _array(images, 3, "images"), _array(labels, 1, "labels").astype(np.int64))


def check_source(source: str) -> None:
    """Raise :class:`RNN2VecError` unless there are digits of this name."""
    if source not in [*NORMALISATION]:
        raise RNN2VecError(f"digits are {', '.join(NORMALISATION)}; got {source!r}")


def _content(name: str, directory: str | None) -> bytes:
    path = _fetch(name) if directory is None else _find(name, Path(directory))
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise RNN2VecError(f"cannot read {path}: {error}; fetch MNIST's {name}.gz again") from error
    if hashlib.sha256(content).hexdigest() != FILES[name][1]:
        raise RNN2VecError(f"{path} is not MNIST's {name}: its checksum differs; fetch {name}.gz again")
    return content


def _find(name: str, directory: Path) -> Path:
    spellings = [name, f"{name}.gz", name.replace("-idx", ".idx")]
    for spelling in spellings:
        if (directory / spelling).is_file():
            return directory / spelling
    raise RNN2VecError(f"MNIST is in files called {name} or {name}.gz; {directory} holds none of these")


def _fetch(name: str) -> Path:
    import pooch

    try:
        cache = pooch.os_cache("rnn2vec")
        file = pooch.retrieve(f"{MIRROR}{name}.gz", FILES[name][0], f"{name}.gz", cache, progressbar=True)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise RNN2VecError(
            f"cannot fetch MNIST from {MIRROR} ({type(error).__name__}): give the folder with its IDX files (--data "
            "DIR), or use the digits that need no download (--digits uci)"
        ) from error
    return Path(file)


def _array(content: bytes, dimensions: int, what: str) -> np.ndarray:
    """What an IDX file holds: two zero bytes, the type (8 for bytes), the number of dimensions, sizes, data."""
    head = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]):
        raise RNN2VecError(f"an IDX file of {what} begins with 0, 0, 8, {dimensions}; got {list(content[:4])}")
    sizes = struct.unpack(f">{dimensions}I", content[4:head])
    return np.frombuffer(content, np.uint8, offset=head).reshape(sizes)
