"""Work that is interrupted goes on where it stopped, and never as other work: what a directory is to hold is a plan.

The plan is the first file there, as JSON. The same command finds its own plan and goes on; another is refused, told
what differs. A finished result says in a file of its own what it is of, and is held against a plan in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_json, write_json
from rnn2vec.outputs import require_new_directory

SHORT = 40
"""Characters of a value that a message shows; of a longer one, such as a checksum, it says only where it is."""
LONGEST = 300
"""Characters of all differences in a message, so that its end, the remedy, is read."""

_NOTHING = object()


def begin(path: Path, what: str, plan: Mapping[str, Any], added: Sequence[str] = ()) -> bool:
    """Write a plan down in a new or empty directory, or find that it is the one that is there.

    To be called by the directory's :func:`~rnn2vec.outputs.sole_writer`, or two processes may both begin.

    Args:
        path: the plan's file; whoever wants the directory to forget the plan at the end removes it.
        what: the work, such as ``benchmark``.
        plan: all that its results depend on, JSON-serialisable.
        added: entries that plans of earlier versions lack; they are compared only if both have them.

    Returns:
        Whether it had been begun.

    Raises:
        RNN2VecError: if the directory holds another plan or anything else, or the file is damaged or cannot be written.
    """
    if not path.exists():
        require_new_directory(path.parent)
        write_json(path, plan)
        return False
    there = read_json(path, f"plan of the {what}")
    require_same(path.parent, what, there, {name: plan[name] for name in plan if name in there or name not in added})
    return True


def require_same(place: Path, what: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse to go on in a place with anything but what it was begun with.

    Args:
        place: named in the message.
        what: the work.
        there: the plan that was read.
        here: the plan to go on with.

    Raises:
        RNN2VecError: if they differ; it says in what.
    """
    named = "; ".join(differences(there, here))
    if named:
        raise RNN2VecError(
            f"one directory holds one {what}; {place} was begun with another "
            f"({named if len(named) <= LONGEST else f'{named[:LONGEST]} ...'}): keep to what it was begun with, or "
            "choose another directory"
        )


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """In what two plans differ once they are JSON: ``versions.torch 2.12 there, 2.13 here``.

    Elements of a list are not numbered, and what differs alike in several is said once.
    """
    return list(dict.fromkeys(_differences((), _as_read(there), _as_read(here))))


def _as_read(plan: Mapping[str, Any]) -> Any:
    """A plan as it comes back from its file."""
    return json.loads(json.dumps(plan), parse_constant=lambda constant: None)


def _differences(names: tuple[str, ...], there: Any, here: Any) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for name in here | there:
            yield from _differences((*names, name), there.get(name, _NOTHING), here.get(name, _NOTHING))
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for one, other in zip(there, here, strict=True):
            yield from _differences(names, one, other)
    elif there != here:
        said = [_said(value) for value in (there, here)]
        values = f" {said[0]} there, {said[1]} here" if all(said) else ""
        yield ".".join(names) + values


def _said(value: Any) -> str:
    """A value in a few words; none for what takes more."""
    if value is _NOTHING:
        return "nothing"
    text = value if isinstance(value, str) and value.strip() else json.dumps(value)
    return text if len(text) <= SHORT else ""
