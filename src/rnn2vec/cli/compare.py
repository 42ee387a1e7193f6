"""``rnn2vec compare``: do two networks compute the same function?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from rnn2vec.cli.console import console, print_error, print_rows, stage
from rnn2vec.cli.networks import declared, network_of
from rnn2vec.cli.options import AsJson, Declare, Force, Inputs, Knob, Seed, Threads
from rnn2vec.files import write_atomically
from rnn2vec.library.compare import compare
from rnn2vec.library.worst_input import BUDGET
from rnn2vec.outputs import require_new_file
from rnn2vec.zoo.sequences import read_sequences

Network = "A file of a network, or ZOO:NAME."


def compare_command(
    a: Annotated[str, typer.Argument(help=f"{Network} The other is held against it.")],
    b: Annotated[str, typer.Argument(help=Network)],
    threads: Threads,
    inputs: Inputs = None,
    out: Annotated[Path | None, typer.Option("--out", help="An HTML page with both answers drawn.")] = None,
    at_most: Annotated[
        float | None, typer.Option(min=0.0, help="Exit with 1 if a larger difference is seen at any step.")
    ] = None,
    budget: Annotated[int, typer.Option(min=0, help="Steps that each network reads in the search.")] = BUDGET,
    declare: Declare = None,
    knob: Knob = None,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compare two networks: on inputs, and on the input that makes them differ most."""
    from rnn2vec.library.comparison_page import NOT_PROVEN, comparison_page, summary_rows  # draws: seconds to import

    torch.set_num_threads(threads)
    if out is not None:
        require_new_file(out, force)
    said = declared(declare, knob, [a, b])
    first, second = network_of(a, said), network_of(b, said)
    asked = None if inputs is None else read_sequences(inputs, first.interface.inputs).values
    if as_json:
        found = compare(first, second, asked, seed=seed, budget=budget)
    else:
        with stage("Comparing", [("search", budget)]) as on_progress:
            found = compare(
                first, second, asked, seed=seed, budget=budget,
                on_progress=lambda amount, note: on_progress(0, amount, note),
            )  # fmt: skip
    if out is not None:
        write_atomically(out, comparison_page(found, a, b, f"seed {seed}").encode())
    if as_json:
        console.print_json(data=found.to_dict() | {"a": a, "b": b, "at_most": at_most})
    else:
        print_rows(f"{a} and {b}", summary_rows(found))
        outputs = found.interface.outputs
        console.print(
            f"difference: {outputs.measure}. Worst input found by: {found.worst.found_by}. {NOT_PROVEN}",
            style="dim", markup=False,
        )  # fmt: skip
        if out is not None:
            console.print(f"wrote {out}", markup=False)
    if at_most is not None and found.largest > at_most:
        print_error(f"the networks differ by at most {at_most:g}; a difference of {found.largest:.4g} was seen")
        raise typer.Exit(1)
