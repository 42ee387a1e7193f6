"""Tiled sequential digits: rotated images read tile by tile, the second family of the paper (section 5.1)."""

from __future__ import annotations

import dataclasses
import functools
import numbers
from typing import Any, ClassVar

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown
from rnn2vec.randomness import generator
from rnn2vec.rows import Rows, row_numbers
from rnn2vec.tasks.digits import IMAGE_SIDE, NORMALISATION, Digits, check_source, load_digits

TILE_SIDE = {"mnist": 4, "uci": 2}
"""Pixels of a tile's side, by source of digits."""


@dataclasses.dataclass(frozen=True)
class TiledDigits:
    """Name the digit, turned by an angle, while reading it tile by tile.

    An image is rotated, scaled to 0..1, normalised, and cut into tiles, which are read row by row after a first step of
    zeros: 49 tiles of 4 x 4 for ``mnist``. The class is asked for at every step. The first 80 % of a fixed random order
    of all images are for training, the others for validation; both are the same for every network.

    Attributes:
        angle: of the rotation about the image's centre, in degrees from 0 up to 360, counter-clockwise as displayed.
        source: of the images, see :func:`rnn2vec.tasks.digits.load_digits`.
        directory: where its files are; no part of what the task is.

    Raises:
        RNN2VecError: if the angle is out of range or the source unknown; and, when images are first used, if they
            cannot be loaded.
    """

    angle: float
    source: str = "mnist"
    directory: str | None = dataclasses.field(default=None, compare=False)

    output_size: ClassVar[int] = 10

    def __post_init__(self) -> None:
        check_source(self.source)
        if not (isinstance(self.angle, numbers.Real) and 0.0 <= self.angle < 360.0):
            raise RNN2VecError(f"an angle is a number of degrees from 0 up to 360; got {shown(self.angle)}")

    def __str__(self) -> str:
        return f"digits turned by {self.angle:.0f}\u00b0"

    @property
    def input_size(self) -> int:
        """X: pixels of a tile."""
        return TILE_SIDE[self.source] ** 2

    @property
    def length(self) -> int:
        """Steps of a sequence: one of zeros, then the tiles."""
        return 1 + (IMAGE_SIDE[self.source] // TILE_SIDE[self.source]) ** 2

    @property
    def parameters(self) -> dict[str, float]:
        """The angle by name."""
        return {"angle": self.angle}

    @property
    def training(self) -> np.ndarray:
        """Numbers of the training images."""
        order = _order(self.source, len(self._digits.labels))
        return order[: len(order) * 4 // 5]

    @property
    def validation(self) -> np.ndarray:
        """Numbers of the validation images."""
        order = _order(self.source, len(self._digits.labels))
        return order[len(order) * 4 // 5 :]

    @property
    def _digits(self) -> Digits:
        return load_digits(self.source, self.directory)

    def sequences(self, images: Rows) -> tuple[np.ndarray, np.ndarray]:
        """The images of the given numbers ``[B]`` as sequences ``[B, T, X]`` float32, and their classes ``[B]``."""
        digits, (mean, std) = self._digits, NORMALISATION[self.source]
        images = row_numbers(images, len(digits.labels), "image")
        pixels = digits.images[images].reshape(len(images), -1).T.astype(np.float32)
        turned = (self._tiled_rotation @ pixels).T * np.float32(1 / (255 * std)) - np.float32(mean / std)
        sequences = np.zeros((len(images), self.length, self.input_size), dtype=np.float32)
        sequences[:, 1:] = turned.reshape(len(images), -1, self.input_size)
        return sequences, digits.labels[images]

    def sample(self, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw training images: sequences ``[B, T, X]`` float32, and their classes at every step ``[B, T]``."""
        training = self.training
        inputs, labels = self.sequences(training[generator.integers(0, len(training), size)])
        return inputs, np.repeat(labels[:, None], self.length, axis=1)

    @functools.cached_property
    def _tiled_rotation(self) -> Any:
        side = IMAGE_SIDE[self.source]
        return rotation(side, self.angle)[tile_order(side, TILE_SIDE[self.source])]


def rotation(side: int, angle: float) -> Any:
    """The rotation of square images as a linear map of their pixels.

    A ``scipy.sparse.csr_array`` ``[side * side, side * side]`` float32.

    About the centre of the image, counter-clockwise as displayed, with bilinear interpolation; beyond its edge an image
    is black. With dx and dy the distance of an output pixel from the centre, to the right and down, its value is that
    of the input at dx cos - dy sin to the right and dx sin + dy cos down. The paper states no interpolation.
    """
    centre, turn = (side - 1) / 2, np.deg2rad(angle)
    down, right = (offsets.ravel() - centre for offsets in np.mgrid[:side, :side])
    # rounding lets multiples of 90 degrees fall on pixels exactly
    x = np.round(centre + right * np.cos(turn) - down * np.sin(turn), 9)
    y = np.round(centre + right * np.sin(turn) + down * np.cos(turn), 9)
    left, top = np.floor(x), np.floor(y)
    rows, columns, weights = [], [], []
    for row, row_weight in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_weight in ((left, 1 - (x - left)), (left + 1, x - left)):
            weight = row_weight * column_weight
            inside = (row >= 0) & (row < side) & (column >= 0) & (column < side) & (weight > 0)
            rows.append(np.flatnonzero(inside))
            columns.append((row[inside] * side + column[inside]).astype(int))
            weights.append(weight[inside])
    entries = np.concatenate(weights).astype(np.float32), (np.concatenate(rows), np.concatenate(columns))
    from scipy import sparse  # imported late, as few who import this need it

    return sparse.csr_array(entries, shape=(side * side, side * side))


def tile_order(side: int, tile: int) -> np.ndarray:
    """Which pixel of an image comes when it is read tile by tile, tiles and pixels row by row: ``[side * side]``."""
    count = side // tile
    pixels = np.arange(side * side).reshape(count, tile, count, tile)
    return pixels.transpose(0, 2, 1, 3).ravel()


@functools.cache
def _order(source: str, count: int) -> np.ndarray:
    return generator(0, "digits", source).permutation(count)
