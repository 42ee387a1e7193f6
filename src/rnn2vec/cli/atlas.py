"""``rnn2vec atlas``: a map of networks as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from rnn2vec.cli.console import console, stage
from rnn2vec.cli.networks import ANSWERS, collection_of, declared, encoder_of, zoo_of
from rnn2vec.cli.options import AsJson, Declare, EncoderName, Force, Inputs, Knob, Seed, Threads, Where
from rnn2vec.library.atlas import LAYOUTS, atlas, columns_of
from rnn2vec.library.lineage import ages_of
from rnn2vec.outputs import require_new_file


def atlas_command(
    networks: Annotated[list[Path], typer.Argument(help="A zoo, or files and folders of networks.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file.")],
    threads: Threads,
    encoder: EncoderName = ANSWERS,
    layout: Annotated[str, typer.Option(help=f"One of {', '.join(LAYOUTS)}.")] = LAYOUTS[0],
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
    answers: Annotated[bool, typer.Option("--answers/--no-answers", help="Draw what networks answer.")] = True,
    related: Annotated[bool, typer.Option("--related", help="Also find duplicates and lineage, to be drawn.")] = False,
    inputs: Inputs = None,
    declare: Declare = None,
    knob: Knob = None,
    where: Where = None,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draw a map of networks: one page that needs nothing but itself."""
    torch.set_num_threads(threads)
    require_new_file(out, force, networks)
    zoo, collection = zoo_of(networks, where), collection_of(networks, declared(declare, knob, networks), inputs, where)
    used = encoder_of(encoder)
    options: dict[str, Any] = {
        "title": title or f"Atlas of {networks[0].resolve().name}",
        "layout": layout, "answers": answers, "related": related, "seed": seed,
    } | ({} if zoo is None else {"columns": columns_of(zoo), "ages": ages_of(zoo)})  # fmt: skip
    if as_json:
        atlas(collection, out, used, **options)
        console.print_json(data={"atlas": str(out), "networks": len(collection), "bytes": out.stat().st_size})
        return
    with stage("Atlas", [(encoder, len(collection))]) as on_progress:
        atlas(collection, out, used, **options, on_progress=lambda amount, note: on_progress(0, amount, note))
    console.print(f"wrote {out} ({out.stat().st_size / 1000:.0f} kB)", markup=False)
