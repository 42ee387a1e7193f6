"""JAX's entries in benchmarks/engine.py; importing this raises ImportError where JAX is missing."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from engine_rivals import LEARNING_RATE, WEIGHT_DECAY, Contestant, Problem, timed

from rnn2vec.architecture import Architecture

ACTIVATIONS = {
    "identity": lambda x: x,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
}


def _lstm(own: Architecture, x: Any, h: Any, c: Any, w: dict[str, Any]) -> tuple[Any, Any, Any]:
    i, f, g, o = jnp.split(x + h @ w["weight_hh"].T + w["bias_hh"], 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h, h, c


def _gru(own: Architecture, x: Any, h: Any, c: Any, w: dict[str, Any]) -> tuple[Any, Any, Any]:
    (x_r, x_z, x_n), gates = jnp.split(x, 3, -1), 2 * h.shape[-1]
    h_r, h_z = jnp.split(h @ w["weight_hh"][:gates].T + w["bias_hh"][:gates], 2, -1)
    r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
    weight, bias = w["weight_hh"][gates:].T, w["bias_hh"][gates:]
    n = jnp.tanh(x_n + (r * (h @ weight + bias) if own.reset == "after" else (r * h) @ weight + bias))
    h = n + z * (h - n)
    return h, h, c


def _elman(own: Architecture, x: Any, h: Any, c: Any, w: dict[str, Any]) -> tuple[Any, Any, Any]:
    h = ACTIVATIONS[own.nonlinearity](x + h @ w["weight_hh"].T + w["bias_hh"])
    return h, h, c


def _leaky(own: Architecture, x: Any, h: Any, c: Any, w: dict[str, Any]) -> tuple[Any, Any, Any]:
    nonlinearity = ACTIVATIONS[own.nonlinearity]
    if own.leak == "outside":
        h = h + w["leak"] * (x + nonlinearity(h) @ w["weight_hh"].T + w["bias_hh"] - h)
        return nonlinearity(h), h, c
    h = h + w["leak"] * (nonlinearity(x + h @ w["weight_hh"].T + w["bias_hh"]) - h)
    return h, h, c


CELLS = {"lstm": _lstm, "gru": _gru, "elman": _elman, "leaky": _leaky}
"""One step of a layer, from its projected input: what the layer above reads, h and c."""


def _step(own: Architecture, weights: dict[str, Any], inputs: Any, state: Any) -> tuple[Any, Any]:
    """One time step of one network: inputs ``[B, X]``, for each layer states h and c ``[B, H]``."""
    x, new = inputs, []
    for layer, (h, c) in enumerate(state):
        w = {n.removesuffix(f"_l{layer}"): v for n, v in weights.items() if n.endswith(f"_l{layer}")}
        x, h, c = CELLS[own.cell](own, x @ w["weight_ih"].T + w["bias_ih"], h, c, w)
        new.append((h, c))
    for name, _, _, activation in own.head_layers():
        x = ACTIVATIONS[activation](x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])
    return x + inputs[:, : own.output_size] if own.skip else x, tuple(new)


def _prepare(problem: Problem) -> tuple[dict[str, Any], Any]:
    zeros = [jnp.zeros((problem.batch, size)) for size in problem.architecture.hidden_sizes]
    weights = {name: jnp.asarray(w.numpy()) for name, w in problem.population.weights.items()}
    return weights, tuple((zero, zero) for zero in zeros)


def train_contestant(problem: Problem) -> Contestant:
    """Vmap over networks of a scan over time, AdamW included, in one compiled function."""
    weights, state = _prepare(problem)
    inputs = jnp.asarray(np.eye(problem.architecture.input_size, dtype=np.float32)[problem.tokens.numpy()])
    targets = jnp.asarray(problem.targets.numpy())

    def loss(own: Any, x: Any, wanted: Any) -> Any:
        def body(now: Any, x_t: Any) -> Any:
            outputs, now = _step(problem.architecture, own, x_t, now)
            return now, outputs

        _, outputs = jax.lax.scan(body, state, x.swapaxes(0, 1))
        picked = jnp.take_along_axis(jax.nn.log_softmax(outputs), wanted.T[..., None], -1)
        return -picked.mean()

    def update(number: Any, w: Any, m: Any, v: Any, g: Any) -> Any:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        root = jnp.sqrt(v / (1 - 0.999**number)) + 1e-8
        return w * (1 - LEARNING_RATE * WEIGHT_DECAY) - LEARNING_RATE * m / (1 - 0.9**number) / root, m, v

    @jax.jit
    def step(number: Any, weights: Any, first: Any, second: Any) -> Any:
        losses, gradients = jax.vmap(jax.value_and_grad(loss))(weights, inputs, targets)
        new = {k: update(number, weights[k], first[k], second[k], gradients[k]) for k in weights}
        return losses, *({k: parts[i] for k, parts in new.items()} for i in range(3))

    zeros = {name: jnp.zeros_like(w) for name, w in weights.items()}

    def work() -> Any:
        return jax.block_until_ready(step(1.0, weights, zeros, zeros))

    def result() -> tuple[torch.Tensor, torch.Tensor]:
        losses, new, _, _ = work()
        flat = np.concatenate([np.asarray(new[k]).reshape(problem.models, -1) for k in weights], 1)
        return torch.from_numpy(np.array(losses)), torch.from_numpy(flat)

    return Contestant(lambda: timed(work), result)


def probe_contestant(problem: Problem) -> Contestant:
    """All steps in one compiled function: more than the others may do, since JAX traces the whole interrogation."""
    weights, state = _prepare(problem)
    probes = jnp.asarray(problem.probes.numpy())

    def one(own: Any, xs: Any) -> Any:
        def body(carry: Any, x: Any) -> Any:
            now, bias = carry
            outputs, now = _step(problem.architecture, own, x + bias, now)
            return (now, 0.1 * outputs.mean(-1, keepdims=True)), outputs

        start = (state, jnp.zeros((problem.batch, 1)))
        _, outputs = jax.lax.scan(body, start, xs.swapaxes(0, 1))
        return (outputs**2).sum(), outputs.swapaxes(0, 1)

    call = jax.jit(jax.vmap(jax.value_and_grad(one, argnums=1, has_aux=True)))

    def work() -> Any:
        return jax.block_until_ready(call(weights, probes))

    def result() -> tuple[torch.Tensor, torch.Tensor]:
        (_, outputs), gradient = work()
        return torch.from_numpy(np.array(outputs)), torch.from_numpy(np.array(gradient))

    return Contestant(lambda: timed(work), result)
