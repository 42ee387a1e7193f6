"""RNNSpec and Population: N recurrent networks of one shape, as stacked tensors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rnn2vec.errors import RNN2VecError
from rnn2vec.randomness import generator

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
        if self.cell not in GATES:
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
        """Parameters of one network."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

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


class RecurrentNetwork(nn.Module):
    """One network of a spec as an ordinary torch module: ``rnn`` (batch first) and a ``linear`` head."""

    def __init__(self, spec: RNNSpec) -> None:
        super().__init__()
        options: dict[str, Any] = {"num_layers": spec.num_layers, "batch_first": True}
        if spec.cell == "elman":
            options["nonlinearity"] = spec.nonlinearity
        kind = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}[spec.cell]
        self.rnn: nn.RNNBase = kind(spec.input_size, spec.hidden_size, **options)
        self.linear = nn.Linear(spec.hidden_size, spec.output_size)

    def forward(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map inputs ``[B, T, X]`` to outputs ``[B, T, Y]`` and the state after the last step."""
        hidden, state = self.rnn(inputs, state)
        return self.linear(hidden), state


@dataclasses.dataclass(frozen=True, eq=False)
class Population:
    """N networks of one spec.

    Attributes:
        spec: the shape the networks share.
        weights: torch.nn's parameter names (``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0``, ...,
            ``linear.weight``, ``linear.bias``) to tensors ``[N, *shape]``, of any floating dtype. They are ordinary
            tensors: call ``requires_grad_()`` on those whose gradient is wanted.

    Raises:
        RNN2VecError: if names or shapes do not fit the spec.
    """

    spec: RNNSpec
    weights: dict[str, Tensor]

    def __post_init__(self) -> None:
        shapes = self.spec.parameter_shapes()
        if set(self.weights) != set(shapes):
            wrong = ", ".join(sorted(set(self.weights) ^ set(shapes)))
            raise RNN2VecError(f"a population's weights are named {', '.join(shapes)}; missing or unknown: {wrong}")
        object.__setattr__(self, "weights", {name: self.weights[name] for name in shapes})
        dtypes = {weight.dtype for weight in self.weights.values()}
        if len(dtypes) > 1 or not self.dtype.is_floating_point:
            found = ", ".join(sorted(map(str, dtypes)))
            raise RNN2VecError(f"all weights of a population have one floating dtype; got {found}")
        length = len(self)
        for name, shape in shapes.items():
            if tuple(self.weights[name].shape) != (length, *shape):
                raise RNN2VecError(
                    f"{name} of {length} networks ({self.spec}) has the shape {[length, *shape]}; "
                    f"got {list(self.weights[name].shape)}"
                )

    @classmethod
    def from_modules(cls, modules: Sequence[nn.Module]) -> Population:
        """Stack copies of trained modules, each holding one ``nn.LSTM``, ``nn.GRU`` or ``nn.RNN`` and one
        ``nn.Linear``.

        How a module names or nests the two does not matter. Absent biases become zeros.

        Raises:
            RNN2VecError: if a module holds none or several of either, has other parameters too, is bidirectional,
                projects its hidden state, or differs in shape or dtype from the first.
        """
        if len(modules) == 0:
            raise RNN2VecError("a population has at least one network; got an empty list of modules")
        specs, parameters = zip(*(_parameters_of(module, index) for index, module in enumerate(modules)), strict=True)
        for index, spec in enumerate(specs):
            if spec != specs[0]:
                raise RNN2VecError(
                    f"all networks of a population share one spec; module 0 is {specs[0]}, module {index} is {spec}: "
                    "make one population for each spec"
                )
        dtypes = {parameter.dtype for own in parameters for parameter in own.values()}
        if len(dtypes) > 1:
            found = ", ".join(sorted(map(str, dtypes)))
            raise RNN2VecError(f"all networks of a population have one dtype; got {found}")
        return cls(specs[0], {name: torch.stack([p[name] for p in parameters]) for name in parameters[0]})

    @classmethod
    def initialise(cls, spec: RNNSpec, seed: int, models: Sequence[int]) -> Population:
        """Fresh networks, uniform in +-1/sqrt(H) as torch.nn's recurrent layers and linear heads are.

        Network ``model`` depends on ``(seed, model)`` alone, whatever else is in the population.

        Args:
            spec: the shape of the networks.
            seed: the seed of the zoo.
            models: the numbers of the networks within the zoo.

        Raises:
            RNN2VecError: if no network is asked for.
        """
        if len(models) == 0:
            raise RNN2VecError("a population holds at least one network; got no models: name one")
        bound = 1 / math.sqrt(spec.hidden_size)
        flat = np.stack(
            [generator(seed, model, "initialisation").random(spec.num_parameters, dtype=np.float32) for model in models]
        )
        return cls.from_flat(spec, torch.from_numpy(flat * (2 * bound) - np.float32(bound)))

    @classmethod
    def from_flat(cls, spec: RNNSpec, flat: Tensor) -> Population:
        """The inverse of :meth:`flatten`: ``[N, P]`` parameters in torch.nn's order."""
        shapes = spec.parameter_shapes()
        if flat.ndim != 2 or flat.shape[1] != spec.num_parameters:
            raise RNN2VecError(
                f"flat parameters of {spec} have the shape [N, {spec.num_parameters}]; got {list(flat.shape)}"
            )
        pieces = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)
        return cls(
            spec,
            {
                name: piece.reshape(-1, *shape).contiguous()
                for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
            },
        )

    def flatten(self) -> Tensor:
        """All parameters as ``[N, P]``, in torch.nn's order, the head last."""
        return torch.cat([weight.flatten(1) for weight in self.weights.values()], dim=1)

    def __len__(self) -> int:
        return next(iter(self.weights.values())).shape[0]

    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray | Tensor) -> Population:
        """The networks at ``index``, always as a population (of one, for a single number)."""
        chosen: Any = index
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"network {index} of a population of {len(self)}")
            chosen = [int(index)]
        elif not isinstance(index, slice):
            chosen = torch.as_tensor(index, device=self.device)
        return Population(self.spec, {name: weight[chosen] for name, weight in self.weights.items()})

    def __iter__(self) -> Iterator[Population]:
        return (self[index] for index in range(len(self)))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(iter(self.weights.values())).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating dtype of the weights."""
        return next(iter(self.weights.values())).dtype

    def to(self, *args: Any, **kwargs: Any) -> Population:
        """Move or cast all weights, with the arguments of :meth:`torch.Tensor.to`."""
        return Population(self.spec, {name: weight.to(*args, **kwargs) for name, weight in self.weights.items()})

    def to_modules(self) -> list[RecurrentNetwork]:
        """The networks as N separate torch modules that own copies of the weights."""
        modules = []
        for index in range(len(self)):
            module = RecurrentNetwork(self.spec).to(self.device, self.dtype)
            own = {(name if name.startswith("linear.") else f"rnn.{name}"): w for name, w in self.weights.items()}
            module.load_state_dict({name: weight[index].detach() for name, weight in own.items()})
            modules.append(module)
        return modules

    def permute_hidden(self, permutations: Sequence[Tensor]) -> Population:
        """Renumber the hidden units of every layer; the functions the networks compute stay the same.

        Args:
            permutations: for each layer an index tensor ``[N, H]``; unit ``permutations[l][n, j]`` becomes unit ``j``.

        Raises:
            RNN2VecError: if there is not one for each layer.
        """
        hidden, gates = self.spec.hidden_size, self.spec.num_gates
        if len(permutations) != self.spec.num_layers:
            raise RNN2VecError(f"one permutation for each of {self.spec.num_layers} layers; got {len(permutations)}")
        weights = dict(self.weights)

        def rows(weight: Tensor, order: Tensor) -> Tensor:
            index = (torch.arange(gates, device=order.device)[:, None] * hidden + order[:, None, :]).flatten(1)
            return weight[torch.arange(len(self), device=order.device)[:, None], index]

        def columns(weight: Tensor, order: Tensor) -> Tensor:
            return weight.gather(2, order[:, None, :].expand(-1, weight.shape[1], -1))

        for layer, order in enumerate(permutations):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                weights[f"{name}_l{layer}"] = rows(weights[f"{name}_l{layer}"], order)
            above = f"weight_ih_l{layer + 1}" if layer + 1 < self.spec.num_layers else "linear.weight"
            for name in (f"weight_hh_l{layer}", above):
                weights[name] = columns(weights[name], order)
        return Population(self.spec, weights)

    def permute_hidden_randomly(self, generator: torch.Generator | None = None) -> Population:
        """Apply an independent uniform permutation to every layer of every network (see :meth:`permute_hidden`)."""
        shape = (self.spec.num_layers, len(self), self.spec.hidden_size)
        orders = torch.rand(shape, generator=generator).argsort(dim=-1).to(self.device)
        return self.permute_hidden(list(orders))


def concatenate(populations: Sequence[Population]) -> Population:
    """Join populations of one spec, in order.

    Raises:
        RNN2VecError: if there are none, or their specs differ.
    """
    if not populations or any(population.spec != populations[0].spec for population in populations):
        raise RNN2VecError(f"only populations of one spec can be joined; got {[str(p.spec) for p in populations]}")
    names = populations[0].weights
    return Population(populations[0].spec, {name: torch.cat([p.weights[name] for p in populations]) for name in names})


def _parameters_of(module: nn.Module, index: int) -> tuple[RNNSpec, dict[str, Tensor]]:
    recurrent = [part for part in module.modules() if isinstance(part, (nn.LSTM, nn.GRU, nn.RNN))]
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if len(recurrent) != 1 or len(linear) != 1:
        raise RNN2VecError(
            "a module of a population holds one nn.LSTM, nn.GRU or nn.RNN and one nn.Linear head; "
            f"module {index} ({type(module).__name__}) holds {len(recurrent)} and {len(linear)}"
        )
    rnn, head = recurrent[0], linear[0]
    own = {id(parameter) for part in (rnn, head) for parameter in part.parameters()}
    others = [name for name, parameter in module.named_parameters() if id(parameter) not in own]
    if others:
        raise RNN2VecError(
            "a module of a population has no parameters but those of its recurrent layer and its linear head, since "
            "the rest "
            f"would be lost; module {index} ({type(module).__name__}) has {', '.join(others)}"
        )
    if rnn.bidirectional or rnn.proj_size:
        raise RNN2VecError(
            "a network of a population runs in one direction and has no projection (proj_size=0); "
            f"module {index} has bidirectional={rnn.bidirectional}, proj_size={rnn.proj_size}"
        )
    if head.in_features != rnn.hidden_size:
        raise RNN2VecError(
            f"the linear head of a network reads its hidden state of {rnn.hidden_size}; "
            f"that of module {index} reads {head.in_features} features"
        )
    cell = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "elman"}[
        next(kind for kind in (nn.LSTM, nn.GRU, nn.RNN) if isinstance(rnn, kind))
    ]
    nonlinearity = rnn.nonlinearity if isinstance(rnn, nn.RNN) else "tanh"
    spec = RNNSpec(cell, rnn.input_size, rnn.hidden_size, rnn.num_layers, head.out_features, nonlinearity)
    found = {name: parameter.detach() for name, parameter in rnn.named_parameters()}
    found |= {f"linear.{name}": parameter.detach() for name, parameter in head.named_parameters()}
    zeros = head.weight.detach().new_zeros
    return spec, {name: found.get(name, zeros(shape)) for name, shape in spec.parameter_shapes().items()}
