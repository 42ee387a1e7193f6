"""What networks are asked where nobody brought questions: strings begin, and go on, as networks were trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnn2vec.architecture import Architecture
from rnn2vec.interface import Classes, Interface, Numbers, Tokens
from rnn2vec.library.compare import observed
from rnn2vec.networks import Population
from rnn2vec.networks.questions import RANDOM, beginning, first_tokens, made_questions, start_tokens, written
from rnn2vec.networks.stimuli import SEQUENCES, STEPS, stimuli

TEXT = Interface(Tokens(5), Classes(5))


def texts(count: int, never: tuple[int, ...] = ()) -> Population:
    """Networks that predict their next token, and never write some."""
    population = Population.initialise(Architecture.stack("gru", 5, 8, 1, 5), 0, range(count), TEXT)
    head(population)[:, list(never)] = -30.0
    return population


def head(population: Population) -> torch.Tensor:
    """What is added to the logits, ``[N, 5]``."""
    return population.weights["linear.bias"]


def test_strings_begin_with_the_token_that_networks_never_write() -> None:
    assert start_tokens([texts(4, (3,))]).tolist() == [3]
    assert sorted(start_tokens([texts(4, (3, 1)), texts(3, (1, 3))]).tolist()) == [1, 3]
    assert start_tokens([texts(2), texts(5, (3,))]).tolist() == [3]  # most of them
    assert start_tokens([texts(5), texts(2, (3,))]).tolist() != [3]


def test_where_all_tokens_are_written_strings_begin_with_each() -> None:
    starts = start_tokens([texts(4)], seed=3)
    assert sorted(starts.tolist()) == [0, 1, 2, 3, 4]
    assert starts.tolist() == start_tokens([texts(4)], seed=3).tolist()
    made = made_questions(texts(4))
    assert {*made[:, 0].tolist()} == {0, 1, 2, 3, 4}


def test_a_network_that_overflows_says_nothing_of_the_others() -> None:
    population = texts(3, (3,))
    head(population)[0] = float("nan")
    assert start_tokens([population]).tolist() == [3]
    assert len(start_tokens([population[:1]])) == 5


def test_made_strings_are_random_or_written_by_networks() -> None:
    networks = texts(20, (3,))
    made, drawn = made_questions(networks, seed=1), int(RANDOM * SEQUENCES)
    assert made.shape == (SEQUENCES, STEPS["tokens"])
    np.testing.assert_array_equal(made[:drawn], beginning(stimuli(TEXT.inputs, 1), np.full(SEQUENCES, 3))[:drawn])
    assert not (made[drawn:, 1:] == 3).any()
    assert (made[:, 0] == 3).all()
    np.testing.assert_array_equal(made, made_questions(networks, seed=1))
    assert not np.array_equal(made, made_questions(networks, seed=2))


def test_made_numbers_are_stimuli() -> None:
    numbers = Interface(Numbers(2, -1.0, 1.0), Numbers(2))
    networks = Population.initialise(Architecture.stack("gru", 2, 4, 1, 2), 0, range(3), numbers)
    np.testing.assert_array_equal(made_questions(networks, seed=5), stimuli(numbers.inputs, 5))


@pytest.mark.parametrize("first", [[0], [4, 2]])
def test_written_strings_begin_as_they_are_told(first: list[int]) -> None:
    strings = written(texts(3), np.array(first), 7)
    assert strings.shape == (3, len(first), STEPS["tokens"])
    assert strings.dtype == TEXT.inputs.stored
    assert (strings[:, :, 0] == first).all()


def test_two_networks_are_compared_on_strings_of_the_first() -> None:
    a, b = texts(2, (3,))[:1], texts(2, (3,))[1:]
    head(a)[:, 0] = 30.0
    asked = observed(a, b)
    assert len(asked) == 2 * SEQUENCES
    assert (asked[SEQUENCES:, 1:] == 0).all()
    assert {*asked[:, 0].tolist()} == {1, 2, 3, 4}  # what it never writes


def test_of_many_tokens_some_are_first() -> None:
    assert first_tokens(np.array([4, 1, 2]), 5).tolist() == [4, 1, 2, 4, 1]
    large = Interface(Tokens(60), Classes(60))
    networks = Population.initialise(Architecture.stack("gru", 60, 8, 1, 60), 0, range(3), large)
    made = made_questions(networks)
    assert len({*made[:, 0].tolist()}) == SEQUENCES
    assert {*made[:, 0].tolist()} != {*range(SEQUENCES)}  # drawn
