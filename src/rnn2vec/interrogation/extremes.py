"""The extremes of the theory with yes-or-no answers, as classes of any size: interaction is worth nothing, or most.

The propositions are those of the paper's section 3. The constructions and the proofs sketched here are our own, chosen
so that both counts have closed forms that the algorithms can be held against.
"""

from __future__ import annotations

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation.function_class import FunctionClass
from rnn2vec.interrogation.values import whole_number

LARGEST = 8192
"""Functions in a class, whose table has as many columns."""


def point_functions(size: int) -> FunctionClass:
    """The class where both kinds of interrogation need |D| - 1 questions: ``f_i(q)`` is 1 if ``q == i``, else 0.

    The paper's proposition: some classes need |D| - 1 questions, interactive or not, so the bound that holds for all
    classes cannot be lowered. Proof idea: an adversary answers 0 to every question. Each such answer rules out a single
    function, so one is left only after |D| - 1 of them. Fixed questions are a special case of interactive ones.

    Args:
        size: |D|, functions and questions.

    Raises:
        RNN2VecError: if there is no function, or there are more than :data:`LARGEST`.
    """
    size = class_size(size)
    return FunctionClass(np.eye(size, dtype=int))


def tree_paths(size: int) -> FunctionClass:
    """The class with the widest gap that yes-or-no answers allow: ceil(log2 |D|) interactive questions, |D| - 1 fixed.

    The functions are the leaves of a balanced binary tree, the questions its |D| - 1 inner nodes, named by the turns
    that lead there, such as ``"01"``. A function answers 1 to a node if its leaf is below the node's right child,
    else 0; so at the nodes on its own path it says where to turn, and elsewhere it is silent.

    The paper's proposition: there are classes where interaction saves exponentially many questions. Proof idea.
    Interactive: walk down from the root, turning as each answer says; two answers to a question allow no fewer than
    log2 |D|. Non-interactive: take any node, the leftmost leaf below its left child and the leftmost leaf below its
    right child. All nodes above treat them alike, and no node but this one is answered by 1 by just one of them, for
    neither ever turns right below. So every one of the |D| - 1 nodes must be asked.

    With many answers the gap can be wider: let f_{g,b} answer g to a first question, b to question g, and 0 to all
    others, b being 0 or 1. Two interactive questions identify it, or |D| / 2 + 1 fixed ones.

    Args:
        size: |D|, leaves of the tree.

    Raises:
        RNN2VecError: if there is no function, or there are more than :data:`LARGEST`.
    """
    size = class_size(size)
    questions, columns = [], []
    nodes = [("", 0, size)]
    for path, start, end in nodes:  # breadth first: the list grows while it is read
        if end - start > 1:
            middle = (start + end + 1) // 2
            questions.append(path)
            columns.append([int(middle <= leaf < end) for leaf in range(size)])
            nodes += [(path + "0", start, middle), (path + "1", middle, end)]
    return FunctionClass([list(row) for row in zip(*columns, strict=True)] if columns else [[]], questions)


def class_size(size: int) -> int:
    """The size of an extreme class.

    Raises:
        RNN2VecError: if it is no whole number from 1 to :data:`LARGEST`.
    """
    size = whole_number(size, "size of a class")
    if size < 1:
        raise RNN2VecError(f"a class holds at least one function; got a size of {size}")
    if size > LARGEST:
        raise RNN2VecError(f"the table of an extreme class holds at most {LARGEST} functions; got a size of {size}")
    return size
