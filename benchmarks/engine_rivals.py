"""The contestants of benchmarks/engine.py: each does the same work and can show its result."""

from __future__ import annotations

import dataclasses
import importlib.util
import multiprocessing
import platform
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.architecture import Architecture
from rnn2vec.engine import run, torch_backend, train_step
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.networks.population import Population

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-4


@dataclasses.dataclass
class Contestant:
    """Something to be timed.

    Attributes:
        run: do the work once, return the seconds.
        result: what it finds at first: losses and weights after a step, or outputs and gradients of inputs.
        close: give back what it holds.
    """

    run: Callable[[], float]
    result: Callable[[], tuple[Tensor, Tensor]]
    close: Callable[[], None] = lambda: None


@dataclasses.dataclass
class Problem:
    """The same networks and data for all: tokens ``[N, B, T]`` to train on, or T probes ``[N, B, 1, X]``."""

    architecture: Architecture
    models: int
    batch: int
    steps: int

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        shape = (self.models, self.batch, self.steps)
        self.population = Population.initialise(self.architecture, 0, range(self.models))
        self.tokens = torch.randint(self.architecture.input_size, shape, generator=generator)
        self.targets = torch.randint(self.architecture.output_size, shape, generator=generator)
        self.probes = torch.randn(
            self.models, self.batch, self.steps, self.architecture.input_size, generator=generator
        )

    def copy(self) -> Population:
        """The networks, not to be shared."""
        return Population(self.architecture, {name: weight.clone() for name, weight in self.population.weights.items()})

    def check(self, kind: str, contestants: dict[str, Contestant]) -> None:
        """Stop here if a contestant's result is not that of the oracle in double precision."""
        self.population, single = self.population.to(torch.float64), self.population
        self.probes = self.probes.double()
        oracle = (batched_train if kind == "train" else batched_probe)(self).result()
        self.population, self.probes = single, self.probes.float()
        for name, contestant in contestants.items():
            for found, expected in zip(contestant.result(), oracle, strict=True):
                error = float((found - expected).abs().max() / expected.abs().max())
                if not error < (1e-3 if kind == "train" else 1e-5):  # Adam's first step is a sign: it magnifies errors
                    raise SystemExit(
                        f"{name} computes something else ({kind}): off by {error:.1e} of the largest value"
                    )


