"""Mealy machines and their realisation as weights: the families again, and networks that are exactly the automata."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rnn2vec import Population, RNN2VecError
from rnn2vec.engine import run
from rnn2vec.interrogation import (
    RESTART,
    FunctionClass,
    MealyMachine,
    class_of_machines,
    interactive_queries,
    leaf_paths,
    noninteractive_queries,
    password_machine,
    point_functions,
    realise,
    tree_path_machine,
    tree_paths,
)


def all_words(length: int, letters: int = 3) -> list[tuple[int, ...]]:
    return list(itertools.product(range(letters), repeat=length))


def said(population: Population, words: list[tuple[int, ...]]) -> np.ndarray:
    """What every network says to every letter of every word, ``[N, B, T]``."""
    tokens = torch.tensor(words).expand(len(population), -1, -1)
    return run(population, tokens)[0].argmax(-1).numpy()


def random_machine(seed: int, states: int, letters: int, answers: int) -> MealyMachine:
    random = np.random.default_rng(seed)
    tables = (random.integers(0, high, (states, letters)).tolist() for high in (states, answers))
    next_states, said = (tuple(map(tuple, table)) for table in tables)
    return MealyMachine(next_states, said)


def test_a_machine_says_what_its_table_says() -> None:
    parity = MealyMachine(((0, 1), (1, 0)), ((0, 1), (1, 0)))
    assert parity.read([1, 0, 1, 1, 0]) == [1, 1, 0, 1, 1]
    assert parity([1, 1]) == 0
    assert password_machine("01").read([0, 1, RESTART, 0, 1, 1, RESTART, 0, 0]) == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert tree_path_machine("101").read([1, RESTART, 1, 0, 1, RESTART, 0, 1]) == [0, 1, 0, 1, 0, 1, 0, 0]


def test_reading_its_answers_back_to_a_tree_path_machine_finds_the_path() -> None:
    for path in leaf_paths(32):
        machine, letters = tree_path_machine(path), [RESTART]
        for _ in path:
            letters.append(machine(letters))
        assert "".join(map(str, letters[1:])) == path


@pytest.mark.parametrize("size", [1, 2, 5, 8, 32])
def test_tree_path_machines_are_the_class_of_tree_paths(size: int) -> None:
    paths, functions = leaf_paths(size), tree_paths(size)
    assert len(set(paths)) == size
    words = [(RESTART, *map(int, str(node))) for node in functions.questions]
    assert [[tree_path_machine(path)(word) for word in words] for path in paths] == functions.codes.tolist()


def test_password_machines_are_the_class_of_point_functions() -> None:
    paths = leaf_paths(8)
    words = [(RESTART, *map(int, path)) for path in paths]
    functions = class_of_machines([password_machine(path) for path in paths], words)
    assert functions.codes.tolist() == point_functions(8).codes.tolist()
    assert functions.questions[0] == (RESTART, 0, 0, 0)
    # asking other words, too, does not help
    more = class_of_machines(
        [password_machine(path) for path in paths], [w for n in (1, 2, 3, 4) for w in all_words(n)]
    )
    assert (noninteractive_queries(more).count, interactive_queries(more).count) == (7, 7)


@pytest.mark.parametrize("machine", [password_machine, tree_path_machine])
def test_networks_are_their_automata_on_all_words_up_to_length_ten(machine: object) -> None:
    assert callable(machine)
    machines = [machine(path) for path in ("", "0", "1", "0110", "111", "0010110")]
    words = all_words(10)  # a network says something at every step, so their prefixes are tested, too
    answers = said(realise(machines), words)
    for network, own in enumerate(machines):
        np.testing.assert_array_equal(answers[network], [own.read(word) for word in words])


@pytest.mark.parametrize(("letters", "answers"), [(2, 2), (2, 5), (3, 2), (4, 1)])
def test_any_machines_are_realised(letters: int, answers: int) -> None:
    machines = [random_machine(seed, states, letters, answers) for seed, states in enumerate((1, 2, 5, 6))]
    population = realise(machines)
    assert population.architecture.output_size == max(letters, max(max(row) for m in machines for row in m.answers) + 1)
    words = all_words(5, letters)
    heard = said(population, words)
    for network, machine in enumerate(machines):
        np.testing.assert_array_equal(heard[network], [machine.read(word) for word in words])


def test_activations_stay_exact_in_the_long_run() -> None:
    machines = [tree_path_machine(path) for path in leaf_paths(16)]
    word = np.random.default_rng(0).choice([0, 1, RESTART], 2000, p=[0.4, 0.4, 0.2])
    outputs, state = run(realise(machines, confidence=3.0), torch.from_numpy(word).expand(16, 1, -1))
    assert isinstance(state, torch.Tensor)
    assert set(state.unique().tolist()) == {0.0, 1.0}
    assert set(outputs.unique().tolist()) == {0.0, 3.0}
    np.testing.assert_array_equal(outputs[:, 0].argmax(-1), [machine.read(word.tolist()) for machine in machines])


def test_what_is_no_machine_is_refused() -> None:
    with pytest.raises(RNN2VecError, match=r"rows of \[2\] and \[1\]"):
        MealyMachine(((0, 0),), ((0,),))
    with pytest.raises(RNN2VecError, match=r"rows of \[\]"):
        MealyMachine((), ())
    with pytest.raises(RNN2VecError, match=r"states lie in 0\.\.0"):
        MealyMachine(((0, 1),), ((0, 0),))
    with pytest.raises(RNN2VecError, match="answers are whole numbers"):
        MealyMachine(((0,),), ((-1,),))
    with pytest.raises(RNN2VecError, match=r"letters lie in 0\.\.2; got 3"):
        tree_path_machine("01").read([3])
    with pytest.raises(RNN2VecError, match="letters 0 and 1"):
        password_machine("012")
    with pytest.raises(RNN2VecError, match="one alphabet"):
        realise([])
    with pytest.raises(RNN2VecError, match=r"machines of \[2, 3\] letters"):
        realise([random_machine(0, 2, 2, 2), tree_path_machine("0")])
    with pytest.raises(RNN2VecError, match="size of 0"):
        leaf_paths(0)
    with pytest.raises(RNN2VecError, match="functions 0 and 1"):
        class_of_machines([tree_path_machine("0"), tree_path_machine("1")], [(0,)])
    with pytest.raises(RNN2VecError, match="a word without one: leave it out"):
        class_of_machines([tree_path_machine("0"), tree_path_machine("1")], [(RESTART,), ()])
    with pytest.raises(RNN2VecError, match=r"letters lie in 0\.\.2; got 3"):
        class_of_machines([tree_path_machine("0")], [(3,)])


@pytest.mark.parametrize("array", [list, np.array, torch.tensor])
def test_machines_and_words_may_be_arrays(array: Callable[[Any], Any]) -> None:
    states, answers = [[0, 1], [1, 0]], [[0, 1], [1, 0]]
    parity = MealyMachine(((0, 1), (1, 0)), ((0, 1), (1, 0)))
    machine = MealyMachine(array(states), array(answers))  # type: ignore[arg-type]
    assert machine == parity
    assert hash(machine) == hash(parity)
    assert repr(machine) == repr(parity)
    assert machine.read(array([1, 0, 1])) == [1, 1, 0]
    words = [[1, 0], [0, 1]]
    constant = MealyMachine([[0, 0]], [[True, False]])  # type: ignore[arg-type]
    functions = class_of_machines([machine, constant], array(words))
    assert functions.questions == ((1, 0), (0, 1))
    assert functions.codes.tolist() == class_of_machines([parity, constant], words).codes.tolist()
    assert FunctionClass.from_callables([machine, constant], array(words)).codes.tolist() == functions.codes.tolist()
    population = realise((own for own in (machine, constant)), confidence=torch.tensor(10.0))  # type: ignore[arg-type]
    assert said(population, [(1, 0, 1)]).tolist() == [[parity.read([1, 0, 1])], [[0, 1, 0]]]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: MealyMachine([0, 1], [0, 1]), "next_states: rows of whole numbers"),  # type: ignore[arg-type]
        (lambda: MealyMachine(((0.0,),), ((0,),)), "next_states: a whole number is needed; got 0.0"),  # type: ignore[arg-type]
        (lambda: MealyMachine(((0,),), ((float("nan"),),)), "answers: a whole number is needed; got nan"),  # type: ignore[arg-type]
        (lambda: tree_path_machine("01").read([1.0]), "letters: a whole number is needed; got 1.0"),  # type: ignore[list-item]
        (lambda: tree_path_machine("01").read(3), "letters: rows of whole numbers"),  # type: ignore[arg-type]
        (lambda: class_of_machines([tree_path_machine("0")], [3]), "words: rows of whole numbers"),
        (lambda: password_machine(110), "a path is text"),  # type: ignore[arg-type]
        (lambda: realise(tree_path_machine("0")), "Mealy machines are given as a list"),  # type: ignore[arg-type]
        (lambda: realise(["0"]), "got '0'"),  # type: ignore[list-item]
        (lambda: realise([tree_path_machine("0")], "10"), "confidence: a number is needed; got '10'"),  # type: ignore[arg-type]
        (lambda: realise([MealyMachine(((0,),), ((10**12,),))]), "output_size is at most"),
        (lambda: realise([MealyMachine(((0,),), ((2**31 - 2,),))]), "weights in all; 1 machines of 1 states"),
        (lambda: leaf_paths(2.0), "a whole number is needed; got 2.0"),  # type: ignore[arg-type]
        (lambda: leaf_paths(10**9), "at most 8192"),
    ],
)
def test_tables_words_and_sizes_are_whole_numbers(build: Callable[[], Any], words: str) -> None:
    with pytest.raises(RNN2VecError, match=words):
        build()


@pytest.mark.parametrize("confidence", [0.0, -1.0, float("nan"), float("inf"), 1e300, 1e-300])
def test_answers_need_a_logit_above_the_others(confidence: float) -> None:
    with pytest.raises(RNN2VecError, match=rf"finite in float32; got {re.escape(str(confidence))}"):
        realise([tree_path_machine("1")], confidence)
