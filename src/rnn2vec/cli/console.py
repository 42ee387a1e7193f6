"""What the command line prints: progress, tables, and one line for an error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rnn2vec.parallel import OnProgress


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
