"""Near pairs: networks whose answers differ by little, of all pairs, without comparing all pairs.

A distance of answers is a metric. So each network's distances from a few others, the landmarks, cannot be further
apart than the two networks are: pairs that are apart by more than allowed there are ruled out, and none is missed,
since a difference is at least the distance. So are pairs of which one is louder by more than allowed, where both are
quiet. The rest is compared by answers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.library.collection import Collection, OnProgress
from rnn2vec.networks.behaviour import answers_of, batches, difference, distance
from rnn2vec.randomness import generator

LANDMARKS = 12
MOST_PAIRS = 2_000_000
"""That are compared by their answers."""
SLACK = 1e-5
"""By which rounding may put a network further from a landmark."""
AT_ONCE = 2**24
"""Numbers of the answers of pairs that are compared at once."""


def near_pairs(
    collection: Collection, rows: np.ndarray, within: float, on_progress: OnProgress = lambda amount, note: None
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of some rows whose answers to the collection's questions differ by at most ``within``.

    Args:
        collection: networks and questions.
        rows: those that are compared, ``[M]``.
        within: the largest difference, in the interface's own measure.
        on_progress: called as ``on_progress(networks, note)``; each network counts once.

    Returns:
        Pairs of rows ``[P, 2]`` and their differences ``[P]``.

    Raises:
        RNN2VecError: if so many pairs might be near that nothing is told apart.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree  # slow to import

    reach = within + SLACK
    tree = KDTree(_from_landmarks(collection, rows, reach, on_progress))
    count = (int(tree.count_neighbors(tree, reach, p=np.inf)) - len(rows)) // 2
    if count > MOST_PAIRS:
        raise RNN2VecError(
            f"up to {MOST_PAIRS:,} pairs of networks are compared by all their answers; {count:,} might differ by "
            f"{within:g} or less: allow less (--within)"
        )
    pairs = tree.query_pairs(reach, p=np.inf, output_type="ndarray")
    if not len(pairs):
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    # what is compared with one another lies side by side, so that few batches of answers meet
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(rows), len(rows)))
    labels = connected_components(graph, directed=False)[1]
    involved = np.unique(pairs)
    order = involved[np.argsort(labels[involved], kind="stable")]
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.arange(len(order))
    pairs = np.sort(place[pairs], axis=1)
    found = differences_of(collection, rows[order], pairs)
    kept = found <= within
    return rows[order][pairs[kept]], found[kept]


def differences_of(collection: Collection, rows: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """How far the answers of pairs are apart.

    Args:
        collection: networks and questions.
        rows: of networks, ``[M]``.
        pairs: places in ``rows``, ``[P, 2]``.

    Returns:
        ``[P]``, in the interface's own measure.
    """
    found = np.empty(len(pairs))
    parts = _parts(collection, len(rows))
    size = parts[0].stop
    own = pairs // size
    last, answers = -1, torch.empty(0)
    for one, other in np.unique(own, axis=0):
        if one != last:
            answers, last = answers_of(collection.networks[rows[parts[one]]], collection.questions), one
        others = answers if one == other else answers_of(collection.networks[rows[parts[other]]], collection.questions)
        chosen = np.flatnonzero((own == (one, other)).all(1))
        step = max(1, AT_ONCE // answers[0].numel())
        for start in range(0, len(chosen), step):
            now = chosen[start : start + step]
            left, right = (torch.from_numpy(pairs[now, side] - parts[which].start) for side, which in
                           ((0, one), (1, other)))  # fmt: skip
            found[now] = _apart(collection, answers[left], others[right])
    return found


def _from_landmarks(collection: Collection, rows: np.ndarray, reach: float, on_progress: OnProgress) -> np.ndarray:
    """Each network's distance from the landmarks, and its scale: ``[M, K + 1]``, in which networks whose difference is
    at most ``reach`` are no further apart than that in any column.

    If two are apart by at most ``reach`` of the larger scale, the smaller one is at least 1 - ``reach`` of it; so the
    logarithms are apart by -log(1 - ``reach``) at most.
    """
    outputs, stretched = collection.networks.interface.outputs, reach / -np.log1p(-reach) if reach < 1 else 0.0
    chosen = generator(0, "landmarks").permutation(len(rows))[:LANDMARKS]
    landmarks = answers_of(collection.networks[rows[chosen]], collection.questions)
    found = np.empty((len(rows), len(chosen) + 1))
    for batch in _parts(collection, len(rows)):
        answers = answers_of(collection.networks[rows[batch]], collection.questions)
        for number, landmark in enumerate(landmarks):
            apart = distance(collection.networks.interface, answers, landmark, collection.unit)
            found[batch, number] = apart.double().numpy()
        found[batch, -1] = stretched * outputs.scale(answers, answers, collection.unit).log().numpy()
        on_progress(len(answers), "")
    return found


def _parts(collection: Collection, count: int) -> list[slice]:
    """Slices of so many networks, whose answers are in memory at once."""
    size = next(batches(collection.networks, collection.questions)).stop
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _apart(collection: Collection, answers: Tensor, others: Tensor) -> np.ndarray:
    return difference(collection.networks.interface, answers, others, collection.unit).double().numpy()
