"""The native CPU backend: compiled kernels for float32, each thread at work on one whole network at a time.

They run everything that an :class:`Architecture` holds, forward and backward, and both losses of ``train_step``. What
they do not cover goes to the PyTorch backend: other devices and dtypes, and tensors that record or transform what is
done with them. The kernels know addresses alone: ``native/memory.hpp`` checks, whenever a tensor becomes one, that its
memory is what they take it for.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn

from rnn2vec.architecture import ACTIVATIONS, Architecture
from rnn2vec.engine import _native, torch_backend
from rnn2vec.engine.noise import Noise
from rnn2vec.engine.optimizer import AdamW, for_each
from rnn2vec.engine.stack import Stack
from rnn2vec.errors import RNN2VecError

TAPE_BYTES = 16 << 20
"""Largest record of a forward pass that is kept for the backward pass. A larger one would stream through memory, which
is slower than computing it again for one network at a time, in cache."""

_CELLS = (("lstm",), ("gru", "after"), ("gru", "before"), ("elman",), ("leaky", "outside"), ("leaky", "inside"))
"""Cells in the order in which the kernels number them."""


def instruction_set() -> str:
    """Name of the instruction set that the kernels in use are compiled for."""
    return _native.instruction_set()


def run(
    stack: Stack, inputs: Tensor, state: tuple[Tensor, ...], hidden: bool = False, noise: Noise | None = None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run N networks side by side; see :func:`rnn2vec.engine.run` for the contract.

    Args:
        stack: N networks.
        inputs: floats or tokens.
        state: where to start; empty for the networks' own initial states, or zeros.
        hidden: return the last layer's hidden states in place of the head's outputs.
        noise: of the recurrent layers.
    """
    if not _covered(stack, (inputs, *state, *_keys(noise))):
        return torch_backend.run(stack, inputs, state, hidden, noise)
    kind, weights = _native_kind(stack.architecture, hidden), list(stack.weights.values())
    if hidden:
        del weights[-2 * len(stack.architecture.head_layers()) :]
    tensors = (inputs, *state, *weights)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        outputs, *final = _Run.apply(kind, noise, len(state), *tensors)
    else:
        call = _call(kind, noise, len(state), tensors)
        outputs, *final = _forward(kind, tensors, call, None)
    return outputs, tuple(final)


def train_step(
    stack: Stack,
    optimizer: AdamW,
    inputs: Tensor,
    targets: Tensor,
    learning_rate: float | Tensor,
    mask: Tensor | None = None,
    noise: Noise | None = None,
) -> Tensor:
    """Train each network for one step while its data is in cache; see :func:`rnn2vec.engine.train_step`."""
    weights = list(stack.weights.values())
    first, second = ([moments[name] for name in stack.weights] for moments in (optimizer.first, optimizer.second))
    in_place = [*weights, *first, *second]
    read = (inputs, targets) if mask is None else (inputs, targets, mask)
    if not _covered(stack, (*read, *in_place, *_keys(noise))) or not all(tensor.is_contiguous() for tensor in in_place):
        return torch_backend.train_step(stack, optimizer, inputs, targets, learning_rate, mask, noise)
    (beta1, beta2), step = optimizer.betas, optimizer.step + 1
    clip = math.inf if optimizer.clip is None else optimizer.clip
    rates, decays = for_each("learning_rate", learning_rate, len(stack)), optimizer.decays(len(stack))
    corrections = 1 - beta1**step, math.sqrt(1 - beta2**step)
    numbers = [
        (1 - rate * decay, 1 - beta1, beta2, 1 - beta2, rate / corrections[0], corrections[1], optimizer.epsilon, clip)
        for rate, decay in zip(rates.tolist(), decays.tolist(), strict=True)
    ]
    fixed = [name in optimizer.fixed for name in stack.weights]
    losses = _empty(len(stack))
    call = _call(_native_kind(stack.architecture, False), noise, 0, (inputs, *weights))
    _native.train(call, weights, targets, mask, first, second, fixed, numbers, losses)
    optimizer.step = step
    for tensor in in_place:  # so that a backward pass of what was computed before is refused, as everywhere in PyTorch
        if not tensor.is_inference():
            torch.autograd.graph.increment_version(tensor)
    return losses


