"""The atlas: a map of networks as one HTML file that needs nothing but itself, and no network.

Everything that comes from networks, names above all, is in the page as compressed JSON in base64, so that no text of a
file is ever markup.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

MOST_LABELS = 400
"""Networks whose names are drawn where there is room, the most different first."""
CLASSES = "classes"
MOST_KINDS = 1000
"""Different values of a column of classes."""


@dataclasses.dataclass(frozen=True)
class Column:
    """What networks can be coloured by.

    Attributes:
        name: its title.
        kind: ``class``, ``number`` or ``angle``, in degrees.
        values: ``[N]`` text or numbers; NaN is no value.
    """

    name: str
    kind: str
    values: np.ndarray


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What networks answered, as the page draws it.

    Attributes:
        kind: ``numbers``, a curve, or ``classes``, a row of cells, each the likeliest class.
        values: ``[N, Q, T]``: numbers, or classes.
        strengths: ``[N, Q, T]`` in 0..1, how strongly each cell is drawn: the probability of its class.
    """

    kind: str
    values: np.ndarray
    strengths: np.ndarray


def render_atlas(
    title: str,
    names: Sequence[str],
    positions: np.ndarray,
    z: np.ndarray,
    columns: Sequence[Column],
    drawn: Drawn | None = None,
    groups: Sequence[Sequence[int]] = (),
    edges: Sequence[tuple[int, int]] = (),
    layout: str = "PCA",
) -> str:
    """Make the page.

    Args:
        title: of the page.
        names: of N networks.
        positions: on the map, ``[N, 2]``.
        z: unit vectors ``[N, Z]``, of which the page finds the nearest.
        columns: to colour by; the first is chosen.
        drawn: answers to a few questions.
        groups: rows of networks that are duplicates of each other.
        edges: rows of networks that descend from each other.
        layout: what positions are, for the reader.
    """
    data = {
        "names": list(names),
        "layout": layout,
        "positions": _packed(np.rint(65535 * _within_unit_square(positions)), "<u2"),
        "size": z.shape[1],
        "z": _packed(np.rint(127 * z), "i1"),
        "columns": [_column(column) for column in columns],
        "drawn": None if drawn is None else _drawn(drawn),
        "groups": [list(map(int, group)) for group in groups],
        "edges": [list(map(int, edge)) for edge in edges],
        "labels": far_apart(positions, MOST_LABELS).tolist(),
    }
    content = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    place = files("rnn2vec.report")
    return environment.from_string((place / "atlas.html").read_text("utf-8")).render(
        title=title,
        count=len(names),
        style=Markup((place / "atlas.css").read_text("utf-8")),
        script=Markup((place / "atlas.js").read_text("utf-8")),
        data=base64.b64encode(zlib.compress(content, 9)).decode(),
    )


def far_apart(positions: np.ndarray, count: int) -> np.ndarray:
    """Rows of at most ``count`` points, each the farthest from all before it; the first is nearest to the centre."""
    squares = np.square(positions - positions.mean(0)).sum(1)
    chosen = [int(squares.argmin())]
    apart = np.full(len(positions), np.inf)
    while len(chosen) < min(count, len(positions)):
        apart = np.minimum(apart, np.square(positions - positions[chosen[-1]]).sum(1))
        apart[chosen] = -1
        chosen.append(int(apart.argmax()))
    return np.array(chosen)


def _within_unit_square(positions: np.ndarray) -> np.ndarray:
    """The same picture, centred, in 0..1."""
    low, high = positions.min(0), positions.max(0)
    extent = float((high - low).max())
    return 0.5 + (positions - (low + high) / 2) / (extent if extent > 0 else 1.0)


def _packed(values: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(dtype).tobytes()).decode()


def _column(column: Column) -> dict[str, Any]:
    """Classes as places in a list of texts; numbers in float32, of which NaN is no value."""
    plain: dict[str, Any] = {"name": column.name, "kind": column.kind}
    if column.kind == "class":
        texts, places, counts = np.unique(column.values.astype(str), return_inverse=True, return_counts=True)
        # The most frequent get the clearest colours; of equally frequent ones, numbers go by what they are.
        numbers = np.array([_number(text) for text in texts])
        order = np.lexsort((np.arange(len(texts)), numbers, -counts))
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return plain | {"texts": texts[order].tolist(), "values": _packed(back[places.reshape(-1)], "<u2")}
    values = column.values.astype(np.float64)
    known = np.abs(values) <= np.finfo(np.float32).max
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 1.0)
    whole = bool(np.array_equal(values[known], np.rint(values[known])))
    return plain | {"low": low, "high": high, "whole": whole, "values": _packed(np.where(known, values, np.nan), "<f4")}


def _number(text: str) -> float:
    """What a text spells, if that is a number; else a number after all others."""
    try:
        return float(text)
    except ValueError:
        return np.inf


def _drawn(drawn: Drawn) -> Mapping[str, Any]:
    """Numbers in 255 steps between the extremes of each question; classes in as few bytes as hold the highest, and
    strengths in 16 steps.
    """
    shape = {"kind": drawn.kind, "questions": drawn.values.shape[1], "steps": drawn.values.shape[2]}
    if drawn.kind == CLASSES:
        bytes_each = np.min_scalar_type(int(drawn.values.max())).itemsize
        return shape | {
            "bytes": bytes_each,
            "values": _packed(drawn.values, f"<u{bytes_each}"),
            "strengths": _packed(np.rint(15 * drawn.strengths), "u1"),
        }
    low, high = drawn.values.min((0, 2), keepdims=True), drawn.values.max((0, 2), keepdims=True)
    scaled = (drawn.values - low) / np.where(high > low, high - low, 1.0)
    values = {"bytes": 1, "values": _packed(np.rint(255 * scaled), "u1")}
    return shape | values | {"low": low.ravel().tolist(), "high": high.ravel().tolist()}
