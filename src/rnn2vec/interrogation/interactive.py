"""Interactive interrogation: the shallowest tree of questions, each chosen by the answers before it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation.bounds import conflicts, lower_bound, splitting_bound
from rnn2vec.interrogation.function_class import FunctionClass
from rnn2vec.interrogation.values import plain, time_limit, whole_number


@dataclasses.dataclass(frozen=True)
class Identified:
    """A leaf: no question is left.

    Attributes:
        label: what the answers have shown the function to be; its number, unless the class has labels.
        functions: the functions with these answers.
    """

    label: Hashable
    functions: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Ask:
    """A node: ask this question, and go where the answer leads.

    Attributes:
        question: its number.
        answers: the rest of the tree by answer.
    """

    question: int
    answers: Mapping[Hashable, Ask | Identified]


@dataclasses.dataclass(frozen=True)
class QuestionTree:
    """A decision tree that identifies every function of a class.

    Attributes:
        root: where to start.
        lower_bound: no tree has a smaller worst case.
    """

    root: Ask | Identified
    lower_bound: int

    @property
    def count(self) -> int:
        """Questions asked in the worst case."""
        return max(depth for depth, _ in self.leaves())

    @property
    def expected(self) -> float:
        """Questions asked of a function drawn uniformly. The worst case is what was minimised, not this."""
        depths = [depth for depth, leaf in self.leaves() for _ in leaf.functions]
        return sum(depths) / len(depths)

    @property
    def exact(self) -> bool:
        """Whether it is known that no tree has a smaller worst case."""
        return self.count == self.lower_bound

    def leaves(self) -> Iterator[tuple[int, Identified]]:
        """Leaves with their depths. No recursion: a tree may be as deep as the class is large."""
        nodes: list[tuple[int, Ask | Identified]] = [(0, self.root)]
        while nodes:
            depth, node = nodes.pop()
            if isinstance(node, Identified):
                yield depth, node
            else:
                nodes += [(depth + 1, child) for child in node.answers.values()]

    def identify(self, ask: Callable[[int], Any]) -> tuple[Hashable, int]:
        """Interrogate one function of the class: ``ask`` maps a question's number to its answer.

        Returns:
            What was identified, and after how many questions.

        Raises:
            RNN2VecError: if no function of the class answers so, or an answer is none that a class can hold.
        """
        node, asked = self.root, 0
        while isinstance(node, Ask):
            answer = plain(ask(node.question), "answer")
            if answer not in node.answers:
                raise RNN2VecError(
                    f"the function is one of the class; none answers {answer!r} to question {node.question} after "
                    f"the {asked} answers before"
                )
            node, asked = node.answers[answer], asked + 1
        return node.label, asked


def interactive_queries(
    functions: FunctionClass, exact: bool = True, states: int = 100_000, seconds: float = 60.0
) -> QuestionTree:
    """A tree of questions whose worst case is smallest.

    Any class is identified with at most |D| - 1 questions (section 3 of the paper). Proof idea: ask, of two functions
    still possible, a question that tells them apart; whatever the answer, one of them is ruled out.

    Args:
        functions: the class.
        exact: search all trees, remembering the sets of functions that were settled, unless the greedy tree meets the
            lower bound already; otherwise the greedy tree: each question leaves the fewest pairs to be told apart after
            its worst answer.
        states: of the search, after which the greedy tree is returned; so it is where Python's recursion limit stops a
            deep search. ``exact`` of the result then is False, and ``lower_bound`` is as far as the search has come.
        seconds: of the search, after which likewise; that alone depends on the speed of the machine.

    Raises:
        RNN2VecError: if ``states`` is no whole number, or ``seconds`` none from 0 up.
    """
    states, seconds = whole_number(states, "states of a search"), time_limit(seconds)
    candidates = functions.informative_questions()
    tree = QuestionTree(_grow(functions, candidates, lambda members: _greedy(functions, candidates, members)), 0)
    bound = lower_bound(functions)
    if exact and bound < tree.count:
        search = _Search(functions, candidates, states, time.monotonic() + seconds)
        try:
            while bound < tree.count and not search.solvable(search.everything, bound):
                bound += 1
        except (_OutOfBudget, RecursionError):  # each question is two frames, and Python allows 1,000
            return dataclasses.replace(tree, lower_bound=bound)
        if bound < tree.count:
            tree = QuestionTree(_grow(functions, candidates, search.best_question), bound)
    return dataclasses.replace(tree, lower_bound=bound)


def _grow(functions: FunctionClass, candidates: np.ndarray, choose: Callable[[np.ndarray], int]) -> Ask | Identified:
    """The tree that asks what ``choose`` says, an index of ``candidates``, of functions that are still possible."""
    root: dict[Hashable, Ask | Identified] = {}
    open_nodes: list[tuple[dict[Hashable, Ask | Identified], Hashable, np.ndarray]] = [
        (root, None, np.arange(len(functions)))
    ]
    while open_nodes:
        parent, answer, members = open_nodes.pop()
        if len(np.unique(functions.label_codes[members])) == 1:
            parent[answer] = Identified(functions.label(int(members[0])), tuple(members.tolist()))
            continue
        question = int(candidates[choose(members)])
        children: dict[Hashable, Ask | Identified] = {}
        parent[answer] = Ask(question, children)
        column = functions.codes[members, question]
        for code in np.unique(column):
            part = members[column == code]
            open_nodes.append((children, functions.answer(int(part[0]), question), part))
    return root[None]


def _greedy(functions: FunctionClass, candidates: np.ndarray, members: np.ndarray) -> int:
    total, worst = conflicts(functions.codes[np.ix_(members, candidates)], functions.label_codes[members])
    return int(np.lexsort((total, worst))[0])


class _OutOfBudget(Exception):
    pass


class _Search:
    """Can this set of functions be told apart with so many questions? Sets are the bits of an integer."""

    def __init__(self, functions: FunctionClass, candidates: np.ndarray, states: int, deadline: float) -> None:
        self.everything = (1 << len(functions)) - 1
        self.labels = [_bits(functions.label_codes == label) for label in range(len(functions.labels))]
        self.parts = [[_bits(column == code) for code in np.unique(column)] for column in functions.codes.T[candidates]]
        self.states_left = states
        self.deadline = deadline
        self.solved: dict[int, tuple[int, int]] = {}  # set: questions that suffice, and the first of them
        self.failed: dict[int, int] = {}  # set: questions that do not suffice

    def solvable(self, members: int, depth: int) -> bool:
        representatives = self._representatives(members)
        if representatives & (representatives - 1) == 0:
            return True  # one label is left
        if members in self.solved and self.solved[members][0] <= depth:
            return True
        if depth <= self.failed.get(members, 0):
            return False
        self.states_left -= 1
        if self.states_left < 0 or time.monotonic() >= self.deadline:
            raise _OutOfBudget
        if splitting_bound(self._sizes(representatives), representatives.bit_count()) <= depth:
            for question in self._promising(members):
                if all(self.solvable(part & members, depth - 1) for part in self.parts[question] if part & members):
                    self.solved[members] = (depth, question)
                    return True
        self.failed[members] = depth
        return False

    def best_question(self, members: np.ndarray) -> int:
        """The first question of a tree for a set that :meth:`solvable` has met and found to be so."""
        return self.solved[sum(1 << int(member) for member in members)][1]

    def _representatives(self, members: int) -> int:
        """One function of every label that is left."""
        left = (label & members for label in self.labels)
        return sum(label & -label for label in left)

    def _sizes(self, members: int) -> list[list[int]]:
        return [[(part & members).bit_count() for part in parts if part & members] for parts in self.parts]

    def _promising(self, members: int) -> list[int]:
        """Questions that split the set, those with the smallest largest part first."""
        largest = [max((part & members).bit_count() for part in parts) for parts in self.parts]
        whole = members.bit_count()
        return sorted((q for q, size in enumerate(largest) if size < whole), key=largest.__getitem__)


def _bits(chosen: np.ndarray) -> int:
    return sum(1 << int(index) for index in np.flatnonzero(chosen))
