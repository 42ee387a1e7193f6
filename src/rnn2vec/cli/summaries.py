"""What several commands print: files that were read, zoos, and what an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from rnn2vec.checkpoints.folders import Outcome
from rnn2vec.cli.console import console, print_rows
from rnn2vec.evaluation.results import results_table, view_of_results
from rnn2vec.fields import counted
from rnn2vec.interface import Interface
from rnn2vec.zoo.index import SOURCE
from rnn2vec.zoo.store import Zoo

SHORT = 60
"""Characters of what is said of a file again and again."""


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
    """A line a file: what was read of it and how, or why it was refused; what was said before is not said again."""
    said: dict[str, str] = {}
    for file in files:
        own = file.checkpoint
        what = file.refused if own is None else "; ".join([f"{own.format}, {own.architecture}", *own.notes])
        count = f" ({len(own.names)} networks)" if own is not None and len(own.names) > 1 else ""
        first = said.setdefault(what, file.source)
        console.print(
            f"{'refused' if own is None else 'read   '}  {file.source}{count}: "
            f"{what if first == file.source or len(what) < SHORT else f'as {first}'}",
            style="red" if own is None else None, markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
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
    parts = {part: _part(results["zoo"], size, view.words.task) for part, size in results["zoo"]["parts"].items()}
    ood = f", out of distribution (OOD): {parts['ood']}" if "ood" in parts else ""
    print_rows(f"Validation: {parts['validation']}{ood}", [{name: row[name] for name in columns} for row in rows])
    rival = " end-to-end: by training on labels." if "end-to-end" in columns else ""
    console.print(
        f"Trained on {parts['train']}. loss: of emulation. {view.words.headline}{rival}",
        style="dim", markup=False,
    )  # fmt: skip


def _part(about: Mapping[str, Any], size: Mapping[str, int], task: str) -> str:
    """The size of a part of a zoo: snapshots of tasks, or networks by what the split keeps together."""
    if about["family"] is not None:
        return f"{counted(size['snapshots'], 'snapshot')} of {counted(size['tasks'], task)}"
    networks, column = counted(size["snapshots"], "network"), about["split_by"]
    return f"{networks} of {counted(size['tasks'], task)}" if column == SOURCE else (
        f"{networks} with {counted(size['tasks'], 'value')} of {column}"
    )  # fmt: skip


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
        if made_of := zoo.index.provenance.get("inputs"):
            console.print(f"observed on inputs {made_of}", highlight=False, markup=False)
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
