"""Identify: ask a black box, until it is clear which of the known networks it is, or that it is none."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number, whole
from rnn2vec.identification.box import Box, box_of
from rnn2vec.identification.evidence import LEAST_STEPS, Apart
from rnn2vec.identification.found import Identification, ranked
from rnn2vec.identification.identifier import Identifier
from rnn2vec.identification.posterior import Posterior, Told
from rnn2vec.identification.twofold import is_twofold, suspect
from rnn2vec.networks import Networks
from rnn2vec.networks.protocol import require_networks
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.store import Zoo

OnAnswer = Callable[[Told, Posterior], None]
"""Told every question with its answer, and what is likely then."""

QUESTIONS, CONFIDENCE, NONE = 16, 0.99, 0.05
"""Sequences asked at most; when to stop; how likely it is beforehand that it is none: by default."""
CLEAR, STRANGE = "it is clear", "it is none of these"
UNVERIFIED = "it is clear, but the budget ended before it was verified"
"""Why no more is asked."""
NEAREST = 4
"""Whole questions, at most, by which it is told which network a box is nearest to that is none of them."""
MOST_NOISE = 1.0
"""In units of the spread, above which what was measured is no noise that answers could be told by."""
SURE = 2.0
"""Standard errors that are added to noise that is measured."""
MEASURED = 32
"""Steps whose answers, given twice, tell how much noise there is; after a shorter question a whole one follows."""


def identify(
    box: Any,
    among: Zoo | Networks,
    questions: int = QUESTIONS,
    answers: str = "full",
    noise: float | None = None,
    confidence: float = CONFIDENCE,
    names: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    pool: Integer[np.ndarray, "R T"] | Float[np.ndarray, "R T X"] | None = None,
    none: float = NONE,
    checks: int | None = None,
    one_string: bool = False,
    nearest: int = NEAREST,
    on_answer: OnAnswer = lambda told, posterior: None,
) -> Identification:
    """Which of the known networks is behind a black box, or none of them.

    Every question is the shortest that tells nearly as much as any, by what was answered before. If the answers fit no
    network and noise was not given, the last question is asked once more, which tells how much noise there is.

    Args:
        box: what is asked, see :func:`rnn2vec.identification.box.box_of`.
        among: the known networks, N of them.
        questions: at most so many sequences are asked.
        answers: ``full``, ``rounded:K``, ``float16``, ``bfloat16``, ``top1`` or ``sampled``, see
            :func:`rnn2vec.identification.answer_models.answer_model`.
        noise: of answers, in units of the answers' spread (probabilities: 1), or how often a class is another.
        confidence: ask no more when one candidate, or that there is none, has this probability.
        names: of the networks, ``[N]``; of a zoo its own by default.
        groups: what a candidate is, ``[N]``: such as the language of each network; each network by default.
        pool: questions to choose from, ``[R, T]`` or ``[R, T, X]``; the traces of a zoo, or made ones, by
            default.
        none: how likely it is beforehand that it is none; from ``confidence`` on, only the nearest is asked for.
        checks: whole questions that are asked once it is clear which network it is like, to make sure that it is none
            like it; as many as this kind of answers needs by default.
        one_string: go on with the sequence that was asked, a few steps at a time, as long as that tells anything: fewer
            letters, and at most as many as so many whole questions have. The box must be one that can go on.
        nearest: whole questions, at most, that are asked of a box that is none of them, to tell which it is nearest to.
        on_answer: told every answer.

    Raises:
        RNN2VecError: if an argument is out of range, or the box fails at its first question or gives no such answer.
    """
    if not isinstance(among, Zoo):
        require_networks(among)
    zoo = among if isinstance(among, Zoo) else None
    networks = zoo.networks() if zoo else among
    assert not isinstance(networks, Zoo)
    if pool is None and zoo:
        pool = questions_of(zoo)
    named = list(names) if names is not None else zoo.column("name").tolist() if zoo else _numbers(len(networks))
    identifier = Identifier(networks, pool, answers, noise, none, groups)
    return interrogate(
        box, identifier, questions, confidence, named, checks, noise is None, one_string, nearest, on_answer
    )


def interrogate(
    box: Any,
    identifier: Identifier,
    questions: int = QUESTIONS,
    confidence: float = CONFIDENCE,
    names: Sequence[str] | None = None,
    checks: int | None = None,
    measure: bool = True,
    one_string: bool = False,
    nearest: int = NEAREST,
    on_answer: OnAnswer = lambda told, posterior: None,
) -> Identification:
    """:func:`identify` with an identifier that was made before: for many boxes, give each ``identifier.anew()``.

    Args:
        box: what is asked, see :func:`rnn2vec.identification.box.box_of`.
        identifier: of the known networks, N of them.
        questions: at most so many sequences are asked.
        confidence: ask no more when one candidate, or that there is none, has this probability.
        names: of the networks, ``[N]``; numbers by default.
        checks: see :func:`identify`.
        measure: whether noise is measured where answers fit no network.
        one_string: see :func:`identify`.
        nearest: see :func:`identify`.
        on_answer: told every answer.

    Raises:
        RNN2VecError: if an argument is out of range, or the box fails at its first question or gives no such answer.
    """
    budget, wanted = whole("questions", questions, 0), number("confidence", confidence)
    if not 0.0 < wanted < 1.0:
        raise RNN2VecError(f"confidence is between 0 and 1; got {confidence}")
    asked, count = box_of(box).anew(), len(identifier.networks)
    named = list(names) if names is not None else _numbers(count)
    if len(named) != count:
        raise RNN2VecError(f"names are one of each network; got {len(named)} for {count} networks")
    if one_string and not asked.goes_on:
        raise RNN2VecError(
            "one string that goes on is for boxes that can: a network, or an object with reset() and step(); this box "
            "starts anew at each question: leave one_string (--one-string) out"
        )
    history = [identifier.posterior]

    def remember(told: Told, posterior: Posterior) -> None:
        history.append(posterior)
        on_answer(told, posterior)

    checked = identifier.model.checks if checks is None else whole("checks", checks, 0)
    measured = measure and identifier.model.repeats  # what is drawn anew each time shows no noise
    plan = _Plan(budget, wanted, checked, measured, one_string, whole("nearest", nearest, 0), named)
    try:
        ended = _interrogate(asked, identifier, plan, remember)
    finally:
        asked.end()
    identifier = ended.identifier
    posterior = identifier.posterior
    return Identification(
        ranked(identifier, named),
        posterior.none,
        asked.questions,
        asked.letters,
        tuple(identifier.transcript),
        ended.why,
        ended.failed,
        tuple(tuple(named[row] for row in rows) for rows in identifier.alike()),
        tuple(each.bits for each in history),
        tuple(each.none for each in history),
        identifier.model.name,
        identifier.noise,
    )


@dataclasses.dataclass(frozen=True)
class _Ended:
    identifier: Identifier
    why: str
    failed: bool = False


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How to ask, and when to stop."""

    budget: int
    confidence: float
    checks: int
    measure: bool
    one_string: bool
    nearest: int
    names: Sequence[str]


