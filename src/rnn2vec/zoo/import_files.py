"""Make a zoo of files that others trained."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from rnn2vec.architecture import Architecture
from rnn2vec.checkpoints.folders import Outcome, declaration_file, found, read_all, resolved
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import whole
from rnn2vec.interface import Interface
from rnn2vec.networks import Population
from rnn2vec.networks.behaviour import batches
from rnn2vec.networks.population import concatenate
from rnn2vec.networks.questions import RANDOM, beginning, first_tokens, start_tokens, written
from rnn2vec.networks.stimuli import stimuli
from rnn2vec.outputs import require_apart, require_new_directory
from rnn2vec.zoo.index import SOURCE
from rnn2vec.zoo.labels import Labels, read_labels
from rnn2vec.zoo.layout import IMPORTING
from rnn2vec.zoo.sequences import Sequences, read_sequences
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.write import ROWS_PER_SHARD, Group, write_zoo

MOST_NUMBERS = 2**26
"""Of the traces of networks that are observed at once."""

COLUMNS = ("format", "notes")
"""What the table says of each network besides: the format of its file, and what was folded, assumed or ignored."""


def import_zoo(
    paths: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    inputs: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    declare: str | os.PathLike[str] | None = None,
    split_by: str = SOURCE,
    skip_refused: bool = False,
    start_token: int | None = None,
    seed: int = 0,
    on_progress: Callable[[int, str], None] = lambda amount, note: None,
    on_files: Callable[[Sequence[Outcome]], None] = lambda outcomes: None,
    **declared: Any,
) -> Zoo:
    """Make a zoo of networks in files that others trained. Nothing of a file is ever executed.

    Everything is read and checked before anything is written. The same call goes on with a directory in which an
    earlier one was interrupted.

    Args:
        paths: files, folders (with those within) and globs.
        out: a new or empty directory, or that of an interrupted import of the same files.
        inputs: sequences that all networks are observed on, see :func:`rnn2vec.zoo.sequences.read_sequences`. Without
            it they are made, see :mod:`rnn2vec.networks.stimuli`; of networks that answer with as many classes as
            they read tokens, three of four strings are written by each network itself.
        start_token: what made strings of such networks begin with, such as BOS; by default the tokens that most
            networks never write, or else each token in turn, see :func:`rnn2vec.networks.questions.start_tokens`.
        labels: a CSV, see :func:`rnn2vec.zoo.labels.read_labels`.
        declare: a ``.toml`` or ``.json`` of what the files do not say, for all or, in a table ``files``, by pattern.
        split_by: a column, of the labels or the table, whose values a split keeps together; by default, the networks of
            one file.
        skip_refused: go on without the files that were refused.
        seed: of the inputs that are made, and of what is drawn of the zoo.
        on_progress: called as ``on_progress(files, note)``.
        on_files: told what became of all files, before anything is written.
        **declared: of every file, see :class:`rnn2vec.checkpoints.declaration.Declaration`; goes before ``declare``.

    Raises:
        RNN2VecError: if a file was refused and that is not to be skipped, none was read, two networks share a name,
            inputs, labels or declarations do not fit, or the directory holds anything else. Nothing is written then.
    """
    beside = [Path(path) for path in paths if os.path.isdir(path)]
    require_apart(Path(out), beside)
    if not (Path(out) / IMPORTING).exists():
        require_new_directory(Path(out))
    for what, given in (("labels", labels), ("inputs", inputs)):
        if given is not None:
            _require_readable(what, Path(given))
    if start_token is not None and inputs is not None:
        raise RNN2VecError("a start token is that of strings that are made; got inputs, too: leave out one of them")
    said = {**(declaration_file(Path(declare)) if declare else {}), **declared}
    outcomes = found(paths)
    said = resolved(said, outcomes, Path(declare) if declare else None)
    files = _of_one_zoo(read_all(outcomes, said, on_progress))
    if any(not file.refused for file in files):
        interface = _interface([file for file in files if not file.refused])
        first = None
        if inputs is not None:
            observed = read_sequences(Path(inputs), interface.inputs)
        else:
            observed, first = _made([file for file in files if not file.refused], interface, start_token, seed)
        files = [file if file.refused else _finite(file, interface, observed.values, first, seed) for file in files]
    on_files(files)
    refused = [file for file in files if file.refused]
    read = [file for file in files if not file.refused]
    if (refused and not skip_refused) or not read:
        example = "".join(f": {file.source}: {file.refused}" for file in refused[:1])
        rest = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise RNN2VecError(f"{len(refused)} of {len(files)} files were refused, and nothing was written{example}{rest}")
    names = [name for file in read for name in _checkpoint(file).names]
    known = Labels({}, {}) if labels is None else read_labels(Path(labels), names, COLUMNS)
    groups = _Groups(_rows(read, known), interface, observed.values, seed, first)
    provenance = {"inputs": observed.note, "refused": {file.source: file.refused for file in refused}}
    return write_zoo(
        Path(out), interface, groups, labels=known.kinds, split_by=split_by, seed=seed, provenance=provenance,
        inputs=beside,
    )  # fmt: skip


def _checkpoint(file: Outcome) -> Any:
    return file.checkpoint


def _of_one_zoo(files: Sequence[Outcome]) -> list[Outcome]:
    """The same, refused where networks do not fit the others: in architecture, interface or name."""
    checkpoints = [file.checkpoint for file in files if file.checkpoint is not None]
    interfaces = collections.Counter(own.interface for own in checkpoints if own.architecture is not None)
    common = interfaces.most_common(1)[0][0] if interfaces else None
    names: dict[str, str] = {}
    checked = []
    for file in files:
        own = file.checkpoint
        if own is not None:
            again = next((name for name in own.names if name in names), None)
            if own.architecture is None:
                file = file.refuse(
                    f"a zoo holds networks of an architecture; {own.notes[-1]}: use read_checkpoint for it"
                )
            elif own.networks.dtype != torch.float32:
                file = file.refuse("weights of a zoo are float32; it was declared to be float64: leave out dtype")
            elif common is not None and not common.fits(own.interface):
                file = file.refuse(
                    f"the networks of a zoo have one interface, here {common}; this has {own.interface}: fold a "
                    "knob (--knob 0,0.5,1), declare the interface, or import it into a zoo of its own"
                )
            elif common is not None and common.inputs != own.interface.inputs:
                file = file.refuse(
                    f"the networks of a zoo are asked the same, here {common.inputs}; this reads "
                    f"{own.interface.inputs}: declare one interface for all, or import it into a zoo of its own"
                )
            elif again is not None:
                file = file.refuse(
                    f"no two networks of a zoo share a name; {again} is also in {names[again]}: declare another name"
                )
            else:
                names |= dict.fromkeys(own.names, file.source)
        checked.append(file)
    return checked


def _require_readable(what: str, path: Path) -> None:
    """Refuse a file that cannot be read before any other is."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise RNN2VecError(f"cannot read the {what} {path}: {error.strerror or error}") from error


