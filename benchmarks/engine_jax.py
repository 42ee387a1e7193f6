"""JAX's entries in benchmarks/engine.py, for LSTM networks; importing this raises ImportError where JAX is missing."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from engine_rivals import LEARNING_RATE, WEIGHT_DECAY, Contestant, Problem, timed


def _step(weights: dict[str, Any], layers: int, x: Any, state: Any) -> tuple[Any, Any]:
    """One time step of one network: inputs ``[B, X]``, states ``[L, B, H]``."""
    hs, cs = [], []
    for layer in range(layers):
        h, c = state[0][layer], state[1][layer]
        gates = x @ weights[f"weight_ih_l{layer}"].T + weights[f"bias_ih_l{layer}"]
        gates = gates + h @ weights[f"weight_hh_l{layer}"].T + weights[f"bias_hh_l{layer}"]
        i, f, g, o = jnp.split(gates, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        x = jax.nn.sigmoid(o) * jnp.tanh(c)
        hs.append(x)
        cs.append(c)
    return x @ weights["linear.weight"].T + weights["linear.bias"], (jnp.stack(hs), jnp.stack(cs))


def _prepare(problem: Problem) -> tuple[dict[str, Any], Any]:
    if problem.architecture.cell != "lstm":
        raise ImportError("only LSTM is written for JAX")
    architecture = problem.architecture
    zeros = jnp.zeros((architecture.num_layers, problem.batch, architecture.widest))
    return {name: jnp.asarray(w.numpy()) for name, w in problem.population.weights.items()}, (zeros, zeros)


def train_contestant(problem: Problem) -> Contestant:
    """Vmap over networks of a scan over time, AdamW included, in one compiled function."""
    weights, state = _prepare(problem)
    inputs = jnp.asarray(np.eye(problem.architecture.input_size, dtype=np.float32)[problem.tokens.numpy()])
    targets = jnp.asarray(problem.targets.numpy())

    def loss(own: Any, x: Any, wanted: Any) -> Any:
        def body(now: Any, x_t: Any) -> Any:
            outputs, now = _step(own, problem.architecture.num_layers, x_t, now)
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
            outputs, now = _step(own, problem.architecture.num_layers, x + bias, now)
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
