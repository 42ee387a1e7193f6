"""How many questions tell the networks of a zoo apart, and how many tell what they were trained on?"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import torch

from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Interface
from rnn2vec.interrogation import (
    FunctionClass,
    QuestionSet,
    QuestionTree,
    identified_by_set,
    identified_by_tree,
    interactive_queries,
    noninteractive_queries,
)
from rnn2vec.interrogation.values import time_limit, whole_number
from rnn2vec.tasks.formal_language import LETTERS, SYMBOLS
from rnn2vec.theory.network_answers import (
    all_strings,
    answers_to_images,
    answers_to_strings,
    check_answers,
    check_number,
    ordered_strings,
    question_length,
)
from rnn2vec.zoo.store import Zoo

SEARCHED = 24
"""Functions in a class up to which all trees are searched; the greedy tree beyond, which says how far off it may be."""


@dataclasses.dataclass(frozen=True)
class Identification:
    """What it takes to identify one thing about the networks of a class.

    Attributes:
        target: what: ``network`` or ``task``.
        targets: how many of these there are to be told apart.
        fixed: questions asked of every network.
        adaptive: questions that depend on the answers.
        fixed_order: the fixed questions, those first that tell most.
        fixed_shares: share of networks whose target is known after 0, 1, ... of them, in that order.
        adaptive_shares: likewise of the adaptive ones.
    """

    target: str
    targets: int
    fixed: QuestionSet
    adaptive: QuestionTree
    fixed_order: tuple[int, ...]
    fixed_shares: tuple[float, ...]
    adaptive_shares: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ZooAnswers:
    """What the networks of one training step of a zoo answer: a class of functions.

    Attributes:
        questions: Q of them, as text.
        step: training step of the snapshots.
        codes: ``[N, Q]`` whole numbers; equal numbers are equal answers.
        tasks: what each network was trained on, ``[N]``, from 0 up.

    Raises:
        RNN2VecError: if there is no network, or codes and tasks are no whole numbers of these shapes.
    """

    questions: tuple[str, ...]
    step: int
    codes: np.ndarray
    tasks: np.ndarray

    def __post_init__(self) -> None:
        for name in ("codes", "tasks"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)))
        if self.tasks.ndim != 1 or self.codes.shape != (len(self.tasks), len(self.questions)) or not self.codes.size:
            raise RNN2VecError(
                f"networks have a task each, and a code for each of {len(self.questions)} questions; got tasks of "
                f"shape {self.tasks.shape} and codes of {self.codes.shape}"
            )
        kinds = (self.codes.dtype, self.tasks.dtype)
        if not all(np.issubdtype(kind, np.integer) for kind in kinds) or self.tasks.min() < 0:
            raise RNN2VecError(
                f"codes are whole numbers, and tasks are from 0 up; got {kinds[0]}, {kinds[1]} and {self.tasks.min()}"
            )

    @functools.cached_property
    def behaviours(self) -> np.ndarray:
        """``[N]``, from 0 up: equal for networks that answer all questions alike, which are one function."""
        return np.unique(self.codes, axis=0, return_inverse=True)[1].ravel()

    @functools.cached_property
    def ambiguous(self) -> np.ndarray:
        """``[N]`` booleans: whether a network of another task answers all questions alike."""
        pairs = np.unique(np.stack([self.behaviours, self.tasks]), axis=1)[0]  # a behaviour as often as it has tasks
        return np.bincount(pairs)[self.behaviours] > 1

    def function_class(self, target: str = "network") -> FunctionClass:
        """The class of which a ``network`` is to be identified, or its ``task``; then without ambiguous networks.

        Raises:
            RNN2VecError: if the target is another, or all networks are ambiguous.
        """
        if target == "network":
            return FunctionClass(self.codes, list(self.questions), self.behaviours.tolist())
        if target != "task":
            raise RNN2VecError(f"targets are network and task; got {target!r}")
        kept = ~self.ambiguous
        return FunctionClass(self.codes[kept], list(self.questions), self.tasks[kept].tolist())


@dataclasses.dataclass(frozen=True)
class ZooInterrogation:
    """What it takes to identify the networks of a zoo.

    Attributes:
        answers: of the networks.
        found: for ``network`` and ``task``; the task is missing if every network has its own, or none can be told.
    """

    answers: ZooAnswers
    found: tuple[Identification, ...]


def ask_zoo(
    zoo: Zoo,
    length: int = 12,
    strings: str = "ordered",
    answers: str = "argmax",
    levels: int = 4,
    step: int | None = None,
) -> ZooAnswers:
    """Put questions to all networks of one training step of a zoo.

    Args:
        zoo: of networks that answer with classes. If they read the tokens of formal languages, they are asked strings;
            if numbers, sequences that networks of the zoo were shown, such as images.
        length: of the longest string, BOS not counted; or how many sequences are taken from every network's.
        strings: ``ordered``, those of the form a..ab..bc..cd..d; or ``all``.
        answers: see :func:`~rnn2vec.theory.network_answers.answers_to_strings`.
        levels: likewise, at most 20, and so few that all probabilities of an answer fit an integer.
        step: training step of the snapshots; the last by default.

    Raises:
        RNN2VecError: if an argument is out of range, there are more than
            :data:`~rnn2vec.theory.network_answers.MOST_QUESTIONS` questions, or networks read other tokens or answer
            with numbers.
    """
    length = question_length(length)
    _check_interface(zoo.interface)
    if strings not in ("ordered", "all"):
        raise RNN2VecError(f"strings are ordered or all; got {strings!r}")
    check_answers(answers, levels, zoo.architecture.output_size)
    step = zoo.steps[-1] if step is None else whole_number(step, "step")
    if step not in zoo.steps:
        known = ", ".join(map(str, zoo.steps))
        raise RNN2VecError(f"snapshots of {zoo.directory} were taken at steps {known}; got {step}")
    rows = np.flatnonzero(zoo.column("step") == step)
    population = zoo.population(rows)
    if zoo.interface.inputs.kind == "tokens":
        asked = ordered_strings(length) if strings == "ordered" else all_strings(length)
        codes = answers_to_strings(population, asked, answers, levels)
        names = ["".join(LETTERS[letter] for letter in string) or "(start)" for string in asked]
    else:
        images = zoo.traces(rows).inputs[:, :length]
        check_number(len(images) * images.shape[1])
        flat = torch.from_numpy(images.reshape(-1, *images.shape[2:])).to(population.dtype)
        codes = answers_to_images(population, flat, answers, levels)
        names = [f"image {image} of network {row}" for row in rows for image in range(images.shape[1])]
    tasks = np.unique(zoo.tasks[rows], axis=0, return_inverse=True)[1].ravel()
    return ZooAnswers(tuple(names), step, codes, tasks)


def _check_interface(interface: Interface) -> None:
    """Raise :class:`RNN2VecError` unless networks can be asked, and their answers be equal."""
    if interface.outputs.kind != "classes":
        raise RNN2VecError(f"functions are told apart by answers that are classes; these networks have {interface}")
    if interface.inputs.kind == "tokens" and interface.inputs.size != len(SYMBOLS):
        raise RNN2VecError(
            f"strings are written in the {len(SYMBOLS)} tokens {', '.join(SYMBOLS)}; these networks have {interface}"
        )


def interrogate_zoo(zoo: Zoo, seconds: float = 30.0, **asked: Any) -> ZooInterrogation:
    """Take the networks of a zoo as the class D of the theory, and count the questions that identify them.

    Args:
        zoo: the zoo.
        seconds: spent on each smallest set of fixed questions and on each tree; beyond, the best so far is returned
            with a bound.
        asked: arguments of :func:`ask_zoo`.

    Raises:
        RNN2VecError: if ``seconds`` is no number from 0 up, or as :func:`ask_zoo` does.
    """
    seconds = time_limit(seconds)
    said = ask_zoo(zoo, **asked)
    found = [_identify("network", said, seconds)]
    if len(np.unique(said.tasks)) < len(said.tasks) and not said.ambiguous.all():
        found.append(_identify("task", said, seconds))
    return ZooInterrogation(said, tuple(found))


def _identify(target: str, said: ZooAnswers, seconds: float) -> Identification:
    functions = said.function_class(target)
    fixed = noninteractive_queries(functions, seconds=seconds)
    adaptive = interactive_queries(functions, exact=len(functions) <= SEARCHED, seconds=seconds)
    order, shares = identified_by_set(functions, fixed)
    return Identification(target, len(functions.labels), fixed, adaptive, order, shares, identified_by_tree(adaptive))
