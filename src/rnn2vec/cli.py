"""The command line: parse, call one function, print."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from rnn2vec.benchmark.measurements import read_measurements
from rnn2vec.benchmark.report import benchmark_rows, write_benchmark_report
from rnn2vec.benchmark.run import plan_runs, run_benchmark
from rnn2vec.demo import run_demo
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import load_trained, pretrain_into, versions
from rnn2vec.encoders import ENCODERS
from rnn2vec.engine import BACKENDS, backend_name, instruction_set
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation import HEADLINES, collect_results, evaluate, results_table
from rnn2vec.evaluation_report import write_report
from rnn2vec.files import require_new_directory, write_json
from rnn2vec.parallel import Report, available_cores
from rnn2vec.zoo.build import build_zoo
from rnn2vec.zoo.families import FAMILIES, PRESETS, zoo_recipe
from rnn2vec.zoo.published import export_published, import_published
from rnn2vec.zoo.store import Zoo

app = typer.Typer(help="Representations of recurrent neural networks.", no_args_is_help=True, add_completion=False)
zoo_app = typer.Typer(help="Build and inspect zoos of trained networks.", no_args_is_help=True)
app.add_typer(zoo_app, name="zoo")
console = Console()
EXPLANATIONS = {
    "formal-languages": "language: share read correctly from the frozen z.",
    "sequential-digits": "angle error: median, read from the frozen z; 90\u00b0 by chance.",
}
PROJECTION_SECONDS = 30.0
"""After which a long job says how long it will take."""

PRESET_NAMES = ", ".join(PRESETS["formal-languages"])

Out = Annotated[Path, typer.Option("--out", help="A new or empty directory.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random number.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; all cores by default.")]
Ray = Annotated[
    str | None, typer.Option("--ray", help="Address of a Ray cluster, or auto, in place of processes; extra: ray.")
]


@app.command()
def demo(
    out: Out,
    seed: Seed = 0,
    workers: Workers = None,
    family: Annotated[str, typer.Option(help=f"Tasks: {', '.join(FAMILIES)}.")] = "formal-languages",
) -> None:
    """The main job in minutes: a zoo, encoders, what they know, a report."""
    console.print("The demo is small: few tasks, short sequences, small networks, one seed.")
    results = run_demo(out, _stage, seed, workers or available_cores(), family)
    _print_results(results)
    console.print(f"Open {out / 'report.html'}", markup=False)


@zoo_app.command("build")
def zoo_build(
    family: Annotated[str, typer.Argument(help=f"One of {', '.join(FAMILIES)}.")],
    out: Out,
    preset: Annotated[str, typer.Option(help=f"Sizes: {PRESET_NAMES}. A flag wins over them.")] = "laptop",
    models: Annotated[int | None, typer.Option(min=1, help="Networks.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps of each.")] = None,
    cell: Annotated[str | None, typer.Option(help="lstm, gru or elman.")] = None,
    hidden_size: Annotated[int | None, typer.Option(min=1, help="Hidden units of a layer.")] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Recurrent layers.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Strings in a training step.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random number.")] = None,
    digits: Annotated[
        str | None, typer.Option(help="Images of sequential-digits: mnist, or uci, which needs no download.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Directory with MNIST's IDX files, gzipped or not; fetched once by default.")
    ] = None,
    workers: Workers = None,
    ray: Ray = None,
) -> None:
    """Train a zoo. The same command goes on with a build that was interrupted."""
    if family == "formal-languages" and (digits or data):
        raise RNN2VecError("--digits and --data are flags of sequential-digits; formal languages need no data")
    flags = {
        "models": models,
        "steps": steps,
        "cell": cell,
        "hidden_size": hidden_size,
        "num_layers": layers,
        "batch_size": batch_size,
        "seed": seed,
        "source": digits,
        "directory": str(data) if data else None,
    }
    recipe = zoo_recipe(family, preset, **{name: value for name, value in flags.items() if value is not None})
    console.print(f"{recipe.models} networks ({recipe.spec}), {recipe.steps} steps each, preset {preset}")
    with _stage("Zoo", [("networks x steps", recipe.models * recipe.steps)]) as report:
        zoo = build_zoo(
            recipe, out.resolve(), workers or available_cores(), lambda _, amount, note: report(0, amount, note), ray
        )
    _print_zoo(zoo)


@zoo_app.command("import-published")
def zoo_import_published(source: Path, out: Path) -> None:
    """Make a zoo OUT of a folder SOURCE in the paper's npy layout."""
    _print_zoo(import_published(source, out))


@zoo_app.command("export-published")
def zoo_export_published(zoo: Path, out: Path) -> None:
    """Write a ZOO to a folder OUT in the paper's npy layout."""
    opened = Zoo.open(zoo)
    export_published(opened, out)
    console.print(f"wrote {len(opened)} snapshots to {out}", markup=False)


