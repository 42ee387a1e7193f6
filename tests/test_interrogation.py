"""Interrogation of finite classes: exact optima against brute force, bounds on random classes, closed forms, errors."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import fractions
import inspect
import itertools
import math
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rnn2vec.interrogation.interactive as interactive
from rnn2vec import RNN2VecError
from rnn2vec.interrogation import (
    Ask,
    FunctionClass,
    Identified,
    QuestionSet,
    QuestionTree,
    interactive_queries,
    noninteractive_queries,
    point_functions,
    tree_paths,
)

TABLES = st.integers(2, 7).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 2), min_size=width, max_size=width), min_size=1, max_size=7)
)


def brute_force_set(table: list[list[int]], labels: list[int]) -> int:
    """The smallest separating set by trying all sets."""
    width = len(table[0])
    for size in range(width + 1):
        for chosen in itertools.combinations(range(width), size):
            seen: dict[tuple[int, ...], int] = {}
            if all(
                seen.setdefault(tuple(row[q] for q in chosen), label) == label
                for row, label in zip(table, labels, strict=True)
            ):
                return size
    raise AssertionError("the functions are not distinct")


def brute_force_tree(table: list[list[int]], labels: list[int], members: frozenset[int] | None = None) -> int:
    """The shallowest decision tree by trying all trees."""
    members = frozenset(range(len(table))) if members is None else members
    if len({labels[member] for member in members}) == 1:
        return 0
    best = len(table)
    for question in range(len(table[0])):
        parts = [
            frozenset(m for m in members if table[m][question] == answer)
            for answer in {table[m][question] for m in members}
        ]
        if len(parts) > 1:
            best = min(best, 1 + max(brute_force_tree(table, labels, part) for part in parts))
    return best


def separates(functions: FunctionClass, found: QuestionSet) -> bool:
    """Whether functions with different labels get different answers."""
    seen: dict[tuple[object, ...], object] = {}
    return all(
        seen.setdefault(tuple(functions.answer(f, q) for q in found.questions), functions.label(f))
        == functions.label(f)
        for f in range(len(functions))
    )


def depths(functions: FunctionClass, found: QuestionTree) -> list[int]:
    """Questions asked of every function, each of which the tree must name."""
    asked = []
    for function in range(len(functions)):
        label, depth = found.identify(lambda question, function=function: functions.answer(function, question))  # type: ignore[misc]
        assert label == functions.label(function)
        asked.append(depth)
    return asked


def distinct(table: list[list[int]]) -> list[list[int]]:
    return [list(row) for row in dict.fromkeys(map(tuple, table))]


def assert_optimal(functions: FunctionClass, table: list[list[int]], labels: list[int]) -> QuestionTree:
    """Exact questions of both kinds are as few as brute force finds, and they identify; returns the tree."""
    fixed, tree = noninteractive_queries(functions), interactive_queries(functions)
    assert fixed.exact
    assert tree.exact
    assert fixed.count == brute_force_set(table, labels)
    assert tree.count == brute_force_tree(table, labels)
    assert separates(functions, fixed)
    assert max(depths(functions, tree)) == tree.count
    return tree


@settings(max_examples=150)
@given(TABLES)
def test_exact_optima_are_those_of_brute_force(table: list[list[int]]) -> None:
    table = distinct(table)
    functions = FunctionClass(table)
    tree = assert_optimal(functions, table, list(range(len(table))))
    assert np.mean(depths(functions, tree)) == pytest.approx(tree.expected)


@settings(max_examples=60)
@given(TABLES, st.lists(st.integers(0, 2), min_size=7, max_size=7))
def test_labels_are_identified_with_the_fewest_questions(table: list[list[int]], labels: list[int]) -> None:
    table = distinct(table)
    labels = labels[: len(table)]
    assert_optimal(FunctionClass(table, labels=labels), table, labels)


@settings(max_examples=300)
@given(st.integers(2, 40), st.integers(2, 30), st.integers(2, 5), st.integers(0, 10**6))
def test_every_class_is_identified_with_one_question_less_than_it_has_functions(
    size: int, width: int, kinds: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    table = distinct((random.integers(0, kinds, (size, width)) * (random.random((size, width)) < 0.3)).tolist())
    assume(len(table) > 1)
    functions = FunctionClass(table)
    fixed, tree = noninteractive_queries(functions, exact=False), interactive_queries(functions, exact=False)
    assert separates(functions, fixed)
    assert max(depths(functions, tree)) == tree.count
    for found in (fixed, tree):
        assert found.lower_bound <= found.count <= len(functions) - 1
        assert kinds**found.count >= len(functions)
        assert found.expected <= found.count


@settings(max_examples=60)
@given(st.integers(4, 14), st.integers(4, 14), st.integers(0, 10**6))
def test_bounds_of_greedy_hold_and_exact_is_no_worse(size: int, width: int, seed: int) -> None:
    table = distinct(np.random.default_rng(seed).integers(0, 2, (size, width)).tolist())
    functions = FunctionClass(table)
    for find in (noninteractive_queries, interactive_queries):
        greedy, exact = find(functions, exact=False), find(functions)
        assert exact.exact
        assert greedy.lower_bound <= exact.count <= greedy.count
    # fixed questions, asked in turn, are a tree
    assert interactive_queries(functions).count <= noninteractive_queries(functions).count


def random_class(seed: int, size: int, width: int) -> FunctionClass:
    return FunctionClass(distinct(np.random.default_rng(seed).integers(0, 2, (size, width)).tolist()))


def test_exact_finds_what_greedy_misses() -> None:
    functions = random_class(103, 8, 6)
    greedy, exact = noninteractive_queries(functions, exact=False), noninteractive_queries(functions)
    assert (greedy.count, greedy.exact) == (5, False)
    assert (exact.count, exact.exact) == (4, True)
    functions = random_class(121, 8, 6)
    assert interactive_queries(functions, exact=False).count == 4
    assert (interactive_queries(functions).count, interactive_queries(functions).exact) == (3, True)


def test_without_the_time_or_the_states_it_needs_a_search_says_that_it_is_not_exact() -> None:
    functions = random_class(14, 12, 8)
    tree = interactive_queries(functions, states=3)
    assert not tree.exact
    assert tree.lower_bound < tree.count == max(depths(functions, tree))
    assert interactive_queries(functions, seconds=0) == interactive_queries(functions, exact=False)
    fixed = noninteractive_queries(functions, seconds=0)
    assert not fixed.exact
    assert fixed.lower_bound <= noninteractive_queries(functions).count <= fixed.count
    assert separates(functions, fixed)


def pairs_and_points(pairs: int, points: int = 4) -> FunctionClass:
    """A question for each pair and each point, which splits it off; the functions of a pair answer 1 and 2.

    All trees are almost as deep as there are questions, and the bound at the root is one below, so they are searched.
    """
    answers = np.zeros((2 * pairs + points, pairs + points), dtype=int)
    for pair in range(pairs):
        answers[2 * pair : 2 * pair + 2, pair] = 1, 2
    answers[2 * pairs :, pairs:] = np.eye(points)
    return FunctionClass(answers)


def test_where_a_tree_is_deeper_than_recursion_goes_the_greedy_one_is_found() -> None:
    functions, limit = pairs_and_points(80), sys.getrecursionlimit()
    greedy = interactive_queries(functions, exact=False)
    assert greedy.lower_bound < greedy.count
    sys.setrecursionlimit(len(inspect.stack()) + 100)  # so that the class need not be large
    try:
        tree = interactive_queries(functions)
    finally:
        sys.setrecursionlimit(limit)
    assert tree.root == greedy.root
    assert greedy.lower_bound <= tree.lower_bound <= tree.count


def test_the_search_for_a_tree_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Point functions and a question about three of them: the bound is far off, and there are many sets."""
    answers = np.concatenate([np.eye(24, dtype=int), np.arange(24)[:, None] < 3], axis=1)
    ticks = itertools.count()
    monkeypatch.setattr(interactive, "time", SimpleNamespace(monotonic=lambda: next(ticks)))  # a second for every set
    tree = interactive_queries(FunctionClass(answers), seconds=50)
    assert next(ticks) < 60
    assert not tree.exact
    assert max(depths(FunctionClass(answers), tree)) == tree.count == 21


