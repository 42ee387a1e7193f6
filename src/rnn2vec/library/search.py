"""Search: the networks nearest to one, by the cosine of vectors, and how far their behaviour really is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64

from rnn2vec.encoders import Encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import whole
from rnn2vec.library.collection import Collection
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import answers_of, difference

ROWS = 2**18
"""Vectors that are compared at once."""
PROVEN = 8
"""Given vectors that are made again, evenly spread."""
TOLERANCE = 1e-3
"""Of given vectors' coordinates: rounding differs between machines and batches."""


def nearest(
    vectors: Float[np.ndarray, "N Z"], queries: Float[np.ndarray, "Q Z"], top: int
) -> tuple[Int64[np.ndarray, "Q top"], Float32[np.ndarray, "Q top"]]:
    """The nearest of unit vectors to queries.

    Args:
        vectors: ``[N, Z]``; a memory-mapped array is read piece by piece.
        queries: ``[Q, Z]``.
        top: how many to find; fewer, if there are fewer.

    Returns:
        Rows ``[Q, top]`` and cosines ``[Q, top]``, the nearest first; of equal ones, the lower row.

    Raises:
        RNN2VecError: if sizes differ, or ``top`` is no whole number of at least 1.
    """
    if vectors.ndim != 2 or queries.ndim != 2 or vectors.shape[1] != queries.shape[1]:
        raise RNN2VecError(
            f"vectors [N, Z] are compared with queries [Q, Z]; got {list(vectors.shape)} and {list(queries.shape)}"
        )
    top = min(whole("top", top), len(vectors))
    rows = np.empty((len(queries), 0), dtype=np.int64)
    cosines = np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, len(vectors), ROWS):
        found = queries.astype(np.float32) @ np.asarray(vectors[start : start + ROWS], dtype=np.float32).T
        if found.shape[1] > top:
            kept = np.argpartition(-found, top - 1, axis=1)[:, :top]
            # all that equal the last one kept compete by their rows
            tied = (found == np.take_along_axis(found, kept, 1).min(1, keepdims=True)).sum(1) > 1
            for query in np.flatnonzero(tied):
                kept[query] = np.argsort(-found[query], kind="stable")[:top]
            found = np.take_along_axis(found, kept, 1)
        else:
            kept = np.broadcast_to(np.arange(found.shape[1]), found.shape)
        rows, cosines = np.concatenate([rows, kept + start], 1), np.concatenate([cosines, found], 1)
        order = np.lexsort((rows, -cosines), axis=1)[:, :top]
        rows, cosines = np.take_along_axis(rows, order, 1), np.take_along_axis(cosines, order, 1)
    return rows, cosines


@dataclasses.dataclass(frozen=True)
class Match:
    """A network that was found.

    Attributes:
        rank: 1 is the nearest.
        row: in the collection.
        name: its name there.
        similarity: cosine of its vector and that of the query.
        difference: of its answers and those of the query to the collection's questions, in the interface's own measure:
            what similarity claims to stand for.
        labels: its labels in the collection, by name.
    """

    rank: int
    row: int
    name: str
    similarity: float
    difference: float
    labels: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


def search(
    collection: Collection,
    query: Networks | str,
    encoder: Encoder | None = None,
    top: int = 10,
    z: Float[np.ndarray, "N Z"] | None = None,
) -> list[Match]:
    """The networks of a collection that are most alike to one.

    Args:
        collection: N networks.
        query: one network, or the name of one of these, which is then left out of what is found.
        encoder: by default, the answers encoder fitted to these networks, which needs no training.
        top: how many to find.
        z: vectors of the collection ``[N, Z]`` by this encoder, if they are there already; a few are proven.

    Raises:
        RNN2VecError: if the query is not one network, the encoder cannot read it, or the vectors are of other networks
            or another encoder.
    """
    own = collection.row(query) if isinstance(query, str) else None
    asked = query if own is None else collection.networks[[own]]
    assert not isinstance(asked, str)
    if len(asked) != 1:
        raise RNN2VecError(f"a query is one network; got {len(asked)}: choose one, of knob positions by --knob")
    if not collection.networks.interface.fits(asked.interface):
        mine, theirs = (
            (each.inputs.size, each.outputs.size) for each in (collection.networks.interface, asked.interface)
        )
        raise RNN2VecError(
            f"a query has the interface of what is searched, {collection.networks.interface}; got {asked.interface}: "
            + ("declare the interface of its file" if mine == theirs else "--knob folds inputs that stay constant")
        )
    encoder = collection.fitted_encoder() if encoder is None else encoder
    if z is None:
        z = encoder.encode(collection.networks)
    else:
        _require_own(z, collection, encoder)
    rows, cosines = (found[0] for found in nearest(z, encoder.encode(asked), whole("top", top) + (own is not None)))
    kept = [place for place, row in enumerate(rows) if row != own][:top]
    if not kept:
        return []
    answers = answers_of(asked, collection.questions)
    others = answers_of(collection.networks[rows[kept]], collection.questions)
    apart = difference(collection.networks.interface, others, answers, collection.unit)
    found = []
    for rank, place in enumerate(kept):
        row = int(rows[place])
        known = {name: column[row : row + 1].tolist()[0] for name, column in collection.labels.items()}
        name = str(collection.names[row])
        found.append(Match(rank + 1, row, name, float(cosines[place]), float(apart[rank]), known))
    return found


def _require_own(z: np.ndarray, collection: Collection, encoder: Encoder) -> None:
    """Encode a few networks again: names and sizes alone do not tell one encoder's vectors from another's.

    Raises:
        RNN2VecError: if vectors ``[N, Z]`` are not what the encoder makes of these networks.
    """
    if len(z) != len(collection):
        raise RNN2VecError(f"every network has a vector; got {len(z)} vectors for {len(collection)} networks")
    rows = np.linspace(0, len(z) - 1, min(len(z), PROVEN)).astype(int)
    again = encoder.encode(collection.networks[rows])
    apart = float(np.abs(z[rows] - again).max()) if again.shape[1:] == z.shape[1:] else np.inf
    if not apart < TOLERANCE:
        raise RNN2VecError(
            f"vectors are those that this encoder makes of these networks; got others, of size {z.shape[1]} and "
            f"{apart:.2g} away: write them again by `rnn2vec embed` with this encoder"
        )
