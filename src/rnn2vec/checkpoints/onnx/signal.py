"""The value that runs through an ONNX graph, from its input on: the layers so far, and where each number lies.

Numbers are followed by name: an array of the shape that the value has holds, for each place, which number of which
step is there. Transpose, Squeeze, Reshape, Slice and Gather are run on that array, so that no layout needs a rule.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.layers import Layer
from rnn2vec.checkpoints.onnx.node import Node
from rnn2vec.errors import RNN2VecError

Places = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True)
class Signal:
    """What the network says so far.

    Attributes:
        places: for each place of the value, ``step * features + feature``; of the input, before it is read, its number.
        features: numbers of a step; 0 before the input is read.
        steps: all steps, in the axes of the input: those of the batch and of time, in either order.
        grid: steps ``[T, B]``, as the recurrent layers read them; None before the first.
        layers: from the input up.
        embedding: ``[tokens, E]``, what is read for each token.
        softmax: the operator that took one, after which there is no layer.
    """

    places: Places
    features: int = 0
    steps: Places = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    grid: Places | None = None
    layers: tuple[Layer, ...] = ()
    embedding: Array | None = None
    softmax: str = ""

    def read(self, node: Node) -> tuple[Signal, Places]:
        """What an operator reads that takes all numbers of each step from its last axis, and the steps, axis by axis.

        Raises:
            RNN2VecError: if they are not there, in order, or the network has ended with a softmax.
        """
        if self.softmax:
            raise RNN2VecError(f"a softmax is the last of all layers; {node} follows {self.softmax}")
        own = self if self.features else self._begun(node)
        return own, own.rows(str(node))

    def rows(self, what: str) -> Places:
        """The steps of a value whose last axis has all numbers of a step.

        Raises:
            RNN2VecError: if it has not.
        """
        steps, numbers = np.divmod(self.places, self.features)
        whole = steps.ndim > 0 and steps.shape[-1] == self.features
        if not whole or (numbers != np.arange(self.features)).any() or (steps != steps[..., :1]).any():
            raise RNN2VecError(
                f"a layer reads all {self.features} numbers of a step, in order, on the last axis; {what} reads others"
            )
        return steps[..., 0]

    def on_top(self, node: Node, steps: Places, says: int, layers: Iterable[Layer], **changed: Any) -> Signal:
        """The same steps after one layer more, whose numbers lie along a new last axis."""
        node.budget.claim(str(node), (*steps.shape, says))
        places = steps[..., None] * says + np.arange(says)
        return dataclasses.replace(self, places=places, features=says, layers=tuple(layers), **changed)

    def _begun(self, node: Node) -> Signal:
        """The input, of which one axis has the numbers of a step and the others are batch and time."""
        size = self.places.shape[-1] if self.places.ndim else 0
        shape = self.steps.shape
        for axis in range(len(shape)):
            if shape[axis] == size:
                lines = np.moveaxis(self.steps, axis, -1)
                if begun := self._along(lines):
                    return begun
        if size == 1 and (begun := self._along(self.steps[..., None])):
            return begun
        raise RNN2VecError(
            f"the numbers of a step are one axis of the input, {list(shape)}, of which all is read; {node} reads "
            f"{list(self.places.shape)} in another order"
        )

    def _along(self, lines: Places) -> Signal | None:
        """The input begun with steps whose numbers are lines, if the value's last axis has them all, each once."""
        firsts, size = lines[..., 0], lines.shape[-1]
        order = np.zeros(lines.size, np.int64)
        order[lines.ravel()] = np.arange(lines.size)
        places = order[self.places]
        rows = places.reshape(-1, size)
        if len(rows) != firsts.size or (np.sort(rows[:, 0]) != np.arange(0, lines.size, size)).any():
            return None
        if (rows != rows[:, :1] + np.arange(size)).any():
            return None
        steps = np.arange(firsts.size).reshape(firsts.shape)
        return dataclasses.replace(self, places=places, features=size, steps=steps)


def arranged(steps: Places, whole: Places) -> bool:
    """Whether steps are all, along the axes of ``whole`` in their order or the other; axes of size 1 do not count."""
    found, wanted = np.squeeze(steps), np.squeeze(whole)
    return np.array_equal(found, wanted) or np.array_equal(found, wanted.T)
