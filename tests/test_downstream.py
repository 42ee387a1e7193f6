"""What z knows: metrics and predictors, on representations whose content is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from rnn2vec import ENCODERS, Encoder, Zoo, build_encoder, build_zoo, load_encoder, split_zoo, zoo_recipe
from rnn2vec.emulation.emulate import emulation_loss, loss_of
from rnn2vec.emulation.pretrain import part_of_zoo
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import load_trained, pretrain_into
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.end_to_end import evaluate_supervised
from rnn2vec.evaluation.evaluate import evaluate
from rnn2vec.evaluation.predictors import evaluate_frozen, fit_predictors, seen_rows
from rnn2vec.evaluation.properties import Prediction, learnt, measure
from rnn2vec.families import family_of
from rnn2vec.families.kinds import KINDS, SHARE
from rnn2vec.metrics import angle_error


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A zoo of all 64 demo languages whose recorded accuracies are then taken as they come."""
    recipe = zoo_recipe(
        "formal-languages", "demo", models=64, steps=250, snapshots=(0, 100, 250), traces=2, evaluation_strings=50
    )
    return build_zoo(recipe, tmp_path_factory.mktemp("zoo") / "zoo")


@pytest.fixture(scope="module")
def able(zoo: Zoo) -> Zoo:
    """The same zoo, as if networks had learnt their language at the second snapshot of three."""
    at = {0: 0.0, 100: 0.92, 250: 0.99}
    accuracy = [at[step] + 0.0001 * model for step, model in zip(zoo.column("step"), zoo.column("model"), strict=True)]
    return with_accuracy(zoo, np.array(accuracy))


def with_accuracy(zoo: Zoo, accuracy: np.ndarray) -> Zoo:
    place = zoo.snapshots.column_names.index("accuracy")
    return dataclasses.replace(zoo, snapshots=zoo.snapshots.set_column(place, "accuracy", pa.array(accuracy)))


def prediction(shifts: np.ndarray, accuracy: np.ndarray) -> Prediction:
    """A prediction of languages and accuracies."""
    return {"mb": shifts[:, 0], "mc": shifts[:, 1], "md": shifts[:, 2], "accuracy": accuracy}


def test_angles_are_compared_on_the_circle() -> None:
    found = angle_error(np.array([359.0, 1.0, 180.0, 90.0]), np.array([1.0, 359.0, 0.0, 90.0]))
    assert found.tolist() == [2.0, 2.0, 180.0, 0.0]


def test_a_metric_is_read_by_its_kind() -> None:
    truth, far = np.array([0.0, 90.0, 350.0]), np.array([40.0, 200.0, 90.0])
    for metrics in KINDS.values():
        for metric in metrics:
            assert metric.better * metric.score(truth, truth) > metric.better * metric.score(far, truth)
            assert metric.text(float("nan")) == metric.text(None) == "-"
            assert metric.most is None or metric.score(truth, truth) in (0, metric.most)
    digits, languages = family_of("sequential-digits"), family_of("formal-languages")
    assert digits.metric("angle_error").text(12.4) == "12\u00b0"
    assert digits.metric("accuracy_r2").text(-0.456) == "-0.46"
    assert digits.metric("accuracy_error").better == -1
    assert languages.metric("mb") is languages.metric("exact") is SHARE


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


def test_a_representation_that_holds_the_labels_is_read(able: Zoo) -> None:
    z = np.concatenate([able.tasks, able.column("accuracy")[:, None]], axis=1).astype(np.float32)
    metrics = evaluate_frozen(able, z)
    for part in ("validation", "ood"):
        assert metrics[part]["exact"] > 0.95
        assert metrics[part]["accuracy_r2"] > 0.9


def test_noise_is_at_chance(able: Zoo) -> None:
    z = np.random.default_rng(0).normal(size=(len(able), 16)).astype(np.float32)
    metrics = evaluate_frozen(able, z)
    assert metrics["validation"]["exact"] < 0.15
    assert metrics["validation"]["accuracy_r2"] < 0.3


