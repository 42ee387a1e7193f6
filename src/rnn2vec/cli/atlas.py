"""``rnn2vec atlas``: a map of a zoo as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from rnn2vec.cli.console import console, stage
from rnn2vec.cli.networks import ANSWERS, encoder_of
from rnn2vec.cli.options import AsJson, EncoderName, Force, Seed, Threads
from rnn2vec.library.atlas import LAYOUTS, atlas
from rnn2vec.outputs import require_new_file
from rnn2vec.zoo.store import Zoo


def atlas_command(
    zoo: Annotated[Path, typer.Argument(help="A zoo.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file.")],
    threads: Threads,
    encoder: EncoderName = ANSWERS,
    layout: Annotated[str, typer.Option(help=f"One of {', '.join(LAYOUTS)}.")] = LAYOUTS[0],
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
    answers: Annotated[bool, typer.Option("--answers/--no-answers", help="Draw what networks answer.")] = True,
    related: Annotated[bool, typer.Option("--related", help="Also find duplicates and lineage, to be drawn.")] = False,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draw a map of a zoo's networks: one page that needs nothing but itself."""
    torch.set_num_threads(threads)
    require_new_file(out, force, [zoo])
    opened, used = Zoo.open(zoo), encoder_of(encoder)
    options: dict[str, Any] = {"title": title, "layout": layout, "answers": answers, "related": related, "seed": seed}
    if as_json:
        drawn = atlas(opened, out, used, **options)
        console.print_json(data={"atlas": str(out), "networks": len(drawn), "bytes": out.stat().st_size})
        return
    with stage("Atlas", [(encoder, len(opened))]) as on_progress:
        atlas(opened, out, used, **options, on_progress=lambda amount, note: on_progress(0, amount, note))
    console.print(f"wrote {out} ({out.stat().st_size / 1000:.0f} kB)", markup=False)
