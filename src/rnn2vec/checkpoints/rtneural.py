"""JSON of RTNeural and AIDA-X: layers in Keras' orders; and the plain state dicts that RTNeural reads from torch.nn.

The first input is multiplied by ``in_gain`` before all else, the skip adds that, and ``out_gain`` multiplies the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnn2vec.architecture import ACTIVATIONS
from rnn2vec.checkpoints import columns
from rnn2vec.checkpoints.arrays import Array, array, field, mapping, not_read
from rnn2vec.checkpoints.layers import Dense, Described, Layer, Recurrent
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number, shown, whole

NAME = "RTNeural / AIDA-X JSON"
READ = ("type", "activation", "shape", "weights")
"""Fields of a layer."""
IGNORED = ("dropout",)
"""Layers that do nothing to a trained network."""


MOST_GAIN = 200.0
"""Decibels, either way."""


def recognised(values: dict[str, Any]) -> bool:
    """Whether a JSON object is of this format."""
    return {"in_shape", "layers"} <= values.keys()


def describe(values: dict[str, Any]) -> Described:
    """The network of a file.

    Raises:
        RNN2VecError: if a layer is of an unknown kind or activation, or its weights have other shapes.
    """
    shape = values["in_shape"]
    if not isinstance(shape, list) or not shape:
        raise RNN2VecError(f"in_shape is a list whose last is the number of inputs; got {shown(shape)}")
    below = whole("the inputs of in_shape", shape[-1])
    notes: list[str] = []
    listed = values["layers"]
    if not isinstance(listed, list):
        raise RNN2VecError(f"layers is a list; got {type(listed).__name__}")
    layers: list[Layer] = []
    for place, own in enumerate(listed):
        layer = mapping(f"layer {place}", own)
        kind = field(layer, "type")
        if kind in IGNORED:
            notes.append(f"ignored: layer {place}, {kind}")
            continue
        if kind == "activation":
            _activate(layers, place, _activation(layer, place))
            continue
        if kind not in LAYERS if isinstance(kind, str) else True:
            raise RNN2VecError(f"a layer is one of {', '.join([*LAYERS, *IGNORED])}; layer {place} is {shown(kind)}")
        weights = field(layer, "weights")
        if not isinstance(weights, list):
            raise RNN2VecError(f"the weights of layer {place} are a list; got {type(weights).__name__}")
        made = LAYERS[kind](f"layer {place} ({kind})", weights, below, _activation(layer, place))
        notes += not_read(f"layer {place}", layer, READ)
        if "activation" not in layer and isinstance(made, Dense):
            notes.append(f"assumed: no activation of layer {place}, of which the file says nothing")
        claimed = layer.get("shape")
        if isinstance(claimed, list) and claimed and claimed[-1] != made.says:
            notes.append(f"layer {place}: the file claims {shown(claimed[-1])} units, its weights are of {made.says}")
        layers.append(made)
        below = made.says
    skip = whole("in_skip", values.get("in_skip", 0), 0, 1)
    in_gain, out_gain = (_gain(name, values.get(name, 0.0)) for name in ("in_gain", "out_gain"))
    return Described(layers, bool(skip), in_gain, out_gain, notes=notes)


def self_test(values: dict[str, Any], inputs: int, outputs: int) -> tuple[Array, Array] | None:
    """The inputs ``[T, X]`` and outputs ``[T, Y]`` that a file is to be tested with, if it has them.

    Raises:
        RNN2VecError: if there is one without the other, or they are not of the network's sizes.
    """
    pair = [values.get(name) for name in ("input_batch", "output_batch")]
    if pair == [None, None]:
        return None
    read = []
    for name, own, size in zip(("input_batch", "output_batch"), pair, (inputs, outputs), strict=True):
        if own is None:
            raise RNN2VecError(f"a file has both of input_batch and output_batch; {name} is missing")
        try:
            flat = np.asarray(own).reshape(-1)
        except ValueError as error:
            raise RNN2VecError(f"{name} holds numbers in rows of one length; got others ({error})") from error
        if flat.size == 0 or flat.size % size:
            raise RNN2VecError(f"{name} holds {size} numbers a step; got {flat.size} numbers")
        read.append(array(name, flat, None).reshape(-1, size))
    if len(read[0]) != len(read[1]):
        raise RNN2VecError(f"input_batch has as many steps as output_batch; got {len(read[0])} and {len(read[1])}")
    return read[0], read[1]


def _gain(name: str, value: object) -> float:
    decibels = number(name, value, -MOST_GAIN)
    if decibels > MOST_GAIN:
        raise RNN2VecError(f"{name} is at most {MOST_GAIN:g} dB; got {decibels:g}")
    return float(10 ** (decibels / 20))


def _activation(layer: dict[str, Any], place: int) -> str:
    name = layer.get("activation", "")
    found = {"": "identity", "linear": "identity"}.get(name, name) if isinstance(name, str) else None
    if found not in ACTIVATIONS:
        raise RNN2VecError(f"an activation is one of {', '.join(ACTIVATIONS)}; that of layer {place} is {shown(name)}")
    return found


def _activate(layers: list[Layer], place: int, activation: str) -> None:
    last = layers[-1] if layers else None
    if not isinstance(last, Dense) or last.activation != "identity":
        raise RNN2VecError(f"an activation follows a dense layer that has none; layer {place} does not")
    last.activation = activation


def _parts(name: str, weights: list[Any], *counts: int) -> None:
    if len(weights) not in counts:
        raise RNN2VecError(f"{name} has {' or '.join(map(str, counts))} arrays of weights; got {len(weights)}")


def _dense(name: str, weights: list[Any], below: int, activation: str) -> Dense:
    _parts(name, weights, 1, 2)
    return columns.dense(name, weights, below, activation)


def _recurrent(cell: str, name: str, weights: list[Any], below: int, activation: str) -> Recurrent:
    _parts(name, weights, 3)
    if activation not in ("tanh", "identity"):  # the gates' own; RTNeural runs tanh whatever is written
        raise RNN2VecError(f"{cell} cells have tanh; {name} has {activation}")
    return columns.recurrent(cell, name, weights, below)


def _gru(name: str, weights: list[Any], below: int, activation: str) -> Recurrent:
    return _recurrent("gru", name, weights, below, activation)


def _lstm(name: str, weights: list[Any], below: int, activation: str) -> Recurrent:
    return _recurrent("lstm", name, weights, below, activation)


LAYERS: dict[str, Callable[[str, list[Any], int, str], Layer]] = {
    "dense": _dense,
    "time-distributed-dense": _dense,
    "lstm": _lstm,
    "gru": _gru,
}