def test_one_z_for_all_is_at_chance(able: Zoo) -> None:
    metrics = evaluate_frozen(able, np.zeros((len(able), 1)))
    for part in ("validation", "ood"):
        assert metrics[part]["exact"] < 0.15
        assert metrics[part]["accuracy_r2"] < 0.05


def test_unseen_tasks_do_not_leak(able: Zoo) -> None:
    split = split_zoo(able)
    z = np.zeros((len(able), 2), dtype=np.float32)
    z[split.validation, 0] = 1  # a mark that no seen row carries
    z[split.validation, 1] = able.tasks[split.validation, 0]
    assert evaluate_frozen(able, z)["validation"]["exact"] < 0.2


def test_what_predictors_do_not_see_changes_nothing(able: Zoo) -> None:
    z = np.random.default_rng(0).normal(size=(len(able), 4))
    other = z.copy()
    seen = seen_rows(split_zoo(able))
    other[np.setdiff1d(np.arange(len(able)), seen)] *= 100.0
    one, two = fit_predictors(able, z), fit_predictors(able, other)
    assert {name: reading.to_dict() for name, reading in one.readings.items()} == {
        name: reading.to_dict() for name, reading in two.readings.items()
    }
    for name, found in one(z).items():
        np.testing.assert_array_equal(found, two(z)[name])


def test_a_property_of_the_task_is_fitted_to_networks_that_have_learnt_it(able: Zoo) -> None:
    z = np.concatenate([able.tasks, 0.01 * np.random.default_rng(0).normal(size=(len(able), 3))], axis=1)
    fresh = ~learnt(able)
    z[fresh] = np.random.default_rng(1).permutation(z[fresh])  # untrained networks tell of other languages
    predictors = fit_predictors(able, z)
    metrics = evaluate_frozen(able, z, predictors=predictors)
    assert metrics["validation"]["exact"] == metrics["ood"]["exact"] == 1
    seen = seen_rows(split_zoo(able))
    fitted = {name: reading.networks for name, reading in predictors.readings.items()}
    able_ones = int(learnt(able)[seen].sum())
    assert fitted == {"mb": able_ones, "mc": able_ones, "md": able_ones, "accuracy": len(seen)}


def test_what_no_line_divides_is_read_as_well(able: Zoo) -> None:
    angle, sign = np.pi * able.tasks[:, 0] / 4, np.random.default_rng(0).choice([-1, 1], len(able))
    z = np.stack([sign * np.cos(angle), sign * np.sin(angle), able.tasks[:, 1], able.tasks[:, 2]], axis=1)
    predictors = fit_predictors(able, z)
    assert predictors.readings["mb"].reader != "linear"
    assert predictors.readings["mc"].reader == "linear"
    line = evaluate_frozen(able, z, predictors=fit_predictors(able, z, readers=["linear"]))
    for part, metrics in evaluate_frozen(able, z, predictors=predictors).items():
        assert metrics["exact"] > 0.95
        assert line[part]["mb"] < 0.6
        assert line[part]["mc"] == 1


def test_a_zoo_that_has_learnt_nothing_says_so(zoo: Zoo) -> None:
    z = np.random.default_rng(0).normal(size=(len(zoo), 4))
    fresh = with_accuracy(zoo, np.linspace(0.0, 0.5, len(zoo)))
    predictors = fit_predictors(fresh, z)
    assert predictors.readings["mb"].note == "no network that predictors see shows the property"
    assert set(predictors(z)) == {"accuracy"}
    metrics = evaluate_frozen(fresh, z, predictors=predictors)["validation"]
    assert all(np.isnan(metrics[name]) for name in ("mb", "mc", "md", "exact", "exact_all"))
    assert np.isfinite(metrics["accuracy_r2"])


