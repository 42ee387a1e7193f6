"""The native CPU backend: compiled kernels for float32, each thread at work on one whole network at a time.

What they do not cover (other devices and dtypes, architectures beyond torch.nn's layers with a linear head, losses of
numbers, tensors that record or transform what is done with them) goes to the PyTorch backend. The kernels know
addresses alone: ``native/memory.hpp`` checks, whenever a tensor becomes one, that its memory is what they take it
for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn

from rnn2vec.architecture import Architecture
from rnn2vec.engine import _native, torch_backend
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.engine.stack import Stack
from rnn2vec.errors import RNN2VecError

TAPE_BYTES = 16 << 20
"""Largest record of a forward pass that is kept for the backward pass. A larger one would stream through memory, which
is slower than computing it again for one network at a time, in cache."""

_CELLS = {("lstm", "tanh"): 0, ("gru", "tanh"): 1, ("elman", "tanh"): 2, ("elman", "relu"): 3}


def instruction_set() -> str:
    """Name of the instruction set that the kernels in use are compiled for."""
    return _native.instruction_set()


def run(stack: Stack, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run N networks side by side; see :func:`rnn2vec.engine.run` for the contract."""
    if not _covered(stack, (inputs, *state)):
        return torch_backend.run(stack, inputs, state)
    weights = list(stack.weights.values())
    tensors = (inputs, *state, *weights)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        outputs, *final = _Run.apply(stack.architecture, *tensors)
    else:
        call = _native.Call(*_settings(stack.architecture), inputs, list(state), weights)
        outputs, *final = _forward(stack.architecture, inputs, state, call, None)
    return outputs, tuple(final)


def train_step(stack: Stack, optimizer: AdamW, inputs: Tensor, targets: Tensor, learning_rate: float) -> Tensor:
    """Train each network for one step while its data is in cache; see :func:`rnn2vec.engine.train_step`."""
    weights = list(stack.weights.values())
    first, second = ([moments[name] for name in stack.weights] for moments in (optimizer.first, optimizer.second))
    in_place = [*weights, *first, *second]
    covered = _covered(stack, (inputs, *in_place)) and not targets.is_floating_point()
    if not covered or not all(tensor.is_contiguous() for tensor in in_place):
        return torch_backend.train_step(stack, optimizer, inputs, targets, learning_rate)
    (beta1, beta2), step = optimizer.betas, optimizer.step + 1
    shared = (1 - beta1, beta2, 1 - beta2, learning_rate / (1 - beta1**step), math.sqrt(1 - beta2**step))
    numbers = [
        (1 - learning_rate * decay, *shared, optimizer.epsilon) for decay in optimizer.decays(len(stack)).tolist()
    ]
    losses = _empty(len(stack))
    call = _native.Call(*_settings(stack.architecture), inputs, [], weights)
    _native.train(call, weights, targets, first, second, numbers, losses)
    optimizer.step = step
    for tensor in in_place:  # so that a backward pass of what was computed before is refused, as everywhere in PyTorch
        if not tensor.is_inference():
            torch.autograd.graph.increment_version(tensor)
    return losses


class _Run(torch.autograd.Function):
    """A forward pass that keeps its record if that is small, and a backward pass that else makes it again."""

    @staticmethod
    def forward(ctx: Any, architecture: Architecture, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, state, weights = _sorted(architecture, tensors)
        call = _native.Call(*_settings(architecture), inputs, state, weights)
        size = _native.tape_size(call)
        ctx.architecture, ctx.instruction_set = architecture, call.instruction_set
        ctx.tape = _empty(size) if 4 * size <= TAPE_BYTES else None
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return _forward(architecture, inputs, state, call, ctx.tape)

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or _is_transformed():  # create_graph=True, or gradients that are batched or traced
            raise RNN2VecError(
                "the native backend has no second derivatives and no derivatives of many outputs at once: set "
                "RNN2VEC_BACKEND=torch for them"
            )
        inputs, state, weights = _sorted(ctx.architecture, ctx.saved_tensors)
        call = _native.Call(*_settings(ctx.architecture), inputs, state, weights)
        found = [
            torch.empty_like(tensor, memory_format=torch.contiguous_format) if wanted else None
            for tensor, wanted in zip((inputs, *state, *weights), ctx.needs_input_grad[1:], strict=True)
        ]
        tape, ctx.tape = ctx.tape, None  # it serves once; another backward pass computes it again
        if call.instruction_set != ctx.instruction_set:
            tape = None  # other kernels lay it out in another way
        first = 1 + len(state)
        _native.backward(call, tape, list(incoming), found[:first], found[first:])
        return None, *found


def _sorted(architecture: Architecture, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Inputs, state (h and, of an LSTM, c) and weights."""
    first = 3 if architecture.cell == "lstm" else 2
    return tensors[0], list(tensors[1:first]), list(tensors[first:])


def _forward(
    architecture: Architecture, inputs: Tensor, state: Sequence[Tensor], call: _native.Call, tape: Tensor | None
) -> tuple[Tensor, ...]:
    outputs = state[0].new_empty(*inputs.shape[:3], architecture.output_size)
    written = [outputs, *(torch.empty_like(part, memory_format=torch.contiguous_format) for part in state)]
    _native.forward(call, tape, written)
    return tuple(written)


def _settings(architecture: Architecture) -> tuple[int, tuple[int, int, int, int], int]:
    """Cell, sizes and threads of a call."""
    sizes = (architecture.input_size, architecture.widest, architecture.num_layers, architecture.output_size)
    return _CELLS[architecture.cell, architecture.nonlinearity], sizes, torch.get_num_threads()


def _empty(size: int) -> Tensor:
    """Memory for the kernels, whatever the user's default dtype and device are."""
    return torch.empty(size, dtype=torch.float32, device="cpu")


def _covered(stack: Stack, tensors: Iterable[Tensor]) -> bool:
    """Whether everything is plain memory on the CPU, single precision or tokens.

    The engine has seen to it that dtypes and devices are those of the stack.
    """
    if stack.dtype is not torch.float32 or stack.device.type != "cpu" or not stack.is_plain:
        return False
    if not stack.architecture.is_plain_stack:
        return False
    for tensor in tensors:
        if type(tensor) is not Tensor and type(tensor) is not nn.Parameter:
            return False
    return not _is_transformed()


def _is_transformed() -> bool:
    """Whether PyTorch records, compiles, batches or differentiates forwards: kernels would escape it."""
    return (
        torch.compiler.is_compiling()  # first: an earlier PyTorch's compiler cannot look at what follows
        or forward_ad._current_level >= 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._get_tracing_state() is not None
    )
