"""A large zoo: opening it, drawing networks, pretraining on it, and the memory that takes; from disk, and in memory.

    python benchmarks/large_zoo.py [--snapshots 10000 100000] [--traces 100] [--in-memory 10000] [--work DIRECTORY]

Zoos are synthetic: random LSTMs of 1x8 (so that weights take little), each with 100 traces of 42 random tokens and
logits, 49 kB. Each measurement is a process of its own: a non-interactive encoder, the recipe of the preset `laptop`,
the same steps. Memory is its peak beyond what it has after its imports (Linux), pages of mapped files included. A
zoo of 100,000 takes 5 GB of disk. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from open_zoo import peak

from rnn2vec import Architecture, Classes, Interface, Population, Tokens, Zoo
from rnn2vec.emulation.emulate import Observed, emulate
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import encoder_for
from rnn2vec.randomness import generator, torch_seed
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.write import ROWS_PER_SHARD, Group, write_zoo

INTERFACE = Interface(Tokens(6), Classes(6))
ARCHITECTURE = Architecture.stack("lstm", 6, 8, 1, 6)
STEPS, WARM = 150, 30
DRAWN = 256
"""Networks that are read at random."""


class Groups:
    """Shards of a synthetic zoo, made anew whenever they are gone through.

    The networks of a shard are those of the first one, each weight times a number of its own from .5 to 1.5: to
    initialise a million takes longer than to measure anything.
    """

    def __init__(self, snapshots: int, traces: int) -> None:
        self.snapshots, self.traces = snapshots, traces
        self.first = Population.initialise(ARCHITECTURE, 0, range(min(snapshots, ROWS_PER_SHARD)), INTERFACE)

    def __iter__(self) -> Iterator[Group]:
        for start in range(0, self.snapshots, ROWS_PER_SHARD):
            rows = range(start, min(start + ROWS_PER_SHARD, self.snapshots))
            random = generator(0, "large zoo", start)
            numbers = torch.Generator().manual_seed(torch_seed(0, "large zoo", start))
            scaled = {
                name: own[: len(rows)] * (0.5 + torch.rand(own[: len(rows)].shape, generator=numbers))
                for name, own in self.first.weights.items()
            }
            networks = Population(ARCHITECTURE, scaled, INTERFACE)
            read = random.integers(0, 6, (len(rows), self.traces, 42)).astype(INTERFACE.inputs.stored)
            said = random.normal(size=(len(rows), self.traces, 41, 6)).astype(np.float16)
            names = [f"{row:06d}" for row in rows]
            yield Group(networks, names, names, traces=Traces(read, said))


def measure(directory: Path, in_memory: bool) -> None:
    """Open it, draw networks, take some steps; print what that costs as JSON."""
    torch.set_num_threads(1)
    before, start = peak(), time.perf_counter()
    zoo = Zoo.open(directory)
    opened = time.perf_counter() - start
    drawn = []
    for draw in range(5):
        rows = generator(1, "drawn", draw).permutation(len(zoo))[:DRAWN]
        start = time.perf_counter()
        zoo.population(rows)
        drawn.append(time.perf_counter() - start)
    networks = zoo.networks() if in_memory else zoo.stored_networks()
    traces = zoo.traces() if in_memory else zoo.stored_traces()
    recipe = pretrain_recipe("formal-languages", "laptop", steps=STEPS)
    encoder = encoder_for(zoo, "noninteractive", recipe, 0)
    observed, few = Observed(networks, traces), np.arange(32)
    times = [time.perf_counter()]
    validation = Observed(zoo.networks(few), zoo.traces(few))
    emulated = emulate(
        encoder, observed, validation, recipe, evaluations=1, on_progress=lambda *_: times.append(time.perf_counter())
    )
    step = 1000 * float(np.median(np.diff(times[WARM:])))
    loss = emulated.history[-1]["train"]
    found = {"seconds_to_open": opened, "ms_to_draw": 1000 * float(np.median(drawn)), "ms_a_step": step}
    print(json.dumps(found | {"megabytes": peak() - before, "train_loss": loss}))


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--traces", type=int, default=100, help="of each snapshot")
    parser.add_argument("--in-memory", type=int, default=10_000, help="snapshots up to which that is measured, too")
    parser.add_argument("--work", type=Path, help="where zoos are written; a temporary directory by default")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--from-memory", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        return measure(given.measure, given.from_memory)
    report = {}
    with tempfile.TemporaryDirectory(dir=given.work) as place:
        for snapshots in given.snapshots:
            directory = Path(place) / str(snapshots)
            write_zoo(directory, INTERFACE, Groups(snapshots, given.traces))
            for kind in ["stored", *["in memory"] * (snapshots <= given.in_memory)]:
                flags = ["--measure", str(directory), *["--from-memory"] * (kind == "in memory")]
                said = subprocess.run([sys.executable, __file__, *flags], capture_output=True, text=True, check=True)
                report[f"{snapshots}, {kind}"] = found = json.loads(said.stdout.splitlines()[-1])
                print(
                    f"{snapshots:7d} snapshots, {kind:9s}: opened in {found['seconds_to_open']:.2f} s, "
                    f"{DRAWN} drawn in {found['ms_to_draw']:.0f} ms, {found['ms_a_step']:6.1f} ms a step, "
                    f"{found['megabytes']:6.0f} MB, training loss {found['train_loss']:.6f}",
                    flush=True,
                )
    losses = {report[name]["train_loss"] for name in report if name.startswith(f"{given.in_memory},")}
    if len(losses) > 1:
        raise SystemExit(f"training from disk and from memory differ: {losses}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
