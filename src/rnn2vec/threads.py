"""How many threads compute: torch and the kernels compute on ``torch.get_num_threads()``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from rnn2vec.cores import usable_cores

WORTH_A_THREAD = 20e6
"""Multiplications from one wait to the next that a thread must have for itself to be worth waking."""


def default_threads() -> int:
    """As many threads as torch would take (``OMP_NUM_THREADS`` limits them), but no more than usable cores."""
    return min(torch.get_num_threads(), usable_cores())


def threads_for(work: float) -> int:
    """Threads that are worth waking for so many multiplications, of those that compute now."""
    return int(max(1.0, min(torch.get_num_threads(), work / WORTH_A_THREAD)))


@contextlib.contextmanager
def on_threads(number: int) -> Iterator[None]:
    """Compute on so many threads; afterwards on as many as before, whatever happens to the number meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def backward_on(number: int, tensor: Tensor) -> Tensor:
    """Let the backward pass go on with so many threads once it has come to a tensor; the tensor.

    The number stays: call ``backward`` within :func:`on_threads`.
    """
    if tensor.requires_grad:
        tensor.register_hook(lambda gradient: torch.set_num_threads(number))
    return tensor
