"""What the command line prints: progress, tables, and one line for an error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from rnn2vec.checkpoints.folders import Outcome
from rnn2vec.evaluation.results import results_table, view_of_results
from rnn2vec.fields import counted
from rnn2vec.interface import Interface
from rnn2vec.parallel import OnProgress
from rnn2vec.zoo.store import Zoo


class _Console(Console):
    """A console whose reader may leave: what is said then goes nowhere, and the work, which writes files, goes on."""

    shows_progress = True

    def on_broken_pipe(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


console = _Console(emoji=False)  # a name that holds :smile: is not a picture
_INTERVAL = re.compile(r"(-?[\d.]+\S*) (\(\S+ to \S+\))")
"""A mean and its interval, see :class:`rnn2vec.evaluation.intervals.Interval`."""
WIDE = 10_000
"""Columns in which any table has room."""
PROJECTION_SECONDS = 30.0
"""After which a long job says how long it will take."""


def print_error(message: str) -> None:
    errors = _Console(stderr=True, soft_wrap=True, emoji=False)
    errors.print("[red]error:[/red] ", end="")
    errors.print(message, markup=False, highlight=False)


@contextmanager
def stage(title: str, jobs: Sequence[tuple[str, int]]) -> Iterator[OnProgress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    if not console.shows_progress:
        yield lambda job, amount, note: None
        return
    console.print(f"[bold]{title}[/bold]")
    with Progress(*columns, console=console) as progress:
        bars = [progress.add_task(label, total=total or None, note="") for label, total in jobs]
        projected: set[int] = set()

        def on_progress(job: int, amount: int, note: str) -> None:
            progress.update(bars[job], advance=amount, note=note)
            bar = progress.tasks[job]
            if job not in projected and (bar.elapsed or 0) > PROJECTION_SECONDS and bar.time_remaining is not None:
                projected.add(job)
                if bar.time_remaining > 1800:  # a log has no bar, and whoever reads it wants to know
                    console.print(f"{bar.description}: about {bar.time_remaining / 3600:.1f} hours to go at this rate")

        yield on_progress


def plain_files(files: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What became of files, as JSON holds it."""
    plain = []
    for file in files:
        own = file.checkpoint
        networks = [] if own is None else list(own.names)
        said = {"format": None if own is None else own.format, "notes": [] if own is None else list(own.notes)}
        plain.append({"file": str(file.path), "networks": networks, **said, "refused": file.refused or None})
    return plain


def print_files(files: Sequence[Outcome]) -> None:
    """A line a file: what was read of it and how, or why it was refused."""
    for file in files:
        own = file.checkpoint
        if own is None:
            console.print(
                f"refused  {file.source}: {file.refused}", style="red", markup=False, highlight=False, soft_wrap=True
            )
        else:
            count = f" ({len(own.names)} networks)" if len(own.names) > 1 else ""
            said = "; ".join([str(own.architecture), *own.notes])
            console.print(
                f"read     {file.source}{count}: {own.format}, {said}", markup=False, highlight=False, soft_wrap=True
            )
    if files:
        refused = sum(file.checkpoint is None for file in files)
        count = counted(len(files), "file")
        console.print(f"{count}: {len(files) - refused} read, {refused} refused", markup=False)
    if any("declare " in file.refused for file in files):
        console.print("what is declared stands in a .toml, for --declare or beside the file: docs/checkpoints.md")


def print_results(results: Mapping[str, Any]) -> None:
    rows = results_table(results)
    view = view_of_results(results)
    known, labels = view.headline, [column.title for column in view.columns if column.title in results["zoo"]["labels"]]
    wanted = ["encoder", "loss", "loss OOD", known, f"{known} OOD", "accuracy R2", "transferred", "end-to-end"]
    reported = Interface.from_dict(results["zoo"]["interface"]).outputs.reported
    wanted = list(dict.fromkeys([*wanted, *reported, *labels]))
    columns = [name for name in wanted if name in rows[0]]
    print_rows(
        f"Validation {view.words.task}s, and out-of-distribution (OOD) ones if there are any",
        [{name: row[name] for name in columns} for row in rows],
    )
    console.print(
        f"loss: of emulation. {view.words.headline} end-to-end: by training on labels.",
        style="dim",
    )


