"""The plain PyTorch backend: short, differentiable by autograd, exact in double precision. The oracle of all others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rnn2vec.engine.optimizer import AdamW
from rnn2vec.errors import RNN2VecError
from rnn2vec.population import Population


def run(population: Population, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run N networks side by side; see :func:`rnn2vec.engine.run` for the contract.

    Args:
        population: N networks.
        inputs: ``[N, B, T, X]`` floats or ``[N, B, T]`` tokens.
        state: ``(h,)`` or, for LSTM, ``(h, c)``, each ``[N, L, B, H]``.

    Returns:
        Outputs ``[N, B, T, Y]`` and the new state.
    """
    spec, weights = population.spec, population.weights
    step = {"lstm": _lstm_step, "gru": _gru_step, "elman": _elman_step}[spec.cell]
    sequence, final = inputs, []
    for layer in range(spec.num_layers):
        weight_hh = weights[f"weight_hh_l{layer}"].transpose(1, 2)  # [N, H, G*H]
        bias_hh = weights[f"bias_hh_l{layer}"][:, None]  # [N, 1, G*H]
        bias_ih = weights[f"bias_ih_l{layer}"]
        if spec.cell != "gru":  # a GRU multiplies its recurrent bias by the reset gate; the others just add it
            bias_ih, bias_hh = bias_ih + weights[f"bias_hh_l{layer}"], torch.zeros_like(bias_hh)
        projected = _project(weights[f"weight_ih_l{layer}"], bias_ih, sequence)  # [T, N, B, G*H]
        current = tuple(part[:, layer] for part in state)
        hidden = []
        for inputs_now in projected.unbind(0):
            current = step(inputs_now, current, weight_hh, bias_hh, spec.nonlinearity)
            hidden.append(current[0])
        sequence = torch.stack(hidden, dim=2)  # [N, B, T, H]
        final.append(current)
    flat = torch.baddbmm(weights["linear.bias"][:, None], sequence.flatten(1, 2), weights["linear.weight"].mT)
    outputs = flat.unflatten(1, sequence.shape[1:3])
    return outputs, tuple(torch.stack(parts, dim=1) for parts in zip(*final, strict=True))


def train_step(
    population: Population, optimizer: AdamW, inputs: Tensor, targets: Tensor, learning_rate: float
) -> Tensor:
    """Train each network for one step; see :func:`rnn2vec.engine.train_step` for the contract."""
    if torch.is_inference_mode_enabled():
        raise RNN2VecError("training on the torch backend needs autograd: leave torch.inference_mode() for it")
    spec, size = population.spec, (len(population), population.spec.num_layers, inputs.shape[1])
    zeros = torch.zeros(*size, spec.hidden_size, dtype=population.dtype, device=population.device)
    learner = Population(spec, {name: w.detach().requires_grad_() for name, w in population.weights.items()})
    with torch.enable_grad():
        outputs, _ = run(learner, inputs, (zeros,) * (2 if spec.cell == "lstm" else 1))
        losses = F.cross_entropy(outputs.flatten(0, 2), targets.flatten(), reduction="none")
        losses = losses.unflatten(0, (len(population), -1)).mean(1)
        gradients = torch.autograd.grad(losses.sum(), list(learner.weights.values()))
    step = optimizer.step + 1
    decays = optimizer.decays(len(population)).to(population.device, population.dtype)
    correction1, correction2 = (1 - beta**step for beta in optimizer.betas)
    for (name, weight), gradient in zip(population.weights.items(), gradients, strict=True):
        first, second = optimizer.first[name], optimizer.second[name]
        first.lerp_(gradient, 1 - optimizer.betas[0])
        second.mul_(optimizer.betas[1]).addcmul_(gradient, gradient, value=1 - optimizer.betas[1])
        with torch.no_grad():
            weight.mul_((1 - learning_rate * decays).view(-1, *[1] * (weight.ndim - 1)))
            weight.addcdiv_(
                first, (second.sqrt() / correction2**0.5).add_(optimizer.epsilon), value=-learning_rate / correction1
            )
    optimizer.step = step
    return losses.detach()


def _project(weight: Tensor, bias: Tensor, sequence: Tensor) -> Tensor:
    """Input half of the gates for all time steps, ``[T, N, B, G*H]``; tokens are looked up in the weight's columns."""
    if sequence.ndim == 3:
        models, size = weight.shape[0], weight.shape[2]
        table = (weight.mT + bias[:, None]).flatten(0, 1)  # [N*X, G*H]
        first = torch.arange(0, models * size, size, device=sequence.device)
        return F.embedding((sequence + first[:, None, None]).permute(2, 0, 1), table)
    times = sequence.permute(0, 2, 1, 3)  # [N, T, B, X]
    return torch.baddbmm(bias[:, None], times.flatten(1, 2), weight.mT).unflatten(1, times.shape[1:3]).transpose(0, 1)


def _lstm_step(x: Tensor, state: tuple[Tensor, ...], weight: Tensor, _: Tensor, __: str) -> tuple[Tensor, ...]:
    h, c = state
    i, f, g, o = torch.baddbmm(x, h, weight).chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_step(x: Tensor, state: tuple[Tensor, ...], weight: Tensor, bias: Tensor, _: str) -> tuple[Tensor, ...]:
    (h,) = state
    x_r, x_z, x_n = x.chunk(3, dim=-1)
    h_r, h_z, h_n = torch.baddbmm(bias, h, weight).chunk(3, dim=-1)
    z = (x_z + h_z).sigmoid()
    n = (x_n + (x_r + h_r).sigmoid() * h_n).tanh()
    return (n + z * (h - n),)


def _elman_step(
    x: Tensor, state: tuple[Tensor, ...], weight: Tensor, _: Tensor, nonlinearity: str
) -> tuple[Tensor, ...]:
    return (getattr(torch, nonlinearity)(torch.baddbmm(x, state[0], weight)),)
