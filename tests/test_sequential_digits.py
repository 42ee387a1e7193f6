"""Zoos of networks that read tiled digits, from build to evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rnn2vec import ENCODERS, RNN2VecError, Zoo, build_encoder, build_zoo, split_zoo, zoo_recipe
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import pretrain_into
from rnn2vec.engine import run
from rnn2vec.evaluation.evaluate import evaluate
from rnn2vec.evaluation.page import write_report
from rnn2vec.evaluation.results import collect_results, results_table
from rnn2vec.tasks.tiled_digits import TiledDigits
from rnn2vec.zoo.recipes import recipe_from_dict


@pytest.fixture(scope="module")
def digits_zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Forty networks that have begun to read the small digits."""
    recipe = zoo_recipe(
        "sequential-digits",
        "demo",
        models=40,
        steps=200,
        snapshots=(0, 200),
        traces=12,
        hidden_size=12,
        evaluation_images=100,
    )
    return build_zoo(recipe, tmp_path_factory.mktemp("digits") / "zoo")


def test_the_zoo_is_sound_and_its_networks_learn(digits_zoo: Zoo) -> None:
    assert digits_zoo.verify() == []
    assert len(digits_zoo) == 80
    accuracy, step = digits_zoo.column("accuracy"), digits_zoo.column("step")
    assert accuracy[step == 0].mean() < 0.2
    assert accuracy[step == 200].mean() > 0.25
    reached = digits_zoo.column("validation_loss")
    assert (reached[step == 200] < reached[step == 0]).all()
    gap = digits_zoo.column("validation_loss") - digits_zoo.column("train_loss")
    np.testing.assert_allclose(digits_zoo.column("generalisation_gap"), gap, atol=1e-6)


def test_its_metrics_are_those_of_torch(digits_zoo: Zoo) -> None:
    row = 33
    task = digits_zoo.task(row)
    assert isinstance(task, TiledDigits)
    module = digits_zoo.population([row]).to_modules()[0]
    for images, column in ((task.validation[:100], "validation_loss"), (task.training[:100], "train_loss")):
        inputs, labels = task.sequences(images)
        with torch.no_grad():
            logits, _ = module(torch.from_numpy(inputs))
        targets = torch.from_numpy(np.repeat(labels[:, None], 17, axis=1))
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        assert digits_zoo.column(column)[row] == pytest.approx(float(loss), abs=1e-4)
        if column == "validation_loss":
            right = (logits[:, -1].argmax(-1).numpy() == labels).mean()
            assert digits_zoo.column("accuracy")[row] == pytest.approx(right, abs=1e-6)


def test_traces_are_validation_images_and_the_network_s_logits(digits_zoo: Zoo) -> None:
    traces = digits_zoo.traces([5])
    assert traces.inputs.shape == (1, 12, 17, 4)
    task = digits_zoo.task(5)
    assert isinstance(task, TiledDigits)
    known = {row.tobytes() for row in task.sequences(task.validation)[0]}
    assert traces.inputs.dtype == np.float32
    assert all(row.tobytes() in known for row in traces.inputs[0])
    with torch.no_grad():
        outputs, _ = run(digits_zoo.population([5]), torch.from_numpy(traces.inputs))
    np.testing.assert_allclose(traces.outputs, outputs.numpy(), atol=2e-3, rtol=1e-3)


def test_weight_decay_is_drawn_from_the_paper_s_values(digits_zoo: Zoo) -> None:
    assert set(digits_zoo.column("weight_decay")) == {0.0, 0.001, 0.01, 0.1}
    strong, weak = (
        zoo_recipe("sequential-digits", "demo", models=1, steps=30, snapshots=(30,), weight_decays=(decay,), traces=1)
        for decay in (5.0, 0.0)
    )
    from rnn2vec.zoo.build import train_population

    norms = [float(next(train_population(recipe, [0]))[1].flatten().norm()) for recipe in (strong, weak)]
    assert norms[0] < 0.8 * norms[1]


def test_angles_are_spread_and_the_last_are_out_of_distribution(digits_zoo: Zoo) -> None:
    angles = digits_zoo.tasks[::2, 0]
    assert sorted(np.floor(angles / 9).astype(int)) == list(range(40))
    split = split_zoo(digits_zoo)
    ood = digits_zoo.tasks[split.ood, 0]
    assert ood.min() >= 312
    assert digits_zoo.tasks[np.concatenate([split.train, split.validation]), 0].max() < 312
    models = digits_zoo.column("model")
    assert not set(models[split.train]) & set(models[split.validation])
    uniform = zoo_recipe("sequential-digits", "paper", source="uci")
    drawn = np.array(
        [uniform.task_set.task_from({"angle": uniform.task(model).parameters["angle"]}).angle for model in range(300)]
    )
    assert abs(drawn.mean() - 180) < 20


