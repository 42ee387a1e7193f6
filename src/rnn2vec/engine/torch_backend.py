"""The plain PyTorch backend: short, differentiable by autograd, exact in double precision. The oracle of all others.

It runs every architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from rnn2vec.architecture import Architecture
from rnn2vec.engine.noise import Noise, layer_noise
from rnn2vec.engine.optimizer import AdamW, for_each
from rnn2vec.engine.stack import Stack
from rnn2vec.errors import RNN2VecError

Parts = tuple[Tensor, ...]
"""A state: ``(h,)`` or ``(h, c)``."""
Step = Callable[[Tensor, Parts], Parts]
"""Input half of the gates ``[N, B, G*H]`` and a layer's state, each ``[N, B, H]``, to the next state."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}


def run(
    stack: Stack, inputs: Tensor, state: Parts, hidden: bool = False, noise: Noise | None = None
) -> tuple[Tensor, Parts]:
    """Run N networks side by side; see :func:`rnn2vec.engine.run` for the contract.

    Args:
        stack: N networks.
        inputs: ``[N, B, T, X]`` floats or ``[N, B, T]`` tokens.
        state: ``(h,)`` or, for LSTM, ``(h, c)``, each ``[N, L, B, H]``; empty for the networks' own, or zeros.
        hidden: return the last layer's hidden states in place of the head's outputs.
        noise: of the recurrent layers.

    Returns:
        Outputs ``[N, B, T, Y]`` and the new state.
    """
    sequence, final = _recur(stack.architecture, stack.weights, inputs, state, noise)
    return (sequence if hidden else _answer(stack.architecture, stack.weights, inputs, sequence)), final


def start(architecture: Architecture, weights: Mapping[str, Tensor], batch: int) -> Parts:
    """The state that networks begin with: their own, or zeros."""
    some = weights["linear.bias"]
    names = ("h0", "c0") if architecture.has_cell_state else ("h0",)
    shape = (some.shape[0], architecture.num_layers, batch, architecture.widest)
    if not architecture.initial_state:
        return (torch.zeros(shape, dtype=some.dtype, device=some.device),) * len(names)
    layers = range(architecture.num_layers)
    padded = [torch.stack([_widened(weights[f"{n}_l{layer}"], architecture) for layer in layers], 1) for n in names]
    return tuple(part[:, :, None].expand(shape) for part in padded)


def _widened(part: Tensor, architecture: Architecture) -> Tensor:
    """A layer's state ``[..., H]``, with zeros up to the widest."""
    return F.pad(part, (0, architecture.widest - part.shape[-1]))


