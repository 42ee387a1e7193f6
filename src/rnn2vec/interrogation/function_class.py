"""A finite class of functions as a table: what every function answers to every question."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError


class FunctionClass:
    """The class D from which an unknown function is taken (section 3 of the paper): F functions, Q questions.

    Attributes:
        codes: ``[F, Q]`` integers; two functions answer a question alike if and only if their codes are equal.
        questions: names of the Q questions.
        label_codes: ``[F]`` integers, what is to be identified: the function itself, unless labels were given.
    """

    codes: np.ndarray
    questions: tuple[Hashable, ...]
    label_codes: np.ndarray

    def __init__(
        self,
        answers: Sequence[Sequence[Hashable]] | np.ndarray,
        questions: Sequence[Hashable] | None = None,
        labels: Sequence[Hashable] | np.ndarray | None = None,
    ) -> None:
        """Check a table of answers.

        Args:
            answers: ``[F, Q]`` hashable values.
            questions: names of the questions; their numbers by default.
            labels: ``[F]`` hashable values, if only a function's label and not the function is to be identified.

        Raises:
            RNN2VecError: if there are no functions, answers are no table, rows differ in length, an answer or label is
                not hashable or, as NaN, does not equal itself, or two functions that are to be told apart answer every
                question alike.
        """
        try:
            rows = [list(row) for row in answers]
        except TypeError as error:
            raise RNN2VecError(
                f"a class is a table, a row of answers for every function; {error}: write one question as [[0], [1]]"
            ) from error
        if not rows:
            raise RNN2VecError("a class holds at least one function; got an empty table")
        widths = {len(row) for row in rows}
        if len(widths) > 1:
            raise RNN2VecError(f"all functions answer the same questions; got rows of {sorted(widths)} answers")
        width = widths.pop()
        self.questions = tuple(range(width)) if questions is None else tuple(questions)
        if len(self.questions) != width:
            raise RNN2VecError(f"every question has one name; got {len(self.questions)} names for {width} questions")
        if labels is not None and len(labels) != len(rows):
            raise RNN2VecError(f"every function has one label; got {len(labels)} labels for {len(rows)} functions")
        flat = [answer for row in rows for answer in row]
        codes, self._values = _encode(flat, "answer")
        self.codes = codes.reshape(len(rows), width)
        names: Sequence[Hashable] = range(len(rows)) if labels is None else list(labels)
        self.label_codes, self.labels = _encode(names, "label")
        self._check_distinct()

    @classmethod
    def from_callables(
        cls,
        functions: Sequence[Callable[[Any], Hashable]],
        questions: Sequence[Hashable],
        labels: Sequence[Hashable] | None = None,
    ) -> FunctionClass:
        """Ask every function every question. See :meth:`__init__` for what it raises."""
        return cls([[function(question) for question in questions] for function in functions], questions, labels)

    def __len__(self) -> int:
        """Functions, |D|."""
        return self.codes.shape[0]

    def answer(self, function: int, question: int) -> Hashable:
        """What function number ``function`` answers to question number ``question``."""
        return self._values[self.codes[function, question]]

    def label(self, function: int) -> Hashable:
        """What is to be identified of function number ``function``."""
        return self.labels[self.label_codes[function]]

    def informative_questions(self) -> np.ndarray:
        """Numbers of questions that split the class, ascending, one of all that split it alike."""
        first: dict[bytes, int] = {}
        for question, column in enumerate(self.codes.T):
            _, seen, inverse = np.unique(column, return_index=True, return_inverse=True)
            if len(seen) > 1:
                # parts numbered by their first function, so that columns that split alike are equal
                parts = np.argsort(np.argsort(seen))[inverse]
                first.setdefault(parts.astype(np.int32).tobytes(), question)
        return np.array(sorted(first.values()), dtype=np.int64)

    def representatives(self) -> np.ndarray:
        """The first function of every label."""
        return np.unique(self.label_codes, return_index=True)[1]

    def _check_distinct(self) -> None:
        seen: dict[bytes, int] = {}
        for function, row in enumerate(np.ascontiguousarray(self.codes)):
            other = seen.setdefault(row.tobytes(), function)
            if self.label_codes[other] != self.label_codes[function]:
                raise RNN2VecError(
                    f"functions that are to be told apart differ in some answer; functions {other} and {function} "
                    "do not: leave one of them out, give them one label, or ask more questions"
                )

    def __repr__(self) -> str:
        return f"FunctionClass({len(self)} functions, {len(self.questions)} questions, {len(self.labels)} labels)"


def _encode(values: Sequence[Hashable], what: str) -> tuple[np.ndarray, tuple[Hashable, ...]]:
    """Integers that are equal where the values are, and the value of each integer."""
    known: dict[Hashable, int] = {}
    try:
        codes = [known.setdefault(value, len(known)) for value in values]
    except TypeError as error:
        raise RNN2VecError(f"every {what} is hashable, such as a number, text or a tuple of them; {error}") from error
    for value in known:
        if value != value:  # NaN, which would pass for another answer each time that it is given
            raise RNN2VecError(f"every {what} equals itself; got {value!r}, which does not: replace it, say by None")
    return np.array(codes, dtype=np.int64), tuple(known)
