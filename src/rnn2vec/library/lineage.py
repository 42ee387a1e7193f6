"""Lineage: which networks descend from one another, or from one ancestor, by weights that chance does not explain."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number
from rnn2vec.library.alignment import Aligned
from rnn2vec.library.collection import Collection, OnProgress
from rnn2vec.library.populations import populations
from rnn2vec.networks import Population
from rnn2vec.randomness import generator
from rnn2vec.zoo.store import Zoo

Ages = tuple[Shaped[np.ndarray, " N"] | None, Shaped[np.ndarray, " N"] | None]
"""Training steps and models of networks, ``[N]`` each; None where they are not known."""
LEVEL = 0.05
"""The probability of a single false edge in all of a zoo, at most."""
FEWEST = 8
"""Networks of an architecture: fewer pairs do not tell what unrelated ones show."""
MOST_NULL = 1000
"""Pairs that tell it; drawn, if there are more."""
NEIGHBOURS = 10
"""Of each network, that it is compared with: those nearest by what does not depend on how units are numbered."""
OUTLIER = 10.0
"""Scales above the median from which a pair is not taken for unrelated."""
CLOSEST = 1.0 - 1e-6
"""A similarity above is taken for this."""
LEAST_SCALE = 0.01


@dataclasses.dataclass(frozen=True)
class Edge:
    """Two networks that are related.

    Attributes:
        rows: in the collection; of a directed edge, parent and child, else ascending.
        names: of both.
        similarity: correlation of their weights, units matched.
        p_value: how likely unrelated networks have an edge this similar anywhere in the collection (Holm).
        directed: whether it is known which came first.
    """

    rows: tuple[int, int]
    names: tuple[str, str]
    similarity: float
    p_value: float
    directed: bool


@dataclasses.dataclass(frozen=True)
class Unrelated:
    """What unrelated pairs of one architecture show.

    Attributes:
        architecture: of N networks.
        networks: N.
        centre: median of the inverse hyperbolic tangent of their similarities.
        scale: deviation, from the upper half.
        median: of the similarities of random pairs.
        upper: their upper quartile.
        least: the similarity from which the most similar pair is an edge.
    """

    architecture: str
    networks: int
    centre: float
    scale: float
    median: float
    upper: float
    least: float = 1.0

    def p_values(self, similarities: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """How likely chance makes a pair at least so similar: by the tail of a logistic distribution, which is longer
        than that of a normal one, and so more cautious.
        """
        from scipy.special import expit

        return expit(-(_stretched(similarities) - self.centre) / self.scale * math.pi / math.sqrt(3))

    def with_least(self, p_value: float) -> Unrelated:
        """With the similarity that chance makes with this probability."""
        far = math.log((1 - p_value) / p_value) if 0 < p_value < 1 else math.inf
        least = math.tanh(self.centre + self.scale * math.sqrt(3) / math.pi * far)
        return dataclasses.replace(self, least=min(least, 1.0))


@dataclasses.dataclass(frozen=True)
class Lineage:
    """A forest of related networks.

    Attributes:
        edges: of a spanning forest of the largest similarities among related pairs, the most similar first.
        unrelated: what chance shows, of each architecture of which there are enough networks.
        left_out: networks that are not compared: fewer than :data:`FEWEST` have their architecture, or their weights
            are not known.
    """

    edges: tuple[Edge, ...]
    unrelated: tuple[Unrelated, ...]
    left_out: int


@dataclasses.dataclass(frozen=True)
class _Pairs:
    rows: np.ndarray
    similarities: np.ndarray
    p_values: np.ndarray
    unrelated: Unrelated


def ages_of(zoo: Zoo) -> Ages:
    """Training steps and models of a zoo's networks, if its table says them."""
    if not {"step", "model"} <= set(zoo.snapshots.column_names):
        return None, None
    return zoo.column("step"), zoo.column("model")


def lineage(
    collection: Collection,
    steps: Sequence[int] | Shaped[np.ndarray, " N"] | None = None,
    models: Sequence[int] | Shaped[np.ndarray, " N"] | None = None,
    level: float = LEVEL,
    seed: int = 0,
    on_progress: OnProgress = lambda amount, note: None,
) -> Lineage:
    """Which networks of a collection descend from one another or from one ancestor.

    Networks of one architecture are compared: units are matched, and the correlation of their weights is held against
    those of random pairs, most of which have to be unrelated. Probabilities are corrected by Holm's method for all
    pairs there are, since a single false edge joins two families.

    Args:
        collection: N networks; those whose weights are not known are left out.
        steps: training steps of each, ``[N]``. Of two related networks of one model, the one with fewer came first;
            without steps, edges have no direction.
        models: which model each is a snapshot of, ``[N]``; all of one by default.
        level: the probability of a single false edge, at most.
        seed: of the pairs that are drawn.
        on_progress: called as ``on_progress(networks, note)``.

    Raises:
        RNN2VecError: if there is not a step or a model for each network, or the level is none from 0 to 1.
    """
    if number("level", level) > 1:
        raise RNN2VecError(f"a level is a probability from 0 to 1; got {level}")
    # of no known step, all have the same
    ages = np.zeros(len(collection)) if steps is None else np.asarray(steps)
    series = np.zeros(len(collection)) if models is None else np.asarray(models)
    for what, values in (("steps", ages), ("models", series)):
        if values.shape != (len(collection),):
            raise RNN2VecError(
                f"{what} are one for each of {len(collection)} networks; got the shape {list(values.shape)}"
            )
    found = []
    for places, population in populations(collection.networks):
        if len(places) >= FEWEST:
            found.append(_compared(places, population, seed, on_progress))
        else:
            on_progress(len(places), "")
    tests = sum(math.comb(own.unrelated.networks, 2) for own in found)
    unrelated = tuple(own.unrelated.with_least(level / tests) for own in found)
    left_out = len(collection) - sum(own.networks for own in unrelated)
    if not found:
        return Lineage((), (), left_out)
    rows, similarities, p_values = (
        np.concatenate([getattr(own, name) for own in found]) for name in ("rows", "similarities", "p_values")
    )
    adjusted = _holm(p_values, tests)
    order = np.lexsort((rows[:, 1], rows[:, 0], -similarities))
    kept = [pair for pair in order if adjusted[pair] <= level]
    forest = [kept[place] for place in _spanning(rows[kept])]
    edges = [
        _edge(collection, ages, series, rows[pair], float(similarities[pair]), float(adjusted[pair])) for pair in forest
    ]
    return Lineage(tuple(edges), unrelated, left_out)


