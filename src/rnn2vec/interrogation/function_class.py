"""A finite class of functions as a table: what every function answers to every question."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation.values import Listed, listed, plain, plain_list, whole_number


class FunctionClass:
    """The class D from which an unknown function is taken (section 3 of the paper): F functions, Q questions.

    Two answers are the same if Python's ``==`` says so, whatever their types: ``True``, 1, 1.0 and ``torch.tensor(1)``
    are one answer, and so are 0.0 and -0.0; of equal answers the first given stands for all. See
    :mod:`rnn2vec.interrogation.values`.

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
        answers: Listed,
        questions: Listed | None = None,
        labels: Listed | None = None,
    ) -> None:
        """Check a table of answers.

        Args:
            answers: ``[F, Q]`` values: numbers, text, tuples of them, or what else is hashable and has an ``==`` of its
                own. Arrays and tensors, be it the whole table, a row or an answer, count as their numbers; an answer
                that is a list, as a tuple.
            questions: names of the questions, such values, too; their numbers by default.
            labels: ``[F]`` such values, if only a function's label and not the function is to be identified.

        Raises:
            RNN2VecError: if there are no functions, answers are no table, rows differ in length, an answer, label or
                name is not hashable, equals nothing but itself or, as NaN or what holds it, not even itself, or two
                functions that are to be told apart answer every question alike.
        """
        try:
            rows = [listed(row) for row in listed(answers)]
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
        self.questions = tuple(range(width)) if questions is None else tuple(plain_list(questions, "question"))
        if len(self.questions) != width:
            raise RNN2VecError(f"every question has one name; got {len(self.questions)} names for {width} questions")
        names = list(range(len(rows))) if labels is None else plain_list(labels, "label")
        if len(names) != len(rows):
            raise RNN2VecError(f"every function has one label; got {len(names)} labels for {len(rows)} functions")
        codes, self._values = _encode([plain(answer, "answer") for row in rows for answer in row])
        self.codes = codes.reshape(len(rows), width)
        self.label_codes, self.labels = _encode(names)
        self._check_distinct()

    @classmethod
    def from_callables(
        cls,
        functions: Iterable[Callable[[Any], Any]],
        questions: Iterable[Any],
        labels: Listed | None = None,
    ) -> FunctionClass:
        """Ask every function every question, as it is given; its name is the value.

        Raises:
            RNN2VecError: if a function cannot be called, or as :meth:`__init__` does.
        """
        try:
            called, asked = list(functions), list(questions)
        except TypeError as error:
            raise RNN2VecError(f"functions and questions are given as lists; {error}") from error
        for function in called:
            if not callable(function):
                raise RNN2VecError(f"functions are called with a question; got {function!r}, which cannot be")
        return cls([[function(question) for question in asked] for function in called], asked, labels)

    def __len__(self) -> int:
        """Functions, |D|."""
        return self.codes.shape[0]

    def answer(self, function: int, question: int) -> Hashable:
        """What function number ``function`` answers to question number ``question``."""
        return self._values[self.codes[_index(function, len(self)), _index(question, len(self.questions))]]

    def label(self, function: int) -> Hashable:
        """What is to be identified of function number ``function``."""
        return self.labels[self.label_codes[_index(function, len(self))]]

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


def _index(number: int, count: int) -> int:
    found = whole_number(number, "number of a function or question")
    if not -count <= found < count:
        raise RNN2VecError(f"functions and questions are numbered 0..{count - 1}; got {found}")
    return found


def _encode(values: Sequence[Hashable]) -> tuple[np.ndarray, tuple[Hashable, ...]]:
    """Integers that are equal where the values are, and the value of each integer."""
    known: dict[Hashable, int] = {}
    codes = [known.setdefault(value, len(known)) for value in values]
    return np.array(codes, dtype=np.int64), tuple(known)
