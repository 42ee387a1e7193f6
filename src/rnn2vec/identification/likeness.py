"""Likeness: which known network a box is nearest to that is none of them, such as a copy that was trained anew."""

from __future__ import annotations

import torch
from torch import Tensor

from rnn2vec.identification.answer_models import AnswerModel


def least_difference(model: AnswerModel, expected: Tensor) -> Tensor:
    """How far those two of K networks are apart that answer a question most alike.

    Args:
        model: of answers.
        expected: what K networks, two at least, compute, ``[K, R, T, Y]``.

    Returns:
        ``[R]``: the least difference between any two.
    """
    rest = torch.arange(len(expected))
    least = [model.between(expected[rest != row], own).amin(0) for row, own in enumerate(expected)]
    return torch.stack(least).amin(0).double()
