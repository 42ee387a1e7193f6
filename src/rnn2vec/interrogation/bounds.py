"""How far questions split a class, and how many every interrogation of it needs at least."""

from __future__ import annotations

import math

import numpy as np

from rnn2vec.interrogation.function_class import FunctionClass


def conflicts(codes: np.ndarray, labels: np.ndarray, blocks: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of functions with different labels that each question would leave together.

    Args:
        codes: answers ``[F, Q]``, from 0 up.
        labels: ``[F]``, from 0 up.
        blocks: ``[F]``, from 0 up: functions in different blocks are told apart already; one block by default.

    Returns:
        Such pairs in all, and such pairs in the worst part, each ``[Q]``; pairs are ordered, so both are even.
    """
    questions = np.arange(codes.shape[1])
    blocks = np.zeros(len(codes), dtype=np.int64) if blocks is None else blocks
    span = int(codes.max()) + 1
    parts = (questions * (int(blocks.max()) + 1) + blocks[:, None]) * span + codes
    cells, sizes = np.unique(parts * (int(labels.max()) + 1) + labels[:, None], return_counts=True)
    parts_of_cells = cells // (int(labels.max()) + 1)
    starts = np.flatnonzero(np.diff(parts_of_cells, prepend=-1))
    together = np.add.reduceat(sizes, starts) ** 2 - np.add.reduceat(sizes**2, starts)
    first = np.searchsorted(parts_of_cells[starts] // (span * (int(blocks.max()) + 1)), questions)
    return np.add.reduceat(together, first), np.maximum.reduceat(together, first)


def splitting_bound(parts: list[list[int]], members: int) -> int:
    """Questions needed in the worst case, interactive or not, to identify one of ``members`` functions.

    Two arguments. Information: with at most k answers to a question, q questions have at most k^q outcomes.
    Elimination: an adversary gives the most frequent answer, so a question rules out at most m functions, m being the
    most that any question has outside its largest part; and no question does better on fewer functions.

    Args:
        parts: sizes of the parts into which each question splits the functions.
        members: how many functions there are.
    """
    if members <= 1:
        return 0
    most_answers = max(len(sizes) for sizes in parts)
    most_eliminated = max(members - max(sizes) for sizes in parts)
    information = 0
    while most_answers**information < members:  # the logarithm would round
        information += 1
    return max(information, math.ceil((members - 1) / most_eliminated))


def lower_bound(functions: FunctionClass) -> int:
    """:func:`splitting_bound` of a class: of one function of every label, which are no harder than the class."""
    codes = functions.codes[functions.representatives()]
    parts = [np.unique(column, return_counts=True)[1].tolist() for column in codes.T]
    return splitting_bound(parts, len(codes))
