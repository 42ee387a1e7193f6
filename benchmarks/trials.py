"""A training step of neuroscience's networks: trials of numbers, masked squared error, clipped gradients, AdamW.

    python benchmarks/trials.py [--models 64] [--rounds 7]

Networks of 1x64 with seven inputs and three outputs, batches of 32 trials of 60 steps, as the `laptop` preset of
cognitive-tasks trains them: leaky (tanh, the leak outside or inside), Elman, GRU. Rivals: JAX (vmap of a scan,
compiled), torch.vmap, our PyTorch backend (batched products and autograd), and a loop over networks and steps in
PyTorch, a process a core. Run it alone on the machine; all use all cores. Before anything is timed, three steps on
trials whose errors, and so gradients, differ five hundredfold are checked against double precision: a contestant that
does not clip, or forgets a moment, is found. Contestants take turns, and a time is the median of the rounds. Our step
with recurrent noise is timed besides; rivals draw none, and it is not checked here. The last line is JSON.
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
TIMED = 1
"""The step that is timed, again and again."""
ARCHITECTURES = (
    Architecture("leaky", INPUTS, (UNITS,), OUTPUTS),
    Architecture("leaky", INPUTS, (UNITS,), OUTPUTS, leak="inside"),
    Architecture("elman", INPUTS, (UNITS,), OUTPUTS),
    Architecture("gru", INPUTS, (UNITS,), OUTPUTS),
)
SCALES = (50.0, 1.0, 0.1)
"""Of the targets, step by step; gradients of the first are clipped."""
Weights = dict[str, Tensor]
Step = Callable[[int], Tensor]
"""A training step of a number, counted from 0, to the losses before it."""


class Problem:
    """The same networks and trials for all contestants; leaks are not trained."""

    def __init__(self, architecture: Architecture, models: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.architecture, self.models, self.batch = architecture, models, BATCH
        self.population = Population.initialise(architecture, 0, range(models))
        shape = (models, BATCH, STEPS)
        self.inputs = torch.randn(*shape, INPUTS, generator=generator)
        targets = torch.randn(*shape, OUTPUTS, generator=generator)
        self.targets = [scale * targets for scale in SCALES]
        self.mask = torch.randint(0, 2, shape, generator=generator).float()
        self.fixed = tuple(name for name in self.population.weights if name.startswith("leak_"))

    def copy(self, dtype: torch.dtype = torch.float32) -> Population:
        """The networks, not to be shared."""
        weights = {name: weight.to(dtype, copy=True) for name, weight in self.population.weights.items()}
        return Population(self.architecture, weights)

    def three_steps(self, population: Population, step: Step) -> tuple[Tensor, Tensor]:
        """Losses of three steps ``[3, N]``, and how weights have changed then ``[N, P]``."""
        losses = torch.stack([step(number) for number in range(len(SCALES))])
        return losses, population.flatten().detach() - self.population.flatten().to(population.dtype)


def engine_contestant(problem: Problem, step: Callable[..., Tensor], noisy: bool = False) -> Contestant:
    """Ours, by the kernels or by PyTorch."""

    def start() -> tuple[Population, Step]:
        population = problem.copy()
        optimizer = AdamW.start(population, 0.0, CLIP, problem.fixed)
        noise = Noise.keyed(0.05, 0, range(problem.models), 0) if noisy else None

        def work(number: int) -> Tensor:
            return step(population, optimizer, problem.inputs, problem.targets[number], RATE, problem.mask, noise)

        return population, work

    _, work = start()
    return Contestant(lambda: timed(lambda: work(TIMED)), lambda: problem.three_steps(*start()))


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
    said = state
    for x in below.unbind(1):
        if own.cell == "gru":
            (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, -1), (state @ recurrent + bias).chunk(3, -1)
            z, n = (x_z + h_z).sigmoid(), (x_n + (x_r + h_r).sigmoid() * h_n).tanh()
            state = n + z * (state - n)
        elif own.cell == "elman":
            state = (x + state @ recurrent + bias).tanh()
        elif own.leak == "outside":
            state = state + weights["leak_l0"] * (x + said @ recurrent + bias - state)
        else:
            state = state + weights["leak_l0"] * ((x + state @ recurrent + bias).tanh() - state)
        said = state.tanh() if own.cell == "leaky" and own.leak == "outside" else state
        seen.append(said)
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

    def start() -> tuple[Population, Step]:
        population = problem.copy()
        fixed = {name: population.weights[name] for name in problem.fixed}
        trained = {n: w.requires_grad_() for n, w in population.weights.items() if n not in fixed}
        optimizer = torch.optim.AdamW(trained.values(), RATE, weight_decay=0.0)

        def step(number: int) -> Tensor:
            with torch.no_grad():
                gradients, losses = gradient(trained, fixed, problem.inputs, problem.targets[number], problem.mask)
                norms = torch.stack([each.flatten(1).square().sum(1) for each in gradients.values()]).sum(0).sqrt()
                kept = (CLIP / norms).clamp(max=1.0)
                for name, weight in trained.items():
                    weight.grad = gradients[name] * kept.view(-1, *[1] * (weight.ndim - 1))
            optimizer.step()
            return losses

        return population, step

    _, step = start()
    return Contestant(lambda: timed(lambda: step(TIMED)), lambda: problem.three_steps(*start()))


def train_one_by_one(
    connection: Any, own: Architecture, weights: Weights, fixed: tuple[str, ...], trials: tuple[Any, ...]
) -> None:
    """A worker process: train its share of the networks, one after the other, whenever it is asked to."""
    torch.set_num_threads(1)
    networks, (inputs, targets, mask) = [], trials
    for place in range(len(inputs)):
        parameters = {name: weight[place].clone().requires_grad_(name not in fixed) for name, weight in weights.items()}
        trained = [parameter for name, parameter in parameters.items() if name not in fixed]
        networks.append((parameters, trained, torch.optim.AdamW(trained, RATE, weight_decay=0.0, foreach=True)))
    while (number := connection.recv()) is not None:
        losses = []
        for place, (parameters, trained, optimizer) in enumerate(networks):
            loss = error(answer(own, parameters, inputs[place]), targets[number][place], mask[place])
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
        trials = (problem.inputs[shard], [each[shard] for each in problem.targets], problem.mask[shard])
        job = (theirs, problem.architecture, problem.population[shard].weights, problem.fixed, trials)
        processes.append(context.Process(target=train_one_by_one, args=job, daemon=True))
        processes[-1].start()
        connections.append(ours)

    def step(number: int, show: bool = False) -> Tensor:
        for connection in connections:
            connection.send(number)
        losses = [connection.recv() for connection in connections]
        for connection in connections:
            connection.send(show)
        return torch.cat([torch.from_numpy(part) for part in losses])

    def result() -> tuple[Tensor, Tensor]:
        last = len(SCALES) - 1
        losses = torch.stack([step(number, show=number == last) for number in range(len(SCALES))])
        weights = torch.cat([torch.from_numpy(connection.recv()) for connection in connections])
        return losses, weights - problem.population.flatten()

    def close() -> None:
        for connection, process in zip(connections, processes, strict=True):
            connection.send(None)
            process.join()

    return Contestant(lambda: timed(lambda: step(TIMED)), result, close)


def jax_contestant(problem: Problem) -> Contestant:
    """JAX: vmap over networks of a scan over time, clipping and AdamW included, in one compiled function."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from engine_jax import _prepare, _step

    weights, state = _prepare(problem)  # type: ignore[arg-type] # all that it asks for is there
    fixed = {name: weights.pop(name) for name in problem.fixed}
    inputs, mask = (jnp.asarray(each.numpy()) for each in (problem.inputs, problem.mask))
    targets = [jnp.asarray(each.numpy()) for each in problem.targets]

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
    def step(number: Any, due: Any, trained: Any, first: Any, second: Any) -> Any:
        losses, gradients = jax.vmap(jax.value_and_grad(loss))(trained, fixed, inputs, due, mask)
        norms = jnp.sqrt(sum((each.reshape(problem.models, -1) ** 2).sum(1) for each in gradients.values()))
        kept = jnp.minimum(CLIP / norms, 1.0)
        clipped = {k: g * kept.reshape(-1, *[1] * (g.ndim - 1)) for k, g in gradients.items()}
        new = {k: update(number, trained[k], first[k], second[k], clipped[k]) for k in trained}
        return losses, *({k: parts[i] for k, parts in new.items()} for i in range(3))

    zeros = {name: jnp.zeros_like(w) for name, w in weights.items()}

    def work() -> Any:
        return jax.block_until_ready(step(1.0, targets[TIMED], weights, zeros, zeros))

    def result() -> tuple[Tensor, Tensor]:
        state, losses = (weights, zeros, zeros), []
        for number, due in enumerate(targets):
            found, *state = step(number + 1.0, due, *state)
            losses.append(np.array(found))
        every = {**state[0], **fixed}
        flat = [np.asarray(every[name]).reshape(problem.models, -1) for name in problem.population.weights]
        weights_now = torch.from_numpy(np.concatenate(flat, 1))
        return torch.from_numpy(np.stack(losses)), weights_now - problem.population.flatten()

    return Contestant(lambda: timed(work), result)