@zoo_app.command("info")
def zoo_info(directory: Path) -> None:
    """Summarise a zoo."""
    _print_zoo(Zoo.open(directory))


@zoo_app.command("verify")
def zoo_verify(directory: Path) -> None:
    """Check all files of a zoo: checksums, shapes, finite numbers."""
    zoo = Zoo.open(directory)
    problems = zoo.verify()
    for problem in problems:
        _print_error(problem)
    if problems:
        raise typer.Exit(1)
    console.print(f"{directory} is sound: {len(zoo)} snapshots, {len(zoo.checksums)} files", markup=False)


@app.command()
def pretrain(
    zoo: Annotated[Path, typer.Argument(help="A zoo.")],
    encoder: Annotated[str, typer.Option(help=f"One of {', '.join(ENCODERS)}.")],
    out: Out,
    preset: Annotated[str, typer.Option(help=f"Sizes: {PRESET_NAMES}. A flag wins over them.")] = "laptop",
    steps: Annotated[int | None, typer.Option(min=1, help="Gradient steps.")] = None,
    loss: Annotated[str | None, typer.Option(help="total-variation, reverse-kl, kl, js or mse.")] = None,
    seed: Seed = 0,
) -> None:
    """Train an encoder by emulation."""
    recipe = pretrain_recipe(
        Zoo.open(zoo).family,
        preset,
        **{name: value for name, value in {"steps": steps, "loss": loss}.items() if value is not None},
    )
    with _stage("Pretraining", [(encoder, recipe.steps)]) as report:
        pretrain_into(zoo, encoder, recipe, seed, out, report=lambda amount, note: report(0, amount, note))
    console.print(f"wrote {out}", markup=False)


@app.command("evaluate")
def evaluate_command(
    zoo: Annotated[Path, typer.Argument(help="A zoo.")],
    encoders: Annotated[list[Path], typer.Argument(help="Encoder directories that pretrain wrote.")],
    out: Out,
    supervised_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps of the end-to-end rivals; as many as in pretraining by default.")
    ] = None,
    predictors_from: Annotated[
        Path | None, typer.Option(help="A zoo; see what predictors fitted to its networks read from z of this one's.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Measure what pretrained encoders know; write results.json and report.html."""
    opened = Zoo.open(zoo)
    other = Zoo.open(predictors_from) if predictors_from else None
    require_new_directory(out)
    jobs = []
    for path in encoders:
        recipe = load_trained(path, opened).recipe
        jobs.append((f"{path.name}, end to end", recipe.steps if supervised_steps is None else supervised_steps))
    with _stage("Evaluation", jobs) as report:
        evaluations = evaluate(opened, encoders, supervised_steps, workers or available_cores(), report, other)
    results = collect_results(opened, evaluations)
    write_report(out / "report.html", opened, encoders, evaluations, results, "What the encoders know")
    write_json(out / "results.json", results)
    _print_results(results)
    console.print(f"wrote {out / 'results.json'} and {out / 'report.html'}", markup=False)


@app.command("benchmark")
def benchmark_command(
    zoos: Annotated[list[Path], typer.Argument(help="Zoos.")],
    out: Annotated[Path, typer.Option("--out", help="A new directory, or that of a benchmark to go on with.")],
    encoders: Annotated[str, typer.Option(help=f"all, or names with commas between: {', '.join(ENCODERS)}.")] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="Pretrainings of each encoder.")] = 3,
    preset: Annotated[str, typer.Option(help=f"Sizes: {PRESET_NAMES}. A flag wins over them.")] = "laptop",
    steps: Annotated[int | None, typer.Option(min=1, help="Gradient steps of pretraining.")] = None,
    loss: Annotated[str | None, typer.Option(help="total-variation, reverse-kl, kl, js or mse.")] = None,
    supervised_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps of the end-to-end rivals; as many as in pretraining by default.")
    ] = None,
    ablation: Annotated[bool, typer.Option(help="Also with fewer and with shorter sequences of questions.")] = False,
    workers: Workers = None,
    ray: Ray = None,
) -> None:
    """Compare encoders: with every seed, on every zoo. The same command goes on where it was interrupted."""
    chosen = list(ENCODERS) if encoders == "all" else [name.strip() for name in encoders.split(",")]
    flags = {name: value for name, value in {"steps": steps, "loss": loss}.items() if value is not None}
    opened = [Zoo.open(zoo) for zoo in zoos]
    recipes = [pretrain_recipe(zoo.family, preset, **flags) for zoo in opened]
    runs = plan_runs(list(zip(opened, recipes, strict=True)), chosen, seeds, out.resolve(), supervised_steps, ablation)
    with _stage("Benchmark", [(run.name, run.steps) for run in runs]) as report:
        table = run_benchmark(out, runs, workers or available_cores(), report, ray)
    write_benchmark_report(out / "report.html", table)
    for name, rows in benchmark_rows(table).items():
        _print_rows(f"{name}: means and 95 % intervals over {seeds} seeds", rows)
    console.print(f"wrote {out / 'results.parquet'} and {out / 'report.html'}", markup=False)