def _made(
    read: Sequence[Outcome], interface: Interface, start_token: int | None, seed: int
) -> tuple[Sequences, Int64[np.ndarray, " R"] | None]:
    """What networks are observed on where nobody brought inputs, and what strings that they write begin with, ``[R]``;
    None if they write none.
    """
    made, note = stimuli(interface.inputs, seed), f"made, seed {seed}"
    if not interface.writes:
        if start_token is not None:
            raise RNN2VecError(
                f"a start token is that of networks that predict their next token; these have {interface}"
            )
        return Sequences(made, note), None
    if start_token is not None:
        starts = np.array([whole("the start token", start_token, 0, interface.inputs.size - 1)])
        note = f"{note}; strings begin with token {start_token}"
    else:
        starts = start_tokens([_checkpoint(file).networks.with_interface(interface) for file in read], seed)
        note = f"{note}; strings begin with {_named(starts, len(made), interface.inputs.size)}"
    first = first_tokens(starts, len(made))
    return Sequences(beginning(made, first), note), first


def _named(starts: np.ndarray, strings: int, size: int) -> str:
    """Which tokens strings begin with, and why."""
    many = f"{strings} of {len(starts)} tokens" if len(starts) > strings else ""
    if len(starts) == size:
        return many or "each token in turn"
    which = many or f"token {' or '.join(map(str, sorted(starts.tolist())))}"
    return f"{which}, which most networks never write" + (": --start-token chooses one" if len(starts) > 1 else "")


