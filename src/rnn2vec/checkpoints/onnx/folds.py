"""Operators of ONNX on arrays that are known: shapes, constants, and where the numbers of a network are moved to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnn2vec.checkpoints.onnx.node import Node
from rnn2vec.errors import RNN2VecError

Known = np.ndarray[Any, np.dtype[Any]]

CONSTANTS = ("value", "value_int", "value_ints", "value_float", "value_floats")

TYPES = {1: "float32", 6: "int32", 7: "int64", 11: "float64"}
"""By ONNX' numbers."""


def _integers(values: object) -> list[int]:
    found = np.asarray(values)
    if found.dtype.kind not in "iu" or found.ndim > 1:
        raise ValueError(f"axes and sizes are whole numbers in a row; got {found.dtype} of shape {list(found.shape)}")
    return [int(own) for own in np.atleast_1d(found)]


def _constant(node: Node) -> Known:
    found = [node.get(name, None) for name in CONSTANTS if name in node.attributes]
    if len(found) != 1:
        raise RNN2VecError(f"{node} is read with one of {', '.join(CONSTANTS)}")
    return np.asarray(found[0])


def _shape(node: Node, values: Known) -> Known:
    return np.array(values.shape[node.get("start", 0) : node.get("end", None)], dtype=np.int64)


def _axes(node: Node, axes: Known | None) -> tuple[int, ...] | None:
    """Given as an input since version 13, as an attribute before."""
    own = node.get("axes", None) if axes is None else axes
    return None if own is None else tuple(_integers(own))


def _squeeze(node: Node, values: Known, axes: Known | None = None) -> Known:
    return np.squeeze(values, _axes(node, axes))


def _unsqueeze(node: Node, values: Known, axes: Known | None = None) -> Known:
    places = _axes(node, axes)
    if places is None:
        raise ValueError("it has no axes")
    return np.expand_dims(values, places)


def _transpose(node: Node, values: Known) -> Known:
    return np.transpose(values, node.get("perm", None))


def _reshape(node: Node, values: Known, shape: Known) -> Known:
    wanted, keeps = _integers(shape), not node.get("allowzero", 0)
    node.budget.claim(str(node), values.shape)
    return values.reshape([values.shape[place] if keeps and not own else own for place, own in enumerate(wanted)])


def _flatten(node: Node, values: Known) -> Known:
    axis = node.get("axis", 1)
    node.budget.claim(str(node), values.shape)
    return values.reshape(int(np.prod(values.shape[:axis], dtype=np.int64)), -1)


def _slice(
    node: Node,
    values: Known,
    starts: Known | None = None,
    ends: Known | None = None,
    axes: Known | None = None,
    steps: Known | None = None,
) -> Known:
    """Bounds are inputs since version 10, attributes before."""
    first, last = (
        _integers(node.get(name, None) if own is None else own) for name, own in (("starts", starts), ("ends", ends))
    )
    along = _axes(node, axes) or range(len(first))
    by = [1] * len(first) if steps is None else _integers(steps)
    cut = [slice(None)] * values.ndim
    for axis, *bounds in zip(along, first, last, by, strict=True):
        cut[axis] = slice(*bounds)
    return values[tuple(cut)]


def _gather(node: Node, values: Known, indices: Known) -> Known:
    axis = node.get("axis", 0)
    rest = values.size // max(values.shape[axis], 1)
    node.budget.claim(str(node), (rest, indices.size))
    return np.take(values, indices, axis)


def _concat(node: Node, *values: Known) -> Known:
    node.budget.claim(str(node), [sum(own.size for own in values)])
    return np.concatenate(values, node.get("axis", 0))


def _expand(node: Node, values: Known, shape: Known) -> Known:
    made = np.broadcast_shapes(values.shape, tuple(_integers(shape)))
    node.budget.claim(str(node), made)
    return np.broadcast_to(values, made)


def _constant_of_shape(node: Node, shape: Known) -> Known:
    value = np.asarray(node.get("value", np.zeros(1, np.float32)))
    made = tuple(_integers(shape))
    node.budget.claim(str(node), made)
    return np.broadcast_to(value.reshape(()), made)


def _identity(node: Node, values: Known) -> Known:
    return values


def _cast(node: Node, values: Known) -> Known:
    kind = node.get("to", 0)
    node.get("saturate", 1)  # of types that are not read
    if kind not in TYPES:
        raise RNN2VecError(f"{node} is read to the types {', '.join(TYPES.values())}; the file has {kind}")
    node.budget.claim(str(node), values.shape)
    return values.astype(TYPES[kind])


def _dropout(node: Node, values: Known, *others: Known | None) -> Known:
    """What is done outside training: nothing."""
    node.get("ratio", 0.5)
    node.get("seed", 0)
    if len(others) > 1 and others[1] is not None and np.any(others[1]):
        raise RNN2VecError(f"{node} is read outside training; the file has it in training_mode")
    return values


def _calculated(function: Callable[[Known, Known], Known]) -> Callable[..., Known]:
    def of(node: Node, left: Known, right: Known) -> Known:
        node.budget.claim(str(node), np.broadcast_shapes(left.shape, right.shape))
        return function(left, right)

    return of


def _divided(left: Known, right: Known) -> Known:
    if left.dtype.kind == "f":
        return left / right
    if not np.all(right) or np.any((left < 0) | (right < 0)):
        raise ValueError("whole numbers are divided by others above 0")
    return left // right


MOVES: dict[str, Callable[..., Known]] = {
    "Identity": _identity,
    "Dropout": _dropout,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Slice": _slice,
    "Gather": _gather,
}
"""What changes no number, and may stand between layers, too."""

FOLDS: dict[str, Callable[..., Known]] = {
    **MOVES,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Shape": _shape,
    "Cast": _cast,
    "Concat": _concat,
    "Expand": _expand,
    "Add": _calculated(np.add),
    "Sub": _calculated(np.subtract),
    "Mul": _calculated(np.multiply),
    "Div": _calculated(_divided),
}
