"""Operators of ONNX that are layers: one function an operator; whatever has none is refused by its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from rnn2vec.architecture import GATES
from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.layers import Bidirectional, Dense, Recurrent, activated, reordered
from rnn2vec.checkpoints.onnx.folds import FOLDS, Known
from rnn2vec.checkpoints.onnx.node import Node
from rnn2vec.checkpoints.onnx.signal import Places, Signal, arranged
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

CELLS = {"LSTM": "lstm", "GRU": "gru", "RNN": "elman"}
ORDERS = {"lstm": "iofc", "gru": "zrh"}
"""A GRU's z keeps the old state, as torch.nn's does."""

NONLINEARITIES = {"lstm": ["sigmoid", "tanh", "tanh"], "gru": ["sigmoid", "tanh"], "elman": ["tanh"]}
ACTIVATIONS = {"Tanh": "tanh", "Relu": "relu", "Sigmoid": "sigmoid", "Softplus": "softplus"}


def _branches(node: Node) -> RNN2VecError:
    return RNN2VecError(f"the layers of a network stand one after the other; {node} reads two parts of it")


def _known(node: Node, *values: Any) -> None:
    if any(isinstance(own, Signal) for own in values):
        raise _branches(node)


def _linear(node: Node, below: Signal, weight: Array, bias: Array) -> Signal:
    own, steps = below.read(node)
    if own.features != weight.shape[1]:
        raise RNN2VecError(f"{node} reads {weight.shape[1]} numbers of a step; there are {own.features}")
    return own.on_top(node, steps, len(weight), [*own.layers, Dense(weight, bias)])


def _matmul(node: Node, below: Any, weight: Any) -> Signal:
    _known(node, weight)
    if not isinstance(below, Signal):
        raise RNN2VecError(f"{node} is read with its weights on the right; the file has them on the left")
    kernel = node.weights("the weight", weight, None, None)
    return _linear(node, below, kernel.T, np.zeros(kernel.shape[1]))


def _gemm(node: Node, below: Any, weight: Any, bias: Any = None) -> Signal:
    _known(node, weight, bias)
    node.require(transA=0)
    if not isinstance(below, Signal) or below.places.ndim != 2:
        raise RNN2VecError(f"{node} is read of rows of numbers, with its weights on the right; the file has others")
    kernel = node.weights("the weight", weight, None, None) * node.get("alpha", 1.0)
    kernel = kernel if node.get("transB", 0) else kernel.T
    scale, added = node.get("beta", 1.0), np.zeros(len(kernel))
    if bias is not None:
        added = _per_feature(node, bias, (len(below.places), len(kernel))) * scale
    return _linear(node, below, kernel, added)


def _per_feature(node: Node, values: Known, shape: tuple[int, ...]) -> Array:
    """A number for each number of a step: what is broadcast along the last axis of a shape."""
    features = shape[-1] if shape else 1
    if (
        values.size not in (1, features)
        or values.ndim > len(shape)
        or (values.ndim and values.size != values.shape[-1])
    ):
        raise RNN2VecError(f"{node} is read with a number for each of {features} of a step; got {list(values.shape)}")
    return np.broadcast_to(node.weights("the numbers", values.ravel(), values.size), features)


def _affine(scale: Callable[[Array], Any], shift: Callable[[Array], Any]) -> Callable[..., Signal]:
    """The reader of an operator that multiplies each number of a step, or adds to it."""

    def of(node: Node, left: Any, right: Any) -> Signal:
        _known(node, *([right] if isinstance(left, Signal) else []))
        below, values = (left, right) if isinstance(left, Signal) else (right, left)
        if below is right and node.kind in ("Sub", "Div"):
            raise RNN2VecError(f"{node} is read of a network and numbers; the file has numbers and a network")
        own, steps = below.read(node)
        given = _per_feature(node, values, own.places.shape)
        if node.kind == "Div" and not given.all():
            raise RNN2VecError(f"{node} divides by numbers other than 0; the file has 0")
        gains, added = (np.broadcast_to(part(given), given.shape) for part in (scale, shift))
        last = own.layers[-1] if own.layers else None
        if isinstance(last, Dense) and last.activation == "identity":
            layer = Dense(last.weight * gains[:, None], last.bias * gains + added)
            return own.on_top(node, steps, own.features, [*own.layers[:-1], layer])
        node.budget.claim(str(node), (own.features, own.features))
        return own.on_top(node, steps, own.features, [*own.layers, Dense(np.diag(gains), np.array(added))])

    return of


def _activation(node: Node, below: Signal) -> Signal:
    own, steps = below.read(node)
    if not own.layers:
        raise RNN2VecError(f"an activation follows a layer with weights; {node} does not")
    return own.on_top(node, steps, own.features, activated(list(own.layers), ACTIVATIONS[node.kind]))


def _softmax(node: Node, below: Signal) -> Signal:
    own, steps = below.read(node)
    axis = node.get("axis", -1 if node.opset >= 13 else 1)
    if axis not in (-1, own.places.ndim - 1) or not own.layers:
        raise RNN2VecError(f"{node} is read over the last axis, after a layer; the file has axis {shown(axis)}")
    return own.on_top(node, steps, own.features, own.layers, softmax=str(node))


def _embedding(node: Node, table: Any, tokens: Any) -> Signal:
    _known(node, *([tokens] if isinstance(table, Signal) else []))
    node.require(axis=0)
    if not isinstance(tokens, Signal) or tokens.layers or tokens.features:
        raise RNN2VecError(f"an embedding is the first of all layers; {node} is not")
    found = node.weights("the embedding", table, None, None)
    begun, steps = dataclasses.replace(tokens, places=tokens.places[..., None]).read(node)
    return begun.on_top(node, steps, found.shape[1], (), embedding=found)


def _shape(node: Node, below: Signal) -> Known:
    return FOLDS[node.kind](node, below.places)


def _recurrent(
    node: Node,
    below: Any,
    weight: Any,
    weight_hh: Any,
    bias: Any = None,
    lengths: Any = None,
    initial_h: Any = None,
    initial_c: Any = None,
    peepholes: Any = None,
) -> list[Signal]:
    """All outputs ``[T, D, B, H]``, and the last states ``[D, B, H]``, each direction's own last."""
    if not isinstance(below, Signal):
        raise RNN2VecError(f"{node} reads the sequence; the file has numbers there")
    _known(node, weight, weight_hh, bias, lengths, initial_h, initial_c, peepholes)
    cell = CELLS[node.kind]
    own, steps = below.read(node)
    if steps.ndim != 2 or not arranged(steps, own.steps if own.grid is None else own.grid):
        raise RNN2VecError(f"{node} reads all steps in order, [T, B, {own.features}]; the file has others")
    if own.grid is not None and not np.array_equal(steps, own.grid):
        raise RNN2VecError(f"{node} reads time on the axis that the layers before it do; the file has others")
    length, batch = steps.shape
    if peepholes is not None and np.any(peepholes):
        raise RNN2VecError(f"{node} is read without peepholes; the file has them")
    if lengths is not None and (np.asarray(lengths) != length).any():
        raise RNN2VecError(f"{node} is read of whole sequences; the file has sequence_lens")
    direction = node.get("direction", "forward")
    if direction not in ("forward", "bidirectional"):
        raise RNN2VecError(f"{node} is read forward or bidirectional; the file has {shown(direction)}")
    ways = 1 + (direction == "bidirectional")
    node.require(layout=0, input_forget=0, activation_alpha=[], activation_beta=[])
    nonlinearities = _nonlinearities(node, cell, ways)
    reset = "after" if cell != "gru" or node.get("linear_before_reset", 0) else "before"
    kept = node.weights("R", weight_hh, ways, None, None)
    size = kept.shape[2]
    rows = GATES[cell] * size
    if kept.shape[1] != rows or (claimed := node.get("hidden_size", size)) != size:
        raise RNN2VecError(
            f"R of {node} is [{ways}, {GATES[cell]} H, H]; got {list(kept.shape)}"
            + ("" if kept.shape[1] != rows else f", and hidden_size {shown(claimed)}")
        )
    read = node.weights("W", weight, ways, rows, own.features)
    biases = np.zeros((ways, 2 * rows)) if bias is None else node.weights("B", bias, ways, 2 * rows)
    order = ORDERS.get(cell)

    def one_way(way: int) -> Recurrent:
        parts = (read[way], kept[way], biases[way, :rows], biases[way, rows:])
        w, u, b, b2 = (part if order is None else reordered(part, order, cell) for part in parts)
        h0, c0 = (_start(node, name, own, way, ways, batch, size) for name, own in states.items())
        return Recurrent(cell, w, u, b, b2, nonlinearities[way], reset, h0=h0, c0=c0)

    states = {"initial_h": initial_h, "initial_c": initial_c}
    each = [one_way(way) for way in range(ways)]
    layers = (*own.layers, each[0] if ways == 1 else Bidirectional(*each))
    node.budget.claim(str(node), (length, ways, batch, size))
    numbers = np.arange(ways * size).reshape(ways, 1, size)
    says: Places = steps[:, None, :, None] * (ways * size) + numbers
    last = np.stack([says[-1 if way == 0 else 0, way] for way in range(ways)])
    made = dataclasses.replace(own, places=says, features=ways * size, layers=layers, grid=steps)
    return [made, dataclasses.replace(made, places=last)]


