"""Labels of networks from a CSV: a column ``name``, and a column a label."""

from __future__ import annotations

import csv
import dataclasses
import fnmatch
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.families.kinds import KINDS
from rnn2vec.fields import near_names
from rnn2vec.files import read_bytes
from rnn2vec.zoo.table import OWN

NAME, STEP = "name", "step"


@dataclasses.dataclass(frozen=True)
class Labels:
    """What networks are called by others.

    Attributes:
        kinds: of each label, one of :data:`rnn2vec.families.kinds.KINDS`.
        values: of each label, ``[N]``.
    """

    kinds: Mapping[str, str]
    values: Mapping[str, np.ndarray]


def read_labels(path: Path, names: Sequence[str], taken: Sequence[str] = ()) -> Labels:
    """Read the labels of networks with these names.

    A cell of the column ``name`` is a name or a glob, of the network or of what is before its ``@``. Where several rows
    are of one network, the later ones go first; an empty cell says nothing. A column is numbers if all its values are,
    else classes; ``phase:angle`` in the head says so. Where half or more are numbers, the others are taken for slips,
    and refused, unless the head says ``:class``.

    Args:
        path: the file.
        names: ``[N]``.
        taken: other columns of the table.

    Raises:
        RNN2VecError: if the file cannot be read, a row is of no network, a network lacks a label, or a value is none of
            its kind.
    """
    try:
        rows = list(csv.reader(io.StringIO(read_bytes(path).decode("utf-8-sig"))))
    except OSError as error:
        raise RNN2VecError(f"cannot read the labels {path}: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise RNN2VecError(f"the labels {path} are no csv in UTF-8 ({error})") from error
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    try:
        return _labels(rows, names, taken)
    except RNN2VecError as error:
        raise RNN2VecError(f"labels {path}: {error}") from error


def _labels(rows: list[list[str]], names: Sequence[str], taken: Sequence[str]) -> Labels:
    heads = [cell.partition(":") for cell in rows[0]] if rows else []
    columns = [head for head, _, _ in heads]
    if NAME not in columns or len(columns) < 2 or len(set(columns)) < len(columns) or "" in columns:
        raise RNN2VecError(
            f"a csv of labels has a column {NAME} and others, each of its own name, in its first line; got {columns}"
        )
    if wrong := sorted(set(columns) & ({*OWN, *taken} - {NAME})):
        raise RNN2VecError(f"a zoo has columns {', '.join(wrong)} of its own: call the labels something else")
    said = {head: kind for head, _, kind in heads if kind}
    if unknown := sorted(set(said.values()) - set(KINDS)):
        raise RNN2VecError(f"the kind of a label is {', '.join(KINDS)}; got {', '.join(unknown)}")
    texts: dict[str, list[str]] = {head: [""] * len(names) for head in columns if head != NAME}
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(columns):
            raise RNN2VecError(f"a row has {len(columns)} cells; row {number} has {len(row)}")
        cells = dict(zip(columns, row, strict=True))
        said_of = cells[NAME]
        places = [place for place, name in enumerate(names) if said_of in _names(name)] or [
            place for place, name in enumerate(names) if any(fnmatch.fnmatchcase(one, said_of) for one in _names(name))
        ]  # a name with brackets, such as TS9[1], is no pattern of others
        if not places:
            raise RNN2VecError(
                f"a row is of a network of the zoo; row {number}, {said_of!r}, is of none; {near_names(said_of, names)}"
            )
        for head in texts:
            for place in places if cells[head] else ():
                texts[head][place] = cells[head]
    found = {}
    for head, own in texts.items():
        if missing := [name for name, text in zip(names, own, strict=True) if not text]:
            raise RNN2VecError(
                f"every network has every label; {len(missing)} lack {head}, such as {', '.join(missing[:3])}: a first "
                "row named * says it of all others"
            )
        numbers = [_number(text) for text in own]
        texts_among = numbers.count(None)
        if head not in said and 0 < 2 * texts_among <= len(numbers):
            slip = numbers.index(None)
            raise RNN2VecError(
                f"a column holds numbers or classes; {head} is a number of {len(numbers) - texts_among} networks, and "
                f"{own[slip]!r} of {names[slip]}: correct it, or write {head}:class in the head"
            )
        kind = said.get(head) or ("class" if None in numbers else "number")
        if kind != "class" and None in numbers:
            raise RNN2VecError(f"{head} is a finite {kind}; got {own[numbers.index(None)]!r}")
        if head == STEP and kind != "number":
            raise RNN2VecError(
                f"the column {STEP} says training steps, which are numbers; got {own[0]!r}: give it another name"
            )
        said[head] = kind
        found[head] = np.array(own) if kind == "class" else np.array(numbers, dtype=np.float64)
    return Labels({head: said[head] for head in texts}, found)


def _names(name: str) -> list[str]:
    """What a network is called: ``TS9`` and ``TS*`` are of ``TS9`` and of ``TS9@0.5``."""
    return [one for one in (name, name.rpartition("@")[0]) if one]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
