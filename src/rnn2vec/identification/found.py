"""What was found out of a box: candidates, in order, and how it was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from rnn2vec.identification.evidence import Evidence
from rnn2vec.identification.posterior import Told

ALONE = 30.0
"""How many times nearer than any other the network is that a box may be an altered copy of."""
ALTERED = 0.1
"""The largest difference of such a copy."""
UNLIKELY = 1e-6
"""Probability below which candidates are in the order of their differences."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network, or a group of them, that the box may be.

    Attributes:
        row: of the network, or of the likeliest of the group.
        name: its name, or the value that the group has in common.
        probability: that it is the box.
        difference: how far the box's answers are from that row, see
            :meth:`rnn2vec.identification.answer_models.AnswerModel.difference`; None if they were not compared.
    """

    row: int
    name: str
    probability: float
    difference: float | None = None


@dataclasses.dataclass(frozen=True)
class Identification:
    """What was found out of a box.

    Attributes:
        candidates: the likeliest first; of those that are not likely, the nearest.
        none_of_these: the probability that it is none of them.
        questions: sequences asked.
        letters: their steps.
        transcript: what was asked and answered.
        ended: why no more was asked.
        failed: whether that is a failure of the box, after it had answered before.
        alike: names of networks that no question of the pool tells apart, in groups.
        bits: entropy that was left before and after each question.
        none: the probability that it is none, likewise.
        answers: of which kind they are, as asked for or as seen: with it and the noise, the transcript, told to an
            :class:`Identifier` of the same networks and pool, gives the same probabilities.
        noise: of answers, as given or measured; None if it was neither.
    """

    candidates: tuple[Candidate, ...]
    none_of_these: float
    questions: int
    letters: int
    transcript: tuple[Told, ...]
    ended: str
    failed: bool
    alike: tuple[tuple[str, ...], ...]
    bits: tuple[float, ...]
    none: tuple[float, ...]
    answers: str = "full"
    noise: float | None = None

    @property
    def altered_copy(self) -> Candidate | None:
        """The nearest candidate, where the box is none of them, but this one is near, :data:`ALONE` times nearer than
        any other: the box may be a copy that was altered, or that answers less precisely.
        """
        near = sorted((each for each in self.candidates if each.difference is not None), key=_difference)
        if self.failed or self.none_of_these <= 0.5 or len(near) < 2 or self.answers == "sampled":
            return None
        first, second = _difference(near[0]), _difference(near[1])
        return near[0] if first <= ALTERED and first * ALONE < second else None


def _difference(candidate: Candidate) -> float:
    return 0.0 if candidate.difference is None else candidate.difference


def ranked(identifier: Evidence, names: Sequence[str] = ()) -> tuple[Candidate, ...]:
    """Groups by how likely they are, and where they are not, by how near the box is."""
    probabilities, differences = identifier.posterior.probabilities, identifier.differences
    asked = bool(identifier.transcript)
    found = []
    for group, share in enumerate(np.bincount(identifier.groups, probabilities)):
        rows = np.flatnonzero(identifier.groups == group)
        best = int(rows[probabilities[rows].argmax() if share >= UNLIKELY or not asked else differences[rows].argmin()])
        name = identifier.labels[group] if identifier.labels is not None else names[best] if names else best
        found.append(Candidate(best, str(name), float(share), float(differences[best]) if asked else None))
    return tuple(sorted(found, key=_order))


def _order(candidate: Candidate) -> tuple[float, float]:
    likely = candidate.probability if candidate.probability >= UNLIKELY else 0.0
    return -likely, _difference(candidate)
