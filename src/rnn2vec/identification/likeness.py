"""Likeness: which known network a box is nearest to that is none of them, such as a copy that was trained anew."""

from __future__ import annotations

import torch
from torch import Tensor

from rnn2vec.identification.answer_models import AnswerModel


def parting(model: AnswerModel, expected: Tensor) -> Tensor:
    """How far the two of K networks are apart that answer a question most alike.

    Args:
        model: of answers.
        expected: what they compute, ``[K, R, T, Y]``.

    Returns:
        ``[R]``: the least difference between any two; 0 of a single one.
    """
    count = len(expected)
    if count < 2:
        return torch.zeros(expected.shape[1], dtype=torch.float64)
    apart = model.difference(expected[:, None], model.said(expected)[None]).double()
    return apart[~torch.eye(count, dtype=torch.bool)].min(0).values
