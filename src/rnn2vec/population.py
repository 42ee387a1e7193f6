"""Population: N recurrent networks of one shape, as stacked tensors."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from rnn2vec.errors import RNN2VecError
from rnn2vec.modules import RecurrentNetwork, read_module
from rnn2vec.randomness import generator
from rnn2vec.rows import Rows, row_numbers
from rnn2vec.spec import RNNSpec


class Weights(dict[str, Tensor]):
    """Tensors by name, in torch.nn's order. Values may change in place; which tensors they are is fixed."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RNN2VecError(
            "which tensors a population holds is fixed when it is made, so that their names, shapes and order stay "
            "those of its spec: make another, Population(spec, {**population.weights, name: tensor}), or change values "
            "in place, population.weights[name].copy_(tensor)"
        )

    __setitem__ = __delitem__ = __ior__ = pop = popitem = clear = update = setdefault = _refuse

    def __reduce__(self) -> tuple[type[Weights], tuple[dict[str, Tensor]]]:
        return Weights, (dict(self),)


@dataclasses.dataclass(frozen=True, eq=False)
class Population:
    """N networks of one spec.

    Attributes:
        spec: the shape the networks share.
        weights: torch.nn's parameter names (``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0``, ...,
            ``linear.weight``, ``linear.bias``) to tensors ``[N, *shape]``, of any floating dtype. They are ordinary
            tensors: call ``requires_grad_()`` on those whose gradient is wanted. Their values may change in place;
            which tensors they are may not.

    Raises:
        RNN2VecError: if names, shapes, dtypes or devices do not fit the spec and each other, or there is no network.
    """

    spec: RNNSpec
    weights: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        shapes = self.spec.parameter_shapes()
        if not isinstance(self.weights, Mapping):
            raise RNN2VecError(f"a population's weights are tensors by name; got {type(self.weights).__name__}")
        if set(self.weights) != set(shapes):
            wrong = ", ".join(sorted(set(self.weights) ^ set(shapes)))
            raise RNN2VecError(f"a population's weights are named {', '.join(shapes)}; missing or unknown: {wrong}")
        object.__setattr__(self, "weights", Weights({name: self.weights[name] for name in shapes}))
        for name, weight in self.weights.items():
            if not isinstance(weight, Tensor):
                raise RNN2VecError(f"weights of a population are torch tensors; {name} is {type(weight).__name__}")
        dtypes = {weight.dtype for weight in self.weights.values()}
        if len(dtypes) > 1 or not self.dtype.is_floating_point:
            found = ", ".join(sorted(map(str, dtypes)))
            raise RNN2VecError(f"all weights of a population have one floating dtype; got {found}")
        devices = {str(weight.device) for weight in self.weights.values()}
        if len(devices) > 1:
            raise RNN2VecError(f"all weights of a population are on one device; got {', '.join(sorted(devices))}")
        first = next(iter(self.weights.values()))
        length = first.shape[0] if first.ndim else 0
        for name, shape in shapes.items():
            if tuple(self.weights[name].shape) != (length, *shape):
                raise RNN2VecError(
                    f"{name} of {length} networks ({self.spec}) has the shape {[length, *shape]}; "
                    f"got {list(self.weights[name].shape)}"
                )
        if length == 0:
            raise RNN2VecError("a population holds at least one network; got none")

    @classmethod
    def from_modules(cls, modules: Iterable[nn.Module], prove: bool = True) -> Population:
        """Stack copies of trained modules, each holding one ``nn.LSTM``, ``nn.GRU`` or ``nn.RNN`` and one
        ``nn.Linear``.

        How a module names or nests the two does not matter, nor how their weights come about (tied, pruned, weight
        norm): they are read as the layers use them. Each module is run on random inputs, and refused unless it answers
        as the network that was read. Biases that a layer does without (``bias=False``) become zeros.

        Args:
            modules: N of them.
            prove: False takes the two layers as they are, unproven: for modules that cannot be run on
                sequences ``[B, T, X]``, ``[T, B, X]`` or tokens, such as an ``nn.ModuleList``.

        Raises:
            RNN2VecError: if a module holds none or several of either, has other parameters too, is bidirectional,
                projects its hidden state, differs in shape, dtype or device from the first, or computes another
                function than its two layers do.
        """
        if isinstance(modules, nn.Module):
            raise RNN2VecError(f"a population is made of a list of modules; got one {type(modules).__name__}: [module]")
        read = [
            read_module(module, f"module {index} ({type(module).__name__})", prove)
            for index, module in enumerate(modules)
        ]
        if not read:
            raise RNN2VecError("a population has at least one network; got no modules")
        specs, parameters = zip(*read, strict=True)
        for index, spec in enumerate(specs):
            if spec != specs[0]:
                raise RNN2VecError(
                    f"all networks of a population share one spec; module 0 is {specs[0]}, module {index} is {spec}: "
                    "make one population for each spec"
                )
        places = {(weight.dtype, weight.device) for own in parameters for weight in own.values()}
        if len(places) > 1:
            found = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in places))
            raise RNN2VecError(f"all networks of a population have one dtype and one device; got {found}")
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
            RNN2VecError: if no network is asked for, or there is no memory for so many.
        """
        if len(models) == 0:
            raise RNN2VecError("a population holds at least one network; got no models: name one")
        bound = 1 / math.sqrt(spec.hidden_size)
        try:
            flat = np.stack(
                [
                    generator(seed, model, "initialisation").random(spec.num_parameters, dtype=np.float32)
                    for model in models
                ]
            )
        except RNN2VecError:
            raise
        except (MemoryError, ValueError) as error:  # more than there is, or than numpy can count
            raise RNN2VecError(f"no memory for {len(models)} networks ({spec}): choose smaller ones") from error
        return cls.from_flat(spec, torch.from_numpy(flat * (2 * bound) - np.float32(bound)))

    @classmethod
    def from_flat(cls, spec: RNNSpec, flat: Tensor) -> Population:
        """The inverse of :meth:`flatten`: copies of ``[N, P]`` parameters in torch.nn's order.

        Raises:
            RNN2VecError: if they have another shape.
        """
        shapes = spec.parameter_shapes()
        if not isinstance(flat, Tensor):
            raise RNN2VecError(f"flat parameters are a torch tensor; got {type(flat).__name__}: torch.from_numpy(flat)")
        if flat.ndim != 2 or flat.shape[1] != spec.num_parameters:
            raise RNN2VecError(
                f"flat parameters of {spec} have the shape [N, {spec.num_parameters}]; got {list(flat.shape)}"
            )
        pieces = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)
        return cls(
            spec,
            {
                name: piece.reshape(-1, *shape).clone(memory_format=torch.contiguous_format)
                for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
            },
        )

    def flatten(self) -> Tensor:
        """All parameters as ``[N, P]``, in torch.nn's order, the head last."""
        return torch.cat([weight.flatten(1) for weight in self.weights.values()], dim=1)

    def __len__(self) -> int:
        return self.shapes[0][0]

    def __getitem__(self, index: Rows) -> Population:
        """The networks at ``index``, always as a population (of one, for a single number).

        As in numpy, a slice shares memory with this population, and rows by number or mask are copies.

        Raises:
            RNN2VecError: see :func:`rnn2vec.rows.row_numbers`.
        """
        numbers = torch.from_numpy(row_numbers(index, len(self))).to(self.device)
        forward = isinstance(index, slice) and (index.step is None or index.step > 0)
        chosen: Any = index if forward else numbers
        return Population(self.spec, {name: weight[chosen] for name, weight in self.weights.items()})

    def __iter__(self) -> Iterator[Population]:
        return (self[index] for index in range(len(self)))

    @functools.cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each tensor of weights, in their order."""
        return tuple(tuple(weight.shape) for weight in self.weights.values())

    @functools.cached_property
    def is_plain(self) -> bool:
        """Whether all weights are ordinary tensors, and of no subclass, which may hold its numbers as it likes."""
        return all(type(weight) is Tensor or type(weight) is nn.Parameter for weight in self.weights.values())

    @functools.cached_property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(iter(self.weights.values())).device

    @functools.cached_property
    def dtype(self) -> torch.dtype:
        """The floating dtype of the weights."""
        return next(iter(self.weights.values())).dtype

    def to(self, *args: Any, **kwargs: Any) -> Population:
        """Move or cast all weights, with the arguments of :meth:`torch.Tensor.to`."""
        return Population(self.spec, {name: weight.to(*args, **kwargs) for name, weight in self.weights.items()})

    def to_modules(self) -> list[RecurrentNetwork]:
        """The networks as N separate torch modules that own copies of the weights."""
        return [
            RecurrentNetwork.of(self.spec, {name: weight[index] for name, weight in self.weights.items()})
            for index in range(len(self))
        ]

    def permute_hidden(self, permutations: Sequence[Tensor]) -> Population:
        """Renumber the hidden units of every layer; the functions the networks compute stay the same.

        Args:
            permutations: for each layer an index tensor ``[N, H]``; unit ``permutations[l][n, j]`` becomes unit ``j``.

        Raises:
            RNN2VecError: if there is not one for each layer, or one is no permutation: the functions would change.
        """
        hidden, gates = self.spec.hidden_size, self.spec.num_gates
        if len(permutations) != self.spec.num_layers:
            raise RNN2VecError(f"one permutation for each of {self.spec.num_layers} layers; got {len(permutations)}")
        for order in permutations:
            if not isinstance(order, Tensor):
                raise RNN2VecError(f"a permutation of hidden units is an index tensor; got {type(order).__name__}")
            units = torch.arange(hidden, device=order.device).expand(len(self), -1)
            if order.is_floating_point() or order.shape != units.shape or not torch.equal(order.sort().values, units):
                raise RNN2VecError(
                    f"a permutation of hidden units names each of 0..{hidden - 1} once, for each of {len(self)} "
                    f"networks; got {order.dtype} of shape {list(order.shape)}"
                )
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
        device = generator.device if generator else "cpu"
        numbers = torch.rand(shape, generator=generator, dtype=torch.float32, device=device)
        orders = numbers.argsort(dim=-1).to(self.device)
        return self.permute_hidden(list(orders))


def concatenate(populations: Iterable[Population]) -> Population:
    """Join populations of one spec, in order.

    Raises:
        RNN2VecError: if there are none, or their specs differ.
    """
    populations = list(populations)
    if not populations or any(population.spec != populations[0].spec for population in populations):
        raise RNN2VecError(f"only populations of one spec can be joined; got {[str(p.spec) for p in populations]}")
    names = populations[0].weights
    return Population(populations[0].spec, {name: torch.cat([p.weights[name] for p in populations]) for name in names})
