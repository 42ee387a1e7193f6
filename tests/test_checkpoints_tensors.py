"""Networks from tensors by name (torch.save, TorchScript, safetensors, npz), against the modules that were saved."""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import re
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn2vec import Architecture, Classes, Interface, Numbers, Population, RNN2VecError, Tokens, read_checkpoint
from rnn2vec.architecture import HeadLayer

FOREIGN = Path(__file__).parents[2] / "shared" / "foreign"
CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "tanh": nn.RNN, "relu": nn.RNN}


def foreign(name: str) -> Path:
    """A file that others trained; the test is skipped where there is none."""
    path = FOREIGN / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


class Net(nn.Module):
    """A recurrent layer and a linear head, in float64."""

    def __init__(self, cell: str = "lstm", inputs: int = 3, size: int = 4, layers: int = 2, bias: bool = True) -> None:
        super().__init__()
        extra: dict[str, Any] = {"nonlinearity": cell} if cell in ("tanh", "relu") else {}
        torch.manual_seed(0)
        self.rnn = CELLS[cell](inputs, size, layers, batch_first=True, bias=bias, dtype=torch.float64, **extra)
        self.fc = nn.Linear(size, 2, bias=bias, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0])


def plain(cell: str) -> dict[str, str]:
    """What has to be declared of a cell."""
    return {"nonlinearity": cell} if cell in ("tanh", "relu") else {}


def run(path: Path, x: Tensor, **declared: Any) -> Tensor:
    """Outputs ``[B, T, Y]`` of a file's network, in float64."""
    with torch.no_grad():
        return read_checkpoint(path, dtype="float64", **declared).networks.run(x[None])[0][0]


