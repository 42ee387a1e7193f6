"""Networks from ONNX: what onnx.helper and torch.onnx.export write, against what onnxruntime answers."""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rnn2vec import (
    Architecture,
    Checkpoint,
    Classes,
    Interface,
    Modules,
    Numbers,
    Population,
    RNN2VecError,
    Tokens,
    read_checkpoint,
)
from rnn2vec.architecture import HeadLayer

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.filterwarnings("ignore")  # the exporters' own
helper, numpy_helper = onnx.helper, onnx.numpy_helper

EXPORTERS = [False, True] if "dynamic_shapes" in inspect.signature(torch.onnx.export).parameters else [False]
"""``dynamo`` or not; in torch 2.4 it was another one."""

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def ran(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def answers(checkpoint: Checkpoint, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return checkpoint.networks.run(torch.from_numpy(x)[None])[0][0].numpy()


def apart(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-3))


class Graph:
    """A graph in the making: nodes one after the other, with random tensors."""

    def __init__(self, size: int = 3, axes: tuple[Any, ...] = ("t", "b")) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.random = np.random.default_rng(0)
        self.axes = [*axes, size]
        self.last, self.size = "x", size

    def tensor(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"w{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def normal(self, *shape: int) -> str:
        return self.tensor(self.random.normal(size=shape, scale=0.7))

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        names = [f"{kind.lower()}{len(self.nodes)}_{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        self.last = names[-1]
        return self.last

    def whole(self, *values: int) -> str:
        return self.tensor(values, np.int64)

    def recurrent(
        self, kind: str, hidden: int, *, ways: int = 1, bias: bool = True, start: bool = False, **own: Any
    ) -> str:
        """``[T, B, in]`` to ``[T, B, ways H]``."""
        gates = GATES[kind] * hidden
        tensors = [self.normal(ways, gates, self.size), self.normal(ways, gates, hidden)]
        tensors += [self.normal(ways, 2 * gates) if bias or start else ""]
        if start:
            states = []
            for _ in range(2 if kind == "LSTM" else 1):
                batch = self.add("Shape", self.last if not states else states[0][1], start=1, end=2)
                states.append((batch, self.nodes[-1].input[0]))
            sizes = [self.add("Concat", self.whole(ways), batch, self.whole(hidden), axis=0) for batch, _ in states]
            kept = states[0][1]
            tensors += ["", *(self.add("Expand", self.normal(ways, 1, hidden), size) for size in sizes)]
            self.last = kept
        direction = "bidirectional" if ways == 2 else "forward"
        self.add(kind, self.last, *tensors, hidden_size=hidden, direction=direction, **own)
        self.size = ways * hidden
        if ways == 1:
            return self.add("Squeeze", self.last, self.whole(1))
        self.add("Transpose", self.last, perm=[0, 2, 1, 3])
        return self.add("Reshape", self.last, self.whole(0, 0, -1))

    def dense(self, size: int) -> str:
        self.add("MatMul", self.last, self.normal(self.size, size))
        self.size = size
        return self.add("Add", self.normal(size), self.last)

    def model(self, opset: int = 20) -> Any:
        inputs = [helper.make_tensor_value_info("x", 1, self.axes)]
        outputs = [helper.make_tensor_value_info(self.last, 1, None)]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, self.tensors)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        made.ir_version = 10
        return made

    def save(self, folder: Path, opset: int = 20) -> Path:
        path = folder / "m.onnx"
        path.write_bytes(self.model(opset).SerializeToString())
        return path


RECURRENT: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {"linear_before_reset": 1}),
    "gru before": ("GRU", {"linear_before_reset": 0}),
    "tanh": ("RNN", {}),
    "relu": ("RNN", {"activations": ["Relu"]}),
}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(list(RECURRENT)),
    st.lists(st.integers(1, 7), min_size=1, max_size=3),
    st.lists(st.sampled_from(["", "Tanh", "Relu", "Sigmoid", "Softplus"]), max_size=2),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_what_a_graph_says_is_what_onnxruntime_answers(
    tmp_path_factory: pytest.TempPathFactory,
    cell: str, sizes: list[int], heads: list[str], bias: bool, start: bool, both: bool, front: bool,
) -> None:  # fmt: skip
    graph, (kind, own) = Graph(), RECURRENT[cell]
    if front:
        graph.dense(4)
    for size in sizes:
        ways = {"activations": own["activations"] * 2} if both and "activations" in own else {}
        graph.recurrent(kind, size, ways=1 + both, bias=bias, start=start, **(own | ways))
    for place, name in enumerate(heads):
        graph.dense(place + 2)
        if name:
            graph.add(name, graph.last)
    path = graph.save(tmp_path_factory.mktemp("o"))
    x = np.random.default_rng(1).normal(size=(9, 2, 3)).astype(np.float32)
    checkpoint = read_checkpoint(path)
    assert isinstance(checkpoint.networks, Modules if both else Population)
    assert apart(answers(checkpoint, x.swapaxes(0, 1)), ran(path, x).swapaxes(0, 1)) <= 2e-6


