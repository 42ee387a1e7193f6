"""Many files at once: which ones are meant, and what became of each."""

from __future__ import annotations

import dataclasses
import fnmatch
import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnn2vec.checkpoints.checkpoint import Checkpoint
from rnn2vec.checkpoints.declaration import values_in
from rnn2vec.checkpoints.read import read_checkpoint
from rnn2vec.errors import RNN2VecError

SUFFIXES = (
    ".json", ".aidax", ".nam", ".pt", ".pth", ".bin", ".ckpt", ".th", ".pkl", ".safetensors", ".npz", ".h5", ".hdf5",
    ".keras", ".onnx",
)  # fmt: skip
"""Of the files in a folder that are read; a file that is named itself is read whatever its suffix."""
FILES = "files"
"""Table of a declaration that holds others, by the names of files or patterns of them."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        path: of the file.
        source: what the zoo calls it: its place within the folder that was named.
        checkpoint: what was read; None if it was refused.
        refused: why, and what would help; empty if it was not.
    """

    path: Path
    source: str
    checkpoint: Checkpoint | None = None
    refused: str = ""

    def refuse(self, why: str) -> Outcome:
        """The same, refused."""
        return dataclasses.replace(self, checkpoint=None, refused=why)


def found(paths: Sequence[str | os.PathLike[str]]) -> list[Outcome]:
    """The files that are meant by files, folders and globs, in order, none of them read yet.

    In folders, and those within, files of :data:`SUFFIXES` are meant, but for hidden ones and for declarations beside
    others. What holds no file is refused.
    """
    outcomes: dict[str, Outcome] = {}
    for given in map(Path, paths):
        matches = [given] if os.path.lexists(given) or not glob.has_magic(str(given)) else _globbed(given)
        own = [outcome for match in matches for outcome in _within(match)]
        for outcome in own or [Outcome(given, given.name, refused="a pattern means files; no file is of this one")]:
            outcomes.setdefault(os.path.realpath(outcome.path), outcome)
    for outcome in outcomes.values():
        if outcome.source.encode(errors="replace").decode() != outcome.source:  # no table and no JSON holds it
            raise RNN2VecError(f"names of files are UTF-8; got {outcome.source!a}: give the file another name")
    return list(outcomes.values())


def read_all(
    outcomes: Sequence[Outcome],
    declared: Mapping[str, Any],
    on_progress: Callable[[int, str], None] = lambda amount, note: None,
) -> list[Outcome]:
    """Read files, one after the other; what cannot be read is refused, and the next one read.

    Args:
        outcomes: of :func:`found`.
        declared: see :func:`resolved`.
        on_progress: called as ``on_progress(files, note)``.
    """
    read = []
    for outcome in outcomes:
        if not outcome.refused:
            try:
                outcome = dataclasses.replace(
                    outcome, checkpoint=read_checkpoint(outcome.path, **declared_of(outcome.source, declared))
                )
            except RNN2VecError as error:
                outcome = outcome.refuse(str(error).removeprefix(f"{outcome.path}: "))
        read.append(outcome)
        on_progress(1, outcome.source)
    return read


def resolved(declared: Mapping[str, Any], outcomes: Sequence[Outcome], beside: Path | None = None) -> dict[str, Any]:
    """The same declarations, in which names of files are told from patterns, see :func:`declared_of`.

    Args:
        declared: as a user wrote them.
        outcomes: of :func:`found`: all files that are read with these declarations.
        beside: the file with the declarations: it may be of more files, in its folder and in folders there.

    Raises:
        RNN2VecError: if something is declared by a name that no file has; with a slip in it, the file would be read
            without. Patterns with ``*`` or ``?`` may be of none.
    """
    own, known = declared.get(FILES, {}), _known(outcomes)
    if beside is not None:
        known |= {name for name in own if name not in known and _is_near(name, beside.absolute().parent)}
    for name in own:
        if name not in known and not {*name} & {*"*?"} and not _fit(name, known):
            where = "" if beside is None else f", nor of a file in the folder of {beside.name}"
            raise RNN2VecError(
                f"what is declared is of a file that is there; {name!r} is of none of {len(outcomes)}{where}"
            )
    # a name such as amp[1].nam is no pattern of others
    files = {glob.escape(name) if name in known else name: value for name, value in own.items()}
    return dict(declared) | ({FILES: files} if files else {})


def _is_near(name: str, folder: Path) -> bool:
    """Whether there is a file of this name in a folder, or in one within."""
    literal = glob.escape(name)
    try:
        return (folder / name).is_file() or any(path.is_file() for path in folder.glob(f"*/{literal}"))
    except (OSError, ValueError, NotImplementedError):  # no such name can be
        return False


def declaration_file(path: Path) -> dict[str, Any]:
    """What a ``.toml`` or ``.json`` says of many files, see :func:`declared_of`.

    Raises:
        RNN2VecError: if it cannot be read or is not valid.
    """
    values = values_in(path)
    own = values.get(FILES, {})
    if not isinstance(own, dict) or not all(isinstance(each, dict) for each in own.values()):
        raise RNN2VecError(f"{FILES} in {path} are declarations by names of files, or patterns of them; got others")
    return values


def declared_of(source: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    """What is declared of one file: of all, and then, in the order of the table ``files``, of those like it.

    Args:
        source: the file.
        declared: the declarations, :func:`resolved`.
    """
    values = {name: value for name, value in declared.items() if name != FILES}
    for pattern, own in declared.get(FILES, {}).items():
        if _fit(pattern, _names(source)):
            values |= own
    return values


def _known(outcomes: Sequence[Outcome]) -> set[str]:
    return {name for outcome in outcomes for name in _names(outcome.source)}


def _names(source: str) -> list[str]:
    return [source, source.rpartition("/")[2]]


def _fit(pattern: str, names: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def _globbed(pattern: Path) -> list[Path]:
    return [Path(match) for match in sorted(glob.glob(str(pattern), recursive=True))]


def _within(path: Path) -> list[Outcome]:
    """A file itself, or the files of a folder."""
    if not path.is_dir():
        return [Outcome(path, path.name)]
    unread: list[OSError] = []
    places = [
        Path(folder, name)
        for folder, within, names in os.walk(path, onerror=unread.append)
        if within.sort() is None  # the walk goes on in this order, on every file system
        for name in sorted(names)
        if Path(name).suffix.lower() in SUFFIXES and not Path(folder, name).relative_to(path).as_posix().startswith(".")
    ]
    places = [place for place in places if not _declares(place)]
    outcomes = [Outcome(place, f"{path.resolve().name}/{place.relative_to(path).as_posix()}") for place in places]
    outcomes += [
        Outcome(Path(error.filename), path.name, refused=f"cannot read it: {error.strerror}") for error in unread
    ]
    why = f"a folder of networks holds files of {', '.join(SUFFIXES)}; this one holds none"
    return outcomes or [Outcome(path, path.name, refused=why)]


def _declares(path: Path) -> bool:
    """Whether a file is the declaration of one beside it."""
    return path.suffix == ".json" and any(path.with_suffix(own).exists() for own in (".npz", ".safetensors"))
