"""What networks say to strings and to images, as whole numbers: equal numbers are equal answers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation.values import whole_number, whole_rows
from rnn2vec.networks import Population
from rnn2vec.tasks.formal_language import BOS, LETTERS

ANSWERS = ("argmax", "probabilities")
MOST_QUESTIONS = 20_000
BATCH = 2**21
"""Networks x questions x steps that are run at once."""


def ordered_strings(length: int) -> list[tuple[int, ...]]:
    """All strings a..ab..bc..cd..d of at most ``length`` letters, by length; the only ones that the languages know.

    Raises:
        RNN2VecError: if ``length`` is no whole number from 0 up, or they are more than :data:`MOST_QUESTIONS`.
    """
    length = question_length(length, least=0)
    if length > MOST_QUESTIONS:
        raise _too_many(f"ordered strings of up to {length:,} letters")
    check_number(math.comb(length + len(LETTERS), len(LETTERS)))
    counts = (c for c in itertools.product(range(length + 1), repeat=len(LETTERS)) if sum(c) <= length)
    strings = (tuple(int(letter) for letter in np.repeat(np.arange(len(LETTERS)), own)) for own in counts)
    return sorted(strings, key=lambda string: (len(string), string))


def all_strings(length: int) -> list[tuple[int, ...]]:
    """All strings over a, b, c, d of at most ``length`` letters, by length.

    Raises:
        RNN2VecError: as :func:`ordered_strings` does.
    """
    length = question_length(length, least=0)
    if length > MOST_QUESTIONS.bit_length():  # their number may be too long to be written, or even computed
        raise _too_many(f"all strings of up to {length:,} letters")
    check_number((len(LETTERS) ** (length + 1) - 1) // (len(LETTERS) - 1))
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
        ``[N, Q]`` whole numbers; equal numbers are equal answers. -1: what the network says is not a number.

    Raises:
        RNN2VecError: if ``answers`` is neither, ``levels`` is out of range, or strings are no tokens in order.
    """
    levels = check_answers(answers, levels, population.architecture.output_size)
    strings = whole_rows(strings, "tokens of strings")
    sizes = np.array([len(string) for string in strings])
    found = np.zeros((len(population), len(strings)), dtype=np.int64)
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        for part in np.array_split(rows, -(-len(rows) * len(population) * (size + 1) // BATCH)):
            inputs = torch.tensor([[BOS, *strings[row]] for row in part.tolist()]).expand(len(population), -1, -1)
            found[:, part] = _as_codes(population.run(inputs)[0][:, :, -1], answers, levels)
    return found


def answers_to_images(population: Population, images: torch.Tensor, answers: str, levels: int) -> np.ndarray:
    """What every network says after the last step of a sequence of tiles ``[Q, T, X]``; ``[N, Q]`` as above."""
    levels = check_answers(answers, levels, population.architecture.output_size)
    said = [
        _as_codes(population.run(part.expand(len(population), -1, -1, -1))[0][:, :, -1], answers, levels)
        for part in images.split(max(1, BATCH // (len(population) * images.shape[1])))
    ]
    return np.concatenate(said, axis=1)


@torch.no_grad()
def _as_codes(outputs: torch.Tensor, answers: str, levels: int) -> np.ndarray:
    if answers == "argmax":
        codes = outputs.argmax(-1)
    else:
        outputs = outputs.softmax(-1)
        places = torch.tensor([(levels + 1) ** place for place in range(outputs.shape[-1])])
        codes = ((outputs * levels).round().long() * places).sum(-1)
    return codes.masked_fill(outputs.isnan().any(-1), -1).numpy()


def question_length(length: int, least: int = 1) -> int:
    """Letters of the longest string, or images, as Python's number.

    Raises:
        RNN2VecError: if it is no whole number from ``least`` up.
    """
    length = whole_number(length, "length")
    if length < least:
        invariant = "questions are of at least one letter or image" if least else "strings are of 0 letters or more"
        raise RNN2VecError(f"{invariant}; got a length of {length}")
    return length


def check_answers(answers: str, levels: int, outputs: int) -> int:
    """The levels to which probabilities are rounded, as Python's number.

    Raises:
        RNN2VecError: if they or what counts as an answer are out of range for networks with so many outputs.
    """
    if answers not in ANSWERS:
        raise RNN2VecError(f"answers are {' or '.join(ANSWERS)}; got {answers!r}")
    levels = whole_number(levels, "levels")
    if not 1 <= levels <= 20:
        raise RNN2VecError(f"levels of a probability lie in 1..20; got {levels}")
    if answers == "probabilities" and (levels + 1) ** outputs > 2**63:
        raise RNN2VecError(
            f"all {outputs} probabilities of an answer fit an integer of 63 bits; {levels} levels each do not: lower "
            "the levels"
        )
    return levels


def check_number(questions: int) -> None:
    """Refuse more than :data:`MOST_QUESTIONS` questions.

    Raises:
        RNN2VecError: if they are more.
    """
    if questions > MOST_QUESTIONS:
        raise _too_many(f"{questions:,}")


def _too_many(got: str) -> RNN2VecError:
    return RNN2VecError(
        f"an interrogation chooses among at most {MOST_QUESTIONS:,} questions; got {got}: lower the length"
    )
