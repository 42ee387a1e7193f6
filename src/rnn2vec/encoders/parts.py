"""What encoders and emulators are built of: sizes within bounds, first parameters that are a function of a seed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from rnn2vec.fields import whole

LARGEST_SIZE = 2**20
"""Of anything in an encoder or an emulator."""
MOST_LAYERS = 100


def size_of_part(name: str, value: Any) -> int:
    """The size of a part of a network, or its number of layers.

    Raises:
        RNN2VecError: if it is no whole number or out of range.
    """
    return whole(name, value, 1, MOST_LAYERS if name.endswith("layers") else LARGEST_SIZE)


@contextlib.contextmanager
def float32_on(device: str) -> Iterator[None]:
    """Let modules and tensors be float32 on a device, whatever torch's defaults are outside."""
    dtype = torch.get_default_dtype()
    # A default device costs time at every call, so it is set only where it is another.
    same = torch.get_default_device().type == device
    torch.set_default_dtype(torch.float32)
    try:
        with contextlib.nullcontext() if same else torch.device(device):
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextlib.contextmanager
def initial_parameters(seed: int, device: str = "cpu") -> Iterator[None]:
    """Let modules begin with float32 parameters that are a function of the seed alone.

    Torch's own generator, and its defaults, are left alone. On the device ``meta``, parameters have shapes and take no
    memory, see :func:`~rnn2vec.encoders.directory.fill`.
    """
    with torch.random.fork_rng(devices=[]), float32_on(device):
        torch.default_generator.manual_seed(seed)
        yield


def normal_parameter(*shape: int, deviation: float = 1.0) -> nn.Parameter:
    """Numbers from a normal distribution around zero; on the device ``meta``, none.

    Torch would have none to draw there either, but would take seconds to find out.
    """
    numbers = torch.empty(*shape)
    return nn.Parameter(numbers if numbers.is_meta else numbers.normal_().mul_(deviation))


def multilayer_perceptron(sizes: list[int]) -> nn.Sequential:
    """Linear layers of the given sizes with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
