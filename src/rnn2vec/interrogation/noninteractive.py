"""Non-interactive interrogation: the fewest questions, all fixed in advance, that identify every function."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np

from rnn2vec.interrogation.bounds import conflicts, lower_bound
from rnn2vec.interrogation.function_class import FunctionClass
from rnn2vec.interrogation.values import time_limit


@dataclasses.dataclass(frozen=True)
class QuestionSet:
    """Questions whose answers identify every function of a class.

    Attributes:
        questions: their numbers, ascending.
        lower_bound: no set with fewer questions does so.
    """

    questions: tuple[int, ...]
    lower_bound: int

    @property
    def count(self) -> int:
        """Questions asked, of every function alike."""
        return len(self.questions)

    @property
    def expected(self) -> float:
        """Questions asked of a function drawn uniformly: all of them."""
        return float(self.count)

    @property
    def exact(self) -> bool:
        """Whether it is known that fewer do not suffice."""
        return self.count == self.lower_bound


def noninteractive_queries(functions: FunctionClass, exact: bool = True, seconds: float = 60.0) -> QuestionSet:
    """A smallest separating set of questions.

    Any class is identified with at most |D| - 1 fixed questions (section 3 of the paper). Proof idea: as long as two
    functions are not told apart, some question tells them apart and so adds a part to the partition of D; after
    |D| - 1 such questions every part is a single function. The greedy set is one of these.

    The exact set is an integer program, a set cover: a variable a question, a constraint a pair of functions to be told
    apart. Constraints are added only when a solution violates them.

    Args:
        functions: the class.
        exact: solve the integer program; otherwise take, again and again, the question that tells most pairs apart,
            which needs at most 1 + ln(pairs that one question tells apart) times as many as the smallest set.
        seconds: after which the best set so far is returned. Where it is not known to be smallest, ``exact`` of the
            result is False and ``lower_bound`` says how far it may be; that alone depends on the speed of the machine.

    Raises:
        RNN2VecError: if ``seconds`` is no number from 0 up.
    """
    seconds = time_limit(seconds)
    chosen = _greedy(functions)
    bound = max(lower_bound(functions), _greedy_bound(functions, len(chosen)))
    if exact and bound < len(chosen):
        chosen, bound = _smallest(functions, chosen, bound, seconds)
    return QuestionSet(tuple(sorted(int(question) for question in chosen)), bound)


def _greedy(functions: FunctionClass) -> list[int]:
    candidates = functions.informative_questions()
    codes, labels = functions.codes[:, candidates], functions.label_codes
    blocks, chosen = np.zeros(len(functions), dtype=np.int64), []
    while _pairs(labels, blocks):
        best = int(conflicts(codes, labels, blocks)[0].argmin())
        chosen.append(int(candidates[best]))
        blocks = np.unique(np.stack([blocks, codes[:, best]]), axis=1, return_inverse=True)[1].ravel()
    return chosen


def _pairs(labels: np.ndarray, blocks: np.ndarray) -> int:
    """Ordered pairs of functions with different labels in one block."""
    return int(conflicts(blocks[:, None], labels)[0][0])


def _greedy_bound(functions: FunctionClass, count: int) -> int:
    """What the guarantee of the greedy set cover says of the smallest set (Chvatal 1979)."""
    candidates, labels = functions.informative_questions(), functions.label_codes
    if len(functions.labels) == 1:
        return 0
    everything = _pairs(labels, np.zeros_like(labels))
    most = (everything - int(conflicts(functions.codes[:, candidates], labels)[0].min())) // 2
    return math.ceil(count / (1 + math.log(most)) - 1e-9)


def _smallest(functions: FunctionClass, known: list[int], bound: int, seconds: float) -> tuple[list[int], int]:
    """A smallest separating set, or the best one known when time is over, and a lower bound."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # a second, which few who import this need
    from scipy.sparse import csr_array

    deadline = time.monotonic() + seconds
    candidates = functions.informative_questions()
    codes, labels = functions.codes[:, candidates], functions.label_codes
    pairs = _hardest_pairs(codes, labels, 4 * len(functions))
    while bound < len(known) and (left := deadline - time.monotonic()) > 0:
        separates = csr_array(np.not_equal(codes[pairs[:, 0]], codes[pairs[:, 1]]).astype(float))
        solution = milp(
            np.ones(len(candidates)),
            integrality=np.ones(len(candidates)),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(separates, lb=1),
            options={"time_limit": left},
        )
        if solution.mip_dual_bound is not None:
            bound = max(bound, math.ceil(solution.mip_dual_bound - 1e-6))
        if solution.x is None:
            break
        asked = np.flatnonzero(solution.x > 0.5)
        violated = _pairs_together(codes[:, asked], labels)
        if len(violated) == 0 and len(asked) < len(known):
            known = [int(question) for question in candidates[asked]]
        if len(violated) == 0:
            break
        pairs = np.concatenate([pairs, violated])
    return known, min(bound, len(known))


def _hardest_pairs(codes: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Pairs ``[P, 2]`` with different labels that the fewest questions tell apart."""
    from scipy.spatial.distance import pdist

    first, second = np.triu_indices(len(codes), 1)
    differ = labels[first] != labels[second]
    hardest = np.argsort(pdist(codes, "hamming")[differ], kind="stable")[:count]
    return np.stack([first[differ][hardest], second[differ][hardest]], axis=1)


def _pairs_together(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pairs ``[P, 2]`` with different labels and all answers alike: neighbours within each part."""
    blocks = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    order = np.lexsort((labels, blocks))
    pairs = np.stack([order[:-1], order[1:]], axis=1)
    together = (blocks[pairs[:, 0]] == blocks[pairs[:, 1]]) & (labels[pairs[:, 0]] != labels[pairs[:, 1]])
    return pairs[together]