def print_rows(title: str, rows: Sequence[Mapping[str, str]], spare: Sequence[str] = ()) -> Sequence[str]:
    """Print a table; in a terminal that is too narrow for it, one line per cell.

    Args:
        title: above it.
        rows: cells by the name of their column; all rows have the same ones.
        spare: columns that are left out first, from the last one on, until the table fits.

    Returns:
        Those that were left out.
    """
    for kept in range(len(spare), -1, -1):
        table = _table(title, [{name: row[name] for name in row if name not in spare[kept:]} for row in rows])
        if console.measure(table, options=console.options.update(width=WIDE)).maximum <= console.width:
            console.print(table)
            return spare[kept:]
    console.print(title, markup=False)  # cells would be cut: a line a cell
    for row in rows:
        console.print()
        for name, cell in row.items():
            console.print(f"{name}: {cell}", markup=False, highlight=False, soft_wrap=True)
    return ()


def _table(title: str, rows: Sequence[Mapping[str, str]]) -> Table:
    table = Table(title=Text(title), box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in rows[0]:
        table.add_column(name.replace(" ", "\n"), no_wrap=True, justify="left" if name == "encoder" else "right")
    for row in rows:
        table.add_row(*(Text(_under(cell)) for cell in row.values()))
    return table


def _under(cell: str) -> str:
    """A mean with its interval in a line of its own; anything else, such as a name with brackets, as it is."""
    found = _INTERVAL.fullmatch(cell)
    return cell if found is None else "\n".join(found.groups())


def plain_zoo(zoo: Zoo) -> dict[str, Any]:
    """What a zoo is in a few words, as JSON holds it."""
    index = zoo.index
    return {
        "zoo": str(zoo.directory),
        "networks": len(zoo),
        "models": zoo.models,
        "interface": zoo.interface.to_dict(),
        "architectures": [architecture.to_dict() for architecture in zoo.architectures],
        "family": None if index.task_set is None else zoo.family,
        "labels": dict(index.labels),
        "split_by": index.split_by,
        "columns": zoo.snapshots.column_names,
        "seed": zoo.seed,
    }


def print_zoo(zoo: Zoo) -> None:
    size = sum((zoo.directory / name).stat().st_size for name in zoo.checksums if (zoo.directory / name).is_file())
    made, task_set = "; ".join(map(str, zoo.architectures)), zoo.index.task_set
    of = zoo.interface if task_set is None else f"{zoo.family}, {len(np.unique(zoo.tasks, axis=0))} tasks"
    console.print(
        f"{zoo.directory}: {counted(zoo.models, 'network')} ({made}), {of}, {counted(len(zoo), 'snapshot')}, "
        f"{size / 1e6:.0f} MB, seed {zoo.seed}",
        highlight=False,
        markup=False,
    )
    if task_set is None:
        labels = ", ".join(f"{name} ({kind})" for name, kind in zoo.index.labels.items())
        console.print(f"labels: {labels or 'none'}; split by {zoo.index.split_by}", highlight=False, markup=False)
        return
    learnt = task_set.learnt_accuracy
    table = Table()
    for name in ("step", "mean accuracy", "median", f"learnt (>= {learnt})"):
        table.add_column(name.replace(" ", "\n"), no_wrap=True, justify="right")
    for step in zoo.steps:
        accuracy = zoo.column("accuracy")[zoo.column("step") == step]
        table.add_row(
            str(step), f"{accuracy.mean():.3f}", f"{np.median(accuracy):.3f}", f"{(accuracy >= learnt).mean():.0%}"
        )
    console.print(table)
