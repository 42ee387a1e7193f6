"""Thousands of mutations of a file of every format: read or refused, in a line, soon, and within little memory.

RNN2VEC_FUZZ sets how many mutations of each.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from rnn2vec import RNN2VecError, Tokens, read_checkpoint
from rnn2vec.checkpoints.keras import hdf5
from rnn2vec.testing import mutated

MUTATIONS = int(os.environ.get("RNN2VEC_FUZZ", "150"))
SECONDS = 20.0
"""That reading one may take; measured are hundredths."""
SPARE = 32 << 20
"""Bytes of memory beside 10 times the file."""


def tensors(size: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(0)
    parts = nn.ModuleDict({"rnn": nn.LSTM(2, size), "top": nn.Linear(size, 1)})
    return dict(parts.state_dict())


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.top = nn.GRU(1, 3), nn.Linear(3, 2)


def torch_file(what: Any, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value.numpy() for name, value in tensors().items()})  # type: ignore[arg-type]
    return buffer.getvalue()


def guitarml() -> bytes:
    sizes = {"input_size": 2, "output_size": 1, "hidden_size": 3, "num_layers": 1}
    state = {name.replace("rnn", "rec").replace("top", "lin"): value.tolist() for name, value in tensors().items()}
    data = {"model": "SimpleRNN", "unit_type": "LSTM", "skip": 1, "bias_fl": True}
    return json.dumps({"model_data": {**data, **sizes}, "state_dict": state}).encode()


def rtneural() -> bytes:
    numbers = np.random.default_rng(0)
    gru = [numbers.normal(size=shape).round(3).tolist() for shape in ((1, 9), (3, 9), (2, 9))]
    dense = [numbers.normal(size=shape).round(3).tolist() for shape in ((3, 1), (1,))]
    layers = [
        {"type": "gru", "activation": "", "shape": [None, None, 3], "weights": gru},
        {"type": "dense", "activation": "tanh", "shape": [None, None, 1], "weights": dense},
    ]
    return json.dumps({"in_shape": [None, None, 1], "in_skip": 1, "in_gain": 3.0, "layers": layers}).encode()


def nam() -> bytes:
    config = {"input_size": 1, "hidden_size": 2, "num_layers": 1}
    weights = np.linspace(-1, 1, 4 * 2 * 3 + 8 + 4 + 3).round(3).tolist()
    return json.dumps({"version": "0.5.2", "architecture": "LSTM", "config": config, "weights": weights}).encode()


LSTM = {"units": 3, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True, "return_sequences": True}
CONFIG = json.dumps(
    {
        "class_name": "Sequential",
        "config": {
            "layers": [
                {"class_name": "LSTM", "config": {"name": "lstm", **LSTM}},
                {"class_name": "Dense", "config": {"name": "dense", "units": 1, "activation": "linear"}},
            ]
        },
    }
)
SHAPES = {"lstm": {"kernel": (1, 12), "recurrent_kernel": (3, 12), "bias": (12,)},
          "dense": {"kernel": (3, 1), "bias": (1,)}}  # fmt: skip


def keras_h5() -> bytes:
    """As Keras 2 lays it out."""
    h5py, numbers, buffer = pytest.importorskip("h5py"), np.random.default_rng(0), io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["model_config"] = CONFIG
        stored = file.create_group("model_weights")
        stored.attrs["layer_names"] = list(SHAPES)
        for layer, shapes in SHAPES.items():
            group = stored.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{name}:0" for name in shapes]
            for name, shape in shapes.items():
                group.create_dataset(f"{layer}/{name}:0", data=numbers.normal(size=shape))
    return buffer.getvalue()


def keras_archive() -> bytes:
    """As Keras 3 lays it out."""
    h5py, numbers = pytest.importorskip("h5py"), np.random.default_rng(0)
    weights, buffer = io.BytesIO(), io.BytesIO()
    with h5py.File(weights, "w") as file:
        for layer, shapes in SHAPES.items():
            inside = "cell/vars" if layer == "lstm" else "vars"
            for number, shape in enumerate(shapes.values()):
                file[f"layers/{layer}/{inside}/{number}"] = numbers.normal(size=shape)
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", CONFIG)
        archive.writestr("model.weights.h5", weights.getvalue())
    return buffer.getvalue()


def onnx() -> bytes:
    onnx, numbers = pytest.importorskip("onnx"), np.random.default_rng(0)
    helper = onnx.helper
    shapes = {"w": (2, 12, 2), "r": (2, 12, 3), "b": (2, 24), "kernel": (6, 1), "bias": (1,)}
    held = [
        onnx.numpy_helper.from_array(numbers.normal(size=shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    held.append(onnx.numpy_helper.from_array(np.array([0, 0, -1]), "shape"))
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=3, direction="bidirectional"),
        helper.make_node("Transpose", ["y"], ["turned"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["turned", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["said"]),
    ]
    inputs = [helper.make_tensor_value_info("x", 1, ["t", "b", 2])]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("said", 1, None)], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(made.SerializeToString())


FORMATS: dict[str, Callable[[], bytes]] = {
    "safetensors": lambda: safetensors.torch.save(tensors()),
    "torch.save": lambda: torch_file({"epoch": 3, "state_dict": tensors()}),
    "torch.save before 1.6": lambda: torch_file(tensors(), False),
    "a pickled module": lambda: torch_file(Net()),
    "npz": npz,
    "JSON of tensors": lambda: json.dumps({name: value.tolist() for name, value in tensors().items()}).encode(),
    "GuitarML": guitarml,
    "RTNeural": rtneural,
    "NAM": nam,
    "Keras h5": keras_h5,
    "Keras archive": keras_archive,
    "ONNX": onnx,
}
"""A small file of each format."""


def peak(process: int | str = "self") -> int:
    """Bytes of memory that a process had at most."""
    (line,) = (own for own in Path(f"/proc/{process}/status").read_text().splitlines() if own.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.filterwarnings("ignore")  # of Python's parsers, about texts in altered files
@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_files_are_read_or_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, path, numbers = FORMATS[kind](), tmp_path / "a.bin", np.random.default_rng(list(kind.encode()))
    monkeypatch.chdir(tmp_path)
    declared = {"assume_plain": True} if kind in ("a pickled module", "torch.save", "torch.save before 1.6") else {}

    def read() -> bool:
        try:
            checkpoint = read_checkpoint(path, **declared)
        except RNN2VecError as error:
            assert "\n" not in str(error)  # noqa: PT017
            return False
        networks, interface = checkpoint.networks, checkpoint.interface
        inputs = torch.zeros(len(networks), 1, 3, interface.inputs.size)
        with torch.no_grad():
            assert networks.run(inputs.argmax(-1) if isinstance(interface.inputs, Tokens) else inputs)
        return True

    path.write_bytes(whole)
    assert read()
    limited = False
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # where nobody may write there
            Path("/proc/self/clear_refs").write_text("5")  # peaks are counted from here on
            limited, before = True, peak()
    slowest, good = 0.0, 0
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(whole, numbers))
        begun = time.perf_counter()
        good += read()
        slowest = max(slowest, time.perf_counter() - begun)
    assert slowest < SECONDS
    assert [own.name for own in tmp_path.iterdir()] == ["a.bin"]  # nothing was executed
    if limited:
        more = peak() - before
        assert more <= 10 * len(whole) + SPARE
        worker = hdf5._WORKER._process if kind.startswith("Keras") else None
        assert worker is None or peak(worker.pid) <= 10 * len(whole) + 8 * SPARE
        print(f"{kind}: {MUTATIONS} of {len(whole)} bytes, {good} read, {slowest:.2f} s at most, {more >> 20} MiB more")
