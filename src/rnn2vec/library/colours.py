"""Colours of hidden units: numbers that do not depend on how units are numbered, and that tell them apart.

A unit's first colour is a hash of what is its own: input weights, biases, initial states, its weight to itself, what
the head reads of it. A round of refinement adds its weights from and to other units, each with the colour of the other,
in no order. Where refinement comes to an end and two units still share a colour, one of them is made different: of
units that do the same, either. Hashes are of the bits of weights: nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from rnn2vec.architecture import Architecture

Edges = dict[tuple[int, int], np.ndarray]
"""By the layers of both ends, a hash of the weights between two units: ``[N, to, from]``."""


def unit_colours(architecture: Architecture, weights: Mapping[str, Tensor]) -> list[np.ndarray]:
    """Colours ``[N, H]`` of the units of each layer, no two of a layer alike.

    Args:
        architecture: of N networks.
        weights: by name, ``[N, ...]``.
    """
    sizes = architecture.hidden_sizes
    bits = {name: _bits(weight) for name, weight in weights.items()}
    reader = bits[f"{architecture.head_layers()[0][0]}.weight"].swapaxes(1, 2)
    colours = []
    for layer, size in enumerate(sizes):
        recurrent = _by_gate(bits[f"weight_hh_l{layer}"], size)
        own = [np.diagonal(recurrent, axis1=2, axis2=3).swapaxes(1, 2)]
        own += [_by_gate(bits[f"bias_{name}_l{layer}"], size).swapaxes(1, 2) for name in ("ih", "hh")]
        own += [bits[f"{name}_l{layer}"][:, :, None] for name in architecture.unit_parameters()]
        if layer == 0:
            own.append(_by_gate(bits["weight_ih_l0"], size).swapaxes(1, 2).reshape(len(reader), size, -1))
        if layer + 1 == len(sizes):
            own.append(reader)
        colours.append(_hashed(np.concatenate(own, 2)))
    tied = _distinct(colours) < sum(sizes)
    if tied.any():
        edges = {
            (layer, below): _hashed(np.moveaxis(_by_gate(bits[f"{name}_l{layer}"][tied], size), 1, 3))
            for layer, size in enumerate(sizes)
            for name, below in (("weight_hh", layer), ("weight_ih", layer - 1))
            if below >= 0
        }
        apart = _told_apart(edges, [own[tied] for own in colours])
        for colour, found in zip(colours, apart, strict=True):
            colour[tied] = found
    return colours


def _told_apart(edges: Edges, colours: list[np.ndarray]) -> list[np.ndarray]:
    """The colours, refined until no two of a layer are alike."""
    units = sum(own.shape[1] for own in colours)
    while (tied := (before := _distinct(colours)) < units).any():
        rows = np.flatnonzero(tied)
        finer = _refined({ends: own[rows] for ends, own in edges.items()}, [own[rows] for own in colours])
        for place in np.flatnonzero(_distinct(finer) == before[rows]):
            _single_out([own[place] for own in finer])
        for own, found in zip(colours, finer, strict=True):
            own[rows] = found
    return colours


def _refined(edges: Edges, colours: list[np.ndarray]) -> list[np.ndarray]:
    """Each unit's colour with those of all others, and the weights between them, in no order."""
    finer = [own.copy() for own in colours]
    for (to, source), code in edges.items():
        finer[to] += _mixed(code + colours[source][:, None, :]).sum(2, dtype=np.uint64)
        finer[source] += _mixed(~code + colours[to][:, :, None]).sum(1, dtype=np.uint64)
    return [_mixed(own) for own in finer]


def _single_out(colours: list[np.ndarray]) -> None:
    """Give one unit, of the lowest colour that several of a layer share, another, in place."""
    for own in colours:
        _, first, counts = np.unique(own, return_index=True, return_counts=True)
        if (counts > 1).any():
            chosen = first[np.flatnonzero(counts > 1)[0]]
            own[chosen] = _mixed(own[chosen : chosen + 1] + np.uint64(1))[0]
            return


def _distinct(colours: list[np.ndarray]) -> np.ndarray:
    """How many different colours the layers of each network have in all, ``[N]``."""
    ordered = [np.sort(own, 1) for own in colours]
    return np.sum([1 + (own[:, 1:] != own[:, :-1]).sum(1) for own in ordered], axis=0)


def _hashed(numbers: np.ndarray) -> np.ndarray:
    """A hash of the last axis."""
    places = _mixed(np.arange(1, numbers.shape[-1] + 1, dtype=np.uint64))
    return _mixed(_mixed(numbers + places).sum(-1, dtype=np.uint64))


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A bijection of 64 bits that leaves no trace of order (the finaliser of SplitMix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers


def _bits(weight: Tensor) -> np.ndarray:
    """Numbers as float64, which holds all of fewer bits exactly, and these as whole numbers."""
    return weight.double().numpy().view(np.uint64)


def _by_gate(array: np.ndarray, size: int) -> np.ndarray:
    return array.reshape(len(array), -1, size, *array.shape[2:])
