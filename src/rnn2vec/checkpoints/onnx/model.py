"""ONNX: a graph whose one main value is followed from the input to the output."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.checkpoints.layers import Described
from rnn2vec.checkpoints.onnx.graph import Graph
from rnn2vec.errors import RNN2VecError

NAME = "ONNX"
SECOND_FIELDS = b"\x12\x1a\x22\x28\x32\x3a\x42"
"""How the field after the version of a model begins: protobuf has no signature."""

TRIALS = ((5, 7, 11), (13, 17, 19))
"""Sizes that free axes of the input get; a graph that is read at both sizes as one network does not depend on them."""


def recognised(content: bytes) -> bool:
    """Whether a file begins as models do: with the version of the format and another field."""
    return len(content) > 2 and content[0] == 8 and 1 <= content[1] < 128 and content[2] in SECOND_FIELDS


def describe(path: Path, content: bytes) -> Described:
    """The network of a model.

    Args:
        path: of the model; its tensors may be in files beside it.
        content: of that file.

    Raises:
        RNN2VecError: if it is damaged, or no recurrent network that can be represented.
    """
    graph = Graph(path, content)
    free = list(dict.fromkeys(size for size in graph.shape if not isinstance(size, int)))
    each = [graph.described([_size(own, free, trial) for own in graph.shape]) for trial in TRIALS[: 1 + bool(free)]]
    if not all(_alike(each[0], other) for other in each):
        raise RNN2VecError("a graph is the same network at all sizes of its input; this one's weights depend on them")
    if not free:
        each[0].notes.append(f"the file fixes the sizes of its input, {graph.shape}; here sequences have any length")
    if graph.ignored:
        each[0].notes.append(f"ignored: the last states, {', '.join(graph.ignored)}")
    return each[0]


def _size(own: int | str, free: Sequence[int | str], trial: tuple[int, ...]) -> int:
    return own if isinstance(own, int) else trial[free.index(own)]


def _alike(one: Any, other: Any) -> bool:
    """Whether two networks are the same, numbers and all."""
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return type(one) is type(other) and all(_alike(getattr(one, own), getattr(other, own)) for own in names)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
