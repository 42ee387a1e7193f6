"""One network in several formats: the same answers, and the same z from an encoder that asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from rnn2vec import Interface, Numbers, build_encoder, read_checkpoint

SOUND = Interface(Numbers(1, -1, 1), Numbers(1))
SIZE = 5


def weights() -> dict[str, Tensor]:
    """Of an LSTM and its head, by torch.nn's names."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "rec.weight_ih_l0": (4 * SIZE, 1),
        "rec.weight_hh_l0": (4 * SIZE, SIZE),
        "rec.bias_ih_l0": (4 * SIZE,),
        "rec.bias_hh_l0": (4 * SIZE,),
        "lin.weight": (1, SIZE),
        "lin.bias": (1,),
    }
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def gates(matrix: Tensor, order: tuple[int, ...]) -> np.ndarray:
    """Rows in another order of the gates."""
    parts = matrix.chunk(4)
    return torch.cat([parts[gate] for gate in order]).numpy()


def guitarml(path: Path, own: dict[str, Tensor], skip: bool) -> dict[str, Any]:
    sizes = {"hidden_size": SIZE, "input_size": 1, "output_size": 1, "num_layers": 1, "bias_fl": True}
    values = {
        "model_data": {"model": "SimpleRNN", "unit_type": "LSTM", "skip": int(skip), **sizes},
        "state_dict": {name: tensor.tolist() for name, tensor in own.items()},
    }
    path.with_suffix(".json").write_text(json.dumps(values))
    return {"path": path.with_suffix(".json")}


def rtneural(path: Path, own: dict[str, Tensor], skip: bool) -> dict[str, Any]:
    bias = own["rec.bias_ih_l0"] + own["rec.bias_hh_l0"]
    recurrent = [own["rec.weight_ih_l0"].T.tolist(), own["rec.weight_hh_l0"].T.tolist(), bias.tolist()]
    head = [own["lin.weight"].T.tolist(), own["lin.bias"].tolist()]
    layers = [
        {"type": "lstm", "activation": "", "shape": [None, None, SIZE], "weights": recurrent},
        {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": head},
    ]
    values = {"in_shape": [None, None, 1], "in_skip": int(skip), "layers": layers}
    path.with_suffix(".aidax").write_text(json.dumps(values))
    return {"path": path.with_suffix(".aidax")}


def safetensors(path: Path, own: dict[str, Tensor], skip: bool) -> dict[str, Any]:
    save_file(own, path.with_suffix(".safetensors"))
    return {"path": path.with_suffix(".safetensors"), "skip": skip, "head": ["lin"]}


def saved(path: Path, own: dict[str, Tensor], skip: bool) -> dict[str, Any]:
    torch.save({"model": {f"module.{name}": tensor for name, tensor in own.items()}}, path.with_suffix(".pt"))
    return {"path": path.with_suffix(".pt"), "skip": skip}


def npz(path: Path, own: dict[str, Tensor], skip: bool) -> dict[str, Any]:
    order = (0, 1, 3, 2)  # i, f, o, g
    arrays = {
        "kernel": gates(own["rec.weight_ih_l0"], order).T,
        "recurrent": gates(own["rec.weight_hh_l0"], order).T,
        "bias": gates(own["rec.bias_ih_l0"] + own["rec.bias_hh_l0"], order),
        "out": own["lin.weight"].T.numpy(),
        "out_bias": own["lin.bias"].numpy(),
    }
    np.savez(path.with_suffix(".npz"), **arrays)
    tensors = {"weight_ih_l0": "kernel", "weight_hh_l0": "recurrent", "bias_ih_l0": "bias"}
    tensors |= {"linear.weight": "out", "linear.bias": "out_bias"}
    said = {"cell": "lstm", "gates": "ifog", "columns": True, "skip": skip, "tensors": tensors}
    return {"path": path.with_suffix(".npz"), **said}


FORMATS = {writer.__name__: writer for writer in (guitarml, rtneural, safetensors, saved, npz)}


def answers_and_z(path: Path, **declared: Any) -> tuple[Tensor, Tensor]:
    networks = read_checkpoint(path, interface=SOUND, **declared).networks
    inputs = torch.randn(1, 2, 50, 1, generator=torch.Generator().manual_seed(1))
    encoder = build_encoder("noninteractive", SOUND, seed=0)
    with torch.no_grad():
        return networks.run(inputs)[0], encoder(networks)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("writer", FORMATS.values(), ids=FORMATS)
def test_a_network_is_the_same_in_every_format(writer: Any, skip: bool, tmp_path: Path) -> None:
    said, z = answers_and_z(**guitarml(tmp_path / "reference", weights(), skip))
    found, own = answers_and_z(**writer(tmp_path / "own", weights(), skip))
    torch.testing.assert_close(found, said, rtol=0, atol=2e-6 * float(said.abs().max()))
    torch.testing.assert_close(own, z, rtol=0, atol=1e-5)


@pytest.mark.parametrize("writer", FORMATS.values(), ids=FORMATS)
def test_one_that_lost_its_skip_is_another(writer: Any, tmp_path: Path) -> None:
    said, z = answers_and_z(**guitarml(tmp_path / "reference", weights(), True))
    lost, other = answers_and_z(**writer(tmp_path / "own", weights(), False))
    assert float((lost - said).abs().max()) > 0.5
    assert float((other - z).abs().max()) > 1e-3
