"""``rnn2vec embed`` and ``search``: vectors of networks, and which are alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import torch
import typer

from rnn2vec.cli.console import console, print_rows, stage
from rnn2vec.cli.networks import ANSWERS, collection_of, declared, encoder_of, networks_of
from rnn2vec.cli.options import AsJson, Declare, EncoderName, Force, Inputs, Knob, Threads, Where
from rnn2vec.errors import RNN2VecError
from rnn2vec.library.search import search
from rnn2vec.library.vectors import Vectors, embed
from rnn2vec.outputs import require_new_directory, require_new_file

FEW = 8
"""Networks from which the answers encoder is fitted: of fewer, unrelated ones may have a cosine of 1."""
COLUMNS = ("rank", "name", "similarity", "difference")


def embed_command(
    networks: Annotated[list[Path], typer.Argument(help="A zoo, or files and folders of networks.")],
    out: Annotated[Path, typer.Option("--out", help="The parquet file: a column name, and a column z.")],
    threads: Threads,
    encoder: EncoderName = ANSWERS,
    save_encoder: Annotated[
        Path | None, typer.Option(help="Also write the fitted answers encoder to this new directory.")
    ] = None,
    inputs: Inputs = None,
    declare: Declare = None,
    knob: Knob = None,
    where: Where = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Turn networks into vectors."""
    torch.set_num_threads(threads)
    require_new_file(out, force, networks)
    if save_encoder is not None:
        require_new_directory(save_encoder)
    collection = collection_of(networks, declared(declare, knob, networks), inputs, where)
    used = encoder_of(encoder) or collection.fitted_encoder()
    if as_json:
        vectors = embed(collection, used)
    else:
        with stage("Embedding", [(used.name, len(collection))]) as on_progress:
            vectors = embed(collection, used, lambda amount, note: on_progress(0, amount, note))
    vectors.write(out)
    if save_encoder is not None:
        used.save_pretrained(save_encoder)
    if as_json:
        console.print_json(data={"vectors": str(out), "networks": len(vectors.z), "size": vectors.z.shape[1]})
        return
    console.print(f"wrote {len(vectors.z)} vectors of {vectors.z.shape[1]} numbers to {out}", markup=False)


def search_command(
    zoo: Annotated[Path, typer.Argument(help="A zoo, or a folder of networks.")],
    query: Annotated[str, typer.Argument(help="A name in the zoo, or a file of a network.")],
    threads: Threads,
    top: Annotated[int, typer.Option(min=1, help="How many to find.")] = 10,
    encoder: EncoderName = ANSWERS,
    vectors: Annotated[
        Path | None,
        typer.Option(help="What embed wrote for this zoo by this --encoder; only the query is encoded then."),
    ] = None,
    inputs: Inputs = None,
    declare: Declare = None,
    knob: Knob = None,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Find the networks that are most alike to one."""
    torch.set_num_threads(threads)
    said = declared(declare, knob, [zoo, query])
    collection = collection_of([zoo], said, inputs, where)
    is_file = query not in collection.names and Path(query).is_file()
    near = any(query.lower() in name.lower() for name in collection.names.tolist())
    if not is_file and not near and Path(query).suffix:
        raise RNN2VecError(f"a query is a name in {zoo}, or a file of a network; neither is there: {query}")
    asked = networks_of([query], said)[1] if is_file else query
    if vectors is not None and encoder == ANSWERS:
        raise RNN2VecError(
            "vectors are searched by the encoder that made them: add --encoder DIR, see embed --save-encoder"
        )
    z = None if vectors is None else Vectors.read(vectors).of(collection.names)
    matches = search(collection, asked, encoder_of(encoder), top, z)
    if as_json:
        plain = [dataclasses.asdict(match) for match in matches]
        console.print_json(data={"query": query, "results": plain})
        return
    if not matches:
        console.print("there is no other network")
        return
    heads = {name: f"{name} (label)" if name in COLUMNS else name for name in matches[0].labels}
    rows = []
    for match in matches:
        values = (str(match.rank), match.name, f"{match.similarity:.3f}", f"{match.difference:.4f}")
        row = dict(zip(COLUMNS, values, strict=True))
        for name, value in match.labels.items():
            row[heads[name]] = f"{value:.6g}" if isinstance(value, float) else str(value)
        rows.append(row)
    hidden = print_rows(f"Most alike to {query}", rows, [*heads.values()])
    outputs = collection.networks.interface.outputs
    console.print(
        f"similarity: cosine of z. difference: {outputs.measure}{outputs.scaled}, of the answers.", style="dim"
    )
    if encoder == ANSWERS and len(collection) < FEW:
        console.print(
            f"similarity says little among {len(collection)} networks, from which its components are taken: go by the "
            "difference",
            style="dim",
        )
    if hidden:
        console.print(f"no room for {', '.join(hidden)}: --json has all", style="dim", markup=False)