def test_representations_are_finite_and_one_for_each_snapshot(zoo: Zoo) -> None:
    z = np.zeros((len(zoo), 4))
    with pytest.raises(RNN2VecError, match="a row for each of the 192 snapshots"):
        fit_predictors(zoo, z[1:])
    z[5, 2] = np.nan
    with pytest.raises(RNN2VecError, match="with NaN or infinity"):
        evaluate_frozen(zoo, z)


def test_accuracies_that_are_all_the_same_have_no_r2(zoo: Zoo) -> None:
    same = with_accuracy(zoo, np.full(len(zoo), 0.1))
    z = np.random.default_rng(0).normal(size=(len(zoo), 4))
    metrics = evaluate_frozen(same, z)["validation"]
    assert np.isnan(metrics["accuracy_r2"])
    assert metrics["accuracy_error"] == pytest.approx(0)


def test_supervised_training_learns_the_accuracy(zoo: Zoo) -> None:
    options = {"probes": 4, "probe_length": 19, "readout": "all", "probe_init": "traces", "mlp_size": 32}
    encoder = build_encoder("noninteractive", ENCODERS["noninteractive"].form_of(zoo), 0, **options)
    recipe = pretrain_recipe("formal-languages", "demo", steps=200)
    metrics = evaluate_supervised(zoo, encoder, recipe).metrics
    assert metrics["validation"]["accuracy_r2"] > 0.4


@pytest.mark.parametrize(("steps", "what"), [(1, "its z is"), (4, "at step 1 its loss is")])
def test_a_rival_that_diverged_is_not_scored(zoo: Zoo, steps: int, what: str) -> None:
    encoder = build_encoder("statistics", ENCODERS["statistics"].form_of(zoo), 0)
    recipe = pretrain_recipe("formal-languages", "demo", steps=steps, learning_rate=1e36, warmup=0)
    with pytest.raises(RNN2VecError, match=f"training end to end diverged: {what} not finite; choose another seed"):
        evaluate_supervised(zoo, encoder, recipe)


def test_a_rival_is_read_like_every_other(able: Zoo) -> None:
    """Whatever its heads learned, its z goes through the same choice of readers, fitted to the same networks."""
    recipe = pretrain_recipe("formal-languages", "demo", steps=3)
    encoder = build_encoder("statistics", ENCODERS["statistics"].form_of(able), 0)
    rival = evaluate_supervised(able, encoder, recipe)
    z = encoder.encode(able.population())
    predictors = fit_predictors(able, z, 0)
    assert rival.metrics == evaluate_frozen(able, z, 0, predictors)
    assert {n: r.to_dict() for n, r in rival.readings.items()} == {
        n: r.to_dict() for n, r in predictors.readings.items()
    }


def test_a_rival_on_a_zoo_that_has_learnt_nothing_reads_the_rest(zoo: Zoo) -> None:
    fresh = with_accuracy(zoo, np.linspace(0.0, 0.5, len(zoo)))
    recipe = pretrain_recipe("formal-languages", "demo", steps=2)
    metrics = evaluate_supervised(
        fresh, build_encoder("statistics", ENCODERS["statistics"].form_of(zoo), 0), recipe
    ).metrics["validation"]
    assert np.isnan(metrics["mb"])
    assert np.isfinite(metrics["accuracy_r2"])