class Net(nn.Module):
    """Whatever stands before a recurrent layer, the layer, what is taken of it, and a head."""

    def __init__(
        self,
        recurrent: nn.Module,
        head: nn.Module,
        front: nn.Module | None = None,
        taken: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.recurrent, self.head = recurrent, head
        self.front = nn.Identity() if front is None else front
        self.taken = taken or (lambda said, states: said)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.taken(*self.recurrent(self.front(x))))


def exported(folder: Path, module: nn.Module, x: torch.Tensor, dynamo: bool, free: bool = True) -> Path:
    path, own = folder / "m.onnx", {}
    if free and dynamo:
        own = {"dynamic_shapes": ({0: torch.export.Dim("b")},)}
    elif free:
        own = {"dynamic_axes": {"x": {0: "b", 1: "t"}}, "input_names": ["x"], "output_names": ["y"]}
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(module.eval(), (x,), str(path), dynamo=dynamo, **own)
    return path


def random_weights(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for own in module.parameters():
            own.normal_(std=0.6)
    return module


def lstm(layers: int, **own: Any) -> nn.Module:
    return nn.LSTM(3, 4, layers, batch_first=True, **own)


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: Net(lstm(3), nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 2))),
            Architecture("lstm", 3, (4, 4, 4), 2, head=(HeadLayer(5, "tanh"),)),
        ),
        (
            lambda: Net(nn.GRU(4, 5, batch_first=True), nn.Linear(5, 2), nn.Linear(3, 4), lambda _, state: state[-1]),
            Architecture("gru", 3, (5,), 2),
        ),
        (
            lambda: Net(lstm(2, bidirectional=True, bias=False), nn.Linear(8, 2), None, lambda said, _: said[:, -1]),
            None,
        ),
    ],
)  # fmt: skip
def test_what_torch_exports(tmp_path: Path, make: Callable[[], nn.Module], expected: Any, dynamo: bool) -> None:
    module = random_weights(make())
    x = torch.randn(2, 6, 3)
    path = exported(tmp_path, module, x, dynamo)
    checkpoint = read_checkpoint(path)
    assert checkpoint.architecture == expected
    assert checkpoint.interface == Interface(Numbers(3, -1, 1), Numbers(2))
    found, wanted = answers(checkpoint, x.numpy()), ran(path, x.numpy())
    if wanted.ndim == 2:
        found = found[:, -1]
        assert any("the last step alone" in note for note in checkpoint.notes)
    assert apart(found, wanted) <= 2e-6


def test_fixed_sizes_float64_and_states_as_outputs(tmp_path: Path) -> None:
    module = random_weights(lstm(2)).double()
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    for dynamo in EXPORTERS:
        checkpoint = read_checkpoint(exported(tmp_path, module, x, dynamo, free=False), dtype="float64")
        with torch.no_grad():
            assert apart(answers(checkpoint, x.numpy()), module(x)[0].numpy()) <= 1e-12
        assert any(note.startswith("ignored: the last states, ") for note in checkpoint.notes)
        assert any("fixes the sizes of its input, [2, 6, 3]" in note for note in checkpoint.notes)


def test_tokens_and_classes(tmp_path: Path) -> None:
    head = nn.Sequential(nn.Linear(4, 2), nn.Softmax(-1))
    module = random_weights(Net(nn.RNN(3, 4, batch_first=True, nonlinearity="relu"), head, nn.Embedding(7, 3)))
    x = torch.randint(0, 7, (2, 6))
    path = exported(tmp_path, module, x, dynamo=False)
    checkpoint = read_checkpoint(path)
    assert checkpoint.interface == Interface(Tokens(7), Classes(2))
    found = torch.from_numpy(answers(checkpoint, x.numpy())).softmax(-1).numpy()
    assert apart(found, ran(path, x.numpy())) <= 2e-6
    if True in EXPORTERS:  # which writes nn.RNN step by step
        with pytest.raises(RNN2VecError, match="export it with dynamo=False"):
            read_checkpoint(exported(tmp_path, module, x, dynamo=True))


