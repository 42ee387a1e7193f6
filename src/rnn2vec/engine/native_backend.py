"""The native CPU backend: compiled kernels for float32, each thread at work on one whole network at a time.

What they do not cover (other devices and dtypes, tensors that record or transform what is done with them) goes to the
PyTorch backend. The kernels know addresses alone: ``native/bindings.cpp`` checks, whenever a tensor becomes one, that
its memory is what they take it for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn

from rnn2vec.engine import _native, torch_backend
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.errors import RNN2VecError
from rnn2vec.population import Population
from rnn2vec.spec import RNNSpec

TAPE_BYTES = 16 << 20
"""Largest record of a forward pass that is kept for the backward pass. A larger one would stream through memory, which
is slower than computing it again for one network at a time, in cache."""

_CELLS = {("lstm", "tanh"): 0, ("gru", "tanh"): 1, ("elman", "tanh"): 2, ("elman", "relu"): 3}


def instruction_set() -> str:
    """Name of the instruction set that the kernels in use are compiled for."""
    return _native.instruction_set()


def run(population: Population, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run N networks side by side; see :func:`rnn2vec.engine.run` for the contract."""
    if not _covered(population, (inputs, *state)):
        return torch_backend.run(population, inputs, state)
    weights = list(population.weights.values())
    tensors = (inputs, *state, *weights)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        outputs, *final = _Run.apply(population.spec, *tensors)
    else:
        call = _native.Call(*_settings(population.spec), inputs, list(state), weights)
        outputs, *final = _forward(population.spec, inputs, state, call, None)
    return outputs, tuple(final)


def train_step(
    population: Population, optimizer: AdamW, inputs: Tensor, targets: Tensor, learning_rate: float
) -> Tensor:
    """Train each network for one step while its data is in cache; see :func:`rnn2vec.engine.train_step`."""
    weights = list(population.weights.values())
    first, second = ([moments[name] for name in population.weights] for moments in (optimizer.first, optimizer.second))
    in_place = [*weights, *first, *second]
    if not _covered(population, (inputs, *in_place)) or not all(tensor.is_contiguous() for tensor in in_place):
        return torch_backend.train_step(population, optimizer, inputs, targets, learning_rate)
    (beta1, beta2), step = optimizer.betas, optimizer.step + 1
    shared = (1 - beta1, beta2, 1 - beta2, learning_rate / (1 - beta1**step), math.sqrt(1 - beta2**step))
    numbers = [
        (1 - learning_rate * decay, *shared, optimizer.epsilon) for decay in optimizer.decays(len(population)).tolist()
    ]
    losses = _empty(len(population))
    call = _native.Call(*_settings(population.spec), inputs, [], weights)
    _native.train(call, weights, targets, first, second, numbers, losses)
    optimizer.step = step
    for tensor in in_place:  # so that a backward pass of what was computed before is refused, as everywhere in PyTorch
        if not tensor.is_inference():
            torch.autograd.graph.increment_version(tensor)
    return losses


class _Run(torch.autograd.Function):
    """A forward pass that keeps its record if that is small, and a backward pass that else makes it again."""

    @staticmethod
    def forward(ctx: Any, spec: RNNSpec, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, state, weights = _sorted(spec, tensors)
        call = _native.Call(*_settings(spec), inputs, state, weights)
        size = _native.tape_size(call)
        ctx.spec, ctx.instruction_set = spec, call.instruction_set
        ctx.tape = _empty(size) if 4 * size <= TAPE_BYTES else None
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return _forward(spec, inputs, state, call, ctx.tape)

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or _is_transformed():  # create_graph=True, or gradients that are batched or traced
            raise RNN2VecError(
                "the native backend has no second derivatives and no derivatives of many outputs at once: set "
                "RNN2VEC_BACKEND=torch for them"
            )
        inputs, state, weights = _sorted(ctx.spec, ctx.saved_tensors)
        call = _native.Call(*_settings(ctx.spec), inputs, state, weights)
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


def _sorted(spec: RNNSpec, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Inputs, state (h and, of an LSTM, c) and weights."""
    first = 3 if spec.cell == "lstm" else 2
    return tensors[0], list(tensors[1:first]), list(tensors[first:])


def _forward(
    spec: RNNSpec, inputs: Tensor, state: Sequence[Tensor], call: _native.Call, tape: Tensor | None
) -> tuple[Tensor, ...]:
    outputs = state[0].new_empty(*inputs.shape[:3], spec.output_size)
    written = [outputs, *(torch.empty_like(part, memory_format=torch.contiguous_format) for part in state)]
    _native.forward(call, tape, written)
    return tuple(written)


def _settings(spec: RNNSpec) -> tuple[int, tuple[int, int, int, int], int]:
    """Cell, sizes and threads of a call."""
    sizes = (spec.input_size, spec.hidden_size, spec.num_layers, spec.output_size)
    return _CELLS[spec.cell, spec.nonlinearity], sizes, torch.get_num_threads()


def _empty(size: int) -> Tensor:
    """Memory for the kernels, whatever the user's default dtype and device are."""
    return torch.empty(size, dtype=torch.float32, device="cpu")


def _covered(population: Population, tensors: Iterable[Tensor]) -> bool:
    """Whether everything is plain memory on the CPU, single precision or tokens.

    The engine has seen to it that dtypes and devices are those of the population.
    """
    if population.dtype is not torch.float32 or population.device.type != "cpu" or not population.is_plain:
        return False
    for tensor in tensors:
        if type(tensor) is not Tensor and type(tensor) is not nn.Parameter:
            return False
    return not _is_transformed()


def _is_transformed() -> bool:
    """Whether PyTorch records, compiles, batches or differentiates forwards: kernels would escape it."""
    return (
        forward_ad._current_level >= 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._get_tracing_state() is not None
        or torch.compiler.is_compiling()
    )
