"""``rnn2vec theory`` and ``interrogate-zoo``: how many questions it takes to know a function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from rnn2vec.cli.console import console, print_rows, stage
from rnn2vec.cli.options import Force, ResumableOut, Seed, Threads, Workers
from rnn2vec.errors import RNN2VecError
from rnn2vec.outputs import require_apart, require_new_file
from rnn2vec.theory.run import GAP_SIZES, GAP_STEPS, run_theory
from rnn2vec.theory.zoo_questions import interrogate_zoo
from rnn2vec.zoo.store import Zoo


def theory(
    out: ResumableOut,
    threads: Threads,
    zoo: Annotated[Path | None, typer.Option(help="A zoo to interrogate; a small one is built by default.")] = None,
    sizes: Annotated[str, typer.Option(help="Functions in the classes that encoders learn.")] = ",".join(
        map(str, GAP_SIZES)
    ),
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps of every encoder.")] = GAP_STEPS,
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Count questions, let encoders learn to ask them, interrogate a zoo: one report. The same command goes on."""
    from rnn2vec.theory.report import gap_rows  # draws: seconds to import

    torch.set_num_threads(threads)
    require_apart(out, [zoo] if zoo else [])
    runs = run_theory(out, stage, zoo, _numbers(sizes), steps, seed, workers or threads)
    print_rows("Functions identified (told apart) after as many questions as the best tree asks", gap_rows(runs))
    console.print(f"wrote {out / 'results.json'} and {out / 'report.html'}", markup=False)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise RNN2VecError(f"sizes are whole numbers with commas between, such as 8,16,32; got {text!r}") from error


def interrogate_zoo_command(
    zoo: Annotated[Path, typer.Argument(help="A zoo.")],
    threads: Threads,
    out: Annotated[Path | None, typer.Option(help="An HTML file for the report; none by default.")] = None,
    length: Annotated[int, typer.Option(min=1, help="Letters of the longest question; for digits, images.")] = 12,
    strings: Annotated[str, typer.Option(help="ordered: of the form a..ab..bc..cd..d; or all.")] = "ordered",
    answers: Annotated[str, typer.Option(help="argmax, the likeliest next letter; or probabilities.")] = "argmax",
    levels: Annotated[int, typer.Option(min=1, help="Steps to which probabilities are rounded.")] = 4,
    step: Annotated[int | None, typer.Option(help="Training step of the networks; the last by default.")] = None,
    seconds: Annotated[
        float, typer.Option(min=0, help="Spent on each smallest set and each tree of questions.")
    ] = 30.0,
    force: Force = False,
) -> None:
    """How many questions identify a network of a zoo, and how many what it was trained on?"""
    from rnn2vec.theory.report import write_zoo_report, zoo_rows, zoo_sentence

    torch.set_num_threads(threads)
    if out:
        require_new_file(out, force, [zoo])
    found = interrogate_zoo(
        Zoo.open(zoo), seconds, length=length, strings=strings, answers=answers, levels=levels, step=step
    )
    name = zoo.resolve().name
    console.print(zoo_sentence(name, found), markup=False)
    print_rows("Questions that identify a network", zoo_rows(found))
    if out:
        require_new_file(out, force, [zoo])  # another may have been written meanwhile
        write_zoo_report(out, name, found)
        console.print(f"wrote {out}", markup=False)
