"""What an encoder knows of labels without its zoo: as sure as it is right, and of its own kind of networks alone."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy
import torch
from scipy.special import softmax
from typer.testing import CliRunner

from conftest import LANGUAGES
from rnn2vec import (
    Classes,
    Interface,
    Modules,
    Numbers,
    Population,
    RNN2VecError,
    Zoo,
    build_encoder,
    build_zoo,
    load_encoder,
)
from rnn2vec import zoo_recipe as recipe_of
from rnn2vec.architecture import Architecture
from rnn2vec.checksums import CHECKSUMS, OWN, sealed
from rnn2vec.cli import app
from rnn2vec.cli.predict import _cells
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.encoders.directory import EMULATOR
from rnn2vec.engine import train_step
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.evaluation.calibration import (
    calibration_error,
    confidence_of,
    error_covered,
    out_of_fold,
    temperature_of,
)
from rnn2vec.evaluation.imitated import QUESTIONS, STRINGS, Answered, Written
from rnn2vec.evaluation.imitation import Imitation
from rnn2vec.evaluation.knowledge import MARGIN, RECORD, TENSORS, Knowledge, nearest_distance
from rnn2vec.evaluation.predictors import fit_predictors, seen_rows
from rnn2vec.evaluation.pretrained import SHIPPED, shipped
from rnn2vec.evaluation.readers import READERS
from rnn2vec.interrogation import MealyMachine, realise
from rnn2vec.networks.stimuli import stimuli
from rnn2vec.randomness import generator
from rnn2vec.tasks.tiled_digits import TiledDigits
from rnn2vec.zoo.split import split_zoo
from test_tiled_digits import MNIST, needs_mnist


def test_a_temperature_makes_confidence_right() -> None:
    numbers = np.random.default_rng(0)
    logits = numbers.normal(size=(4000, 4)) * 2
    truth = np.array([numbers.choice(4, p=row) for row in softmax(logits, axis=1)])
    scores = 5.0 * logits  # five times as sure as it should be
    assert temperature_of(scores, truth) == pytest.approx(5.0, rel=0.1)
    chosen = scores.argmax(1)
    before = calibration_error(confidence_of(scores, chosen, 1.0), chosen == truth)
    after = calibration_error(confidence_of(scores, chosen, temperature_of(scores, truth)), chosen == truth)
    assert before > 0.15
    assert after < 0.03


def test_a_few_that_are_all_right_are_no_reason_to_be_certain() -> None:
    scores = np.eye(3)[np.arange(30) % 3] * 4.0
    sure = confidence_of(scores, scores.argmax(1), temperature_of(scores, np.arange(30) % 3))
    assert sure == pytest.approx(1 - 1 / 32, abs=0.01)


def test_classes_that_a_fold_did_not_know_leave_the_temperature_finite() -> None:
    scores = np.array([[2.0, 0.0, -np.inf], [0.0, 2.0, -np.inf], [1.0, 0.0, -np.inf]] * 10)
    truth = np.array([0, 1, 2] * 10)
    assert np.isfinite(temperature_of(scores, truth))
    assert temperature_of(scores[:, :1], truth * 0) == 1.0


def test_where_classes_are_new_to_the_reader_it_is_not_sure() -> None:
    numbers = np.random.default_rng(0)
    truth = numbers.integers(0, 4, 400)
    scores = numbers.normal(size=(400, 4))
    scores[np.arange(400), truth] += 8.0
    unknown = numbers.random(400) < 0.5  # their class is in their own fold alone
    scores[unknown, truth[unknown]] = -np.inf
    chosen = scores.argmax(1)
    sure = confidence_of(scores, chosen, temperature_of(scores, truth))
    assert sure[unknown].mean() < 0.5
    assert sure[~unknown].mean() > 0.9
    none = np.where(np.arange(4) == truth[:, None], -np.inf, scores + 9.0 * (scores > 1.0))
    assert confidence_of(none, none.argmax(1), temperature_of(none, truth)).max() < 0.4


def test_the_calibration_error_of_a_hand_made_case() -> None:
    confidence, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, False])
    assert calibration_error(confidence, right) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)
    assert np.isnan(calibration_error(confidence[:0], right[:0]))


def test_a_row_is_read_by_a_reader_that_did_not_see_it() -> None:
    numbers = np.random.default_rng(1)
    z, truth = numbers.normal(size=(60, 8)), numbers.integers(0, 2, 60)  # nothing to learn but the rows themselves
    values, scores = out_of_fold(READERS["kernel"], "class", z, truth, np.arange(60) % 5, 0)
    assert (READERS["kernel"].fit("class", z, truth, 0)(z) == truth).mean() > 0.9
    assert (values == truth).mean() < 0.75
    assert scores.shape == (60, 2)
    assert (scores.argmax(1) == values).mean() > 0.9


@pytest.mark.parametrize(("kind", "found"), [("number", [1.0] * 9 + [8.0]), ("angle", [359.0] * 9 + [352.0])])
def test_nine_of_ten_errors_are_covered(kind: str, found: list[float]) -> None:
    assert error_covered(kind, np.array(found), np.zeros(10)) == 8.0
    assert error_covered(kind, np.array(found * 10)[:91], np.zeros(91)) == 1.0


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A zoo of all 64 demo languages, as if every network had learnt its own."""
    recipe = recipe_of("formal-languages", "demo", models=64, steps=2, snapshots=(0, 2), traces=2, evaluation_strings=5)
    made = build_zoo(recipe, tmp_path_factory.mktemp("zoo") / "zoo")
    place = made.snapshots.column_names.index("accuracy")
    return dataclasses.replace(
        made, snapshots=made.snapshots.set_column(place, "accuracy", pa.array(np.linspace(0.95, 1.0, len(made))))
    )


