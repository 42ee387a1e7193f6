"""Flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnn2vec.families import FAMILIES
from rnn2vec.threads import default_threads

PRESET_NAMES = ", ".join(dict.fromkeys(preset for family in FAMILIES.values() for preset in family.presets))

LARGEST_SEED = 2**32 - 1  # what scikit-learn takes, too
MOST_WORKERS = MOST_THREADS = 1000

Out = Annotated[Path, typer.Option("--out", help="A new or empty directory.")]
ResumableOut = Annotated[Path, typer.Option("--out", help="A new directory, or one to go on with.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file of --out, if it is there.")]
Preset = Annotated[str, typer.Option(help=f"Sizes: {PRESET_NAMES}. A flag wins over them.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of every random number.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, max=MOST_WORKERS, help="Processes; as many as threads by default.")
]
Threads = Annotated[
    int,
    typer.Option(
        "--threads",
        min=1,
        max=MOST_THREADS,
        default_factory=default_threads,
        show_default="all usable cores",
        help="Threads in all, which processes share.",
    ),
]
Ray = Annotated[
    str | None, typer.Option("--ray", help="Address of a Ray cluster, or auto, in place of processes; extra: ray.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Gradient steps of pretraining.")]
Loss = Annotated[
    str | None,
    typer.Option(help="Of classes total-variation, reverse-kl, kl, js, mse; of numbers mse, error-to-signal."),
]
EncoderName = Annotated[
    str, typer.Option("--encoder", help="answers, which is fitted in seconds, or a directory that pretrain wrote.")
]
Inputs = Annotated[Path | None, typer.Option("--inputs", help=".npy, .npz, .csv or .wav with what networks are asked.")]
Declare = Annotated[Path | None, typer.Option("--declare", help=".toml or .json of what files do not say.")]
Knob = Annotated[
    str | None, typer.Option("--knob", help="Positions of inputs after the first, one network each, such as 0,0.5,1.")
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="COLUMN=VALUE: only such networks of a zoo. Repeat it for more columns, or values."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")]
SupervisedSteps = Annotated[
    int | None, typer.Option(min=0, help="Steps of the end-to-end baselines; as many as in pretraining by default.")
]
