"""``rnn2vec duplicates`` and ``lineage``: networks that are the same or nearly, and those that are related."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from rnn2vec.cli.console import console, stage
from rnn2vec.cli.networks import collection_of, declared, zoo_of
from rnn2vec.cli.options import AsJson, Declare, Inputs, Knob, Threads, Where
from rnn2vec.library.duplicates import WITHIN, Group, duplicates
from rnn2vec.library.lineage import FEWEST, ages_of, lineage

BLIND = 0.9
"""Where an edge needs a higher similarity, the command says so."""


def duplicates_command(
    networks: Annotated[list[Path], typer.Argument(help="A zoo, or files and folders of networks.")],
    threads: Threads,
    within: Annotated[float, typer.Option(min=0.0, help="The largest difference of answers that is near.")] = WITHIN,
    inputs: Inputs = None,
    declare: Declare = None,
    knob: Knob = None,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Find networks that are the same, with a proof, or that answer nearly alike."""
    torch.set_num_threads(threads)
    collection = collection_of(networks, declared(declare, knob, networks), inputs, where)
    if as_json:
        groups = duplicates(collection, within)
        console.print_json(data={"within": within, "groups": [_plain(group) for group in groups]})
        return
    with stage("Comparing", [("weights and answers", 2 * len(collection))]) as on_progress:
        groups = duplicates(collection, within, lambda amount, note: on_progress(0, amount, note))
    if not groups:
        console.print(f"no duplicates among {len(collection)} networks")
        return
    for group in groups:
        console.print(
            f"{group.kind} (difference {group.difference:.2g}): {', '.join(group.names)}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    outputs = collection.networks.interface.outputs
    measure = f"{outputs.measure}{outputs.scaled}"
    console.print(
        f"difference: the largest from the first network's answers, {measure}. --json prints the proofs.", style="dim"
    )


def lineage_command(
    networks: Annotated[list[Path], typer.Argument(help="A zoo, or files and folders of networks.")],
    threads: Threads,
    declare: Declare = None,
    knob: Knob = None,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Find networks that descend from one another, or from one ancestor."""
    torch.set_num_threads(threads)
    collection = collection_of(networks, declared(declare, knob, networks), where=where)
    opened = zoo_of(networks, where)
    ages = (None, None) if opened is None else ages_of(opened)
    if as_json:
        console.print_json(data=dataclasses.asdict(lineage(collection, *ages)))
        return
    with stage("Comparing", [("weights", len(collection))]) as on_progress:
        found = lineage(collection, *ages, on_progress=lambda amount, note: on_progress(0, amount, note))
    for edge in found.edges:
        arrow = "->" if edge.directed else "--"
        console.print(
            f"{edge.names[0]} {arrow} {edge.names[1]}: similarity {edge.similarity:.3f}, p {edge.p_value:.1g}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    compared = len(collection) - found.left_out
    if compared and not found.edges:
        console.print(f"no related networks among the {compared} that were compared")
    for each in found.unrelated:
        if each.least > BLIND:
            console.print(
                f"{each.architecture}: no pair is told from chance below a similarity of {each.least:.4f}, since "
                f"random pairs have {each.median:.4f} (median) and {each.upper:.4f} (upper quartile). If more than a "
                "quarter of all pairs are related, they are not found",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
    if found.left_out:
        console.print(
            f"{found.left_out} networks were not compared: fewer than {FEWEST} have their architecture, or their "
            "weights are not known"
        )
    console.print(
        "similarity: correlation of weights, units matched. p: of a single edge this similar among unrelated networks "
        "(Holm). -> is known from training steps; -- has no direction.",
        style="dim",
    )


def _plain(group: Group) -> dict[str, Any]:
    """A group, as JSON holds it."""
    proofs = [
        {
            "row": proof.row,
            "kind": proof.kind,
            "first": [units.tolist() for units in proof.first],
            "units": [units.tolist() for units in proof.units],
        }
        for proof in group.certificate
    ]
    return {
        "kind": group.kind,
        "rows": list(group.rows),
        "names": list(group.names),
        "difference": group.difference,
        "certificate": proofs,
    }
