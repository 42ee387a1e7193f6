"""The page of the theory: counted classes, encoders that learn to identify, and the networks of a zoo."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.files import write_atomically
from rnn2vec.interrogation import FunctionClass, told_apart_by_fixed_letters, told_apart_interactively
from rnn2vec.interrogation.tree_walk import depth_of
from rnn2vec.report import questions
from rnn2vec.report.page import Section, render_page
from rnn2vec.theory.class_sizes import KINDS, Count, curves
from rnn2vec.theory.gap import GapRun
from rnn2vec.theory.zoo_questions import Identification, ZooInterrogation

TARGETS = {"network": "which network it is", "task": "what it was trained on"}
LEARNED = {
    "noninteractive": "fixed, learned",
    "interactive": "adaptive, learned",
    "interactive, echo": "with echo, learned",
}
SHOWN_SIZE = 8
"""Functions of the classes whose tables are drawn."""
SHOWN = 12
"""Questions that are listed."""


def _table(functions: FunctionClass) -> np.ndarray:
    """Answers 0 and 1, ``[F, Q]``."""
    return np.array([[functions.answer(f, q) for q in range(len(functions.questions))] for f in range(len(functions))])


def count_rows(counts: Sequence[Count]) -> list[dict[str, str]]:
    """The table of counted classes, a row a class."""
    return [
        {
            "class": count.kind,
            "functions": str(count.size),
            "fixed questions": _between(count.fixed_bound, count.fixed),
            "adaptive questions": _between(count.adaptive_bound, count.adaptive),
            "adaptive, on average": f"{count.expected:.2f}",
        }
        for count in counts
    ]


def _between(bound: int, found: int) -> str:
    return str(found) if bound == found else f"{bound} to {found}"


def gap_rows(runs: Sequence[GapRun]) -> list[dict[str, str]]:
    """What each encoder learned, a row a class: functions identified after as many questions as the best tree asks, and
    in brackets those that these questions tell apart, where they are more.
    """
    rows = []
    for size in dict.fromkeys(run.size for run in runs):
        depth = depth_of(size)
        row = {"functions": str(size), "questions": str(depth)}
        row["fixed, best"] = str(told_apart_by_fixed_letters(size, depth))
        for run in runs:
            if run.size == size:
                last = min(depth, len(run.identified)) - 1
                named, told_apart = round(size * run.identified[last]), round(size * run.told_apart[last])
                row[LEARNED[run.interrogator]] = f"{named} ({told_apart})" if told_apart > named else str(named)
        row["adaptive, best"] = str(told_apart_interactively(size, depth))
        row["all by fixed"] = str(depth * size // 2)
        rows.append(row)
    return rows


def zoo_rows(interrogation: ZooInterrogation) -> list[dict[str, str]]:
    """Questions that identify the networks of a zoo, a row a thing to know."""
    return [
        {
            "to know": TARGETS[found.target],
            "of": str(found.targets),
            "fixed questions": _between(found.fixed.lower_bound, found.fixed.count),
            "adaptive questions": _between(found.adaptive.lower_bound, found.adaptive.count),
            "adaptive, on average": f"{found.adaptive.expected:.2f}",
        }
        for found in interrogation.found
    ]


def zoo_sentence(name: str, interrogation: ZooInterrogation) -> str:
    """What was asked of a zoo's networks, and how many can be told apart at all."""
    said = interrogation.answers
    networks, behaviours, left_out = len(said.tasks), len(np.unique(said.behaviours)), int(said.ambiguous.sum())
    text = f"Networks of {name} at step {said.step}: {networks}. Questions to choose from: {len(said.questions):,}. "
    if behaviours < networks:
        text += f"Networks that answer all of them alike count as one, which leaves {behaviours}. "
    else:
        text += "No two networks answer all of them alike. "
    if left_out == networks:
        text += "What they were trained on cannot be told: every network answers like one of another task. "
    elif left_out and any(found.target == "task" for found in interrogation.found):
        text += f"Answering like a network of another task, and left out where tasks are to be told: {left_out}. "
    return text


def zoo_sections(name: str, interrogation: ZooInterrogation) -> list[Section]:
    """The part of the page about a zoo."""
    return [
        Section(
            f"The networks of {name}",
            zoo_sentence(name, interrogation)
            + "A question is an input; its answer is what the network says after its last step. A range: the fewest "
            "that are known to suffice, and that are known to be needed.",
            table=zoo_rows(interrogation),
        ),
        Section(
            f"Question by question, {name}",
            "Share of the networks that are identified after so many questions. Fixed: the set of the table, in the "
            "order that identifies most soon. Adaptive: along the tree of the table.",
            questions.zoo_curves(zoo_shares(zoo_results(interrogation)["identified"])),
        ),
        Section(
            f"The fixed questions, {name}",
            "In that order; what the network is given.",
            table=[_listed(found, interrogation.answers.questions) for found in interrogation.found],
        ),
    ]


def zoo_shares(identified: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Sequence[float]]]:
    """Shares identified after 0, 1, ... questions by what is to be known, from :func:`zoo_results`."""
    return {
        f"{TARGETS[found['target']]}, one of {found['targets']}": {
            "fixed": found["fixed_shares"],
            "adaptive": found["adaptive_shares"],
        }
        for found in identified
    }


def _listed(found: Identification, names: Sequence[str]) -> dict[str, str]:
    asked = [names[question] for question in found.fixed_order]
    more = f" and {len(asked) - SHOWN} more" if len(asked) > SHOWN else ""
    return {"to know": TARGETS[found.target], "questions": ", ".join(asked[:SHOWN]) + more}


