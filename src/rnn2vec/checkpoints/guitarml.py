"""JSON of GuitarML (Proteus, NeuralPi): an LSTM or GRU in torch.nn's orders, a linear layer, a skip."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn2vec.architecture import GATES
from rnn2vec.checkpoints.arrays import array, field, mapping, not_read
from rnn2vec.checkpoints.layers import Dense, Described, Layer, Recurrent, hidden_size
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown, whole

NAME = "GuitarML JSON"
MODEL = "SimpleRNN"
"""What is read; other classes of the same tools have convolutions, clippers or several blocks."""
CELLS = {"LSTM": "lstm", "GRU": "gru", "RNN": "elman"}
READ = ("model", "unit_type", "num_layers", "input_size", "hidden_size", "output_size", "skip", "bias_fl")


def recognised(values: dict[str, Any]) -> bool:
    """Whether a JSON object is of this format."""
    return {"model_data", "state_dict"} <= values.keys()


def describe(values: dict[str, Any]) -> Described:
    """The network of a file.

    Raises:
        RNN2VecError: if weights are missing, unknown, of another shape or number than the file claims.
    """
    data, state = mapping("model_data", values["model_data"]), mapping("state_dict", values["state_dict"])
    if data.get("model", MODEL) != MODEL:
        raise RNN2VecError(f"the model of a file is {MODEL}; got {shown(data['model'])}")
    if data.get("bidirectional"):
        raise RNN2VecError("recurrent layers of a file read forwards; it says that they are bidirectional")
    biased = data.get("bias_fl", True)
    if not isinstance(biased, bool):
        raise RNN2VecError(f"bias_fl is true or false; got {shown(biased)}")
    unit = field(data, "unit_type")
    if unit not in CELLS if isinstance(unit, str) else True:
        raise RNN2VecError(f"unit_type is one of {', '.join(CELLS)}; got {shown(unit)}")
    cell, claimed = CELLS[unit], whole("num_layers", data.get("num_layers", 1), 1, 1000)
    unread = dict(state)
    layers: list[Layer] = []
    below = whole("input_size", field(data, "input_size"))
    for number in range(claimed):

        def own(name: str, *shape: int | None, of: int = number) -> Any:
            key = f"rec.{name}_l{of}"
            if key not in unread:
                raise RNN2VecError(f"the file claims {claimed} recurrent layers; {key} is missing")
            return array(key, unread.pop(key), *shape)

        weight_hh = own("weight_hh", None, None)
        size = hidden_size(cell, f"rec.weight_hh_l{number}", weight_hh)
        rows = GATES[cell] * size
        first, second = [
            own(name, rows) if biased or f"rec.{name}_l{number}" in unread else np.zeros(rows)
            for name in ("bias_ih", "bias_hh")
        ]
        layers.append(Recurrent(cell, own("weight_ih", rows, below), weight_hh, first, second))
        below = size
    hidden = whole("hidden_size", data.get("hidden_size", below))
    outputs = whole("output_size", data.get("output_size", 1))
    weight = array("lin.weight", field(unread, "lin.weight"), outputs, below)
    bias = array("lin.bias", field(unread, "lin.bias"), outputs) if biased else np.zeros(outputs)
    read = ("lin.weight", "lin.bias") if biased else ("lin.weight",)
    unread = {name: value for name, value in unread.items() if name not in read}
    if unread:
        raise RNN2VecError(f"every weight of the file is read; these are not known: {', '.join(sorted(unread)[:10])}")
    skip = whole("skip", data.get("skip", 0), 0, 1)
    if skip and outputs > 1:
        raise RNN2VecError(f"the skip of a file adds its first input to its one output; this has {outputs} outputs")
    notes = [f"hidden_size: the file claims {hidden}, its weights are of {below}"] if hidden != below else []
    if "skip" not in data:
        notes.append("assumed: no skip, of which the file says nothing")
    notes += not_read("model_data", data, READ)
    return Described([*layers, Dense(weight, bias)], bool(skip), notes=notes)
