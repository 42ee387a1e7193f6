"""Questions to a tree walker letter by letter: how many machines can be told apart after so many letters, at best.

The functions are the :func:`~rnn2vec.interrogation.tree_path_machine` of every leaf of a balanced binary tree. A
question is one letter, put to the machine in the state in which the letters before have left it: what networks are
asked by a probing encoder. In :func:`~rnn2vec.interrogation.tree_paths` a question is a node; here a node is asked
about by walking to it.
"""

from __future__ import annotations

from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation.values import whole_number


def depth_of(size: int) -> int:
    """Depth of the tree with ``size`` leaves, all at the same depth.

    Raises:
        RNN2VecError: if ``size`` is no power of two from 2 up.
    """
    size = whole_number(size, "size of a class")
    depth = size.bit_length() - 1
    if size < 2 or 2**depth != size:
        raise RNN2VecError(f"the leaves of a tree of one depth are a power of two, at least 2; got {size}")
    return depth


def told_apart_interactively(size: int, letters: int) -> int:
    """Groups into which interactive questions split the machines at best: min(2^letters, size).

    ``RESTART`` and then, each time, the machine's own last answer: every letter halves what is possible, and no binary
    answer does more.

    Raises:
        RNN2VecError: if ``size`` is no power of two from 2 up, or ``letters`` are negative.
    """
    return int(2 ** min(_number(letters), depth_of(size)))


def told_apart_by_fixed_letters(size: int, letters: int) -> int:
    """Groups into which a fixed sequence of letters splits the machines at best.

    A machine that is asked about k inner nodes, with each node also about all above it, falls into one of k + 1 groups:
    the leaves of the tree that these nodes are. So a sequence is worth the nodes that it visits. The first walk, from
    ``RESTART`` to a lowest inner node, visits a new one with every letter. Any other starts at the root again and pays
    a letter for each node that it shares with walks before; of the 2^(b-1) walks that must share b nodes, those with
    the smallest b are the best to take next. All are visited after depth * size / 2 letters, since every one of the
    size / 2 lowest inner nodes takes a walk of its own.

    Raises:
        RNN2VecError: if ``size`` is no power of two from 2 up, or ``letters`` are negative.
    """
    depth, visited, left = depth_of(size), 0, _number(letters)
    for shared in range(depth):
        walks = 2 ** max(0, shared - 1)
        whole = min(walks, left // depth)
        visited += whole * (depth - shared)
        left -= whole * depth
        if whole < walks:  # the next one breaks off
            visited += max(0, left - shared)
            break
    return visited + 1


def _number(letters: int) -> int:
    letters = whole_number(letters, "letters")
    if letters < 0:
        raise RNN2VecError(f"a machine reads 0 letters or more; got {letters}")
    return letters
