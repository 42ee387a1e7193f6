"""Evidence: how likely each of N networks is, by what a box answered."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number
from rnn2vec.identification.answer_models import AnswerModel, answer_model
from rnn2vec.identification.continuations import shared_steps
from rnn2vec.identification.posterior import Posterior, Told
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import answers_of, as_questions, batches, unit_of
from rnn2vec.networks.protocol import require_networks
from rnn2vec.networks.questions import made_questions

MOST_NUMBERS = 2**26
"""Of answers to all questions of the pool that are kept."""
LEAST_STEPS = 8
"""Of a question: fewer, though they tell known networks apart, tell them from few others."""


class Apart(NamedTuple):
    """How far two answers to the same steps are apart.

    Attributes:
        far: see the answer model.
        numbers: by which that was measured, or classes.
    """

    far: float
    numbers: int


class Evidence:
    """Weighs N networks by the answers of a box.

    Arguments and attributes are those of :class:`rnn2vec.Identifier`, which also chooses what to ask.

    Raises:
        RNN2VecError: if there are no networks or questions, or answers of this kind are none of theirs.
    """

    def __init__(
        self,
        networks: Networks,
        questions: Integer[np.ndarray, "R T"] | Float[np.ndarray, "R T X"] | None = None,
        answers: str = "full",
        noise: float | None = None,
        none: float = 0.05,
        groups: Sequence[Hashable] | None = None,
    ) -> None:
        require_networks(networks)
        if not len(networks):
            raise RNN2VecError("a box is one of at least one network; got none")
        networks = networks[:]  # those on disk are read, once
        asked = networks.interface.inputs
        questions = made_questions(networks) if questions is None else as_questions(asked, questions)
        self.networks, self.questions, self.noise = networks, questions, noise
        own = list(range(len(networks)) if groups is None else groups)
        if len(own) != len(networks):
            raise RNN2VecError(f"groups are one of each network; got {len(own)} for {len(networks)} networks")
        self.labels = None if groups is None else list(dict.fromkeys(own))
        numbers = {label: group for group, label in enumerate(self.labels or own)}
        self.groups = np.array([numbers[label] for label in own])
        self.none = number("none", none)
        if not 0.0 < self.none < 1.0:
            raise RNN2VecError(f"none of these has a probability between 0 and 1 beforehand; got {none}")
        sample = np.linspace(0, len(networks) - 1, min(len(networks), 256)).astype(int)
        heard = answers_of(networks[sample], questions)
        self._unit = unit_of(networks.interface, heard)
        self._variety = (heard / self._unit.to(heard)).var(2, correction=0).mean(-1).median(0).values.cpu().numpy()
        self.model: AnswerModel = answer_model(answers, networks.interface, self._unit, noise)
        self.transcript: list[Told] = []
        self._likelihood = torch.zeros(len(networks), self.model.ways, dtype=torch.float64)
        self._differences: list[tuple[int, np.ndarray]] = []

    @cached_property
    def _kept(self) -> Tensor | None:
        """What all networks answer to all questions, if that is not too much."""
        size = len(self.networks) * int(np.prod(self.questions.shape[:2])) * self.networks.interface.outputs.size
        return self._answers(np.arange(len(self.networks)), self.questions) if size <= MOST_NUMBERS else None

    def _answers(self, rows: np.ndarray, questions: np.ndarray) -> Tensor:
        """What networks of some rows answer, ``[N, R, T, Y]``."""
        chosen = self.networks[rows]
        return torch.cat([answers_of(chosen[part], questions) for part in batches(chosen, questions)])

    def _answers_of_pool(self, rows: np.ndarray) -> Tensor:
        """What networks of some rows answer to all questions of the pool."""
        return self._answers(rows, self.questions) if self._kept is None else self._kept[torch.from_numpy(rows)]

    def _answers_of_all(self, question: np.ndarray) -> Tensor:
        """What all networks answer to one question, ``[N, T, Y]``."""
        same = [row for row, own in enumerate(self.questions) if 0 < len(question) == shared_steps(own, question)]
        if self._kept is not None and same:
            return self._kept[:, same[0], : len(question)]
        return self._answers(np.arange(len(self.networks)), question[None])[:, 0]

    @property
    def posterior(self) -> Posterior:
        """How likely it is which network, by all that was told."""
        members = self._likelihood[:, 0] + np.log((1 - self.none) / len(self.networks))
        others = self._likelihood[:, 1:].logsumexp((0, 1)) - np.log(self._likelihood[:, 1:].numel()) + np.log(self.none)
        shares = torch.cat([members, others[None]]).softmax(0).numpy()
        return Posterior(shares[:-1], float(shares[-1]))

    @property
    def _members(self) -> np.ndarray:
        """How likely each network is ``[N]``, if it is one of them."""
        return self._likelihood[:, 0].softmax(0).numpy()

    @property
    def differences(self) -> Float[np.ndarray, " N"]:
        """How far the box is from each network, ``[N]``, see the answer model: a mean over what was asked, in which
        longer questions count more. It tells the nearest where none is likely. NaN before anything was asked.
        """
        if not self._differences:
            return np.full(len(self.networks), np.nan)
        steps, differences = zip(*self._differences, strict=True)
        return np.average(differences, 0, steps)

    def _told_before(self, question: np.ndarray) -> tuple[int, np.ndarray | None]:
        """How many first steps of a question were asked before, and what was answered then, if that repeats itself."""
        if not self.model.repeats:
            return 0, None
        shared = [shared_steps(question, told.question) for told in self.transcript]
        if not any(shared):
            return 0, None
        best = int(np.argmax(shared))
        return shared[best], self.transcript[best].answer[: shared[best]]

    def tell(self, question: Integer[np.ndarray, " T"] | Float[np.ndarray, "T X"], said: Any, begun: int = 0) -> Apart:
        """Take an answer in. What answers the same when it is asked again counts once.

        Args:
            question: what was asked, one sequence.
            said: what was answered, see the answer model.
            begun: first steps that are all of the question before, and were not asked anew.

        Returns:
            How far answers to the same steps are apart where they should repeat themselves.

        Raises:
            RNN2VecError: if the question is none of the networks' inputs, or the answer no such answer.
        """
        answer = self.model.read(said, len(question))
        steps, before = self._told_before(question)
        steps = max(steps, begun)
        if steps < len(question):
            expected = self._answers_of_all(question)
            self._likelihood += self.model.log_likelihood(expected[:, steps:], answer[steps:])
            apart = self.model.difference(expected[:, steps:], torch.from_numpy(answer[steps:]))
            self._differences.append((len(question) - steps, apart.numpy()))
        self.transcript.append(Told(question, answer, begun))
        return Apart(0.0, 0) if before is None else self.apart(answer[: len(before)], before)

    def apart(self, answer: np.ndarray, other: np.ndarray) -> Apart:
        """How far two answers to the same steps are apart."""
        return Apart(self.model.apart(answer, other), answer.size)

    def off(self, question: np.ndarray, answer: np.ndarray) -> np.ndarray:
        """How far an answer is from what each network says, ``[N]``, in units of the noise of a box that is it."""
        return self.model.off(self._answers_of_all(question), torch.from_numpy(answer)).numpy()

    def with_noise(self, noise: float | None) -> Self:
        """One that was told the same, and takes answers to have this noise, rounded if they look so."""
        other, name = self.anew(), self.model.seen_in([told.answer for told in self.transcript])
        other.noise, other.model = noise, answer_model(name, self.networks.interface, self._unit, noise)
        other._likelihood = torch.zeros(len(self.networks), other.model.ways, dtype=torch.float64)
        for told in self.transcript:
            other.tell(told.question, told.answer, told.begun)
        return other

    def anew(self) -> Self:
        """One of the same networks that was told nothing: what they answer is not computed again."""
        other = copy.copy(self)
        other.transcript = []
        other._likelihood, other._differences = torch.zeros_like(self._likelihood), []
        return other

    def alike(self) -> list[Integer[np.ndarray, " _"]]:
        """Rows of networks, among the likely, that this kind of answers does not tell apart: groups of two and more."""
        groups, left = [], self._alive
        while len(left):
            same = self.alike_to(int(left[0]), left)
            left = np.setdiff1d(left, same)
            if len(same) > 1:
                groups.append(same)
        return groups

    def alike_to(self, row: int, among: Integer[np.ndarray, " _"] | None = None) -> Integer[np.ndarray, " _"]:
        """The likely networks, or some others, that no question of the pool tells from one, which is among them."""
        rows = np.union1d(self._alive if among is None else among, [row])
        answers = self._answers_of_pool(rows)
        return rows[self.model.alike(answers, answers[int(np.searchsorted(rows, row))]).all(1).numpy()]

    @property
    def _alive(self) -> np.ndarray:
        """Rows of the networks that answers have not ruled out."""
        weights = self._members
        return np.flatnonzero(weights > 0.01 * weights.max())