class _Run(torch.autograd.Function):
    """A forward pass that keeps its record if that is small, and a backward pass that else makes it again."""

    @staticmethod
    def forward(ctx: Any, kind: _Kind, noise: Noise | None, parts: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        call = _call(kind, noise, parts, tensors)
        size = _native.tape_size(call)
        ctx.kind, ctx.noise, ctx.parts, ctx.instruction_set = kind, noise, parts, call.instruction_set
        ctx.tape = _empty(size) if 4 * size <= TAPE_BYTES else None
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return _forward(kind, tensors, call, ctx.tape)

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or _is_transformed():  # create_graph=True, or gradients that are batched or traced
            raise RNN2VecError(
                "the native backend has no second derivatives and no derivatives of many outputs at once: set "
                "RNN2VEC_BACKEND=torch for them"
            )
        tensors = ctx.saved_tensors
        call = _call(ctx.kind, ctx.noise, ctx.parts, tensors)
        found = [
            torch.empty_like(tensor, memory_format=torch.contiguous_format) if wanted else None
            for tensor, wanted in zip(tensors, ctx.needs_input_grad[3:], strict=True)
        ]
        tape, ctx.tape = ctx.tape, None  # it serves once; another backward pass computes it again
        if call.instruction_set != ctx.instruction_set:
            tape = None  # other kernels lay it out in another way
        first = 1 + ctx.parts
        _native.backward(call, tape, list(incoming), found[:first], found[first:])
        return None, None, None, *found


@dataclasses.dataclass(frozen=True)
class _Kind:
    """An architecture as the kernels read it, and sizes of what they write."""

    native: _native.Architecture
    outputs: int
    layers: int
    widest: int
    parts: int


@functools.cache
def _native_kind(architecture: Architecture, hidden: bool) -> _Kind:
    own = {"gru": (architecture.reset,), "leaky": (architecture.leak,)}.get(architecture.cell, ())
    head = [] if hidden else [(size, ACTIVATIONS.index(kind)) for _, _, size, kind in architecture.head_layers()]
    native = _native.Architecture(
        _CELLS.index((architecture.cell, *own)),
        ACTIVATIONS.index(architecture.nonlinearity),
        architecture.input_size,
        list(architecture.hidden_sizes),
        head,
        architecture.skip,
        architecture.initial_state,
    )
    outputs = architecture.hidden_sizes[-1] if hidden else architecture.output_size
    parts = 2 if architecture.has_cell_state else 1
    return _Kind(native, outputs, architecture.num_layers, architecture.widest, parts)


def _call(kind: _Kind, noise: Noise | None, parts: int, tensors: Sequence[Tensor]) -> _native.Call:
    """A call whose tensors are inputs, so many parts of a state, and weights."""
    state, weights = list(tensors[1 : 1 + parts]), list(tensors[1 + parts :])
    given = (noise.sigma, noise.keys) if noise else ()
    return _native.Call(kind.native, torch.get_num_threads(), tensors[0], state, weights, *given)


def _keys(noise: Noise | None) -> tuple[Tensor, ...]:
    return (noise.keys,) if noise else ()


def _forward(kind: _Kind, tensors: Sequence[Tensor], call: _native.Call, tape: Tensor | None) -> tuple[Tensor, ...]:
    models, batch, steps = tensors[0].shape[:3]
    new = tensors[-1].new_empty  # as the weights are
    state = (models, kind.layers, batch, kind.widest)
    written = [new((models, batch, steps, kind.outputs)), new(state)]
    if kind.parts == 2:
        written.append(new(state))
    _native.forward(call, tape, written)
    return tuple(written)


def _empty(size: int) -> Tensor:
    """Memory for the kernels, whatever the user's default dtype and device are."""
    return torch.empty(size, dtype=torch.float32, device="cpu")


def _covered(stack: Stack, tensors: Iterable[Tensor]) -> bool:
    """Whether everything is plain memory on the CPU, single precision or tokens.

    The engine has seen to it that dtypes and devices are those of the stack.
    """
    if stack.dtype is not torch.float32 or stack.device.type != "cpu" or not stack.is_plain:
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
