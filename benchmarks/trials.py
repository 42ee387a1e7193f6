"""A training step of neuroscience's networks: trials of numbers, masked squared error, clipped gradients, AdamW.

    python benchmarks/trials.py [--models 64] [--rounds 7]

Networks of 1x64 with seven inputs and three outputs, batches of 32 trials of 60 steps, as the `laptop` preset of
cognitive-tasks trains them: leaky (tanh, the leak outside or inside), Elman, GRU. Rivals: JAX (vmap of a scan,
compiled), torch.vmap, our PyTorch backend (batched products and autograd), and a loop over networks and steps in
PyTorch, a process a core. Run it alone on the machine; all use all cores. Losses and weights after a step are checked
against double precision before anything is timed; contestants take turns, and a time is the median of the rounds. Our
step with recurrent noise is timed besides; rivals draw none. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from engine import race
from engine_rivals import Contestant, timed, versions

from rnn2vec.architecture import Architecture
from rnn2vec.engine import instruction_set, torch_backend, train_step
from rnn2vec.engine.noise import Noise
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.networks.population import Population

RATE, CLIP, BATCH, STEPS, INPUTS, OUTPUTS, UNITS = 0.003, 1.0, 32, 60, 7, 3, 64
ARCHITECTURES = (
    Architecture("leaky", INPUTS, (UNITS,), OUTPUTS),
    Architecture("leaky", INPUTS, (UNITS,), OUTPUTS, leak="inside"),
    Architecture("elman", INPUTS, (UNITS,), OUTPUTS),
    Architecture("gru", INPUTS, (UNITS,), OUTPUTS),
)
Weights = dict[str, Tensor]


class Problem:
    """The same networks and trials for all contestants; leaks are not trained."""

    def __init__(self, architecture: Architecture, models: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.architecture, self.models, self.batch = architecture, models, BATCH
        self.population = Population.initialise(architecture, 0, range(models))
        shape = (models, BATCH, STEPS)
        self.inputs = torch.randn(*shape, INPUTS, generator=generator)
        self.targets = torch.randn(*shape, OUTPUTS, generator=generator)
        self.mask = torch.randint(0, 2, shape, generator=generator).float()
        self.fixed = tuple(name for name in self.population.weights if name.startswith("leak_"))

    def copy(self, dtype: torch.dtype = torch.float32) -> Population:
        """The networks, not to be shared."""
        weights = {name: weight.to(dtype, copy=True) for name, weight in self.population.weights.items()}
        return Population(self.architecture, weights)

    def after(self, population: Population) -> Tensor:
        """All weights of each network, ``[N, P]``."""
        return population.flatten()


def engine_contestant(problem: Problem, step: Callable[..., Tensor], noisy: bool = False) -> Contestant:
    """Ours, by the kernels or by PyTorch."""

    def start() -> tuple[Population, Callable[[], Tensor]]:
        population = problem.copy()
        optimizer = AdamW.start(population, 0.0, CLIP, problem.fixed)
        noise = Noise.keyed(0.05, 0, range(problem.models), 0) if noisy else None
        arguments = (problem.inputs, problem.targets, RATE, problem.mask, noise)
        return population, lambda: step(population, optimizer, *arguments)

    def result() -> tuple[Tensor, Tensor]:
        population, work = start()
        return work(), problem.after(population)

    _, work = start()
    return Contestant(lambda: timed(work), result)


def by_torch(*arguments: Any) -> Tensor:
    """A step on the PyTorch backend."""
    population, optimizer, inputs, targets, rate, mask, noise = arguments
    rates = torch.full((len(population),), rate, dtype=torch.float64)
    return torch_backend.train_step(population, optimizer, inputs, targets, rates, mask, noise)


def answer(own: Architecture, weights: Weights, trials: Tensor) -> Tensor:
    """One network step by step, as it is written in PyTorch: trials ``[B, T, X]`` to answers ``[B, T, Y]``."""
    below = trials @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
    recurrent, bias = weights["weight_hh_l0"].T, weights["bias_hh_l0"]
    state, seen = trials.new_zeros(len(trials), UNITS), []
    for x in below.unbind(1):
        if own.cell == "gru":
            (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, -1), (state @ recurrent + bias).chunk(3, -1)
            z, n = (x_z + h_z).sigmoid(), (x_n + (x_r + h_r).sigmoid() * h_n).tanh()
            state = n + z * (state - n)
        elif own.cell == "elman":
            state = (x + state @ recurrent + bias).tanh()
        elif own.leak == "outside":
            state = state + weights["leak_l0"] * (x + state.tanh() @ recurrent + bias - state)
        else:
            state = state + weights["leak_l0"] * ((x + state @ recurrent + bias).tanh() - state)
        seen.append(state.tanh() if own.cell == "leaky" and own.leak == "outside" else state)
    return torch.stack(seen, 1) @ weights["linear.weight"].T + weights["linear.bias"]


def error(said: Tensor, due: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of the steps that count."""
    return ((said - due).square().mean(-1) * mask).sum() / mask.sum()


