"""Letters to tree walkers: the closed form against a dynamic programme, which does not know the best order of walks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rnn2vec import RNN2VecError
from rnn2vec.interrogation import told_apart_by_fixed_letters, told_apart_interactively


def fewest_letters(height: int, level: int = 1) -> dict[int, int]:
    """Letters to visit k nodes of a tree, for every k from 1 up.

    Visited nodes are a smaller tree with the same root, whose leaves each take a walk of as many letters as their
    level: it is put together from such trees below the root's children.

    Args:
        height: levels of nodes in the tree.
        level: of its root.
    """
    fewest = {1: level}
    if height > 1:
        below = fewest_letters(height - 1, level + 1)
        sides = {0: 0, **below}
        for left, letters in below.items():
            for right, more in sides.items():
                nodes = 1 + left + right
                fewest[nodes] = min(fewest.get(nodes, letters + more), letters + more)
    return fewest


@pytest.mark.parametrize("size", [2, 4, 8, 16, 32, 64])
def test_fixed_letters_tell_as_many_walkers_apart_as_a_dynamic_programme_finds(size: int) -> None:
    depth = size.bit_length() - 1
    fewest = fewest_letters(depth)
    assert sorted(fewest) == list(range(1, size))
    for letters in range(depth * size // 2 + 2):
        visited = max((nodes for nodes, needed in fewest.items() if needed <= letters), default=0)
        assert told_apart_by_fixed_letters(size, letters) == visited + 1


def test_interactive_letters_beyond_those_that_tell_all_apart() -> None:
    assert [told_apart_interactively(8, letters) for letters in range(5)] == [1, 2, 4, 8, 8]
    assert told_apart_interactively(256, 1024) == 256


@pytest.mark.parametrize("told_apart", [told_apart_interactively, told_apart_by_fixed_letters])
def test_letters_are_not_negative(told_apart: object) -> None:
    assert callable(told_apart)
    with pytest.raises(RNN2VecError, match="0 letters or more; got -1"):
        told_apart(8, -1)


@pytest.mark.parametrize("told_apart", [told_apart_interactively, told_apart_by_fixed_letters])
def test_sizes_and_letters_are_whole_numbers(told_apart: Any) -> None:
    assert told_apart(np.int64(8), torch.tensor(3)) == told_apart(8, 3)
    for size, letters in ((8.0, 3), (8, 3.0), (8, float("nan")), ("8", 3)):
        with pytest.raises(RNN2VecError, match="a whole number is needed"):
            told_apart(size, letters)


def test_large_trees_are_computed_and_not_walked() -> None:
    assert told_apart_by_fixed_letters(2**60, 60) == 61
    assert told_apart_by_fixed_letters(2**60, 60 * 2**59) == 2**60
    assert told_apart_by_fixed_letters(2**60, 60 * 2**59 - 1) == 2**60 - 1
