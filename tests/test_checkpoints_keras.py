"""Networks from Keras' files: what Keras writes, against what Keras answers; Keras 2's layout, written here."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
from rnn2vec.checkpoints.keras.config import chain

h5py = pytest.importorskip("h5py")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore")  # Keras' own

SUFFIXES = (".keras", ".h5")


def saved(folder: Path, model: Any, suffix: str) -> Path:
    path = folder / f"m{suffix}"
    model.save(path)
    return path


def model_of(*parts: Any, inputs: int | None = 3) -> Any:
    """A model with random weights, biases too; ``inputs`` None are tokens."""
    shape = (None,) if inputs is None else (None, inputs)
    made = keras.Sequential([keras.Input(shape), *parts])
    random = np.random.default_rng(0)
    made.set_weights([random.normal(size=own.shape, scale=0.7) for own in made.get_weights()])
    return made


def asked(model: Any, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False)).astype(np.float64)


def answers(checkpoint: Checkpoint, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return checkpoint.networks.run(torch.from_numpy(x)[None])[0][0].double().numpy()


def apart(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


CELLS: dict[str, Any] = {
    "lstm": lambda size, **own: layers.LSTM(size, return_sequences=True, **own),
    "gru": lambda size, **own: layers.GRU(size, return_sequences=True, **own),
    "gru before": lambda size, **own: layers.GRU(size, return_sequences=True, reset_after=False, **own),
    "tanh": lambda size, **own: layers.SimpleRNN(size, return_sequences=True, **own),
    "relu": lambda size, **own: layers.SimpleRNN(size, return_sequences=True, activation="relu", **own),
}


ACTIVATIONS: dict[str, Any] = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, 0),
}


def exactly(parts: list[Any], x: np.ndarray) -> np.ndarray:
    """What layers answer in float64: Keras multiplies matrices in float32 on torch, whatever its policy is."""
    sigmoid = ACTIVATIONS["sigmoid"]
    for layer in parts:
        weights = [own.astype(np.float64) for own in layer.get_weights()]
        if isinstance(layer, layers.Embedding):
            x = weights[0][x]
            continue
        if isinstance(layer, layers.Dense):
            x = ACTIVATIONS[layer.activation.__name__](x @ weights[0] + (weights[1] if layer.use_bias else 0))
            continue
        w, u = weights[:2]
        bias = weights[2] if layer.use_bias else np.zeros(w.shape[1])
        h = c = np.zeros((len(x), layer.units))
        said = []
        for step in x.swapaxes(0, 1):
            if isinstance(layer, layers.LSTM):
                i, f, g, o = np.split(step @ w + h @ u + bias, 4, axis=-1)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            elif isinstance(layer, layers.GRU):
                first, second = bias if bias.ndim == 2 else (bias, 0 * bias)
                zx, rx, nx = np.split(step @ w + first, 3, axis=-1)
                zh, rh, nh = np.split(h @ u + second, 3, axis=-1)
                z, r = sigmoid(zx + zh), sigmoid(rx + rh)
                after = r * nh if layer.reset_after else (r * h) @ u[:, 2 * layer.units :]
                h = z * h + (1 - z) * np.tanh(nx + after)
            else:
                h = ACTIVATIONS[layer.activation.__name__](step @ w + h @ u + bias)
            said.append(h)
        x = np.stack(said, axis=1)
    return x


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(list(CELLS)),
    st.lists(st.integers(1, 7), min_size=1, max_size=3),
    st.lists(st.sampled_from(["linear", "tanh", "relu", "sigmoid", "softplus"]), max_size=2),
    st.sampled_from(SUFFIXES),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
    st.booleans(),
)
def test_what_keras_writes_is_what_it_answers(
    tmp_path_factory: pytest.TempPathFactory,
    cell: str, sizes: list[int], heads: list[str], suffix: str, dtype: str, tokens: bool, biases: bool,
) -> None:  # fmt: skip
    own = {"use_bias": biases}
    parts = [CELLS[cell](size, **own) for size in sizes]
    parts += [layers.Dense(place + 2, activation=name, **own) for place, name in enumerate(heads)]
    front = [layers.Embedding(5, 3)] if tokens else []
    model = model_of(*front, *parts, inputs=None if tokens else 3)
    random = np.random.default_rng(1)
    x = random.integers(5, size=(2, 9)) if tokens else random.normal(size=(2, 9, 3)).astype(dtype)
    wanted = asked(model, x) if dtype == "float32" else exactly(model.layers, x)
    checkpoint = read_checkpoint(saved(tmp_path_factory.mktemp("k"), model, suffix), dtype=dtype)
    assert isinstance(checkpoint.networks, Population)
    assert checkpoint.interface.inputs == (Tokens(5) if tokens else Numbers(3, -1, 1))
    rounding = 5e-5 if cell == "relu" else 2e-6  # states of a relu network have no bound, nor has what rounding becomes
    limit = rounding if dtype == "float32" else 1e-12
    assert np.abs(answers(checkpoint, x) - wanted).max() <= limit * max(np.abs(wanted).max(), 1e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_layers_around(tmp_path: Path, suffix: str) -> None:
    model = model_of(
        layers.Embedding(7, 3), layers.GRU(4, return_sequences=True, dropout=0.2), layers.Dropout(0.5),
        layers.GRU(6, return_sequences=True, name="on_top"), layers.TimeDistributed(layers.Dense(5, activation="tanh")),
        layers.TimeDistributed(layers.Dropout(0.1)), layers.Dense(4), layers.Activation("relu"), layers.ReLU(),
        layers.Dense(3, activation="softmax"), inputs=None,
    )  # fmt: skip
    checkpoint = read_checkpoint(saved(tmp_path, model, suffix))
    head = (HeadLayer(5, "tanh"), HeadLayer(4, "relu"), HeadLayer(4, "relu"))
    assert checkpoint.architecture == Architecture("gru", 7, (4, 6), 3, head=head)
    assert checkpoint.interface == Interface(Tokens(7), Classes(3))
    x = np.random.default_rng(1).integers(7, size=(2, 9))
    found = torch.from_numpy(answers(checkpoint, x)).softmax(-1).numpy()
    assert apart(found, asked(model, x)) <= 2e-6
    notes = "; ".join(checkpoint.notes)
    assert "ignored: dropout" in notes
    assert "folded: the embedding" in notes
    assert "folded: the softmax of dense" in notes
    with pytest.raises(RNN2VecError, match="ends with a softmax"):
        read_checkpoint(tmp_path / f"m{suffix}", interface=Interface(Tokens(7), Numbers(3)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_last_step_alone(tmp_path: Path, suffix: str) -> None:
    model = model_of(layers.LSTM(4, return_sequences=True), layers.LSTM(5), layers.Dense(2))
    checkpoint = read_checkpoint(saved(tmp_path, model, suffix))
    x = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float32)
    assert apart(answers(checkpoint, x)[:, -1], asked(model, x)) <= 2e-6
    assert any("the last step alone, by lstm" in note for note in checkpoint.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_both_directions_and_what_no_architecture_holds(tmp_path: Path, suffix: str) -> None:
    x = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float32)
    for parts in (
        [layers.Bidirectional(layers.GRU(4, return_sequences=True)), layers.LSTM(3, return_sequences=True)],
        [
            layers.Dense(4, activation="tanh"),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.Dense(2),
        ],
        [layers.LSTM(4, return_sequences=True), layers.GRU(2, return_sequences=True), layers.Dense(2)],
    ):
        model = model_of(*parts)
        checkpoint = read_checkpoint(saved(tmp_path, model, suffix))
        assert isinstance(checkpoint.networks, Modules)
        assert apart(answers(checkpoint, x), asked(model, x)) <= 2e-6


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_functional_models_that_are_chains(tmp_path: Path, suffix: str) -> None:
    start = keras.Input((None, 3))
    hidden = layers.LSTM(4, return_sequences=True)(start)
    chain = keras.Model(start, layers.Dense(2)(hidden))
    checkpoint = read_checkpoint(saved(tmp_path, chain, suffix))
    x = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float32)
    assert apart(answers(checkpoint, x), asked(chain, x)) <= 2e-6
    branches = keras.Model(start, layers.Add()([layers.Dense(3)(hidden), start]))
    heads = keras.Model(start, [layers.Dense(2)(hidden), layers.Dense(1)(hidden)])
    again = layers.Dense(4)
    shared = keras.Model(start, again(again(hidden)))
    stateful = keras.Model(start, layers.LSTM(4, return_sequences=True)(start, initial_state=[hidden[:, 0]] * 2))
    for model in (branches, heads, shared, stateful):
        with pytest.raises(RNN2VecError, match=r"chain|has one of output_layers|Keras model is|a layer is one of"):
            read_checkpoint(saved(tmp_path, model, suffix))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("option", ["initial_state", "mask", "training"])
def test_a_call_with_more_than_its_inputs_is_refused(tmp_path: Path, suffix: str, option: str) -> None:
    ones = keras.ops.ones
    given = {"initial_state": [ones((2, 4)), ones((2, 4))], "mask": ones((2, 5), dtype="bool"), "training": True}
    inputs = keras.Input((5, 3), batch_size=2)
    model = keras.Model(inputs, layers.LSTM(4, return_sequences=True, dropout=0.5)(inputs, **{option: given[option]}))
    with pytest.raises(RNN2VecError, match=f"is called with {option} too"):
        read_checkpoint(saved(tmp_path, model, suffix))


def test_a_call_of_keras_2_with_an_initial_state_is_known() -> None:
    def config(**options: Any) -> str:
        named = [("InputLayer", "in", []), ("LSTM", "lstm", [[["in", 0, 0, options]]])]
        entries = [
            {"class_name": kind, "name": name, "config": {}, "inbound_nodes": nodes} for kind, name, nodes in named
        ]
        ends = {"input_layers": [["in", 0, 0]], "output_layers": [["lstm", 0, 0]]}
        return json.dumps({"class_name": "Functional", "config": {"layers": entries, **ends}})

    def called_with(**options: Any) -> tuple[str, ...]:
        return chain(config(**options))[0][1].options

    assert called_with(training=None, mask=None) == ()
    assert called_with(initial_state=["_CONSTANT_VALUE", -1, [[1.0]]]) == ("initial_state",)


def test_layers_that_are_called_as_others_are_counted(tmp_path: Path) -> None:
    """Older versions of Keras 3 wrote no names into the file, and count by class."""
    model = model_of(
        keras.layers.LSTM(3, return_sequences=True, name="lstm_1"),
        keras.layers.LSTM(3, return_sequences=True, name="lstm"),
        keras.layers.Dense(2, name="dense"),
    )
    path = saved(tmp_path, model, ".keras")
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    weights = io.BytesIO(entries["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        for group in file["layers"].values():
            group["vars"].attrs.pop("name", None)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**entries, "model.weights.h5": weights.getvalue()}.items():
            archive.writestr(name, content)
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    assert apart(answers(read_checkpoint(path), x), asked(model, x)) < 2e-6


def trained(model: Any) -> Any:
    model.compile("adam", "mse")
    x = np.zeros((2, 4, 3))
    model.fit(x, np.zeros_like(asked(model, x)), verbose=0)
    return model


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_optimiser_slots_are_left_out(tmp_path: Path, suffix: str) -> None:
    model = trained(model_of(layers.LSTM(4, return_sequences=True), layers.Dense(2), layers.Dense(3, name="dense_99")))
    x = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float32)
    assert apart(answers(read_checkpoint(saved(tmp_path, model, suffix)), x), asked(model, x)) <= 2e-6


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: layers.Conv1D(3, 2), "the file has conv1d.* \\(Conv1D\\)"),
        (lambda: layers.LayerNormalization(), "LayerNormalization"),
        (lambda: layers.BatchNormalization(), "BatchNormalization"),
        (lambda: layers.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid"), "recurrent_activation"),
        (lambda: layers.GRU(3, return_sequences=True, activation="relu"), "with activation 'tanh'"),
        (lambda: layers.SimpleRNN(3, return_sequences=True, activation="linear"), "activation tanh or relu"),
        (lambda: layers.LSTM(3, return_sequences=True, go_backwards=True), "go_backwards"),
        (lambda: layers.Dense(3, activation="gelu"), "is 'gelu'"),
        (lambda: layers.Masking(), "Masking"),
        (lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="sum"), "merge_mode"),
        (lambda: layers.Bidirectional(layers.LSTM(3)), "read with return_sequences"),
        (lambda: layers.LeakyReLU(), "LeakyReLU"),
        (lambda: layers.ReLU(max_value=6), "without max_value"),
        (lambda: layers.Dense(3, activation="softmax"), "a softmax is the last"),
    ],
)
def test_what_cannot_be_represented_is_refused_by_name(tmp_path: Path, suffix: str, part: Any, message: str) -> None:
    model = model_of(layers.LSTM(4, return_sequences=True), part(), layers.Dense(2))
    with pytest.raises(RNN2VecError, match=message):
        read_checkpoint(saved(tmp_path, model, suffix))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_masked_tokens_are_refused(tmp_path: Path, suffix: str) -> None:
    model = model_of(layers.Embedding(5, 3, mask_zero=True), layers.LSTM(4, return_sequences=True), inputs=None)
    with pytest.raises(RNN2VecError, match="mask_zero"):
        read_checkpoint(saved(tmp_path, model, suffix))


def keras2(path: Path, cell: str = "GRU", **changed: Any) -> dict[str, np.ndarray]:
    """A file in the layout of Keras 2: ``model_config``, ``layer_names`` and ``weight_names``, bytes, ``:0``."""
    random, gates = np.random.default_rng(2), {"GRU": 3, "LSTM": 4, "SimpleRNN": 1}[cell]
    own = {"name": "rnn_1", "units": 4, "activation": "tanh", "use_bias": True, "return_sequences": True}
    own |= {"return_state": False, "go_backwards": False, "stateful": False, "batch_input_shape": [None, None, 3]}
    own |= {} if cell == "SimpleRNN" else {"recurrent_activation": "sigmoid"}
    dense = {"name": "dense_1", "units": 2, "activation": "linear", "use_bias": True}
    config = [{"class_name": cell, "config": own | changed}, {"class_name": "Dense", "config": dense}]
    arrays = {
        "rnn_1/rnn_1/gru_cell/kernel:0": random.normal(size=(3, gates * 4)),
        "rnn_1/rnn_1/gru_cell/recurrent_kernel:0": random.normal(size=(4, gates * 4)),
        "rnn_1/rnn_1/gru_cell/bias:0": random.normal(size=gates * 4),
        "dense_1/dense_1/kernel:0": random.normal(size=(4, 2)),
        "dense_1/dense_1/bias:0": random.normal(size=2),
    }
    if changed.get("reset_after"):
        arrays["rnn_1/rnn_1/gru_cell/bias:0"] = random.normal(size=(2, gates * 4))
    with h5py.File(path, "w") as file:
        model = {"class_name": "Sequential", "config": {"name": "sequential", "layers": config}}
        file.attrs["model_config"] = json.dumps(model).encode()
        stored = file.create_group("model_weights")
        stored.attrs["layer_names"] = np.array([b"rnn_1", b"dense_1"])
        for name in ("rnn_1", "dense_1"):
            inside = [key.partition("/")[2] for key in arrays if key.startswith(name)]
            stored.create_group(name).attrs["weight_names"] = np.array([key.encode() for key in inside])
        for name, values in arrays.items():
            stored.create_dataset(name, data=values)
    return {name.rpartition("/")[2].split(":")[0] + name[0]: values for name, values in arrays.items()}


@pytest.mark.parametrize(
    ("cell", "changed"), [("GRU", {}), ("GRU", {"reset_after": True}), ("LSTM", {}), ("SimpleRNN", {})]
)
def test_the_layout_of_keras_2(tmp_path: Path, cell: str, changed: dict[str, Any]) -> None:
    arrays = keras2(tmp_path / "m.h5", cell, **changed)
    options = {"reset_after": bool(changed)} if cell == "GRU" else {}
    recurrent = getattr(layers, cell)(4, return_sequences=True, dtype="float64", **options)
    model = keras.Sequential([keras.Input((None, 3)), recurrent, layers.Dense(2, dtype="float64")])
    model.set_weights([arrays[name] for name in ("kernelr", "recurrent_kernelr", "biasr", "kerneld", "biasd")])
    x = np.random.default_rng(1).normal(size=(2, 9, 3))
    assert apart(answers(read_checkpoint(tmp_path / "m.h5", dtype="float64"), x), exactly(model.layers, x)) <= 1e-12


def test_files_that_claim_or_refer(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"

    def refused(message: str) -> None:
        with pytest.raises(RNN2VecError, match=message):
            read_checkpoint(path)

    place = "model_weights/dense_1/dense_1"
    for link in (h5py.ExternalLink("/etc/passwd", "x"), h5py.SoftLink("/model_weights/rnn_1")):
        keras2(path)
        with h5py.File(path, "a") as file:
            del file[f"{place}/bias:0"]
            file[f"{place}/bias:0"] = link
        refused("is a link to another place or file")
    keras2(path)
    with h5py.File(path, "a") as file:
        del file[f"{place}/bias:0"]
        file.create_dataset(f"{place}/bias:0", (2,), "f8", external=[(str(tmp_path / "secret"), 0, 16)])
    (tmp_path / "secret").write_bytes(bytes(16))
    refused("is kept in another")
    keras2(path)
    with h5py.File(path, "a") as file:
        del file[f"{place}/bias:0"]
        layout = h5py.VirtualLayout((2,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (2,))
        file.create_virtual_dataset(f"{place}/bias:0", layout)
    refused("is kept in another")
    keras2(path)
    with h5py.File(path, "a") as file:
        del file[f"{place}/kernel:0"]
        file.create_dataset(f"{place}/kernel:0", (10**9, 10**3), "f8", chunks=(100, 100))
    refused("a file holds at most")
    keras2(path)
    with h5py.File(path, "a") as file:
        file["model_weights/loop"] = file["model_weights"]
    refused("each has one place")
    keras2(path, units=5)
    refused("claims 5 units; its weights are of 4")
    keras2(path)
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
    refused("as save_weights writes it")
    keras2(path)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = "texts of any length are in a heap"
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL") + 16
    content[heap : heap + 2] = bytes(2)
    content[heap + 8 : heap + 16] = bytes(8)  # free space of no size, which leads to itself
    path.write_bytes(content)
    refused("a heap of texts is damaged")
    keras2(path)
    path.write_bytes(path.read_bytes()[:-3000])
    refused("truncated or altered")


def test_a_class_of_somebodys_own(tmp_path: Path) -> None:
    path = saved(tmp_path, model_of(layers.LSTM(4, return_sequences=True)), ".keras")
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}

    def refused(config: bytes, message: str) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, own in (entries | {"config.json": config}).items():
                archive.writestr(name, own)
        path.write_bytes(content.getvalue())
        with pytest.raises(RNN2VecError, match=message):
            read_checkpoint(path)

    config = entries["config.json"]
    refused(config.replace(b'"class_name": "LSTM"', b'"class_name": "Mine"'), "Mine")
    refused(config.replace(b'"class_name": "Sequential"', b'"class_name": "Mine"'), "whose code is not known")
    refused(config[:-5], "not valid JSON")
    refused(b"[]", "is an object with names")
    refused(config.replace(b'"units": 4', b'"units": 1000000000'), "claims 1000000000 units")
