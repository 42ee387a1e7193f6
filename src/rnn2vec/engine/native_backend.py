"""The native CPU backend: compiled kernels for float32, each thread at work on one whole network at a time.

What they do not cover (other devices and dtypes, tensors that record or transform what is done with them) goes to the
PyTorch backend. The kernels know addresses alone: :func:`_address` is the one place where a tensor becomes one, and it
checks there and then that the memory is what they take it for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

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


class _Problem(NamedTuple):
    """The shapes of all that a call reads and writes."""

    spec: RNNSpec
    inputs: tuple[int, ...]
    """``[N, B, T, X]``, or ``[N, B, T]`` tokens."""
    weights: tuple[tuple[int, ...], ...]

    @property
    def states(self) -> int:
        """Parts of a state: h and, of an LSTM, c."""
        return 2 if self.spec.cell == "lstm" else 1

    @property
    def state(self) -> tuple[int, ...]:
        """Shape of each part of a state, ``[N, L, B, H]``."""
        return self.inputs[0], self.spec.num_layers, self.inputs[1], self.spec.hidden_size

    @property
    def outputs(self) -> tuple[int, ...]:
        """Shape of the outputs, ``[N, B, T, Y]``."""
        return *self.inputs[:3], self.spec.output_size


def instruction_set() -> str:
    """Name of the instruction set that the kernels in use are compiled for."""
    return _native.instruction_set()


def run(population: Population, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run N networks side by side; see :func:`rnn2vec.engine.run` for the contract."""
    weights = population.weights.values()
    if not _covered((*state, *weights), inputs):
        return torch_backend.run(population, inputs, state)
    problem = _Problem(population.spec, tuple(inputs.shape), population.shapes)
    tensors = (inputs, *state, *weights)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        outputs, *final = _Run.apply(problem, *tensors)
    else:
        ready = [_ready(tensor) for tensor in tensors]
        outputs, *final = _forward(problem, _call(problem, ready), tape=None)
    return outputs, tuple(final)


def train_step(
    population: Population, optimizer: AdamW, inputs: Tensor, targets: Tensor, learning_rate: float
) -> Tensor:
    """Train each network for one step while its data is in cache; see :func:`rnn2vec.engine.train_step`."""
    weights = list(population.weights.values())
    first, second = ([moments[name] for name in population.weights] for moments in (optimizer.first, optimizer.second))
    in_place = [*weights, *first, *second]
    if not _covered(in_place, inputs) or not all(tensor.is_contiguous() for tensor in in_place):
        return torch_backend.train_step(population, optimizer, inputs, targets, learning_rate)
    problem = _Problem(population.spec, tuple(inputs.shape), population.shapes)
    inputs, targets = _ready(inputs), _ready(targets)
    losses = _empty((len(population),))
    (beta1, beta2), step = optimizer.betas, optimizer.step + 1
    shared = (1 - beta1, beta2, 1 - beta2, learning_rate / (1 - beta1**step), math.sqrt(1 - beta2**step))
    numbers = [
        (1 - learning_rate * decay, *shared, optimizer.epsilon) for decay in optimizer.decays(len(population)).tolist()
    ]
    _native.train(
        _call(problem, [inputs, *weights]),
        _address(targets, problem.inputs[:3], torch.int64),
        _addresses(first, problem.weights),
        _addresses(second, problem.weights),
        numbers,
        _address(losses, (len(population),)),
    )
    optimizer.step = step
    for tensor in in_place:  # so that a backward pass of what was computed before is refused, as everywhere in PyTorch
        if not tensor.is_inference():
            torch.autograd.graph.increment_version(tensor)
    return losses


class _Run(torch.autograd.Function):
    """A forward pass that keeps its record if that is small, and a backward pass that else makes it again."""

    @staticmethod
    def forward(ctx: Any, problem: _Problem, *tensors: Tensor) -> tuple[Tensor, ...]:
        ready = [_ready(tensor) for tensor in tensors]
        call = _call(problem, ready)
        size = _native.tape_size(call)
        ctx.problem, ctx.tape = problem, _empty((size,)) if 4 * size <= TAPE_BYTES else None
        ctx.instruction_set = call.instruction_set
        ctx.save_for_backward(*ready)
        ctx.set_materialize_grads(False)
        return _forward(problem, call, ctx.tape)

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or _is_transformed():  # create_graph=True, or gradients that are batched or traced
            raise RNN2VecError(
                "the native backend has no second derivatives and no derivatives of many outputs at once: set "
                "RNN2VEC_BACKEND=torch for them"
            )
        problem, wanted = ctx.problem, ctx.needs_input_grad[1:]
        ready = [_ready(tensor) for tensor in ctx.saved_tensors]  # copies, perhaps, where hooks moved them
        found = [_empty(tuple(t.shape)) if want else None for t, want in zip(ready, wanted, strict=True)]
        given = [None if gradient is None else _ready(gradient) for gradient in incoming]
        call = _call(problem, ready)
        tape, ctx.tape = ctx.tape, None  # it serves once; another backward pass computes it again
        if call.instruction_set != ctx.instruction_set:
            tape = None  # other kernels lay it out in another way
        first = 1 + problem.states
        _native.backward(
            call,
            0 if tape is None else _address(tape, (_native.tape_size(call),)),
            _address(given[0], problem.outputs),
            *_state_addresses(problem, given[1:]),
            _address(found[0], problem.inputs),
            *_state_addresses(problem, found[1:first]),
            _addresses(found[first:], problem.weights),
        )
        return None, *found


