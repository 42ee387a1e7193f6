"""Networks from a described one: everything is folded exactly in float64, then rounded once.

What an architecture cannot hold (a nonlinear layer before a recurrent one, cells of two kinds, a skip of another gain)
becomes a torch module that computes the layers one after the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.architecture import Architecture, HeadLayer
from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.checkpoint import Checkpoint
from rnn2vec.checkpoints.layers import Dense, Described, Layer, Recurrent
from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Interface, Numbers, Tokens
from rnn2vec.networks import Modules, Population

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "tanh": torch.tanh,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}
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
        networks = Modules([Sequential(own, dtype) for own in folded], found)
    else:
        each = [_weights(architecture, own) for own in folded]
        stacked = {key: torch.stack([_cast(key, own[key], dtype) for own in each]) for key in each[0]}
        networks = Population(architecture, stacked, found)
    return Checkpoint(networks, names, format_name, architecture, found, tuple(notes))


def _interface(described: Described, given: Interface | None, notes: list[str]) -> Interface:
    sizes = described.inputs, described.outputs
    if given is not None:
        if (given.inputs.size, given.outputs.size) != sizes:
            raise RNN2VecError(f"an interface has the sizes of its networks, {sizes[0]} and {sizes[1]}; got {given}")
        return given
    reads = Numbers(sizes[0], *RANGE) if described.embedding is None else Tokens(sizes[0])
    found = Interface(reads, Numbers(sizes[1]))
    notes.append(f"assumed: {found}")
    return found


def _at_position(described: Described, position: Sequence[float]) -> Described:
    """The same with all inputs but the first constant: what they add to the first layer goes into its bias."""
    if len(position) != described.inputs - 1:
        raise RNN2VecError(
            f"a knob position has a number for each input but the first, {described.inputs - 1}; got {list(position)}"
        )
    first = described.layers[0]
    moved = dataclasses.replace(
        first,
        weight=first.weight[:, :1],
        bias=first.bias + first.weight[:, 1:] @ np.asarray(position, dtype=np.float64),
    )
    return dataclasses.replace(described, layers=[moved, *described.layers[1:]])


def _folded(described: Described, notes: list[str]) -> Described:
    """The same function, with gains, the embedding and linear layers before recurrent ones in other weights."""
    layers = [dataclasses.replace(layer) for layer in described.layers]
    if described.in_gain != 1:
        gain = np.ones(layers[0].reads)
        gain[0] = described.in_gain
        layers[0].weight = layers[0].weight * gain
        notes.append(f"folded: an input gain of {described.in_gain:g}, into the first weights")
    if described.embedding is not None:
        layers[0].weight = layers[0].weight @ described.embedding.T
        notes.append("folded: the embedding, into the first weights")
    kept: list[Layer] = []
    for layer in layers:
        below = kept[-1] if kept else None
        if isinstance(layer, Recurrent) and isinstance(below, Dense) and below.activation == "identity":
            layer.bias = layer.bias + layer.weight @ below.bias
            layer.weight = layer.weight @ below.weight
            kept.pop()
            notes.append("folded: a linear layer, into the input weights of the recurrent layer above it")
        kept.append(layer)
    last = kept[-1]
    if isinstance(last, Recurrent):
        kept.append(Dense(np.eye(last.says), np.zeros(last.says)))
        notes.append("added: a head that says the hidden state, since the file has none")
    elif last.activation != "identity" and described.out_gain != 1:
        kept.append(Dense(np.eye(last.says), np.zeros(last.says)))
    head = kept[-1]
    if described.out_gain != 1:
        head.weight, head.bias = head.weight * described.out_gain, head.bias * described.out_gain
        notes.append(f"folded: an output gain of {described.out_gain:g}, into the head")
    return dataclasses.replace(described, layers=kept, embedding=None)


def _skip_gain(folded: Described) -> float:
    return folded.in_gain * folded.out_gain if folded.skip else 0.0


def _split(folded: Described) -> tuple[list[Recurrent], list[Dense]] | None:
    """Recurrent layers of one kind and the head above them, if that is what the layers are."""
    recurrent = [layer for layer in folded.layers if isinstance(layer, Recurrent)]
    head = [layer for layer in folded.layers[len(recurrent) :] if isinstance(layer, Dense)]
    stacked = all(isinstance(layer, Recurrent) for layer in folded.layers[: len(recurrent)])
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
    recurrent = [layer for layer in folded.layers if isinstance(layer, Recurrent)]
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
    for (prefix, *_), dense in zip(architecture.head_layers(), folded.layers[len(recurrent) :], strict=True):
        found |= {f"{prefix}.weight": dense.weight, f"{prefix}.bias": dense.bias}
    return {name: found[name] for name in architecture.parameter_shapes()}


def _cast(name: str, values: Array, dtype: torch.dtype) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(values)).to(dtype)
    if not bool(tensor.isfinite().all()):
        raise RNN2VecError(f"{name} fits {dtype}; got numbers up to {np.abs(values).max():.3g}: say dtype='float64'")
    return tensor


class Sequential(nn.Module):
    """Layers one after the other, each recurrent one a network of its own.

    Args:
        described: with no embedding.
        dtype: of the weights.
    """

    def __init__(self, described: Described, dtype: torch.dtype) -> None:
        super().__init__()
        self.activations: list[str] = []
        self.architectures: list[Architecture | None] = []
        self.skip_gain = _skip_gain(described)
        self.inputs, self.outputs = described.inputs, described.outputs
        self.layers = nn.ModuleList()
        for layer in described.layers:
            values: Mapping[str, Array] = {"weight": layer.weight, "bias": layer.bias}
            architecture = None
            if isinstance(layer, Recurrent):
                eye = Dense(np.eye(layer.says), np.zeros(layer.says))
                alone = Described([layer, eye])
                architecture = _architecture(alone)
                assert architecture is not None
                values = _weights(architecture, alone)
            self.architectures.append(architecture)
            self.activations.append(layer.activation if isinstance(layer, Dense) else "identity")
            own = nn.ParameterDict()
            for name, value in values.items():  # a ParameterDict takes no dots in names
                own[name.replace(".", "-")] = nn.Parameter(_cast(name, value, dtype), requires_grad=False)
            self.layers.append(own)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, T, Y]`` of sequences ``[B, T, X]``, or of tokens ``[B, T]``."""
        if not inputs.is_floating_point():
            inputs = F.one_hot(inputs, self.inputs).to(next(self.parameters()).dtype)
        read = inputs
        for own, architecture, activation in zip(self.layers, self.architectures, self.activations, strict=True):
            weights = {name.replace("-", "."): value for name, value in own.named_parameters()}
            if architecture is None:
                read = FUNCTIONS[activation](F.linear(read, weights["weight"], weights["bias"]))
            else:
                alone = Population(architecture, {name: value[None] for name, value in weights.items()})
                read = alone.run(read[None])[0][0]
        return read + self.skip_gain * inputs[..., : self.outputs] if self.skip_gain else read
