"""The atlas of a collection: what its page holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnn2vec.encoders import Encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.families import family_of
from rnn2vec.files import write_atomically
from rnn2vec.library.collection import Collection, OnProgress
from rnn2vec.library.duplicates import duplicates
from rnn2vec.library.lineage import Ages, lineage
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
    collection: Collection,
    out: Path,
    encoder: Encoder | None = None,
    *,
    title: str = "Atlas",
    columns: Sequence[Column] = (),
    ages: Ages = (None, None),
    layout: str = "pca",
    answers: bool = True,
    related: bool = False,
    seed: int = 0,
    on_progress: OnProgress = lambda amount, note: None,
) -> None:
    """Write a map of networks as one HTML page that needs nothing but itself.

    Args:
        collection: the networks, and what they are asked.
        out: the file.
        encoder: whose z is drawn; by default the answers encoder, fitted to the collection.
        title: of the page.
        columns: what networks can be coloured by, beside what their answers tell; see :func:`columns_of`.
        ages: training steps and models, for the direction of lineage; see :func:`rnn2vec.library.lineage.ages_of`.
        layout: ``pca``, the two first principal components of z; or ``tsne``, which keeps neighbours together and says
            nothing of larger distances.
        answers: draw what networks answer to a few questions; without, the page is smaller.
        related: also find duplicates and lineage, to be drawn as lines; some seconds more.
        seed: of t-SNE.
        on_progress: called as ``on_progress(networks, note)``.

    Raises:
        RNN2VecError: if the layout is none of these, or the encoder cannot read the networks.
    """
    if layout not in LAYOUTS:
        raise RNN2VecError(f"a layout is one of {', '.join(LAYOUTS)}; got {layout!r}")
    z = embed(collection, encoder, on_progress).z
    drawn, measured = _answers(collection)
    positions, what = placed(z, layout, seed)
    groups = [group.rows for group in duplicates(collection)] if related else []
    edges = [edge.rows for edge in lineage(collection, *ages).edges] if related else []
    names, shown = collection.names.tolist(), drawn if answers else None
    page = render_atlas(title, names, positions, z, [*columns, measured], shown, groups, edges, what)
    write_atomically(out, page.encode())


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


def columns_of(zoo: Zoo) -> list[Column]:
    """What a zoo's networks can be coloured by: columns of its table, that of its split first, then labels or the
    properties that its family reads, in their order.
    """
    table, found = zoo.snapshots, []
    labels: dict[str, str] = dict(zoo.index.labels)
    if zoo.index.task_set is not None:
        labels |= {each.name: each.kind for each in family_of(zoo.family).properties}
    places = {name: place for place, name in enumerate([zoo.index.split_by, *labels])}
    for name in table.column_names:
        if name in _NEVER:
            continue
        values = table[name].to_numpy()
        kind = labels.get(name, "number" if values.dtype.kind in "iufb" else "class")
        distinct = len(np.unique(values.astype(str) if kind == "class" else values))
        if distinct > 1 and (kind != "class" or distinct <= min(MOST_KINDS, max(2, 0.8 * len(values)))):
            found.append(Column(name, kind, values))
    return sorted(found, key=lambda column: places.get(column.name, len(places)))


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