def _interrogate(box: Box, identifier: Identifier, plan: _Plan, on_answer: OnAnswer) -> _Ended:
    """Ask until it is clear and sure, or the budget is spent."""
    strange = identifier.posterior.none >= plan.confidence
    repeat, clear, checked, parted = plan.measure and not strange, False, 0, 0
    most, enough = plan.budget * identifier.questions.shape[1], min(LEAST_STEPS, identifier.questions.shape[1])
    while True:
        again = False
        if strange:
            question, parted = identifier.parting() if parted < plan.nearest else None, parted + 1
        else:
            question = None if clear else _telling(identifier, plan.one_string)
            if question is None:
                clear = clear or _leading(identifier) >= plan.confidence
                if clear and checked >= plan.checks:
                    return _Ended(identifier, CLEAR)
                question, checked = identifier.check(), checked + clear
            if repeat and identifier.transcript and identifier.posterior.none > 0.5:  # is that noise, or rounding?
                last = identifier.transcript[-1].question
                whole_one = identifier.check() if len(last) < min(MEASURED, identifier.questions.shape[1]) else None
                again = whole_one is None
                repeat, question = not again, last if whole_one is None else whole_one
        found = STRANGE if strange else CLEAR if clear else ""
        if question is None:
            return _Ended(identifier, found or "no question of the pool tells more")
        begun = box.begun(question)
        if box.letters >= most if begun else box.questions >= plan.budget:  # a string that goes on is one
            return _Ended(
                identifier, UNVERIFIED if found == CLEAR else found or f"the budget of {plan.budget} questions is spent"
            )
        question = question[: begun + most - box.letters] if begun else question
        try:
            apart = identifier.tell(question, box.ask(question), begun)
            told = identifier.transcript[-1]
            if again:
                apart = identifier.apart(told.answer, identifier.transcript[-2].answer)
            elif told.answer.ndim > 1 and apart.numbers < enough * told.answer.shape[1]:
                apart = Apart(0.0, 0)  # too few to tell noise by
            known = _twofold(box, identifier, plan.budget) if plan.measure and apart.far else None
            if known is not None:
                on_answer(told, identifier.posterior)
                return _Ended(identifier, _not_anew(plan.names[known]), failed=True)
        except RNN2VecError as error:
            if not identifier.transcript:
                raise
            return _Ended(identifier, str(error), failed=True)
        if plan.measure and apart.far and told.answer.ndim == 1:
            on_answer(told, identifier.posterior)
            why = (
                "the box answers the same question in another way: if its answers are drawn, ask for sampled ones; if "
                "not, it goes on from the question before: have it start anew at each question"
            )
            return _Ended(identifier, why, failed=True)
        noise = apart.far / math.sqrt(2)
        if plan.measure and noise > MOST_NOISE:
            on_answer(told, identifier.posterior)
            why = (
                f"answers to the same question differ by {noise:.1f} times their spread, so that "
                "nothing can be told by them: if that is their noise, declare it"
            )
            return _Ended(identifier, why, failed=True)
        if plan.measure and (apart.far or again):
            identifier = identifier.with_noise(_at_most(noise, apart.numbers) or None)
        posterior = identifier.posterior
        on_answer(told, posterior)
        strange = posterior.none >= plan.confidence and not (repeat and box.questions < plan.budget)
        clear = ranked(identifier)[0].probability >= plan.confidence
        if clear and checked >= plan.checks:
            return _Ended(identifier, CLEAR)


