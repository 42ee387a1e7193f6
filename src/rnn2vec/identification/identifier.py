"""The identifier: evidence of which of N networks answers, and what to ask next."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Integer
from scipy.special import entr
from torch import Tensor

from rnn2vec.identification.continuations import after, continuations, shared_steps, words
from rnn2vec.identification.evidence import LEAST_STEPS, MOST_NUMBERS, Evidence
from rnn2vec.identification.likeness import least_difference
from rnn2vec.networks import Networks

MOST_WEIGHED = 512
"""Networks, the likeliest, that a question is chosen by."""
MOST_WORDS = 64
"""By which what was asked last is continued."""
ENOUGH = 0.95
"""Of the bits that any question tells, what the shortest one that is asked must tell."""
RIVALS = 5
"""Networks, nearest to a box that is none of them, that a question is to part."""
SPREAD = 32
"""Networks, evenly spread, that the first question is to part, where nothing was asked yet."""
LEAST_BITS = 0.02
"""Below which a question that tells networks apart is not worth asking."""


class Identifier(Evidence):
    """Weighs N networks by the answers of a box, and chooses what to ask next.

    Args:
        networks: N known networks.
        questions: sequences to choose from, ``[R, T]`` tokens or ``[R, T, X]`` numbers; made by default, see
            :func:`rnn2vec.networks.questions.made_questions`.
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
        super().__init__(networks, questions, answers, noise, none, groups)
        self.continued = continued

    def with_noise(self, noise: float | None) -> Self:
        """The same, told the same, that takes answers to have this noise, rounded if they look so."""
        other = super().with_noise(noise)
        for kept in ("_first", "_begin"):  # what is asked first depends on the noise
            other.__dict__.pop(kept, None)
        return other

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
        """The question that was asked least, whole; of several, that whose answers vary most. None if all were asked,
        and would have the same answers again.
        """
        asked = [[shared_steps(own, told.question) for told in self.transcript] for own in self.questions]
        if not self.model.repeats:
            return self.questions[self._least([sum(own) for own in asked])]
        steps = [max(own, default=0) for own in asked]
        return None if min(steps) == self.questions.shape[1] else self.questions[self._least(steps)]

    def _least(self, steps: Sequence[int]) -> int:
        """The question with the fewest steps ``[R]`` that were asked; of several, that of the greatest variety."""
        return int(np.lexsort((-self._variety, np.asarray(steps)))[0])
