"""A pretrained encoder on disk: the encoder as hubs expect it, the emulator, and the record of their training."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from rnn2vec.emulation.checkpoint import CHECKPOINT
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.emulation.pretrain import Pretrained, build_emulator, pretrain
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import ENCODERS, Encoder, ProbingEncoder, build_encoder, load_encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_json, read_tensors, require_new_directory, sole_writer, write_atomically, write_json
from rnn2vec.zoo.layout import INDEX
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

EMULATOR = "emulator.safetensors"
RECORD = "training.json"


@dataclasses.dataclass(frozen=True)
class TrainedEncoder:
    """An encoder directory that ``pretrain`` wrote.

    Attributes:
        directory: where it is.
        encoder: the encoder.
        emulator: trained with it.
        recipe: how they were trained.
        record: ``training.json``: seed, history, losses, seconds, parameters, zoo checksum, versions.
    """

    directory: Path
    encoder: Encoder
    emulator: Emulator
    recipe: PretrainRecipe
    record: dict[str, Any]


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("rnn2vec", "torch", "numpy")}}


def zoo_checksum(zoo: Zoo) -> str:
    """SHA-256 of a zoo's index, which holds the checksums of all its other files."""
    return hashlib.sha256((zoo.directory / INDEX).read_bytes()).hexdigest()


def save_trained(directory: Path, trained: Pretrained, zoo: Zoo, recipe: PretrainRecipe, seed: int) -> None:
    """Write an encoder directory; the record last, so that a directory with a record is whole."""
    directory.mkdir(parents=True, exist_ok=True)
    trained.encoder.save_pretrained(directory)
    write_atomically(directory / EMULATOR, safetensors.torch.save(trained.emulator.state_dict()))
    write_json(
        directory / RECORD,
        {
            "encoder": trained.encoder.name,
            "seed": seed,
            "recipe": dataclasses.asdict(recipe),
            "losses": trained.losses,
            "history": trained.history,
            "seconds": trained.seconds,
            "parameters": sum(parameter.numel() for parameter in trained.encoder.parameters()),
            "zoo": zoo_checksum(zoo),
            "train_tasks": np.unique(zoo.tasks[split_zoo(zoo).train], axis=0).tolist(),
            "versions": versions(),
        },
    )


def load_trained(directory: str | Path, zoo: Zoo) -> TrainedEncoder:
    """Read an encoder directory with its emulator, to be used on a zoo.

    Raises:
        RNN2VecError: if anything is missing or damaged, the encoder cannot read the networks of the zoo, or it was
            trained on tasks that this zoo holds back for validation.
    """
    directory = Path(directory)
    encoder = load_encoder(directory)
    encoder.check_readable(zoo.spec)
    record = read_json(directory / RECORD, "training record")
    try:
        recipe = PretrainRecipe(**record["recipe"])
        seed = int(record["seed"])
        seen = {tuple(task) for task in record["train_tasks"]}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RNN2VecError(f"{directory / RECORD} is not the record of a pretraining ({error})") from error
    split = split_zoo(zoo)
    unseen = {tuple(task) for task in zoo.tasks[np.concatenate([split.validation, split.ood])].tolist()}
    if unseen & seen:
        raise RNN2VecError(
            f"an encoder is evaluated on tasks it was not trained on; {directory} was pretrained on "
            f"{len(unseen & seen)} of the "
            f"{len(unseen)} validation and OOD tasks of {zoo.directory}: use its own zoo, or one of the same "
            f"languages and seed"
        )
    emulator = build_emulator(zoo, encoder, recipe, seed)
    tensors = {name: torch.from_numpy(array) for name, array in read_tensors(directory / EMULATOR).items()}
    try:
        emulator.load_state_dict(tensors)
    except RuntimeError as error:
        raise RNN2VecError(
            f"{directory / EMULATOR} does not fit the zoo or its record: {' '.join(str(error).split())}"
        ) from error
    return TrainedEncoder(directory, encoder, emulator.eval(), recipe, record)


def input_options(name: str, zoo: Zoo) -> dict[str, Any]:
    """What a probing encoder must know of the inputs of a zoo: their range, if they are numbers and no tokens."""
    known = issubclass(ENCODERS[name], ProbingEncoder) if name in ENCODERS else False
    return {"input_range": zoo.recipe.input_range} if known and zoo.recipe.input_range else {}


def _is_record_of(path: Path, zoo: Zoo, name: str, recipe: PretrainRecipe, seed: int) -> bool:
    record = read_json(path, "training record")
    same = {"encoder": name, "seed": seed, "zoo": zoo_checksum(zoo), "recipe": dataclasses.asdict(recipe)}
    return all(record.get(key) == json.loads(json.dumps(value)) for key, value in same.items())


def pretrain_into(
    zoo_directory: Path,
    name: str,
    recipe: PretrainRecipe,
    seed: int,
    directory: Path,
    *,
    report: Callable[[int, str], None],
) -> None:
    """Pretrain one encoder on a zoo and write its directory; go on from its checkpoint, keep it if it is finished.

    Raises:
        RNN2VecError: if the directory holds anything but the same pretraining, or another process is writing to it.
    """
    zoo = Zoo.open(zoo_directory)
    encoder = build_encoder(name, zoo.spec, seed, **recipe.encoder_options.get(name, {}) | input_options(name, zoo))
    with sole_writer(directory):
        checkpoint = directory / CHECKPOINT
        if (directory / RECORD).exists() and _is_record_of(directory / RECORD, zoo, name, recipe, seed):
            checkpoint.unlink(missing_ok=True)  # killed or asked for again after its last moment
            report(recipe.steps, "kept")
            return
        if (directory / RECORD).exists() or not checkpoint.exists():
            require_new_directory(directory)
        trained = pretrain(zoo, encoder, recipe, seed, report, checkpoint=checkpoint)
        save_trained(directory, trained, zoo, recipe, seed)
        checkpoint.unlink(missing_ok=True)
