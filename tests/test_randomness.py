"""Random numbers are a function of what they are for."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from rnn2vec.errors import RNN2VecError
from rnn2vec.randomness import generator, torch_seed

KEYS = [(), (0,), (1,), (12,), (1, 2), (0, "a"), ("a", 0), ("a",), ("0",), ("ab",), ("a", "b"), (-1,), (0, 0), (0, "")]


def test_the_same_key_gives_the_same_numbers_in_any_order() -> None:
    first = {key: generator(5, *key).random(8) for key in KEYS}
    for key in reversed(KEYS):
        np.random.default_rng().random(3)
        np.testing.assert_array_equal(generator(5, *key).random(8), first[key])


def test_different_keys_and_seeds_give_different_numbers() -> None:
    draws = [generator(seed, *key).random(4) for seed in (0, 1, 12, -1) for key in KEYS]
    for one, other in itertools.combinations(draws, 2):
        assert not np.isin(one, other).any()


def test_streams_are_uniform_and_uncorrelated() -> None:
    draws = np.stack([generator(0, model, "training", step).random(50) for model in range(40) for step in range(10)])
    assert abs(draws.mean() - 0.5) < 5 * (1 / 12 / draws.size) ** 0.5
    assert draws.var() == pytest.approx(1 / 12, rel=0.03)
    correlations = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert np.abs(correlations).max() < 6.5 / 50**0.5 < 1
    assert correlations.std() == pytest.approx(1 / 49**0.5, rel=0.03)


def test_numbers_are_pinned() -> None:
    """A change of these changes every zoo."""
    assert generator(0, 1, "training", 2).integers(0, 2**32, 3).tolist() == [1924553967, 2857534939, 1203302785]
    assert torch_seed(0, "encoder", "flat") == 1146723212803048099


@pytest.mark.parametrize("integer", [np.int64, np.int32, np.uint8])
def test_numpy_integers_are_integers(integer: type) -> None:
    """Whatever numpy's version prints for them."""
    expected = generator(3, 7, "rollouts").random(4)
    np.testing.assert_array_equal(generator(integer(3), 7, "rollouts").random(4), expected)
    np.testing.assert_array_equal(generator(3, integer(7), "rollouts").random(4), expected)


def test_no_global_state_is_touched() -> None:
    state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    generator(0, "x").random(100)
    torch_seed(0, "x")
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_torch_seeds() -> None:
    seeds = {torch_seed(seed, *key) for seed in range(5) for key in KEYS}
    assert len(seeds) == 5 * len(KEYS)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**61
    assert torch_seed(4, "x", 1) == torch_seed(4, "x", 1)
    torch.Generator().manual_seed(max(seeds))


@pytest.mark.parametrize("seed", [0.9, "0", None, np.float64(1.0), True])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(RNN2VecError, match="whole numbers"):
        generator(seed, 0, "initialisation")


def test_numpys_whole_numbers_are_seeds_too() -> None:
    assert generator(np.int64(3), np.uint8(1)).random() == generator(3, 1).random()
    assert generator(3, np.str_("a")).random() == generator(3, "a").random()
    with pytest.raises(RNN2VecError, match="whole numbers"):
        generator(3, True)
