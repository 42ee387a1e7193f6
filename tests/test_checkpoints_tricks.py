"""Files that could be read as another function: each is refused by name, or read as its own library reads it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from rnn2vec import RNN2VecError, read_checkpoint
from test_checkpoints import guitarml, nam, written

STATE = dict(nn.ModuleDict({"rnn": nn.LSTM(2, 3), "top": nn.Linear(3, 1)}).state_dict())
BIAS = STATE["top.bias"]


def refused(path: Path, message: str, **declared: Any) -> None:
    with pytest.raises(RNN2VecError, match=message) as error:
        read_checkpoint(path, **declared)
    assert "\n" not in str(error.value)


def saved(folder: Path, what: Any) -> Path:
    torch.save(what, folder / "a.pt")
    return folder / "a.pt"


class Marked(Tensor):
    """A type of somebody's own, which may compute anything."""


@pytest.mark.filterwarnings("ignore")  # torch's own, about quantised tensors
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: BIAS.to(torch.float8_e4m3fn), id="of 8 bits"),
        pytest.param(lambda: torch.quantize_per_tensor(BIAS, 0.1, 0, torch.qint8), id="quantised"),
        pytest.param(lambda: (torch.quantize_per_tensor(BIAS, 0.1, 0, torch.qint8), None), id="quantised and packed"),
        pytest.param(lambda: BIAS.to_sparse(), id="sparse"),
        pytest.param(lambda: BIAS.numpy(), id="of numpy"),
        pytest.param(lambda: BIAS.tolist(), id="a list"),
        pytest.param(lambda: BIAS.to("meta"), id="without numbers"),
        pytest.param(lambda: BIAS.as_subclass(Marked), id="of another type"),
        pytest.param(lambda: torch.complex(BIAS, BIAS).conj().imag, id="with the other sign"),
    ],
)
def test_a_tensor_of_another_kind_never_becomes_zeros(tmp_path: Path, other: Callable[[], Any]) -> None:
    path = saved(tmp_path, {**STATE, "top.bias": other()})
    refused(path, r"top\.bias is .*, and no plain tensor")
    assert any("top has no bias: zeros" in note for note in read_checkpoint(path, ignore=["top.bias"]).notes)


def test_a_tensor_with_attributes_is_a_tensor(tmp_path: Path) -> None:
    marked = BIAS.clone()
    marked.origin = "here"  # type: ignore[attr-defined]
    path = saved(tmp_path, {**STATE, "top.bias": marked})
    found = read_checkpoint(path).networks[[0]].weights["linear.bias"]  # type: ignore[attr-defined]
    torch.testing.assert_close(found[0], BIAS)


class Net(nn.Module):
    def __init__(self, *others: nn.Module, rnn: nn.Module | None = None) -> None:
        super().__init__()
        self.rnn = rnn or nn.RNN(2, 3, nonlinearity="relu")
        self.others, self.top = nn.ModuleList(others), nn.Linear(3, 1)


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.rnn, self.top = nn.Embedding(5, 2, max_norm=0.3), nn.LSTM(2, 3), nn.Linear(3, 1)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn1, self.rnn2 = nn.RNN(2, 3, nonlinearity="relu"), nn.RNN(3, 4, nonlinearity="tanh")
        self.top = nn.Linear(4, 1)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn1 = nn.LSTM(3, 3)
        self.rnn2, self.top = self.rnn1, nn.Linear(3, 1)


def doubled(module: nn.Module, inputs: Any, outputs: Any) -> Any:
    return outputs


def hooked() -> nn.Module:
    net = Net(rnn=nn.LSTM(2, 3))
    net.top.register_forward_hook(doubled)
    return net


