"""A pretrained encoder on disk: the encoder as hubs expect it, the emulator, and the record of their training."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from rnn2vec.checksums import CHECKSUMS, recorded_checksum, require_unaltered, sealed
from rnn2vec.emulation.card import encoder_card
from rnn2vec.emulation.emulate import build_emulator
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.emulation.pretrain import Pretrained, pretrain
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder, build_encoder, read_encoder
from rnn2vec.encoders.directory import EMULATOR, fill
from rnn2vec.encoders.encoder import kind_of
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import LARGEST_SEED
from rnn2vec.fields import number, whole
from rnn2vec.files import make_folder, read_json, read_tensors, write_atomically, write_json
from rnn2vec.outputs import require_new_directory, sole_writer
from rnn2vec.plan import require_same
from rnn2vec.training import CHECKPOINT
from rnn2vec.zoo.layout import CARD, INDEX
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

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
    make_folder(directory)
    trained.encoder.save_pretrained(directory)
    card = encoder_card(trained.encoder, zoo, recipe, seed, trained.losses)
    write_atomically(directory / CARD, card.encode())
    checksum = write_atomically(directory / EMULATOR, safetensors.torch.save(trained.emulator.state_dict()))
    record = sealed(
        {
            "encoder": trained.encoder.name,
            "seed": seed,
            "recipe": dataclasses.asdict(recipe),
            "losses": trained.losses,
            "history": trained.history,
            "seconds": trained.seconds,
            "parameters": sum(parameter.numel() for parameter in trained.encoder.parameters()),
            "zoo": zoo_checksum(zoo),
            "train_tasks": np.unique(zoo.groups[split_zoo(zoo).train], axis=0).tolist(),
            "versions": versions(),
            CHECKSUMS: {EMULATOR: checksum},
        }
    )
    write_json(directory / RECORD, record)


def load_trained(directory: str | Path, zoo: Zoo) -> TrainedEncoder:
    """Read an encoder directory with its emulator, to be used on a zoo.

    The emulator's tensors are checked as :func:`rnn2vec.load_encoder` checks the encoder's, by ``training.json``.

    Raises:
        RNN2VecError: if anything is missing or damaged, the encoder cannot read the networks of the zoo, or it was
            trained on tasks that this zoo holds back for validation.
    """
    directory = Path(directory)
    encoder = read_encoder(directory)
    encoder.check_readable(zoo)
    record = read_json(directory / RECORD, "training record")
    require_unaltered(directory / RECORD, record)
    try:
        recipe, seen = _parts_of(record, encoder.name, zoo)
    except (KeyError, TypeError, RNN2VecError) as error:
        raise RNN2VecError(f"{directory / RECORD} is not the record of a pretraining ({error})") from error
    split = split_zoo(zoo)
    unseen = {tuple(task) for task in zoo.groups[np.concatenate([split.validation, split.ood])].tolist()}
    if unseen & seen:
        raise RNN2VecError(
            f"an encoder is evaluated on tasks it was not trained on; {directory} was pretrained on "
            f"{len(unseen & seen)} of the {len(unseen)} validation and OOD tasks of {zoo.directory}: use its own zoo, "
            "or one of the same tasks and seed"
        )
    arrays = read_tensors(directory / EMULATOR, recorded_checksum(directory / RECORD, record, EMULATOR))
    try:
        emulator = build_emulator(zoo.interface, encoder, recipe, 0, "meta")
    except (RuntimeError, OverflowError) as error:  # more than torch can count
        raise RNN2VecError(f"{directory / RECORD} is not the record of a pretraining ({error})") from error
    fill(emulator, {name: torch.from_numpy(array) for name, array in arrays.items()}, directory / EMULATOR)
    return TrainedEncoder(directory, encoder, emulator.eval(), recipe, record)


def _parts_of(record: dict[str, Any], encoder: str, zoo: Zoo) -> tuple[PretrainRecipe, set[tuple[float, ...]]]:
    """Recipe and train tasks of a record, all of whose fields that are read anywhere are what they must be.

    Raises:
        KeyError, TypeError, RNN2VecError: if they are not.
    """
    recipe = PretrainRecipe(**record["recipe"])
    if record["encoder"] != encoder:
        raise RNN2VecError(f"it is that of the {record['encoder']} encoder, and the directory holds {encoder}")
    whole("seed", record["seed"], -LARGEST_SEED, LARGEST_SEED)
    whole("parameters", record["parameters"], 0, 2**63)
    number("seconds", record["seconds"])
    for name, kind in (("history", list), ("train_tasks", list), ("versions", dict)):
        if not isinstance(record[name], kind):
            raise RNN2VecError(f"{name} is a {kind.__name__}; got {type(record[name]).__name__}")
    for entry in record["history"]:
        whole("a step of the history", entry["step"])
        for name in ("seconds", "train", "validation"):
            number(f"{name} of the history", entry[name], -math.inf)
    seen = {tuple(task) for task in record["train_tasks"]}
    for task in seen:
        if len(task) != zoo.groups.shape[1]:
            raise RNN2VecError(f"a task has {zoo.groups.shape[1]} values; got {len(task)}")
        for value in task:
            if zoo.groups.dtype.kind != "U":
                number("a number of a train task", value, -math.inf)
            elif not isinstance(value, str):  # a file or a label, where there are no tasks
                raise RNN2VecError(f"what networks of no family are split by is text; got {value!r}")
    return recipe, seen


def encoder_for(zoo: Zoo, name: str, recipe: PretrainRecipe, seed: int) -> Encoder:
    """The untrained encoder that a recipe begins with on a zoo.

    Raises:
        RNN2VecError: if the name or an option is unknown, or it cannot read such networks.
    """
    form = kind_of(name).form_of(zoo)
    return build_encoder(name, form, seed, **recipe.encoder_options.get(name, {}))


def pretrain_into(
    zoo_directory: Path,
    name: str,
    recipe: PretrainRecipe,
    seed: int,
    directory: Path,
    *,
    on_progress: Callable[[int, str], None],
) -> None:
    """Pretrain one encoder on a zoo and write its directory; go on from its checkpoint, keep it if it is finished.

    Raises:
        RNN2VecError: if the directory holds anything but the same pretraining, or another process is writing to it.
    """
    zoo = Zoo.open(zoo_directory)
    encoder = encoder_for(zoo, name, recipe, seed)
    with sole_writer(directory, [zoo_directory]):
        checkpoint = directory / CHECKPOINT
        if (directory / RECORD).exists():
            plan = {"encoder": name, "seed": seed, "zoo": zoo_checksum(zoo), "recipe": dataclasses.asdict(recipe)}
            record = read_json(directory / RECORD, "training record")
            require_same(directory, "pretraining", {key: record[key] for key in plan if key in record}, plan)
            checkpoint.unlink(missing_ok=True)  # killed or asked for again after its last moment
            on_progress(recipe.steps, "kept")
            return
        if not checkpoint.exists():
            require_new_directory(directory)
        trained = pretrain(zoo, encoder, recipe, seed, on_progress, checkpoint=checkpoint)
        save_trained(directory, trained, zoo, recipe, seed)
        checkpoint.unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """One pretraining to be carried out, see :func:`pretrain_into`."""

    zoo: Path
    encoder: str
    recipe: PretrainRecipe
    seed: int
    directory: Path

    def run(self, on_progress: Callable[[int, str], None]) -> None:
        """Pretrain, or go on."""
        pretrain_into(self.zoo, self.encoder, self.recipe, self.seed, self.directory, on_progress=on_progress)
