"""Duplicates: networks that are one and the same, with a proof, and networks that answer nearly alike."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor

from rnn2vec.fields import number
from rnn2vec.library.canonical import Canonical, Units, canonical_forms, living_units, reduced
from rnn2vec.library.collection import Collection, OnProgress
from rnn2vec.library.near import differences_of, near_pairs
from rnn2vec.library.populations import populations
from rnn2vec.library.rounded import rounded_pairs
from rnn2vec.networks import Population

KINDS = ("identical", "renumbered", "folded", "rounded", "near")
"""From the strongest to the weakest: the same weights; the same but for the numbers of hidden units; the same but for
numbers, idle units and the cut of biases; weights that differ by no more than rounding to 8 bits does; answers that
differ by little."""

WITHIN = 0.01
"""Difference of answers by default, see docs/duplicates.md."""


@dataclasses.dataclass(frozen=True)
class Proof:
    """Why one network computes the function of another, the first of its group.

    Attributes:
        row: of the network.
        kind: ``identical``, ``renumbered`` or ``folded``.
        first: hidden units of the first network that do anything, layer by layer.
        units: hidden units of this network, layer by layer: unit ``units[l][k]`` does what unit ``first[l][k]`` of the
            first one does. Those that are not named do nothing.
    """

    row: int
    kind: str
    first: Units
    units: Units

    @property
    def permutations(self) -> list[Integer[Tensor, "1 _"]]:
        """Of a network that is ``identical`` or ``renumbered``: with these, one row a layer,
        :meth:`~rnn2vec.networks.Population.permute_hidden` makes it the first one, bit for bit.
        """
        return [
            torch.from_numpy(own[np.argsort(first)])[None] for first, own in zip(self.first, self.units, strict=True)
        ]

    def holds(self, first: Population, other: Population) -> bool:
        """Whether it is a proof: try it on the two networks, each a population of one."""
        if self.kind != "folded":
            return first.architecture == other.architecture and _same(
                first.weights, other.permute_hidden(self.permutations).weights
            )
        for network, units in ((first, self.first), (other, self.units)):
            for living, own in zip(living_units(network), units, strict=True):
                if not np.array_equal(np.flatnonzero(living[0].numpy()), np.sort(own)):
                    return False
        (one, weights), (two, others) = reduced(first, self.first), reduced(other, self.units)
        return one == two and _same(weights, others)


@dataclasses.dataclass(frozen=True)
class Group:
    """Networks that are duplicates of each other.

    Attributes:
        kind: the weakest that joins them, of :data:`KINDS`. Groups of the last two are joined by pairs: other pairs of
            such a group may be further apart.
        rows: in the collection, ascending.
        names: of each.
        difference: the largest from the first network's answers, in the interface's own measure. Of the first three
            kinds, it is the rounding of floats.
        certificate: of the first three kinds, a proof for each row after the first.
    """

    kind: str
    rows: tuple[int, ...]
    names: tuple[str, ...]
    difference: float
    certificate: tuple[Proof, ...] = ()


def duplicates(
    collection: Collection, within: float = WITHIN, on_progress: OnProgress = lambda amount, note: None
) -> list[Group]:
    """Groups of networks that are the same, or answer nearly alike.

    Weights are compared where they are known, whatever the architectures; answers are compared for all.

    Args:
        collection: N networks and their questions.
        within: the largest difference of two networks' answers that counts as near, in the interface's own measure, a
            mean over questions and steps.
        on_progress: called as ``on_progress(networks, note)``; each network counts twice.

    Returns:
        Groups that are the same first, then rounded ones, then those that are near, each in order of their first rows.
        A group names all networks of the groups of stronger kinds within it.

    Raises:
        RNN2VecError: if ``within`` is no number of at least 0, or so many networks are near that nothing is told apart.
    """
    within = number("within", within)
    exact = _exact(collection, on_progress)
    groups = [(max((proof.kind for proof in proofs), key=KINDS.index), rows, proofs) for rows, proofs in exact]
    # of each row, the first that it is the same as, and then the first that it is joined with
    first = np.arange(len(collection))
    for same, _ in exact:
        first[same] = same[0]
    distinct = np.flatnonzero(first == np.arange(len(first)))
    for kind, pairs in (
        ("rounded", _rounded(collection, distinct)),
        ("near", near_pairs(collection, distinct, within, on_progress)[0]),
    ):
        joined = np.sort(first[pairs], axis=1)
        for component in _components(joined[joined[:, 0] != joined[:, 1]]):
            rows = np.flatnonzero(np.isin(first, component)).tolist()
            groups.append((kind, rows, []))
            first[rows] = rows[0]
    on_progress(len(collection) - len(distinct), "")
    if not groups:
        return []
    sizes = [len(own) for _, own, _ in groups]
    ends = np.cumsum(sizes)
    pairs = np.stack([np.repeat(ends - sizes, sizes), np.arange(ends[-1])], 1)
    apart = differences_of(collection, np.concatenate([own for _, own, _ in groups]), pairs)
    names = collection.names.tolist()
    return [
        Group(kind, tuple(own), tuple(str(names[row]) for row in own), float(apart[end - len(own) : end].max()),
              tuple(proofs))
        for (kind, own, proofs), end in zip(groups, ends, strict=True)
    ]  # fmt: skip


def _rounded(collection: Collection, rows: np.ndarray) -> np.ndarray:
    """Pairs of some rows whose weights differ as rounding makes them."""
    found = [np.empty((0, 2), dtype=np.int64)]
    found += [rows[places[rounded_pairs(own)]] for places, own in populations(collection.networks[rows])]
    return np.concatenate(found)


@dataclasses.dataclass(frozen=True)
class _Known:
    """A network whose weights are known: where it is, and its canonical form."""

    population: Population
    place: int
    form: Canonical

    @property
    def network(self) -> Population:
        return self.population[[self.place]]


def _exact(collection: Collection, on_progress: OnProgress) -> list[tuple[list[int], list[Proof]]]:
    """Rows that have one canonical form, with a proof for each after the first."""
    known: dict[int, _Known] = {}
    for rows, population in populations(collection.networks):
        for place, (row, form) in enumerate(zip(rows.tolist(), canonical_forms(population), strict=True)):
            known[row] = _Known(population, place, form)
            on_progress(1, "")
    on_progress(len(collection) - len(known), "")
    rows_of: dict[bytes, list[int]] = collections.defaultdict(list)
    for row in sorted(known):
        rows_of[known[row].form.key].append(row)
    found = []
    for first, *others in rows_of.values():
        proofs = [proof for row in others if (proof := _proof(known[first], known[row], row)) is not None]
        if proofs:
            found.append(([first, *(proof.row for proof in proofs)], proofs))
    return found


def _proof(first: _Known, other: _Known, row: int) -> Proof | None:
    """A proof that was tried, of the strongest kind that holds."""
    one, two = first.network, other.network
    sizes = one.architecture.hidden_sizes
    everything = tuple(np.arange(size) for size in sizes)
    tried = [Proof(row, "folded", first.form.units, other.form.units)]
    if one.architecture == two.architecture and tuple(map(len, first.form.units)) == sizes:
        tried.insert(0, Proof(row, "renumbered", first.form.units, other.form.units))
    if first.form.raw == other.form.raw:
        tried.insert(0, Proof(row, "identical", everything, everything))
    return next((proof for proof in tried if proof.holds(one, two)), None)


def _components(pairs: np.ndarray) -> list[list[int]]:
    """Rows that pairs join, directly or by others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return []
    rows, places = np.unique(pairs, return_inverse=True)
    ends = places.reshape(pairs.shape).T
    count, labels = connected_components(coo_array((np.ones(len(pairs)), ends), shape=(len(rows),) * 2), directed=False)
    return sorted(rows[labels == label].tolist() for label in range(count))


def _same(weights: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    """Whether two networks have the same weights, bit for bit."""
    return all(
        own.dtype == others[name].dtype and torch.equal(_bytes(own), _bytes(others[name]))
        for name, own in weights.items()
    )


def _bytes(weight: Tensor) -> Tensor:
    return weight.detach().cpu().contiguous().view(torch.uint8)