def _nonlinearities(node: Node, cell: str, ways: int) -> list[str]:
    """Of a cell's state, for each direction."""
    usual = NONLINEARITIES[cell]
    found = [name.lower() for name in node.get("activations", usual * ways)]
    own = [found[place * len(usual) : (place + 1) * len(usual)] for place in range(ways)]
    allowed = [usual, ["relu"]] if cell == "elman" else [usual]
    if len(found) != len(usual) * ways or any(names not in allowed for names in own):
        raise RNN2VecError(
            f"{node} is read with the activations {' or '.join(', '.join(names) for names in allowed)}; the file has "
            f"{', '.join(found)}"
        )
    return [names[-1] for names in own]


def _start(node: Node, name: str, values: Any, way: int, ways: int, batch: int, size: int) -> Array | None:
    """An initial state ``[D, B, H]``, which is one for the whole batch."""
    if values is None:
        return None
    found = node.weights(name, values, ways, batch, size)[way]
    if (found != found[:1]).any():
        raise RNN2VecError(f"{name} of {node} is one for the whole batch; the file has others")
    return found[0]


LAYERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(CELLS, _recurrent),
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Add": _affine(np.ones_like, lambda given: given),
    "Sub": _affine(np.ones_like, lambda given: -given),
    "Mul": _affine(lambda given: given, np.zeros_like),
    "Div": _affine(lambda given: 1 / given, np.zeros_like),
    **dict.fromkeys(ACTIVATIONS, _activation),
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Gather": _embedding,
    "Shape": _shape,
}
"""What takes the network's value."""
