"""Architecture: what a recurrent network is made of, without its weights."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import counted, sequence, shown, whole

GATES = {"lstm": 4, "gru": 3, "elman": 1, "leaky": 1}
"""Gates stacked along the rows of a layer's parameters, in torch.nn's order: LSTM i, f, g, o; GRU r, z, n."""

NONLINEARITIES = {"lstm": ("tanh",), "gru": ("tanh",), "elman": ("tanh", "relu"), "leaky": ("tanh", "relu", "softplus")}
"""What each cell may have; the first is the default."""

RESETS = ("after", "before")
LEAKS = ("outside", "inside")
ACTIVATIONS = ("identity", "tanh", "relu", "sigmoid", "softplus")
"""Of a head's linear layers."""

MOST_LAYERS = 1000
"""Every parameter has a name with the number of its layer, and each is looked up."""

_NAMES = {"lstm": "LSTM", "gru": "GRU", "elman": "Elman", "leaky": "leaky"}
CHOICES = {"reset": ("gru", RESETS), "leak": ("leaky", LEAKS)}
"""What one kind of cell alone has a choice of: the field, the cell and the choices; the first is the default."""


@dataclasses.dataclass(frozen=True)
class HeadLayer:
    """A hidden layer of a head: a linear map, then an activation.

    Attributes:
        size: its outputs.
        activation: one of :data:`ACTIVATIONS`.
    """

    size: int
    activation: str

    def __post_init__(self) -> None:
        whole("the size of a head's layer", self.size)
        _require("an activation", self.activation, ACTIVATIONS)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The cell, the sizes and the extras that all networks of a population share.

    Attributes:
        cell: ``lstm``; ``gru``; ``elman`` (:class:`torch.nn.RNN`); or ``leaky``, a continuous-time network.
        input_size: X, features of an input, or the number of different tokens.
        hidden_sizes: H of each recurrent layer, from the input up.
        output_size: Y, outputs of the head.
        nonlinearity: f of an Elman or leaky cell, see :data:`NONLINEARITIES`.
        reset: of a GRU, whether its reset gate is applied ``after`` the recurrent product, as torch.nn does, or to the
            hidden state ``before`` it.
        leak: of a leaky cell, with a rate a for each unit: ``outside`` the nonlinearity, v <- (1-a) v + a (W f(v) +
            U x + b), read as f(v); or ``inside``, h <- (1-a) h + a f(W h + U x + b).
        head: hidden layers of the head between the last recurrent layer and its final linear map.
        output_activation: of that final map, one of :data:`ACTIVATIONS`.
        skip: whether the first Y inputs are added to the outputs.
        initial_state: whether every network has an initial state of its own (zeros otherwise).

    Raises:
        RNN2VecError: if a field is of another kind, out of range, or no choice of this cell.
    """

    cell: str
    input_size: int
    hidden_sizes: tuple[int, ...]
    output_size: int
    nonlinearity: str = "tanh"
    reset: str = "after"
    leak: str = "outside"
    head: tuple[HeadLayer, ...] = ()
    output_activation: str = "identity"
    skip: bool = False
    initial_state: bool = False

    def __post_init__(self) -> None:
        _require("a cell", self.cell, tuple(GATES))
        if self.nonlinearity not in NONLINEARITIES[self.cell]:
            choices = " or ".join(NONLINEARITIES[self.cell])
            raise RNN2VecError(
                f"the nonlinearity of {_NAMES[self.cell]} cells is {choices}; got {shown(self.nonlinearity)}"
            )
        for name, (cell, choices_of) in CHOICES.items():
            _require(f"the {name} of a {_NAMES[cell]} cell", getattr(self, name), choices_of)
            if self.cell != cell and getattr(self, name) != choices_of[0]:
                raise RNN2VecError(f"only {_NAMES[cell]} cells have a choice of {name}; got {name} with {self.cell!r}")
        for name in ("input_size", "output_size"):
            object.__setattr__(self, name, whole(name, getattr(self, name)))
        sizes = tuple(whole("each of hidden_sizes", size) for size in sequence("hidden_sizes", self.hidden_sizes))
        if not 1 <= len(sizes) <= MOST_LAYERS:
            raise RNN2VecError(f"a recurrent network has 1..{MOST_LAYERS} recurrent layers; got {len(sizes)}")
        object.__setattr__(self, "hidden_sizes", sizes)
        head = sequence("head", self.head)
        if not all(isinstance(layer, HeadLayer) for layer in head):
            raise RNN2VecError(f"the hidden layers of a head are HeadLayers; got {shown(self.head)}")
        object.__setattr__(self, "head", head)
        _require("the output_activation", self.output_activation, ACTIVATIONS)
        for name in ("skip", "initial_state"):
            if not isinstance(getattr(self, name), bool):
                raise RNN2VecError(f"{name} is True or False; got {shown(getattr(self, name))}")
        if self.skip and self.output_size > self.input_size:
            raise RNN2VecError(
                f"a skip connection adds an input to every output; got {self.input_size} inputs and "
                f"{self.output_size} outputs"
            )

    @classmethod
    def stack(
        cls, cell: str, input_size: int, hidden_size: int, num_layers: int, output_size: int, nonlinearity: str = "tanh"
    ) -> Architecture:
        """Layers of one size and a linear head: what torch.nn's recurrent layers are.

        Raises:
            RNN2VecError: as the class does.
        """
        hidden_size, num_layers = whole("hidden_size", hidden_size), whole("num_layers", num_layers, 1, MOST_LAYERS)
        return cls(cell, input_size, (hidden_size,) * num_layers, output_size, nonlinearity)

    def resized(self, hidden_size: int | None = None, num_layers: int | None = None, **others: Any) -> Architecture:
        """The same with other fields, or with ``num_layers`` recurrent layers of ``hidden_size``.

        Raises:
            RNN2VecError: as the class does, or if layers of different sizes would be as many others.
        """
        sizes = self.hidden_sizes
        if num_layers is not None and hidden_size is None and len(set(sizes)) > 1:
            raise RNN2VecError(f"layers of different sizes, {list(sizes)}, are not as many others: say a hidden_size")
        if hidden_size is not None or num_layers is not None:
            size = whole("hidden_size", sizes[0] if hidden_size is None else hidden_size)
            sizes = (size,) * whole("num_layers", len(sizes) if num_layers is None else num_layers, 1, MOST_LAYERS)
        return dataclasses.replace(self, hidden_sizes=sizes, **others)

    @property
    def num_layers(self) -> int:
        """L, recurrent layers."""
        return len(self.hidden_sizes)

    @functools.cached_property
    def widest(self) -> int:
        """H of the largest layer: states are ``[N, L, B, widest]``, and zero beyond a smaller layer's size."""
        return max(self.hidden_sizes)

    @property
    def has_cell_state(self) -> bool:
        """Whether a state is ``(h, c)``, not ``h`` alone."""
        return self.cell == "lstm"

    @property
    def num_gates(self) -> int:
        """Gates per hidden unit: the rows of a layer's parameters are ``num_gates`` times its size."""
        return GATES[self.cell]

    @functools.cached_property
    def is_plain_stack(self) -> bool:
        """Whether it is what :meth:`stack` makes: one of torch.nn's recurrent layers with a linear head."""
        return self.cell != "leaky" and self == Architecture.stack(
            self.cell, self.input_size, self.widest, self.num_layers, self.output_size, self.nonlinearity
        )

    def layer_inputs(self, layer: int) -> int:
        """Columns of a layer's input weights."""
        return self.hidden_sizes[layer - 1] if layer else self.input_size

    def head_layers(self) -> list[tuple[str, int, int, str]]:
        """The head's linear maps in order: the parameters' prefix, inputs, outputs and activation."""
        sizes = [self.hidden_sizes[-1], *(layer.size for layer in self.head)]
        hidden = [
            (f"head_l{number}", sizes[number], layer.size, layer.activation) for number, layer in enumerate(self.head)
        ]
        return [*hidden, ("linear", sizes[-1], self.output_size, self.output_activation)]

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one network's parameters by name: recurrent layers in torch.nn's order, then the head.

        After a layer's four come, where it has them, ``leak_l*`` (a, from 0 to 1), ``h0_l*`` and ``c0_l*``.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, size in enumerate(self.hidden_sizes):
            rows = self.num_gates * size
            shapes[f"weight_ih_l{layer}"] = (rows, self.layer_inputs(layer))
            shapes[f"weight_hh_l{layer}"] = (rows, size)
            shapes[f"bias_ih_l{layer}"] = (rows,)
            shapes[f"bias_hh_l{layer}"] = (rows,)
            shapes |= {f"{name}_l{layer}": (size,) for name in self.unit_parameters()}
        for name, inputs, outputs, _ in self.head_layers():
            shapes[f"{name}.weight"] = (outputs, inputs)
            shapes[f"{name}.bias"] = (outputs,)
        return shapes

    def unit_parameters(self) -> tuple[str, ...]:
        """Names of what a layer has one number a unit of, beside its biases."""
        starts = (("h0", "c0") if self.has_cell_state else ("h0",)) if self.initial_state else ()
        return (*(("leak",) if self.cell == "leaky" else ()), *starts)

    @property
    def num_parameters(self) -> int:
        """Parameters of one network, counted without a list of their shapes, which may be very long."""
        total = sum(outputs * (inputs + 1) for _, inputs, outputs, _ in self.head_layers())
        extra = len(self.unit_parameters())
        below = self.input_size
        for size in self.hidden_sizes:
            total += self.num_gates * size * (below + size + 2) + extra * size
            below = size
        return total

    def to_dict(self) -> dict[str, Any]:
        """What it is as a JSON-serialisable dictionary; fields that are as by default are left out."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        kept = {name: value for name, value in values.items() if value != defaults[name]}
        kept["hidden_sizes"] = list(self.hidden_sizes)
        return kept | ({"head": [dataclasses.asdict(layer) for layer in self.head]} if self.head else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """The inverse of :meth:`to_dict`; the ``hidden_size`` and ``num_layers`` of schema 1 are read, too.

        Raises:
            RNN2VecError: if a field is unknown, missing or out of range.
        """
        known = ", ".join(field.name for field in dataclasses.fields(cls))
        try:
            if "hidden_size" in values:
                return cls.stack(**values)
            head = tuple(HeadLayer(**layer) for layer in values.get("head", ()))
            return cls(**{**values, "head": head})
        except (TypeError, AttributeError) as error:
            raise RNN2VecError(f"an architecture has the fields {known}; got {shown(values)}") from error

    @property
    def cell_name(self) -> str:
        """The cell with its choices, for a reader."""
        kinds = {"gru": {"after": "", "before": " (reset before)"}[self.reset], "lstm": ""}
        kinds |= {"elman": f" ({self.nonlinearity})", "leaky": f" ({self.nonlinearity}, leak {self.leak})"}
        return f"{_NAMES[self.cell]}{kinds[self.cell]}"

    def __str__(self) -> str:
        same = len(set(self.hidden_sizes)) == 1
        sizes = f"{self.num_layers} x {self.widest}" if same else " + ".join(map(str, self.hidden_sizes))
        extras = [f"head {' + '.join(str(layer.size) for layer in self.head)}"] if self.head else []
        extras += [self.output_activation] if self.output_activation != "identity" else []
        extras += ["skip"] if self.skip else []
        extras += ["own initial states"] if self.initial_state else []
        parts = [self.cell_name, sizes, counted(self.input_size, "input")]
        return ", ".join([*parts, counted(self.output_size, "output"), *extras])


def _require(what: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise RNN2VecError(f"{what} is one of {', '.join(choices)}; got {shown(value)}")
