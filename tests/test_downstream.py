"""What z knows: metrics and predictors, on representations whose content is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rnn2vec import Encoder, Zoo, build_encoder, build_zoo, load_encoder, split_zoo, zoo_recipe
from rnn2vec.downstream.predict import embed, evaluate_frozen, evaluate_supervised, fit_predictors
from rnn2vec.downstream.properties import Prediction, angle_error, measure
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import pretrain_into
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation import evaluate


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A zoo of all 64 demo languages whose recorded accuracies are then taken as they come."""
    recipe = zoo_recipe(
        "formal-languages", "demo", models=64, steps=250, snapshots=(0, 100, 250), rollouts=2, evaluation_strings=50
    )
    return build_zoo(recipe, tmp_path_factory.mktemp("zoo") / "zoo")


def prediction(shifts: np.ndarray, accuracy: np.ndarray) -> Prediction:
    """A prediction of languages and accuracies."""
    return {"mb": shifts[:, 0], "mc": shifts[:, 1], "md": shifts[:, 2], "accuracy": accuracy}


def test_angles_are_compared_on_the_circle() -> None:
    found = angle_error(np.array([359.0, 1.0, 180.0, 90.0]), np.array([1.0, 359.0, 0.0, 90.0]))
    assert found.tolist() == [2.0, 2.0, 180.0, 0.0]


def test_measure_counts_what_it_says(zoo: Zoo) -> None:
    rows = np.argsort(-zoo.column("accuracy"))[:6]
    truth, accuracy = zoo.tasks[rows], zoo.column("accuracy")[rows]
    wrong = truth.copy()
    wrong[0, 1] += 1
    found = measure(zoo, rows, prediction(wrong, accuracy))
    able = accuracy >= 0.9
    assert found["exact_all"] == pytest.approx(5 / 6)
    assert found["accuracy_r2"] == 1
    assert found["accuracy_error"] == 0
    assert found["learnt"] == able.sum()
    if able.any():
        assert found["mc"] == pytest.approx(1 - able[0] / able.sum())
        assert found["mb"] == found["md"] == 1
    mean = measure(zoo, rows, prediction(truth, np.full(6, accuracy.mean())))
    assert mean["accuracy_r2"] == pytest.approx(0, abs=1e-6)


def test_a_representation_that_holds_the_labels_is_read(zoo: Zoo) -> None:
    z = np.concatenate([zoo.tasks, zoo.column("accuracy")[:, None]], axis=1).astype(np.float32)
    metrics = evaluate_frozen(zoo, z)
    for part in ("validation", "ood"):
        assert metrics[part]["exact_all"] > 0.95
        assert metrics[part]["accuracy_r2"] > 0.9


def test_noise_is_at_chance(zoo: Zoo) -> None:
    z = np.random.default_rng(0).normal(size=(len(zoo), 16)).astype(np.float32)
    metrics = evaluate_frozen(zoo, z)
    assert metrics["validation"]["exact_all"] < 0.15
    assert metrics["validation"]["accuracy_r2"] < 0.3


def test_unseen_tasks_do_not_leak(zoo: Zoo) -> None:
    split = split_zoo(zoo)
    z = np.zeros((len(zoo), 2), dtype=np.float32)
    z[split.validation, 0] = 1  # a mark that no seen row carries
    z[split.validation, 1] = zoo.tasks[split.validation, 0]
    assert evaluate_frozen(zoo, z)["validation"]["exact_all"] < 0.2


def test_supervised_training_learns_the_accuracy(zoo: Zoo) -> None:
    options = {"probes": 4, "probe_length": 19, "readout": "all", "probe_init": "rollouts", "mlp_size": 32}
    encoder = build_encoder("noninteractive", zoo.spec, 0, **options)
    recipe = pretrain_recipe("formal-languages", "demo", steps=200)
    metrics = evaluate_supervised(zoo, encoder, recipe).metrics
    assert metrics["validation"]["accuracy_r2"] > 0.4


