"""How the knowledge grows: the share of functions identified after 0, 1, 2, ... questions."""

from __future__ import annotations

import numpy as np

from rnn2vec.interrogation.function_class import FunctionClass
from rnn2vec.interrogation.interactive import QuestionTree
from rnn2vec.interrogation.noninteractive import QuestionSet


def identified_by_tree(tree: QuestionTree) -> tuple[float, ...]:
    """Share of the functions at the leaves of depth q or less, for q from 0 to ``tree.count``."""
    depths = np.array([depth for depth, leaf in tree.leaves() for _ in leaf.functions])
    return tuple(float((depths <= asked).mean()) for asked in range(tree.count + 1))


def identified_by_set(functions: FunctionClass, fixed: QuestionSet) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Ask the questions of a set in an order that tells much soon.

    All orders end with every function identified. This one takes next, each time, the question after which most
    functions are identified; of those, the one that leaves the fewest pairs together.

    Returns:
        The order, and the share of functions identified after 0, 1, ... of its questions.
    """
    left, order = list(fixed.questions), []
    blocks = np.zeros(len(functions), dtype=np.int64)
    shares = [_identified(blocks, functions.label_codes)]
    while left:
        refined = {question: _refine(blocks, functions.codes[:, question]) for question in left}
        scores = {
            question: (_identified(parts, functions.label_codes), -int((np.bincount(parts) ** 2).sum()))
            for question, parts in refined.items()
        }
        best = max(left, key=scores.__getitem__)
        left.remove(best)
        order.append(best)
        blocks = refined[best]
        shares.append(scores[best][0])
    return tuple(order), tuple(shares)


def _refine(blocks: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Blocks ``[F]`` split by one more answer each, numbered from 0."""
    return np.unique(np.stack([blocks, answers]), axis=1, return_inverse=True)[1].ravel()


def _identified(blocks: np.ndarray, labels: np.ndarray) -> float:
    """Share of functions in whose block all labels are the same."""
    lowest = np.full(blocks.max() + 1, labels.max())
    highest = np.zeros_like(lowest)
    np.minimum.at(lowest, blocks, labels)
    np.maximum.at(highest, blocks, labels)
    return float((lowest == highest)[blocks].mean())
