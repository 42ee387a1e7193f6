"""How many bits an answer tells of which network it is from."""

from __future__ import annotations

import torch
from torch import Tensor

_MULTIPLIER = 6364136223846793005
"""Of a hash of cells, step by step; products wrap around."""


def partition_information(weights: Tensor, groups: Tensor, cells: Tensor) -> Tensor:
    """Bits of answers that are the same for networks in one cell, and told apart else.

    Args:
        weights: how likely each network is, ``[N]``, adding up to one.
        groups: a number for what is asked for of each, ``[N]``.
        cells: whole numbers ``[N, R, T, Y]`` that an answer tells.

    Returns:
        ``[R, T]``: what the first 1, 2, ... T steps of each question tell of the group, H(group) + H(answer) less that
        of both together.
    """
    state = torch.zeros(cells.shape[:2], dtype=torch.int64)
    prefixes = []
    for step in range(cells.shape[2]):
        for part in cells[:, :, step].unbind(-1):
            state = (state ^ part) * _MULTIPLIER + (state >> 29)
        prefixes.append(state)
    answers = torch.stack(prefixes, -1)
    if len(groups.unique()) == len(groups):
        return _entropies(weights, answers)  # who is known says what is answered
    both = (answers ^ groups[:, None, None]) * _MULTIPLIER + (answers >> 31)
    of_groups = _entropies(weights, groups[:, None, None])
    return (of_groups + _entropies(weights, answers) - _entropies(weights, both)).clamp(min=0)


def _entropies(weights: Tensor, codes: Tensor) -> Tensor:
    """Bits ``[R, T]`` of the partitions of N networks by codes ``[N, R, T]``."""
    flat, order = codes.flatten(1).sort(0)
    total = weights.double()[order].cumsum(0)
    last = torch.ones_like(flat, dtype=torch.bool)
    last[:-1] = flat[1:] != flat[:-1]
    # the mass of a cell: the sum at its last network, less that at the last network of the cell before
    ends = torch.where(last, total, torch.zeros_like(total))
    before = torch.cat([torch.zeros_like(ends[:1]), ends.cummax(0).values[:-1]])
    mass = torch.where(last, total - before, torch.zeros_like(total)).clamp(min=0)
    return torch.special.entr(mass).sum(0).view(codes.shape[1:]) / torch.log(torch.tensor(2.0))


def mutual_information(weights: Tensor, groups: Tensor, probabilities: Tensor) -> Tensor:
    """Bits of draws from probabilities ``[N, R, T, Y]`` about the group, at most: ``[R, T]``, steps as if independent.

    Never more than the entropy of the groups, which is all there is to tell.
    """
    weights, probabilities = weights.double(), probabilities.double()
    member = torch.nn.functional.one_hot(groups.unique(return_inverse=True)[1]).double() * weights[:, None]
    shares = member.sum(0)
    of_group = torch.einsum("ng,nrty->grty", member / shares.clamp(min=1e-300), probabilities)
    mixed = torch.einsum("g,grty->rty", shares, of_group)
    own = torch.einsum("g,grt->rt", shares, torch.special.entr(of_group).sum(-1))
    bits = (torch.special.entr(mixed).sum(-1) - own).clamp(min=0).cumsum(-1)
    return bits.clamp(max=float(torch.special.entr(shares).sum())) / torch.log(torch.tensor(2.0))
