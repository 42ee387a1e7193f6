"""The engine against its rivals: training and probing populations of small RNNs on this machine's CPU.

Run it alone on the machine: ``python benchmarks/engine.py``. All contestants use all cores. Results are checked before
anything is timed, contestants take turns within each round, and a time is the fastest of the rounds (the medians are in
the JSON too). The last line is JSON. ``--growth``, ``--shapes`` and ``--cells`` add the time against the number of
networks, a table of sizes and one of every kind of cell.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from engine_rivals import PROBE_RIVALS, TRAIN_RIVALS, Contestant, Problem, native_probe, native_train, versions

from rnn2vec.architecture import Architecture, HeadLayer
from rnn2vec.engine import backend_name, instruction_set
from rnn2vec.errors import RNN2VecError

PAPER = Architecture.stack("lstm", 6, 32, 2, 6)
CELLS = (
    Architecture("gru", 6, (32,), 6),
    Architecture("gru", 6, (32,), 6, reset="before"),
    Architecture("elman", 6, (64,), 6),
    Architecture("elman", 6, (64,), 6, "relu"),
    *(
        Architecture("leaky", 6, (64,), 6, nonlinearity, leak=leak)
        for leak in ("outside", "inside")
        for nonlinearity in ("tanh", "relu", "softplus")
    ),
    Architecture("lstm", 6, (48, 16, 32), 6),
    Architecture("lstm", 6, (40,), 6, skip=True),
    Architecture("gru", 6, (32, 32), 6, head=(HeadLayer(64, "relu"), HeadLayer(32, "tanh"))),
)
Contestants = dict[str, Callable[[], float]]
"""Name to a function that does the work once and returns the seconds it took."""


def needed_flops(architecture: Architecture, batch: int, steps: int) -> int:
    """Multiplications and additions of the matrix products that one training step of one network on tokens needs.

    Looking tokens up, activations, the loss and the optimiser are not counted, so that the share is a lower bound.
    """
    sizes = architecture.hidden_sizes
    recurrent = sum(size * (size + below) for size, below in zip(sizes, (0, *sizes[:-1]), strict=True))
    products = architecture.num_gates * recurrent + sum(
        rows * below for _, below, rows, _ in architecture.head_layers()
    )
    return 2 * products * 3 * batch * steps  # forward, backward to activations, backward to weights


def sgemm_seconds(size: int = 2048) -> float:
    """Seconds for one product of two square float32 matrices."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    start = time.perf_counter()
    torch.mm(a, b)
    return time.perf_counter() - start


def race(contestants: Contestants, rounds: int, budget: float) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, in an order that turns by one a round."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    names, start = list(contestants), time.perf_counter()
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            times[name].append(contestants[name]())
        if number >= 2 and time.perf_counter() - start > budget:
            break
    return times


def jax_train(problem: Problem) -> Contestant:
    """JAX: vmap over networks of a scan over time, compiled."""
    from engine_jax import train_contestant  # needs jax

    return train_contestant(problem)


def jax_probe(problem: Problem) -> Contestant:
    """JAX: the same for probing, all steps in one compiled function."""
    from engine_jax import probe_contestant  # needs jax

    return probe_contestant(problem)


RIVALS = {"train": TRAIN_RIVALS | {"jax": jax_train}, "probe": PROBE_RIVALS | {"jax": jax_probe}}