@pytest.mark.parametrize(
    ("make", "declared", "message"),
    [
        (Net, {"nonlinearity": "tanh"}, "those of .*Net say relu, and tanh was declared"),
        (Two, {}, "say relu and tanh"),
        (Two, {"nonlinearity": "tanh"}, "say relu and tanh"),
        (lambda: Net(nn.Softplus(beta=3.0)), {"output_activation": "softplus"}, "Softplus has beta 3.0"),
        (Embedded, {}, "Embedding has max_norm 0.3"),
        (Twice, {}, "order of several recurrent layers"),
        (hooked, {}, "Linear has a hook, .*doubled"),
        (lambda: Net(rnn=nn.LSTM(2, 3, bidirectional=True)), {}, "LSTM has bidirectional True"),
        (lambda: Net(rnn=nn.LSTM(2, 3, proj_size=2)), {}, "LSTM has proj_size 2"),
    ],
)
def test_what_the_parts_of_a_module_say_is_believed(
    tmp_path: Path, make: Callable[[], nn.Module], declared: dict[str, Any], message: str
) -> None:
    refused(saved(tmp_path, make()), message, assume_plain=True, **declared)


@pytest.mark.filterwarnings("ignore")  # torch's own, about TorchScript
def test_a_script_lists_its_weights_twice(tmp_path: Path) -> None:
    torch.jit.script(nn.Sequential(nn.RNN(2, 3, nonlinearity="relu"))).save(tmp_path / "a.pt")  # type: ignore[no-untyped-call]
    assert read_checkpoint(tmp_path / "a.pt", assume_plain=True).architecture.nonlinearity == "relu"  # type: ignore[union-attr]
    refused(tmp_path / "a.pt", "say relu, and tanh was declared", assume_plain=True, nonlinearity="tanh")


