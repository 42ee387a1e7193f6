"""``rnn2vec predict``: what networks are, by an encoder that knows the labels of its own zoo."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from rnn2vec.cli.console import console, print_rows, stage
from rnn2vec.cli.networks import collection_of, declared
from rnn2vec.cli.options import AsJson, Declare, Knob, Threads, Where
from rnn2vec.encoders.forms import AskingEncoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.knowledge import Knowledge
from rnn2vec.evaluation.pretrained import load_encoder, shipped

COARSE = (
    "known is told by z alone, and says little: the emulator beside this encoder imitates the networks of its own zoo "
    "no better than what knows nothing (or the encoder is of an earlier version). Pretrain for more steps."
)


def predict_command(
    networks: Annotated[list[Path], typer.Argument(help="A zoo, or files and folders of networks.")],
    encoder: Annotated[
        str, typer.Option(help=f"{', '.join(shipped())}, a directory that pretrain wrote, or user/name on a hub.")
    ],
    threads: Threads,
    declare: Declare = None,
    knob: Knob = None,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Say what networks do, and how sure that is, or that they are not of the kind that the encoder knows."""
    torch.set_num_threads(threads)
    used = load_encoder(encoder)
    if not isinstance(used.knowledge, Knowledge):
        raise RNN2VecError(
            f"predict needs an encoder that knows labels; there are none beside {encoder}: pretrain it again"
        )
    # Files do not say what their numbers mean; the encoder asks, and so it says.
    meant = {"interface": used.interface} if isinstance(used, AskingEncoder) else {}
    collection = collection_of(networks, meant | declared(declare, knob, networks), where=where)
    used.check_readable(collection.networks)
    if as_json:
        z = used.encode(collection.networks)
    else:
        with stage("Asking", [(used.name, len(collection))]) as on_progress:
            z = used.encode(collection.networks, on_progress=lambda amount, note: on_progress(0, amount, note))
    found = used.knowledge(z, collection.networks)
    names = collection.names.tolist()
    if as_json:
        rows = [
            {"name": name, **{key: _plain(own[row]) for key, own in found.items()}} for row, name in enumerate(names)
        ]
        console.print_json(data={"encoder": encoder, "networks": rows})
        return
    strange = used.knowledge.strangeness(found)
    print_rows(
        f"What {encoder} says", [{"name": name, **_cells(found, strange, row)} for row, name in enumerate(names)]
    )
    console.print(
        "In brackets: the probability of a class, or the error that nine of ten predictions do not exceed; of known, "
        "how far a network is from those that the encoder knows, by z or by what it answers: beyond 1, predictions "
        "would mean nothing.",
        style="dim", highlight=False,
    )  # fmt: skip
    if used.knowledge.imitation is None:
        console.print(COARSE, style="yellow", highlight=False)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _cells(found: dict[str, np.ndarray], strange: np.ndarray, row: int) -> dict[str, str]:
    cells = {"known": f"{'yes' if found['known'][row] else 'no'}\n({strange[row]:.2f})"}
    for name in found:
        if f"{name}_confidence" not in found and f"{name}_error" not in found:
            continue
        if not found["known"][row]:
            cells[name] = "-"
        elif f"{name}_confidence" in found:
            cells[name] = f"{found[name][row]}\n({found[f'{name}_confidence'][row]:.2f})"
        else:
            cells[name] = _to_its_error(float(found[name][row]), float(found[f"{name}_error"][row]))
    return cells


def _to_its_error(value: float, error: float) -> str:
    """A number and its error, with as many digits as two of the error take."""
    if not (1e-6 < error < 1e9 and abs(value) < 1e9):
        return f"{value:.6g}\n({error:.2g})"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f}\n({error:.{digits}f})"
