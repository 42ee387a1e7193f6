"""Canonical forms: of all weights that are one function but for what provably changes nothing, one.

Three things change nothing. Hidden units from which no path of non-zero weights leads to an output are left out, where
their states are bounded (an unbounded one can overflow, and infinity times 0 is no number). Two biases that are only
ever added become their sum, in the weights' own precision. Hidden units are put in an order that does not depend on
their numbers: by colours that are refined as graphs' are (Weisfeiler and Leman). Units of a head keep their order.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.library.colours import unit_colours
from rnn2vec.networks import Population
from rnn2vec.networks.permutation import permuted

BATCH = 256
"""Networks that are worked on at once."""

Units = tuple[Integer[np.ndarray, " _"], ...]
"""Hidden units of one network, layer by layer."""


@dataclasses.dataclass(frozen=True)
class Canonical:
    """What two networks of one function share, if only order, idle units and the cut of biases tell them apart.

    Attributes:
        raw: a digest of the architecture and all weights as they are.
        key: a digest of the canonical form.
        units: the units that are kept, layer by layer, in canonical order.
    """

    raw: bytes
    key: bytes
    units: Units


def canonical_forms(population: Population) -> Iterator[Canonical]:
    """The canonical form of each of N networks, in order."""
    for start in range(0, len(population), BATCH):
        yield from _of_batch(population[start : start + BATCH])


def reduced(population: Population, units: Units) -> tuple[Architecture, dict[str, Tensor]]:
    """One network, of these hidden units in this order alone, biases added where they are only ever added.

    A layer of which none is living has one unit of zeros.
    """
    living = [torch.from_numpy(np.isin(np.arange(size), own))[None] for size, own in _sizes(population, units)]
    orders = [
        torch.from_numpy(np.concatenate([own, np.setdiff1d(np.arange(size), own)]))[None]
        for size, own in _sizes(population, units)
    ]
    return _reduced(population, living, orders, tuple(max(1, len(own)) for own in units))


def living_units(population: Population) -> list[Tensor]:
    """Of each layer, which units a path of non-zero weights leads from to an output: masks ``[N, H]``.

    All, where states are not bounded.
    """
    architecture, weights = population.architecture, population.weights
    sizes, count = architecture.hidden_sizes, len(population)
    if architecture.nonlinearity != "tanh":
        return [torch.ones(count, size, dtype=torch.bool) for size in sizes]
    reader = weights[f"{architecture.head_layers()[0][0]}.weight"]
    feeds = (reader.detach() != 0).any(1)
    found: list[Tensor] = []
    for layer in reversed(range(len(sizes))):
        recurrent = _by_gate(weights[f"weight_hh_l{layer}"], sizes[layer]).ne(0).any(1)  # [N, to, from]
        living = feeds
        for _ in range(sizes[layer]):
            wider = living | (recurrent & living[:, :, None]).any(1)
            if torch.equal(wider, living):
                break
            living = wider
        found.insert(0, living)
        inputs = _by_gate(weights[f"weight_ih_l{layer}"], sizes[layer]).ne(0).any(1)
        feeds = (inputs & living[:, :, None]).any(1)
    return found


def _of_batch(population: Population) -> Iterator[Canonical]:
    population = Population(
        population.architecture, {name: weight.detach().cpu() for name, weight in population.weights.items()}
    )
    living = living_units(population)
    counts = torch.stack([own.sum(1) for own in living], 1).numpy()
    raw, described = population.flatten().double().numpy(), f"{population.architecture!r} {population.dtype}"
    forms: list[Canonical | None] = [None] * len(population)
    for sizes in np.unique(counts, axis=0):
        rows = np.flatnonzero((counts == sizes).all(1))
        chosen, own = population[rows], [mask[torch.from_numpy(rows)] for mask in living]
        first = [mask.logical_not().sort(dim=1, stable=True).indices for mask in own]
        kept = tuple(max(1, int(size)) for size in sizes)
        architecture, weights = _reduced(chosen, own, first, kept)
        second = [torch.from_numpy(colour.argsort(1)) for colour in unit_colours(architecture, weights)]
        weights = permuted(architecture, weights, second)
        flat = torch.cat([weight.flatten(1) for weight in weights.values()], 1).double().numpy()
        orders = [before.gather(1, after) for before, after in zip(first, second, strict=True)]
        for place, row in enumerate(rows):
            units = tuple(order[place].numpy()[: int(size)] for order, size in zip(orders, sizes, strict=True))
            forms[row] = Canonical(
                _digest(described, raw[row]), _digest(f"{architecture!r} {population.dtype}", flat[place]), units
            )
    yield from (form for form in forms if form is not None)


def _reduced(
    population: Population, living: list[Tensor], orders: list[Tensor], kept: tuple[int, ...]
) -> tuple[Architecture, dict[str, Tensor]]:
    """N networks with units in these orders, of which the first ``kept`` are kept; those not living become zeros."""
    whole = dataclasses.replace(population.architecture, initial_state=True)
    weights = {
        name: population.weights.get(name, torch.zeros(len(population), *shape, dtype=population.dtype))
        for name, shape in whole.parameter_shapes().items()
    }
    for layer, (size, own) in enumerate(zip(whole.hidden_sizes, living, strict=True)):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", *whole.unit_parameters()):
            blocks = 1 if name in whole.unit_parameters() else whole.num_gates
            rows = own[:, None].expand(-1, blocks, -1).flatten(1)
            weight = weights[f"{name}_l{layer}"]
            weights[f"{name}_l{layer}"] = weight.where(rows if weight.ndim == 2 else rows[:, :, None], 0.0)
        _add_biases(whole, weights, layer, size)
    weights = permuted(whole, weights, orders)
    reader = f"{whole.head_layers()[0][0]}.weight"
    for layer, (size, count) in enumerate(zip(whole.hidden_sizes, kept, strict=True)):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            weights[f"{name}_l{layer}"] = _by_gate(weights[f"{name}_l{layer}"], size)[:, :, :count].flatten(1, 2)
        for name in whole.unit_parameters():
            weights[f"{name}_l{layer}"] = weights[f"{name}_l{layer}"][:, :count]
        above = f"weight_ih_l{layer + 1}" if layer + 1 < len(kept) else reader
        for name in (f"weight_hh_l{layer}", above):
            weights[name] = weights[name][:, :, :count]
    # a zero of the other sign is the same number
    return dataclasses.replace(whole, hidden_sizes=kept), {name: weight + 0.0 for name, weight in weights.items()}


def _add_biases(architecture: Architecture, weights: dict[str, Tensor], layer: int, size: int) -> None:
    """Put the sum of two biases into the first, where the cell only ever adds them."""
    first, second = (_by_gate(weights[f"bias_{name}_l{layer}"], size).clone() for name in ("ih", "hh"))
    # the reset gate of a GRU scales the second bias of its last gate, if it is applied after the recurrent product
    apart = architecture.cell == "gru" and architecture.reset == "after"
    added = slice(0, 2 if apart else architecture.num_gates)
    first[:, added] += second[:, added]
    second[:, added] = 0.0
    weights[f"bias_ih_l{layer}"], weights[f"bias_hh_l{layer}"] = first.flatten(1), second.flatten(1)


def _by_gate(weight: Tensor, size: int) -> Tensor:
    return weight.unflatten(1, (-1, size))


def _sizes(population: Population, units: Units) -> Iterator[tuple[int, np.ndarray]]:
    return zip(population.architecture.hidden_sizes, units, strict=True)


def _digest(described: str, numbers: np.ndarray) -> bytes:
    return hashlib.blake2b(described.encode() + b"\0" + numbers.tobytes(), digest_size=16).digest()
