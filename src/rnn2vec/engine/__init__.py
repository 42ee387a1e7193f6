"""The one hot primitive: run N different RNNs at once, each on its own batch of sequences."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from types import ModuleType

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from rnn2vec.engine.noise import Noise, check_noise
from rnn2vec.engine.optimizer import AdamW, OneOrEach, for_each
from rnn2vec.engine.stack import Stack, State
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number

BACKENDS = {"native": "rnn2vec.engine.native_backend", "torch": "rnn2vec.engine.torch_backend"}
"""Modules of the backends by name, in order of preference. Each has ``run`` and ``train_step``; a backend hands what it
does not cover (``native``: all but float32 on the CPU) to the torch backend, the oracle of all others."""


def backend_name() -> str:
    """Name of the backend in use: the one that the environment variable ``RNN2VEC_BACKEND`` names, else the fastest."""
    return _backend(os.environ.get("RNN2VEC_BACKEND"))[0]


def instruction_set() -> str:
    """What the backend in use is compiled for, such as ``avx512``; for the torch backend, what PyTorch detects."""
    name, module = _backend(os.environ.get("RNN2VEC_BACKEND"))
    return module.instruction_set() if name == "native" else torch.backends.cpu.get_cpu_capability().lower()


@functools.cache
def _backend(wanted: str | None) -> tuple[str, ModuleType]:
    if wanted and wanted not in BACKENDS:
        raise RNN2VecError(f"RNN2VEC_BACKEND is one of {', '.join(BACKENDS)}; got {wanted!r}")
    if wanted:
        try:
            return wanted, importlib.import_module(BACKENDS[wanted])
        except ImportError as error:
            raise RNN2VecError(f"RNN2VEC_BACKEND asks for {wanted}, which does not load ({error}): unset it") from error
    try:
        return "native", importlib.import_module(BACKENDS["native"])
    except ImportError as error:
        warnings.warn(
            f"rnn2vec's native backend does not load ({error}): networks run on PyTorch, many times slower. Reinstall "
            "rnn2vec with a C++17 compiler (GCC or Clang), or set RNN2VEC_BACKEND=torch to choose this",
            RuntimeWarning,
            stacklevel=2,
        )
        return "torch", importlib.import_module(BACKENDS["torch"])


def run(
    stack: Stack,
    inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"],
    state: State | None = None,
    noise: Noise | None = None,
) -> tuple[Float[Tensor, "N B T Y"], State]:
    """Run N different networks, each on its own batch of sequences.

    Differentiable in the inputs, the state and the weights; a gradient that nobody asked for (``requires_grad``) is not
    computed.

    Args:
        stack: N networks of one architecture, a :class:`rnn2vec.networks.Population`.
        inputs: ``[N, B, T, X]`` floats, or ``[N, B, T]`` integer tokens in ``0..X-1``, which are looked up.
        state: where to start, see :data:`State`; by default the networks' own initial states, or zeros.
        noise: of the recurrent layers of Elman and leaky cells; none by default.

    Returns:
        The head's outputs ``[N, B, T, Y]`` and the state after the last step, shaped like ``state``.

    Raises:
        RNN2VecError: if shapes, dtypes, devices, tokens or noise do not fit the stack.
    """
    return _run(stack, inputs, state, False, noise)


def hidden_states(
    stack: Stack,
    inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"],
    state: State | None = None,
    noise: Noise | None = None,
) -> tuple[Float[Tensor, "N B T H"], State]:
    """Run N different networks as :func:`run` does, for what their heads read.

    Args:
        stack: N networks.
        inputs: as for :func:`run`.
        state: as for :func:`run`.
        noise: as for :func:`run`.

    Returns:
        The last layer's hidden states ``[N, B, T, H]`` at every step (of a leaky cell with its leak outside, f(v)), and
        the state after the last step.

    Raises:
        RNN2VecError: as :func:`run` does.
    """
    return _run(stack, inputs, state, True, noise)


def _run(stack: Stack, inputs: Tensor, state: State | None, hidden: bool, noise: Noise | None) -> tuple[Tensor, State]:
    inputs = _checked_inputs(stack, inputs)
    parts = _checked_state(stack, inputs, state)
    noise = _checked_noise(stack, noise)
    outputs, final = _backend(os.environ.get("RNN2VEC_BACKEND"))[1].run(stack, inputs, parts, hidden, noise)
    return outputs, (final[0], final[1]) if len(final) == 2 else final[0]


def train_step(
    stack: Stack,
    optimizer: AdamW,
    inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"],
    targets: Integer[Tensor, "N B T"] | Float[Tensor, "N B T Y"],
    learning_rate: OneOrEach,
    mask: Float[Tensor, "N B T"] | None = None,
    noise: Noise | None = None,
) -> Float[Tensor, " N"]:
    """One step of AdamW for each of N networks, on the mean loss of its own outputs: cross-entropy with classes, or
    squared error from numbers. They start from their initial states.

    The same as calling :func:`run`, the loss, ``backward`` and :class:`torch.optim.AdamW` for each network. A
    network's new weights do not depend, to the last bit, on what else is in the stack; on the torch backend that
    holds for hidden sizes that are multiples of 8 and batches that are multiples of 4.

    Args:
        stack: N networks; their weights change in place.
        optimizer: moments, which change in place, and options.
        inputs: ``[N, B, T, X]`` floats or ``[N, B, T]`` tokens, as for :func:`run`.
        targets: ``[N, B, T]`` classes in ``0..Y-1``, or ``[N, B, T, Y]`` floats.
        learning_rate: of this step; one for all networks, or ``[N]``, one each.
        mask: ``[N, B, T]`` floats, what each step of each sequence counts in the mean, such as 0 where there is
            no answer yet; all count the same by default.
        noise: as for :func:`run`.

    Returns:
        The losses ``[N]`` before the step.

    Raises:
        RNN2VecError: if shapes, dtypes, devices, tokens, targets, the mask, noise or moments do not fit the stack, or
            a learning rate is not finite or below 0.
    """
    inputs = _checked_inputs(stack, inputs)
    targets = _checked_targets(stack, inputs, targets)
    if mask is not None:
        _check_mask(stack, inputs, mask)
    noise = _checked_noise(stack, noise)
    optimizer.check_fits(stack)
    rates = for_each("learning_rate", learning_rate, len(stack))
    for extreme in (rates.min(), rates.max()):
        number("each learning_rate", extreme.item())
    module = _backend(os.environ.get("RNN2VEC_BACKEND"))[1]
    return module.train_step(stack, optimizer, inputs, targets, rates, mask, noise)


def _checked_inputs(stack: Stack, inputs: Tensor) -> Tensor:
    architecture, models = stack.architecture, len(stack)
    _check_place(stack, inputs, "inputs")
    if inputs.is_floating_point():
        if inputs.ndim != 4 or inputs.shape[0] != models or inputs.shape[3] != architecture.input_size:
            raise RNN2VecError(
                f"float inputs to {models} networks ({architecture}) have the shape "
                f"[{models}, B, T, {architecture.input_size}] of networks, sequences, steps and inputs; got "
                f"{list(inputs.shape)}"
            )
        if inputs.dtype != stack.dtype:
            raise RNN2VecError(f"inputs have the dtype of the weights, {stack.dtype}; got {inputs.dtype}")
    else:
        if inputs.ndim != 3 or inputs.shape[0] != models:
            raise RNN2VecError(
                f"tokens for {models} networks have the shape [{models}, B, T] of networks, sequences and steps; got "
                f"{list(inputs.shape)}"
            )
        inputs = _whole_numbers(inputs, architecture.input_size, "tokens")
    if inputs.shape[1] < 1 or inputs.shape[2] < 1:
        raise RNN2VecError(f"a batch holds at least one sequence of at least one step; got {list(inputs.shape)}")
    return inputs


def _checked_targets(stack: Stack, inputs: Tensor, targets: Tensor) -> Tensor:
    _check_place(stack, targets, "targets")
    if targets.is_floating_point():
        shape = (*inputs.shape[:3], stack.architecture.output_size)
        if targets.shape != shape or targets.dtype != stack.dtype:
            raise RNN2VecError(
                f"targets that are numbers have the shape {list(shape)} and the dtype of the weights, {stack.dtype}; "
                f"got {list(targets.shape)} of {targets.dtype}"
            )
        return targets
    if targets.shape != inputs.shape[:3]:
        raise RNN2VecError(
            f"targets are whole numbers of the shape {list(inputs.shape[:3])}; got {list(targets.shape)}"
        )
    return _whole_numbers(targets, stack.architecture.output_size, "targets")


def _check_mask(stack: Stack, inputs: Tensor, mask: Tensor) -> None:
    _check_place(stack, mask, "masks")
    if mask.shape != inputs.shape[:3] or mask.dtype != stack.dtype:
        raise RNN2VecError(
            f"a mask has the shape {list(inputs.shape[:3])} and the dtype of the weights, {stack.dtype}; "
            f"got {list(mask.shape)} of {mask.dtype}"
        )
    if not bool((mask >= 0).all()) or not bool(mask.sum((1, 2)).isfinite().all()):
        raise RNN2VecError(
            f"what a step counts is finite and not negative; got {float(mask.min())}..{float(mask.max())}"
        )
    if not bool((mask.sum((1, 2)) > 0).all()):
        raise RNN2VecError("a mask leaves at least one step of each network; got one that leaves none")


def _checked_noise(stack: Stack, noise: Noise | None) -> Noise | None:
    """The noise, if there is any and it fits."""
    if noise is None:
        return None
    check_noise(noise, stack.architecture, stack.weights)
    return noise if noise.sigma > 0 else None


def _check_place(stack: Stack, tensor: Tensor, what: str) -> None:
    """Raise :class:`RNN2VecError` unless this is an ordinary tensor on the device of the weights."""
    if not isinstance(tensor, Tensor):
        raise RNN2VecError(
            f"{what} are a torch tensor; got {type(tensor).__name__}: torch.as_tensor makes one of an array"
        )
    if tensor.device != stack.device or tensor.layout is not torch.strided:
        layout = "" if tensor.layout is torch.strided else f" ({tensor.layout})"
        raise RNN2VecError(
            f"{what} are a dense tensor on the device of the weights, {stack.device}; got {tensor.device}{layout}"
        )


def _whole_numbers(tensor: Tensor, size: int, what: str) -> Tensor:
    """The numbers as int64, if they are whole and lie in ``0 .. size - 1``."""
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype is torch.bool:
        raise RNN2VecError(f"{what} are whole numbers; got {tensor.dtype}")
    tensor = tensor.long()
    if tensor.numel() and not (int(tensor.min()) >= 0 and int(tensor.max()) < size):
        raise RNN2VecError(f"{what} lie in 0..{size - 1}; got {int(tensor.min())}..{int(tensor.max())}")
    return tensor


def _checked_state(stack: Stack, inputs: Tensor, state: State | None) -> tuple[Tensor, ...]:
    architecture = stack.architecture
    if state is None:
        return ()
    shape = (len(stack), architecture.num_layers, inputs.shape[1], architecture.widest)
    count = 2 if architecture.has_cell_state else 1
    parts = tuple(state) if isinstance(state, (tuple, list)) else (state,)
    for part in parts:
        _check_place(stack, part, "states")
    if len(parts) != count or any(tuple(part.shape) != shape for part in parts):
        kind = "(h, c), each" if count == 2 else "h,"
        raise RNN2VecError(
            f"the state of {architecture} is {kind} of shape {list(shape)}; got {[list(part.shape) for part in parts]}"
        )
    for part in parts:
        if part.dtype != stack.dtype:
            raise RNN2VecError(f"the state has the dtype of the weights, {stack.dtype}; got {part.dtype}")
    return parts
