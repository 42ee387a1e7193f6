"""The answers encoder: z of what networks say, whatever they are made of, and nothing to train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import tokens
from rnn2vec import (
    Architecture,
    Callables,
    Classes,
    Collection,
    Identifier,
    Interface,
    Mixed,
    Numbers,
    Population,
    RNN2VecError,
    Tokens,
    Zoo,
    build_encoder,
    compare,
    duplicates,
    identify,
    load_encoder,
    search,
)
from rnn2vec.encoders import AnswersEncoder
from rnn2vec.networks.behaviour import answers_of
from rnn2vec.networks.free_run import free_run
from rnn2vec.networks.stimuli import stimuli
from rnn2vec.zoo.questions import questions_of
from test_encoders import with_dead_units

SOUND = Interface(Numbers(1, -1, 1), Numbers(1))
MakePopulation = Callable[..., Population]


def amplifiers(count: int, hidden_size: int = 6, seed: int = 0) -> Population:
    architecture = Architecture.stack("lstm", 1, hidden_size, 1, 1)
    flat = torch.randn(count, architecture.num_parameters, generator=torch.Generator().manual_seed(seed))
    return Population.from_flat(architecture, flat, SOUND)


def test_z_depends_on_the_function_alone() -> None:
    networks = amplifiers(9).to(torch.float64)
    encoder = AnswersEncoder.fitted(networks.to(torch.float32), stimuli(SOUND.inputs, steps=100)).double()
    z = encoder(networks)
    order = torch.stack([torch.randperm(6, generator=torch.Generator().manual_seed(n)) for n in range(9)])
    torch.testing.assert_close(encoder(networks.permute_hidden([order])), z)
    torch.testing.assert_close(encoder(with_dead_units(networks, 3)), z)
    assert torch.cdist(z, z)[~torch.eye(9, dtype=torch.bool)].min() > 1e-3


def test_networks_of_other_sizes_and_kinds_are_read() -> None:
    small, large = amplifiers(4), amplifiers(5, 11, seed=1)
    mixed = Mixed([small, large])
    encoder = AnswersEncoder.fitted(mixed, stimuli(SOUND.inputs, steps=64), embedding_size=5)
    z = encoder.encode(mixed)
    assert z.shape == (9, 5)
    np.testing.assert_allclose(z[:4], encoder.encode(small, batch_size=3), atol=1e-5)
    np.testing.assert_allclose(z[4:], encoder.encode(large), atol=1e-5)

    def box(x: np.ndarray) -> np.ndarray:
        return small[[2]].run(torch.from_numpy(x)[None])[0][0].numpy()

    np.testing.assert_allclose(encoder.encode(Callables([box], SOUND)), z[[2]], atol=1e-5)


def test_components_are_the_principal_ones_of_centred_answers() -> None:
    networks = amplifiers(12)
    encoder = AnswersEncoder.fitted(networks, stimuli(SOUND.inputs, steps=80), embedding_size=4)
    with torch.no_grad():
        answers = encoder.read(networks).double().numpy()
    centred = answers - answers.mean(0)
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    projected = centred @ right[:3].T
    found = (encoder.read(networks) - encoder.mean) @ encoder.components.T
    np.testing.assert_allclose(np.abs(found.detach().numpy()), np.abs(projected), rtol=1e-3, atol=1e-3 * singular[0])
    lengths = np.linalg.norm(np.c_[found.detach().numpy(), encoder.constant.expand(12, 1).numpy()], axis=1)
    np.testing.assert_allclose(encoder.encode(networks)[:, :3], found.detach().numpy() / lengths[:, None], atol=1e-5)


def test_answers_are_taken_at_the_networks_own_level() -> None:
    unit = torch.tensor([2.0, 4.0]).view(2, 1, 1)  # of two questions
    numbers = torch.tensor([3.0, -4.0, 2.0, 0.0]).view(1, 2, 2, 1)
    own = numbers / unit  # 1.5, -2, .5, 0: root mean square 1.274...
    levelled = own / float((1.5**2 + 2**2 + 0.5**2) / 4) ** 0.5
    for loudness in (1.0, 0.5, 1e-5, 1e30):  # squares of the last are beyond float32
        torch.testing.assert_close(SOUND.outputs.levelled(loudness * numbers, unit), levelled)
    torch.testing.assert_close(SOUND.outputs.levelled(1e-8 * numbers, unit), 1e-2 * own)  # silence stays silent


@pytest.mark.parametrize("times", [1e4, 1e13, 1e30])
def test_one_network_that_diverges_leaves_the_others_apart(times: float) -> None:
    networks, questions = amplifiers(12), stimuli(SOUND.inputs, steps=80)
    names = np.array([f"amp {row}" for row in range(12)])
    weights = {name: weight.clone() for name, weight in networks.weights.items()}
    weights["linear.weight"][5] *= times
    diverging = Population(networks.architecture, weights, SOUND)
    others = np.delete(np.arange(12), 5)
    alone = Collection(names[others], networks[others], questions)
    together = Collection(names, diverging, questions)
    assert torch.equal(together.unit, alone.unit)
    encoders = [AnswersEncoder.fitted(own.networks, questions) for own in (together, alone)]
    assert torch.equal(encoders[0].units, encoders[1].units)
    found = search(together, "amp 0", top=11)
    assert {match.name: match.difference for match in found} | {"amp 5": 0.0} == pytest.approx(
        {match.name: match.difference for match in search(alone, "amp 0", top=10)} | {"amp 5": 0.0}, rel=1e-5
    )
    assert next(match.difference for match in found if match.name == "amp 5") > 1e3
    assert not duplicates(together, within=0.01)
    for row in (0, 5):  # found, not taken for a stranger; an exact answer, computed otherwise
        alone_again = diverging[[row]].to(torch.float64)
        who = identify(lambda asked, own=alone_again: answers_of(own, asked[None])[0, 0], diverging, 4)
        assert who.candidates[0].name == str(row)
        assert who.none_of_these < 0.01


def test_a_louder_copy_has_the_same_z() -> None:
    networks = amplifiers(6)
    weights = dict(networks.weights)
    louder = Population(
        networks.architecture, weights | {name: 3 * weights[name] for name in ("linear.weight", "linear.bias")}, SOUND
    )
    encoder = AnswersEncoder.fitted(networks, stimuli(SOUND.inputs, steps=80))
    np.testing.assert_allclose(encoder.encode(louder), encoder.encode(networks), atol=1e-5)


def test_a_free_run_feeds_networks_their_likeliest_answer(random_population: MakePopulation) -> None:
    architecture = Architecture.stack("gru", 6, 5, 1, 6)
    networks = random_population(architecture, 4)
    strings = torch.tensor([[4, 0, 1, 2, 3, 5], [4, 1, 1, 5, 5, 5], [0, 2, 3, 0, 0, 1]])
    lengths = torch.tensor([1, 3, 6])
    read, said = free_run(networks, strings, lengths)
    assert read.shape == (4, 3, 6)
    assert torch.equal(read[:, 2], strings[2].expand(4, -1))
    again, _ = networks.run(read)
    torch.testing.assert_close(said, again)
    for row, length in enumerate(lengths.tolist()):
        assert torch.equal(read[:, row, :length], strings[row, :length].expand(4, -1))
        assert torch.equal(read[:, row, length:], said[:, row, length - 1 : -1].argmax(-1))
    with pytest.raises(RNN2VecError, match="predict their next token"):
        free_run(amplifiers(1), strings, lengths)


@pytest.mark.parametrize("count", [1, 2])
def test_few_networks_and_networks_alike_have_a_z(count: int) -> None:
    encoder = AnswersEncoder.fitted(amplifiers(count), stimuli(SOUND.inputs, steps=64))
    z = encoder.encode(amplifiers(count))
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)
    alike = amplifiers(1)[[0] * (count + 1)]
    z = AnswersEncoder.fitted(alike, stimuli(SOUND.inputs, steps=64)).encode(alike)
    np.testing.assert_array_equal(z, np.eye(16, dtype=np.float32)[[15] * (count + 1)])


def test_it_is_saved_and_read_back(tiny_zoo: Zoo, tmp_path: Path) -> None:
    networks = tiny_zoo.networks()
    encoder = AnswersEncoder.fitted(networks, questions_of(tiny_zoo))
    encoder.save_pretrained(tmp_path / "answers")
    loaded = load_encoder(tmp_path / "answers")
    np.testing.assert_array_equal(loaded.encode(networks), encoder.encode(networks))
    assert loaded.config == encoder.config
    again = AnswersEncoder.fitted(networks, questions_of(tiny_zoo))
    assert all(torch.equal(own, again.state_dict()[name]) for name, own in encoder.state_dict().items())


def test_what_cannot_be_asked_is_refused(random_population: MakePopulation) -> None:
    networks = random_population(Architecture.stack("lstm", 6, 5, 1, 6))
    with pytest.raises(RNN2VecError, match=r"whole numbers in 0\.\.5"):
        AnswersEncoder.fitted(networks, np.array([[0, 6]]))
    with pytest.raises(RNN2VecError, match=r"an array \[R, T\]"):
        AnswersEncoder.fitted(networks, np.zeros((1, 4, 6), np.float32))
    encoder = AnswersEncoder(tokens(Architecture.stack("lstm", 5, 5, 1, 6)))
    with pytest.raises(RNN2VecError, match="reads networks with 5 tokens in"):
        encoder(networks)
    assert Interface(Tokens(3), Numbers(1)).writes is False


def test_answers_that_are_no_numbers_are_refused() -> None:
    def fails(asked: np.ndarray) -> np.ndarray:
        raise IndexError("tensors used as indices must be long")

    with pytest.raises(RNN2VecError, match=r"function 0 failed at them \(IndexError: tensors used as .* long\)$"):
        AnswersEncoder(SOUND).encode(Callables([fails], SOUND))
    text = Interface(Tokens(3), Classes(3))
    with pytest.raises(RNN2VecError, match="long\\): it is asked mixtures of tokens"):
        build_encoder("interactive", text).encode(Callables([fails], text))


@pytest.mark.parametrize("things", [[], "net.pt", torch.nn.LSTM(1, 2)])
def test_what_is_no_networks_is_refused(things: object) -> None:
    one = Population.initialise(Architecture.stack("lstm", 1, 3, 1, 1), 0, [0], SOUND)
    for method in (
        AnswersEncoder(SOUND).encode,
        AnswersEncoder(SOUND),
        Identifier,
        lambda own: identify(one, own),
        lambda own: compare(one, own),
        lambda own: Mixed([own]),
    ):
        with pytest.raises(RNN2VecError, match=r"networks are a Population, .* read_checkpoint\(FILE\)"):
            method(things)
    silent = Callables([lambda x: np.full((*x.shape[:2], 1), np.float32("nan"))], SOUND)
    with pytest.raises(RNN2VecError):
        AnswersEncoder.fitted(silent, stimuli(SOUND.inputs, steps=8))


def test_questions_of_a_zoo_are_what_its_networks_read(tiny_zoo: Zoo) -> None:
    asked = questions_of(tiny_zoo)
    read = tiny_zoo.traces().inputs
    assert asked.dtype == read.dtype
    assert {tuple(row) for row in asked.tolist()} <= {tuple(row) for row in read[:, 0].tolist()}
    first = questions_of(tiny_zoo, np.array([3]))
    np.testing.assert_array_equal(first, read[3])
