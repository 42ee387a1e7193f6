"""Layers as files describe them, in torch.nn's orders, and a network that is a list of them.

Every reader makes a :class:`Described`; :mod:`rnn2vec.checkpoints.assemble` makes networks of it.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from typing import Self

import numpy as np

from rnn2vec.architecture import ACTIVATIONS, GATES
from rnn2vec.checkpoints.arrays import Array
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

ORDERS = {"lstm": "ifgo", "gru": "rzn"}
"""torch.nn's order of gates, a letter each."""


class Matrix:
    """What reads its inputs by a matrix ``weight`` and a ``bias``."""

    weight: Array
    bias: Array

    @property
    def reads(self) -> int:
        """Inputs."""
        return self.weight.shape[1]

    def after(self, below: Dense) -> Self:
        """This layer and the linear part of the one below, in one."""
        made = copy.copy(self)
        made.weight, made.bias = self.weight @ below.weight, self.bias + self.weight @ below.bias
        return made


@dataclasses.dataclass
class Dense(Matrix):
    """A linear map ``weight @ x + bias``, then an activation.

    Attributes:
        weight: ``[out, in]``.
        bias: ``[out]``.
        activation: one of :data:`~rnn2vec.architecture.ACTIVATIONS`.
    """

    weight: Array
    bias: Array
    activation: str = "identity"

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise RNN2VecError(f"an activation is one of {', '.join(ACTIVATIONS)}; got {shown(self.activation)}")

    @property
    def says(self) -> int:
        """Outputs."""
        return self.weight.shape[0]


@dataclasses.dataclass
class Recurrent(Matrix):
    """One recurrent layer.

    Attributes:
        cell: see :class:`~rnn2vec.Architecture`, as are nonlinearity, reset and leak.
        weight: of the inputs, ``[G H, in]``, gates in torch.nn's order.
        weight_hh: ``[G H, H]``.
        bias: ``[G H]``, the first of two.
        bias_hh: ``[G H]``, the second; of a GRU's candidate it is within the reset.
        rate: ``[H]`` of a leaky cell.
        h0: ``[H]``, where the layer starts; zeros if None.
        c0: likewise of an LSTM.
    """

    cell: str
    weight: Array
    weight_hh: Array
    bias: Array
    bias_hh: Array
    nonlinearity: str = "tanh"
    reset: str = "after"
    leak: str = "outside"
    rate: Array | None = None
    h0: Array | None = None
    c0: Array | None = None

    @property
    def says(self) -> int:
        """H."""
        return self.weight_hh.shape[1]

    @property
    def kind(self) -> tuple[str, ...]:
        """What layers of one architecture share."""
        return self.cell, self.nonlinearity, self.reset, self.leak


@dataclasses.dataclass
class Bidirectional:
    """Two recurrent layers that read the same sequence; their outputs stand side by side at every step.

    Attributes:
        forward: reads from the first step on; its outputs come first.
        backward: reads from the last step back.
    """

    forward: Recurrent
    backward: Recurrent

    def __post_init__(self) -> None:
        if self.forward.reads != self.backward.reads:
            raise RNN2VecError(
                f"both directions read the same inputs; got {self.forward.reads} and {self.backward.reads} of them"
            )

    @property
    def reads(self) -> int:
        """Inputs."""
        return self.forward.reads

    @property
    def says(self) -> int:
        """Outputs of both."""
        return self.forward.says + self.backward.says

    def after(self, below: Dense) -> Bidirectional:
        """This layer and the linear part of the one below, in one."""
        return Bidirectional(self.forward.after(below), self.backward.after(below))


Layer = Dense | Recurrent | Bidirectional


@dataclasses.dataclass
class Described:
    """A network: ``y = out_gain (layers(x') + [skip] x'[:Y])``, where x' is x with its first input times ``in_gain``.

    Attributes:
        layers: from the input up.
        skip: whether the first inputs are added to the outputs.
        in_gain: of the first input.
        out_gain: of all outputs.
        embedding: ``[tokens, in]``, what the first layer reads for each token; None if inputs are numbers.
        classes: whether outputs are logits, of which the file takes the softmax.
        notes: what the reader did, assumed or ignored.
    """

    layers: list[Layer]
    skip: bool = False
    in_gain: float = 1.0
    out_gain: float = 1.0
    embedding: Array | None = None
    classes: bool = False
    notes: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if all(isinstance(layer, Dense) for layer in self.layers):
            raise RNN2VecError("a recurrent network has a recurrent layer; the file has none")
        for number, (below, layer) in enumerate(itertools.pairwise(self.layers)):
            if layer.reads != below.says:
                raise RNN2VecError(
                    f"a layer reads what the one below says; layer {number} of the file says {below.says} numbers and "
                    f"layer {number + 1} reads {layer.reads}"
                )
        if self.embedding is not None and self.embedding.shape[1] != self.layers[0].reads:
            raise RNN2VecError(
                f"the first layer reads what the embedding says; got {self.embedding.shape[1]} numbers and "
                f"{self.layers[0].reads} inputs"
            )
        if self.skip and self.outputs > self.inputs:
            raise RNN2VecError(
                f"a skip adds an input to every output; got {self.inputs} inputs, {self.outputs} outputs"
            )

    @property
    def inputs(self) -> int:
        """X."""
        return self.layers[0].reads if self.embedding is None else len(self.embedding)

    @property
    def outputs(self) -> int:
        """Y."""
        return self.layers[-1].says


def activated(layers: list[Layer], activation: str) -> list[Layer]:
    """Layers with an activation after the last, which becomes a part of it where that is linear."""
    last = layers[-1]
    if isinstance(last, Dense) and last.activation == "identity":
        return [*layers[:-1], dataclasses.replace(last, activation=activation)]
    return [*layers, Dense(np.eye(last.says), np.zeros(last.says), activation)]


def reordered(values: Array, order: str, cell: str) -> Array:
    """Rows ``[G H, ...]`` of gates in ``order`` as torch.nn has them, such as ``ifco`` of Keras.

    A GRU's candidate is called n or h, an LSTM's g or c.

    Raises:
        RNN2VecError: if the order does not name each gate of the cell once.
    """
    wanted = ORDERS.get(cell, "")
    own = order.replace("h", "n") if cell == "gru" else order.replace("c", "g")
    if not wanted:
        raise RNN2VecError(f"{cell} cells have no gates, whose order could be {shown(order)}")
    if sorted(own) != sorted(wanted):
        raise RNN2VecError(f"the gates of {cell} cells are {wanted}, in any order; got {shown(order)}")
    parts = np.split(values, len(own))
    return np.concatenate([parts[own.index(gate)] for gate in wanted])


def hidden_size(cell: str, name: str, weight_hh: Array) -> int:
    """H, counted from the recurrent weights ``[G H, H]``.

    Raises:
        RNN2VecError: if they are not of this cell.
    """
    rows, size = weight_hh.shape
    if rows != GATES[cell] * size:
        raise RNN2VecError(f"{name} of {cell} cells has {GATES[cell]} rows a hidden unit; got {[rows, size]}")
    return size