def test_an_interrupted_rival_ends_with_the_same_metrics(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn2vec.training.CHECKPOINT_SECONDS", 0.0)
    recipe, checkpoint = pretrain_recipe("formal-languages", "demo", steps=12), tmp_path / "rival.safetensors"

    def rival(seed: int = 0) -> Encoder:
        return build_encoder("interactive", ENCODERS["interactive"].form_of(zoo), seed, probes=2, probe_length=5)

    def stop_at(step: int) -> Callable[[int, str], None]:
        done = 0

        def on_progress(amount: int, note: str) -> None:
            nonlocal done
            done += amount
            if done == step:
                raise KeyboardInterrupt

        return on_progress

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
    recipe = pretrain_recipe("formal-languages", "demo", steps=3, networks=4, traces=1, emulator_size=8)
    pretrain_into(zoo.directory, name, recipe, 0, directory / name, on_progress=lambda amount, note: None)
    return directory / name


def test_predictors_go_from_one_zoo_to_another_of_other_cells(zoo: Zoo, tmp_path: Path) -> None:
    small = {"models": 64, "steps": 2, "snapshots": (0, 2), "traces": 2, "evaluation_strings": 5, "hidden_size": 5}
    other = build_zoo(zoo_recipe("formal-languages", "demo", cell="gru", **small), tmp_path / "gru")
    directory = quick_encoder(zoo, "interactive", tmp_path)
    found = evaluate(other, [directory], 0, predictors_from=zoo)[0].results
    encoder = load_encoder(directory)
    predict = fit_predictors(zoo, encoder.encode(zoo.population()))
    rows = split_zoo(other).validation
    expected = measure(other, rows, predict(encoder.encode(other.population(rows))))
    assert found["transferred"]["validation"] == pytest.approx(expected, nan_ok=True)
    assert found["transferred"] != found["frozen"]
    same = evaluate(zoo, [directory], 0, predictors_from=zoo)[0].results
    assert same["transferred"]["ood"] == pytest.approx(same["frozen"]["ood"], nan_ok=True)


def test_predictors_are_not_tested_on_tasks_they_were_fitted_to(zoo: Zoo, tmp_path: Path) -> None:
    small = {"models": 64, "steps": 1, "snapshots": (1,), "traces": 2, "evaluation_strings": 5, "seed": 1}
    other = build_zoo(zoo_recipe("formal-languages", "demo", **small), tmp_path / "other")
    with pytest.raises(RNN2VecError, match="same tasks and seed"):
        evaluate(zoo, [quick_encoder(zoo, "interactive", tmp_path)], 0, predictors_from=other)


def test_an_encoder_that_reads_weights_does_not_transfer(zoo: Zoo, tmp_path: Path) -> None:
    small = {"models": 64, "steps": 1, "snapshots": (1,), "traces": 2, "evaluation_strings": 5, "cell": "gru"}
    other = build_zoo(zoo_recipe("formal-languages", "demo", **small), tmp_path / "gru")
    with pytest.raises(RNN2VecError, match="use a probing encoder"):
        evaluate(other, [quick_encoder(zoo, "statistics", tmp_path)], 0, predictors_from=zoo)


def test_out_of_distribution_is_the_unseen_half_for_losses_and_readings_alike(zoo: Zoo, tmp_path: Path) -> None:
    directory = quick_encoder(zoo, "statistics", tmp_path)
    trained = load_trained(directory, zoo)
    loss = loss_of(zoo.interface, trained.recipe.loss)
    unseen = part_of_zoo(zoo, split_zoo(zoo).ood_unseen)
    expected = emulation_loss(trained.encoder, trained.emulator, unseen, loss)
    assert trained.record["losses"]["ood"] == pytest.approx(expected, rel=1e-5)
    assert evaluate(zoo, [directory], 0)[0].results["emulation_loss"]["ood"] == pytest.approx(expected, rel=1e-5)


def test_predictors_fitted_to_shuffled_labels_know_nothing(able: Zoo) -> None:
    z = np.concatenate([able.tasks, able.column("accuracy")[:, None]], axis=1).astype(np.float32)
    predictors = fit_predictors(able, z, shuffled=True)
    metrics = evaluate_frozen(able, z, predictors=predictors)
    assert predictors.readings["mb"].networks == learnt(able)[seen_rows(split_zoo(able))].sum()
    for part in ("validation", "ood"):
        assert metrics[part]["exact"] < 0.2
        assert metrics[part]["accuracy_r2"] < 0.2
