"""Networks that a command is given: those of a zoo, or of files of any format that is read."""

from __future__ import annotations

import collections
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.checkpoints.folders import FILES, declaration_file, found, read_all, resolved
from rnn2vec.encoders import Encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.pretrained import load_encoder
from rnn2vec.library.collection import Collection, row_named
from rnn2vec.networks import Mixed, Networks
from rnn2vec.networks.questions import made_questions
from rnn2vec.zoo.layout import INDEX
from rnn2vec.zoo.sequences import read_sequences
from rnn2vec.zoo.store import Zoo

ANSWERS = "answers"


def declared(declare: Path | None, knob: str | None, places: Sequence[str | Path]) -> dict[str, Any]:
    """What flags declare of files.

    Args:
        declare: the file of ``--declare``.
        knob: of ``--knob``.
        places: all that the command is given: files, folders and globs, or else zoos and names, which have none.

    Raises:
        RNN2VecError: if they cannot be read, or something is declared of a file that none of these is.
    """
    values = {} if declare is None else declaration_file(declare)
    if FILES in values:
        files = [place for place in map(Path, places) if _means_files(place)]
        values = resolved(values, [outcome for place in files for outcome in found([place])], declare)
    return values if knob is None else values | {"knob": positions(knob)}


def _means_files(place: Path) -> bool:
    """Whether a place is no zoo and no name in one."""
    if os.path.lexists(place):
        return not (place / INDEX).exists()
    return glob.has_magic(str(place))


def positions(knob: str) -> list[float | list[float]]:
    """Numbers apart by commas; of several knobs, each position is numbers apart by colons.

    Raises:
        RNN2VecError: if they are others.
    """
    try:
        rows = [[float(one) for one in each.split(":")] for each in knob.split(",")]
    except ValueError as error:
        raise RNN2VecError(f"--knob holds numbers apart by commas, such as 0,0.5,1; got {knob!r}") from error
    return [row[0] if len(row) == 1 else row for row in rows]


def networks_of(paths: Sequence[str | Path], said: dict[str, Any]) -> tuple[list[str], Networks]:
    """Names and networks of files, folders and globs; beside a name that several have stands its file.

    Raises:
        RNN2VecError: if a file is refused, or not all networks have one interface.
    """
    outcomes = read_all(found([str(path) for path in paths]), said)
    for outcome in outcomes:
        if outcome.checkpoint is None:
            others = "; rnn2vec zoo import --skip-refused makes a zoo of the others" if len(outcomes) > 1 else ""
            raise RNN2VecError(f"{outcome.path}: {outcome.refused}{others}")
    checkpoints = [outcome.checkpoint for outcome in outcomes if outcome.checkpoint is not None]
    parts = [own.networks for own in checkpoints]
    first = parts[0].interface
    for outcome, part in zip(outcomes, parts, strict=True):
        if not first.fits(part.interface):
            raise RNN2VecError(
                f"networks that are compared have one interface; {outcomes[0].path} has {first}, {outcome.path} has "
                f"{part.interface}: fold inputs that stay constant by --knob, or leave out one of them"
            )
    named = [(name, outcome.path) for outcome, own in zip(outcomes, checkpoints, strict=True) for name in own.names]
    counts = collections.Counter(name for name, _ in named)
    names = [name if counts[name] == 1 else f"{name} ({path})" for name, path in named]
    return names, parts[0] if len(parts) == 1 else Mixed(parts)


def zoo_of(paths: Sequence[Path], where: Sequence[str] | None = None) -> Zoo | None:
    """The zoo that a command is given, or the rows of it that flags choose; None if it is given files.

    Raises:
        RNN2VecError: if a zoo is given beside others, or flags choose rows of anything but a zoo, or rows that are not
            there.
    """
    if len(paths) > 1 and (zoos := [path for path in paths if (path / INDEX).exists()]):
        raise RNN2VecError(
            f"a command is given one zoo, or files and folders; got {zoos[0]} and {len(paths) - 1} more: make one zoo "
            "of all files by rnn2vec zoo import"
        )
    conditions: dict[str, list[str]] = {}
    for each in where or ():
        name, equals, value = each.partition("=")
        if not equals:
            raise RNN2VecError(f"--where is COLUMN=VALUE, such as step=2000; got {each!r}")
        conditions.setdefault(name, []).append(value)
    if len(paths) == 1 and (paths[0] / INDEX).exists():
        zoo = Zoo.open(paths[0])
        return zoo.where(**conditions) if conditions else zoo
    if conditions:
        raise RNN2VecError("--where chooses rows of a zoo; got files or folders: make them a zoo by rnn2vec zoo import")
    return None


def collection_of(
    paths: Sequence[Path], said: dict[str, Any], inputs: Path | None = None, where: Sequence[str] | None = None
) -> Collection:
    """The networks of a zoo, or of files, with the questions that they are asked."""
    zoo = zoo_of(paths, where)
    if zoo is not None:
        return Collection.of_zoo(zoo, None if inputs is None else read_sequences(inputs, zoo.interface.inputs).values)
    names, networks = networks_of(paths, said)
    asked = networks.interface.inputs
    questions = made_questions(networks) if inputs is None else read_sequences(inputs, asked).values
    return Collection(np.array(names), networks, questions)


def network_of(place: str, said: dict[str, Any]) -> Networks:
    """One network: of a file, or of a zoo by its name, as ``ZOO:NAME``.

    Raises:
        RNN2VecError: if it is not one.
    """
    folder, colon, name = place.partition(":")
    if colon and not Path(place).exists() and (Path(folder) / INDEX).exists():
        zoo = Zoo.open(folder)
        return zoo.networks([row_named(zoo.column("name"), name)])
    names, networks = networks_of([place], said)
    if len(networks) != 1:
        raise RNN2VecError(
            f"{place} holds {len(networks)} networks ({', '.join(names[:5])}), and one is compared: choose a file, "
            "ZOO:NAME, or one position by --knob"
        )
    return networks


def encoder_of(name: str) -> Encoder | None:
    """A saved encoder; None for the answers encoder, which is fitted to what it reads."""
    return None if name == ANSWERS else load_encoder(name)