def test_inputs_that_are_scaled_and_rows_of_all_steps(tmp_path: Path) -> None:
    graph = Graph()
    graph.add("Sub", "x", graph.normal(3))
    graph.add("Div", graph.last, graph.normal(1, 3))
    graph.recurrent("GRU", 4)
    graph.add("Reshape", graph.last, graph.whole(-1, 4))
    graph.add("Gemm", graph.last, graph.normal(2, 4), graph.normal(2), transB=1, alpha=0.5, beta=2.0)
    graph.add("Mul", graph.last, graph.tensor(3.0))
    path = graph.save(tmp_path)
    x = np.random.default_rng(1).normal(size=(9, 2, 3)).astype(np.float32)
    checkpoint = read_checkpoint(path)
    assert checkpoint.architecture == Architecture("gru", 3, (4,), 2, reset="before")
    assert apart(answers(checkpoint, x.swapaxes(0, 1)).swapaxes(0, 1).reshape(-1, 2), ran(path, x)) <= 2e-6


def test_earlier_versions_of_the_operators(tmp_path: Path) -> None:
    """Axes and bounds were attributes; a softmax was over all axes from the second on."""
    graph = raw(Graph(), "GRU")
    graph.add("Squeeze", graph.nodes[-1].output[0], axes=[1])
    graph.add("Dropout", graph.last, ratio=0.5)
    graph.add("Transpose", graph.last, perm=[1, 0, 2])
    graph.add("Slice", graph.last, axes=[1], starts=[-1], ends=[2**31])
    graph.add("Squeeze", graph.last, axes=[1])
    graph.add("Softmax", graph.last)
    path = graph.save(tmp_path, opset=9)
    x = np.random.default_rng(1).normal(size=(9, 2, 3)).astype(np.float32)
    checkpoint = read_checkpoint(path)
    found = torch.from_numpy(answers(checkpoint, x.swapaxes(0, 1))[:, -1]).softmax(-1).numpy()
    assert apart(found, ran(path, x)) <= 2e-6
    assert {
        "ignored: Dropout (dropout2_0)",
        "folded: Softmax (softmax6_0); outputs are its logits, read as classes",
    } < set(checkpoint.notes)
    graph.nodes[-2:] = []
    graph.add("Softmax", graph.nodes[-1].output[0])
    with pytest.raises(RNN2VecError, match="read over the last axis"):
        read_checkpoint(graph.save(tmp_path, opset=9))


def test_the_reset_is_the_files(tmp_path: Path) -> None:
    """A file whose flag was lost is another network, as onnxruntime runs it; that it is wrong is nowhere in it."""
    x = np.random.default_rng(1).normal(size=(9, 2, 3)).astype(np.float32)
    said = []
    for own in ({"linear_before_reset": 1}, {}):
        graph = Graph()
        graph.recurrent("GRU", 4, **own)
        path = graph.save(tmp_path)
        said.append(answers(read_checkpoint(path), x.swapaxes(0, 1)))
        assert apart(said[-1], ran(path, x).swapaxes(0, 1)) <= 2e-6
    assert apart(*said) > 0.01


def raw(graph: Graph, kind: str, *others: str, **own: Any) -> Graph:
    gates = GATES[kind] * 4
    ways = 2 if own.get("direction") == "bidirectional" else 1
    weights = [graph.normal(ways, gates, graph.size), graph.normal(ways, gates, 4), graph.normal(ways, 2 * gates)]
    graph.add(kind, graph.last, *weights, *others, outputs=2, hidden_size=4, **own)
    return graph


def taken(graph: Graph, kind: str, *inputs: Any, **own: Any) -> Graph:
    graph.add(kind, graph.last, *inputs, **own)
    return graph


def sequences(size: int = 4, **own: Any) -> Graph:
    graph = Graph(**own)
    graph.recurrent("LSTM", size)
    return graph


def both_last() -> Graph:
    graph = raw(Graph(), "LSTM", direction="bidirectional")
    graph.add("Transpose", graph.last, perm=[1, 0, 2])
    graph.add("Reshape", graph.last, graph.whole(0, 8))
    return graph


