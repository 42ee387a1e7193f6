"""The deep weight space encoder: layers that treat every numbering of hidden units alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.architecture import Architecture
from rnn2vec.encoders.forms import WeightEncoder
from rnn2vec.encoders.parts import multilayer_perceptron
from rnn2vec.errors import RNN2VecError
from rnn2vec.networks import Population


@dataclasses.dataclass(frozen=True)
class WeightSpace:
    """Features of N networks' parameters, sorted by how they move when hidden units are renumbered.

    Renumbering the units of layer l permutes ``units[l]``, both unit axes of ``recurrent[l]`` (its diagonal stays its
    diagonal), the first of ``between[l - 1]`` and the second of ``between[l]``. Inputs, outputs and gates have no
    numbering to forget: they are among the features.

    Attributes:
        units: for each of L layers ``[N, H, C]``: at first biases, in the first layer also the input weights, in the
            last also the head's.
        recurrent: for each layer ``[N, H, H, C]``: at first the recurrent weights, of all gates.
        between: for each layer but the first ``[N, H, H below, C]``: at first its weights on the layer below.
        network: ``[N, C]``: at first the head's bias.
    """

    units: list[Tensor]
    recurrent: list[Tensor]
    between: list[Tensor]
    network: Tensor

    @classmethod
    def of(cls, population: Population) -> WeightSpace:
        """The weights themselves, times the root of H: torch.nn starts training with weights of that inverse scale."""
        architecture, models = population.architecture, len(population)
        sizes, scale = architecture.hidden_sizes, architecture.hidden_sizes[-1] ** 0.5

        def gates_last(name: str, layer: int) -> Tensor:
            """``[N, G * H, ...]`` to ``[N, H, ..., G]``."""
            weight, gates = population.weights[f"{name}_l{layer}"], architecture.num_gates
            return sizes[layer] ** 0.5 * weight.reshape(models, gates, sizes[layer], *weight.shape[2:]).movedim(1, -1)

        layers = range(len(sizes))
        units = [torch.cat([gates_last("bias_ih", layer), gates_last("bias_hh", layer)], dim=2) for layer in layers]
        for name in architecture.unit_parameters():
            own = [population.weights[f"{name}_l{layer}"][..., None] for layer in layers]
            units = [torch.cat(pair, dim=2) for pair in zip(units, own, strict=True)]
        units[0] = torch.cat([units[0], gates_last("weight_ih", 0).flatten(2)], dim=2)
        units[-1] = torch.cat([units[-1], scale * population.weights["linear.weight"].transpose(1, 2)], dim=2)
        return cls(
            units,
            [gates_last("weight_hh", layer) for layer in layers],
            [gates_last("weight_ih", layer) for layer in layers[1:]],
            scale * population.weights["linear.bias"],
        )

    def map(self, function: Callable[[Tensor], Tensor]) -> WeightSpace:
        """The function of every feature."""
        units, recurrent, between = (list(map(function, own)) for own in (self.units, self.recurrent, self.between))
        return WeightSpace(units, recurrent, between, function(self.network))

    def plus(self, other: WeightSpace) -> WeightSpace:
        """The sums of features."""
        pairs = ((self.units, other.units), (self.recurrent, other.recurrent), (self.between, other.between))
        units, recurrent, between = (list(map(torch.add, own, others)) for own, others in pairs)
        return WeightSpace(units, recurrent, between, self.network + other.network)

    def summaries(self) -> tuple[list[Tensor], Tensor]:
        """What is known about every unit, ``[N, H, *]`` for each layer, and about the whole network, ``[N, *]``.

        A unit knows its own features, its recurrent weight on itself, and the means of its rows and columns of all
        matrices; the network its own features and the means over units.
        """
        units = []
        for layer, (own, matrix) in enumerate(zip(self.units, self.recurrent, strict=True)):
            parts = [own, matrix.diagonal(dim1=1, dim2=2).transpose(1, 2), matrix.mean(2), matrix.mean(1)]
            parts += [below.mean(2) for below in self.between[max(0, layer - 1) : layer]]
            parts += [above.mean(1) for above in self.between[layer : layer + 1]]
            units.append(torch.cat(parts, dim=2))
        return units, torch.cat([self.network, *(known.mean(1) for known in units)], dim=1)


@dataclasses.dataclass(frozen=True)
class Channels:
    """Features C of each part of a :class:`WeightSpace`; all matrices have equally many."""

    units: tuple[int, ...]
    matrices: int
    network: int

    @classmethod
    def of_weights(cls, architecture: Architecture) -> Channels:
        """Those of :meth:`WeightSpace.of`."""
        gates, layers = architecture.num_gates, architecture.num_layers
        units = [2 * gates + len(architecture.unit_parameters())] * layers
        units[0] += gates * architecture.input_size
        units[-1] += architecture.output_size
        return cls(tuple(units), gates, architecture.output_size)

    def of_summaries(self) -> tuple[list[int], int]:
        """Sizes of :meth:`WeightSpace.summaries`."""
        layers = len(self.units)
        matrices = [3 + (layer > 0) + (layer < layers - 1) for layer in range(layers)]
        units = [own + count * self.matrices for own, count in zip(self.units, matrices, strict=True)]
        return units, self.network + sum(units)


class EquivariantLayer(nn.Module):
    """A linear map of a :class:`WeightSpace` to one of C features that commutes with every renumbering.

    It writes to every unit, every entry and every diagonal entry of a matrix from what is known (see
    :meth:`WeightSpace.summaries`) about the units concerned and about the network, and to an entry of a matrix from the
    entry itself and, where both indices number the same units, from its mirror image.
    """

    def __init__(self, inputs: Channels, channels: int) -> None:
        super().__init__()
        layers = len(inputs.units)
        units, network = inputs.of_summaries()
        self.channels = channels
        # To a layer's units; to its recurrent matrix as row, column, diagonal; as row and column of those in between.
        targets = [4 + (layer > 0) + (layer < layers - 1) for layer in range(layers)]
        self.from_units = nn.ModuleList(
            nn.Linear(size, count * channels, bias=False) for size, count in zip(units, targets, strict=True)
        )
        self.from_network = nn.Linear(network, (3 * layers) * channels)
        self.from_entries = nn.ModuleList(
            nn.Linear(inputs.matrices, channels, bias=False) for _ in range(2 * layers - 1)
        )
        self.from_mirrored = nn.ModuleList(nn.Linear(inputs.matrices, channels, bias=False) for _ in range(layers))

    def forward(self, space: WeightSpace) -> WeightSpace:
        layers = len(space.units)
        known_units, known_network = space.summaries()
        network = self.from_network(known_network).unflatten(1, (-1, self.channels))[:, :, None].unbind(1)
        written = [
            linear(known).unflatten(2, (-1, self.channels)).unbind(2)
            for linear, known in zip(self.from_units, known_units, strict=True)
        ]
        units = [written[layer][0] + network[layer] for layer in range(layers)]
        recurrent, between = [], []
        for layer, matrix in enumerate(space.recurrent):
            _, row, column, diagonal = written[layer][:4]
            entries = (row + network[layers + layer])[:, :, None] + column[:, None]
            entries = entries + self.from_entries[layer](matrix) + self.from_mirrored[layer](matrix.transpose(1, 2))
            entries.diagonal(dim1=1, dim2=2).add_(diagonal.transpose(1, 2))
            recurrent.append(entries)
        for layer, matrix in enumerate(space.between):
            row, column = written[layer + 1][4], written[layer][-1]
            entries = (row + network[2 * layers + layer])[:, :, None] + column[:, None]
            between.append(entries + self.from_entries[layers + layer](matrix))
        return WeightSpace(units, recurrent, between, network[-1][:, 0])


class DeepWeightSpaceEncoder(WeightEncoder):
    """z that is the same for every numbering of the hidden units (section 4.1 of the paper).

    Equivariant layers with residual connections, then means over units, rows and columns, and an MLP. The layers follow
    from the symmetry alone: all gates of a hidden unit move together and are features, and so are inputs and outputs,
    which nobody may exchange. Four layers of 32 features are our reading of the paper, which leaves the sizes open.

    Args:
        architecture: of the networks it reads.
        embedding_size: Z.
        channels: C, features of every unit and entry.
        layers: equivariant layers.
        mlp_size: hidden units of the MLP.
    """

    name = "deep_weight_space"

    def __init__(
        self,
        architecture: Architecture,
        embedding_size: int = 16,
        channels: int = 32,
        layers: int = 4,
        mlp_size: int = 128,
    ) -> None:
        super().__init__(architecture, embedding_size, {"channels": channels, "layers": layers, "mlp_size": mlp_size})
        if architecture.head:
            raise RNN2VecError(
                "the deep_weight_space encoder knows the symmetry of recurrent layers, and reads networks with a "
                f"linear head; got {architecture}"
            )
        inner = Channels((channels,) * architecture.num_layers, channels, channels)
        sizes = [Channels.of_weights(architecture), *[inner] * (layers - 1)]
        self.layers = nn.ModuleList(EquivariantLayer(size, channels) for size in sizes)
        self.readout = multilayer_perceptron([inner.of_summaries()[1], mlp_size, embedding_size])

    def represent(self, population: Population) -> Float[Tensor, "N Z"]:
        space = self.layers[0](WeightSpace.of(population))
        for layer in self.layers[1:]:
            space = space.plus(layer(space.map(F.relu)))
        return self.readout(space.map(F.relu).summaries()[1])
