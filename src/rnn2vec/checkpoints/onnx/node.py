"""An operator of an ONNX graph as readers see it: attributes that are all used or refused, and a bounded memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from rnn2vec.checkpoints.arrays import Array, array
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown


@dataclasses.dataclass
class Budget:
    """How many numbers reading a graph may still make: what operators claim is held against it first."""

    left: int

    def claim(self, what: str, shape: Iterable[int]) -> None:
        """Count an array in.

        Raises:
            RNN2VecError: if there would be too many numbers, or a size is negative.
        """
        sizes = [int(size) for size in shape]
        count = math.prod(sizes)
        if min(sizes, default=0) < 0 or count > self.left:
            raise RNN2VecError(
                f"what a graph makes on the way fits the size of its file; {what} makes {shown(sizes)} numbers: if the "
                "file fixes long sequences or large batches, export it with axes of any size (dynamic_axes)"
            )
        self.left -= count


@dataclasses.dataclass
class Node:
    """An operator.

    Attributes:
        kind: its name in ONNX.
        outputs: names of what it computes.
        attributes: by name, tensors as arrays; those that were asked for are taken out.
        opset: the version of the operators.
        budget: shared by all of a graph.
    """

    kind: str
    outputs: list[str]
    attributes: dict[str, Any]
    opset: int
    budget: Budget

    def __str__(self) -> str:
        return f"{self.kind} ({self.outputs[0] if self.outputs else 'without outputs'})"

    def get(self, option: str, default: Any) -> Any:
        """An attribute, or what it is if it is not there."""
        return self.attributes.pop(option, default)

    def require(self, **options: Any) -> None:
        """Refuse what computes something else.

        Raises:
            RNN2VecError: if an attribute is there and is another.
        """
        for option, wanted in options.items():
            if (found := self.get(option, wanted)) != wanted:
                raise RNN2VecError(f"{self} is read with {option} {shown(wanted)}; the file has {shown(found)}")

    def finish(self) -> None:
        """Refuse attributes that nothing has asked for.

        Raises:
            RNN2VecError: if there are any.
        """
        if self.attributes:
            raise RNN2VecError(f"{self} is read without {', '.join(self.attributes)}; the file has them")

    def weights(self, name: str, values: Any, *shape: int | None) -> Array:
        """An input that the file holds, as finite float64 numbers of a shape.

        Raises:
            RNN2VecError: if it is none.
        """
        if values is None:
            raise RNN2VecError(f"{self} has {name}; it is missing")
        self.budget.claim(str(self), values.shape)
        return array(f"{name} of {self}", values, *shape)
