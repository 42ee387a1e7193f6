"""Duplicates: networks that are one and the same, with a proof, and networks that answer nearly alike."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from rnn2vec.fields import number
from rnn2vec.library.canonical import Canonical, Units, canonical_forms, living_units, reduced
from rnn2vec.library.collection import Collection
from rnn2vec.library.near import differences_of, near_pairs
from rnn2vec.library.populations import populations
from rnn2vec.networks import Networks, Population

KINDS = ("identical", "renumbered", "folded", "near")
"""From the strongest to the weakest: the same weights; the same but for the numbers of hidden units; the same but for
idle units, the cut of biases and numbers; answers that differ by little."""

WITHIN = 0.01
"""Difference of answers by default, see docs/duplicates.md."""

OnProgress = Callable[[int, str], None]


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
    def permutations(self) -> list[torch.Tensor]:
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
                dict(first.weights), dict(other.permute_hidden(self.permutations).weights)
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
        kind: the weakest that joins them, of :data:`KINDS`. Those of kind ``near`` are joined by pairs that are: others
            of the group may be further apart.
        rows: in the collection, ascending.
        names: of each.
        difference: the largest from the first network's answers, in the interface's own measure; of any two, at most
            twice as much. Rounding alone, if the kind is another than ``near``.
        certificate: a proof for each row after the first; none, if the kind is ``near``.
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
        Groups that are the same first, then those that are near, in order of their first rows. A group that is near
        names all networks of the groups that are the same within it.

    Raises:
        RNN2VecError: if ``within`` is no number of at least 0, or is so large that nearly all networks are near.
    """
    within = number("within", within)
    exact = _exact(collection, on_progress)
    leaders = {row: rows[0] for rows, _ in exact for row in rows[1:]}
    distinct = np.array([row for row in range(len(collection)) if row not in leaders])
    same = {rows[0]: rows for rows, _ in exact}
    groups = [(max((proof.kind for proof in proofs), key=KINDS.index), rows, proofs) for rows, proofs in exact]
    for component in _components(near_pairs(collection, distinct, within, on_progress)[0]):
        groups.append(("near", sorted(row for one in component for row in same.get(one, [one])), []))
    on_progress(len(leaders), "")
    if not groups:
        return []
    rows = np.concatenate([own for _, own, _ in groups])
    ends = np.cumsum([len(own) for _, own, _ in groups])
    firsts = np.repeat(ends - [len(own) for _, own, _ in groups], [len(own) for _, own, _ in groups])
    apart = differences_of(collection, rows, np.stack([firsts, np.arange(len(rows))], 1))
    names = collection.names.tolist()
    return [
        Group(kind, tuple(own), tuple(str(names[row]) for row in own), float(apart[end - len(own) : end].max()),
              tuple(proofs))
        for (kind, own, proofs), end in zip(groups, ends, strict=True)
    ]  # fmt: skip


def _exact(collection: Collection, on_progress: OnProgress) -> list[tuple[list[int], list[Proof]]]:
    """Rows that have one canonical form, with a proof for each after the first."""
    forms: dict[int, Canonical] = {}
    for places, population in populations(collection.networks):
        for place, form in zip(places.tolist(), canonical_forms(population), strict=True):
            forms[place] = form
            on_progress(1, "")
    on_progress(len(collection) - len(forms), "")
    rows_of: dict[bytes, list[int]] = collections.defaultdict(list)
    for row in sorted(forms):
        rows_of[forms[row].key].append(row)
    found = []
    for rows in rows_of.values():
        proofs = [_proof(collection.networks, forms, rows[0], row) for row in rows[1:]]
        kept = [proof for proof in proofs if proof is not None]
        if kept:
            found.append(([rows[0], *(proof.row for proof in kept)], kept))
    return found


def _proof(networks: Networks, forms: dict[int, Canonical], first: int, row: int) -> Proof | None:
    """A proof that was tried, of the strongest kind that holds."""
    one, other = (_alone(networks, own) for own in (first, row))
    everything = tuple(np.arange(size) for size in one.architecture.hidden_sizes)
    tried = [Proof(row, "folded", forms[first].units, forms[row].units)]
    sizes = tuple(map(len, forms[first].units))
    if one.architecture == other.architecture and sizes == one.architecture.hidden_sizes:
        tried.insert(0, Proof(row, "renumbered", forms[first].units, forms[row].units))
    if forms[first].raw == forms[row].raw:
        tried.insert(0, Proof(row, "identical", everything, everything))
    return next((proof for proof in tried if proof.holds(one, other)), None)


def _alone(networks: Networks, row: int) -> Population:
    """One network whose weights are known."""
    return next(population for _, population in populations(networks[[row]]))


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


def _same(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    """Whether two networks have the same weights, bit for bit."""
    return all(
        own.dtype == others[name].dtype
        and own.shape == others[name].shape
        and own.detach().cpu().contiguous().numpy().tobytes()
        == others[name].detach().cpu().contiguous().numpy().tobytes()
        for name, own in weights.items()
    )
