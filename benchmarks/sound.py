"""Many networks, each through one long sequence of one sample a step: the shape of sound.

Run it alone on the machine: ``python benchmarks/sound.py``. The rival is ``torch.nn``'s own layer without gradients, a
process a core, each with its share of the networks; both get all cores. Outputs are compared before anything is timed,
the two take turns, and the ratio is the median of the rounds' own ratios. Then the memory of a long call without
gradients, and of a step with them, each in a process of its own (Linux). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from typing import Any

import torch
from torch import Tensor

from rnn2vec import Architecture, Population
from rnn2vec.engine import backend_name, instruction_set, run

RATE = 44_100
"""Samples a second: how many networks that answer in real time are counted in."""

MEMORY = """
import torch
from rnn2vec import Architecture, Population
from rnn2vec.engine import run

def peak():  # bytes; getrusage counts the parent's, too
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

population = Population.initialise(Architecture.stack("lstm", 1, 40, 1, 1), 0, range({models}))
for weight in population.weights.values():
    weight.requires_grad_({gradients})
inputs = torch.zeros({models}, {batch}, {steps}, 1)
outputs, _ = run(population, inputs[:, :, :100])
if {gradients}:
    outputs.square().mean().backward()
before = peak()
outputs, _ = run(population, inputs)
if {gradients}:
    outputs.square().mean().backward()
print(peak() - before)
"""


def _serve(connection: Any, architecture: Architecture, weights: dict[str, Tensor], inputs: Tensor) -> None:
    """A worker process: run its share of the networks, one after the other, whenever it is asked to."""
    torch.set_num_threads(1)
    modules = [module.eval() for module in Population(architecture, weights).to_modules()]
    with torch.no_grad():
        while connection.recv():
            outputs = torch.stack([module(own)[0] for module, own in zip(modules, inputs, strict=True)])
            connection.send(None)
            if connection.recv():
                connection.send(outputs.numpy())


def race(architecture: Architecture, models: int, steps: int, rounds: int) -> dict[str, Any]:
    """Seconds of both, and their ratio in each round; stops if the outputs differ."""
    population = Population.initialise(architecture, 0, range(models))
    inputs = torch.randn(models, 1, steps, architecture.input_size, generator=torch.Generator().manual_seed(0))
    context, connections, processes = multiprocessing.get_context("spawn"), [], []
    for shard in torch.arange(models).chunk(torch.get_num_threads()):
        ours, theirs = context.Pipe()
        job = (theirs, architecture, population[shard].weights, inputs[shard])
        processes.append(context.Process(target=_serve, args=job, daemon=True))
        processes[-1].start()
        connections.append(ours)

    def rival(show: bool) -> list[Any]:
        for connection in connections:
            connection.send(True)
        for connection in connections:
            connection.recv()
        for connection in connections:
            connection.send(show)
        return [torch.from_numpy(connection.recv()) for connection in connections] if show else []

    with torch.no_grad():
        expected, found = torch.cat(rival(True)), run(population, inputs)[0]
        error = float((found - expected).abs().max() / expected.abs().max())
        if not error < 1e-5:
            raise SystemExit(f"{architecture} computes something else: off by {error:.1e} of the largest output")
        times: dict[str, list[float]] = {"rnn2vec": [], "nn processes": []}
        actions = {"rnn2vec": lambda: run(population, inputs), "nn processes": lambda: rival(False)}
        for number in range(rounds):
            for name in sorted(actions, reverse=bool(number % 2)):
                start = time.perf_counter()
                actions[name]()
                times[name].append(time.perf_counter() - start)
    for connection, process in zip(connections, processes, strict=True):
        connection.send(False)
        process.join()  # a process that ends would take a core from what is timed next
    ratios = [theirs / own for own, theirs in zip(times["rnn2vec"], times["nn processes"], strict=True)]
    seconds = statistics.median(times["rnn2vec"])
    return {
        "architecture": str(architecture),
        "seconds": {name: statistics.median(own) for name, own in times.items()},
        "ratio": statistics.median(ratios),
        "ns_per_step": 1e9 * seconds * torch.get_num_threads() / models / steps,
        "networks_in_real_time": models * steps / seconds / RATE,
    }


def growth(models: int, lengths: list[int]) -> list[dict[str, float]]:
    """Seconds of LSTMs of 1x40 against the number of steps, the fastest of three."""
    population, found = Population.initialise(Architecture.stack("lstm", 1, 40, 1, 1), 0, range(models)), []
    with torch.no_grad():
        for steps in lengths:
            inputs = torch.randn(models, 1, steps, 1, generator=torch.Generator().manual_seed(0))
            seconds = []
            for _ in range(3):
                start = time.perf_counter()
                run(population, inputs)
                seconds.append(time.perf_counter() - start)
            found.append({"steps": steps, "seconds": min(seconds)})
    return found


def memory(models: int, batch: int, steps: int, gradients: bool) -> float:
    """MiB that a call adds to the peak of a process that already holds inputs."""
    program = MEMORY.format(models=models, batch=batch, steps=steps, gradients=gradients)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(ended.stdout) / 2**20


def main() -> None:
    """Run the races, print them, and JSON last."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--steps", type=int, default=RATE)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    races = []
    for cell, hidden in (("lstm", 20), ("lstm", 40), ("lstm", 64), ("gru", 40)):
        found = race(Architecture.stack(cell, 1, hidden, 1, 1), args.models, args.steps, args.rounds)
        races.append(found)
        print(
            f"{found['architecture']}: {found['ratio']:.1f} times torch.nn, {found['ns_per_step']:.0f} ns a step "
            f"and core, {found['networks_in_real_time']:.0f} networks in real time",
            flush=True,
        )
    lengths = growth(10, [10**power for power in range(2, 7)])
    for each in lengths:
        print(f"10 networks, {each['steps']:7d} steps: {each['seconds']:.4f} s")
    mebibytes = {
        f"{args.models} x 1 x {10 * args.steps}, no gradients": memory(args.models, 1, 10 * args.steps, False),
        f"{args.models} x 1 x 4096, gradients": memory(args.models, 1, 4096, True),
        f"{args.models} x 8 x 4096, gradients": memory(args.models, 8, 4096, True),
    }
    for name, size in mebibytes.items():
        print(f"{name}: {size:.0f} MiB")
    print(
        json.dumps(
            {
                "backend": backend_name(),
                "instruction_set": instruction_set(),
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
                "models": args.models,
                "steps": args.steps,
                "races": races,
                "growth": lengths,
                "mebibytes": mebibytes,
            }
        )
    )


if __name__ == "__main__":
    main()