def peepholes() -> Graph:
    graph = Graph()
    return raw(graph, "LSTM", "", "", "", graph.normal(1, 12))


def lengths() -> Graph:
    graph = Graph(axes=(5, 2))
    return raw(graph, "LSTM", graph.tensor([5, 3], np.int32))


def skip() -> Graph:
    graph = sequences(3)
    return taken(graph, "Add", "x")


def in_another_order() -> Graph:
    """A layer that was given ``[B, T]`` for ``[T, B]``."""
    graph = sequences()
    graph.add("Transpose", graph.last, perm=[1, 0, 2])
    graph.recurrent("LSTM", 4)
    return graph


def reshaped() -> Graph:
    graph = Graph(axes=(5, 2))
    graph.add("Reshape", "x", graph.whole(2, 5, 3))
    graph.recurrent("LSTM", 4)
    return graph


def normalised() -> Graph:
    graph = sequences()
    return taken(graph, "LayerNormalization", graph.normal(4), graph.normal(4))


def starts() -> Graph:
    graph = Graph(axes=(5, 2))
    return raw(graph, "LSTM", "", graph.normal(1, 2, 4), graph.tensor(np.zeros((1, 2, 4))))


def step_four() -> Graph:
    graph = sequences()
    return taken(graph, "Gather", graph.tensor(4, np.int64), axis=0)


def dependent() -> Graph:
    """Divided by the number of steps."""
    graph = sequences()
    said = graph.last
    count = graph.add("Cast", graph.add("Shape", said, start=0, end=1), to=1)
    graph.add("Div", said, count)
    return graph


def doubling() -> Graph:
    graph = sequences()
    said, name = graph.last, graph.normal(1000)
    for _ in range(60):
        name = graph.add("Concat", name, name, axis=0)
    graph.add("Add", said, name)
    return graph