def test_how_a_zoo_is_cut_changes_no_network(digits_zoo: Zoo, tmp_path: Path) -> None:
    recipe = recipe_from_dict({**digits_zoo.recipe.to_dict(), "models_per_shard": 7})
    other = build_zoo(recipe, tmp_path / "zoo")
    assert torch.equal(other.population().flatten(), digits_zoo.population().flatten())
    assert other.snapshots.drop_columns(["shard", "row"]) == digits_zoo.snapshots.drop_columns(["shard", "row"])


def test_the_recipe_survives_json_without_where_the_files_are() -> None:
    recipe = zoo_recipe("sequential-digits", "laptop", directory="/somewhere", seed=3)
    stored = json.loads(json.dumps(recipe.to_dict()))
    assert "directory" not in {*stored, *stored["family"]}
    assert recipe_from_dict(stored) == recipe


def test_wrong_recipes_are_explained() -> None:
    with pytest.raises(RNN2VecError, match="mnist, uci; got 'cifar'"):
        zoo_recipe("sequential-digits", "demo", source="cifar")
    with pytest.raises(RNN2VecError, match="weight_decays"):
        zoo_recipe("sequential-digits", "demo", weight_decays=(-1.0,))
    for decays in ((float("nan"),), ("0",), (), 0.1):
        with pytest.raises(RNN2VecError, match="weight_decays"):
            zoo_recipe("sequential-digits", "demo", weight_decays=decays)
    for field, value in (("evaluation_images", 0.5), ("directory", 5), ("source", ["uci"]), ("source", None)):
        with pytest.raises(RNN2VecError, match=r"evaluation_images|path; got 5|mnist, uci; got"):
            zoo_recipe("sequential-digits", "demo", **{field: value})
    with pytest.raises(RNN2VecError, match="16 inputs"):
        zoo_recipe("sequential-digits", "laptop", input_size=3)


def test_few_networks_cannot_be_split(tmp_path: Path) -> None:
    recipe = zoo_recipe("sequential-digits", "demo", models=5, steps=1, snapshots=(0,), traces=1, evaluation_images=5)
    with pytest.raises(RNN2VecError, match="split by angle"):
        split_zoo(build_zoo(recipe, tmp_path / "zoo"))


def test_probes_stay_in_the_range_of_the_inputs(digits_zoo: Zoo) -> None:
    options = {"probes": 2, "probe_length": 17, "probe_init": "traces"}
    encoder = build_encoder("interactive", ENCODERS["interactive"].form_of(digits_zoo), 0, **options)
    population = digits_zoo.population([0, 1])
    sequences = digits_zoo.traces([1, 3]).inputs[:, 0]
    encoder.start(population, sequences)
    low, high = digits_zoo.interface.inputs.range
    asked = encoder.interrogate(population).probes
    assert low <= asked.min() < asked.max() <= high
    probing = build_encoder("noninteractive", ENCODERS["noninteractive"].form_of(digits_zoo), 0, **options)
    probing.start(population, sequences)
    found = probing.interrogate(digits_zoo.population([0])).probes[0]
    # but for black and white themselves, which a sigmoid does not reach
    np.testing.assert_allclose(found.detach(), sequences.clip(low + 0.06, high - 0.06), atol=0.01)


def test_pretraining_and_evaluation_of_digits(digits_zoo: Zoo, tmp_path: Path) -> None:
    recipe = pretrain_recipe("sequential-digits", "demo", steps=6, networks=4, traces=1, emulator_size=8)
    names = ("interactive", "statistics")
    for name in names:
        pretrain_into(digits_zoo.directory, name, recipe, 0, tmp_path / name, on_progress=lambda amount, note: None)
    directories = [tmp_path / name for name in names]
    evaluations = evaluate(digits_zoo, directories, supervised_steps=2)
    results = collect_results(digits_zoo, evaluations)
    for row in results_table(results):
        assert row["angle error"].endswith("\u00b0") or row["angle error"] == "-"
    assert [row["encoder"] for row in results_table(results)] == [*names, "the same z for all"]
    parts, split = results["zoo"]["parts"], split_zoo(digits_zoo)
    assert {part: own["snapshots"] for part, own in parts.items()} == {
        "train": len(split.train), "validation": len(split.validation), "ood": len(split.ood_unseen)
    }  # fmt: skip
    for name in names:
        for kind in ("frozen", "supervised"):
            found = results["encoders"][name][kind]["validation"]
            assert {"angle_error", "accuracy_r2", "step", "generalisation_gap_r2", "learnt"} <= set(found)
    write_report(tmp_path / "report.html", digits_zoo, directories, evaluations, results, "digits")
    page = (tmp_path / "report.html").read_text()
    assert "generalisation gap" in page
    assert "digits turned by" in page