def vmap_contestant(problem: Problem) -> Contestant:
    """torch.vmap over the gradient of one network's loss, then clipping and AdamW on the stacked weights."""
    own = problem.architecture

    def loss(trained: Weights, fixed: Weights, *trial: Tensor) -> Tensor:
        return error(answer(own, {**fixed, **trained}, trial[0]), *trial[1:])

    gradient = torch.vmap(torch.func.grad_and_value(loss))

    def start() -> tuple[Population, Callable[[], Tensor]]:
        population = problem.copy()
        fixed = {name: population.weights[name] for name in problem.fixed}
        trained = {n: w.requires_grad_() for n, w in population.weights.items() if n not in fixed}
        optimizer = torch.optim.AdamW(trained.values(), RATE, weight_decay=0.0)

        def step() -> Tensor:
            with torch.no_grad():
                gradients, losses = gradient(trained, fixed, problem.inputs, problem.targets, problem.mask)
                norms = torch.stack([each.flatten(1).square().sum(1) for each in gradients.values()]).sum(0).sqrt()
                kept = (CLIP / norms).clamp(max=1.0)
                for name, weight in trained.items():
                    weight.grad = gradients[name] * kept.view(-1, *[1] * (weight.ndim - 1))
            optimizer.step()
            return losses

        return population, step

    def result() -> tuple[Tensor, Tensor]:
        population, step = start()
        return step(), problem.after(population).detach()

    _, step = start()
    return Contestant(lambda: timed(step), result)


def train_one_by_one(
    connection: Any, own: Architecture, weights: Weights, fixed: tuple[str, ...], trials: tuple[Tensor, ...]
) -> None:
    """A worker process: train its share of the networks, one after the other, whenever it is asked to."""
    torch.set_num_threads(1)
    networks = []
    for place in range(len(trials[0])):
        parameters = {name: weight[place].clone().requires_grad_(name not in fixed) for name, weight in weights.items()}
        trained = [parameter for name, parameter in parameters.items() if name not in fixed]
        networks.append((parameters, trained, torch.optim.AdamW(trained, RATE, weight_decay=0.0, foreach=True)))
    while connection.recv():
        losses = []
        for (parameters, trained, optimizer), inputs, *rest in zip(networks, *trials, strict=True):
            loss = error(answer(own, parameters, inputs), *rest)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, CLIP)
            optimizer.step()
            losses.append(loss.detach())
        connection.send(torch.stack(losses).numpy())
        if connection.recv():
            stacked = {name: torch.stack([each[0][name].detach() for each in networks]) for name in weights}
            connection.send(Population(own, stacked).flatten().numpy())


def processes_contestant(problem: Problem) -> Contestant:
    """A loop over networks and steps, a process a core."""
    context, connections, processes = multiprocessing.get_context("spawn"), [], []
    for shard in torch.arange(problem.models).chunk(torch.get_num_threads()):
        ours, theirs = context.Pipe()
        trials = tuple(each[shard] for each in (problem.inputs, problem.targets, problem.mask))
        job = (theirs, problem.architecture, problem.population[shard].weights, problem.fixed, trials)
        processes.append(context.Process(target=train_one_by_one, args=job, daemon=True))
        processes[-1].start()
        connections.append(ours)

    def step(show: bool) -> list[Any]:
        for connection in connections:
            connection.send(True)
        losses = [connection.recv() for connection in connections]
        for connection in connections:
            connection.send(show)
        return losses

    def result() -> tuple[Tensor, Tensor]:
        losses = step(show=True)
        weights = [connection.recv() for connection in connections]
        first, second = (torch.cat([torch.from_numpy(part) for part in parts]) for parts in (losses, weights))
        return first, second

    def close() -> None:
        for connection, process in zip(connections, processes, strict=True):
            connection.send(False)
            process.join()

    return Contestant(lambda: timed(lambda: step(show=False)), result, close)


