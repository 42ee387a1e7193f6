"""The graph of an ONNX model: what leads from its one input to its one output, and the network that this is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.checkpoints.layers import Described
from rnn2vec.checkpoints.onnx.folds import FOLDS, MOVES
from rnn2vec.checkpoints.onnx.layers import CELLS, LAYERS
from rnn2vec.checkpoints.onnx.node import Budget, Node
from rnn2vec.checkpoints.onnx.signal import Signal, arranged
from rnn2vec.checkpoints.onnx.tensors import Tensors
from rnn2vec.checkpoints.optional import library
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

OPSETS = (7, 28)
"""Versions of the operators that are read: earlier ones broadcast otherwise, later ones are not known."""

SPARE = 2**24
"""Numbers that reading may make, beside a few for each byte of the file."""


class Graph:
    """A model, its tensors read, and what leads from its input to its output.

    Args:
        path: of the file; its tensors may be in files beside it.
        content: of the file.

    Attributes:
        shape: of the input; a name for each axis of any size.
        ignored: outputs that are last states.

    Raises:
        RNN2VecError: if it is damaged, or has several inputs or outputs, or no recurrent layer.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self._onnx = library("onnx", "ONNX")
        try:
            model = self._onnx.ModelProto.FromString(content)
        except library("google.protobuf.message", "ONNX").DecodeError as error:
            raise RNN2VecError(f"it is no whole model of ONNX ({error}): it was truncated or altered") from error
        if not all(isinstance(text, str) for text in _texts(model)):
            raise RNN2VecError("the names of a model are texts; some are none: the file was altered")
        graph = model.graph
        kinds = self._onnx.AttributeProto
        self._lists = (kinds.INTS, kinds.FLOATS, kinds.STRINGS)
        self._opset = _opset(model)
        self._tensors = Tensors(path.parent)
        self._known = {own.name: self._tensors.read(own) for own in graph.initializer}
        if graph.sparse_initializer:
            raise RNN2VecError("the tensors of a model are dense; this one has sparse_initializer")
        names = [own.name for own in graph.initializer]
        names += [own.name for own in graph.input if own.name not in self._known]
        names += [name for node in graph.node for name in node.output if name]
        if len(set(names)) < len(names):
            raise RNN2VecError("the values of a graph have different names; two are alike")
        self._room = SPARE + 2 * (len(content) + self._tensors.size)
        self.ignored: list[str] = []
        self._output = self._only_output(graph)
        self._nodes = self._leading_to(graph, self._output)
        if not any(node.op_type in CELLS for node in self._nodes):
            raise RNN2VecError(
                f"a recurrent network has one of the operators {', '.join(CELLS)}; the output of this file depends on "
                "none: where a recurrent layer was written step by step, as torch.onnx.export does with nn.RNN, "
                "export it with dynamo=False"
            )
        read = {name for node in self._nodes for name in node.input}
        inputs = [own for own in graph.input if own.name in read and own.name not in self._known]
        if len(inputs) != 1:
            raise RNN2VecError(
                f"a network has one input, sequences, and starts from states in the file; this one reads "
                f"{', '.join(own.name for own in inputs) or 'none'}"
            )
        self._input = inputs[0]
        self.shape = _axes(self._input)

    def _only_output(self, graph: Any) -> str:
        """The output that is no last state of a recurrent layer."""
        makers = {name: (node, place) for node in graph.node for place, name in enumerate(node.output)}

        def is_state(name: str) -> bool:
            node, place = makers.get(name, (None, 0))
            while node is not None and node.op_type in (*MOVES, "Concat"):  # of several layers, side by side
                node, place = makers.get(node.input[0] if node.input else "", (None, 0))
            return node is not None and node.op_type in CELLS and place > 0

        names = [own.name for own in graph.output]
        if len(names) > 1:
            self.ignored = [name for name in names if is_state(name)]
            names = [name for name in names if name not in self.ignored]
        if len(names) != 1:
            raise RNN2VecError(f"a network has one output beside its last states; this one has {', '.join(names) or 0}")
        return names[0]

    def _leading_to(self, graph: Any, output: str) -> list[Any]:
        """The operators that the output depends on, in the file's order, which is that of computing."""
        wanted, found = {output}, []
        for node in reversed(graph.node):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                found.append(node)
        return found[::-1]

    def described(self, sizes: list[int]) -> Described:
        """The network, at these sizes of the input.

        Raises:
            RNN2VecError: if an operator is not known, or computes something else.
        """
        budget = Budget(self._room)
        budget.claim(f"the input {self._input.name}", sizes)
        begun = np.arange(int(np.prod(sizes, dtype=np.int64))).reshape(sizes)
        values: dict[str, Any] = {**self._known, self._input.name: Signal(begun, steps=begun)}
        ignored: list[str] = []
        for proto in self._nodes:
            node = self._node(proto, budget)
            given = [self._given(node, name, values) for name in proto.input]
            values.update(zip(proto.output, _computed(node, given), strict=False))
            if node.kind == "Dropout":
                ignored.append(f"ignored: {node}")
        return _finished(self._given(None, self._output, values), ignored)

    def _given(self, node: Node | None, name: str, values: dict[str, Any]) -> Any:
        if name and name not in values:
            raise RNN2VecError(
                f"{node or 'the output'} reads {name}, which is no input, tensor or output that is read of an operator "
                "before it"
            )
        return values.get(name)

    def _node(self, proto: Any, budget: Budget) -> Node:
        if proto.domain not in ("", "ai.onnx") or proto.op_type not in {**FOLDS, **LAYERS}:
            kind = f"{proto.domain}.{proto.op_type}" if proto.domain else proto.op_type
            raise RNN2VecError(
                f"an operator of a network is one of {', '.join({**LAYERS, **FOLDS})}; the file has {kind} "
                f"({proto.output[0] if proto.output else 'without outputs'})"
            )
        attributes = {own.name: self._attribute(own) for own in proto.attribute}
        return Node(proto.op_type, list(proto.output), attributes, self._opset, budget)

    def _attribute(self, proto: Any) -> Any:
        if proto.type == self._onnx.AttributeProto.TENSOR:
            return self._tensors.read(proto.t)
        try:
            value = self._onnx.helper.get_attribute_value(proto)
        except ValueError as error:
            raise RNN2VecError(f"the attribute {shown(proto.name)} is damaged ({error})") from error
        return _text([_text(own) for own in value] if proto.type in self._lists else value)


