"""How many questions tell the networks of a zoo apart, and how many tell what they were trained on?"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rnn2vec.engine import run
from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation import (
    FunctionClass,
    QuestionSet,
    QuestionTree,
    identified_by_set,
    identified_by_tree,
    interactive_queries,
    noninteractive_queries,
)
from rnn2vec.population import Population
from rnn2vec.tasks.formal_language import BOS, LETTERS
from rnn2vec.zoo.store import Zoo

ANSWERS = ("argmax", "probabilities")
SEARCHED = 24
"""Functions in a class up to which all trees are searched; the greedy tree beyond, which says how far off it may be."""
MOST_QUESTIONS = 20_000
BATCH = 2**21
"""Networks x questions x steps that are run at once."""


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
    """

    questions: tuple[str, ...]
    step: int
    codes: np.ndarray
    tasks: np.ndarray

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


def ordered_strings(length: int) -> list[tuple[int, ...]]:
    """All strings a..ab..bc..cd..d of at most ``length`` letters, by length; the only ones that the languages know."""
    counts = (c for c in itertools.product(range(length + 1), repeat=len(LETTERS)) if sum(c) <= length)
    strings = (tuple(int(letter) for letter in np.repeat(np.arange(len(LETTERS)), own)) for own in counts)
    return sorted(strings, key=lambda string: (len(string), string))


def all_strings(length: int) -> list[tuple[int, ...]]:
    """All strings over a, b, c, d of at most ``length`` letters, by length."""
    return [s for size in range(length + 1) for s in itertools.product(range(len(LETTERS)), repeat=size)]


