"""A box is placed among known tasks: asked letter by letter, read from z, or said to be none of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import LANGUAGES, Command
from rnn2vec import Classes, Interface, Numbers, Population, RNN2VecError, Tokens, build_encoder, load_encoder
from rnn2vec.identification.asked import Asked
from rnn2vec.identification.found import Identification
from rnn2vec.identification.place import place
from rnn2vec.networks.behaviour import answers_of
from rnn2vec.tasks.formal_language import FormalLanguage

COLUMNS = ("mb", "mc", "md")
TASKS = [language.shifts for language in (*LANGUAGES, FormalLanguage(0, 0, 0), FormalLanguage(2, -1, 0))]


class Steps:
    """A box that is asked letter by letter, and takes nothing but letters."""

    def __init__(self, network: Population, digits: int = 9) -> None:
        self.network, self.digits, self.resets = network, digits, 0

    def reset(self) -> None:
        self.resets, self._state = self.resets + 1, None

    @torch.no_grad()
    def step(self, letter: int) -> np.ndarray:
        assert type(letter) is int
        outputs, self._state = self.network.run(torch.tensor([[[letter]]]), self._state)
        return outputs[0, 0, 0].softmax(-1).numpy().round(self.digits)


def placed(box: object, tasks: list[tuple[int, ...]] = TASKS) -> Identification:
    return place(box, load_encoder("formal-languages"), tasks, COLUMNS)


@pytest.mark.parametrize("row", range(len(LANGUAGES)))
def test_a_box_that_takes_letters_alone_is_placed(grus: Population, row: int) -> None:
    box = Steps(grus[[row]], digits=2)
    found = placed(box)
    best = found.candidates[0]
    assert best.name == "mb {}, mc {}, md {}".format(*LANGUAGES[row].shifts)
    assert best.probability > 0.9
    assert found.none_of_these < 0.1
    assert sum(each.probability for each in found.candidates) + found.none_of_these == pytest.approx(1.0)
    assert (len(found.transcript), found.questions) == (8, box.resets)
    for told in found.transcript:  # what it says was answered is what the network answers to these letters
        again = answers_of(grus[[row]], told.question[None])[0, 0].numpy()
        assert np.abs(told.answer - again).max() < 0.0051


def test_a_language_that_is_not_among_them_is_none(grus: Population) -> None:
    found = placed(grus[[0]], TASKS[1:])
    assert found.none_of_these > 0.9


def test_a_box_unlike_all_networks_of_the_encoder_is_none() -> None:
    """Each network says the letter before."""

    def parrot(question: np.ndarray) -> np.ndarray:
        return np.eye(6)[np.concatenate([question[:1], question[:-1]])]

    found = placed(parrot)
    assert found.none_of_these == 1.0
    assert "unlike all" in found.ended


def test_a_box_as_a_network_says_what_it_says(grus: Population) -> None:
    network, asked = grus[[1]], Asked(Steps(grus[[1]]), grus.interface)
    questions = torch.from_numpy(np.random.default_rng(0).integers(0, 6, (1, 3, 9)))
    expected = network.run(questions)[0].softmax(-1)
    outputs, state = asked.run(questions[:, :, :4])
    rest, _ = asked.run(questions[:, :, 4:], state)
    assert torch.allclose(torch.cat([outputs, rest], 2).softmax(-1), expected, atol=1e-6)
    mixed = 0.6 * torch.nn.functional.one_hot(questions, 6) + 0.4 / 6
    assert torch.allclose(asked.run(mixed)[0].softmax(-1), expected, atol=1e-6)  # the likeliest letters


def test_a_box_of_numbers_is_asked_numbers() -> None:
    interface = Interface(Numbers(1, -1, 1), Numbers(1))
    asked = Asked(lambda question: np.cumsum(question, 0), interface)
    inputs = torch.linspace(-1, 1, 12).reshape(1, 2, 6, 1)
    assert torch.allclose(asked.run(inputs)[0], inputs.cumsum(2))
    assert build_encoder("noninteractive", interface, 0, probe_length=4).encode(asked).shape == (1, 16)


def test_boxes_that_fail_are_refused_in_a_line(grus: Population) -> None:
    drawn = np.random.default_rng(0)
    for box, word in (
        (lambda question: np.full((len(question), 6), np.nan), "finite"),
        (lambda question: np.ones((len(question), 5)), "shape"),
        (lambda question: drawn.dirichlet(np.ones(6), len(question)), "otherwise once more followed"),
        (lambda question: 1 / 0, "ZeroDivisionError"),
    ):
        with pytest.raises(RNN2VecError, match=word):
            placed(box)
    with pytest.raises(RNN2VecError, match="one network"):
        Asked(grus[[0]], grus.interface)[[0, 0]]


def test_what_an_encoder_must_be_to_place_a_box(grus: Population) -> None:
    plain = build_encoder("interactive", Interface(Tokens(6), Classes(6)), 0)
    with pytest.raises(RNN2VecError, match="knows none"):
        place(grus[[0]], plain, TASKS, COLUMNS)
    with pytest.raises(RNN2VecError, match="reads weights"):
        place(grus[[0]], build_encoder("flat", grus.architecture, 0), TASKS, COLUMNS)
    with pytest.raises(RNN2VecError, match="mb, mc, md; got 'accuracy'"):
        place(grus[[0]], load_encoder("formal-languages"), [(0.5,)], ["accuracy"])
    with pytest.raises(RNN2VecError, match=r"of md it knows .*, not 7"):
        placed(grus[[0]], [(2, -1, 7)])
    with pytest.raises(RNN2VecError, match="one at least"):
        placed(grus[[0]], [])


BOX = """
import json, sys
import torch
import safetensors.torch
from rnn2vec import Architecture, Classes, Interface, Population, Tokens
weights = safetensors.torch.load_file(sys.argv[1])
network = Population(Architecture.stack("gru", 6, 24, 1, 6), weights, Interface(Tokens(6), Classes(6)))
for line in sys.stdin:
    with torch.no_grad():
        said = network.run(torch.tensor([[json.loads(line)["question"]]]))[0][0, 0].softmax(-1)
    print(json.dumps({"answer": said.tolist()}), flush=True)
"""


def test_a_program_is_placed_from_the_shell(grus: Population, tmp_path: Path, rnn2vec_command: Command) -> None:
    import safetensors.torch

    safetensors.torch.save_file({name: part[[2]].clone() for name, part in grus.weights.items()}, tmp_path / "w")
    (tmp_path / "box.py").write_text(BOX)
    zoo = ("formal-languages", "--out", tmp_path / "zoo", "--models", 216, "--steps", 1, "--workers", 1)
    assert rnn2vec_command("zoo", "build", *zoo)[0] == 0
    box = f"{sys.executable} {tmp_path / 'box.py'} {tmp_path / 'w'}"
    command = ("identify", box, "--among", tmp_path / "zoo", "--encoder", "formal-languages")
    status, output, errors = rnn2vec_command(*command, "--group-by", "mb,mc,md", "--json")
    assert status == 0, errors
    said = json.loads(output)
    assert said["candidates"][0]["name"] == "mb 1, mc 1, md -3"
    assert len(said["transcript"]) == 8
    status, _, errors = rnn2vec_command(*command)
    assert (status, "--group-by" in errors) == (1, True)
    status, _, errors = rnn2vec_command(*command, "--group-by", "mb", "--answers", "top1")
    assert (status, "--answers" in errors) == (1, True)
