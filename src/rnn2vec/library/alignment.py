"""Alignment: the hidden units of one network matched to those of another of its architecture, by their weights."""

from __future__ import annotations

import dataclasses

import numpy as np
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.networks import Population

ROUNDS = 10
"""In which units are matched anew by their weights to the units that were matched before."""
DIRECTIONS = 8
"""Projections that :meth:`Aligned.sketches` has of a layer's units."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """What the units of a layer have, in units of its spread over networks and units, without its mean.

    Attributes:
        own: what needs no other unit, ``[N, H, F]``: biases, the first layer's input weights, initial states, what the
            head reads.
        recurrent: weights from units of the layer, ``[N, H, G, H]``.
        below: weights from units of the layer below, ``[N, H, G, H']``; of the first, none of them.
    """

    own: np.ndarray
    recurrent: np.ndarray
    below: np.ndarray


class Aligned:
    """N networks of one architecture, whose units are matched pair by pair.

    Matching maximises the sum of products of matched weights by linear assignment, layer by layer, in rounds, since
    what a recurrent weight is matched with depends on the matching. It starts from the better of two: units as they are
    numbered, and units matched by what needs no other. The result is a local optimum.
    """

    def __init__(self, population: Population) -> None:
        self._layers = _layers(population)
        squares = [
            np.square(array, dtype=np.float64).reshape(len(population), -1).sum(1)
            for layer in self._layers
            for array in (layer.own, layer.recurrent, layer.below)
        ]
        self._lengths = np.sqrt(np.sum(squares, axis=0))

    def similarity(self, one: int, other: int) -> float:
        """The correlation, from -1 to 1, of the weights of two networks whose units are matched.

        Each weight counts as a deviation from the mean of its kind, such as recurrent weights of a gate, in this
        population.
        """
        length = float(self._lengths[one] * self._lengths[other])
        if length == 0.0:
            return 0.0
        numbered = [np.arange(layer.own.shape[1]) for layer in self._layers]
        matched = [_assigned(layer.own[one] @ layer.own[other].T) for layer in self._layers]
        starts = [(self._agreement(one, other, order), order) for order in (numbered, matched)]
        best, order = max(starts, key=lambda start: start[0])
        for _ in range(ROUNDS):
            for number in range(len(order)):
                order[number] = _assigned(self._products(one, other, order, number))
            before, best = best, self._agreement(one, other, order)
            if best <= before * (1 + 1e-9):
                break
        return float(np.clip(max(best, before) / length, -1.0, 1.0))

    def sketches(self, random: np.random.Generator) -> np.ndarray:
        """Vectors ``[N, D]`` that do not depend on how units are numbered, near for networks of near weights.

        Each layer's units are projected on random directions of what needs no other unit, and sorted.
        """
        parts = []
        for layer in self._layers:
            directions = random.standard_normal((layer.own.shape[2], DIRECTIONS)) / np.sqrt(layer.own.shape[2])
            parts.append(np.sort(layer.own @ directions, axis=1).reshape(len(layer.own), -1))
        return np.concatenate(parts, 1)

    def _products(self, one: int, other: int, order: list[np.ndarray], number: int) -> np.ndarray:
        """How well each unit of a layer of one network agrees with each of the other, the rest being matched."""
        layer, size = self._layers[number], len(order[number])
        own, match = layer.recurrent, order[number]
        found = layer.own[one] @ layer.own[other].T
        found += own[one].reshape(size, -1) @ own[other][:, :, match].reshape(size, -1).T
        found += _columns(own[one]) @ _columns(own[other][match]).T
        if number:
            below = layer.below
            found += below[one].reshape(size, -1) @ below[other][:, :, order[number - 1]].reshape(size, -1).T
        if number + 1 < len(order):
            above = self._layers[number + 1].below
            found += _columns(above[one]) @ _columns(above[other][order[number + 1]]).T
        return found

    def _agreement(self, one: int, other: int, order: list[np.ndarray]) -> float:
        """The sum of the products of all matched weights; exact enough to tell a rounded copy from the same."""
        total = 0.0
        for number, (layer, match) in enumerate(zip(self._layers, order, strict=True)):
            total += _product(layer.own[one], layer.own[other][match])
            total += _product(layer.recurrent[one], layer.recurrent[other][match][:, :, match])
            if number:
                total += _product(layer.below[one], layer.below[other][match][:, :, order[number - 1]])
        return total


def _layers(population: Population) -> list[Layer]:
    architecture = population.architecture
    sizes, count = architecture.hidden_sizes, len(population)
    weights = {name: _units(architecture, name, weight) for name, weight in population.weights.items()}
    reader = population.weights[f"{architecture.head_layers()[0][0]}.weight"].detach().double().cpu().numpy()
    layers = []
    for number, size in enumerate(sizes):
        own = [weights[f"bias_ih_l{number}"] + weights[f"bias_hh_l{number}"]]
        own += [weights[f"{name}_l{number}"] for name in architecture.unit_parameters()]
        below = weights[f"weight_ih_l{number}"]
        if number == 0:
            own.append(below.reshape(count, size, -1))
            below = below[:, :, :, :0].astype(np.float32)
        if number + 1 == len(sizes):
            own.append(reader.swapaxes(1, 2))
        layers.append(
            Layer(
                _standard(np.concatenate(own, 2), (0, 1)),
                _standard(_without_identity(weights[f"weight_hh_l{number}"]), (0, 1, 3)),
                _standard(below, (0, 1, 3)) if number else below,
            )
        )
    return layers


def _units(architecture: Architecture, name: str, weight: Tensor) -> np.ndarray:
    """``[N, H, G]`` or ``[N, H, G, columns]``, of a parameter that has rows of units."""
    array = weight.detach().double().cpu().numpy()
    gates = architecture.num_gates if name.startswith(("weight", "bias")) else 1
    return array.reshape(len(array), gates, -1, *array.shape[2:]).swapaxes(1, 2)


def _without_identity(recurrent: np.ndarray) -> np.ndarray:
    """Recurrent weights ``[N, H, G, H]`` without the mean of each network's weights of units to themselves: networks
    that began as the identity have that in common, and need not be related.
    """
    found, units = recurrent.copy(), np.arange(recurrent.shape[1])
    found[:, units, :, units] -= found[:, units, :, units].mean(0)
    return found


def _standard(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Without the mean over some axes, in units of the spread there; zeros, where all are alike."""
    array = array - array.mean(axes, keepdims=True)
    spread = array.std(axes, keepdims=True)
    standard = np.divide(array, spread, out=np.zeros_like(array), where=spread > 1e-12)
    return standard.astype(np.float32)


def _product(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.vdot(one.astype(np.float64), other.astype(np.float64)))


def _columns(array: np.ndarray) -> np.ndarray:
    """Of weights ``[to, G, from]``, a row for each unit that is read."""
    return array.reshape(-1, array.shape[2]).T


def _assigned(agreement: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment  # slow to import

    return linear_sum_assignment(agreement, maximize=True)[1]
