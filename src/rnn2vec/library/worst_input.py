"""The worst input: a search for what makes two networks differ most."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from rnn2vec.library import strategies
from rnn2vec.library.collection import OnProgress
from rnn2vec.library.pair import Pair
from rnn2vec.library.pool import Pool
from rnn2vec.randomness import generator

BUDGET = 2**22
"""Steps that each network reads in a search."""
KEPT_SHARE = 0.98
"""Of the difference that a shortened string still shows."""

Strategy = Callable[[Pool, float, np.random.Generator], None]
STRATEGIES: dict[str, tuple[tuple[Strategy, float], ...]] = {
    "tokens": ((strategies.words, 0.25), (strategies.explore, 0.5), (strategies.evolve, 1.0)),
    "numbers": ((strategies.signals, 0.2), (strategies.climb, 0.8), (strategies.evolve, 1.0)),
}
"""By the kind of inputs: what is tried, one after the other, and the share of the budget after which it ends."""


@dataclasses.dataclass(frozen=True)
class WorstInput:
    """The input on which two networks were seen to differ most.

    Attributes:
        inputs: tokens ``[T]``, as few as show it, or numbers ``[T, X]``.
        difference: the largest over its steps, in the interface's own measure.
        step: where that is, from 0.
        apart: differences at each step, ``[T]``.
        answers_a: what A says, ``[T, Y]``: probabilities, or numbers.
        answers_b: what B says.
        found_by: the strategy that found it.
        read: steps that each network read in the search.
    """

    inputs: np.ndarray
    difference: float
    step: int
    apart: np.ndarray
    answers_a: np.ndarray
    answers_b: np.ndarray
    found_by: str
    read: int


def worst_input(
    pair: Pair,
    starts: np.ndarray,
    budget: int = BUDGET,
    seed: int = 0,
    on_progress: OnProgress = lambda amount, note: None,
) -> WorstInput:
    """Search for the input that makes two networks differ most at any step.

    Of tokens, all words of as many tokens as a quarter of the budget allows are read, one after the other in random
    order; then prefixes grow token by token, and those are kept that lead both networks into states that are unlike all
    before; then the strings that show most are edited. Of numbers, other stimuli are read; then the windows that show
    most follow the gradient, where both networks have one; then they are edited. What is found is a lower bound: that
    nothing else was found is no proof that there is nothing.

    Args:
        pair: two networks.
        starts: ``[R, T]`` or ``[R, T, X]``; what is found differs at least as much as these, and is no longer.
        budget: steps that each network reads, about; none searches the starts alone.
        seed: of all that is random.
        on_progress: called as ``on_progress(steps, note)``.
    """
    pool = Pool(pair, starts.shape[1], on_progress)
    pool.ask(starts, "the given inputs")
    first = pool.read
    for strategy, share in STRATEGIES[pair.interface.inputs.kind]:
        strategy(pool, first + share * budget, generator(seed, "worst-input", strategy.__name__))
    found, by = pool.inputs[0], pool.found_by[0]
    if pair.interface.inputs.drawn and pool.differences[0] > 0:
        found = _shortened(pool, found)
    a, b = (answers[0] for answers in pair.answers(found[None]))
    apart = pair.differences(a, b).cpu().numpy()
    return WorstInput(
        inputs=found,
        difference=float(apart.max()),
        step=int(apart.argmax()),
        apart=apart,
        answers_a=a.cpu().numpy(),
        answers_b=b.cpu().numpy(),
        found_by=by,
        read=pool.read,
    )


def _shortened(pool: Pool, string: np.ndarray) -> np.ndarray:
    """A string without the tokens that its difference does not need."""
    wanted = KEPT_SHARE * pool.differences[0]
    while len(string) > 1:
        fewer = np.stack([np.delete(string, place) for place in range(len(string))])
        found = pool.measure(fewer)
        if found.max() < wanted:
            break
        string = fewer[int(found.argmax())]
    return string