def _texts(model: Any) -> Iterator[Any]:
    """Names, which are bytes where they are no valid texts."""
    graph = model.graph
    for own in (*model.functions, *graph.initializer, *graph.input, *graph.output):
        yield own.name
    for node in graph.node:
        yield from (node.op_type, node.domain, *node.input, *node.output, *(own.name for own in node.attribute))
    for own in graph.input:
        yield from (dim.dim_param for dim in own.type.tensor_type.shape.dim)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _opset(model: Any) -> int:
    versions = [own.version for own in model.opset_import if own.domain in ("", "ai.onnx")]
    if len(versions) != 1 or not OPSETS[0] <= versions[0] <= OPSETS[1]:
        raise RNN2VecError(f"operators of the versions {OPSETS[0]} to {OPSETS[1]} are read; the file has {versions}")
    replaced = [own.name for own in model.functions if own.domain in ("", "ai.onnx")]
    if replaced:
        raise RNN2VecError(f"operators are those of ONNX; the file has its own {', '.join(replaced)}")
    return int(versions[0])


def _axes(value: Any) -> list[int | str]:
    """Sizes of the input, and a name of each axis that has any size."""
    kind = value.type.tensor_type
    if not kind.HasField("shape") or not 1 <= len(kind.shape.dim) <= 3:
        raise RNN2VecError(f"the input {value.name} has the axes batch, time and features, or some of them; got others")
    sizes = [
        own.dim_value if own.HasField("dim_value") else own.dim_param or f"axis {place}"
        for place, own in enumerate(kind.shape.dim)
    ]
    return [f"axis {place}" if isinstance(own, int) and own < 0 else own for place, own in enumerate(sizes)]


def _computed(node: Node, given: list[Any]) -> list[Any]:
    """What an operator makes of the values that it reads."""
    first, others = given[0] if given else None, given[1:]
    signals = [isinstance(own, Signal) for own in given]
    made: Any
    try:
        if not any(signals):
            if node.kind not in FOLDS:
                raise RNN2VecError(f"{node} reads what the layers below say; the file has numbers there")
            made = FOLDS[node.kind](node, *given)
        elif node.kind in MOVES and isinstance(first, Signal) and not any(signals[1:]):
            made = dataclasses.replace(first, places=MOVES[node.kind](node, first.places, *others))
        elif node.kind in LAYERS:
            made = LAYERS[node.kind](node, *given)
        else:
            raise RNN2VecError(f"between the layers of a network stand moves of its numbers; there is {node}")
    except (ValueError, IndexError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, RNN2VecError):
            raise
        raise RNN2VecError(f"{node} cannot be computed of what it reads ({error})") from error
    node.finish()
    return made if isinstance(made, list) else [made]


def _finished(said: Any, notes: list[str]) -> Described:
    """The network, if the output is what it says at every step, or at the last one."""
    if not isinstance(said, Signal) or said.grid is None:
        raise RNN2VecError("a recurrent network has a recurrent layer; the file has none between input and output")
    steps = said.places if said.features == 1 else said.rows("the output")
    if not (arranged(steps, said.grid) or _flat(steps, said.grid)):
        if not arranged(steps, said.grid[-1]):
            raise RNN2VecError(
                "the output is what a network says at every step, or at the last one; this one is another part, or in "
                "another order, such as the last of one direction beside the last of the other"
            )
        notes.append("the file's output is that of the last step alone; here there is one at every step")
    if said.softmax:
        notes.append(f"folded: {said.softmax}; outputs are its logits, read as classes")
    return Described(list(said.layers), embedding=said.embedding, classes=bool(said.softmax), notes=notes)


def _flat(steps: Any, grid: Any) -> bool:
    """Whether steps are all in one row, sequence by sequence or step by step."""
    row = np.squeeze(steps)
    return row.ndim == 1 and (np.array_equal(row, grid.ravel()) or np.array_equal(row, grid.T.ravel()))