def huge() -> Graph:
    graph = Graph()
    state = graph.add("ConstantOfShape", graph.whole(1, 10**6, 10**6))
    graph.last = "x"
    return raw(graph, "LSTM", "", state, state)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (peepholes, "without peepholes"),
        (lengths, "sequence_lens"),
        (starts, "one for the whole batch"),
        (lambda: raw(Graph(), "LSTM", clip=1.0), "without clip"),
        (lambda: raw(Graph(), "LSTM", direction="reverse"), "got|the file has 'reverse'"),
        (lambda: raw(Graph(), "LSTM", layout=1), "with layout 0; the file has 1"),
        (lambda: raw(Graph(), "LSTM", input_forget=1), "input_forget"),
        (lambda: raw(Graph(), "LSTM", activations=["HardSigmoid", "Tanh", "Tanh"]), "hardsigmoid"),
        (lambda: raw(Graph(), "RNN", activations=["Sigmoid"]), "the activations tanh or relu"),
        (lambda: raw(Graph(), "GRU", activation_alpha=[0.2]), "activation_alpha"),
        (skip, "one after the other; Add .* reads two parts"),
        (normalised, "the file has LayerNormalization"),
        (both_last, "all 8 numbers of a step"),
        (in_another_order, "on the axis that the layers before it do"),
        (reshaped, "reads all steps in order"),
        (step_four, "at every step, or at the last one"),
        (dependent, "weights depend on them"),
        (doubling, "what a graph makes on the way"),
        (huge, "what a graph makes on the way"),
        (lambda: taken(sequences(), "Softmax", axis=0), "read over the last axis"),
        (lambda: taken(taken(sequences(), "Softmax"), "Tanh"), "a softmax is the last"),
        (lambda: taken(sequences(), "LeakyRelu"), "the file has LeakyRelu"),
        (lambda: taken(Graph(), "Tanh"), "has one of the operators LSTM"),
        (lambda: raw(Graph(axes=(10**5, 10**5)), "LSTM"), "axes of any size"),
        (lambda: sequences(axes=("t", 2, 2)), "batch, time and features"),
    ],
)  # fmt: skip
def test_what_cannot_be_represented_is_refused_by_name(tmp_path: Path, make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        read_checkpoint(make().save(tmp_path))


def test_inputs_outputs_and_operators_of_others(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"

    def refused(change: Callable[[Any], object], message: str) -> None:
        model = sequences().model()
        change(model)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(RNN2VecError, match=message):
            read_checkpoint(path)

    def second_output(model: Any) -> None:
        model.graph.node.append(helper.make_node("Tanh", [model.graph.output[0].name], ["other"]))
        model.graph.output.append(helper.make_tensor_value_info("other", 1, None))

    def state_input(model: Any) -> None:
        model.graph.node[0].input.extend(["", "h"])
        model.graph.input.append(helper.make_tensor_value_info("h", 1, [1, "b", 4]))

    def other_size(model: Any) -> None:
        next(own for own in model.graph.node[0].attribute if own.name == "hidden_size").i = 5

    refused(second_output, "one output beside its last states")
    refused(state_input, "one input, sequences, and starts from states in the file; this one reads x, h")
    refused(lambda model: setattr(model.graph.node[0], "domain", "com.somebody"), "the file has com.somebody.LSTM")
    refused(lambda model: setattr(model.opset_import[0], "version", 6), "operators of the versions 7 to")
    refused(lambda model: model.functions.add(name="LSTM"), "the file has its own LSTM")
    refused(lambda model: model.graph.initializer[0].dims.__setitem__(1, 10**9), "is damaged")
    refused(lambda model: model.graph.initializer[0].dims.__setitem__(1, -1), "is damaged|has the shape")
    refused(other_size, "and hidden_size 5")
    refused(lambda model: model.graph.initializer.pop(0), "reads w0, which is no")
    refused(lambda model: model.graph.initializer.append(model.graph.initializer[1]), "two are alike")
    refused(lambda model: model.graph.node[0].output.__setitem__(0, "x"), "two are alike")
    path.write_bytes(sequences().model().SerializeToString()[:-200])
    with pytest.raises(RNN2VecError, match="truncated or altered"):
        read_checkpoint(path)


def test_tensors_in_a_file_of_their_own(tmp_path: Path) -> None:
    model = sequences().model()
    path, beside = tmp_path / "m.onnx", tmp_path / "m.data"
    onnx.save(model, str(path), save_as_external_data=True, location="m.data", size_threshold=100)
    x = np.random.default_rng(1).normal(size=(9, 2, 3)).astype(np.float32)
    assert apart(answers(read_checkpoint(path), x.swapaxes(0, 1)), ran(path, x).swapaxes(0, 1)) <= 2e-6
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    content = beside.read_bytes()
    (outside / "secret").write_bytes(content)
    stored = onnx.load(str(path), load_external_data=False)

    def refused(message: str, **fields: str) -> None:
        changed = type(stored).FromString(stored.SerializeToString())
        for entry in changed.graph.initializer[0].external_data:
            entry.value = fields.get(entry.key, entry.value)
        path.write_bytes(changed.SerializeToString())
        with pytest.raises(RNN2VecError, match=message):
            read_checkpoint(path)

    for location in ("elsewhere/secret", "../x", str(outside / "secret"), "", "..", "elsewhere\\secret"):
        refused("tensors are in files beside the model", location=location)
    refused("cannot read nowhere", location="nowhere")
    refused("no regular file", location="elsewhere")
    refused("claims", offset=str(len(content)))
    refused("claims", offset="-4")
    refused("claims", length="4")
    refused("is damaged", offset="x")
    (tmp_path / "link").symlink_to(outside / "secret")
    refused("tensors are in files beside the model", location="link")
    beside.write_bytes(content[:-4])
    refused("one of the two files was truncated")


def test_cut_files(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    graph = Graph()
    graph.recurrent("LSTM", 2, ways=2, start=True)
    graph.dense(2)
    content = graph.model().SerializeToString()
    for size in range(30):
        path.write_bytes(content[:size])
        with pytest.raises(RNN2VecError):
            read_checkpoint(path)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sequences().save(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RNN2VecError, match=r"pip install 'rnn2vec\[formats\]'"):
        read_checkpoint(path)


def test_a_knob_is_folded(tmp_path: Path) -> None:
    graph = Graph(2)
    graph.recurrent("LSTM", 3)
    graph.dense(1)
    path, x = graph.save(tmp_path), np.random.default_rng(0).normal(size=(7, 1, 2)).astype(np.float32)
    x[..., 1] = 0.5
    checkpoint = read_checkpoint(path, knob=[0, 0.5])
    assert checkpoint.names == ("m@0", "m@0.5")
    with torch.no_grad():
        said = checkpoint.networks.run(torch.from_numpy(x[:, :, :1].swapaxes(0, 1).copy())[None].expand(2, -1, -1, -1))
    assert apart(said[0][1].numpy().swapaxes(0, 1), ran(path, x)) <= 2e-6
