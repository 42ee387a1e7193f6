"""``rnn2vec demo`` and ``info``: the first commands of a newcomer."""

from __future__ import annotations

from typing import Annotated

import torch
import typer
from rich.table import Table

from rnn2vec.checkpoints import FORMATS
from rnn2vec.cli.console import console, print_rows, stage
from rnn2vec.cli.options import Out, Seed, Threads, Workers
from rnn2vec.cli.summaries import print_results
from rnn2vec.cores import usable_cores
from rnn2vec.emulation.store import versions
from rnn2vec.engine import BACKENDS, backend_name, instruction_set
from rnn2vec.families import FAMILIES
from rnn2vec.threads import default_threads


def demo(
    out: Out,
    threads: Threads,
    seed: Seed = 0,
    workers: Workers = None,
    family: Annotated[str, typer.Option(help=f"Tasks: {', '.join(FAMILIES)}.")] = "formal-languages",
) -> None:
    """The main job in minutes: a zoo, encoders, what they know, a report."""
    from rnn2vec.demo import neighbours, run_demo  # draws: seconds to import

    torch.set_num_threads(threads)
    console.print("The demo is small: few tasks, short sequences, small networks, one seed.")
    results = run_demo(out, stage, seed, workers or threads, family)
    print_results(results)
    rows = [
        {"network": name, "nearest": match.name, "similarity": f"{match.similarity:.3f}",
         "difference": f"{match.difference:.4f}"}
        for name, matches in neighbours(out).items()
        for match in matches
    ]  # fmt: skip
    print_rows("Nearest neighbours of the best networks", rows)
    console.print(f"Open {out / 'report.html'} and {out / 'atlas.html'}", markup=False)


def info() -> None:
    """Show versions, devices and the engine's backends."""
    table = Table(show_header=False, box=None)
    for name, value in versions().items():
        table.add_row(name, value)
    devices = [f"cpu ({usable_cores()} usable cores, {default_threads()} threads)"]
    devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    table.add_row("devices", ", ".join(devices))
    table.add_row("backends", ", ".join(BACKENDS))
    table.add_row("backend in use", f"{backend_name()} ({instruction_set()})")
    table.add_row("networks are read from", ", ".join(FORMATS))
    console.print(table)