def compare(problem: Problem, kind: str, rounds: int, budget: float) -> dict:
    """Time ours and all rivals on a problem, in ms per network and step (train) or per whole probing (probe)."""
    ours = native_train if kind == "train" else native_probe
    contestants, missing = {"ours": ours(problem)}, []
    for name, rival in RIVALS[kind].items():
        try:
            contestants[name] = rival(problem)
        except (ImportError, NotImplementedError, RNN2VecError):  # not installed, or no such network
            missing.append(name)
    problem.check(kind, contestants)
    runs = {name: contestant.run for name, contestant in contestants.items()}
    if kind == "train":
        runs["sgemm"] = sgemm_seconds
    try:
        times = race(runs, rounds, budget)
    finally:
        for contestant in contestants.values():
            contestant.close()
    rate = 2 * 2048**3 / min(times.pop("sgemm")) if kind == "train" else None
    unit = 1e3 / problem.models if kind == "train" else 1e3
    best = {name: min(seconds) * unit for name, seconds in times.items()}
    mine = best.pop("ours")
    result = {
        "ours_ms": mine,
        "rivals": best | dict.fromkeys(missing, "missing"),
        "best_rival": min(best, key=best.__getitem__),
        "speedup": min(best.values()) / mine,
        "medians_ms": {name: statistics.median(seconds) * unit for name, seconds in times.items()},
        "rounds": len(times["ours"]),
    }
    if rate is not None:
        flops = needed_flops(problem.architecture, problem.batch, problem.steps)
        result |= {
            "sgemm_gflops": rate / 1e9,
            "needed_mflop": flops / 1e6,
            "share_of_sgemm": flops / (mine / 1e3) / rate,
        }
    return result


def growth(sizes: list[int]) -> list[dict]:
    """Our ms per training step against the number of networks."""
    found = []
    for models in sizes:
        run = native_train(Problem(PAPER, models, 32, 41)).run
        found.append({"models": models, "ms": min(run() for _ in range(3 if models > 100 else 10)) * 1e3})
        print(f"  {models:6d} networks  {found[-1]['ms']:10.1f} ms  {found[-1]['ms'] / models:6.3f} ms each")
    return found


def shapes(rounds: int, budget: float) -> list[dict]:
    """Training of all cells at several hidden sizes."""
    found = []
    for cell in ("lstm", "gru", "elman"):
        for hidden in (8, 32, 64, 128):
            architecture = Architecture.stack(cell, 6, hidden, 2, 6)
            result = compare(Problem(architecture, 16, 32, 41), "train", rounds, budget)
            found.append({"cell": cell, "hidden": hidden} | result)
            show(f"train, {architecture}", result)
    return found


def cells(rounds: int, budget: float) -> list[dict]:
    """Training of every kind of cell, and of what else an architecture may have."""
    found = []
    for architecture in CELLS:
        result = compare(Problem(architecture, 16, 32, 41), "train", rounds, budget)
        found.append({"architecture": str(architecture)} | result)
        show(f"train, {architecture}", result)
    return found


def show(title: str, result: dict) -> None:
    """Print one comparison."""
    share = f", {result['share_of_sgemm']:.0%} of sgemm" if "share_of_sgemm" in result else ""
    print(f"{title}\n  ours {result['ours_ms']:.3f} ms{share}, {result['speedup']:.1f} x {result['best_rival']}")
    for name, value in result["rivals"].items():
        print(f"  {name} {value if isinstance(value, str) else f'{value:.3f} ms'}")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=64, help="networks of the training race")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds after which no new round starts, each race")
    parser.add_argument("--growth", action="store_true", help="also 10 to 10,000 networks")
    parser.add_argument("--shapes", action="store_true", help="also LSTM, GRU and Elman, hidden 8, 32, 64, 128")
    parser.add_argument(
        "--cells", action="store_true", help="also every kind of cell, uneven stacks, skip, deeper head"
    )
    options = parser.parse_args()
    print(f"backend {backend_name()} ({instruction_set()}), {torch.get_num_threads()} threads")

    report: dict = {"backend": backend_name(), "instruction_set": instruction_set()} | versions()
    report["threads"] = torch.get_num_threads()
    report["train"] = compare(Problem(PAPER, options.models, 32, 41), "train", options.rounds, options.budget)
    show(f"train, {PAPER}, batch 32, 41 steps: ms per network and step", report["train"])
    report["probe"] = {}
    for probes in (1, 8):
        result = compare(Problem(PAPER, 64, probes, 22), "probe", options.rounds, options.budget)
        report["probe"][f"M={probes}"] = result
        show(f"probe, 64 networks x {probes}, 22 calls of one step, forward and backward: ms", result)
    if options.growth:
        report["growth"] = growth([10, 30, 100, 300, 1000, 3000, 10000])
    if options.shapes:
        report["shapes"] = shapes(3, options.budget / 4)
    if options.cells:
        report["cells"] = cells(5, options.budget / 4)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
