"""Layers of Keras as networks have them: one function a class; whatever has none is refused by its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from rnn2vec.architecture import ACTIVATIONS
from rnn2vec.checkpoints import columns
from rnn2vec.checkpoints.arrays import Array, array, field
from rnn2vec.checkpoints.keras.config import Configured
from rnn2vec.checkpoints.layers import Bidirectional, Described, Layer, Recurrent, activated
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown, whole

IGNORED = (
    "InputLayer", "Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout",
    "ActivityRegularization",
)  # fmt: skip
"""What does nothing to a trained network."""

Weights = dict[str, Any]
"""Arrays by the names that Keras gives them: ``kernel``, ``recurrent_kernel``, ``bias``, ``embeddings``."""

CELLS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "elman"}


@dataclasses.dataclass
class _Chain:
    """What has been read so far."""

    layers: list[Layer] = dataclasses.field(default_factory=list)
    embedding: Array | None = None
    last_step: str = ""
    """The layer that hands on its last step alone."""
    softmax: str = ""
    notes: list[str] = dataclasses.field(default_factory=list)


def describe_layers(layers: list[Configured], weights: dict[str, Weights]) -> Described:
    """The network of a chain of layers.

    Args:
        layers: from the input up.
        weights: of each, by its name.

    Raises:
        RNN2VecError: if a layer is of an unknown class, computes something else, or its weights do not fit.
    """
    chain = _Chain()
    for layer in layers:
        if layer.kind not in (*READERS, *IGNORED):
            raise RNN2VecError(f"a layer is one of {', '.join([*READERS, *IGNORED])}; the file has {layer}")
        if layer.options:
            raise RNN2VecError(
                f"a layer is called with its inputs alone; {layer} is called with {', '.join(layer.options)} too"
            )
        if layer.kind in IGNORED:
            chain.notes += [] if layer.kind == "InputLayer" else [f"ignored: {layer}"]
            continue
        if chain.softmax:
            raise RNN2VecError(f"a softmax is the last of all layers; {layer} follows that of {chain.softmax}")
        READERS[layer.kind](chain, layer, weights.get(layer.name, {}))
    if chain.last_step:
        chain.notes.append(
            f"the file's output is that of the last step alone, by {chain.last_step}; here there is one at every step"
        )
    if chain.softmax:
        chain.notes.append(f"folded: the softmax of {chain.softmax}; outputs are its logits, read as classes")
    if not chain.layers:
        raise RNN2VecError("a recurrent network has a recurrent layer; the file has none")
    return Described(chain.layers, embedding=chain.embedding, classes=bool(chain.softmax), notes=chain.notes)


def _taken(layer: Configured, weights: Weights, *names: str, bias: bool | None = None) -> list[Any]:
    """Weights in an order, which are all that a layer has; a bias, if its config says so."""
    has_bias = layer.get("use_bias", True) if bias is None else bias
    wanted = [*names, *(["bias"] if has_bias else [])]
    if sorted(weights) != sorted(wanted):
        raise RNN2VecError(f"{layer} has the weights {', '.join(wanted)}; the file has {', '.join(weights) or 'none'}")
    return [weights[name] for name in wanted]


def _units(layer: Configured, found: int, option: str = "units") -> None:
    claimed = whole(f"{option} of {layer}", field(layer.fields, option))
    if claimed != found:
        raise RNN2VecError(f"{layer} claims {claimed} {option}; its weights are of {found}")


def _embedding(chain: _Chain, layer: Configured, weights: Weights) -> None:
    if chain.layers or chain.embedding is not None:
        raise RNN2VecError(f"an embedding is the first of all layers; {layer} is not")
    layer.require(mask_zero=False)
    (table,) = _taken(layer, weights, "embeddings", bias=False)
    chain.embedding = array(f"the embeddings of {layer}", table, None, None)
    _units(layer, len(chain.embedding), "input_dim")
    _units(layer, chain.embedding.shape[1], "output_dim")


def _recurrent(layer: Configured, weights: Weights) -> Recurrent:
    layer.require(return_state=False, time_major=False)
    if layer.kind not in CELLS:
        raise RNN2VecError(f"a recurrent layer is one of {', '.join(CELLS)}; the file has {layer}")
    cell, nonlinearity, reset = CELLS[layer.kind], "tanh", "after"
    if cell == "elman":
        nonlinearity = layer.get("activation", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise RNN2VecError(f"{layer} is read with the activation tanh or relu; the file has {shown(nonlinearity)}")
    else:
        layer.require(activation="tanh", recurrent_activation="sigmoid")
    if cell == "gru":
        reset = "after" if layer.get("reset_after", False) else "before"  # as versions without the option did
    taken = _taken(layer, weights, "kernel", "recurrent_kernel")
    made = columns.recurrent(cell, str(layer), taken, None, reset, nonlinearity)
    _units(layer, made.says)
    return made


def _sequences(chain: _Chain, layer: Configured) -> None:
    if chain.last_step:
        raise RNN2VecError(f"{layer} reads sequences; {chain.last_step} hands on its last step alone")
    if not layer.get("return_sequences", False):
        chain.last_step = str(layer)


def _forward(chain: _Chain, layer: Configured, weights: Weights) -> None:
    _sequences(chain, layer)
    layer.require(go_backwards=False)
    chain.layers.append(_recurrent(layer, weights))


def _bidirectional(chain: _Chain, layer: Configured, weights: Weights) -> None:
    layer.require(merge_mode="concat")
    forward = layer.inner("layer")
    backward = layer.inner("backward_layer") if layer.get("backward_layer", None) is not None else forward
    for own in (forward, backward):
        if not own.get("return_sequences", False):  # the last of one is then put beside the first of the other
            raise RNN2VecError(f"{layer} is read with return_sequences; the file has none")
    backwards = backward.get("go_backwards", False) if backward is not forward else True
    forward.require(go_backwards=False)
    if not backwards:
        raise RNN2VecError(f"the backward layer of {layer} goes backwards; it does not")
    _sequences(chain, forward)
    ways: dict[str, Weights] = {"forward": {}, "backward": {}}
    for name, values in weights.items():
        way, _, own_name = name.partition(".")
        if way not in ways:
            raise RNN2VecError(f"weights of {layer} are forward or backward; {name} is neither")
        ways[way][own_name] = values
    chain.layers.append(Bidirectional(_recurrent(forward, ways["forward"]), _recurrent(backward, ways["backward"])))


def _dense(chain: _Chain, layer: Configured, weights: Weights) -> None:
    taken = _taken(layer, weights, "kernel")
    chain.layers.append(columns.dense(str(layer), taken, None, "identity"))
    _units(layer, chain.layers[-1].says)
    _activate(chain, layer, layer.get("activation", "linear"))


def _time_distributed(chain: _Chain, layer: Configured, weights: Weights) -> None:
    inner = layer.inner("layer")
    if inner.kind not in ("Dense", "Activation", *IGNORED):
        raise RNN2VecError(f"what is done at every step is Dense, Activation or ignored; {layer} does {inner}")
    if inner.kind in IGNORED:
        chain.notes.append(f"ignored: {layer} of {inner}")
    else:
        READERS[inner.kind](chain, inner, weights)


def _activation(chain: _Chain, layer: Configured, weights: Weights) -> None:
    _taken(layer, weights, bias=False)
    _activate(chain, layer, field(layer.fields, "activation"))


def _relu(chain: _Chain, layer: Configured, weights: Weights) -> None:
    _taken(layer, weights, bias=False)
    for option, nothing in (("max_value", None), ("negative_slope", 0.0), ("threshold", 0.0)):
        found = layer.get(option, nothing)
        if found != nothing and found is not None:
            raise RNN2VecError(f"{layer} is read without {option}; the file has {shown(found)}")
    _activate(chain, layer, "relu")


def _softmax(chain: _Chain, layer: Configured, weights: Weights) -> None:
    _taken(layer, weights, bias=False)
    if layer.get("axis", -1) not in (-1, [-1]):
        raise RNN2VecError(f"{layer} is read over the last axis; the file has {shown(layer.get('axis', -1))}")
    _activate(chain, layer, "softmax")


def _activate(chain: _Chain, layer: Configured, activation: object) -> None:
    name = "identity" if activation == "linear" else activation
    if not isinstance(name, str) or name not in (*ACTIVATIONS, "softmax"):
        raise RNN2VecError(
            f"an activation is linear, {', '.join(ACTIVATIONS[1:])}, or softmax at the end; that of {layer} is "
            f"{shown(activation)}"
        )
    if not chain.layers:
        raise RNN2VecError(f"an activation follows a layer with weights; {layer} does not")
    if name == "softmax":
        chain.softmax = str(layer)
    elif name != "identity":
        chain.layers = activated(chain.layers, name)


READERS: dict[str, Callable[[_Chain, Configured, Weights], None]] = {
    "Embedding": _embedding,
    **dict.fromkeys(CELLS, _forward),
    "Bidirectional": _bidirectional,
    "Dense": _dense,
    "TimeDistributed": _time_distributed,
    "Activation": _activation,
    "ReLU": _relu,
    "Softmax": _softmax,
}