@app.command()
def redraw(
    results: Annotated[Path, typer.Argument(help="A results.parquet that benchmark wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file.")],
) -> None:
    """Draw the report of a benchmark again, from its measurements alone."""
    write_benchmark_report(out, read_measurements(results))
    console.print(f"wrote {out}", markup=False)


@app.command()
def info() -> None:
    """Show versions, devices and the engine's backends."""
    table = Table(show_header=False, box=None)
    for name, value in versions().items():
        table.add_row(name, value)
    devices = [f"cpu ({available_cores()} cores, {torch.get_num_threads()} threads)"]
    devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    table.add_row("devices", ", ".join(devices))
    table.add_row("backends", ", ".join(BACKENDS))
    table.add_row("backend in use", f"{backend_name()} ({instruction_set()})")
    console.print(table)


def main() -> None:
    """Run the command line; a user's mistake becomes one line and exit status 1."""
    try:
        app()
    except RNN2VecError as error:
        _print_error(str(error))
        sys.exit(1)
    except OSError as error:
        _print_error(f"{error.filename or 'a file'}: {error.strerror or error}")
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == 130:  # what typer makes of Ctrl-C
            _print_error("interrupted; what is on disk is whole: the same command starts from there")
        raise


def _print_error(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print("[red]error:[/red] ", end="")
    Console(stderr=True, soft_wrap=True).print(message, markup=False, highlight=False)


@contextmanager
def _stage(title: str, jobs: Sequence[tuple[str, int]]) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console.print(f"[bold]{title}[/bold]")
    with Progress(*columns, console=console) as progress:
        bars = [progress.add_task(label, total=total or None, note="") for label, total in jobs]
        projected: set[int] = set()

        def report(job: int, amount: int, note: str) -> None:
            progress.update(bars[job], advance=amount, note=note)
            bar = progress.tasks[job]
            if job not in projected and (bar.elapsed or 0) > PROJECTION_SECONDS and bar.time_remaining is not None:
                projected.add(job)
                if bar.time_remaining > 1800:  # a log has no bar, and whoever reads it wants to know
                    console.print(f"{bar.description}: about {bar.time_remaining / 3600:.1f} hours to go at this rate")

        yield report


def _print_results(results: Mapping[str, Any]) -> None:
    rows = results_table(results)
    known = HEADLINES[results["zoo"]["family"]]
    wanted = ["encoder", "loss", "loss OOD", known, f"{known} OOD", "accuracy R2", "transferred", "end-to-end"]
    columns = [name for name in wanted if name in rows[0]]
    _print_rows(
        "Validation tasks, and out-of-distribution (OOD) ones", [{name: row[name] for name in columns} for row in rows]
    )
    console.print(
        f"loss: of emulation. {EXPLANATIONS[results['zoo']['family']]} end-to-end: by training on labels.",
        style="dim",
    )


def _print_rows(title: str, rows: Sequence[Mapping[str, str]]) -> None:
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in rows[0]:
        table.add_column(name.replace(" ", "\n"), no_wrap=True, justify="left" if name == "encoder" else "right")
    for row in rows:
        table.add_row(*(cell.replace(" (", "\n(") for cell in row.values()))  # an interval under its mean
    console.print(table)


def _print_zoo(zoo: Zoo) -> None:
    tasks, learnt = len(np.unique(zoo.tasks, axis=0)), zoo.recipe.learnt_accuracy
    size = sum((zoo.directory / name).stat().st_size for name in zoo.checksums if (zoo.directory / name).is_file())
    console.print(
        f"{zoo.directory}: {zoo.recipe.models} networks ({zoo.spec}), {zoo.family}, {tasks} tasks, "
        f"{len(zoo)} snapshots, "
        f"{size / 1e6:.0f} MB, seed {zoo.recipe.seed}",
        highlight=False,
        markup=False,
    )
    table = Table()
    for name in ("step", "mean accuracy", "median", f"learnt (>= {learnt})"):
        table.add_column(name.replace(" ", "\n"), no_wrap=True, justify="right")
    for step in zoo.recipe.snapshots:
        accuracy = zoo.column("accuracy")[zoo.column("step") == step]
        table.add_row(
            str(step), f"{accuracy.mean():.3f}", f"{np.median(accuracy):.3f}", f"{(accuracy >= learnt).mean():.0%}"
        )
    console.print(table)
