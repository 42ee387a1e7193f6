"""``rnn2vec benchmark`` and ``redraw``: encoders compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from rnn2vec.benchmark.measurements import read_measurements
from rnn2vec.benchmark.run import plan_runs, run_benchmark
from rnn2vec.cli.console import console, print_rows, stage
from rnn2vec.cli.options import Force, Loss, Preset, Ray, ResumableOut, Steps, SupervisedSteps, Threads, Workers
from rnn2vec.cluster import require_ray
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.encoders import ENCODERS
from rnn2vec.outputs import require_new_file
from rnn2vec.zoo.store import Zoo


def benchmark_command(
    zoos: Annotated[list[Path], typer.Argument(help="Zoos.")],
    out: ResumableOut,
    threads: Threads,
    encoders: Annotated[str, typer.Option(help=f"all, or names with commas between: {', '.join(ENCODERS)}.")] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="Pretrainings of each encoder.")] = 3,
    preset: Preset = "laptop",
    steps: Steps = None,
    loss: Loss = None,
    supervised_steps: SupervisedSteps = None,
    ablation: Annotated[bool, typer.Option(help="Also with fewer and with shorter sequences of questions.")] = False,
    workers: Workers = None,
    ray: Ray = None,
) -> None:
    """Compare encoders: with every seed, on every zoo. The same command goes on where it was interrupted."""
    from rnn2vec.benchmark.report import benchmark_rows, write_benchmark_report  # draws: seconds to import

    torch.set_num_threads(threads)
    chosen = list(ENCODERS) if encoders == "all" else [name.strip() for name in encoders.split(",")]
    flags = {name: value for name, value in {"steps": steps, "loss": loss}.items() if value is not None}
    opened = [Zoo.open(zoo) for zoo in zoos]
    recipes = [pretrain_recipe(zoo.family, preset, **flags) for zoo in opened]
    runs = plan_runs(list(zip(opened, recipes, strict=True)), chosen, seeds, out.absolute(), supervised_steps, ablation)
    if ray:
        require_ray(ray)
    with stage("Benchmark", [(run.name, run.steps) for run in runs]) as on_progress:
        table = run_benchmark(out, runs, workers or threads, on_progress, ray)
    write_benchmark_report(out / "report.html", table)
    for name, rows in benchmark_rows(table).items():
        print_rows(f"{name}: means and 95 % intervals over {seeds} seeds", rows)
    console.print(f"wrote {out / 'results.parquet'} and {out / 'report.html'}", markup=False)


def redraw(
    results: Annotated[Path, typer.Argument(help="A results.parquet that benchmark wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file.")],
    force: Force = False,
) -> None:
    """Draw the report of a benchmark again, from its measurements alone."""
    from rnn2vec.benchmark.report import write_benchmark_report

    require_new_file(out, force, [results])
    write_benchmark_report(out, read_measurements(results))
    console.print(f"wrote {out}", markup=False)