def _compared(places: np.ndarray, population: Population, seed: int, on_progress: OnProgress) -> _Pairs:
    """The pairs of networks of one architecture that may be related, and how likely chance makes them so similar."""
    from scipy.spatial import KDTree  # slow to import

    aligned, count = Aligned(population), len(population)
    random = generator(seed, "lineage")
    drawn = _drawn(count, random)
    null = np.array([aligned.similarity(one, other) for one, other in drawn])
    centre, scale = _chance(_stretched(null))
    sketches = aligned.sketches(random)
    near = KDTree(sketches).query(sketches, min(NEIGHBOURS + 1, count))[1]
    pairs, similarities, seen = [], [], set()
    for one in range(count):
        for other in near[one].tolist():
            pair = (min(one, other), max(one, other))
            if one != other and pair not in seen:
                seen.add(pair)
                pairs.append(pair)
                similarities.append(aligned.similarity(*pair))
        on_progress(1, "")
    values = np.array(similarities)
    median, upper = np.quantile(null, [0.5, 0.75]).tolist()
    unrelated = Unrelated(str(population.architecture), count, centre, scale, median, upper)
    return _Pairs(np.sort(places[np.array(pairs)], axis=1), values, unrelated.p_values(values), unrelated)


def _drawn(count: int, random: np.random.Generator) -> np.ndarray:
    """Different pairs of ``count`` networks, all of them or some at random, ``[P, 2]``."""
    chosen = np.arange(math.comb(count, 2))
    if len(chosen) > MOST_NULL:
        chosen = np.sort(random.choice(len(chosen), MOST_NULL, replace=False))
    # pair k of (1, 0), (2, 0), (2, 1), (3, 0), ...
    one = ((1 + np.sqrt(1 + 8 * chosen.astype(float))) / 2).astype(int)
    return np.stack([one, chosen - one * (one - 1) // 2], 1)


def _chance(values: np.ndarray) -> tuple[float, float]:
    """Centre and scale of what unrelated pairs show, from values of which at most a quarter are of related ones.

    The scale is that of the upper half: of networks that were trained and others that were not, the lower half may be
    another mode.
    """
    centre, upper = np.quantile(values, [0.5, 0.75])
    scale = max((upper - centre) / 0.6745, LEAST_SCALE)
    kept = values[values <= centre + OUTLIER * scale]
    centre, upper, high = np.quantile(kept, [0.5, 0.75, 0.9])
    return float(centre), float(max((upper - centre) / 0.6745, (high - centre) / 1.2816, LEAST_SCALE))


def _stretched(similarities: np.ndarray) -> np.ndarray:
    """Correlations, so that their deviation depends on them little (Fisher)."""
    return np.arctanh(np.clip(similarities, -CLOSEST, CLOSEST))


def _holm(p_values: np.ndarray, tests: int) -> np.ndarray:
    """Probabilities, corrected for so many tests, of which these are the ones that were looked at."""
    order = np.argsort(p_values, kind="stable")
    raised = np.maximum.accumulate(p_values[order] * (tests - np.arange(len(order))))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def _spanning(pairs: np.ndarray) -> list[int]:
    """Places of the pairs that join what earlier ones did not (Kruskal)."""
    root: dict[int, int] = {}

    def top(row: int) -> int:
        while (above := root.setdefault(row, row)) != row:
            root[row] = root.setdefault(above, above)
            row = above
        return row

    kept = []
    for place, (one, other) in enumerate(pairs.tolist()):
        first, second = top(one), top(other)
        if first != second:
            root[second] = first
            kept.append(place)
    return kept


def _edge(
    collection: Collection, ages: np.ndarray, series: np.ndarray, pair: np.ndarray, similarity: float, p_value: float
) -> Edge:
    one, other = pair.tolist()
    directed = bool(series[one] == series[other] and ages[one] != ages[other])
    if directed and ages[one] > ages[other]:
        one, other = other, one
    names = (str(collection.names[one]), str(collection.names[other]))
    return Edge((one, other), names, similarity, p_value, directed)