def write_zoo_report(path: Path, name: str, interrogation: ZooInterrogation) -> None:
    """Write the page of ``rnn2vec interrogate-zoo``."""
    lead = (
        "How many questions identify a network, if it is known to be one of this zoo's? Fixed questions are all chosen "
        "beforehand; an adaptive one may depend on the answers so far."
    )
    page = render_page("Interrogation of a zoo", lead, [], "", zoo_sections(name, interrogation), f"Zoo: {name}.")
    write_atomically(path, page.encode())


def write_theory_report(
    path: Path, counts: Sequence[Count], runs: Sequence[GapRun], zoos: Mapping[str, ZooInterrogation]
) -> None:
    """Write the page of ``rnn2vec theory``."""
    lead = (
        "An interrogator meets an unknown function from a finite class D and asks for its answers until it knows which "
        "one it is. Fixed (non-interactive) questions are all chosen beforehand; an adaptive (interactive) one may "
        "depend on the answers so far. No class needs more than |D| - 1 questions of either kind. How many fewer do, "
        "and what interaction saves, depends on the class."
    )
    sections = [
        Section(
            f"Three classes of {SHOWN_SIZE} functions",
            "A row a function, a column a question, dark where the answer is 1. Point functions differ from all others "
            "in one answer each: any interrogator must rule them out one by one. Tree paths: a question is a node of a "
            "binary tree, answered by the turn that the function's own path takes there, and by 0 off the path: who "
            "may follow the answers walks down the path, who may not must ask about every node.",
            questions.answer_tables({name: _table(build(SHOWN_SIZE)) for name, build in KINDS.items()}),
        ),
        Section(
            "What the size of a class costs",
            "Questions that identify any of its functions. The shaded band lies between log2 |D|, which binary answers "
            "cannot undercut, and |D| - 1, which no class exceeds.",
            questions.class_sizes(curves(counts)),
        ),
        Section(
            "The same in numbers",
            "Worst case; a range where the search ended before the fewest were known.",
            table=count_rows(counts),
        ),
        Section(
            "Encoders that learn to ask",
            "Probing encoders learn to identify tree walkers: networks whose weights are the automata of all paths "
            "through a binary tree, asked one letter at a time. Wide lines: the most that any fixed, or adaptive, "
            "letters can tell apart. Dotted: the functions that the encoder's own questions tell apart, were each of "
            "these named rightly. Echo: a question starts from the network's last answer. Fixed questions are "
            "learned faster, with an eye to later ones and less undecided. One seed.",
            questions.identification_curves(learned_shares(runs), best_shares(runs), told_apart_shares(runs)),
        ),
        Section(
            "Functions identified after as many questions as the best tree asks",
            "Of all functions of the class; in brackets those that the encoder's questions tell apart, where it names "
            "fewer; beside them what fixed and adaptive letters can do at best, and how many fixed letters it takes to "
            "identify all.",
            table=gap_rows(runs),
        ),
    ]
    for name, interrogation in zoos.items():
        sections += zoo_sections(name, interrogation)
    write_atomically(path, render_page("How many questions?", lead, [], "", sections, "rnn2vec theory.").encode())


def learned_shares(runs: Sequence[GapRun]) -> dict[int, dict[str, Sequence[float]]]:
    """Shares identified after 1, 2, ... questions, by size of the class and interrogator."""
    return _by_class(runs, lambda run: run.identified)


def told_apart_shares(runs: Sequence[GapRun]) -> dict[int, dict[str, Sequence[float]]]:
    """Likewise shares that the questions asked tell apart."""
    return _by_class(runs, lambda run: run.told_apart)


def _by_class(
    runs: Sequence[GapRun], shares: Callable[[GapRun], Sequence[float]]
) -> dict[int, dict[str, Sequence[float]]]:
    found: dict[int, dict[str, Sequence[float]]] = {}
    for run in runs:
        found.setdefault(run.size, {})[run.interrogator] = shares(run)
    return found


def best_shares(runs: Sequence[GapRun]) -> dict[int, dict[str, list[float]]]:
    """Likewise what fixed and adaptive letters can identify at most."""
    best = {}
    for size, learned in learned_shares(runs).items():
        asked = range(1, 1 + max(len(shares) for shares in learned.values()))
        best[size] = {
            "fixed": [told_apart_by_fixed_letters(size, letters) / size for letters in asked],
            "adaptive": [told_apart_interactively(size, letters) / size for letters in asked],
        }
    return best


def as_json(counts: Sequence[Count], runs: Sequence[GapRun], zoos: Mapping[str, ZooInterrogation]) -> dict[str, Any]:
    """All of it as one JSON-serialisable dictionary."""
    return {
        "classes": [dataclasses.asdict(count) for count in counts],
        "gap": [dataclasses.asdict(run) for run in runs],
        "zoos": {name: zoo_results(interrogation) for name, interrogation in zoos.items()},
    }


def zoo_results(interrogation: ZooInterrogation) -> dict[str, Any]:
    """An interrogated zoo as a JSON-serialisable dictionary."""
    said = interrogation.answers
    return {
        "step": said.step,
        "networks": len(said.tasks),
        "behaviours": len(np.unique(said.behaviours)),
        "ambiguous": int(said.ambiguous.sum()),
        "questions": len(said.questions),
        "identified": [
            {
                "target": found.target,
                "targets": found.targets,
                "fixed": found.fixed.count,
                "fixed_bound": found.fixed.lower_bound,
                "adaptive": found.adaptive.count,
                "adaptive_bound": found.adaptive.lower_bound,
                "adaptive_expected": found.adaptive.expected,
                "fixed_questions": [interrogation.answers.questions[question] for question in found.fixed_order],
                "fixed_shares": list(found.fixed_shares),
                "adaptive_shares": list(found.adaptive_shares),
            }
            for found in interrogation.found
        ],
    }
