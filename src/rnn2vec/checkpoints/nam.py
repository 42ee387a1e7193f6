"""``.nam`` of Neural Amp Modeler: LSTMs with initial states of their own; its other architectures are not recurrent."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn2vec.checkpoints.arrays import array, field, mapping
from rnn2vec.checkpoints.layers import Dense, Described, Layer, Recurrent
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown, whole

NAME = "NAM"
SIZES = ("input_size", "hidden_size", "num_layers")
CHANNELS = ("in_channels", "out_channels")


def recognised(values: dict[str, Any]) -> bool:
    """Whether a JSON object is of this format."""
    return {"architecture", "config", "weights"} <= values.keys()


def describe(values: dict[str, Any]) -> Described:
    """The network of a file.

    Raises:
        RNN2VecError: if it is no LSTM, or there are not as many weights as its sizes take.
    """
    if values["architecture"] != "LSTM":
        raise RNN2VecError(
            f"the architecture of NAM that is read is LSTM; this is {shown(values['architecture'])}, and most others "
            "have no recurrent state"
        )
    config = mapping("config", values["config"])
    inputs, size, count = (whole(name, field(config, name)) for name in SIZES)
    if unknown := {
        name: own for name, own in config.items() if name not in SIZES and (name not in CHANNELS or own != 1)
    }:
        raise RNN2VecError(
            f"an LSTM of NAM has {', '.join(SIZES)}, and one channel in and out; this one has {shown(unknown)}, too"
        )
    flat = array("weights", values["weights"], None)
    each = [4 * size * (below + size) + 6 * size for below in [inputs, *[size] * min(count - 1, 1)]]
    expected = each[0] + (count - 1) * each[-1] + size + 1
    if len(flat) != expected:
        raise RNN2VecError(
            f"{count} layers of {size} with {inputs} inputs have {expected} weights; got {len(flat)}: the file was "
            "truncated, or its sizes are not its own"
        )
    layers: list[Layer] = []
    place, below = 0, inputs
    for _ in range(count):
        sizes = [4 * size * (below + size), 4 * size, size, size]
        both, bias, h0, c0 = np.split(flat[place : place + sum(sizes)], np.cumsum(sizes)[:-1])
        matrix = both.reshape(4 * size, below + size)
        layers.append(Recurrent("lstm", matrix[:, :below], matrix[:, below:], bias, np.zeros_like(bias), h0=h0, c0=c0))
        place, below = place + sum(sizes), size
    layers.append(Dense(flat[place : place + size][None], flat[place + size :]))
    return Described(layers)