def timed(action: Callable[[], Any]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def native_train(problem: Problem) -> Contestant:
    """Ours: the fused training step."""

    def start() -> tuple[Population, Callable[[], Tensor]]:
        population = problem.copy()
        optimizer = AdamW.start(population, WEIGHT_DECAY)
        return population, lambda: train_step(population, optimizer, problem.tokens, problem.targets, LEARNING_RATE)

    def result() -> tuple[Tensor, Tensor]:
        population, step = start()
        return step(), population.flatten()

    _, step = start()
    return Contestant(lambda: timed(step), result)


def batched_train(problem: Problem) -> Contestant:
    """Batched matrix products over the networks and autograd: our PyTorch backend."""

    def start() -> tuple[Population, Callable[[], Tensor]]:
        population = problem.copy()
        weights = list(population.weights.values())
        optimizer = torch.optim.AdamW([w.requires_grad_() for w in weights], LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        architecture, shape = (
            problem.architecture,
            (problem.models, problem.architecture.num_layers, problem.batch, problem.architecture.widest),
        )
        state = (torch.zeros(shape, dtype=population.dtype),) * (2 if architecture.cell == "lstm" else 1)

        def step() -> Tensor:
            outputs, _ = torch_backend.run(population, problem.tokens, state)
            losses = F.cross_entropy(outputs.flatten(0, 2), problem.targets.flatten(), reduction="none")
            losses = losses.view(problem.models, -1).mean(1)
            optimizer.zero_grad()
            losses.sum().backward()
            optimizer.step()
            return losses.detach()

        return population, step

    def result() -> tuple[Tensor, Tensor]:
        population, step = start()
        return step(), population.flatten().detach()

    _, step = start()
    return Contestant(lambda: timed(step), result)


class PlainNetwork(nn.Module):
    """A network step by step, in operations that torch.vmap can batch (it cannot batch nn.LSTM)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        one_size = len(set(architecture.hidden_sizes)) == 1 and len(architecture.head_layers()) == 1
        torch_cell = (
            architecture.cell != "leaky" and architecture.nonlinearity == "tanh" and architecture.reset == "after"
        )
        if not (one_size and torch_cell) or architecture.skip:
            raise NotImplementedError("written for torch.nn's own cells and a linear head")
        self.architecture = architecture
        for name, shape in architecture.parameter_shapes().items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(torch.zeros(shape)))

    def forward(self, sequence: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Map inputs ``[B, T, X]`` and states ``[L, B, H]`` to outputs and states."""
        final = []
        for layer in range(self.architecture.num_layers):
            w_ih, w_hh, b_ih, b_hh = (
                getattr(self, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            projected, current, hidden = F.linear(sequence, w_ih, b_ih), [part[layer] for part in state], []
            for x in projected.unbind(1):
                recurrent = F.linear(current[0], w_hh, b_hh)
                if self.architecture.cell == "lstm":
                    i, f, g, o = (x + recurrent).chunk(4, -1)
                    c = f.sigmoid() * current[1] + i.sigmoid() * g.tanh()
                    current = [o.sigmoid() * c.tanh(), c]
                elif self.architecture.cell == "gru":
                    (r, z, n), (h_r, h_z, h_n) = x.chunk(3, -1), recurrent.chunk(3, -1)
                    z, n = (z + h_z).sigmoid(), (n + (r + h_r).sigmoid() * h_n).tanh()
                    current = [n + z * (current[0] - n)]
                else:
                    current = [(x + recurrent).tanh()]
                hidden.append(current[0])
            sequence = torch.stack(hidden, 1)
            final.append(current)
        outputs = F.linear(sequence, self.linear_weight, self.linear_bias)
        return outputs, tuple(torch.stack(parts) for parts in zip(*final, strict=True))


def _named_for_plain(population: Population) -> dict[str, Tensor]:
    return {name.replace(".", "_"): weight for name, weight in population.weights.items()}


def vmap_train(problem: Problem) -> Contestant:
    """torch.vmap over the gradient of one network's loss, then AdamW on the stacked weights."""
    architecture, network = problem.architecture, PlainNetwork(problem.architecture)

    def loss(weights: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        zeros = inputs.new_zeros(architecture.num_layers, problem.batch, architecture.widest)
        state = (zeros,) * (2 if architecture.cell == "lstm" else 1)
        outputs, _ = torch.func.functional_call(network, weights, (inputs, state))
        return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    def start() -> tuple[Population, Callable[[], Tensor]]:
        population = problem.copy()
        weights = _named_for_plain(population)
        optimizer = torch.optim.AdamW(
            [w.requires_grad_() for w in weights.values()], LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        gradient = torch.vmap(torch.func.grad_and_value(loss))

        def step() -> Tensor:
            inputs = F.one_hot(problem.tokens, architecture.input_size).to(population.dtype)
            with torch.no_grad():
                gradients, losses = gradient(weights, inputs, problem.targets)
            for name, weight in weights.items():
                weight.grad = gradients[name]
            optimizer.step()
            return losses

        return population, step

    def result() -> tuple[Tensor, Tensor]:
        population, step = start()
        return step(), population.flatten().detach()

    _, step = start()
    return Contestant(lambda: timed(step), result)


def _train_modules(
    connection: Any, architecture: Architecture, weights: dict[str, Tensor], tokens: Tensor, targets: Tensor
) -> None:
    """A worker process: train its share of the networks, one nn.LSTM after the other, whenever it is asked to."""
    torch.set_num_threads(1)
    modules = Population(architecture, weights).to_modules()
    optimizers = [
        torch.optim.AdamW(m.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, foreach=True) for m in modules
    ]
    while connection.recv():
        losses = []
        for module, optimizer, own, wanted in zip(modules, optimizers, tokens, targets, strict=True):
            outputs, _ = module(F.one_hot(own, architecture.input_size).float())
            loss = F.cross_entropy(outputs.flatten(0, 1), wanted.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        connection.send((torch.stack(losses).numpy(), None))
        if connection.recv():
            connection.send(Population.from_modules(modules).flatten().numpy())


def module_processes_train(problem: Problem) -> Contestant:
    """torch.nn's own layer and AdamW, one network after another, in one process for each core."""
    problem.population.to_modules()  # raises where torch.nn has no such layer
    context, workers = multiprocessing.get_context("spawn"), torch.get_num_threads()
    processes, connections = [], []
    for shard in torch.arange(problem.models).chunk(workers):
        ours, theirs = context.Pipe()
        part = problem.population[shard]
        job = (theirs, problem.architecture, part.weights, problem.tokens[shard], problem.targets[shard])
        processes.append(context.Process(target=_train_modules, args=job, daemon=True))
        processes[-1].start()
        connections.append(ours)

    def step(show: bool) -> list[Any]:
        for connection in connections:
            connection.send(True)
        losses = [connection.recv()[0] for connection in connections]
        for connection in connections:
            connection.send(show)
        return losses

    def result() -> tuple[Tensor, Tensor]:
        losses = step(show=True)
        weights = [connection.recv() for connection in connections]
        return tuple(torch.cat([torch.from_numpy(part) for part in parts]) for parts in (losses, weights))

    def close() -> None:
        for connection, process in zip(connections, processes, strict=True):
            connection.send(False)
            process.join()

    return Contestant(lambda: timed(lambda: step(show=False)), result, close)


Runner = Callable[[Tensor, Any], tuple[Tensor, Any]]


def _probe(problem: Problem, runner: Runner, state: Any) -> Contestant:
    """Probes one step at a time, each depending on the answer before, and the gradient to all of them."""

    def work() -> tuple[Tensor, Tensor]:
        probes = problem.probes.detach().requires_grad_()
        now, answers, bias = state, [], 0.0
        for probe in probes.unbind(2):
            answer, now = runner((probe + bias)[:, :, None], now)
            answers.append(answer)
            bias = 0.1 * answer[:, :, 0].mean(-1, keepdim=True)
        outputs = torch.cat(answers, 2)
        (gradient,) = torch.autograd.grad(outputs.square().sum(), probes)
        return outputs.detach(), gradient

    return Contestant(lambda: timed(work), work)


def _zeros(problem: Problem) -> tuple[Tensor, ...]:
    architecture = problem.architecture
    shape = (problem.models, architecture.num_layers, problem.batch, architecture.widest)
    return (torch.zeros(shape, dtype=problem.population.dtype),) * (2 if architecture.cell == "lstm" else 1)


def native_probe(problem: Problem) -> Contestant:
    """Ours: engine.run."""
    population = problem.copy()
    return _probe(problem, lambda probe, state: run(population, probe, state), None)


def batched_probe(problem: Problem) -> Contestant:
    """Batched matrix products over the networks and autograd: our PyTorch backend."""
    population = problem.copy()
    return _probe(problem, lambda probe, state: torch_backend.run(population, probe, state), _zeros(problem))


def vmap_probe(problem: Problem) -> Contestant:
    """torch.vmap over functional_call of one network."""
    network, weights = PlainNetwork(problem.architecture), _named_for_plain(problem.copy())
    call = torch.vmap(lambda own, probe, state: torch.func.functional_call(network, own, (probe, state)))
    return _probe(problem, lambda probe, state: call(weights, probe, state), _zeros(problem))


def modules_probe(problem: Problem) -> Contestant:
    """torch.nn's own layer, one network after another."""
    modules = [module.requires_grad_(False) for module in problem.copy().to_modules()]

    def runner(probe: Tensor, states: list[Any] | None) -> tuple[Tensor, list[Any]]:
        found = [m(own, s) for m, own, s in zip(modules, probe, states or [None] * len(modules), strict=True)]
        return torch.stack([outputs for outputs, _ in found]), [state for _, state in found]

    return _probe(problem, runner, None)


TRAIN_RIVALS = {
    "nn_processes": module_processes_train,
    "vmap": vmap_train,
    "batched_autograd": batched_train,
}
PROBE_RIVALS = {
    "nn_modules": modules_probe,
    "vmap": vmap_probe,
    "batched_autograd": batched_probe,
}


def versions() -> dict[str, Any]:
    """What the figures depend on."""
    jax = importlib.util.find_spec("jax")
    return {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cores": multiprocessing.cpu_count(),
        "jax": "installed" if jax else "missing",
    }
