"""Networks from JSON of GuitarML, RTNeural, AIDA-X and NAM, against formulas in each format's own order of gates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn2vec import Architecture, Interface, Modules, Numbers, Population, RNN2VecError, read_checkpoint

FOREIGN = Path(__file__).parents[2] / "shared" / "foreign"


def foreign(name: str) -> Path:
    """A file that others trained; the test is skipped where there is none."""
    path = FOREIGN / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm(
    x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray, order: str, h: Any = None, c: Any = None
) -> np.ndarray:
    """Hidden states ``[T, H]`` of matrices ``[4 H, ...]`` whose gates are in an order of the letters i, f, g, o."""
    size = u.shape[1]
    h, c, said = np.zeros(size) if h is None else h, np.zeros(size) if c is None else c, []
    for step in x:
        gates = dict(zip(order, np.split(w @ step + u @ h + b, 4), strict=True))
        c = sigmoid(gates["f"]) * c + sigmoid(gates["i"]) * np.tanh(gates["g"])
        h = sigmoid(gates["o"]) * np.tanh(c)
        said.append(h)
    return np.array(said)


def gru(x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray, b2: np.ndarray, order: str) -> np.ndarray:
    """The same of a GRU, r, z and n, its reset after the recurrent product."""
    h, said = np.zeros(u.shape[1]), []
    for step in x:
        read = dict(zip(order, np.split(w @ step + b, 3), strict=True))
        kept = dict(zip(order, np.split(u @ h + b2, 3), strict=True))
        z = sigmoid(read["z"] + kept["z"])
        h = z * h + (1 - z) * np.tanh(read["n"] + sigmoid(read["r"] + kept["r"]) * kept["n"])
        said.append(h)
    return np.array(said)


def answers(path: Path, x: np.ndarray, **declared: Any) -> np.ndarray:
    """Outputs ``[N, T, Y]`` of all networks of a file to one sequence ``[T, X]``, in float64."""
    networks = read_checkpoint(path, dtype="float64", **declared).networks
    inputs = torch.from_numpy(x)[None, None].expand(len(networks), 1, *x.shape)
    with torch.no_grad():
        return networks.run(inputs.contiguous())[0][:, 0].numpy()


def written(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values))
    return path


def guitarml(cell: str = "LSTM", size: int = 4, inputs: int = 2, layers: int = 1, skip: int = 1) -> dict[str, Any]:
    """A random file of GuitarML."""
    random, gates = np.random.default_rng(0), {"LSTM": 4, "GRU": 3}[cell]
    state: dict[str, Any] = {}
    for layer in range(layers):
        state[f"rec.weight_ih_l{layer}"] = random.normal(size=(gates * size, size if layer else inputs)).tolist()
        state[f"rec.weight_hh_l{layer}"] = random.normal(size=(gates * size, size)).tolist()
        state[f"rec.bias_ih_l{layer}"] = random.normal(size=gates * size).tolist()
        state[f"rec.bias_hh_l{layer}"] = random.normal(size=gates * size).tolist()
    state["lin.weight"], state["lin.bias"] = random.normal(size=(1, size)).tolist(), random.normal(size=1).tolist()
    data = {"unit_type": cell, "input_size": inputs, "hidden_size": size, "output_size": 1, "num_layers": layers}
    return {"model_data": {**data, "skip": skip, "bias_fl": True}, "state_dict": state}


def test_a_skip_of_guitarml_has_one_output_and_is_said(tmp_path: Path) -> None:
    values = guitarml(inputs=2)
    state = values["state_dict"]
    for name in ("lin.weight", "lin.bias"):
        state[name] = [*state[name], *state[name]]
    values["model_data"]["output_size"] = 2
    with pytest.raises(RNN2VecError, match="to its one output; this has 2"):  # GuitarML adds it to both
        read_checkpoint(written(tmp_path / "a.json", values))
    silent = guitarml()
    del silent["model_data"]["skip"]
    assert any("assumed: no skip" in note for note in read_checkpoint(written(tmp_path / "b.json", silent)).notes)


def expected_guitarml(values: dict[str, Any], x: np.ndarray) -> np.ndarray:
    data, own = values["model_data"], {name: np.array(value) for name, value in values["state_dict"].items()}
    read = x
    for layer in range(data["num_layers"]):
        w, u, b, b2 = (own[f"rec.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        read = lstm(read, w, u, b + b2, "ifgo") if data["unit_type"] == "LSTM" else gru(read, w, u, b, b2, "rzn")
    return read @ own["lin.weight"].T + own["lin.bias"] + data["skip"] * x[:, :1]


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("skip", [0, 1])
def test_guitarml(tmp_path: Path, cell: str, layers: int, skip: int) -> None:
    values = guitarml(cell, layers=layers, skip=skip)
    x = np.random.default_rng(1).normal(size=(9, 2))
    found = answers(written(tmp_path / "anything.bin", values), x)
    np.testing.assert_allclose(found[0], expected_guitarml(values, x), rtol=0, atol=1e-12)


def test_knobs_are_folded_exactly(tmp_path: Path) -> None:
    values, x = guitarml(), np.random.default_rng(1).normal(size=(9, 1))
    path = written(tmp_path / "amp.json", values)
    found = answers(path, x, knob=[0, 0.5, 1])
    for own, position in zip(found, (0, 0.5, 1), strict=True):
        turned = np.concatenate([x, np.full_like(x, position)], axis=1)
        np.testing.assert_allclose(own, expected_guitarml(values, turned), rtol=0, atol=1e-12)
    checkpoint = read_checkpoint(path, knob=[0, 0.5, 1])
    assert checkpoint.names == ("amp@0", "amp@0.5", "amp@1")
    assert isinstance(checkpoint.networks, Population)
    assert checkpoint.architecture == Architecture("lstm", 1, (4,), 1, skip=True)
    assert any("3 positions" in note for note in checkpoint.notes)
    assert read_checkpoint(path).names == ("amp",)
    several = read_checkpoint(written(tmp_path / "b.json", guitarml(inputs=3)), knob=[(0, 1), (1, 0)])
    assert several.names == ("b@0,1", "b@1,0")
    with pytest.raises(RNN2VecError, match="a number for each input but the first, 2"):
        read_checkpoint(tmp_path / "b.json", knob=[0.5])


def test_a_file_with_one_input_has_no_knob(tmp_path: Path) -> None:
    path = written(tmp_path / "amp.json", guitarml(inputs=1))
    assert read_checkpoint(path, knob=[0, 1]).names == ("amp",)


def test_amplifiers() -> None:
    paths = sorted(foreign("amps").glob("*.json"))
    read = [read_checkpoint(path, knob=[0, 0.5, 1]) for path in paths]
    assert (len(paths), sum(len(own.names) for own in read)) == (39, 75)
    assert {own.architecture for own in read} == {Architecture("lstm", 1, (40,), 1, skip=True)}
    x = np.random.default_rng(0).normal(size=(30, 2))
    for path in paths:
        values = json.loads(path.read_text())
        own = x[:, : values["model_data"]["input_size"]]
        np.testing.assert_allclose(answers(path, own)[0], expected_guitarml(values, own), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["lstm", "gru", "lstm_torch", "gru_torch"])
def test_references_of_rtneural(kind: str) -> None:
    path = foreign(f"rtneural/{kind}.json")
    x, y = (np.loadtxt(path.with_name(f"{kind}_{side}_python.csv")).reshape(1, 1, -1, 1) for side in "xy")
    stacked = {"recurrent": [kind[:-6], f"{kind[:-6]}2"]} if kind.endswith("_torch") else {}
    networks = read_checkpoint(path, **stacked).networks
    assert isinstance(networks, Population if stacked else Modules)  # the others begin with a tanh layer
    with torch.no_grad():
        said = networks.run(torch.from_numpy(x).float())[0].double().numpy()
    assert np.abs(said - y).max() <= 2e-6 * np.abs(y).max()


def rtneural(cell: str = "lstm", front: str | None = None, inputs: int = 1, size: int = 3) -> dict[str, Any]:
    """A random file of RTNeural, in Keras' orders."""
    random, gates = np.random.default_rng(2), {"lstm": 4, "gru": 3}[cell]

    def draw(*shape: int) -> Any:
        return random.normal(size=shape).tolist()

    below = inputs if front is None else 2
    bias = draw(4 * size) if cell == "lstm" else draw(2, 3 * size)
    layers = [
        {"type": cell, "activation": "tanh", "shape": [None, None, size],
         "weights": [draw(below, gates * size), draw(size, gates * size), bias]},
        {"type": "dense", "activation": "tanh", "shape": [None, None, 2], "weights": [draw(size, 2), draw(2)]},
        {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": [draw(2, 1), draw(1)]},
    ]  # fmt: skip
    if front is not None:
        own = {"type": "dense", "activation": front, "shape": [None, None, 2], "weights": [draw(inputs, 2), draw(2)]}
        layers.insert(0, own)
    return {"in_shape": [None, None, inputs], "layers": layers}


def expected_rtneural(values: dict[str, Any], x: np.ndarray) -> np.ndarray:
    gains = [10 ** (values.get(name, 0) / 20) for name in ("in_gain", "out_gain")]
    x = np.concatenate([gains[0] * x[:, :1], x[:, 1:]], axis=1)
    read = x
    for layer in values["layers"]:
        own = [np.array(part) for part in layer["weights"]]
        if layer["type"] == "lstm":
            read = lstm(read, own[0].T, own[1].T, own[2], "ifgo")
        elif layer["type"] == "gru":
            read = gru(read, own[0].T, own[1].T, own[2][0], own[2][1], "zrn")
        else:
            read = read @ own[0] + own[1]
            read = np.tanh(read) if layer["activation"] == "tanh" else read
    return gains[1] * (read + values.get("in_skip", 0) * x[:, :1])


@given(
    st.sampled_from(["lstm", "gru"]),
    st.sampled_from([None, "", "tanh"]),
    st.integers(1, 3),
    st.sampled_from([{}, {"in_skip": 1}, {"in_gain": 6.0}, {"in_gain": -3.0, "out_gain": 3.0, "in_skip": 1},
                     {"in_gain": 2.0, "out_gain": 5.0, "in_skip": 1}]),
)  # fmt: skip
def test_rtneural_and_aidax(
    tmp_path_factory: pytest.TempPathFactory, cell: str, front: str | None, inputs: int, extra: dict[str, float]
) -> None:
    values = rtneural(cell, front, inputs) | extra
    x = np.random.default_rng(3).normal(size=(8, inputs))
    path = written(tmp_path_factory.mktemp("r") / "a.aidax", values)
    np.testing.assert_allclose(answers(path, x)[0], expected_rtneural(values, x), rtol=0, atol=1e-11)
    held = read_checkpoint(path).architecture is not None
    assert held == (front != "tanh" and extra != {"in_gain": 2.0, "out_gain": 5.0, "in_skip": 1})
    turned = answers(path, x[:, :1], knob=[[0.25] * (inputs - 1) or [1.0]]) if inputs > 1 else None
    if turned is not None:
        constant = np.concatenate([x[:, :1], np.full((8, inputs - 1), 0.25)], axis=1)
        np.testing.assert_allclose(turned[0], expected_rtneural(values, constant), rtol=0, atol=1e-11)


def test_a_file_that_tests_itself(tmp_path: Path) -> None:
    values = rtneural("gru") | {"in_skip": 1}
    x = np.random.default_rng(3).normal(size=(8, 1))
    values |= {"input_batch": x[None].tolist(), "output_batch": expected_rtneural(values, x)[None].tolist()}
    assert any(
        note.startswith("passed its own test of 8 steps")
        for note in read_checkpoint(written(tmp_path / "a", values)).notes
    )
    lost = {name: value for name, value in values.items() if name != "in_skip"}
    with pytest.raises(RNN2VecError, match="has a test of its own, input_batch and output_batch, and fails it"):
        read_checkpoint(written(tmp_path / "a", lost))
    with pytest.raises(RNN2VecError, match="output_batch is missing"):
        read_checkpoint(written(tmp_path / "a", {n: v for n, v in values.items() if n != "output_batch"}))
    with pytest.raises(RNN2VecError, match="as many steps"):
        read_checkpoint(written(tmp_path / "a", values | {"input_batch": [0.0, 1.0]}))


def test_a_hidden_size_that_lies(tmp_path: Path) -> None:
    values = rtneural()
    values["layers"][0]["shape"] = [None, None, 64]
    checkpoint = read_checkpoint(written(tmp_path / "a", values))
    assert checkpoint.architecture is not None
    assert checkpoint.architecture.hidden_sizes == (3,)
    assert any("claims 64 units, its weights are of 3" in note for note in checkpoint.notes)
    lying = guitarml()
    lying["model_data"]["hidden_size"] = 40
    assert any("claims 40" in note for note in read_checkpoint(written(tmp_path / "a", lying)).notes)


def nam(size: int = 3, layers: int = 2, inputs: int = 1) -> tuple[dict[str, Any], list[Any]]:
    """A random file of NAM, and its arrays."""
    random, parts = np.random.default_rng(4), []
    for layer in range(layers):
        parts.append([random.normal(size=(4 * size, (size if layer else inputs) + size)),
                      *(random.normal(size=length) for length in (4 * size, size, size))])  # fmt: skip
    head = [random.normal(size=(1, size)), random.normal(size=1)]
    flat = np.concatenate([own.ravel() for part in [*parts, head] for own in part])
    config = {"input_size": inputs, "hidden_size": size, "num_layers": layers}
    return {"version": "0.5.4", "architecture": "LSTM", "config": config, "weights": flat.tolist()}, [parts, head]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_nam_starts_from_its_own_states(tmp_path: Path, layers: int) -> None:
    values, (parts, head) = nam(layers=layers)
    x = np.random.default_rng(5).normal(size=(7, 1))
    read = x
    for matrix, bias, h, c in parts:
        below = matrix.shape[1] - 3
        read = lstm(read, matrix[:, :below], matrix[:, below:], bias, "ifgo", h, c)
    path = written(tmp_path / "a.nam", values)
    np.testing.assert_allclose(answers(path, x)[0], read @ head[0].T + head[1], rtol=0, atol=1e-12)
    architecture = read_checkpoint(path).architecture
    assert architecture is not None
    assert architecture.initial_state


def test_a_bass_preamplifier() -> None:
    checkpoint = read_checkpoint(foreign("nam/lstm.nam"))
    assert checkpoint.architecture == Architecture("lstm", 1, (3,), 1, initial_state=True)


def broken() -> dict[str, tuple[object, str]]:
    """Files that are refused, and a part of what is said of them."""
    amp, net, (preamp, _) = guitarml(), rtneural(), nam()

    def changed(values: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
        copy = json.loads(json.dumps(values))
        inner = copy
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to
        return copy

    state = amp["state_dict"]
    return {
        "WaveNet": (preamp | {"architecture": "WaveNet"}, "this is 'WaveNet'"),
        "too few weights": (preamp | {"weights": preamp["weights"][:-1]}, "have .* weights; got"),
        "a huge claim": (changed(preamp, "config", "hidden_size", to=2**31 - 1), "weights; got"),
        "too huge a claim": (changed(preamp, "config", "num_layers", to=10**30), "num_layers is at most"),
        "NaN": (preamp | {"weights": [float("nan")] * len(preamp["weights"])}, "finite numbers"),
        "infinity": (preamp | {"weights": [1e999] * len(preamp["weights"])}, "finite numbers"),
        "texts": (preamp | {"weights": ["1.0"] * len(preamp["weights"])}, "holds numbers"),
        "null weights": (preamp | {"weights": None}, "weights holds numbers"),
        "no sizes": (preamp | {"config": []}, "config is an object"),
        "ragged": (changed(amp, "state_dict", "rec.weight_hh_l0", 0, to=[1.0]), "rows of one length"),
        "a wrong shape": (changed(amp, "state_dict", "lin.weight", to=[[1.0]]), "lin.weight has the shape"),
        "a layer is missing": (changed(amp, "model_data", "num_layers", to=2), "rec.weight_hh_l1 is missing"),
        "one layer too many": (changed(amp, "state_dict", "rec.weight_ih_l1", to=[[1.0]]), "rec.weight_ih_l1"),
        "an unknown cell": (changed(amp, "model_data", "unit_type", to="Transformer"), "unit_type is one of"),
        "a cell that lies": (changed(amp, "model_data", "unit_type", to="GRU"), "has 3 rows a hidden unit"),
        "a list for a cell": (changed(amp, "model_data", "unit_type", to=["LSTM"]), "unit_type is one of"),
        "no weights": ({"model_data": amp["model_data"], "state_dict": {}}, "is missing"),
        "an unknown skip": (changed(amp, "model_data", "skip", to=2), "skip is at most 1"),
        "peepholes": (changed(amp, "state_dict", "rec.weight_ci_l0", to=state["lin.bias"]), "rec.weight_ci_l0"),
        "a convolution": (changed(net, "layers", 0, "type", to="conv1d"), "layer 0 is 'conv1d'"),
        "an unknown activation": (changed(net, "layers", 1, "activation", to="prelu"), "that of layer 1 is 'prelu'"),
        "a cell of relu": (changed(net, "layers", 0, "activation", to="relu"), "lstm cells have tanh"),
        "no layers": (net | {"layers": []}, "has a recurrent layer"),
        "no recurrent layer": (net | {"layers": [{"type": "dense", "weights": [[[1.0]], [1.0]]}]}, "recurrent layer"),
        "layers that do not fit": (changed(net, "layers", 1, "weights", 0, to=[[1.0, 2.0]]), "has the shape"),
        "a huge gain": (net | {"in_gain": 1e30}, "at most 200 dB"),
        "another object": ({"a": 1}, "JSON of a network is of"),
    }  # fmt: skip


@pytest.mark.parametrize("case", broken())
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    values, message = broken()[case]
    path = written(tmp_path / "a.json", values)
    with pytest.raises(RNN2VecError, match=message) as refused:
        read_checkpoint(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": ' * 5000, b"{" + b"\xff" * 9, b"not a network", b"[1]"])
def test_files_that_are_no_networks(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(RNN2VecError, match=r"a\.json: "):
        read_checkpoint(tmp_path / "a.json")


def test_places_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(RNN2VecError, match="cannot read it: No such file"):
        read_checkpoint(tmp_path / "none.json")
    (tmp_path / "x.pt").mkdir()
    with pytest.raises(RNN2VecError, match="it is a directory"):
        read_checkpoint(tmp_path / "x.pt")


def test_declarations_are_checked(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", guitarml(inputs=1))
    interface = Interface(Numbers(1, -2, 2), Numbers(1))
    named = read_checkpoint(path, name="amp", interface=interface)
    assert (named.names, named.interface) == (("amp",), interface)
    for declared, message in (
        ({"gate": "ifgo"}, "what can be declared is"),
        ({"gates": "ifgo"}, "what can be declared of GuitarML JSON is"),
        ({"interface": Interface(Numbers(2, -2, 2), Numbers(1))}, "sizes of its networks, 1 and 1"),
        ({"dtype": "float16"}, "dtype is one of float32, float64"),
        ({"knob": []}, "at least one position"),
        ({"knob": [1, 1]}, "positions of a knob differ"),
        ({"knob": ["loud"]}, "holds numbers"),
        ({"name": 3}, "name is a text"),
    ):
        with pytest.raises(RNN2VecError, match=message):
            read_checkpoint(path, **declared)


def test_numbers_that_float32_cannot_hold(tmp_path: Path) -> None:
    values = guitarml()
    values["state_dict"]["lin.bias"] = [1e300]
    with pytest.raises(RNN2VecError, match="say dtype='float64'"):
        read_checkpoint(written(tmp_path / "a", values))
    assert read_checkpoint(tmp_path / "a", dtype="float64").networks.dtype == torch.float64


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("model", "GatedConv", "SimpleRNN"), ("bidirectional", True, "forwards"), ("bias_fl", False, "known: lin.bias")],
)
def test_a_guitarml_file_that_claims_another_network_is_refused(
    tmp_path: Path, name: str, value: object, says: str
) -> None:
    values = guitarml(inputs=1)
    values["model_data"][name] = value
    with pytest.raises(RNN2VecError, match=says):
        read_checkpoint(written(tmp_path / "a.json", values))


def test_fields_of_no_known_meaning_are_said(tmp_path: Path) -> None:
    values = guitarml(inputs=1)
    values["model_data"]["head_scale"] = 2.0
    assert "not read, of model_data: 'head_scale'" in read_checkpoint(written(tmp_path / "a.json", values)).notes