def answers_to_strings(
    population: Population, strings: Sequence[Sequence[int]], answers: str = "argmax", levels: int = 4
) -> np.ndarray:
    """What every network says next after reading BOS and a string.

    Args:
        population: N networks that read tokens.
        strings: Q of them.
        answers: ``argmax``, the likeliest next token; or ``probabilities``, each rounded to one of ``levels + 1``
            values from 0 to 1.
        levels: steps of the rounding.

    Returns:
        ``[N, Q]`` whole numbers; equal numbers are equal answers.
    """
    sizes = np.array([len(string) for string in strings])
    found = np.zeros((len(population), len(strings)), dtype=np.int64)
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        for part in np.array_split(rows, -(-len(rows) * len(population) * (size + 1) // BATCH)):
            inputs = torch.tensor([[BOS, *strings[row]] for row in part.tolist()]).expand(len(population), -1, -1)
            found[:, part] = _as_codes(run(population, inputs)[0][:, :, -1], answers, levels)
    return found


def answers_to_images(population: Population, images: torch.Tensor, answers: str, levels: int) -> np.ndarray:
    """What every network says after the last step of a sequence of tiles ``[Q, T, X]``; ``[N, Q]`` as above."""
    said = [
        _as_codes(run(population, part.expand(len(population), -1, -1, -1))[0][:, :, -1], answers, levels)
        for part in images.split(max(1, BATCH // (len(population) * images.shape[1])))
    ]
    return np.concatenate(said, axis=1)


@torch.no_grad()
def _as_codes(outputs: torch.Tensor, answers: str, levels: int) -> np.ndarray:
    if answers == "argmax":
        return outputs.argmax(-1).numpy()
    rounded = (outputs.softmax(-1) * levels).round().long()
    places = torch.tensor([(levels + 1) ** place for place in range(rounded.shape[-1])])
    return (rounded * places).sum(-1).numpy()


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
        zoo: of networks that read tokens, asked strings; or digits, asked images that networks of the zoo were shown.
        length: of the longest string, BOS not counted; for digits, how many images are taken from every network's.
        strings: ``ordered``, those of the form a..ab..bc..cd..d; or ``all``.
        answers: see :func:`answers_to_strings`.
        levels: likewise, at most 20, so that all probabilities of an answer fit an integer.
        step: training step of the snapshots; the last by default.

    Raises:
        RNN2VecError: if an argument is out of range, or there are more than :data:`MOST_QUESTIONS` questions.
    """
    _check(zoo, length, strings, answers, levels, step)
    step = int(zoo.recipe.snapshots[-1] if step is None else step)
    rows = np.flatnonzero(zoo.column("step") == step)
    population = zoo.population(rows)
    if zoo.recipe.input_range is None:
        ordered = strings == "ordered"
        if ordered:
            _check_number(math.comb(length + 4, 4))
        elif length > MOST_QUESTIONS.bit_length():  # their number may be too long to be written, or even computed
            raise _too_many(f"all strings of up to {length:,} letters")
        else:
            _check_number((4 ** (length + 1) - 1) // 3)
        asked = ordered_strings(length) if ordered else all_strings(length)
        codes = answers_to_strings(population, asked, answers, levels)
        names = ["".join(LETTERS[letter] for letter in string) or "(start)" for string in asked]
    else:
        images = zoo.rollouts(rows).inputs[:, :length]
        _check_number(len(images) * images.shape[1])
        flat = torch.from_numpy(images.reshape(-1, *images.shape[2:])).to(population.dtype)
        codes = answers_to_images(population, flat, answers, levels)
        names = [f"image {image} of network {row}" for row in rows for image in range(images.shape[1])]
    tasks = np.unique(zoo.tasks[rows], axis=0, return_inverse=True)[1].ravel()
    return ZooAnswers(tuple(names), step, codes, tasks)


def interrogate_zoo(zoo: Zoo, seconds: float = 30.0, **asked: Any) -> ZooInterrogation:
    """Take the networks of a zoo as the class D of the theory, and count the questions that identify them.

    Args:
        zoo: the zoo.
        seconds: spent on each smallest set of fixed questions and on each tree; beyond, the best so far is returned
            with a bound.
        asked: arguments of :func:`ask_zoo`, which also says what is raised.
    """
    said = ask_zoo(zoo, **asked)
    found = [_identify("network", said, seconds)]
    if len(np.unique(said.tasks)) < len(said.tasks) and not said.ambiguous.all():
        found.append(_identify("task", said, seconds))
    return ZooInterrogation(said, tuple(found))


def _check(zoo: Zoo, length: int, strings: str, answers: str, levels: int, step: int | None) -> None:
    if length < 1:
        raise RNN2VecError(f"questions are of at least one letter or image; got a length of {length}")
    if strings not in ("ordered", "all"):
        raise RNN2VecError(f"strings are ordered or all; got {strings!r}")
    if answers not in ANSWERS:
        raise RNN2VecError(f"answers are {' or '.join(ANSWERS)}; got {answers!r}")
    if not 1 <= levels <= 20:
        raise RNN2VecError(f"levels of a probability lie in 1..20; got {levels}")
    if step is not None and step not in zoo.recipe.snapshots:
        known = ", ".join(map(str, zoo.recipe.snapshots))
        raise RNN2VecError(f"snapshots of {zoo.directory} were taken at steps {known}; got {step}")


def _check_number(questions: int) -> None:
    if questions > MOST_QUESTIONS:
        raise _too_many(f"{questions:,}")


def _too_many(got: str) -> RNN2VecError:
    return RNN2VecError(
        f"an interrogation chooses among at most {MOST_QUESTIONS:,} questions; got {got}: lower the length"
    )


def _identify(target: str, said: ZooAnswers, seconds: float) -> Identification:
    functions = said.function_class(target)
    fixed = noninteractive_queries(functions, seconds=seconds)
    adaptive = interactive_queries(functions, exact=len(functions) <= SEARCHED, seconds=seconds)
    order, shares = identified_by_set(functions, fixed)
    return Identification(target, len(functions.labels), fixed, adaptive, order, shares, identified_by_tree(adaptive))