def _twofold(box: Box, identifier: Identifier, budget: int) -> int | None:
    """The row of a network as which a box answers, and the same question otherwise another time; None if there is none.
    What it once answered exactly is asked again, if that is needed to tell.
    """
    found = suspect(identifier)
    if found is None:
        return None
    told, row = found
    if not is_twofold(identifier, told, row) and box.questions < budget:
        identifier.tell(told.question, box.ask(told.question))
    return row if is_twofold(identifier, told, row) else None


def _at_most(noise: float, numbers: int) -> float:
    """The noise that so many numbers, asked twice, show, and :data:`SURE` standard errors more: a network whose noise
    was measured too small would be none of them.
    """
    return noise * (1 + SURE / math.sqrt(2 * numbers))


def _not_anew(name: str) -> str:
    return (
        f"the box answers as {name} does, to rounding, and another time it does not: it goes on from the question "
        "before, or several networks answer; have it start anew at each question"
    )


def _telling(identifier: Identifier, one_string: bool) -> np.ndarray | None:
    further = identifier.continuation() if one_string else None
    return identifier.telling() if further is None else further


def _leading(identifier: Identifier) -> float:
    """How likely the first candidate is, with all that no question tells from it."""
    same = identifier.groups[identifier.alike_to(ranked(identifier)[0].row)]
    return float(identifier.posterior.probabilities[np.isin(identifier.groups, same)].sum())


def _numbers(count: int) -> list[str]:
    return [str(row) for row in range(count)]
