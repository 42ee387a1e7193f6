"""The identifier: which of N networks answers so, and what to ask next."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer
from scipy.special import entr
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number
from rnn2vec.identification.answer_models import AnswerModel, answer_model
from rnn2vec.identification.continuations import after, continuations, shared_steps, words
from rnn2vec.identification.likeness import least_difference
from rnn2vec.identification.posterior import Posterior, Told
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import answers_of, as_questions, batches, unit_of
from rnn2vec.networks.stimuli import stimuli

MOST_NUMBERS = 2**26
"""Of answers to all questions of the pool that are kept."""
MOST_WEIGHED = 512
"""Networks, the likeliest, that a question is chosen by."""
MOST_WORDS = 64
"""By which what was asked last is continued."""
ENOUGH = 0.95
"""Of the bits that any question tells, what the shortest one that is asked must tell."""
LEAST_STEPS = 8
"""Of a question: fewer, though they tell known networks apart, tell them from few others."""
RIVALS = 5
"""Networks, nearest to a box that is none of them, that a question is to part."""
SPREAD = 32
"""Networks, evenly spread, that the first question is to part, where nothing was asked yet."""
LEAST_BITS = 0.02
"""Below which a question that tells networks apart is not worth asking."""


class Identifier:
    """Weighs N networks by the answers of a box, and chooses what to ask next.

    Args:
        networks: N known networks.
        questions: sequences to choose from, ``[R, T]`` tokens or ``[R, T, X]`` numbers; stimuli by default.
        answers: the kind of answers, see :func:`rnn2vec.identification.answer_models.answer_model`.
        noise: of answers; very little by default.
        none: how likely it is beforehand that it is none of them.
        groups: what is asked for of each, ``[N]``; which network it is by default.
        continued: whether networks that read tokens are also asked what is none of the questions: what was asked last,
            continued by any few letters.

    Attributes:
        model: of answers.
        transcript: what was told so far.
        noise: as given, or as it was measured; None if it was neither.
        labels: names of the groups, ``[G]``; None where each network is one.
        groups: the number of each network's group, ``[N]``.

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
        continued: bool = True,
    ) -> None:
        inputs = networks.interface.inputs
        questions = as_questions(inputs, stimuli(inputs) if questions is None else questions)
        if not len(networks):
            raise RNN2VecError("a box is one of at least one network; got none")
        networks = networks[:]  # those on disk are read, once
        self.networks, self.questions, self.continued, self.noise = networks, questions, continued, noise
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
        self._unit = unit_of(networks.interface, answers_of(networks[sample], questions))
        self.model: AnswerModel = answer_model(answers, networks.interface, self._unit, noise)
        self.transcript: list[Told] = []
        self._likelihood = torch.zeros(len(networks), len(self.model.noises), dtype=torch.float64)
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

    def parting(self) -> Integer[np.ndarray, " T"] | Float[np.ndarray, "T X"] | None:
        """The whole question that best parts those that the box is nearest to, one network of each group: of the two
        that answer it most alike, the difference is largest. None where there is nothing to part, or all were asked.
        """
        order = np.argsort(self.differences, kind="stable")
        first = order[np.sort(np.unique(self.groups[order], return_index=True)[1])]
        if len(first) < 2:
            return None
        few = np.linspace(0, len(first) - 1, min(len(first), SPREAD)).astype(int)
        rows = np.sort(first[:RIVALS] if self._differences else first[few])
        found = least_difference(self.model, self._answers_of_pool(rows)).numpy()
        whole = [told.question for told in self.transcript if len(told.question) == self.questions.shape[1]]
        asked = np.array([any(np.array_equal(own, other) for other in whole) for own in self.questions])
        return None if asked.all() else self.questions[int(np.where(asked, -1.0, found).argmax())]

    def next_question(self) -> Integer[np.ndarray, " T"] | Float[np.ndarray, "T X"] | None:
        """What to ask next: the question that tells most, see :meth:`telling`, or, where none tells anything, a whole
        one that was not asked yet: its answers tell networks like them from them. None if there is none.
        """
        found = self.telling()
        return self.check() if found is None else found

    def telling(self) -> Integer[np.ndarray, " T"] | Float[np.ndarray, "T X"] | None:
        """The shortest beginning of a question that tells nearly as much as any of which network it is; of several, the
        one that tells most.

        Returns:
            None where one network or group alone is left, or no question tells the rest apart.
        """
        return self._telling() if self.transcript else self._first

    @cached_property
    def _first(self) -> np.ndarray | None:
        """What every box is asked first."""
        return self._telling()

    def _telling(self) -> np.ndarray | None:
        rows, weights = self._likely()
        if len(np.unique(self.groups[rows])) < 2:
            return None
        offers = [(self.questions, self._answers_of_pool(rows))]
        if self.continued and self.networks.interface.inputs.drawn:
            longer = after(self._last, words(self.networks.interface.inputs.size, MOST_WORDS))
            offers.append((longer, self._answers(rows, longer)))
        told = [(questions, self._bits(rows, weights, questions, expected)) for questions, expected in offers]
        for _, bits in told:
            bits[:, : min(LEAST_STEPS, self.questions.shape[1]) - 1] = 0.0
        best = max(float(bits.max()) for _, bits in told)
        if best < LEAST_BITS:
            return None
        found: list[tuple[int, float, np.ndarray]] = []
        for questions, bits in told:
            steps = torch.where(bits >= ENOUGH * best, torch.arange(1, bits.shape[1] + 1), bits.shape[1] + 1)
            if (length := int(steps.min())) <= bits.shape[1]:
                most = int(bits[:, length - 1].argmax())
                found.append((length, -float(bits[most, length - 1]), questions[most, :length]))
        return min(found, key=lambda offer: offer[:2])[2]

    @property
    def _last(self) -> np.ndarray:
        """The last question; none of its steps, if there was none."""
        return self.transcript[-1].question if self.transcript else self.questions[0, :0]

    def _likely(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the likeliest networks, and how likely each is."""
        weights = self._members
        size = int(np.prod(self.questions.shape[:2])) * self.networks.interface.outputs.size
        most = MOST_WEIGHED if self._kept is not None else min(MOST_WEIGHED, max(2, MOST_NUMBERS // size))
        rows = np.sort(np.argsort(-weights, kind="stable")[:most])
        rows = rows[weights[rows] > 1e-6 * weights.max()]
        return rows, weights[rows]

    def _bits(
        self, rows: np.ndarray, weights: np.ndarray, questions: np.ndarray, expected: Tensor, begun: int = 0
    ) -> Tensor:
        """Bits ``[R, T]`` that beginnings of questions tell of the group, by answers of some networks ``[N, R, T, Y]``.

        Steps that were asked before would have the same answers, and the first ``begun`` steps are not asked anew: they
        tell nothing, even of networks that gave others, which noise may explain.
        """
        told = [max(begun, self._told_before(question)[0]) for question in questions]
        if any(told):
            known = torch.arange(questions.shape[1]) < torch.tensor(told)[:, None]
            expected = expected.masked_fill(known[..., None], 0.0)
        shares, groups = torch.from_numpy(weights / weights.sum()), torch.from_numpy(self.groups[rows])
        return self.model.information(shares, groups, expected)

    def continuation(self) -> Integer[np.ndarray, " T"] | Float[np.ndarray, "T X"] | None:
        """The last question, gone on with by the steps that tell most each of which network it is; the first steps of
        all, if there was none. Where one network is clear, steps that tell strangers from it. None if no continuation
        tells the likely networks apart.
        """
        return self._continued() if self.transcript else self._begin

    @cached_property
    def _begin(self) -> np.ndarray | None:
        """What every string begins with."""
        return self._continued()

    def _continued(self) -> np.ndarray | None:
        (rows, weights), begun = self._likely(), len(self._last)
        questions = after(self._last, continuations(self.questions))
        shares = np.bincount(self.groups[rows], weights / weights.sum())
        if entr(shares).sum() / np.log(2) < LEAST_BITS:
            return questions[len(self.transcript) % len(questions)]
        bits = self._bits(rows, weights, questions, self._answers(rows, questions), begun)[:, begun:]
        if float(bits.max()) < LEAST_BITS:
            return None
        best = int((bits / torch.arange(1, bits.shape[1] + 1)).argmax())
        return questions[best // bits.shape[1], : begun + best % bits.shape[1] + 1]

    def check(self) -> Integer[np.ndarray, " T"] | Float[np.ndarray, "T X"] | None:
        """The question that was asked least, whole; None if all were, and would have the same answers again."""
        asked = [[shared_steps(own, told.question) for told in self.transcript] for own in self.questions]
        if not self.model.repeats:
            return self.questions[int(np.argmin([sum(own) for own in asked]))]
        steps = [max(own, default=0) for own in asked]
        return None if min(steps) == self.questions.shape[1] else self.questions[int(np.argmin(steps))]

    def _told_before(self, question: np.ndarray) -> tuple[int, np.ndarray | None]:
        """How many first steps of a question were asked before, and what was answered then, if that repeats itself."""
        if not self.model.repeats:
            return 0, None
        shared = [shared_steps(question, told.question) for told in self.transcript]
        if not any(shared):
            return 0, None
        best = int(np.argmax(shared))
        return shared[best], self.transcript[best].answer[: shared[best]]

    def tell(self, question: Integer[np.ndarray, " T"] | Float[np.ndarray, "T X"], said: Any, begun: int = 0) -> float:
        """Take an answer in. What answers the same when it is asked again counts once.

        Args:
            question: what was asked, one sequence.
            said: what was answered, see the answer model.
            begun: first steps that are all of the question before, and were not asked anew.

        Returns:
            How far answers to the same steps are apart where they should repeat themselves, see the answer model.

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
        return 0.0 if before is None else self.model.apart(answer[: len(before)], before)

    def with_noise(self, noise: float | None) -> Identifier:
        """An identifier that was told the same, and takes answers to have this noise, rounded if they look so."""
        other, name = self.anew(), self.model.seen_in([told.answer for told in self.transcript])
        other.noise, other.model = noise, answer_model(name, self.networks.interface, self._unit, noise)
        other._likelihood = torch.zeros(len(self.networks), len(other.model.noises), dtype=torch.float64)
        for kept in ("_first", "_begin"):  # what is asked first depends on the noise
            other.__dict__.pop(kept, None)
        for told in self.transcript:
            other.tell(told.question, told.answer, told.begun)
        return other

    def anew(self) -> Identifier:
        """An identifier of the same networks that was told nothing: what they answer, and what is asked first, is not
        computed again.
        """
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
