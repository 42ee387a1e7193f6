"""``rnn2vec identify``: which of the known networks is behind a black box."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from rnn2vec.cli.console import console, print_rows
from rnn2vec.cli.networks import collection_of, declared, network_of, zoo_of
from rnn2vec.cli.options import AsJson, Declare, Force, Inputs, Knob, Threads, Where
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.pretrained import load_encoder, shipped
from rnn2vec.files import write_atomically
from rnn2vec.identification.commands import SECONDS, Command
from rnn2vec.identification.found import Identification
from rnn2vec.identification.identify import CONFIDENCE, NEAREST, NONE, QUESTIONS, identify
from rnn2vec.identification.place import place, task_name
from rnn2vec.identification.pools import joined, learned
from rnn2vec.identification.posterior import Posterior, Told
from rnn2vec.outputs import require_new_file
from rnn2vec.zoo.layout import INDEX
from rnn2vec.zoo.store import Zoo

SHOWN = 10
"""Candidates that are printed."""


def identify_command(
    box: Annotated[
        str,
        typer.Argument(
            help="A file of a network, ZOO:NAME, package.module:callable, or a command that reads a JSON line a "
            "question and writes one an answer."
        ),
    ],
    among: Annotated[Path, typer.Option(help="A zoo, or a folder of networks: those that are known.")],
    threads: Threads,
    questions: Annotated[int, typer.Option(min=0, help="At most so many sequences are asked.")] = QUESTIONS,
    answers: Annotated[
        str, typer.Option(help="What the box answers with: full, rounded:K, float16, bfloat16, top1 or sampled.")
    ] = "full",
    noise: Annotated[
        float | None, typer.Option(min=0.0, help="Of its answers, in units of their spread; found out by default.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="When to stop.")] = CONFIDENCE,
    group_by: Annotated[
        str | None, typer.Option(help="Columns of the zoo's table, commas between: ask for these, not for the network.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Place a box that somebody else trained: this encoder asks it, and reads columns of the zoo "
            f"(--group-by) from z; {', '.join(shipped())}, a directory that pretrain wrote, or user/name on a hub."
        ),
    ] = None,
    questions_of: Annotated[
        str | None,
        typer.Option(help="Also offer the questions that this encoder learned to ask; named as for --encoder."),
    ] = None,
    one_string: Annotated[
        bool, typer.Option("--one-string", help="Go on with the sequence that was asked, a few steps at a time.")
    ] = False,
    none: Annotated[
        float,
        typer.Option(
            help="How likely it is beforehand that it is none of them; from --confidence on, only the nearest is asked "
            "for, as of a copy that was trained anew."
        ),
    ] = NONE,
    nearest: Annotated[
        int, typer.Option(min=0, help="Whole questions, at most, that tell which it is nearest to, if it is none.")
    ] = NEAREST,
    seconds: Annotated[float, typer.Option(min=0.0, help="That a command may take for an answer.")] = SECONDS,
    out: Annotated[Path | None, typer.Option("--out", help="Also write a page with the transcript.")] = None,
    inputs: Inputs = None,
    declare: Declare = None,
    knob: Knob = None,
    where: Where = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Find out which of the known networks is behind a black box, with as few questions as possible.

    With --encoder: which of their tasks a box does that is none of them.
    """
    from rnn2vec.identification.transcript import identification_page, plain_identification  # draws: seconds to import

    torch.set_num_threads(threads)
    if out is not None:
        require_new_file(out, force, [among])
    said = declared(declare, knob, [among, box])
    known = collection_of([among], said, inputs, where)
    names = known.names.tolist()
    columns, rows = ([], []) if group_by is None else _columns(zoo_of([among], where), group_by)
    groups = [task_name(columns, row) for row in rows] or None
    asked_for = (questions, noise, confidence, none, nearest, one_string, questions_of, inputs)
    others = asked_for != (QUESTIONS, None, CONFIDENCE, NONE, NEAREST, False, None, None)
    if encoder is not None and (not columns or answers.partition(":")[0] in ("top1", "sampled") or others):
        raise RNN2VecError(
            "an encoder places a box by columns of the zoo, from all its probabilities or numbers, and asks its own "
            "questions, all of them: give --group-by, leave --answers at full or rounded:K, and leave out --questions, "
            "--noise, --confidence, --none, --nearest, --one-string, --questions-of and --inputs"
        )
    pool = known.questions
    if questions_of is not None:
        pool = joined(pool, learned(load_encoder(questions_of), known.networks))

    def on_answer(told: Told, posterior: Posterior) -> None:
        if not as_json:
            best = int(posterior.probabilities.argmax())
            likely = float(posterior.probabilities[best])
            console.print(
                f"asked {len(told.question) - told.begun:4d} steps: {abs(posterior.bits):6.2f} bits left, "
                f"{posterior.none:.3f} none{f', {likely:.3f} {names[best]}' if likely >= 0.001 else ''}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip

    with _asked(box, said, seconds) as thing:
        own = getattr(thing, "interface", known.networks.interface)
        if not known.networks.interface.fits(own):
            raise RNN2VecError(
                f"a box reads and says what the known networks do, {known.networks.interface}; this one has {own}: "
                "give --knob where it has a knob and they have none"
            )
        if encoder is not None:
            found = place(thing, load_encoder(encoder), rows, columns)
        else:
            found = identify(
                thing, known.networks, questions, answers, noise, confidence, names, groups, pool, none,
                one_string=one_string, nearest=nearest, on_answer=on_answer,
            )  # fmt: skip
    if out is not None:
        write_atomically(out, identification_page(found, box).encode())
    if as_json:
        console.print_json(data={"box": box, **plain_identification(found)})
    else:
        _print(found)
        if out is not None:
            console.print(f"wrote {out}", markup=False)
    if found.failed:
        raise RNN2VecError(found.ended)


@contextlib.contextmanager
def _asked(box: str, said: dict[str, Any], seconds: float) -> Iterator[Any]:
    """What is asked."""
    zoo = box.partition(":")[0]
    if box.endswith(".py") and _there(Path(box)):
        raise RNN2VecError(f"a box is a command, not the file of a program: 'python {box}' runs this one")
    if _there(Path(box)) or _there(Path(zoo) / INDEX):
        yield network_of(box, said)
    elif re.fullmatch(r"[\w.]+:[\w.]+", box):
        yield _imported(box)
    else:
        with Command(box, seconds) as command:
            yield command


def _there(path: Path) -> bool:
    """Whether there is such a file; a command may be longer than any name of one."""
    try:
        return path.exists()
    except OSError:
        return False


def _imported(place: str) -> Any:
    """An object by ``package.module:name``; modules of the working directory too, as Python itself finds them."""
    module, _, name = place.partition(":")
    sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the module raises
        reason = f"{type(error).__name__}: {error}"
        raise RNN2VecError(f"a box is package.module:callable; {place} cannot be imported ({reason})") from error
    finally:
        sys.path.remove("")
    return found


def _columns(zoo: Zoo | None, columns: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of columns, and their values of each network."""
    if zoo is None:
        raise RNN2VecError("--group-by names columns of a zoo; got a folder of files: `rnn2vec zoo import` it")
    names = [name.strip() for name in columns.split(",")]
    return names, list(zip(*(zoo.column(name).tolist() for name in names), strict=True))


def _print(found: Identification) -> None:
    from rnn2vec.identification.transcript import candidate_rows

    if not found.failed:  # what was told cannot be trusted
        print_rows("What the box may be", candidate_rows(found, SHOWN))
    why = "the box failed" if found.failed else found.ended
    console.print(f"{why}: {found.questions} questions, {found.letters} steps in all", highlight=False)
    if found.altered_copy is not None:
        console.print(
            f"{found.altered_copy.name} is much nearer than any other: the box may be an altered copy of it, or answer "
            "less precisely (--noise)",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if found.noise is not None:
        console.print(f"noise of answers, in units of their spread: {found.noise:.2g}", highlight=False)
    for names in found.alike:
        console.print(
            f"no question tells these apart: {', '.join(names)}", markup=False, highlight=False, soft_wrap=True
        )