def _recur(
    architecture: Architecture, weights: Mapping[str, Tensor], inputs: Tensor, state: Parts, noise: Noise | None
) -> tuple[Tensor, Parts]:
    """The hidden states of the last layer ``[N, B, T, H]``, and the state after the last step."""
    state = state or start(architecture, weights, inputs.shape[1])
    sequence, final = inputs, []
    for layer, size in enumerate(architecture.hidden_sizes):
        own = {name: weights[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        own |= {"leak": weights[f"leak_l{layer}"][:, None]} if architecture.cell == "leaky" else {}
        separate = architecture.cell == "gru"  # which may multiply its recurrent bias by the reset gate
        bias = own["bias_ih"] if separate else own["bias_ih"] + own["bias_hh"]
        step, read = _STEPS[architecture.cell](architecture, own)
        current = tuple(part[:, layer, :, :size] for part in state)
        hidden = []
        projected = _project(own["weight_ih"], bias, sequence)  # [T, N, B, G*H]
        if noise:
            steps, batch = projected.shape[0], projected.shape[2]
            projected = projected + layer_noise(noise, layer, steps, batch, own.get("leak"), size, bias)
        for now in projected.unbind(0):
            current = step(now, current)
            hidden.append(read(current[0]))
        sequence = torch.stack(hidden, dim=2)  # [N, B, T, H]
        final.append(tuple(_widened(part, architecture) for part in current))
    return sequence, tuple(torch.stack(parts, dim=1) for parts in zip(*final, strict=True))


def _answer(architecture: Architecture, weights: Mapping[str, Tensor], inputs: Tensor, sequence: Tensor) -> Tensor:
    """Outputs ``[N, B, T, Y]`` of the head to the hidden states of the last layer."""
    outputs = sequence
    for name, _, _, activation in architecture.head_layers():
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        flat = torch.baddbmm(bias[:, None], outputs.flatten(1, 2), weight.mT)
        outputs = ACTIVATIONS[activation](flat.unflatten(1, sequence.shape[1:3]))
    if architecture.skip:
        outputs = outputs + _first_inputs(architecture, inputs, outputs)
    return outputs


def _first_inputs(architecture: Architecture, inputs: Tensor, outputs: Tensor) -> Tensor:
    """The inputs that a skip connection adds, ``[N, B, T, Y]``; of a token, as a vector of one 1."""
    read = inputs if inputs.is_floating_point() else F.one_hot(inputs, architecture.input_size).to(outputs.dtype)
    return read[..., : architecture.output_size]


def train_step(
    stack: Stack,
    optimizer: AdamW,
    inputs: Tensor,
    targets: Tensor,
    learning_rate: float | Tensor,
    mask: Tensor | None = None,
    noise: Noise | None = None,
) -> Tensor:
    """Train each network for one step; see :func:`rnn2vec.engine.train_step` for the contract."""
    if torch.is_inference_mode_enabled():
        raise RNN2VecError("training on the torch backend needs autograd: leave torch.inference_mode() for it")
    learning = {n: weight.detach().requires_grad_() for n, weight in stack.weights.items() if n not in optimizer.fixed}
    weights = {**stack.weights, **learning}
    with torch.enable_grad():
        sequence, _ = _recur(stack.architecture, weights, inputs, (), noise)
        outputs = _answer(stack.architecture, weights, inputs, sequence)
        losses = _losses(outputs, targets)
        losses = losses.flatten(1).mean(1) if mask is None else (losses * mask).sum((1, 2)) / mask.sum((1, 2))
        gradients = torch.autograd.grad(losses.sum(), list(learning.values()))
    if optimizer.clip is not None:
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
        kept = (optimizer.clip / squares.sqrt()).clamp(max=1.0)
        gradients = tuple(gradient * kept.view(-1, *[1] * (gradient.ndim - 1)) for gradient in gradients)
    step = optimizer.step + 1
    rates = for_each("learning_rate", learning_rate, len(stack))
    decays, rates = (each.to(stack.device, stack.dtype) for each in (rates * optimizer.decays(len(stack)), rates))
    correction1, correction2 = (1 - beta**step for beta in optimizer.betas)
    for name, gradient in zip(learning, gradients, strict=True):
        weight = stack.weights[name]
        first, second = optimizer.first[name], optimizer.second[name]
        first.lerp_(gradient, 1 - optimizer.betas[0])
        second.mul_(optimizer.betas[1]).addcmul_(gradient, gradient, value=1 - optimizer.betas[1])
        with torch.no_grad():
            each = (-1, *[1] * (weight.ndim - 1))
            weight.mul_((1 - decays).view(each))
            scale = (second.sqrt() / correction2**0.5).add_(optimizer.epsilon)
            weight.sub_((rates / correction1).view(each) * first / scale)
    optimizer.step = step
    return losses.detach()


def _losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """``[N, B, T]``: cross-entropy with classes ``[N, B, T]``, or mean squares of ``[N, B, T, Y]`` less numbers."""
    if targets.is_floating_point():
        return (outputs - targets).square().mean(3)
    return F.cross_entropy(outputs.flatten(0, 2), targets.flatten(), reduction="none").unflatten(0, targets.shape)


def _project(weight: Tensor, bias: Tensor, sequence: Tensor) -> Tensor:
    """Input half of the gates for all time steps, ``[T, N, B, G*H]``; tokens are looked up in the weight's columns."""
    if sequence.ndim == 3:
        models, size = weight.shape[0], weight.shape[2]
        table = (weight.mT + bias[:, None]).flatten(0, 1)  # [N*X, G*H]
        first = torch.arange(0, models * size, size, device=sequence.device)
        return F.embedding((sequence + first[:, None, None]).permute(2, 0, 1), table)
    times = sequence.permute(0, 2, 1, 3)  # [N, T, B, X]
    return torch.baddbmm(bias[:, None], times.flatten(1, 2), weight.mT).unflatten(1, times.shape[1:3]).transpose(0, 1)


def _lstm(architecture: Architecture, own: Mapping[str, Tensor]) -> tuple[Step, Callable[[Tensor], Tensor]]:
    weight = own["weight_hh"].mT  # [N, H, G*H]

    def step(x: Tensor, state: Parts) -> Parts:
        h, c = state
        i, f, g, o = torch.baddbmm(x, h, weight).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    return step, ACTIVATIONS["identity"]


def _gru(architecture: Architecture, own: Mapping[str, Tensor]) -> tuple[Step, Callable[[Tensor], Tensor]]:
    weight, bias = own["weight_hh"].mT, own["bias_hh"][:, None]
    gates = 2 * own["weight_hh"].shape[2]  # rows of r and z; n's follow

    def after(x: Tensor, state: Parts) -> Parts:
        (h,) = state
        x_r, x_z, x_n = x.chunk(3, dim=-1)
        h_r, h_z, h_n = torch.baddbmm(bias, h, weight).chunk(3, dim=-1)
        z = (x_z + h_z).sigmoid()
        n = (x_n + (x_r + h_r).sigmoid() * h_n).tanh()
        return (n + z * (h - n),)

    def before(x: Tensor, state: Parts) -> Parts:
        (h,) = state
        read = torch.baddbmm(bias[..., :gates], h, weight[..., :gates])
        r, z = (x[..., :gates] + read).sigmoid().chunk(2, dim=-1)
        n = (x[..., gates:] + torch.baddbmm(bias[..., gates:], r * h, weight[..., gates:])).tanh()
        return (n + z * (h - n),)

    return {"after": after, "before": before}[architecture.reset], ACTIVATIONS["identity"]


def _elman(architecture: Architecture, own: Mapping[str, Tensor]) -> tuple[Step, Callable[[Tensor], Tensor]]:
    weight, nonlinearity = own["weight_hh"].mT, ACTIVATIONS[architecture.nonlinearity]
    return lambda x, state: (nonlinearity(torch.baddbmm(x, state[0], weight)),), ACTIVATIONS["identity"]


def _leaky(architecture: Architecture, own: Mapping[str, Tensor]) -> tuple[Step, Callable[[Tensor], Tensor]]:
    weight, leak, nonlinearity = own["weight_hh"].mT, own["leak"], ACTIVATIONS[architecture.nonlinearity]

    def outside(x: Tensor, state: Parts) -> Parts:
        (v,) = state
        return (v + leak * (torch.baddbmm(x, nonlinearity(v), weight) - v),)

    def inside(x: Tensor, state: Parts) -> Parts:
        (h,) = state
        return (h + leak * (nonlinearity(torch.baddbmm(x, h, weight)) - h),)

    if architecture.leak == "outside":
        return outside, nonlinearity
    return inside, ACTIVATIONS["identity"]


_STEPS = {"lstm": _lstm, "gru": _gru, "elman": _elman, "leaky": _leaky}
"""By cell: one step of a layer, and what of its state the layer above reads."""
