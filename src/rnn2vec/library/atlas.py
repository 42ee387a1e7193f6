"""The atlas of a zoo: what its page holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from rnn2vec.encoders import Encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import write_atomically
from rnn2vec.library.collection import Collection, OnProgress
from rnn2vec.library.duplicates import duplicates
from rnn2vec.library.lineage import ages_of, lineage
from rnn2vec.library.vectors import embed
from rnn2vec.networks.behaviour import answers_of, batches
from rnn2vec.report.atlas import MOST_KINDS, Column, Drawn, render_atlas
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.table import OWN

LAYOUTS = ("pca", "tsne")
QUESTIONS, STEPS = 3, 64
"""Whose answers are drawn, and how many steps of each."""
_NEVER = {*OWN, "notes", "model"} - {"source"}


def atlas(
    zoo: Zoo,
    out: Path,
    encoder: Encoder | None = None,
    *,
    title: str | None = None,
    layout: str = "pca",
    answers: bool = True,
    related: bool = False,
    seed: int = 0,
    on_progress: OnProgress = lambda amount, note: None,
) -> Collection:
    """Write a map of a zoo's networks as one HTML page that needs nothing but itself.

    Args:
        zoo: with traces.
        out: the file.
        encoder: whose z is drawn; by default the answers encoder, fitted to the zoo.
        title: of the page; the zoo's folder by default.
        layout: ``pca``, the two first principal components of z; or ``tsne``, which keeps neighbours together and says
            nothing of larger distances.
        answers: draw what networks answer to a few questions; without, the page is smaller.
        related: also find duplicates and lineage, to be drawn as lines; some seconds more.
        seed: of t-SNE.
        on_progress: called as ``on_progress(networks, note)``.

    Returns:
        The networks that are drawn.

    Raises:
        RNN2VecError: if the layout is none of these, or the encoder cannot read the networks.
    """
    if layout not in LAYOUTS:
        raise RNN2VecError(f"a layout is one of {', '.join(LAYOUTS)}; got {layout!r}")
    collection = Collection.of_zoo(zoo)
    z = embed(collection, encoder, on_progress).z
    drawn, measured = _answers(collection)
    columns = [*columns_of(zoo.snapshots, zoo.index.labels, zoo.index.split_by), measured]
    name = title or f"Atlas of {zoo.directory.resolve().name}"
    positions, what = placed(z, layout, seed)
    groups = [group.rows for group in duplicates(collection)] if related else []
    edges = [edge.rows for edge in lineage(collection, *ages_of(zoo)).edges] if related else []
    page = render_atlas(
        name, collection.names.tolist(), positions, z, columns, drawn if answers else None, groups, edges, what
    )
    write_atomically(out, page.encode())
    return collection


def placed(z: np.ndarray, layout: str, seed: int = 0) -> tuple[np.ndarray, str]:
    """Positions ``[N, 2]`` of vectors ``[N, Z]`` on a map, and what they are in words."""
    centred = z.astype(np.float64) - z.mean(0)
    _, _, right = np.linalg.svd(centred.T @ centred)
    flat = np.zeros((len(z), 2))
    components = centred @ right[:2].T
    flat[:, : components.shape[1]] = components
    if layout == "pca" or len(z) < 4:  # fewer have no neighbourhoods
        share = np.square(components).sum() / max(np.square(centred).sum(), 1e-30)
        return flat, f"first two principal components of z ({share:.0%} of its variance)"
    from sklearn.manifold import TSNE  # slow to import

    start = flat / max(float(flat[:, 0].std()), 1e-12) * 1e-4
    perplexity = min(30.0, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(z), "t-SNE of z"


def columns_of(table: pa.Table, labels: Mapping[str, str], first: str) -> list[Column]:
    """The columns of a table that networks can be coloured by: that of ``first`` comes first, then labels."""
    found = []
    for name in table.column_names:
        if name in _NEVER:
            continue
        values = table[name].to_numpy()
        kind = labels.get(name, "number" if values.dtype.kind in "iufb" else "class")
        distinct = len(np.unique(values.astype(str) if kind == "class" else values))
        if distinct > 1 and (kind != "class" or distinct <= min(MOST_KINDS, max(2, 0.8 * len(values)))):
            found.append(Column(name, kind, values))
    return sorted(found, key=lambda column: (column.name != first, column.name not in labels))


def _answers(collection: Collection) -> tuple[Drawn, Column]:
    """What is drawn of every network's answers, and one quantity measured on all of them."""
    outputs = collection.networks.interface.outputs
    asked = collection.questions
    kept = asked[np.linspace(0, len(asked) - 1, min(QUESTIONS, len(asked))).astype(int)]
    steps = np.linspace(0, kept.shape[1] - 1, min(STEPS, kept.shape[1])).astype(int)
    values, strengths, measured = [], [], []
    for rows in batches(collection.networks, kept):
        said = answers_of(collection.networks[rows], kept)
        value, strength, quantity = outputs.pictured(said)
        values.append(value[:, :, steps].numpy())
        strengths.append(strength[:, :, steps].numpy())
        measured.append(quantity.numpy())
    drawn = Drawn(outputs.kind, np.concatenate(values), np.concatenate(strengths))
    return drawn, Column(outputs.quantity, "number", np.concatenate(measured))
