"""The native CPU backend: compiled kernels for float32, each thread at work on one whole network at a time.

What they do not cover (other devices and dtypes) goes to the PyTorch backend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnn2vec.engine import _native, torch_backend
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.errors import RNN2VecError
from rnn2vec.population import Population, RNNSpec

TAPE_BYTES = 16 << 20
"""Largest record of a forward pass that is kept for the backward pass. A larger one would stream through memory, which
is slower than computing it again for one network at a time, in cache."""

_CELLS = {("lstm", "tanh"): 0, ("gru", "tanh"): 1, ("elman", "tanh"): 2, ("elman", "relu"): 3}


def instruction_set() -> str:
    """Name of the instruction set that the kernels in use are compiled for."""
    return _native.instruction_set()


def run(population: Population, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run N networks side by side; see :func:`rnn2vec.engine.run` for the contract."""
    weights = population.weights.values()
    tensors = (inputs, *state, *weights)
    if not _covered((*state, *weights), inputs):
        return torch_backend.run(population, inputs, state)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        outputs, *final = _Run.apply(population.spec, *tensors)
    else:
        contiguous = [tensor.contiguous() for tensor in tensors]
        outputs, *final = _forward(population.spec, contiguous, _call(population.spec, contiguous), tape=None)
    return outputs, tuple(final)


def train_step(
    population: Population, optimizer: AdamW, inputs: Tensor, targets: Tensor, learning_rate: float
) -> Tensor:
    """Train each network for one step while its data is in cache; see :func:`rnn2vec.engine.train_step`."""
    weights = list(population.weights.values())
    first, second = ([moments[name] for name in population.weights] for moments in (optimizer.first, optimizer.second))
    in_place = [*weights, *first, *second]
    sizes = [weight.shape for weight in weights] * 3
    for tensor, size in zip(in_place, sizes, strict=True):
        if tensor.shape != size:  # the kernels write by address
            raise RNN2VecError(f"AdamW's moments are shaped as the weights; got {list(tensor.shape)}, not {list(size)}")
    if not _covered(in_place, inputs) or not all(tensor.is_contiguous() for tensor in in_place):
        return torch_backend.train_step(population, optimizer, inputs, targets, learning_rate)
    optimizer.step += 1
    (beta1, beta2), step = optimizer.betas, optimizer.step
    shared = (1 - beta1, beta2, 1 - beta2, learning_rate / (1 - beta1**step), math.sqrt(1 - beta2**step))
    numbers = [
        (1 - learning_rate * decay, *shared, optimizer.epsilon) for decay in optimizer.decays(len(population)).tolist()
    ]
    losses = torch.empty(len(population))
    inputs, targets = inputs.contiguous(), targets.contiguous()
    _native.train(
        _call(population.spec, [inputs, *weights]),
        targets.data_ptr(),
        [moment.data_ptr() for moment in first],
        [moment.data_ptr() for moment in second],
        numbers,
        losses.data_ptr(),
    )
    return losses


class _Run(torch.autograd.Function):
    """A forward pass that keeps its record if that is small, and a backward pass that else makes it again."""

    @staticmethod
    def forward(ctx: Any, spec: RNNSpec, *tensors: Tensor) -> tuple[Tensor, ...]:
        contiguous = [tensor.contiguous() for tensor in tensors]
        call = _call(spec, contiguous)
        size = _native.tape_size(call)
        ctx.spec, ctx.tape = spec, torch.empty(size) if 4 * size <= TAPE_BYTES else None
        ctx.save_for_backward(*contiguous)
        ctx.set_materialize_grads(False)
        return _forward(spec, contiguous, call, ctx.tape)

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # as it is for create_graph=True
            raise RNN2VecError("the native backend has no second derivatives: set RNN2VEC_BACKEND=torch for them")
        tensors = [tensor.contiguous() for tensor in ctx.saved_tensors]  # copies, perhaps, where hooks moved them
        states, wanted = _states(ctx.spec), ctx.needs_input_grad[1:]
        found = [torch.empty_like(t) if want else None for t, want in zip(tensors, wanted, strict=True)]
        given = [None if gradient is None else gradient.contiguous() for gradient in incoming]
        tape, ctx.tape = ctx.tape, None  # it serves once; another backward pass computes it again
        _native.backward(
            _call(ctx.spec, tensors),
            _address(tape),
            *_addresses(given[0], given[1:], states),
            *_addresses(found[0], found[1 : 1 + states], states),
            [_address(gradient) for gradient in found[1 + states :]],
        )
        return None, *found


def _forward(spec: RNNSpec, tensors: Sequence[Tensor], call: _native.Call, tape: Tensor | None) -> tuple[Tensor, ...]:
    inputs, states = tensors[0], _states(spec)
    outputs = tensors[1].new_empty(*inputs.shape[:3], spec.output_size)
    final = [torch.empty_like(part) for part in tensors[1 : 1 + states]]
    _native.forward(call, _address(tape), *_addresses(outputs, final, states))
    return outputs, *final


def _call(spec: RNNSpec, tensors: Sequence[Tensor]) -> _native.Call:
    """What the kernels read: inputs, states (none for zeros) and weights."""
    inputs, rest = tensors[0], tensors[1:]
    weights = len(rest) - (4 * spec.num_layers + 2)  # where they start
    h, c = (*map(_address, rest[:weights]), 0, 0)[:2]
    return _native.Call(
        _CELLS[spec.cell, spec.nonlinearity],
        not inputs.is_floating_point(),
        [*inputs.shape[:3], spec.input_size, spec.hidden_size, spec.num_layers, spec.output_size],
        torch.get_num_threads(),
        [weight.data_ptr() for weight in rest[weights:]],
        inputs.data_ptr(),
        h,
        c,
    )


def _states(spec: RNNSpec) -> int:
    return 2 if spec.cell == "lstm" else 1


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _addresses(first: Tensor | None, parts: Sequence[Tensor | None], states: int) -> tuple[int, int, int]:
    """Addresses of a tensor and of h and c, where there is a c."""
    return _address(first), _address(parts[0]), _address(parts[1]) if states == 2 else 0


def _covered(tensors: Sequence[Tensor], inputs: Tensor) -> bool:
    """Whether everything is on the CPU and single precision, or tokens."""
    single = torch.float32
    for tensor in tensors:
        if tensor.dtype is not single or not tensor.is_cpu:
            return False
    return inputs.is_cpu and inputs.dtype in (single, torch.int64)
