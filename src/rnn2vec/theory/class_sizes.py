"""Questions needed against the size of a class: the two extremes, and what lies between."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation import (
    FunctionClass,
    interactive_queries,
    noninteractive_queries,
    point_functions,
    tree_paths,
)
from rnn2vec.interrogation.extremes import LARGEST, class_size
from rnn2vec.interrogation.values import time_limit, whole_rows
from rnn2vec.randomness import generator

SIZES = (2, 4, 8, 16, 32, 64)
"""Of the classes that are counted."""


@dataclasses.dataclass(frozen=True)
class Count:
    """How many questions identify the functions of one class.

    Attributes:
        kind: of the class, one of :data:`KINDS`.
        size: |D|, functions.
        fixed: non-interactive questions; ``fixed_bound``, how many are needed at least: as many, if that is known.
        adaptive: interactive questions in the worst case; ``adaptive_bound`` likewise.
        expected: interactive questions on average.
    """

    kind: str
    size: int
    fixed: int
    fixed_bound: int
    adaptive: int
    adaptive_bound: int
    expected: float


def random_class(size: int, seed: int = 0) -> FunctionClass:
    """``size`` different functions with a fair coin's answer to each of ``size`` questions.

    Raises:
        RNN2VecError: if the size is that of no such class.
    """
    size = class_size(size)
    coins = generator(seed, size, "random class")
    rows: dict[tuple[int, ...], None] = {}
    while len(rows) < size:
        rows[tuple(coins.integers(0, 2, size).tolist())] = None
    return FunctionClass(list(rows))


KINDS: dict[str, Callable[[int], FunctionClass]] = {
    "point functions": point_functions,
    "tree paths": tree_paths,
    "random answers": random_class,
}
"""Classes of any size by name."""


def count_questions(sizes: Sequence[int] = SIZES, seconds: float = 5.0) -> list[Count]:
    """Count for every kind and size.

    Args:
        sizes: of the classes.
        seconds: for each smallest set; where they do not suffice, the count is the best found and the bound is lower.

    Raises:
        RNN2VecError: if a size is that of no such class or given twice, or ``seconds`` is no number from 0 up.
    """
    sizes, seconds = distinct_sizes(sizes), time_limit(seconds)
    counts = []
    for kind, build in KINDS.items():
        for size in sizes:
            functions = build(size)
            fixed = noninteractive_queries(functions, seconds=seconds)
            tree = interactive_queries(functions, states=2000)
            counts.append(
                Count(kind, size, fixed.count, fixed.lower_bound, tree.count, tree.lower_bound, tree.expected)
            )
    return counts


def distinct_sizes(sizes: Sequence[int], most: int = LARGEST) -> list[int]:
    """Sizes of the extreme classes, as Python's numbers.

    Raises:
        RNN2VecError: if there is none, one is given twice, exceeds ``most`` or is that of no such class.
    """
    found = [class_size(size) for size in whole_rows([sizes], "sizes of classes")[0]]
    if not found or len(set(found)) < len(found) or max(found) > most:
        names = ", ".join(map(str, found)) or "none"
        raise RNN2VecError(f"sizes of classes differ and are at most {most}, one or more of them; got {names}")
    return found


def curves(counts: Sequence[Count]) -> dict[str, dict[str, np.ndarray]]:
    """By kind: ``size``, ``fixed`` and ``adaptive`` as arrays ``[K]``, sizes ascending."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for kind in dict.fromkeys(count.kind for count in counts):
        own = sorted((count for count in counts if count.kind == kind), key=lambda count: count.size)
        found[kind] = {
            name: np.array([getattr(count, name) for count in own]) for name in ("size", "fixed", "adaptive")
        }
    return found