def jax_contestant(problem: Problem) -> Contestant:
    """JAX: vmap over networks of a scan over time, clipping and AdamW included, in one compiled function."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from engine_jax import _prepare, _step

    weights, state = _prepare(problem)  # type: ignore[arg-type] # all that it asks for is there
    fixed = {name: weights.pop(name) for name in problem.fixed}
    trials = tuple(jnp.asarray(each.numpy()) for each in (problem.inputs, problem.targets, problem.mask))

    def loss(trained: Any, kept: Any, inputs: Any, due: Any, mask: Any) -> Any:
        def body(now: Any, x: Any) -> Any:
            said, now = _step(problem.architecture, {**trained, **kept}, x, now)
            return now, said

        _, said = jax.lax.scan(body, state, inputs.swapaxes(0, 1))
        return (((said.swapaxes(0, 1) - due) ** 2).mean(-1) * mask).sum() / mask.sum()

    def update(number: Any, w: Any, m: Any, v: Any, g: Any) -> Any:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return w - RATE * m / (1 - 0.9**number) / (jnp.sqrt(v / (1 - 0.999**number)) + 1e-8), m, v

    @jax.jit
    def step(number: Any, trained: Any, first: Any, second: Any) -> Any:
        losses, gradients = jax.vmap(jax.value_and_grad(loss))(trained, fixed, *trials)
        norms = jnp.sqrt(sum((each.reshape(problem.models, -1) ** 2).sum(1) for each in gradients.values()))
        kept = jnp.minimum(CLIP / norms, 1.0)
        clipped = {k: g * kept.reshape(-1, *[1] * (g.ndim - 1)) for k, g in gradients.items()}
        new = {k: update(number, trained[k], first[k], second[k], clipped[k]) for k in trained}
        return losses, *({k: parts[i] for k, parts in new.items()} for i in range(3))

    zeros = {name: jnp.zeros_like(w) for name, w in weights.items()}

    def work() -> Any:
        return jax.block_until_ready(step(1.0, weights, zeros, zeros))

    def result() -> tuple[Tensor, Tensor]:
        losses, new, _, _ = work()
        every = {**new, **fixed}
        flat = [np.asarray(every[name]).reshape(problem.models, -1) for name in problem.population.weights]
        return torch.from_numpy(np.array(losses)), torch.from_numpy(np.concatenate(flat, 1))

    return Contestant(lambda: timed(work), result)


RIVALS: dict[str, Callable[[Problem], Contestant]] = {
    "batched": lambda problem: engine_contestant(problem, by_torch),
    "vmap": vmap_contestant,
    "processes": processes_contestant,
    "jax": jax_contestant,
}


def checked(problem: Problem, contestants: dict[str, Contestant]) -> None:
    """Stop here if a contestant's losses or weights are not those of double precision."""
    population = problem.copy(torch.float64)
    optimizer = AdamW.start(population, 0.0, CLIP, problem.fixed)
    trials = [each.double() for each in (problem.inputs, problem.targets)]
    losses = by_torch(population, optimizer, *trials, RATE, problem.mask.double(), None)
    oracle = losses, problem.after(population)
    for name, contestant in contestants.items():
        for found, expected in zip(contestant.result(), oracle, strict=True):
            off = float((found - expected).abs().max() / expected.abs().max())
            if not off < 1e-3:  # Adam's first step is a sign: it magnifies errors
                raise SystemExit(f"{name} computes something else: off by {off:.1e} of the largest value")


def compare(architecture: Architecture, models: int, rounds: int) -> dict[str, Any]:
    """Medians in ms per network and step."""
    problem, missing = Problem(architecture, models), []
    contestants = {"ours": engine_contestant(problem, train_step)}
    for name, rival in RIVALS.items():
        try:
            contestants[name] = rival(problem)
        except ImportError:
            missing.append(name)
    checked(problem, contestants)
    if architecture.cell != "gru":
        contestants["ours, with noise"] = engine_contestant(problem, train_step, noisy=True)
    try:
        times = race({name: each.run for name, each in contestants.items()}, rounds, math.inf)
    finally:
        for contestant in contestants.values():
            contestant.close()
    medians = {name: statistics.median(each) * 1e3 / models for name, each in times.items()}
    rivals = {name: medians[name] for name in RIVALS if name in medians}
    best = min(rivals, key=rivals.__getitem__)
    found = {"architecture": str(architecture), "ms": medians, "best_rival": best, "missing": missing}
    return found | {"speedup": medians[best] / medians["ours"]}


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    report: dict[str, Any] = {"instruction_set": instruction_set(), "threads": torch.get_num_threads()} | versions()
    report["cells"] = []
    for architecture in ARCHITECTURES:
        found = compare(architecture, options.models, options.rounds)
        report["cells"].append(found)
        print(f"{architecture}: {found['speedup']:.1f} times as fast as {found['best_rival']}")
        for name, each in found["ms"].items():
            print(f"  {name:18s} {each:8.3f} ms")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