def _forward(problem: _Problem, call: _native.Call, tape: Tensor | None) -> tuple[Tensor, ...]:
    outputs, final = _empty(problem.outputs), [_empty(problem.state) for _ in range(problem.states)]
    _native.forward(
        call,
        0 if tape is None else _address(tape, (_native.tape_size(call),)),
        _address(outputs, problem.outputs),
        *_state_addresses(problem, final),
    )
    return outputs, *final


def _call(problem: _Problem, tensors: Sequence[Tensor]) -> _native.Call:
    """What the kernels read: inputs, states (or none, for zeros) and weights."""
    spec, rest = problem.spec, tensors[1:]
    weights = len(rest) - len(problem.weights)  # where they start
    tokens = len(problem.inputs) == 3
    return _native.Call(
        _CELLS[spec.cell, spec.nonlinearity],
        tokens,
        [*problem.inputs[:3], spec.input_size, spec.hidden_size, spec.num_layers, spec.output_size],
        torch.get_num_threads(),
        _addresses(rest[weights:], problem.weights),
        _address(tensors[0], problem.inputs, torch.int64 if tokens else torch.float32),
        *_state_addresses(problem, rest[:weights]),
    )


def _state_addresses(problem: _Problem, parts: Sequence[Tensor | None]) -> tuple[int, int]:
    """Addresses of h and c, 0 for what is not there."""
    h, c = (*(_address(part, problem.state) for part in parts), 0, 0)[:2]
    return h, c


def _addresses(tensors: Iterable[Tensor | None], shapes: Iterable[tuple[int, ...]]) -> list[int]:
    return [_address(tensor, shape) for tensor, shape in zip(tensors, shapes, strict=True)]


def _address(tensor: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> int:
    """Where a tensor's numbers are, 0 for no tensor. What the kernels take for granted of the memory is checked here.

    Raises:
        RNN2VecError: if it is not of the shape and dtype, in one piece, on the CPU.
    """
    if tensor is None:
        return 0
    sound = tensor.dtype is dtype and tensor.is_cpu and tensor.shape == shape
    if not sound or not tensor.is_contiguous() or tensor.is_neg():
        raise RNN2VecError(
            f"the kernels read and write {dtype} numbers of the shape {list(shape)} in one piece on the CPU; got "
            f"{tensor.dtype} of the shape {list(tensor.shape)} on {tensor.device}: was a tensor changed in place?"
        )
    try:
        if address := tensor.data_ptr():
            return address
    except RuntimeError:  # a tensor without storage
        pass
    raise RNN2VecError(
        "the kernels read numbers in memory; got a tensor without any, as a batch of gradients is: set "
        "RNN2VEC_BACKEND=torch for it"
    )


def _ready(tensor: Tensor) -> Tensor:
    """The tensor, or a copy of it, in one piece and with the signs that it shows."""
    return tensor.resolve_neg().contiguous()


def _empty(shape: tuple[int, ...]) -> Tensor:
    """Memory for the kernels, whatever the user's default dtype and device are."""
    return torch.empty(shape, dtype=torch.float32, device="cpu")


def _covered(tensors: Iterable[Tensor], inputs: Tensor) -> bool:
    """Whether everything is plain memory on the CPU, single precision or tokens."""
    for tensor in (*tensors, inputs):
        plain = type(tensor) is Tensor or type(tensor) is nn.Parameter
        if not plain or not tensor.is_cpu or (tensor.dtype is not torch.float32 and tensor is not inputs):
            return False
    return inputs.dtype in (torch.float32, torch.int64) and not _is_transformed()


def _is_transformed() -> bool:
    """Whether PyTorch records, compiles, batches or differentiates forwards: kernels would escape it."""
    return (
        forward_ad._current_level >= 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch.jit.is_tracing()
        or torch.compiler.is_compiling()
    )
