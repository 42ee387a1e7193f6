"""RNNSpec: the shape that all networks of a population share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rnn2vec.errors import RNN2VecError

GATES = {"lstm": 4, "gru": 3, "elman": 1}
"""Gates stacked along the rows of a layer's parameters, in torch.nn's order: LSTM i, f, g, o; GRU r, z, n."""


@dataclasses.dataclass(frozen=True)
class RNNSpec:
    """The shape that all networks of a population share.

    Attributes:
        cell: ``lstm``, ``gru`` or ``elman`` (:class:`torch.nn.RNN`).
        input_size: X, features of an input, or the number of different tokens.
        hidden_size: H, hidden units of each layer.
        num_layers: L, stacked recurrent layers.
        output_size: Y, rows of the linear head.
        nonlinearity: ``tanh`` or ``relu``; only an Elman network may have ``relu``.
    """

    cell: str
    input_size: int
    hidden_size: int
    num_layers: int
    output_size: int
    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        if not isinstance(self.cell, str) or self.cell not in GATES:
            raise RNN2VecError(f"cell must be one of {', '.join(GATES)}; got {self.cell!r}")
        if self.nonlinearity not in ("tanh", "relu"):
            raise RNN2VecError(f"nonlinearity must be tanh or relu; got {self.nonlinearity!r}")
        if self.nonlinearity == "relu" and self.cell != "elman":
            raise RNN2VecError(f"only an Elman network has a choice of nonlinearity; got relu with cell {self.cell!r}")
        for name in ("input_size", "hidden_size", "num_layers", "output_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise RNN2VecError(f"{name} must be a whole number of at least 1; got {value!r}")

    @property
    def num_gates(self) -> int:
        """Gates per hidden unit: the rows of a layer's parameters are ``num_gates * hidden_size``."""
        return GATES[self.cell]

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one network's parameters under torch.nn's names, in torch.nn's order, the head last."""
        rows = self.num_gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            columns = self.input_size if layer == 0 else self.hidden_size
            shapes[f"weight_ih_l{layer}"] = (rows, columns)
            shapes[f"weight_hh_l{layer}"] = (rows, self.hidden_size)
            shapes[f"bias_ih_l{layer}"] = (rows,)
            shapes[f"bias_hh_l{layer}"] = (rows,)
        shapes["linear.weight"] = (self.output_size, self.hidden_size)
        shapes["linear.bias"] = (self.output_size,)
        return shapes

    @property
    def num_parameters(self) -> int:
        """Parameters of one network, counted without a list of their shapes, which may be very long."""
        rows = self.num_gates * self.hidden_size
        inputs = rows * (self.input_size + (self.num_layers - 1) * self.hidden_size)
        recurrent = self.num_layers * rows * (self.hidden_size + 2)
        return inputs + recurrent + self.output_size * (self.hidden_size + 1)

    def to_dict(self) -> dict[str, Any]:
        """The spec as a JSON-serialisable dictionary."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RNNSpec:
        """The inverse of :meth:`to_dict`.

        Raises:
            RNN2VecError: if a field is unknown, missing or out of range.
        """
        try:
            return cls(**values)
        except TypeError as error:
            known = ", ".join(field.name for field in dataclasses.fields(cls))
            raise RNN2VecError(f"an RNN spec has the fields {known}; got {values!r}") from error

    def __str__(self) -> str:
        cell = {"lstm": "LSTM", "gru": "GRU", "elman": f"Elman ({self.nonlinearity})"}[self.cell]
        return f"{cell}, {self.num_layers} x {self.hidden_size}, {self.input_size} inputs, {self.output_size} outputs"
