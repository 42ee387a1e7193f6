"""Networks from a described one: everything is folded exactly in float64, then rounded once.

What an architecture cannot hold (a nonlinear layer before a recurrent one, cells of two kinds, a skip of another gain)
becomes a torch module that computes the layers one after the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from rnn2vec.architecture import Architecture, HeadLayer
from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.checkpoint import Checkpoint
from rnn2vec.checkpoints.layers import Bidirectional, Dense, Described, Layer, Recurrent
from rnn2vec.checkpoints.sequential import Activated, Alone, BothWays, Sequential
from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Classes, Interface, Numbers, Tokens
from rnn2vec.networks import Modules, Population

RANGE = (-1.0, 1.0)
"""Of inputs that are numbers, where nobody said."""


def assemble(
    described: Described,
    name: str,
    format_name: str,
    interface: Interface | None = None,
    dtype: torch.dtype = torch.float32,
    knobs: Sequence[Sequence[float]] | None = None,
) -> Checkpoint:
    """The networks of a description.

    Args:
        described: what the file says.
        name: of the network.
        format_name: of the file.
        interface: what goes in and what comes out; numbers from -1 to 1, or tokens of an embedding, by default.
        dtype: of the networks' weights.
        knobs: positions of all inputs but the first: one network for each, which reads the first alone. Tokens have
            none.

    Raises:
        RNN2VecError: if sizes do not fit the interface, or a weight is too large for the dtype.
    """
    notes = list(described.notes)
    positions: list[Sequence[float] | None] = [None]
    reads_tokens = described.embedding is not None if interface is None else interface.inputs.kind == "tokens"
    if knobs is not None and described.inputs > 1 and not reads_tokens:
        positions = list(knobs)
        notes.append(f"folded: the inputs after the first at {len(positions)} positions, into biases")
    turned = [described if own is None else _at_position(described, own) for own in positions]
    names = tuple(name if own is None else f"{name}@{','.join(f'{value:g}' for value in own)}" for own in positions)
    folded = [_folded(own, notes if number == 0 else []) for number, own in enumerate(turned)]
    found = _interface(turned[0], interface, notes)
    architecture = _architecture(folded[0])
    networks: Population | Modules
    if architecture is None:
        notes.append("kept as a module: no architecture holds its layers")
        networks = Modules([_module(own, dtype) for own in folded], found)
    else:
        each = [_weights(architecture, own) for own in folded]
        stacked = {key: torch.stack([_cast(key, own[key], dtype) for own in each]) for key in each[0]}
        networks = Population(architecture, stacked, found)
    return Checkpoint(networks, names, format_name, architecture, found, tuple(notes))


def _interface(described: Described, given: Interface | None, notes: list[str]) -> Interface:
    sizes = described.inputs, described.outputs
    if given is not None:
        if (given.inputs.size, given.outputs.size) != sizes:
            raise RNN2VecError(
                f"an interface has the sizes of its networks, {sizes[0]} and {sizes[1]}; what was declared, or the "
                f"encoder reads, is {given}"
            )
        if described.classes and given.outputs.kind != Classes.kind:
            raise RNN2VecError(f"the file ends with a softmax, whose outputs are {Classes(sizes[1])}; got {given}")
        return given
    reads = Numbers(sizes[0], *RANGE) if described.embedding is None else Tokens(sizes[0])
    found = Interface(reads, Classes(sizes[1]) if described.classes else Numbers(sizes[1]))
    hint = ": if they predict the next token, declare that outputs are classes" * found.inputs.drawn
    notes.append(f"assumed: {found}{hint * (sizes[0] == sizes[1] and not described.classes)}")
    return found


def _at_position(described: Described, position: Sequence[float]) -> Described:
    """The same with all inputs but the first constant: what they add to the first layer goes into its bias."""
    if len(position) != described.inputs - 1:
        raise RNN2VecError(
            f"a knob position has a number for each input but the first, {described.inputs - 1}; got {list(position)}"
        )
    first, constant = np.eye(described.inputs, 1), np.array([0.0, *position])
    return dataclasses.replace(
        described, layers=[described.layers[0].after(Dense(first, constant)), *described.layers[1:]]
    )


def _folded(described: Described, notes: list[str]) -> Described:
    """The same function, with gains, the embedding and linear layers before recurrent ones in other weights."""
    first, *others = described.layers
    if described.in_gain != 1:
        gains = np.ones(first.reads)
        gains[0] = described.in_gain
        first = first.after(Dense(np.diag(gains), np.zeros(first.reads)))
        notes.append(f"folded: an input gain of {described.in_gain:g}, into the first weights")
    if described.embedding is not None:
        first = first.after(Dense(described.embedding.T, np.zeros(first.reads)))
        notes.append("folded: the embedding, into the first weights")
    kept: list[Layer] = []
    for layer in (first, *others):
        below = kept[-1] if kept else None
        if not isinstance(layer, Dense) and isinstance(below, Dense) and below.activation == "identity":
            kept.pop()
            layer = layer.after(below)
            notes.append("folded: a linear layer, into the input weights of the recurrent layer above it")
        kept.append(layer)
    head = kept[-1]
    if not isinstance(head, Dense):
        notes.append("added: a head that says the hidden state, since the file has none")
    if not isinstance(head, Dense) or (head.activation != "identity" and described.out_gain != 1):
        head = Dense(np.eye(head.says), np.zeros(head.says))
        kept.append(head)
    if described.out_gain != 1:
        gain = described.out_gain
        kept[-1] = dataclasses.replace(head, weight=head.weight * gain, bias=head.bias * gain)
        notes.append(f"folded: an output gain of {gain:g}, into the head")
    return dataclasses.replace(described, layers=kept, embedding=None)


def _skip_gain(folded: Described) -> float:
    return folded.in_gain * folded.out_gain if folded.skip else 0.0


def _split(folded: Described) -> tuple[list[Recurrent], list[Dense]] | None:
    """Recurrent layers of one kind and the head above them, if that is what the layers are."""
    recurrent = [layer for layer in folded.layers if isinstance(layer, Recurrent)]
    head = [layer for layer in folded.layers[len(recurrent) :] if isinstance(layer, Dense)]
    stacked = all(isinstance(layer, Recurrent) for layer in folded.layers[: len(recurrent)])
    stacked = stacked and len(recurrent) + len(head) == len(folded.layers)
    alike = len({layer.kind for layer in recurrent}) == 1
    return (recurrent, head) if stacked and alike and _skip_gain(folded) in (0.0, 1.0) else None


def _starts(recurrent: Sequence[Recurrent]) -> bool:
    return any(start is not None and start.any() for layer in recurrent for start in (layer.h0, layer.c0))


def _architecture(folded: Described) -> Architecture | None:
    parts = _split(folded)
    if parts is None:
        return None
    recurrent, head = parts
    cell, nonlinearity, reset, leak = recurrent[0].kind
    return Architecture(
        cell,
        recurrent[0].reads,
        tuple(layer.says for layer in recurrent),
        head[-1].says,
        nonlinearity,
        reset,
        leak,
        tuple(HeadLayer(layer.says, layer.activation) for layer in head[:-1]),
        head[-1].activation,
        folded.skip,
        _starts(recurrent),
    )


def _weights(architecture: Architecture, folded: Described) -> dict[str, Array]:
    parts = _split(folded)
    assert parts is not None
    recurrent, head = parts
    found: dict[str, Array] = {}
    for number, layer in enumerate(recurrent):
        zeros = np.zeros(layer.says)
        own = {
            "weight_ih": layer.weight,
            "weight_hh": layer.weight_hh,
            "bias_ih": layer.bias,
            "bias_hh": layer.bias_hh,
            "leak": layer.rate,
            "h0": zeros if layer.h0 is None else layer.h0,
            "c0": zeros if layer.c0 is None else layer.c0,
        }
        found |= {f"{name}_l{number}": value for name, value in own.items() if value is not None}
    for (prefix, *_), dense in zip(architecture.head_layers(), head, strict=True):
        found |= {f"{prefix}.weight": dense.weight, f"{prefix}.bias": dense.bias}
    return {name: found[name] for name in architecture.parameter_shapes()}


def _cast(name: str, values: Array, dtype: torch.dtype) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(values)).to(dtype)
    if not bool(tensor.isfinite().all()):
        raise RNN2VecError(f"{name} fits {dtype}; got numbers up to {np.abs(values).max():.3g}: say dtype='float64'")
    return tensor


def _module(folded: Described, dtype: torch.dtype) -> Sequential:
    layers = [_layer(layer, dtype) for layer in folded.layers]
    return Sequential(layers, folded.inputs, folded.outputs, _skip_gain(folded))


def _layer(layer: Layer, dtype: torch.dtype) -> nn.Module:
    if isinstance(layer, Bidirectional):
        return BothWays(_layer(layer.forward, dtype), _layer(layer.backward, dtype))
    if isinstance(layer, Dense):
        return Activated(_cast("a weight", layer.weight, dtype), _cast("a bias", layer.bias, dtype), layer.activation)
    alone = Described([layer, Dense(np.eye(layer.says), np.zeros(layer.says))])
    architecture = _architecture(alone)
    assert architecture is not None
    weights = {name: _cast(name, values, dtype) for name, values in _weights(architecture, alone).items()}
    return Alone(architecture, weights)