RIVALS: dict[str, Callable[[Problem], Contestant]] = {
    "batched": lambda problem: engine_contestant(problem, by_torch),
    "vmap": vmap_contestant,
    "processes": processes_contestant,
    "jax": jax_contestant,
}


def checked(problem: Problem, contestants: dict[str, Contestant]) -> None:
    """Stop here if a contestant's losses, or changes of weights, are not those of double precision."""
    population = problem.copy(torch.float64)
    optimizer = AdamW.start(population, 0.0, CLIP, problem.fixed)
    inputs, mask = problem.inputs.double(), problem.mask.double()

    def step(number: int) -> Tensor:
        return by_torch(population, optimizer, inputs, problem.targets[number].double(), RATE, mask, None)

    oracle = problem.three_steps(population, step)
    for name, contestant in contestants.items():
        for found, expected in zip(contestant.result(), oracle, strict=True):
            off = float((found - expected).norm() / expected.norm())
            if not off < 1e-3:
                raise SystemExit(f"{name} computes something else: off by {off:.1e} of what is due")


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
    rivals = {name: medians[name] / medians["ours"] for name in RIVALS if name in medians}
    best = min(rivals, key=rivals.__getitem__)
    return {
        "architecture": str(architecture),
        "ms": medians,
        "best_rival": best,
        "speedup": rivals[best],
        "speedup_over_others": min(value for name, value in rivals.items() if name != "batched"),
        "missing": missing,
    }


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
        others = f"{found['speedup_over_others']:.1f} times as fast as the best that is not our own PyTorch backend"
        print(f"{architecture}: {found['speedup']:.1f} times as fast as {found['best_rival']}, {others}")
        for name, each in found["ms"].items():
            print(f"  {name:18s} {each:8.3f} ms")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
