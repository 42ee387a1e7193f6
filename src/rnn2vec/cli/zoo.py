"""``rnn2vec zoo``: build, inspect, import and export zoos."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from rnn2vec.checkpoints.folders import Outcome, found
from rnn2vec.cli.console import console, print_error, stage
from rnn2vec.cli.networks import positions
from rnn2vec.cli.options import LARGEST_SEED, AsJson, Out, Preset, Ray, Seed, Threads, Workers
from rnn2vec.cli.summaries import plain_files, plain_zoo, print_files, print_zoo
from rnn2vec.cluster import require_ray
from rnn2vec.errors import RNN2VecError
from rnn2vec.families import FAMILIES, family_of
from rnn2vec.outputs import require_apart
from rnn2vec.zoo.build import build_zoo
from rnn2vec.zoo.import_files import import_zoo
from rnn2vec.zoo.index import SOURCE
from rnn2vec.zoo.published import export_published, import_published
from rnn2vec.zoo.recipes import zoo_recipe
from rnn2vec.zoo.store import Zoo


def zoo_build(
    family: Annotated[str, typer.Argument(help=f"One of {', '.join(FAMILIES)}.")],
    out: Out,
    threads: Threads,
    preset: Preset = "laptop",
    models: Annotated[int | None, typer.Option(min=1, help="Networks.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps of each.")] = None,
    cells: Annotated[
        str | None,
        typer.Option(help="lstm, gru, elman, leaky, or several in equal parts: gru,leaky-softplus-inside."),
    ] = None,
    hidden_size: Annotated[int | None, typer.Option(min=1, help="Hidden units of a layer.")] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Recurrent layers.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Strings in a training step.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=LARGEST_SEED, help="Seed of every random number.")] = None,
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
    torch.set_num_threads(threads)
    if (digits or data) and "source" not in {field.name for field in dataclasses.fields(family_of(family).task_set)}:
        raise RNN2VecError(f"--digits and --data choose images, as sequential-digits has them; {family} has none")
    flags = {
        "models": models,
        "steps": steps,
        "cells": cells and cells.split(","),
        "hidden_size": hidden_size,
        "num_layers": layers,
        "batch_size": batch_size,
        "seed": seed,
        "source": digits,
        "directory": str(data) if data else None,
    }
    recipe = zoo_recipe(family, preset, **{name: value for name, value in flags.items() if value is not None})
    if data and getattr(recipe.task_set, "source", None) != "mnist":
        raise RNN2VecError("--data are the files of mnist, and this zoo reads others: add --digits mnist")
    require_apart(out, [data] if data else [])
    made = "; ".join(map(str, recipe.architectures))
    console.print(f"{recipe.models} networks ({made}), {recipe.steps} steps each, preset {preset}")
    if ray:
        require_ray(ray)
    with stage("Zoo", [("networks x steps", recipe.models * recipe.steps)]) as on_progress:
        zoo = build_zoo(
            recipe,
            out.absolute(),
            workers or threads,
            lambda _, amount, note: on_progress(0, amount, note),
            ray,
        )
    print_zoo(zoo)


def zoo_import(
    paths: Annotated[list[str], typer.Argument(help="Files, folders and globs.", show_default=False)],
    out: Out,
    threads: Threads,
    inputs: Annotated[
        Path | None, typer.Option(help=".npy, .npz, .csv or .wav that networks are observed on; made by default.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV: a column name (or globs), and a column a label.")] = None,
    declare: Annotated[Path | None, typer.Option(help=".toml or .json of what the files do not say.")] = None,
    knob: Annotated[
        str | None, typer.Option(help="Positions of inputs after the first, one network each, such as 0,0.5,1.")
    ] = None,
    split_by: Annotated[str, typer.Option(help="Column whose values a split keeps together.")] = SOURCE,
    skip_refused: Annotated[bool, typer.Option("--skip-refused", help="Go on without what is refused.")] = False,
    assume_plain: Annotated[
        bool, typer.Option("--assume-plain", help="Take pickled modules for their layers one after the other.")
    ] = False,
    start_token: Annotated[
        int | None, typer.Option(help="Token that strings begin with; by default those that networks never write.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make a zoo of networks in files that others trained."""
    torch.set_num_threads(threads)
    declared = {"knob": positions(knob)} if knob is not None else {}
    options: dict[str, Any] = {
        "inputs": inputs, "labels": labels, "declare": declare, "split_by": split_by, "skip_refused": skip_refused,
        "start_token": start_token, "seed": seed, **declared, **({"assume_plain": True} if assume_plain else {}),
    }  # fmt: skip
    files: list[Outcome] = []
    if as_json:
        try:
            zoo = import_zoo(paths, out, on_files=files.extend, **options)
            console.print_json(data={"zoo": str(zoo.directory), "networks": len(zoo), "files": plain_files(files)})
        except RNN2VecError:
            console.print_json(data={"zoo": None, "networks": 0, "files": plain_files(files)})
            raise
        return
    try:
        with stage("Import", [("files", len(found(paths)))]) as on_progress:
            zoo = import_zoo(
                paths,
                out,
                on_files=files.extend,
                on_progress=lambda amount, note: on_progress(0, amount, note),
                **options,
            )
    finally:
        print_files(files)
    print_zoo(zoo)


def zoo_import_published(source: Path, out: Path) -> None:
    """Make a zoo OUT of a folder SOURCE in the paper's npy layout."""
    print_zoo(import_published(source, out))


def zoo_export_published(zoo: Path, out: Path) -> None:
    """Write a ZOO to a folder OUT in the paper's npy layout."""
    opened = Zoo.open(zoo)
    require_apart(out, [zoo])
    export_published(opened, out)
    console.print(f"wrote {len(opened)} snapshots to {out}", markup=False)


def zoo_info(directory: Path, as_json: AsJson = False) -> None:
    """Summarise a zoo."""
    zoo = Zoo.open(directory)
    if as_json:
        console.print_json(data=plain_zoo(zoo))
        return
    print_zoo(zoo)


def zoo_verify(directory: Path, as_json: AsJson = False) -> None:
    """Check a zoo: every file, and every value of its table against its recipe and what was measured."""
    zoo = Zoo.open(directory)
    problems = zoo.verify()
    if as_json:
        console.print_json(data={"zoo": str(directory), "sound": not problems, "problems": problems})
    else:
        for problem in problems:
            print_error(problem)
    if problems:
        raise typer.Exit(1)
    if as_json:
        return
    console.print(f"{directory} is sound: {len(zoo)} networks, {len(zoo.checksums)} files", markup=False)
