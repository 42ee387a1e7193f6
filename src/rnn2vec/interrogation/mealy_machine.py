"""Mealy machines: automata that answer every letter they read; the functions of the theory, as step-by-step ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation.extremes import class_size
from rnn2vec.interrogation.function_class import FunctionClass
from rnn2vec.interrogation.values import Listed, whole_rows

RESTART = 2
"""The letter after 0 and 1 that starts a question anew, whatever was read before."""


@dataclasses.dataclass(frozen=True)
class MealyMachine:
    """An automaton that starts in state 0, reads letters 0, 1, ... and answers each.

    Both tables may be given as lists, arrays or tensors of whole numbers, too.

    Attributes:
        next_states: the state it goes to, by state and letter.
        answers: what it says, 0 or more, by state and letter.

    Raises:
        RNN2VecError: if the two are not tables of whole numbers of one shape, or lead to a state that is not there.
    """

    next_states: tuple[tuple[int, ...], ...]
    answers: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        for name in ("next_states", "answers"):
            object.__setattr__(self, name, tuple(whole_rows(getattr(self, name), name)))
        shapes = [[len(row) for row in table] for table in (self.next_states, self.answers)]
        if shapes[0] != shapes[1] or len(set(shapes[0])) != 1 or shapes[0][0] == 0:
            raise RNN2VecError(
                f"a Mealy machine has a next state and an answer for every state and letter; got rows of {shapes[0]} "
                f"and {shapes[1]} entries"
            )
        if any(not 0 <= state < self.num_states for row in self.next_states for state in row):
            raise RNN2VecError(f"states lie in 0..{self.num_states - 1}; got {self.next_states}")
        if any(answer < 0 for row in self.answers for answer in row):
            raise RNN2VecError(f"answers are whole numbers from 0 up; got {self.answers}")

    @property
    def num_states(self) -> int:
        """States."""
        return len(self.next_states)

    @property
    def num_letters(self) -> int:
        """Letters of the alphabet."""
        return len(self.next_states[0])

    def read(self, word: Iterable[int]) -> list[int]:
        """Answers to every letter of a word.

        Raises:
            RNN2VecError: if a letter is not of the alphabet.
        """
        state, said = 0, []
        for letter in whole_rows([word], "letters")[0]:
            if not 0 <= letter < self.num_letters:
                raise RNN2VecError(f"letters lie in 0..{self.num_letters - 1}; got {letter}")
            said.append(self.answers[state][letter])
            state = self.next_states[state][letter]
        return said

    def __call__(self, word: Sequence[int]) -> int:
        """The answer to a word as one question: what is said to its last letter.

        Raises:
            RNN2VecError: if there is no letter, or one is not of the alphabet.
        """
        said = self.read(word)
        if not said:
            raise RNN2VecError(
                "a word is answered by what is said to its last letter; got a word without one: leave it out"
            )
        return said[-1]


def class_of_machines(machines: Sequence[MealyMachine], words: Listed) -> FunctionClass:
    """The class whose questions are words, each read from state 0, and whose answers are those to the last letters.

    Raises:
        RNN2VecError: if a word has no letter, or one that a machine's alphabet lacks, or two machines answer all words
            alike.
    """
    return FunctionClass.from_callables(machines, whole_rows(words, "words"))


def password_machine(word: str) -> MealyMachine:
    """Says 1 once ``RESTART`` and then exactly the letters of ``word``, such as ``"0110"``, have been read, else 0.

    All words of one length make :func:`~rnn2vec.interrogation.point_functions`: only guessing helps, and the machine
    does not say how far a guess was right.
    """
    return _follow(word, lambda read: int(read == len(word)))


def tree_path_machine(path: str) -> MealyMachine:
    """Walks from the root of a binary tree with the letters it reads, and at each node of ``path`` says the next turn.

    ``RESTART`` leads to the root. Off the path, and at its end, it says 0. All paths to the leaves of a balanced tree
    make :func:`~rnn2vec.interrogation.tree_paths`: ``RESTART`` and the letters of a node ask about the node. Who reads
    its own answers back to it finds the whole path in as many steps as it is long.
    """
    return _follow(path, lambda read: int(path[read]) if read < len(path) else 0)


def _follow(path: str, say: Callable[[int], int]) -> MealyMachine:
    """A machine that knows how many letters of ``path`` it has read since ``RESTART``, and says what this number says.

    State 0 is off the path; state k + 1, k letters of it were read.
    """
    if not isinstance(path, str) or set(path) - {"0", "1"}:
        raise RNN2VecError(f"a path is text of the letters 0 and 1; got {path!r}")
    next_states, answers = [], []
    for state in range(len(path) + 2):
        turns = [0, 0, 1]
        if 0 < state <= len(path):
            turns[int(path[state - 1])] = state + 1
        next_states.append(tuple(turns))
        answers.append(tuple(say(to - 1) if to else 0 for to in turns))
    return MealyMachine(tuple(next_states), tuple(answers))


def leaf_paths(size: int) -> list[str]:
    """Paths to the leaves of the balanced binary tree of :func:`~rnn2vec.interrogation.tree_paths`, left to right.

    Raises:
        RNN2VecError: if there is no leaf, or there are more than an extreme class can have.
    """
    paths = [("", class_size(size))]
    while any(below > 1 for _, below in paths):
        paths = [
            side
            for path, below in paths
            for side in (((path + "0", (below + 1) // 2), (path + "1", below // 2)) if below > 1 else ((path, 1),))
        ]
    return [path for path, _ in paths]
