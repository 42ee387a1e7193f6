"""An encoder's directory as it is read: a configuration, tensors, and the checksums that they are held against."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from torch import Tensor, nn

from rnn2vec.checksums import recorded_checksum, require_unaltered
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_json, read_tensors

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
EMULATOR = "emulator.safetensors"
KNOWLEDGE = ("knowledge.json", "knowledge.safetensors")
"""Files of what is read from its z, where that was learnt."""


def encoder_directory(place: str | Path, **hub: Any) -> Path:
    """The directory of an encoder: a directory itself, or what a model hub has under ``user/name``, downloaded once.

    Args:
        place: of the encoder.
        hub: options of :func:`huggingface_hub.snapshot_download`.

    Raises:
        RNN2VecError: if it is neither, or the hub cannot be reached.
    """
    if Path(place).is_dir():
        return Path(place)
    try:
        return Path(snapshot_download(str(place), allow_patterns=[CONFIG, WEIGHTS, EMULATOR, *KNOWLEDGE], **hub))
    except (OSError, ValueError) as error:
        raise RNN2VecError(
            f"an encoder is a directory or a repository of a model hub; {place} is neither, or cannot be reached "
            f"({error})"
        ) from error


def fill(module: nn.Module, tensors: Mapping[str, Tensor], place: Path) -> None:
    """Give a module that was built on the device ``meta`` its parameters, as float32 on the CPU.

    Args:
        module: without memory until now.
        tensors: what a file holds.
        place: that file, for messages.

    Raises:
        RNN2VecError: if names or shapes differ from those of the module, or anything is no finite number.
    """
    wanted = module.state_dict()
    problems = [f"it lacks {name}" for name in wanted if name not in tensors]
    problems += [f"unknown {name}" for name in tensors if name not in wanted]
    problems += [
        f"size mismatch for {name}: {list(tensors[name].shape)} in place of {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if problems:
        raise RNN2VecError(f"the weights in {place} do not fit its configuration: {'; '.join(problems)}")
    if not all(tensor.is_floating_point() and bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise RNN2VecError(f"weights are finite numbers; those in {place} are not")
    copies = {name: tensor.to("cpu", torch.float32, copy=True) for name, tensor in tensors.items()}
    module.load_state_dict(copies, assign=True)


def read_encoder_directory(directory: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the configuration and the tensors of an encoder directory.

    Raises:
        RNN2VecError: if either file is missing or damaged, or differs from its recorded checksum.
    """
    if not (directory / CONFIG).is_file():
        raise RNN2VecError(
            f"an encoder is a directory with {CONFIG} and {WEIGHTS}; {directory} has no {CONFIG}: make one with "
            "`rnn2vec pretrain ZOO --encoder NAME --out DIR`"
        )
    path = directory / CONFIG
    config = read_json(path, "encoder configuration")
    require_unaltered(path, config)
    arrays = read_tensors(directory / WEIGHTS, recorded_checksum(path, config, WEIGHTS))
    return config, {name: torch.from_numpy(array) for name, array in arrays.items()}
