"""Questions of several pools make one: traces, and what encoders learned to ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import LANGUAGES, Command
from rnn2vec import (
    Architecture,
    Classes,
    Interface,
    Population,
    RNN2VecError,
    Tokens,
    build_encoder,
    identify,
    load_encoder,
)
from rnn2vec.identification.pools import joined, learned
from rnn2vec.networks.behaviour import answers_of

TOKENS = Interface(Tokens(5), Classes(5))


def test_shorter_questions_begin_again_and_none_stands_twice() -> None:
    long, short = np.array([[0, 1, 2, 3, 4], [1, 1, 1, 1, 1]], np.uint8), np.array([[2, 3], [1, 1]])
    assert joined(long, short).tolist() == [[0, 1, 2, 3, 4], [1, 1, 1, 1, 1], [2, 3, 2, 3, 2]]
    assert joined(long, short).dtype == np.uint8
    sounds = joined(np.ones((1, 2, 1), np.float32), np.zeros((2, 3, 1), np.float32))
    assert sounds[..., 0].tolist() == [[1, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("pools", [(), (np.zeros((1, 3)), np.zeros((1, 3, 1))), (np.zeros((0, 3)),)])
def test_pools_of_other_inputs_or_of_nothing_are_refused(pools: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(RNN2VecError, match="pools to join"):
        joined(*pools)


def test_what_an_encoder_learned_to_ask_tells_networks_apart(grus: Population) -> None:
    asked = learned(load_encoder("formal-languages"), grus)
    assert asked.shape[1] == 41
    assert len(asked) > 8  # an interactive encoder asks each network something else
    assert set(np.unique(asked)) <= set(range(grus.interface.inputs.size))
    for row in range(len(grus)):

        def ask(question: np.ndarray, row: int = row) -> np.ndarray:
            return answers_of(grus[[row]], question[None])[0, 0].numpy()

        found = identify(ask, grus, pool=asked)
        assert (found.candidates[0].row, found.candidates[0].probability > 0.99) == (row, True)


def test_fixed_questions_are_the_same_for_all(grus: Population) -> None:
    options: dict[str, Any] = {"probes": 3, "probe_length": 5, "core_size": 8, "mlp_size": 8}
    encoder = build_encoder("noninteractive", grus.interface, 0, **options)
    assert learned(encoder, grus).tolist() == learned(encoder, grus[[1]]).tolist()
    assert learned(encoder, grus).shape == (3, 5)


def test_an_encoder_of_weights_asks_nothing(grus: Population) -> None:
    with pytest.raises(RNN2VecError, match="reads weights"):
        learned(build_encoder("statistics", grus.architecture), grus)


def test_other_networks_are_none_that_the_encoder_asks() -> None:
    other = Population.initialise(Architecture.stack("gru", 5, 4, 1, 5), 0, range(2)).with_interface(TOKENS)
    with pytest.raises(RNN2VecError, match="6 tokens"):
        learned(load_encoder("formal-languages"), other)


def test_learned_questions_from_the_shell(tmp_path: Path, rnn2vec_command: Command) -> None:
    zoo = ("formal-languages", "--out", tmp_path / "zoo", "--models", len(LANGUAGES), "--steps", 1, "--workers", 1)
    assert rnn2vec_command("zoo", "build", *zoo)[0] == 0
    command = ("identify", f"{tmp_path / 'zoo'}:model-0-step-1", "--among", tmp_path / "zoo")
    status, output, errors = rnn2vec_command(*command, "--questions-of", "formal-languages", "--json")
    assert status == 0, errors
    assert json.loads(output)["candidates"][0]["name"] == "model-0-step-1"
    status, _, errors = rnn2vec_command(
        *command, "--questions-of", "formal-languages", "--encoder", "formal-languages", "--group-by", "mb"
    )
    assert (status, "--questions-of" in errors) == (1, True)