@pytest.fixture(scope="module")
def z(zoo: Zoo) -> np.ndarray:
    """Unit vectors that say the language."""
    plain = np.stack([zoo.column(name) for name in ("mb", "mc", "md", "accuracy")], axis=1).astype(float)
    plain = np.concatenate([plain, np.full((len(plain), 1), 5.0)], axis=1)
    plain += 0.01 * np.random.default_rng(0).normal(size=plain.shape)
    return (plain / np.linalg.norm(plain, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def knowledge(zoo: Zoo, z: np.ndarray) -> Knowledge:
    return Knowledge.of_zoo(zoo, z, fit_predictors(zoo, z, 3), 3)


def test_knowledge_reads_what_z_says(zoo: Zoo, z: np.ndarray, knowledge: Knowledge) -> None:
    rows = split_zoo(zoo).validation
    found = knowledge(z[rows])
    for name in ("mb", "mc", "md"):
        assert (found[name] == zoo.column(name)[rows]).mean() > 0.9
        assert found[f"{name}_confidence"].mean() > 0.8
        assert ((found[f"{name}_confidence"] > 0) & (found[f"{name}_confidence"] <= 1)).all()
    assert (np.abs(found["accuracy"] - zoo.column("accuracy")[rows]) <= found["accuracy_error"]).mean() > 0.6
    assert found["known"].mean() > 0.8


def test_most_networks_of_other_tasks_are_within_the_limit(zoo: Zoo, z: np.ndarray, knowledge: Knowledge) -> None:
    seen = seen_rows(split_zoo(zoo))
    tasks = np.unique(zoo.groups, axis=0, return_inverse=True)[1].reshape(-1)[seen]
    apart = [nearest_distance(z[seen][[row]], z[seen][tasks != tasks[row]])[0] for row in range(len(seen))]
    assert 0.93 <= (MARGIN * np.array(apart) <= knowledge.limit).mean() <= 0.97


def test_what_is_far_away_is_unknown(z: np.ndarray, knowledge: Knowledge) -> None:
    assert not knowledge(-z)["known"].any()
    assert (knowledge(-z)["distance"] > 1).all()
    found = knowledge(np.concatenate([z, -z]))
    assert ((knowledge.strangeness(found) <= 1) == found["known"]).all()
    copies = dataclasses.replace(knowledge, limit=0.0)
    assert np.isinf(copies.strangeness(copies(-z))).all()


def test_numbers_stay_within_what_was_seen(z: np.ndarray, knowledge: Knowledge) -> None:
    accuracy = next(each for each in knowledge.labels if each.wanted.name == "accuracy")
    low, high = np.quantile(accuracy.fitted(z), [0.25, 0.75])
    beyond = dataclasses.replace(accuracy, truth=np.clip(accuracy.truth, low, high))
    beyond.__dict__["fitted"] = accuracy.fitted  # a reader that says more than was seen
    found = beyond.read(z)["accuracy"]
    assert (found.min(), found.max()) == (beyond.truth.min(), beyond.truth.max())
    assert found.min() >= low
    assert found.max() <= high


def test_knowledge_is_the_same_when_read_again(tmp_path: Path, z: np.ndarray, knowledge: Knowledge) -> None:
    knowledge.write(tmp_path)
    read = Knowledge.read(tmp_path)
    assert read is not None
    for name, values in knowledge(z).items():
        assert values.tolist() == read(z)[name].tolist(), name


def test_classes_may_be_words(tmp_path: Path, knowledge: Knowledge) -> None:
    own = knowledge.labels[0]
    words = dataclasses.replace(own, truth=np.array(["low", "high"])[(own.truth > 0).astype(int)])
    dataclasses.replace(knowledge, labels=(words,)).write(tmp_path)
    read = Knowledge.read(tmp_path)
    assert read is not None
    assert set(read(own.z)[own.wanted.name].tolist()) == {"low", "high"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda record, tensors: record.write_text(record.read_text().replace('"limit"', '"limits"')),
        lambda record, tensors: record.write_text(json.dumps(json.loads(record.read_text()) | {"limit": 9.0})),
        lambda record, tensors: tensors.write_bytes(tensors.read_bytes()[:-1] + b"x"),
        lambda record, tensors: tensors.unlink(),
        lambda record, tensors: record.write_text("[]"),
    ],
)
def test_damaged_knowledge_is_refused(tmp_path: Path, knowledge: Knowledge, damage: object) -> None:
    knowledge.write(tmp_path)
    damage(tmp_path / RECORD, tmp_path / TENSORS)  # type: ignore[operator]
    with pytest.raises(RNN2VecError):
        Knowledge.read(tmp_path)


def test_knowledge_of_another_kind_is_refused(tmp_path: Path, knowledge: Knowledge) -> None:
    for change in ({"reader": "oracle"}, {"kind": "colour"}, {"sure": None}, {"classes": [1]}, {"seed": "x"}):
        knowledge.write(tmp_path)
        record = json.loads((tmp_path / RECORD).read_text())
        record["properties"][0] |= change
        del record[OWN]
        (tmp_path / RECORD).write_text(json.dumps(sealed(record)))
        with pytest.raises(RNN2VecError, match="not the knowledge of an encoder"):
            Knowledge.read(tmp_path)


def test_an_encoder_saves_what_it_knows(tmp_path: Path, zoo: Zoo, knowledge: Knowledge) -> None:
    encoder = build_encoder("noninteractive", zoo.interface, 0, embedding_size=5)
    with pytest.raises(RNN2VecError, match="has learnt none"):
        encoder.predict(zoo.networks())
    encoder.knowledge = knowledge
    encoder.save_pretrained(tmp_path)
    read = load_encoder(tmp_path)
    expected = encoder.predict(zoo.networks())
    assert {name: values.tolist() for name, values in read.predict(zoo.networks()).items()} == {
        name: values.tolist() for name, values in expected.items()
    }


@pytest.fixture(scope="module")
def imitated(zoo: Zoo, z: np.ndarray) -> Knowledge:
    torch.manual_seed(0)
    emulator = Emulator(6, 6, embedding_size=5, hidden_size=7, num_layers=1, conditioning="every").eval()
    return Knowledge.of_zoo(zoo, z, fit_predictors(zoo, z, 3), 3, emulator)


@torch.no_grad()
def test_an_imitation_is_as_good_as_the_emulator_on_what_networks_write(
    zoo: Zoo, z: np.ndarray, imitated: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitation, networks = imitated.imitation, zoo.networks([3, 90])
    assert imitation is not None
    strings = imitation.imitated
    assert isinstance(strings, Written)
    assert (strings.starts == 4).all(), "strings of languages begin with BOS"
    assert (len(strings.starts), strings.steps) == (STRINGS, zoo.traces([0]).inputs.shape[2])
    errors = imitation.errors(networks, z[[3, 90]])
    drawn = generator(0, "imitation").random((1, STRINGS, strings.steps - 1))
    apart = []
    for string in range(STRINGS):
        read = [4]
        for step in range(strings.steps - 1):
            said = networks[[0]].run(torch.tensor([[read]]))[0][0, 0].softmax(-1)
            read.append(int(np.searchsorted(said[-1].double().cumsum(0).numpy(), drawn[0, string, step], "right")))
        told = imitation.emulator(torch.from_numpy(z[[3]]), torch.tensor([[read[:-1]]]))[0][0, 0].softmax(-1)
        apart.append(float(0.5 * (said - told).abs().sum(-1).mean()))
    assert errors[0] == pytest.approx(np.mean(apart), rel=1e-4)
    monkeypatch.setattr(importlib.import_module("rnn2vec.networks.behaviour"), "MOST_NUMBERS", 1)
    np.testing.assert_allclose(imitation.errors(networks, z[[3, 90]]), errors, rtol=1e-5)


def test_most_networks_of_the_zoo_are_imitated_within_the_limit(zoo: Zoo, z: np.ndarray, imitated: Knowledge) -> None:
    assert imitated.imitation is not None
    seen = seen_rows(split_zoo(zoo))
    errors = imitated.imitation.errors(zoo.stored_networks()[seen], z[seen])
    most = np.sort(errors)[int(np.ceil(0.95 * (len(errors) - 1)))]
    assert imitated.imitation.limit == pytest.approx(min(MARGIN * most, (1 + most) / 2))
    close = imitated.imitation.within(errors / 100, 0.95, MARGIN)
    assert close is not None
    assert close.limit == pytest.approx(MARGIN * most / 100)
    assert imitated.imitation.within(errors * 100, 0.95, MARGIN) is None  # no better than what knows nothing
    found = imitated(z, zoo.stored_networks())
    assert (found["known"] == ((found["distance"] <= imitated.limit)
                               & (found["imitation_error"] <= imitated.imitation.limit))).all()  # fmt: skip
    assert "imitation_error" not in imitated(z)
    strict = dataclasses.replace(imitated, imitation=dataclasses.replace(imitated.imitation, limit=0.0))
    assert not strict(z, zoo.stored_networks())["known"].any()


def test_what_does_not_write_is_known_by_its_distance(zoo: Zoo, z: np.ndarray, imitated: Knowledge) -> None:
    networks = zoo.networks([0, 5])
    weights = Population(networks.architecture, networks.weights, Interface(Numbers(6, -1, 1), Numbers(6)))
    bare = Population(networks.architecture, networks.weights)
    for others in (weights, bare, Modules([Module() for _ in range(2)], zoo.interface)):
        found = imitated(z[[0, 5]], others)
        assert "imitation_error" not in found
        assert found["known"].tolist() == imitated(z[[0, 5]])["known"].tolist()


class Module(torch.nn.Module):
    """Says what it reads, as one-hot numbers alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not x.is_floating_point():
            raise TypeError("numbers are read")
        return x


def test_an_imitation_is_the_same_when_read_again(tmp_path: Path, zoo: Zoo, z: np.ndarray, imitated: Knowledge) -> None:
    imitated.write(tmp_path)
    read, networks = Knowledge.read(tmp_path), zoo.networks([0, 5, 7])
    assert read is not None
    assert (
        read(z[[0, 5, 7]], networks)["imitation_error"].tolist()
        == imitated(z[[0, 5, 7]], networks)["imitation_error"].tolist()
    )
    content = (tmp_path / EMULATOR).read_bytes()
    (tmp_path / EMULATOR).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RNN2VecError, match="differs from its recorded checksum"):
        Knowledge.read(tmp_path)
    (tmp_path / EMULATOR).unlink()
    with pytest.raises(RNN2VecError):
        Knowledge.read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 8}, {"hidden_size": 1 << 40}, {"num_layers": 0}, {"conditioning": "last"}, {"starts": []},
        {"starts": [6]}, {"steps": 1}, {"limit": None}, {"input_size": None}, {"num_layers": 1 << 20},
        {"steps": 1 << 30}, {"starts": [4] * 5000}, {"embedding_size": 6}, {"output_size": 1}, {"interface": {}},
    ],
)  # fmt: skip
def test_an_imitation_of_another_kind_is_refused(tmp_path: Path, imitated: Knowledge, change: dict[str, Any]) -> None:
    imitated.write(tmp_path)
    record = json.loads((tmp_path / RECORD).read_text())
    record["imitation"] |= change
    del record[OWN]
    (tmp_path / RECORD).write_text(json.dumps(sealed(record)))
    with pytest.raises(RNN2VecError, match=r"not the knowledge of an encoder|do not fit"):
        Knowledge.read(tmp_path)


def test_an_encoder_of_no_place_is_refused_in_a_line() -> None:
    with pytest.raises(RNN2VecError, match="formal-languages"):
        load_encoder("formal-language")


def test_a_directory_comes_before_an_encoder_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo: Zoo
) -> None:
    monkeypatch.chdir(tmp_path)
    build_encoder("noninteractive", zoo.interface, 0).save_pretrained(tmp_path / "formal-languages")
    assert load_encoder("formal-languages").name == "noninteractive"


def test_encoders_of_the_package_are_small_and_tell_their_figures() -> None:
    assert shipped() == ["formal-languages", "sequential-digits"]
    for name in shipped():
        assert sum(path.stat().st_size for path in (SHIPPED / name).iterdir()) < 3 << 20
        card = (SHIPPED / name / "README.md").read_text()
        figures = json.loads((SHIPPED / name / "figures.json").read_text())
        assert all(f"| {key} | {value:.4f} |" in card for key, value in figures.items())


def test_the_encoder_of_the_package_tells_the_language_of_any_gru(grus: Population) -> None:
    found = load_encoder("formal-languages").predict(grus)
    told = list(zip(*(found[name].tolist() for name in ("mb", "mc", "md")), strict=True))
    assert told == [language.shifts for language in LANGUAGES]
    assert found["known"].all()
    assert (found["imitation_error"] < 0.02).all()


def test_it_does_not_know_automata_and_untrained_networks() -> None:
    numbers = np.random.default_rng(0)

    def machine() -> MealyMachine:
        rows = numbers.integers(0, 4, (4, 6)).tolist(), numbers.integers(0, 6, (4, 6)).tolist()
        return MealyMachine(*(tuple(map(tuple, part)) for part in rows))

    encoder = load_encoder("formal-languages")
    untrained = Population.initialise(Architecture.stack("gru", 6, 24, 1, 6), 0, range(20))
    for strangers in (realise([machine() for _ in range(20)]), untrained.with_interface(encoder.interface)):
        assert not encoder.predict(strangers)["known"].any()


@needs_mnist
def test_the_encoder_of_the_package_tells_the_angle_of_any_gru() -> None:
    encoder, angles = load_encoder("sequential-digits"), [40.0, 120.0, 200.0]
    grus = Population.initialise(Architecture.stack("gru", 16, 40, 1, 10), 0, range(len(angles)), encoder.interface)
    tasks, optimizer = [TiledDigits(each, "mnist", str(MNIST)) for each in angles], AdamW.start(grus, 0.0)
    numbers = [np.random.default_rng(number) for number in range(len(angles))]
    for step in range(700):
        read, named = zip(*(task.sample(32, own) for task, own in zip(tasks, numbers, strict=True)), strict=True)
        inputs, targets = torch.from_numpy(np.stack(read)), torch.from_numpy(np.stack(named))
        train_step(grus, optimizer, inputs, targets, 0.005 if step < 500 else 0.001)
    found = encoder.predict(grus)
    assert np.abs(found["angle"] - angles).max() < 15
    assert found["known"].all()
    assert not encoder.predict(Population.initialise(grus.architecture, 1, range(9), encoder.interface))["known"].any()


def test_predict_from_the_shell(tmp_path: Path, grus: Population) -> None:
    import safetensors.torch

    names = {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}
    for number in range(len(grus)):
        own = {f"core.{name}" if name in names else name: part[number].clone() for name, part in grus.weights.items()}
        safetensors.torch.save_file(own, tmp_path / f"gru{number}.safetensors")
    said = tmp_path.parent / f"{tmp_path.name}.toml"
    said.write_text('head = ["linear"]')
    arguments = ["predict", str(tmp_path), "--encoder", "formal-languages", "--declare", str(said)]
    plain = CliRunner().invoke(app, [*arguments, "--json"])
    assert plain.exit_code == 0, plain.output
    rows = json.loads(plain.stdout)["networks"]
    assert [(row["mb"], row["mc"], row["md"], row["known"]) for row in rows] == [
        (*language.shifts, True) for language in LANGUAGES
    ]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "gru2" in shown.output
    assert "(1.00)" in shown.output


def test_numbers_have_as_many_digits_as_their_error_takes() -> None:
    found = {
        "known": np.ones(4, dtype=bool),
        "year": np.array([1974.3, 123456.0, 0.25, 3.0]), "year_error": np.array([12.0, 4321.0, 0.00123, 0.0]),
    }  # fmt: skip
    cells = [_cells(found, np.zeros(4), row)["year"] for row in range(4)]
    assert cells == ["1974\n(12)", "123456\n(4321)", "0.2500\n(0.0012)", "3\n(0)"]


def test_predictions_for_unknown_networks_are_not_shown() -> None:
    found = {
        "known": np.array([True, False]),
        "mb": np.array([2, 1]), "mb_confidence": np.array([0.5, 1.0]),
        "accuracy": np.array([0.25, 0.5]), "accuracy_error": np.array([0.125, 0.125]),
    }  # fmt: skip
    strange = np.array([0.333, 41.0])
    assert _cells(found, strange, 0) == {"known": "yes\n(0.33)", "mb": "2\n(0.50)", "accuracy": "0.25\n(0.12)"}
    assert _cells(found, strange, 1) == {"known": "no\n(41.00)", "mb": "-", "accuracy": "-"}


SOUND = Interface(Numbers(1, -1.0, 1.0), Numbers(2))


@pytest.fixture
def answered() -> tuple[Imitation, Population, np.ndarray]:
    torch.manual_seed(0)
    emulator = Emulator(1, 2, embedding_size=4, hidden_size=6, num_layers=1, conditioning="every").eval()
    emulator.spread.copy_(torch.tensor([0.5, 2.0]))
    networks = Population.initialise(Architecture.stack("gru", 1, 8, 1, 2), 0, range(70), SOUND)
    z = np.random.default_rng(0).normal(size=(70, 4)).astype(np.float32)
    return Imitation(emulator, SOUND, Answered.like(stimuli(SOUND.inputs, 0, 20, 30)), 0.5), networks, z


@torch.no_grad()
def test_what_writes_nothing_is_imitated_in_its_answers(answered: tuple[Imitation, Population, np.ndarray]) -> None:
    imitation, networks, z = answered
    assert isinstance(imitation.imitated, Answered)
    assert imitation.imitated.questions.shape == (16, 30, 1)
    errors = imitation.errors(networks, z)
    for row in (0, 69):
        asked = torch.from_numpy(imitation.imitated.questions)[None]
        said, told = networks[[row]].run(asked)[0][0], imitation.emulator(torch.from_numpy(z[[row]]), asked)[0][0]
        unit = torch.tensor([0.5, 2.0])
        off, varying = (said - told) / unit, (said - said.mean((0, 1))) / unit
        assert errors[row] == pytest.approx(
            float(off.square().mean().sqrt() / varying.square().mean().sqrt()), rel=1e-4
        )
    assert not imitation.reads(Population.initialise(Architecture.stack("gru", 1, 8, 1, 1), 0, [0], Interface(
        Numbers(1, -1.0, 1.0), Numbers(1))))  # fmt: skip


def test_what_is_not_explained_is_0_for_the_same_and_1_for_the_mean() -> None:
    answers = torch.randn(3, 4, 50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 10.0]) + 5
    unit, mean = torch.tensor([1.0, 10.0]), answers.mean((1, 2), keepdim=True).expand_as(answers)
    numbers = Numbers(2)
    np.testing.assert_allclose(numbers.unexplained(answers, answers, unit), 0.0)
    np.testing.assert_allclose(numbers.unexplained(answers, mean, unit), 1.0, rtol=1e-5)
    np.testing.assert_allclose(numbers.unexplained(1e-3 * answers, 1e-3 * mean, unit), 0.1, rtol=0.1)  # flat
    shares = answers.softmax(-1)
    expected = 0.5 * (shares - shares.flip(2)).abs().sum(-1).mean((1, 2))
    np.testing.assert_allclose(Classes(2).unexplained(shares, shares.flip(2), torch.ones(2)), expected, rtol=1e-5)


@pytest.mark.parametrize("damage", [None, np.zeros((2, 3)), np.full((2, 3, 1), np.nan, np.float32), "many"])
def test_questions_of_an_imitation_are_kept_or_refused(
    tmp_path: Path, knowledge: Knowledge, answered: tuple[Imitation, Population, np.ndarray], damage: object
) -> None:
    imitation, networks, z = answered
    numbers = dataclasses.replace(knowledge, labels=(), z=z, imitation=imitation)
    numbers.write(tmp_path)
    read = Knowledge.read(tmp_path)
    assert read is not None
    np.testing.assert_allclose(read(z, networks)["imitation_error"], numbers(z, networks)["imitation_error"])
    tensors = safetensors.numpy.load_file(tmp_path / TENSORS)
    if damage is None:
        del tensors[QUESTIONS]
    else:
        large = np.zeros((1 << 10, 1 << 13, 1), np.float32)
        tensors[QUESTIONS] = large if isinstance(damage, str) else damage
    content = safetensors.numpy.save(tensors)
    (tmp_path / TENSORS).write_bytes(content)
    record = json.loads((tmp_path / RECORD).read_text())
    record[CHECKSUMS][TENSORS] = hashlib.sha256(content).hexdigest()
    (tmp_path / RECORD).write_text(json.dumps(sealed({name: own for name, own in record.items() if name != OWN})))
    with pytest.raises(RNN2VecError, match="not the knowledge of an encoder"):
        Knowledge.read(tmp_path)