def agrees(path: Path, module: Callable[[Tensor], Tensor], x: Tensor | None = None, **declared: Any) -> None:
    """Assert that a file's network answers as a module does."""
    if x is None:
        x = torch.randn(2, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(x)
    torch.testing.assert_close(run(path, x, **declared), expected, rtol=0, atol=1e-12)


@given(
    st.sampled_from(list(CELLS)), st.integers(1, 3), st.integers(1, 3), st.integers(2, 6), st.booleans(), st.booleans()
)
def test_state_dicts(
    tmp_path_factory: pytest.TempPathFactory, cell: str, layers: int, inputs: int, size: int, bias: bool, legacy: bool
) -> None:
    folder = tmp_path_factory.mktemp("s")
    module = Net(cell, inputs, size, layers, bias)
    torch.save(module.state_dict(), folder / "a", _use_new_zipfile_serialization=not legacy)
    safetensors.torch.save_file(module.state_dict(), folder / "b")
    x = torch.randn(2, 6, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for name in "ab":  # safetensors are in another order, which does not say where a layer is
        agrees(folder / name, module, x, **plain(cell), head="fc")
    notes = read_checkpoint(folder / "a", **plain(cell)).notes
    assert any("no bias_ih: zeros" in note for note in notes) == (not bias)


@pytest.mark.parametrize(
    "nest",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "groups": [{"lr": 1}]}},
        lambda state: {"a": [{"model_state_dict": state}], "args": {"lr": 0.1, "path": ("x", None)}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {f"_orig_mod.module.encoder.{name}": value for name, value in state.items()},
        lambda state: dict(reversed(state.items())),
    ],
)  # fmt: skip
@pytest.mark.parametrize("legacy", [False, True])
def test_nests_and_prefixes(tmp_path: Path, nest: Callable[[Any], Any], legacy: bool) -> None:
    module = Net()
    torch.save(nest(module.state_dict()), tmp_path / "a.ckpt", _use_new_zipfile_serialization=not legacy)
    agrees(tmp_path / "a.ckpt", module)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_dtypes(tmp_path: Path, dtype: torch.dtype) -> None:
    module = Net().to(dtype)
    torch.save(module.state_dict(), tmp_path / "a.pt")
    safetensors.torch.save_file(module.state_dict(), tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        agrees(tmp_path / name, module.to(torch.float64))
        assert read_checkpoint(tmp_path / name).networks.dtype == torch.float32


def repacked(path: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive whose entries were changed."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in found.items():
            archive.writestr(name, change(name, content))
    return path


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    """A file of torch.save whose pickle was changed."""

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("data.pkl"):
            return content
        assert old in content
        return content.replace(old, new)

    return repacked(path, change)


def test_saved_on_a_gpu(tmp_path: Path) -> None:
    module = Net()
    torch.save(module.state_dict(), tmp_path / "a.pt")
    agrees(replaced(tmp_path / "a.pt", b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"), module)


def test_views_of_one_storage(tmp_path: Path) -> None:
    module = Net(layers=1)
    state = {name: value.T.contiguous().T if value.ndim == 2 else value for name, value in module.state_dict().items()}
    both = torch.stack([state["rnn.bias_ih_l0"], state["rnn.bias_hh_l0"]])
    torch.save(state | {"rnn.bias_ih_l0": both[0], "rnn.bias_hh_l0": both[1]}, tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", module)


@pytest.mark.parametrize("style", ["old", "new"])
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(tmp_path: Path, style: str, dim: int | None) -> None:
    module = Net(layers=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for part, name in ((module.rnn, "weight_hh_l0"), (module.fc, "weight")):
            if style == "old":
                nn.utils.weight_norm(part, name, dim)
            else:
                nn.utils.parametrizations.weight_norm(part, name, -1 if dim is None else dim)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("_g", "original0")):
                parameter.mul_(1.5)
    torch.save(module.state_dict(), tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", module)
    assert any("weight norm of fc.weight" in note for note in read_checkpoint(tmp_path / "a.pt").notes)


def test_pruning_and_weight_drop(tmp_path: Path) -> None:
    from torch.nn.utils import prune

    module = Net(layers=1)
    prune.random_unstructured(module.fc, "weight", 0.5)
    state = module.state_dict()
    state["rnn.weight_hh_l0_raw"] = state["rnn.weight_hh_l0"]
    state["rnn.weight_hh_l0"] = torch.zeros_like(state["rnn.weight_hh_l0"])
    torch.save(state, tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", module)
    del state["rnn.weight_hh_l0"]
    torch.save(state, tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", module)


def test_cells_and_hand_stacked_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = (nn.LSTM(a, b, batch_first=True, dtype=torch.float64) for a, b in ((3, 4), (4, 5)))
    head = nn.Linear(5, 2, dtype=torch.float64)
    whole = nn.ModuleDict({"mach": nn.ModuleList([first, second]), "out": head})
    torch.save(whole.state_dict(), tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", lambda x: head(second(first(x)[0])[0]))
    checkpoint = read_checkpoint(tmp_path / "a.pt")
    assert checkpoint.architecture == Architecture("lstm", 3, (4, 5), 2)
    assert any("mach.0, mach.1" in note for note in checkpoint.notes)

    cell, square = nn.GRUCell(3, 4, dtype=torch.float64), nn.Linear(4, 2, dtype=torch.float64)

    def stepped(x: Tensor) -> Tensor:
        h, said = x.new_zeros(len(x), 4), []
        for step in x.unbind(1):
            h = cell(step, h)
            said.append(square(h))
        return torch.stack(said, 1)

    torch.save(nn.ModuleDict({"cell": cell, "out": square}).state_dict(), tmp_path / "b.pt")
    agrees(tmp_path / "b.pt", stepped)


def test_layers_whose_order_is_not_known(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = (nn.LSTM(3, 3, batch_first=True, dtype=torch.float64) for _ in range(2))
    torch.save(nn.ModuleDict({"a0": first, "a1": second}).state_dict(), tmp_path / "a.pt")
    with pytest.raises(RNN2VecError, match=r"got 'a0', 'a1': declare recurrent"):
        read_checkpoint(tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", lambda x: second(first(x)[0])[0], recurrent=["a0", "a1"])
    agrees(tmp_path / "a.pt", lambda x: first(second(x)[0])[0], recurrent=["a1", "a0"])
    agrees(tmp_path / "a.pt", lambda x: first(x)[0], recurrent="a0")
    with pytest.raises(RNN2VecError, match="recurrent names some of 'a0', 'a1'; got 'b'"):
        read_checkpoint(tmp_path / "a.pt", recurrent="b")


@pytest.mark.parametrize("head", ["ensemble.fc", "member.unembed"])
def test_what_only_sounds_like_an_embedding_is_a_head(tmp_path: Path, head: str) -> None:
    module = Net(inputs=4)
    torch.save({name.replace("fc", head): own for name, own in module.state_dict().items()}, tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", module, torch.randn(2, 9, 4, dtype=torch.float64))


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_quantised_weights_are_refused(tmp_path: Path, suffix: str) -> None:
    state = {name: (20 * own).to(torch.int8) for name, own in Net().state_dict().items()}
    save = torch.save if suffix == "pt" else safetensors.torch.save_file
    save(state, tmp_path / f"a.{suffix}")
    with pytest.raises(RNN2VecError, match="holds whole numbers, as quantised weights do"):
        read_checkpoint(tmp_path / f"a.{suffix}")


def test_a_matrix_that_may_be_an_embedding_is_asked_about(tmp_path: Path) -> None:
    """Of tied weights, safetensors keep the first of two names."""
    module, table = Net(inputs=4), torch.randn(20, 4, dtype=torch.float64)
    recurrent = {name: own for name, own in module.state_dict().items() if "fc" not in name}
    torch.save({"encoder.weight": table, **recurrent}, tmp_path / "a.pt")
    with pytest.raises(RNN2VecError, match=r"may be an embedding.*embedding='encoder.weight' or head=\['encoder'\]"):
        read_checkpoint(tmp_path / "a.pt")
    assert read_checkpoint(tmp_path / "a.pt", embedding="encoder.weight").interface.inputs == Tokens(20)
    assert read_checkpoint(tmp_path / "a.pt", head="encoder").interface.outputs == Numbers(20)


def test_an_embedding_is_folded(tmp_path: Path) -> None:
    module, embedding = Net(), nn.Embedding(6, 3, dtype=torch.float64)
    torch.save({**module.state_dict(), "embed.weight": embedding.weight}, tmp_path / "a.pt")
    tokens = torch.randint(6, (2, 7), generator=torch.Generator().manual_seed(1))
    agrees(tmp_path / "a.pt", lambda x: module(embedding(x)), tokens)
    interface = Interface(Tokens(6), Classes(2))
    checkpoint = read_checkpoint(tmp_path / "a.pt", interface=interface)
    assert (checkpoint.interface, isinstance(checkpoint.networks, Population)) == (interface, True)
    torch.save({**module.state_dict(), "table": embedding.weight}, tmp_path / "a.pt")
    with pytest.raises(RNN2VecError, match="these are neither: table"):
        read_checkpoint(tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", lambda x: module(embedding(x)), tokens, embedding="table")


def test_heads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rnn = nn.GRU(3, 4, batch_first=True, dtype=torch.float64)
    one, two, other = (nn.Linear(a, b, dtype=torch.float64) for a, b in ((4, 5), (5, 2), (4, 1)))
    path = tmp_path / "a.pt"
    torch.save(nn.ModuleDict({"rnn": rnn, "one": one, "two": two}).state_dict(), path)
    with pytest.raises(RNN2VecError, match=r"'one', 'two': declare head"):
        read_checkpoint(path)
    with pytest.raises(RNN2VecError, match="declare activations, 1 of them"):
        read_checkpoint(path, head=["one", "two"])
    agrees(path, lambda x: torch.tanh(two(torch.relu(one(rnn(x)[0])))), activations=["relu"], output_activation="tanh")
    agrees(path, lambda x: two(torch.relu(one(rnn(x)[0]))), head=["one", "two"], activations="relu")
    architecture = read_checkpoint(path, activations=["relu"]).architecture
    assert architecture == Architecture("gru", 3, (4,), 2, head=(HeadLayer(5, "relu"),))
    with pytest.raises(RNN2VecError, match="an activation is one of"):
        read_checkpoint(path, activations=["gelu"])
    torch.save(nn.ModuleDict({"rnn": rnn, "policy": one, "value": other}).state_dict(), path)
    with pytest.raises(RNN2VecError, match="reads what the one below says"):
        read_checkpoint(path, activations=["relu"])
    agrees(path, lambda x: other(rnn(x)[0]), head="value")
    assert any("policy.weight" in note for note in read_checkpoint(path, head="value").notes)
    agrees(path, lambda x: other(rnn(x)[0]), ignore=["policy.*"])
    torch.save(rnn.state_dict(), path)
    agrees(path, lambda x: rnn(x)[0])


def test_linear_layers_before_the_recurrent_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path, rnn = tmp_path / "a.pt", nn.LSTM(2, 4, batch_first=True, dtype=torch.float64)
    first, head = nn.Linear(3, 2, dtype=torch.float64), nn.Linear(4, 2, dtype=torch.float64)
    torch.save(nn.ModuleDict({"first": first, "rnn": rnn, "head": head}).state_dict(), path)
    with pytest.raises(RNN2VecError, match="'first', 'head': declare head"):
        read_checkpoint(path)
    with pytest.raises(RNN2VecError, match="declare front_activations, 1 of them for 'first'"):
        read_checkpoint(path, front="first")
    agrees(path, lambda x: head(rnn(first(x))[0]), front="first", front_activations="identity")
    assert isinstance(read_checkpoint(path, front="first", front_activations="identity").networks, Population)
    agrees(path, lambda x: head(rnn(torch.relu(first(x)))[0]), front="first", front_activations="relu")
    with pytest.raises(RNN2VecError, match="front names some of 'first', 'head'; got 'x'"):
        read_checkpoint(path, front="x")


def test_a_linear_layer_that_fits_before_and_after(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path, rnn = tmp_path / "a.pt", nn.LSTM(3, 3, batch_first=True, dtype=torch.float64)
    linear = nn.Linear(3, 3, dtype=torch.float64)
    torch.save(nn.ModuleDict({"fc": linear, "rnn": rnn}).state_dict(), path)
    with pytest.raises(RNN2VecError, match=r"'fc' fits before .* declare head=\['fc'\] or front=\['fc'\]"):
        read_checkpoint(path)
    agrees(path, lambda x: linear(rnn(x)[0]), head="fc")
    agrees(path, lambda x: rnn(linear(x))[0], front="fc", front_activations="identity")
    torch.save(nn.ModuleDict({"rnn": rnn, "fc": linear}).state_dict(), path)
    agrees(path, lambda x: linear(rnn(x)[0]))
    wide = nn.Linear(5, 3, dtype=torch.float64)
    torch.save(nn.ModuleDict({"fc": wide, "rnn": rnn}).state_dict(), path)
    with pytest.raises(RNN2VecError, match="fc reads 5: is it before them"):
        read_checkpoint(path)


def test_what_is_declared_and_not_used(tmp_path: Path) -> None:
    torch.save(Net().state_dict(), tmp_path / "a.pt")
    for declared in ({"nonlinearity": "tanh"}, {"reset": "before"}, {"leak": "inside"}, {"rate": 0.5}):
        with pytest.raises(RNN2VecError, match=f"have no choice of {next(iter(declared))}"):
            read_checkpoint(tmp_path / "a.pt", **declared)
    torch.save(Net().rnn.state_dict(), tmp_path / "a.pt")
    with pytest.raises(RNN2VecError, match="output_activation follows a head"):
        read_checkpoint(tmp_path / "a.pt", output_activation="tanh")


class Squashed(Net):
    """The same with something after its head."""

    def __init__(self, after: nn.Module) -> None:
        super().__init__()
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(super().forward(x))


def test_a_module_whose_parts_do_more(tmp_path: Path) -> None:
    path, module = tmp_path / "a.pt", Squashed(nn.Sigmoid())
    torch.save(module, path)
    with pytest.raises(RNN2VecError, match=r"Squashed has a Sigmoid, too: declare it"):
        read_checkpoint(path, assume_plain=True)
    agrees(path, module, assume_plain=True, output_activation="sigmoid")
    torch.save(Squashed(nn.LogSoftmax(-1)), path)
    with pytest.raises(RNN2VecError, match=r"ignore=\['LogSoftmax'\]"):
        read_checkpoint(path, assume_plain=True)
    agrees(path, Net(), assume_plain=True, ignore="LogSoftmax")
    torch.save(Squashed(nn.Dropout(0.5)).eval(), path)
    agrees(path, Net(), assume_plain=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, torch.zeros(1, 2, 3, dtype=torch.float64)).save(str(path))
    with pytest.raises(RNN2VecError, match="has a Sigmoid, too"):
        read_checkpoint(path, assume_plain=True)


def test_another_file_beside(tmp_path: Path) -> None:
    safetensors.torch.save_file(Net().state_dict(), tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text('{"model_type": "rnn"}')
    with pytest.raises(RNN2VecError, match=r"a\.json beside it is read as its declaration: .* got model_type"):
        read_checkpoint(tmp_path / "a.safetensors")


def test_a_skip_is_declared(tmp_path: Path) -> None:
    module = Net()
    torch.save(module.state_dict(), tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", lambda x: module(x) + x[..., :2], skip=True)


def test_several_networks_in_a_file(tmp_path: Path) -> None:
    module, other = Net(), Net("gru")
    torch.save({"ema": other.state_dict(), "model": module.state_dict()}, tmp_path / "a.pt")
    with pytest.raises(RNN2VecError, match="got 'ema', 'model': declare within"):
        read_checkpoint(tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", other, within="ema")
    with pytest.raises(RNN2VecError, match="within is one of 'ema', 'model'; got 'x'"):
        read_checkpoint(tmp_path / "a.pt", within="x")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (nn.LSTM(3, 4, bidirectional=True), "is a bidirectional layer"),
        (nn.LSTM(3, 4, proj_size=2), r"is a projection of the hidden state"),
        (nn.Sequential(nn.LSTM(3, 4), nn.LayerNorm(4)), "1.weight is a normalisation"),
        (nn.Sequential(nn.LSTM(3, 4), nn.BatchNorm1d(4, affine=False)), "1.running_mean is batch normalisation"),
        (nn.Sequential(nn.Conv1d(3, 3, 2), nn.LSTM(3, 4)), "0.weight is a convolution"),
        (nn.Sequential(nn.LSTM(3, 4), nn.MultiheadAttention(4, 1)), "in_proj_weight is attention"),
        (nn.RNN(3, 4), "declare nonlinearity, tanh or relu; got None"),
        (nn.Linear(3, 4), "a recurrent layer has weight_ih and weight_hh; the file has bias, weight"),
        (nn.utils.parametrizations.orthogonal(nn.LSTM(3, 4), "weight_hh_l0"), "is weight norm, .* has another"),
        (nn.utils.spectral_norm(nn.LSTM(3, 4), "weight_hh_l0"), "has spectral norm"),
    ],
)  # fmt: skip
def test_what_cannot_be_represented(tmp_path: Path, part: nn.Module, message: str) -> None:
    torch.save(part.state_dict(), tmp_path / "a.pt")
    with pytest.raises(RNN2VecError, match=message) as refused:
        read_checkpoint(tmp_path / "a.pt")
    assert str(refused.value).startswith(f"{tmp_path / 'a.pt'}: ")


def test_tensors_of_other_shapes(tmp_path: Path) -> None:
    state = Net().state_dict()
    for name, value, message in (
        ("rnn.weight_hh_l0", torch.zeros(7, 4), r"is \[7, 4\]"),
        ("rnn.weight_hh_l0", torch.zeros(4), "lacks weight_hh|matrices weight_ih and weight_hh"),
        ("rnn.weight_ih_l1", torch.zeros(16, 5), "layer 1 of the file reads 5|reads 5"),
        ("rnn.bias_hh_l0", torch.zeros(15), "bias_hh of layer 0 of rnn has 16 rows"),
        ("rnn.weight_hh_l3", torch.zeros(16, 4), "layers are numbered from 0 on"),
        ("rnn.weight_ch_l0", torch.zeros(4), "these are neither: rnn.weight_ch_l0"),
        ("fc.weight", torch.zeros(2, 9), "fc reads 9: is it before them"),
        ("fc.bias", torch.full((2,), float("nan")), "fc.bias holds finite numbers"),
    ):
        torch.save(state | {name: value}, tmp_path / "a.pt")
        with pytest.raises(RNN2VecError, match=message):
            read_checkpoint(tmp_path / "a.pt")


def test_the_state_of_an_optimiser(tmp_path: Path) -> None:
    module = Net()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.zeros(1, 2, 3, dtype=torch.float64)).sum().backward()
    optimizer.step()
    torch.save(optimizer.state_dict(), tmp_path / "a.pt")
    with pytest.raises(RNN2VecError, match="is it the state of an optimiser"):
        read_checkpoint(tmp_path / "a.pt")


def test_whole_modules(tmp_path: Path) -> None:
    for cell, legacy in itertools.product(CELLS, (False, True)):
        module = Net(cell)
        torch.save({"net": module, "epoch": 3}, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
        with pytest.raises(RNN2VecError, match=r"Net of .*declare assume_plain=True"):
            read_checkpoint(tmp_path / "a.pt")
        agrees(tmp_path / "a.pt", module, assume_plain=True)  # its nonlinearity is among its attributes
        assert (
            read_checkpoint(tmp_path / "a.pt", assume_plain=True)
            .notes[0]
            .startswith("assumed, as declared: the layers")
        )


def test_a_flip_flop() -> None:
    path = foreign("flip_flop/flip_flop_net_6.pt")
    with pytest.raises(RNN2VecError, match="FlipFlopNet"):
        read_checkpoint(path)
    checkpoint = read_checkpoint(path, assume_plain=True)
    assert checkpoint.architecture == Architecture("elman", 3, (8,), 3)
    pulses = torch.zeros(1, 1, 60, 3)
    pulses[0, 0, [2, 12, 22, 32, 42, 52], [0, 1, 2, 0, 1, 2]] = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    with torch.no_grad():
        said = checkpoint.networks.run(pulses)[0][0, 0].sign()
    assert said[30].tolist() == [1, -1, 1]  # three bits, kept
    assert said[59].tolist() == [-1, 1, -1]


def test_torchscript(tmp_path: Path) -> None:
    module = Net()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, torch.zeros(1, 2, 3, dtype=torch.float64)).save(str(tmp_path / "a.pt"))
    with pytest.raises(RNN2VecError, match="declare assume_plain=True"):
        read_checkpoint(tmp_path / "a.pt")
    agrees(tmp_path / "a.pt", module, assume_plain=True)


class Trap:
    """What runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_is_executed(tmp_path: Path, legacy: bool) -> None:
    module, marker = Net(), tmp_path / "executed"
    for held in (Trap(marker), [Trap(marker), module.state_dict()], {"x": Trap(marker), "model": module.state_dict()}):
        torch.save(held, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
        if isinstance(held, Trap):
            with pytest.raises(RNN2VecError):
                read_checkpoint(tmp_path / "a.pt")
        else:
            agrees(tmp_path / "a.pt", module)
    assert not marker.exists()
    with (tmp_path / "a.pt").open("rb") as file:  # the trap is one
        torch.load(file, weights_only=False)
    assert marker.exists()


def test_a_bare_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(pickle.dumps(Trap(tmp_path / "executed")))
    with pytest.raises(RNN2VecError, match="a bare pickle, which is never unpickled"):
        read_checkpoint(tmp_path / "a.pt")
    assert not (tmp_path / "executed").exists()


def test_claims_that_the_file_does_not_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"weight_hh_l0": torch.zeros(1).expand(40000, 10000)}, path)
    with pytest.raises(RNN2VecError, match="more numbers than the file has"):
        read_checkpoint(path)
    state = {f"{part}_{kind}_l0": torch.ones(16, 3) for part in ("weight", "bias") for kind in ("ih", "hh")}
    torch.save(state, path)
    replaced(path, b"K\x10K\x03\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86")
    with pytest.raises(RNN2VecError, match="more numbers than the file has"):
        read_checkpoint(path)
    torch.save(state, path)
    repacked(path, lambda name, content: content if "/data/" not in name else content[:8])
    with pytest.raises(RNN2VecError, match="more numbers than the file has"):
        read_checkpoint(path)


def test_archives_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a/data.pkl", bytes(300 * 2**20))
    tracemalloc.start()
    with pytest.raises(RNN2VecError, match="at most 20 times its own size"):
        read_checkpoint(path)
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()


SIBLINGS = b"](" + b"ca\nB\n)\x81}X\x08\x00\x00\x00trainingNsb" * 30_000 + b"e"
"""Thirty thousand modules side by side."""

PAIRS = b"](" + b"NN\x86" * 20_000 + b"eq\x000" + b"ccollections\nOrderedDict\nh\x00\x85R0" * 20_000 + b"N"
"""A list of as many pairs, made a dictionary as often."""


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x02r\xff\xff\xff\x7fN.",  # a memo of two thousand millions
        b"\x80\x02" + b"]" + b"\x85" * 200_000 + b"}q\x00h\x00N\x86.",  # a tuple in a tuple in ...
        b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"Ns.",  # the same as a key
        b"\x80\x02]q\x00h\x00a.",  # a list that holds itself
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02" + b"N" * 200_000 + b"(1" * 200_000 + b".",  # a search for each mark would take hours
        b"\x80\x02" + SIBLINGS + b".",
        b"\x80\x02" + PAIRS + b".",
        b"\x80\x02N",
        b"\x80\x02.",
        b"e.",
        b"",
        b"\x80\x02\x82\x01.",
        b"(cos\nsystem\nX\x01\x00\x00\x00xo.",
        b"(X\x01\x00\x00\x00xios\nsystem\n.",
    ],
)
def test_hostile_pickles(tmp_path: Path, stream: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", stream)
    tracemalloc.start()
    with pytest.raises(RNN2VecError):
        read_checkpoint(tmp_path / "a.pt")
    assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    tracemalloc.stop()


def samples(folder: Path) -> dict[str, bytes]:
    """A small file of every format."""
    state = Net(layers=1).state_dict()
    held: dict[str, bytes] = {"safetensors": safetensors.torch.save(state)}
    for name, what, new in (("pt", state, True), ("legacy", state, False), ("module", Net(layers=1), True)):
        buffer = io.BytesIO()
        torch.save(what, buffer, _use_new_zipfile_serialization=new)
        held[name] = buffer.getvalue()
    buffer = io.BytesIO()
    np.savez(buffer, **{name.partition(".")[2] if "rnn" in name else name: v.numpy() for name, v in state.items()})
    held["npz"] = buffer.getvalue()
    listed = {name: value.tolist() for name, value in state.items()}
    held["json"] = json.dumps(listed).encode()
    return held


@pytest.mark.parametrize("kind", ["safetensors", "pt", "legacy", "module", "npz", "json"])
def test_cut_files(tmp_path: Path, kind: str) -> None:
    """A file that was cut is never read."""
    content, path = samples(tmp_path)[kind], tmp_path / "a.bin"
    declared = {"assume_plain": True}
    path.write_bytes(content)
    read_checkpoint(path, **declared)
    random = np.random.default_rng(0)
    for length in random.integers(0, len(content), 40):
        path.write_bytes(content[:length])
        with pytest.raises(RNN2VecError):
            read_checkpoint(path, **declared)


LEAKY = {"cell": "leaky", "nonlinearity": "relu", "leak": "outside", "rate": 0.2}
PSYCHRNN = {
    **LEAKY,
    "tensors": {"weight_ih_l0": "W_in", "weight_hh_l0": "W_rec", "bias_ih_l0": "b_rec", "h0": "init_state",
                "linear.weight": "W_out", "linear.bias": "b_out"},
    "masks": {"weight_ih_l0": "input_connectivity", "weight_hh_l0": "rec_connectivity",
              "linear.weight": "output_connectivity"},
    "ignore": ["*/Adam*", "Dale_*", "dale_ratio"],
}  # fmt: skip


def psychrnn(own: dict[str, np.ndarray], x: np.ndarray, a: float) -> np.ndarray:
    """The formula of leaky networks, the leak outside."""
    s, said = own["init_state"][0].astype(float), []
    w_in, w_rec, w_out = (
        own[name].astype(float) * own[mask]
        for name, mask in (
            ("W_in", "input_connectivity"),
            ("W_rec", "rec_connectivity"),
            ("W_out", "output_connectivity"),
        )
    )
    for step in x:
        s = (1 - a) * s + a * (w_rec @ np.maximum(s, 0) + w_in @ step + own["b_rec"])
        said.append(w_out @ np.maximum(s, 0) + own["b_out"])
    return np.array(said)


def leaky_arrays() -> dict[str, Any]:
    random = np.random.default_rng(6)
    shapes = {"W_in": (4, 3), "W_rec": (4, 4), "W_out": (2, 4), "b_rec": (4,), "b_out": (2,), "init_state": (1, 4)}
    arrays: dict[str, Any] = {name: random.normal(size=shape) for name, shape in shapes.items()}
    masks = {"input_connectivity": "W_in", "rec_connectivity": "W_rec", "output_connectivity": "W_out"}
    arrays |= {mask: random.integers(0, 2, shapes[name]).astype(float) for mask, name in masks.items()}
    return arrays | {"W_in/Adam": np.zeros(3), "Dale_rec": np.eye(4)}


def test_npz_with_a_declaration(tmp_path: Path) -> None:
    path, arrays = tmp_path / "a.npz", leaky_arrays()
    np.savez(path, **arrays, dale_ratio=np.array(None, dtype=object))
    x = np.random.default_rng(7).normal(size=(9, 3))
    expected = psychrnn(arrays, x, 0.2)
    found = run(path, torch.from_numpy(x)[None], **PSYCHRNN)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    notes = " ".join(read_checkpoint(path, **PSYCHRNN).notes)
    assert all(name in notes for name in ("dale_ratio", "W_in/Adam", "rec_connectivity"))
    for declared, message in (
        ({}, "dale_ratio holds objects, which are pickled and never read"),
        ({"ignore": "dale_ratio"}, "a recurrent layer has weight_ih and weight_hh; got only"),
        ({**PSYCHRNN, "leak": None}, "declare leak, outside or inside"),
        ({**PSYCHRNN, "rate": None}, "declare leak, outside or inside"),
        ({**PSYCHRNN, "nonlinearity": None}, "declare nonlinearity, tanh or relu or softplus"),
        ({**PSYCHRNN, "rate": 1.5}, "from 0 to 1"),
        ({**PSYCHRNN, "masks": {}}, "these are neither: input_connectivity"),
        ({**PSYCHRNN, "masks": {"weight_hh_l0": "W_out"}}, "has its shape|is not"),
        ({**PSYCHRNN, "tensors": {"weight_ih_l0": "W"}}, r"W \(weight_ih_l0\) is not in the file"),
        ({**PSYCHRNN, "tensors": {"W": "W_in"}}, "tensors are called weight_ih_l0"),
        ({**PSYCHRNN, "cell": "lstm"}, "cell=lstm was declared"),
    ):
        with pytest.raises(RNN2VecError, match=message):
            read_checkpoint(path, **declared)


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_a_declaration_beside_a_file(tmp_path: Path, suffix: str) -> None:
    path, arrays = tmp_path / "a.npz", leaky_arrays()
    np.savez(path, **arrays)
    lines = [f"{name} = {json.dumps(value)}" for name, value in PSYCHRNN.items() if not isinstance(value, dict)]
    for name in ("tensors", "masks"):
        lines += [f"[{name}]", *(f'"{key}" = "{value}"' for key, value in PSYCHRNN[name].items())]  # type: ignore[attr-defined]
    (tmp_path / f"a{suffix}").write_text(json.dumps(PSYCHRNN) if suffix == ".json" else "\n".join(lines))
    x = np.random.default_rng(7).normal(size=(9, 3))
    for rate, declared in ((0.2, {}), (0.7, {"rate": 0.7})):  # what is said goes before what is beside
        found = run(path, torch.from_numpy(x)[None], **declared)[0].numpy()
        np.testing.assert_allclose(found, psychrnn(arrays, x, rate), rtol=0, atol=1e-12)
    (tmp_path / f"a{suffix}").write_text("{")
    with pytest.raises(RNN2VecError, match="is not valid"):
        read_checkpoint(path)


def test_a_declared_head_is_the_head(tmp_path: Path) -> None:
    module = Net(inputs=2, layers=1)
    own = {name.partition(".")[2]: value.numpy() for name, value in module.state_dict().items() if "rnn" in name}
    np.savez(tmp_path / "a.npz", out=module.fc.weight.detach(), shift=module.fc.bias.detach(), **own)
    x = torch.randn(2, 7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    first = {"linear.weight": "out", "linear.bias": "shift"}
    agrees(tmp_path / "a.npz", module, x, tensors=first)
    np.savez(tmp_path / "b.npz", out=module.fc.weight.detach(), **{f"r.{name}": value for name, value in own.items()})
    agrees(
        tmp_path / "b.npz",
        lambda x: module(x) - module.fc.bias,
        x,
        tensors={"linear.weight": "out", **{name: f"r.{name}" for name in own}},
    )


def test_a_leak_inside_and_one_matrix_for_both(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    kernel, bias, out = random.normal(size=(7, 4)), random.normal(size=4), random.normal(size=(4, 2))
    np.savez(tmp_path / "a.npz", kernel=kernel, b=bias, out=out)
    x, h, expected = random.normal(size=(9, 3)), np.zeros(4), []
    for step in x:
        h = 0.7 * h + 0.3 * np.log1p(np.exp(np.concatenate([step, h]) @ kernel + bias))
        expected.append(h @ out)
    declared = {
        "cell": "leaky", "nonlinearity": "softplus", "leak": "inside", "rate": 0.3, "columns": True,
        "tensors": {"weight_l0": "kernel", "bias_ih_l0": "b", "linear.weight": "out"},
    }  # fmt: skip
    found = run(tmp_path / "a.npz", torch.from_numpy(x)[None], **declared)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    with pytest.raises(RNN2VecError, match=r"\[W_ih \| W_hh\] of a declared cell"):
        read_checkpoint(tmp_path / "a.npz", **{**declared, "cell": None})


def test_orders_of_gates(tmp_path: Path) -> None:
    for cell, order, own in (("lstm", "ifco", (0, 1, 3, 2)), ("gru", "zrh", (1, 0, 2)), ("lstm", "iofg", (0, 3, 1, 2))):
        module = Net(cell, layers=1)
        wanted = [{"ifco": [0, 1, 2, 3], "zrh": [1, 0, 2], "iofg": [0, 3, 1, 2]}[order]][0]
        state = {
            name: torch.cat([value.chunk(len(own))[gate] for gate in wanted]) if "rnn" in name else value
            for name, value in module.state_dict().items()
        }
        safetensors.torch.save_file(state, tmp_path / "a.safetensors")
        agrees(tmp_path / "a.safetensors", module, gates=order)
    with pytest.raises(RNN2VecError, match="the gates of lstm cells are ifgo, in any order; got 'ifxo'"):
        read_checkpoint(tmp_path / "a.safetensors", gates="ifxo")


def test_a_reset_before_the_product(tmp_path: Path) -> None:
    torch.save(Net("gru").state_dict(), tmp_path / "a.pt")
    assert read_checkpoint(tmp_path / "a.pt", reset="before").architecture == Architecture(
        "gru", 3, (4, 4), 2, reset="before"
    )


def test_psychrnn() -> None:
    path = foreign("psychrnn/saved_weights.npz")
    x = np.random.default_rng(7).normal(size=(50, 2))
    with np.load(path, allow_pickle=False) as arrays:
        own = {name: arrays[name] for name in arrays.files if name != "dale_ratio"}
    found = run(path, torch.from_numpy(x)[None], **PSYCHRNN)[0].numpy()
    np.testing.assert_allclose(found, psychrnn(own, x, 0.2), rtol=0, atol=1e-12)


def runs(word: str) -> list[tuple[str, int]]:
    return [(letter, len(list(own))) for letter, own in itertools.groupby(word)]


def odd_later(word: str) -> bool:
    """Whether no odd run of 1s is followed, later, by an odd run of 0s."""
    odd = [letter for letter, length in runs(word) if length % 2]
    return not ("1" in odd and "0" in odd[odd.index("1") :])


def odd_next(word: str) -> bool:
    """The same of runs that are next to each other."""
    pairs = itertools.pairwise(runs(word))
    return not any((a, n % 2, b, m % 2) == ("1", 1, "0", 1) for (a, n), (b, m) in pairs)


@pytest.mark.parametrize(
    ("grammar", "accepts", "right"),
    [
        (1, lambda word: "0" not in word, 2045),
        (2, lambda word: re.fullmatch("(10)*", word) is not None, 2044),
        (3, odd_later, 2046),
        (3, odd_next, 1982),
        (4, lambda word: "000" not in word, 2046),
    ],
)
def test_tomita(grammar: int, accepts: Callable[[str], bool], right: int) -> None:
    interface = Interface(Tokens(2), Classes(2))
    networks = read_checkpoint(foreign(f"tomita/tomita_{grammar}_lstm.safetensors"), interface=interface).networks
    found = 0
    for length in range(1, 11):
        words = ["".join(letters) for letters in itertools.product("01", repeat=length)]
        asked = torch.tensor([[int(letter) for letter in word] for word in words])
        with torch.no_grad():
            said = networks.run(asked[None])[0][0, :, -1].argmax(-1)
        correct = [(int(answer) == 0) == accepts(word) for answer, word in zip(said, words, strict=True)]
        assert length > 5 or all(correct)
        found += sum(correct)
    assert found == right  # of 2,046


def test_initial_states_that_do_not_fit(tmp_path: Path) -> None:
    state = Net("gru").state_dict()
    for extra, message in (
        ({"h0": torch.zeros(3, 4)}, "a row for each of 2 layers"),
        ({"h0": torch.zeros(2, 5)}, "a state of gru cells, 4"),
        ({"c0": torch.ones(2, 4)}, "a state of gru cells"),
        ({"h0_l7": torch.ones(4)}, "a row for each of 2 layers"),
    ):
        torch.save(state | extra, tmp_path / "a.pt")
        with pytest.raises(RNN2VecError, match=message):
            read_checkpoint(tmp_path / "a.pt")
    torch.save(state | {"h0_l1": torch.ones(4)}, tmp_path / "a.pt")
    assert read_checkpoint(tmp_path / "a.pt").architecture == Architecture("gru", 3, (4, 4), 2, initial_state=True)


def test_a_range_is_declared(tmp_path: Path) -> None:
    torch.save(Net().state_dict(), tmp_path / "a.pt")
    values = Interface(Numbers(3, 0, 5), Numbers(2)).to_dict()
    assert read_checkpoint(tmp_path / "a.pt", interface=values).interface == Interface(Numbers(3, 0, 5), Numbers(2))
