"""Rounded pairs: networks whose weights differ by no more than rounding to 8 bits makes them differ.

The numbers of hidden units have to agree, as they do when a file is quantised. All pairs are compared without comparing
all pairs: a few weights rule out nearly all, and miss none.
"""

from __future__ import annotations

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.library.near import MOST_PAIRS
from rnn2vec.networks import Population
from rnn2vec.randomness import generator

LEVELS = 254
"""Half a step of symmetric 8 bits, -127..127, is the largest weight of a tensor divided by this."""
LOOKED_AT = 24
"""Weights that rule out pairs."""
SLACK = 1e-3
"""Of half a step, for what rounding itself is rounded by."""
AT_ONCE = 2**24
"""Numbers of the weights of pairs that are compared at once."""


def rounded_pairs(population: Population) -> np.ndarray:
    """Pairs of N networks of which no weight differs by more than half a step of 8 bits, one scale a tensor.

    Rounding to float16, or to 8 bits with a scale for each row, changes weights by less.

    Returns:
        Pairs of rows, ``[P, 2]``.

    Raises:
        RNN2VecError: if so many pairs might be that nothing is told apart.
    """
    from scipy.spatial import KDTree  # slow to import

    flat = population.flatten().detach().cpu().float().numpy()
    tensors = [weight.detach().cpu().flatten(1) for weight in population.weights.values()]
    half = np.stack([own.abs().amax(1).float().numpy() for own in tensors], 1) * ((1 + SLACK) / LEVELS)  # [N, tensors]
    owner = np.repeat(np.arange(len(tensors)), [own.shape[1] for own in tensors])
    looked = generator(0, "rounded").permutation(flat.shape[1])[:LOOKED_AT]
    reach = np.maximum(half.max(0)[owner[looked]], np.finfo(np.float32).tiny)
    tree = KDTree(flat[:, looked] / reach)
    count = (int(tree.count_neighbors(tree, 1.0, p=np.inf)) - len(flat)) // 2
    if count > MOST_PAIRS:
        raise RNN2VecError(
            f"up to {MOST_PAIRS:,} pairs of networks are compared weight by weight; {count:,} are nearly the same in "
            f"{LOOKED_AT} of them: take some of these networks out"
        )
    pairs = tree.query_pairs(1.0, p=np.inf, output_type="ndarray")
    kept = np.zeros(len(pairs), dtype=bool)
    step = max(1, AT_ONCE // flat.shape[1])
    for start in range(0, len(pairs), step):
        one, other = pairs[start : start + step].T
        allowed = np.maximum(half[one], half[other])[:, owner]
        kept[start : start + step] = (np.abs(flat[one] - flat[other]) <= allowed).all(1)
    return pairs[kept]