def test_an_interrupted_rival_ends_with_the_same_metrics(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn2vec.emulation.checkpoint.CHECKPOINT_SECONDS", 0.0)
    recipe, checkpoint = pretrain_recipe("formal-languages", "demo", steps=12), tmp_path / "rival.safetensors"

    def rival(seed: int = 0) -> Encoder:
        return build_encoder("interactive", zoo.spec, seed, probes=2, probe_length=5)

    def stop_at(step: int) -> Callable[[int, str], None]:
        done = 0

        def report(amount: int, note: str) -> None:
            nonlocal done
            done += amount
            if done == step:
                raise KeyboardInterrupt

        return report

    whole, parts = rival(), rival()
    expected = evaluate_supervised(zoo, whole, recipe).metrics
    for step in (4, 9):
        with pytest.raises(KeyboardInterrupt):
            evaluate_supervised(zoo, rival(), recipe, 0, stop_at(step), checkpoint)
    with pytest.raises(RNN2VecError, match="belongs to an unfinished training"):
        evaluate_supervised(zoo, rival(1), recipe, 1, None, checkpoint)
    told: list[tuple[int, str]] = []
    found = evaluate_supervised(zoo, parts, recipe, 0, lambda *what: told.append(what), checkpoint)
    assert told[0] == (9, "resumed")
    assert len(told) == 1 + 12 - 9
    assert repr(found.metrics) == repr(expected)  # as text, in which NaN equals NaN
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name


def quick_encoder(zoo: Zoo, name: str, directory: Path) -> Path:
    recipe = pretrain_recipe("formal-languages", "demo", steps=3, networks=4, rollouts=1, emulator_size=8)
    pretrain_into(zoo.directory, name, recipe, 0, directory / name, report=lambda amount, note: None)
    return directory / name


def test_predictors_go_from_one_zoo_to_another_of_other_cells(zoo: Zoo, tmp_path: Path) -> None:
    small = {"models": 64, "steps": 2, "snapshots": (0, 2), "rollouts": 2, "evaluation_strings": 5, "hidden_size": 5}
    other = build_zoo(zoo_recipe("formal-languages", "demo", cell="gru", **small), tmp_path / "gru")
    directory = quick_encoder(zoo, "interactive", tmp_path)
    found = evaluate(other, [directory], 0, predictors_from=zoo)[0].results
    encoder = load_encoder(directory)
    predict = fit_predictors(zoo, embed(encoder, zoo.population()))
    rows = split_zoo(other).validation
    expected = measure(other, rows, predict(embed(encoder, other.population(rows))))
    assert found["transferred"]["validation"] == pytest.approx(expected, nan_ok=True)
    assert found["transferred"] != found["frozen"]
    same = evaluate(zoo, [directory], 0, predictors_from=zoo)[0].results
    assert same["transferred"]["ood"] == pytest.approx(same["frozen"]["ood"], nan_ok=True)


def test_predictors_are_not_tested_on_tasks_they_were_fitted_to(zoo: Zoo, tmp_path: Path) -> None:
    small = {"models": 64, "steps": 1, "snapshots": (1,), "rollouts": 2, "evaluation_strings": 5, "seed": 1}
    other = build_zoo(zoo_recipe("formal-languages", "demo", **small), tmp_path / "other")
    with pytest.raises(RNN2VecError, match="same tasks and seed"):
        evaluate(zoo, [quick_encoder(zoo, "interactive", tmp_path)], 0, predictors_from=other)


def test_an_encoder_that_reads_weights_does_not_transfer(zoo: Zoo, tmp_path: Path) -> None:
    small = {"models": 64, "steps": 1, "snapshots": (1,), "rollouts": 2, "evaluation_strings": 5, "cell": "gru"}
    other = build_zoo(zoo_recipe("formal-languages", "demo", **small), tmp_path / "gru")
    with pytest.raises(RNN2VecError, match="use a probing encoder"):
        evaluate(other, [quick_encoder(zoo, "statistics", tmp_path)], 0, predictors_from=zoo)


def test_predictors_fitted_to_shuffled_labels_know_nothing(zoo: Zoo) -> None:
    z = np.concatenate([zoo.tasks, zoo.column("accuracy")[:, None]], axis=1).astype(np.float32)
    metrics = evaluate_frozen(zoo, z, predictors=fit_predictors(zoo, z, shuffled=True))
    for part in ("validation", "ood"):
        assert metrics[part]["exact_all"] < 0.2
        assert metrics[part]["accuracy_r2"] < 0.2