class Nested(nn.Module):
    """Two parts that are one and the same, in which two are, and so on: few objects in very many places."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.a = self.b = Nested(depth - 1) if depth else nn.LSTM(2, 3)


def test_few_objects_in_many_places_take_no_time(tmp_path: Path) -> None:
    begun = time.perf_counter()
    refused(saved(tmp_path, Nested(30)), "a module has at most .* tensors and parts", assume_plain=True)
    same = [[[]] for _ in range(3000)]
    refused(saved(tmp_path, STATE | {f"other{place}": [same] for place in range(3000)}), "at most .* values")
    assert time.perf_counter() - begun < 60


def test_weight_norm_of_a_module_is_no_hook(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning):
        net = Net(rnn=nn.utils.weight_norm(nn.LSTM(2, 3), "weight_hh_l0"))
    assert len(read_checkpoint(saved(tmp_path, net), assume_plain=True).networks) == 1


@pytest.mark.parametrize(
    ("tensors", "declared", "message"),
    [
        ({"h0": torch.zeros(1, 3), "h0_l0": torch.ones(3)}, {}, "h0 and h0_l0 are both in the file"),
        ({"top.weight_orig": torch.ones(1, 3), "top.weight_mask": torch.ones(1, 3)}, {}, "a weight is in a file once"),
        ({"top.weight_g": torch.ones(1, 1), "top.weight_v": torch.ones(1, 3)}, {}, "a weight is in a file once"),
        ({}, {"recurrent": ["rnn", "rnn"]}, "recurrent names each layer once"),
        ({}, {"gates": ""}, "the gates of lstm cells are ifgo"),
        ({}, {"leak": "inside"}, "lstm cells, .* have no choice of leak"),
        ({}, {"reset": "before"}, "lstm cells, .* have no choice of reset"),
        ({}, {"nonlinearity": "relu"}, "lstm cells, .* have no choice of nonlinearity"),
        ({"leak_l0": torch.full((3,), 0.5)}, {}, "these are neither: leak_l0"),
        ({}, {"front_activations": ["tanh"]}, "declare front_activations, 0 of them"),
    ],
)
def test_declarations_that_contradict_a_file(
    tmp_path: Path, tensors: dict[str, Tensor], declared: dict[str, Any], message: str
) -> None:
    refused(saved(tmp_path, STATE | tensors), message, **declared)


def test_a_declaration_beside_a_file_is_never_overlooked(tmp_path: Path) -> None:
    path, said = saved(tmp_path, STATE), tmp_path / "a.toml"
    said.write_text("skip = true")
    assert read_checkpoint(path).architecture.skip  # type: ignore[union-attr]
    assert not read_checkpoint(path, skip=False).architecture.skip  # type: ignore[union-attr]
    said.write_text("gates = 'ifgo'")
    refused(written(tmp_path / "a.json", guitarml()), "what can be declared of GuitarML JSON is")


def test_cells_without_gates_have_no_order_of_them(tmp_path: Path) -> None:
    state = {f"rnn.{name}": value for name, value in nn.RNN(2, 3).state_dict().items()}
    refused(saved(tmp_path, state), "elman cells have no gates", nonlinearity="tanh", gates="")


def test_within_is_of_files_that_may_hold_several(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file(STATE, path)
    refused(path, "what can be declared of safetensors is .*; got within", within="ema")


@pytest.mark.parametrize("name", ["above", "zenith"])
def test_the_order_of_safetensors_says_nothing(tmp_path: Path, name: str) -> None:
    """Tensors stand there by name, so a layer that fits before and after is asked about, whatever it is called."""
    rnn, linear, path = nn.LSTM(3, 3), nn.Linear(3, 3), tmp_path / "a.safetensors"
    state = {f"rnn.{key}": value for key, value in rnn.state_dict().items()}
    safetensors.torch.save_file(state | {f"{name}.{key}": own for key, own in linear.state_dict().items()}, path)
    refused(path, f"'{name}' fits before the recurrent layers as well as after them, and the file keeps no order")
    x = torch.randn(2, 5, 3)
    with torch.no_grad():
        for place, wanted in (("head", linear(rnn(x)[0])), ("front", rnn(linear(x))[0])):
            said = {place: [name]} | ({"front_activations": ["identity"], "head": []} if place == "front" else {})
            found = read_checkpoint(path, **said).networks.run(x.transpose(0, 1)[None])[0][0].transpose(0, 1)
            torch.testing.assert_close(found, wanted, rtol=0, atol=2e-6)
    safetensors.torch.save_file(state | {f"{name}.weight": linear.weight.detach()}, path)
    refused(path, f"'{name}' may be an embedding, since it has no bias and the file keeps no order")


def test_a_stack_of_linear_layers_in_safetensors_is_named(tmp_path: Path) -> None:
    state, path = STATE | {"top.weight": torch.zeros(3, 3), "top.bias": torch.zeros(3)}, tmp_path / "a.safetensors"
    state |= {"best.weight": torch.zeros(3, 3), "best.bias": torch.ones(3)}
    safetensors.torch.save_file(state, path)
    refused(path, "several linear layers may be the head", activations=["tanh"])
    assert len(read_checkpoint(path, head=["top", "best"], activations=["tanh"]).networks) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "ConvSimpleRNN"}, "the model of a file is SimpleRNN; got 'ConvSimpleRNN'"),
        ({"bias_fl": False}, r"these are not known: lin\.bias"),
        ({"bias_fl": 1}, "bias_fl is true or false; got 1"),
    ],
)
def test_what_guitarml_says_of_its_model_is_believed(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    values = guitarml()
    values["model_data"] |= change
    refused(written(tmp_path / "a.json", values), message)


@pytest.mark.parametrize("name", ["rec.bias_ih_l0", "rec.bias_hh_l0", "lin.bias"])
def test_a_bias_of_guitarml_that_is_lost_is_missed(tmp_path: Path, name: str) -> None:
    values = guitarml()
    del values["state_dict"][name]
    refused(written(tmp_path / "a.json", values), name)
    without = guitarml()
    without["model_data"]["bias_fl"] = False
    del without["state_dict"]["lin.bias"]
    found = read_checkpoint(written(tmp_path / "b.json", without)).networks
    assert not np.any(found[[0]].weights["linear.bias"].numpy())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"out_channels": 2}}, "one channel in and out; this one has {'out_channels': 2}"),
        ({"config": {"condition": "x"}}, "this one has {'condition': 'x'}"),
        ({"architecture": "SlimmableContainer"}, "this is 'SlimmableContainer'"),
    ],
)
def test_what_nam_says_of_its_network_is_believed(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    values, _ = nam()
    values["config"] |= {"in_channels": 1, "out_channels": 1}
    assert len(read_checkpoint(written(tmp_path / "a.nam", values)).networks) == 1
    changed = values | change | {"config": values["config"] | change.get("config", {})}
    refused(written(tmp_path / "b.nam", changed), message)