def _finite(
    file: Outcome, interface: Interface, observed: np.ndarray, first: Int64[np.ndarray, " R"] | None, seed: int
) -> Outcome:
    """The same, refused if a network of it answers what a trace cannot hold, to what all are observed on or to strings
    that it writes.
    """
    own = _checkpoint(file)
    networks, outputs = own.networks.with_interface(interface), interface.outputs
    for rows in batches(networks, observed):
        read = np.repeat(observed[None], len(networks[rows]), axis=0)
        if first is not None:
            read = np.concatenate([read, written(networks[rows], first, seed)], axis=1)
        said = Traces.of(networks[rows], read).outputs
        with np.errstate(over="ignore"):  # what becomes infinite is a problem
            kept = said.astype(outputs.stored)
        for name, answers in zip(own.names[rows], kept, strict=True):
            if problem := outputs.problem(answers[None]):
                return file.refuse(
                    f"answers to the inputs that a zoo is observed on are as its interface says ({problem}); those of "
                    f"{name} are not: leave it out, or choose --inputs"
                )
    return file


def _interface(read: Sequence[Outcome]) -> Interface:
    found = collections.Counter(_checkpoint(file).interface for file in read)
    interface: Interface = found.most_common(1)[0][0]
    return interface


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Networks of one architecture with their columns, ``[N]`` each."""

    population: Population
    names: Sequence[str]
    sources: Sequence[str]
    columns: Mapping[str, np.ndarray]


def _rows(read: Sequence[Outcome], labels: Labels) -> list[_Rows]:
    """All networks, by architecture."""
    parts: dict[Architecture, list[tuple[Population, str, str, str, str]]] = {}
    places: dict[Architecture, list[int]] = {}
    count = 0
    for file in read:
        own = _checkpoint(file)
        notes = "; ".join(own.notes)
        for place, name in enumerate(own.names):
            parts.setdefault(own.architecture, []).append((own.networks[[place]], name, file.source, own.format, notes))
            places.setdefault(own.architecture, []).append(count)
            count += 1
    found = []
    for architecture, rows in parts.items():
        populations, names, sources, formats, notes_of = zip(*rows, strict=True)
        columns = {name: values[places[architecture]] for name, values in labels.values.items()}
        columns |= dict(zip(COLUMNS, (np.array(formats), np.array(notes_of)), strict=True))
        found.append(_Rows(concatenate(populations), names, sources, columns))
    return found


@dataclasses.dataclass(frozen=True)
class _Groups:
    """Networks as groups, observed when they are iterated over, so that traces of one shard are in memory."""

    rows: Sequence[_Rows]
    interface: Interface
    observed: np.ndarray
    seed: int
    first: np.ndarray | None

    def __iter__(self) -> Iterator[Group]:
        each = self.observed.size + math.prod(self.observed.shape[:2]) * self.interface.outputs.size
        at_once = max(1, min(ROWS_PER_SHARD, MOST_NUMBERS // each))
        for number, own in enumerate(self.rows):
            population = own.population.with_interface(self.interface)
            for start in range(0, len(population), at_once):
                part = slice(start, start + at_once)
                networks = population[part]
                read = np.repeat(self.observed[None], len(networks), axis=0)
                if self.first is not None:
                    drawn = int(RANDOM * read.shape[1])
                    read[:, drawn:] = written(networks, self.first[drawn:], self.seed, number, start)
                columns = {name: values[part] for name, values in own.columns.items()}
                traces = Traces.of(networks, read)
                yield Group(networks, own.names[part], own.sources[part], columns, traces)
