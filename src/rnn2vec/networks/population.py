"""Population: N recurrent networks of one shape, as stacked tensors."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from rnn2vec import engine
from rnn2vec.architecture import Architecture
from rnn2vec.engine.stack import State
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import counted
from rnn2vec.interface import Interface
from rnn2vec.networks.initialisation import first_parameters
from rnn2vec.networks.permutation import permuted
from rnn2vec.networks.reading import RecurrentNetwork, read_modules
from rnn2vec.networks.weights import Weights
from rnn2vec.rows import Rows, row_numbers


class Population:
    """N networks of one architecture, run by the engine.

    Args:
        architecture: what the networks are made of.
        weights: parameters by the names of :meth:`~rnn2vec.architecture.Architecture.parameter_shapes`, which are
            torch.nn's (``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0``, ..., ``linear.weight``,
            ``linear.bias``): tensors ``[N, *shape]`` of any floating dtype. They are ordinary tensors: call
            ``requires_grad_()`` on those whose gradient is wanted. Their values may change in place; which tensors they
            are may not.
        interface: what goes in and what comes out; needed where networks are asked and answers are read.

    Attributes:
        differentiable: whether gradients pass from outputs to inputs: always.

    Raises:
        RNN2VecError: if names, shapes, dtypes or devices do not fit the architecture and each other, sizes of the
            interface do not fit, or there is no network.
    """

    differentiable = True

    def __init__(
        self,
        architecture: Architecture,
        weights: Mapping[str, Float[Tensor, "N ..."]],
        interface: Interface | None = None,
    ) -> None:
        shapes, sizes = architecture.parameter_shapes(), (architecture.input_size, architecture.output_size)
        if interface is not None and (interface.inputs.size, interface.outputs.size) != sizes:
            raise RNN2VecError(f"an interface has the sizes of its networks; got {interface} for {architecture}")
        self._interface = interface
        if not isinstance(weights, Mapping):
            raise RNN2VecError(f"a population's weights are tensors by name; got {type(weights).__name__}")
        if set(weights) != set(shapes):
            wrong = ", ".join(sorted(set(weights) ^ set(shapes)))
            raise RNN2VecError(f"a population's weights are named {', '.join(shapes)}; missing or unknown: {wrong}")
        self.architecture = architecture
        self.weights: Mapping[str, Float[Tensor, "N ..."]] = Weights({name: weights[name] for name in shapes})
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
                    f"{name} of {length} networks ({architecture}) has the shape {[length, *shape]}; "
                    f"got {list(self.weights[name].shape)}"
                )
        if length == 0:
            raise RNN2VecError("a population holds at least one network; got none")

    @classmethod
    def from_modules(
        cls, modules: Iterable[nn.Module], prove: bool = True, interface: Interface | None = None
    ) -> Population:
        """Stack copies of trained modules, each holding one ``nn.LSTM``, ``nn.GRU`` or ``nn.RNN`` and one
        ``nn.Linear``.

        How a module names or nests the two does not matter, nor how their weights come about (tied, pruned, weight
        norm): they are read as the layers use them. Each module is run on random inputs, and refused unless it answers
        as the network that was read. Biases that a layer does without (``bias=False``) become zeros.

        Args:
            modules: N of them.
            prove: False takes the two layers as they are, unproven: for modules that cannot be run on
                sequences ``[B, T, X]``, ``[T, B, X]`` or tokens, such as an ``nn.ModuleList``.
            interface: what goes in and what comes out.

        Raises:
            RNN2VecError: if a module holds none or several of either, has other parameters too, is bidirectional,
                projects its hidden state, differs in shape, dtype or device from the first, or computes another
                function than its two layers do.
        """
        return cls(*read_modules(modules, prove), interface)

    @classmethod
    def initialise(
        cls, architecture: Architecture, seed: int, models: Sequence[int], interface: Interface | None = None
    ) -> Population:
        """Fresh networks, uniform in +-1/sqrt(H) as torch.nn's recurrent layers and linear heads are.

        Initial states are zero, and leaks :data:`~rnn2vec.networks.initialisation.LEAK`. Network ``model`` depends on
        ``(seed, model)`` alone, whatever else is in the population.

        Args:
            architecture: what the networks are made of.
            seed: the seed of the zoo.
            models: the numbers of the networks within the zoo.
            interface: what goes in and what comes out.

        Raises:
            RNN2VecError: if no network is asked for, or there is no memory for so many.
        """
        if len(models) == 0:
            raise RNN2VecError("a population holds at least one network; got no models: name one")
        flat = first_parameters(architecture, seed, models)
        return cls.from_flat(architecture, torch.from_numpy(flat), interface)

    @classmethod
    def from_flat(
        cls, architecture: Architecture, flat: Float[Tensor, "N P"], interface: Interface | None = None
    ) -> Population:
        """The inverse of :meth:`flatten`: copies of ``[N, P]`` parameters in the architecture's order.

        Raises:
            RNN2VecError: if they have another shape.
        """
        shapes = architecture.parameter_shapes()
        if not isinstance(flat, Tensor):
            raise RNN2VecError(f"flat parameters are a torch tensor; got {type(flat).__name__}: torch.from_numpy(flat)")
        if flat.ndim != 2 or flat.shape[1] != architecture.num_parameters:
            raise RNN2VecError(
                f"flat parameters of {architecture} have the shape [N, {architecture.num_parameters}]; "
                f"got {list(flat.shape)}"
            )
        pieces = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)
        weights = {
            name: piece.reshape(-1, *shape).clone(memory_format=torch.contiguous_format)
            for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }
        return cls(architecture, weights, interface)

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):
            raise RNN2VecError(f"a population is fixed when it is made; make another to change its {name}")
        super().__setattr__(name, value)

    @property
    def interface(self) -> Interface:
        """What goes in and what comes out.

        Raises:
            RNN2VecError: if it was not said.
        """
        if self._interface is None:
            raise RNN2VecError(
                "what a network's inputs and outputs mean is not in its weights: say it, population.with_interface("
                "Interface(Tokens(n) or Numbers(n, low, high), Classes(n) or Numbers(n)))"
            )
        return self._interface

    def with_interface(self, interface: Interface) -> Population:
        """The same networks, the same tensors, with what goes in and what comes out.

        Raises:
            RNN2VecError: if its sizes are not those of the networks.
        """
        return Population(self.architecture, self.weights, interface)

    def run(
        self, inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"], state: State | None = None
    ) -> tuple[Float[Tensor, "N B T Y"], State]:
        """Run every network on its own batch of sequences, see :func:`rnn2vec.engine.run`.

        Args:
            inputs: ``[N, B, T, X]`` floats, or ``[N, B, T]`` tokens.
            state: where to start; the networks' own initial states, or zeros, by default.

        Returns:
            Outputs ``[N, B, T, Y]`` and the state after the last step.
        """
        return engine.run(self, inputs, state)

    def flatten(self) -> Float[Tensor, "N P"]:
        """All parameters as ``[N, P]``, in torch.nn's order, the head last."""
        return torch.cat([weight.flatten(1) for weight in self.weights.values()], dim=1)

    def __repr__(self) -> str:
        return f"Population({counted(len(self), 'network')}: {self.architecture})"

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
        return self._like({name: weight[chosen] for name, weight in self.weights.items()})

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
        return self._like({name: weight.to(*args, **kwargs) for name, weight in self.weights.items()})

    def to_modules(self) -> list[RecurrentNetwork]:
        """The networks as N separate torch modules that own copies of the weights.

        Raises:
            RNN2VecError: if torch.nn has no such layers.
        """
        if not self.architecture.is_plain_stack:
            raise RNN2VecError(
                f"a torch module has one of torch.nn's recurrent layers and a linear head; these networks are "
                f"{self.architecture}: use them as they are, population.run(inputs)"
            )
        return [
            RecurrentNetwork.of(self.architecture, {name: weight[index] for name, weight in self.weights.items()})
            for index in range(len(self))
        ]

    def permute_hidden(self, permutations: Sequence[Integer[Tensor, "N _"]]) -> Population:
        """Renumber the hidden units of every layer; the functions the networks compute stay the same.

        Args:
            permutations: for each layer an index tensor ``[N, H]``; unit ``permutations[l][n, j]`` becomes unit ``j``.

        Raises:
            RNN2VecError: if there is not one for each layer, or one is no permutation: the functions would change.
        """
        return self._like(permuted(self.architecture, self.weights, permutations))

    def permute_hidden_randomly(self, generator: torch.Generator | None = None) -> Population:
        """Apply an independent uniform permutation to every layer of every network (see :meth:`permute_hidden`)."""
        sizes, device = self.architecture.hidden_sizes, generator.device if generator else "cpu"
        shape = (len(sizes), len(self), self.architecture.widest)
        numbers = torch.rand(shape, generator=generator, dtype=torch.float32, device=device)
        return self.permute_hidden(
            [own[:, :size].argsort(dim=-1).to(self.device) for own, size in zip(numbers, sizes, strict=True)]
        )

    def perturbed(self, deviation: float, generator: torch.Generator) -> Population:
        """Relatives of the networks: each weight times one plus a normal number of this standard deviation.

        Args:
            deviation: relative; a tenth changes what a network does by about as much as another training would.
            generator: of the numbers.
        """
        return self._like(
            {
                name: weight * (1 + deviation * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
                for name, weight in self.weights.items()
            }
        )

    def _like(self, weights: Mapping[str, Tensor]) -> Population:
        return Population(self.architecture, weights, self._interface)


def concatenate(populations: Iterable[Population]) -> Population:
    """Join populations of one architecture, in order.

    Raises:
        RNN2VecError: if there are none, or their architectures differ.
    """
    populations = list(populations)
    if not populations or any(population.architecture != populations[0].architecture for population in populations):
        raise RNN2VecError(
            f"only populations of one architecture can be joined; got {[str(p.architecture) for p in populations]}"
        )
    names = populations[0].weights
    return populations[0]._like({name: torch.cat([p.weights[name] for p in populations]) for name in names})