def test_a_bound_above_the_count_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above hold bounds against counts; a bound cut down to the count would pass them all."""
    monkeypatch.setattr(interactive, "lower_bound", lambda functions: 5)
    tree = interactive_queries(point_functions(4))
    assert (tree.count, tree.lower_bound, tree.exact) == (3, 5, False)


def test_with_many_answers_interaction_saves_more_than_in_tree_paths() -> None:
    """32 groups of two: the first question says which group it is, and only one other which of the two."""
    functions = FunctionClass(
        [[group] + [bit * (group == other) for other in range(32)] for group in range(32) for bit in (0, 1)]
    )
    fixed, tree = noninteractive_queries(functions), interactive_queries(functions)
    assert (len(functions), fixed.count, tree.count) == (64, 33, 2)
    assert fixed.exact
    assert tree.exact


def test_a_tree_can_be_walked_by_hand() -> None:
    root = interactive_queries(point_functions(2)).root
    assert isinstance(root, Ask)
    assert root.answers == {1: Identified(root.question, (root.question,)), 0: Identified(1, (1,))}


@pytest.mark.parametrize("size", [2, 3, 4, 7, 8, 16, 31, 64])
def test_closed_forms_of_the_families(size: int) -> None:
    points, paths = point_functions(size), tree_paths(size)
    assert len(points) == len(paths) == size
    assert len(paths.questions) == size - 1
    logarithm = math.ceil(math.log2(size))
    for functions, fixed_count, tree_count in ((points, size - 1, size - 1), (paths, size - 1, logarithm)):
        fixed, tree = noninteractive_queries(functions), interactive_queries(functions)
        assert (fixed.count, fixed.exact) == (fixed_count, True)
        assert (tree.count, tree.exact) == (tree_count, True)
        assert separates(functions, fixed)
        assert max(depths(functions, tree)) == tree_count
    # in the worst case all others are ruled out one by one; on average half of them are
    assert interactive_queries(points).expected == pytest.approx((size - 1) * (size + 2) / (2 * size))


@pytest.mark.parametrize("size", [4, 7, 16])
def test_fixed_questions_about_a_tree_tell_one_more_group_apart_than_there_are(size: int) -> None:
    functions = tree_paths(size)
    random = np.random.default_rng(0)
    for _ in range(20):
        count = int(random.integers(0, size))
        asked = random.choice(size - 1, count, replace=False)
        assert len(np.unique(functions.codes[:, asked], axis=0)) == count + 1


@pytest.mark.parametrize("find", [noninteractive_queries, interactive_queries])
def test_one_function_or_one_label_needs_no_question(find: object) -> None:
    assert callable(find)
    for functions in (
        FunctionClass([[]]),
        FunctionClass([[1, 2, 3]]),
        FunctionClass([[0, 1], [1, 0], [0, 1]], labels=["same", "same", "same"]),
        point_functions(1),
        tree_paths(1),
    ):
        found = find(functions)
        assert (found.count, found.lower_bound, found.expected, found.exact) == (0, 0, 0.0, True)
    assert interactive_queries(FunctionClass([[7]])).identify(lambda question: None) == (0, 0)


def test_answers_and_names_may_be_anything_hashable() -> None:
    functions = FunctionClass.from_callables([str.upper, str.lower, str.title], ["ab", "A", ""])
    assert functions.questions == ("ab", "A", "")
    assert [functions.answer(f, 0) for f in range(3)] == ["AB", "ab", "Ab"]
    assert noninteractive_queries(functions).questions == (0,)
    assert interactive_queries(functions).identify(lambda question: "Ab") == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"answers": []}, "at least one function"),
        ({"answers": np.zeros((0, 4))}, "at least one function"),
        ({"answers": [[0, 1], [1, 1], [0, 1]]}, "functions 0 and 2"),
        ({"answers": [[], []]}, "functions 0 and 1"),
        ({"answers": [[0, 1], [1]]}, r"rows of \[1, 2\]"),
        ({"answers": [[0, {}]]}, "hashable"),
        ({"answers": {"f": [0], "g": [1]}}, "a dict has no rows in order"),
        ({"answers": [{0}, {1}]}, "a set has no rows in order"),
        ({"answers": torch.arange(3)}, "a row of answers for every function"),
        ({"answers": torch.zeros(2, 2)}, "functions 0 and 1"),
        ({"answers": [[0], [1]], "labels": torch.tensor(1)}, "labels are given in order"),
        ({"answers": [[0], [1]], "questions": 3}, "questions are given in order"),
        ({"answers": [[0], [1]], "questions": [math.nan]}, "every question equals itself"),
        ({"answers": [1, 2, 3]}, "a row of answers for every function; 'int' object is not iterable"),
        ({"answers": np.arange(3)}, "a row of answers for every function"),
        ({"answers": 3}, "a row of answers for every function"),
        ({"answers": np.array([[np.nan, 1.0], [np.nan, 1.0]])}, "every answer equals itself; got .*nan"),
        ({"answers": [[0], [0]], "labels": [math.nan, math.nan]}, "every label equals itself; got nan"),
        ({"answers": [[0], [1]], "questions": ["a", "b"]}, "2 names for 1"),
        ({"answers": [[0], [1]], "labels": ["a"]}, "1 labels for 2"),
        ({"answers": [[0], [0]], "labels": ["a", "b"]}, "functions 0 and 1"),
    ],
)
def test_what_is_no_class_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(RNN2VecError, match=words):
        FunctionClass(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [point_functions, tree_paths])
def test_families_have_members(family: object) -> None:
    assert callable(family)
    with pytest.raises(RNN2VecError, match="size of 0"):
        family(0)


def test_a_function_of_no_class_is_noticed() -> None:
    tree = interactive_queries(point_functions(4))
    with pytest.raises(RNN2VecError, match="none answers 2"):
        tree.identify(lambda question: 2)


# --- when answers are the same ---

ARRAYS: list[Callable[[Any], Any]] = [np.array, torch.tensor]
TABLE = [[0, 0], [0, 1], [1, 0], [1, 1]]


def assert_same(functions: FunctionClass, other: FunctionClass) -> None:
    """Both are one class: the same answers are equal, and of equal types."""
    assert functions.codes.tolist() == other.codes.tolist()
    assert functions.label_codes.tolist() == other.label_codes.tolist()
    answers, others = (
        [repr(own.answer(f, q)) for f in range(len(own)) for q in range(len(own.questions))]
        for own in (functions, other)
    )
    assert answers == others
    assert list(map(repr, functions.labels)) == list(map(repr, other.labels))
    assert functions.questions == other.questions


@pytest.mark.parametrize("array", ARRAYS)
def test_arrays_and_tensors_are_their_numbers(array: Callable[[Any], Any]) -> None:
    plain = FunctionClass(TABLE)
    assert_same(FunctionClass(array(TABLE)), plain)
    assert_same(FunctionClass([array(row) for row in TABLE]), plain)
    assert_same(FunctionClass([[array(answer) for answer in row] for row in TABLE]), plain)
    nested = FunctionClass([[((0.5,),)], [((1.5,),)]])
    assert_same(FunctionClass(array([[[[0.5]]], [[[1.5]]]])), nested)
    assert_same(FunctionClass([[(array([0.5]),)], [(array([1.5]),)]]), nested)
    labelled = FunctionClass(TABLE, ["a", (1, 2)], labels=[0, 0, 1, 1])
    assert_same(FunctionClass(TABLE, ["a", array([1, 2])], labels=array([0, 0, 1, 1])), labelled)
    assert_same(FunctionClass(TABLE, ["a", (1, 2)], labels=[array(0), 0, 1, array(1)]), labelled)
    assert_same(FunctionClass(TABLE, array([[0, 1], [2, 3]])), FunctionClass(TABLE, [(0, 1), (2, 3)]))


@pytest.mark.parametrize("array", ARRAYS)
def test_networks_may_answer_with_tensors(array: Callable[[Any], Any]) -> None:
    asked: list[Any] = []

    def function(row: list[int], question: Any) -> Any:
        asked.append(question)
        return array(row)[question]

    functions = FunctionClass.from_callables(
        [lambda question, row=row: function(row, question) for row in TABLE],  # type: ignore[misc]
        array([0, 1]),
    )
    assert_same(functions, FunctionClass(TABLE))
    assert {type(question) for question in asked} == {type(array([0, 1])[0])}  # asked as given
    fixed, tree = noninteractive_queries(functions), interactive_queries(functions)
    assert (fixed.count, tree.count, fixed.exact) == (2, 2, True)
    assert tree.identify(lambda question: array(TABLE[2][question])) == (2, 2)
    with pytest.raises(RNN2VecError, match="every answer is hashable"):
        tree.identify(lambda question: {0})
    assert_same(FunctionClass.from_callables([abs, int], iter([-1, 2])), FunctionClass([[1, 2], [-1, 2]], [-1, 2]))
    with pytest.raises(RNN2VecError, match="got 3, which cannot be"):
        FunctionClass.from_callables([3], [0])  # type: ignore[list-item]
    with pytest.raises(RNN2VecError, match="functions and questions are given as lists"):
        FunctionClass.from_callables(abs, [0])  # type: ignore[arg-type]
    with pytest.raises(RNN2VecError, match="functions and questions are given as lists"):
        FunctionClass.from_callables([abs], torch.tensor(0))


def test_answers_are_the_same_if_python_says_so() -> None:
    groups: list[list[Any]] = [
        [True, 1, 1.0, 1 + 0j, np.int8(1), np.float16(1), np.True_, torch.tensor(1.0), torch.tensor(True)],
        [0.0, -0.0, False, np.float32(-0.0), torch.tensor(0)],
        [0.5, fractions.Fraction(1, 2), decimal.Decimal("0.5"), np.longdouble(0.5), torch.tensor(0.5).bfloat16()],
        [math.inf, np.inf],
        ["1", np.str_("1")],
        [b"1", np.bytes_(b"1")],
        [None, np.array(None)],
        [
            (1, 2),
            [1, 2],
            np.array([1, 2]),
            torch.tensor([1.0, 2.0], requires_grad=True),
            (np.int64(1), True + 1),
            Point(1, 2),
        ],
        [frozenset({1}), frozenset({np.int64(1)})],
    ]
    table = [[answer] for group in groups for answer in group]
    functions = FunctionClass(table, labels=[index for index, group in enumerate(groups) for _ in group])
    assert functions.codes[:, 0].tolist() == functions.label_codes.tolist()


class Point(NamedTuple):
    x: int
    y: int


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Held:
    value: Any


@dataclasses.dataclass(eq=False)
class Identical:
    value: int = 0


class OnlyHashed:
    def __hash__(self) -> int:
        return 0


class Unsure:
    def __eq__(self, other: object) -> Any:
        return np.array([True, False])

    def __hash__(self) -> int:
        return 0


def test_what_is_one_of_a_kind_may_be_an_answer() -> None:
    rows: list[Any] = [Colour.RED, Colour.BLUE, None, ..., int, Held((1, "a")), Held((2, "a"))]
    functions = FunctionClass([[row] for row in rows])
    assert [functions.answer(f, 0) for f in range(len(rows))] == rows


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "equals itself; got nan"),
        (np.float32("nan"), "equals itself; got nan"),
        (torch.tensor(math.nan), "equals itself; got nan"),
        (torch.tensor([0.0, math.nan]), "equals itself; got nan"),
        (((0, (math.nan,)),), "equals itself; got nan"),
        (frozenset({math.nan}), "equals itself; got nan"),
        (Held(Held(math.nan)), "equals itself; got nan"),
        (complex(0, math.nan), "equals itself; got nanj|equals itself"),
        (decimal.Decimal("nan"), "equals itself"),
        (decimal.Decimal("snan"), "is hashable"),
        (np.datetime64("NaT", "s"), "write times as text"),
        (np.datetime64("2020-01-01"), "write times as text"),
        (object(), "equals nothing but itself"),
        (Identical(), "equals nothing but itself"),
        (OnlyHashed(), "equals nothing but itself"),
        (lambda: 0, "equals nothing but itself"),
        (Held(np.zeros(2)), "holds ndarray in value"),
        (Held(torch.zeros(2)), "holds Tensor in value"),
        (Held([0]), "holds list in value"),
        (Unsure(), "is hashable"),
        ({0: 1}, "is hashable"),
        ([[math.nan]], "equals itself; got nan"),
        (torch.eye(2).to_sparse(), "has no values to read|is a number"),
        (torch.empty(2, device="meta"), "has no values to read|is a number"),
    ],
)
def test_values_whose_equality_cannot_be_relied_on_are_refused(value: Any, words: str) -> None:
    with pytest.raises(RNN2VecError, match=rf"^every answer .*({words})"):
        FunctionClass([[value], [value]])
    with pytest.raises(RNN2VecError, match=rf"^every label .*({words})"):
        FunctionClass([[0], [0]], labels=[value, value])
    with pytest.raises(RNN2VecError, match=rf"^every question .*({words})"):
        FunctionClass([[0], [1]], [value])


@pytest.mark.parametrize("number", [np.int64(4), torch.tensor(4), np.array(4)])
def test_whole_numbers_of_numpy_and_torch_are_sizes(number: Any) -> None:
    for family in (point_functions, tree_paths):
        assert_same(family(number), family(4))
    tree = interactive_queries(point_functions(number), states=number, seconds=number)
    assert tree == interactive_queries(point_functions(4))
    assert point_functions(4).answer(np.int64(0), -4) == 1


@pytest.mark.parametrize("size", [4.0, "4", None, math.nan, 0, -1, 8193, 10**30, torch.tensor(4.0), np.array([4])])
def test_sizes_of_families_are_whole_and_within_reason(size: Any) -> None:
    for family in (point_functions, tree_paths):
        with pytest.raises(RNN2VecError, match="size"):
            family(size)


@pytest.mark.parametrize("seconds", [math.nan, -1, "5", None, torch.tensor(math.nan)])
def test_seconds_of_a_search_are_a_number(seconds: Any) -> None:
    for find in (noninteractive_queries, interactive_queries):
        with pytest.raises(RNN2VecError, match="seconds"):
            find(point_functions(3), seconds=seconds)
    with pytest.raises(RNN2VecError, match=r"states of a search: a whole number is needed; got nan"):
        interactive_queries(point_functions(3), states=math.nan)  # type: ignore[arg-type]


def test_a_search_may_have_no_limit() -> None:
    functions = random_class(103, 8, 6)
    assert noninteractive_queries(functions, seconds=math.inf).count == 4
    assert interactive_queries(functions, seconds=math.inf) == interactive_queries(functions)


@pytest.mark.parametrize(("function", "question"), [(4, 0), (-5, 0), (0, 4), (0.0, 0), (0, "0")])
def test_functions_and_questions_have_numbers(function: Any, question: Any) -> None:
    with pytest.raises(RNN2VecError, match=r"numbered 0\.\.3|a whole number is needed"):
        point_functions(4).answer(function, question)


def test_an_answer_nested_too_deep_is_refused() -> None:
    nested: Any = 0
    for _ in range(5000):
        nested = (nested,)
    with pytest.raises(RNN2VecError, match="nested too deep"):
        FunctionClass([[nested], [1]])
