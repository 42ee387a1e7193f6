"""Questions of a zoo: sequences that its networks read, to be put to any network of their interface."""

from __future__ import annotations

import numpy as np

from rnn2vec.randomness import generator
from rnn2vec.zoo.store import Zoo

MOST = 64
"""Networks whose traces are looked at."""


def questions_of(zoo: Zoo, rows: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Sequences that networks of a zoo read, ``[K, T]`` or ``[K, T, X]``.

    Where all networks read the same sequences, those; sequence k as network k read it, since part of them may have been
    written by each network itself. Otherwise the first sequence of each network, in random order, but the longest
    trained networks first, where that is known.

    Args:
        zoo: whose traces are read.
        rows: the networks meant; all by default.
        seed: of the order.

    Raises:
        RNN2VecError: if they have no traces.
    """
    rows = np.arange(len(zoo)) if rows is None else rows
    order = generator(seed, "probes").permutation(len(rows))
    steps = zoo.column("step") if "step" in zoo.snapshots.column_names else np.zeros(len(zoo))
    chosen = rows[order[np.argsort(-steps[rows][order], kind="stable")][:MOST]]
    read = zoo.traces(chosen).inputs
    common = len(read) > 1 and bool((read[:, 0] == read[0, 0]).all())
    if not common and len(read) > 1:
        return read[:, 0]
    places = np.arange(read.shape[1])
    return read[places % len(read), places]
