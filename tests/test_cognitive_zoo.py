"""Zoos of cognitive tasks: several cells in one zoo, masks, noise and fixed rates in training, and what follows."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from altered_zoos import put, rewrite_table
from rnn2vec import Architecture, Population, Recipe, RNN2VecError, Zoo, build_zoo, zoo_recipe
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import pretrain_into
from rnn2vec.evaluation.evaluate import evaluate
from rnn2vec.evaluation.page import write_report
from rnn2vec.evaluation.properties import properties_of, shown_by
from rnn2vec.evaluation.results import collect_results
from rnn2vec.families.cognitive_tasks import CognitiveRecipe, CognitiveTasks
from rnn2vec.networks.dimensions import dimensions
from rnn2vec.tasks.cognitive import TASKS
from rnn2vec.tasks.cognitive.reaching import Go
from rnn2vec.zoo.build import train_population
from rnn2vec.zoo.split import split_zoo

FileBytes = Callable[[Path], dict[str, bytes]]
CELLS = ("leaky-softplus-inside", "gru")


def recipe_of(**fields: object) -> Recipe:
    """Networks that are barely trained."""
    tiny = {"models": 24, "steps": 4, "snapshots": (0, 4), "hidden_size": 8, "batch_size": 4, "traces": 3}
    return zoo_recipe("cognitive-tasks", "demo", **(tiny | {"evaluation_trials": 5, "models_per_shard": 5} | fields))


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return recipe_of(cells=CELLS, kinds=("go", "path integration"))


@pytest.fixture(scope="module")
def zoo(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return build_zoo(recipe, tmp_path_factory.mktemp("cognitive") / "zoo")


def by_model(zoo: Zoo) -> list[torch.Tensor]:
    """The weights of every network of two architectures, in the order of the table."""
    return [zoo.population(row).flatten()[0] for row in range(len(zoo))]


def test_a_zoo_of_two_cells_is_sound_and_balanced(zoo: Zoo) -> None:
    assert zoo.verify() == []
    assert [str(own).split(",")[0] for own in zoo.architectures] == ["leaky (softplus", "GRU"]
    assert Zoo.open(zoo.directory).recipe == zoo.recipe
    counts = Counter(zip(zoo.column("architecture").tolist(), zoo.column("task").tolist(), strict=True))
    assert counts == {(cell, task): 12 for cell in (0, 1) for task in ("go", "path integration")}
    assert sorted(set(zoo.column("cell"))) == ["GRU", "leaky (softplus, leak inside)"]
    one, other = (zoo.tasks[zoo.column("architecture") == cell] for cell in (0, 1))
    assert np.array_equal(one, other)  # what a cell is cannot be read from its tasks
    shard_of = {tuple(own) for own in np.stack([zoo.column("shard"), zoo.column("architecture")], 1)}
    assert len(shard_of) == len(np.unique(zoo.column("shard"))) == 6


def test_a_name_that_is_not_the_tasks_is_found(zoo: Zoo, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(zoo.directory, tmp_path / "copy"))
    rewrite_table(copy, put("task", "juggling"))
    (problem,) = Zoo.open(copy).verify()
    assert "task of 1 rows is not what the seed of its recipe gives: juggling in row 10" in problem


def test_an_architecture_that_is_not_the_recipes_is_found(tmp_path: Path) -> None:
    build_zoo(recipe_of(cells=("leaky", "leaky-softplus"), models=2), tmp_path / "zoo")

    def swapped(table: pa.Table) -> pa.Table:
        place = table.column_names.index("architecture")
        return table.set_column(place, "architecture", pa.array(1 - table["architecture"].to_numpy()))

    rewrite_table(tmp_path / "zoo", swapped)
    (problem,) = Zoo.open(tmp_path / "zoo").verify()
    assert "architecture of 4 rows is not what its shard and row gives: 1 in row 0, where 0 is right" in problem


@pytest.mark.parametrize("models_per_shard", [4, 16])
def test_weights_do_not_depend_on_the_shards(zoo: Zoo, recipe: Recipe, tmp_path: Path, models_per_shard: int) -> None:
    cut = build_zoo(dataclasses.replace(recipe, models_per_shard=models_per_shard), tmp_path / "zoo")
    assert all(torch.equal(own, other) for own, other in zip(by_model(cut), by_model(zoo), strict=True))


def test_two_workers_write_the_same_bytes_as_one(
    zoo: Zoo, recipe: Recipe, tmp_path: Path, file_bytes: FileBytes
) -> None:
    build_zoo(recipe, tmp_path / "zoo", 2)
    assert file_bytes(tmp_path / "zoo") == file_bytes(zoo.directory)


def test_rates_of_leaky_cells_stay(zoo: Zoo) -> None:
    leaky = zoo.population(np.flatnonzero((zoo.column("architecture") == 0) & (zoo.column("step") == 4)))
    assert (leaky.weights["leak_l0"] == 0.2).all()
    first = zoo.population(np.flatnonzero((zoo.column("architecture") == 0) & (zoo.column("step") == 0)))
    assert (leaky.weights["weight_hh_l0"] != first.weights["weight_hh_l0"]).any()


def trained(recipe: Recipe, models: slice = slice(0, 2)) -> torch.Tensor:
    """Weights after the last step."""
    return [population.flatten().clone() for _, population in train_population(recipe, models)][-1]


def test_each_cell_begins_where_it_can_learn_to_remember() -> None:
    for cell, times in (("elman", 1 / 3), ("leaky-softplus-inside", 3.0), ("leaky", 1.0), ("lstm", 1.0), ("gru", 1.0)):
        recipe = recipe_of(cells=[cell])
        ours, usual = (
            make.weights
            for make in (recipe.start(recipe.architecture, [5]), Population.initialise(recipe.architecture, 0, [5]))
        )
        assert recipe.learning_rate(0, recipe.architecture) == pytest.approx(0.003 * times)
        difference = ours["weight_hh_l0"][0] - usual["weight_hh_l0"][0]
        assert bool(difference.any()) == (times != 1)
        if times != 1:
            torch.testing.assert_close(ours["weight_hh_l0"][0], torch.eye(8) + 0.3 * usual["weight_hh_l0"][0])
        gates = torch.zeros(ours["bias_hh_l0"].shape[1])
        gates[8:16] = float(cell == "lstm")
        torch.testing.assert_close(ours["bias_hh_l0"][0] - usual["bias_hh_l0"][0], gates)


@dataclasses.dataclass(frozen=True)
class _Told(CognitiveRecipe):
    """All networks do one task."""

    told: Go = dataclasses.field(default_factory=lambda: Go(2, 10, 1.0))

    def task(self, model: int) -> Go:
        return self.told


class _Nonsense(Go):
    def sample(self, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inputs, targets, mask = super().sample(size, generator)
        return inputs, np.where((mask == 0)[..., None], np.float32(1e6), targets), mask


def test_steps_that_do_not_count_teach_nothing() -> None:
    plain = {field.name: getattr(recipe_of(), field.name) for field in dataclasses.fields(CognitiveRecipe)}
    sound, masked = (trained(_Told(**plain, told=kind(2, 10, 1.0))) for kind in (Go, _Nonsense))
    assert torch.equal(sound, masked)


def test_noise_is_in_the_layers_of_cells_that_have_a_definition_of_it() -> None:
    for cell, same in (("leaky", False), ("elman", False), ("gru", True), ("lstm", True)):
        quiet, noisy = (trained(recipe_of(cells=[cell], recurrent_noise=sigma)) for sigma in (0.0, 0.5))
        assert torch.equal(quiet, noisy) == same


def test_gradients_are_clipped() -> None:
    loose, tight = (trained(recipe_of(clip=clip)) for clip in (100.0, 1e-4))
    assert not torch.equal(loose, tight)


def test_networks_learn(tmp_path: Path) -> None:
    recipe = recipe_of(models=4, hidden_size=16, kinds=("go", "anti-go"), steps=250, snapshots=(0, 250), batch_size=16)
    zoo = build_zoo(dataclasses.replace(recipe, evaluation_trials=100), tmp_path / "zoo")
    accuracy, loss = zoo.column("accuracy"), zoo.column("loss")
    assert (accuracy[zoo.column("step") == 0] < 0.5).all()
    assert (accuracy[zoo.column("step") == 250] > 0.8).all()
    assert (loss[1::2] < 0.3 * loss[::2]).all()


def test_every_kind_and_every_setting_is_dealt_once_before_any_again() -> None:
    recipe = recipe_of(models=16 * 12, kinds=tuple(kind.name for kind in TASKS))
    dealt = Counter(tuple(recipe.task(model).parameters.values()) for model in range(recipe.models))
    for kind in TASKS:
        own = {setting: count for setting, count in dealt.items() if setting[0] == kind.number}
        assert sum(own.values()) == 12
        assert max(own.values()) <= 1 + 11 // int(np.prod([len(values) for values in kind.grid]))


def test_the_largest_parameters_of_a_kind_are_held_out() -> None:
    settings = [(0, size, delay, strength) for size in (2, 4, 8) for delay in (10, 20) for strength in (0.5, 1.0)]
    tasks = np.array([*settings, *((14, size, delay, 1.0) for size in (0, 4) for delay in (6, 10, 15))])
    order = np.random.default_rng(0).permutation(len(tasks))
    held = {tuple(row) for row in tasks[CognitiveTasks().ood_tasks(tasks, order)]}
    assert (0, 8, 20, 1.0) in held
    assert (14, 4, 15, 1.0) in held
    assert len(held) == 3
    few = tasks[[0, 5, 12]]
    assert [tuple(few[row]) for row in CognitiveTasks().ood_tasks(few, np.arange(3))] == [tuple(few[1])]


def test_a_parameter_that_a_task_has_not_is_not_read_from_it(zoo: Zoo) -> None:
    (set_size,) = (each for each in properties_of(zoo) if each.name == "set_size")
    shown = shown_by(dataclasses.replace(set_size, of_task=False), zoo)
    assert np.array_equal(shown, zoo.column("set_size") != 0)
    assert 0 < shown.sum() < len(zoo)


def test_the_participation_ratio_counts_dimensions() -> None:
    drawn = np.random.default_rng(0).normal(size=(3, 4000, 1, 6))
    drawn[1, ..., 2:] = 0
    drawn[2] = drawn[2, ..., :1]
    assert dimensions(drawn) == pytest.approx([6, 2, 1], rel=0.02)
    assert dimensions(np.ones((1, 5, 5, 3))) == pytest.approx([0])


def test_encoders_are_pretrained_evaluated_and_reported(zoo: Zoo, tmp_path: Path) -> None:
    small = {"probes": 2, "probe_length": 6, "core_size": 8, "mlp_size": 8, "probe_init": "traces"}
    recipe = pretrain_recipe(
        "cognitive-tasks",
        "demo",
        steps=3,
        networks=6,
        emulator_size=8,
        encoder_options={"noninteractive": small, "interactive": small},
    )
    directories = []
    for name in ("interactive", "answers"):
        directories.append(tmp_path / name)
        pretrain_into(zoo.directory, name, recipe, 0, directories[-1], on_progress=lambda *told: None)
    assert len(split_zoo(zoo).ood) > 0
    evaluations = evaluate(zoo, directories, supervised_steps=2)
    results = collect_results(zoo, evaluations)
    for values in results["encoders"].values():
        assert np.isfinite(values["frozen"]["validation"]["cell"])
        assert np.isfinite(values["frozen"]["validation"]["dimensions_r2"])
    write_report(tmp_path / "report.html", zoo, directories, evaluations, results, "Cognitive tasks")
    page = (tmp_path / "report.html").read_text()
    for words in ("trials of neuroscience", "mean absolute difference", "task, of those that have learnt it"):
        assert words in page, words
    for foreign in ("language", "digit", "total variation"):
        assert foreign not in page, foreign


def test_cells_are_said_by_name_with_their_choices() -> None:
    recipe = recipe_of(cells=("lstm", "leaky-relu", "leaky-inside-softplus", "gru-before", "elman-relu"))
    assert [own.to_dict().get("leak", "outside") for own in recipe.architectures].count("inside") == 1
    assert recipe.architectures[2] == Architecture("leaky", 7, (8,), 3, nonlinearity="softplus", leak="inside")
    assert recipe.architectures[3].reset == "before"
    assert [len(recipe.networks_beside(model)) for model in (0, 5, 10, 15, 23)] == [4, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cells": ("gru", "gru")}, "the architectures of a zoo differ; got GRU.*; GRU"),
        ({"cells": ("gru-softplus",)}, "gru has a choice of after, before, tanh; got softplus"),
        ({"cells": ()}, "at least one; got none"),
        ({"cells": ("rwkv",)}, "a cell is one of"),
        ({"cells": ("gru", "lstm"), "models": 1}, "a network of each of its 2 architectures; got 1"),
        ({"kinds": ("juggling",)}, "kinds of tasks are some of go, .*; got .*juggling"),
        ({"kinds": ("go", "go")}, "each once"),
        ({"noise": -1.0}, "noise is a finite number of at least 0"),
        ({"evaluation_trials": 1}, "evaluation_trials is at least 3"),
    ],
)
def test_recipes_that_make_no_zoo_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        recipe_of(**fields)


def test_networks_of_two_cells_do_not_train_side_by_side(recipe: Recipe) -> None:
    with pytest.raises(RNN2VecError, match="networks that train side by side have one architecture; got 2"):
        next(train_population(recipe, slice(0, 24)))
