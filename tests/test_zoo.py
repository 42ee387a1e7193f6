"""Zoos: the same bytes however they are built, what the files say, how they are split, and what damage is found."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch

from altered_zoos import flip_a_byte, put_nan, rewrite_index, rewrite_shard, row_checksum
from rnn2vec import (
    FormalLanguage,
    Population,
    Recipe,
    RNN2VecError,
    Zoo,
    build_zoo,
    split_zoo,
    zoo_recipe,
)
from rnn2vec.engine import backend_name
from rnn2vec.families.formal_languages import Languages
from rnn2vec.networks.sampling import sample_strings
from rnn2vec.randomness import generator
from rnn2vec.tasks.formal_language import BOS
from rnn2vec.zoo.build import train_population
from rnn2vec.zoo.memory import check_memory
from rnn2vec.zoo.recipes import recipe_from_dict

FileBytes = Callable[[Path], dict[str, bytes]]


def final_weights(zoo: Zoo) -> torch.Tensor:
    """All parameters of all snapshots, in the order of the table."""
    return zoo.population().flatten()


@pytest.fixture
def copy(tiny_zoo: Zoo, tmp_path: Path) -> Path:
    """A copy of the tiny zoo, to be damaged."""
    return Path(shutil.copytree(tiny_zoo.directory, tmp_path / "copy"))


# --- built in any way, a zoo is the same ---


@pytest.mark.parametrize("models_per_shard", [1, 8])
def test_weights_do_not_depend_on_the_shards(
    tiny_zoo: Zoo, tiny_recipe: Recipe, tmp_path: Path, models_per_shard: int
) -> None:
    recipe = dataclasses.replace(tiny_recipe, models_per_shard=models_per_shard)
    zoo = build_zoo(recipe, tmp_path / "zoo")
    assert len(list((tmp_path / "zoo" / "weights").iterdir())) == 8 // models_per_shard
    assert torch.equal(final_weights(zoo), final_weights(tiny_zoo))
    strings, expected = zoo.traces().inputs, tiny_zoo.traces().inputs
    assert (strings == expected).mean() > 0.99  # drawn at the same numbers; only what outputs are may round otherwise


@pytest.mark.parametrize(
    ("fields", "batch_size"),
    [
        ({"cell": "lstm", "hidden_size": 5}, 3),
        ({"cell": "gru", "hidden_size": 7, "num_layers": 2}, 1),
        ({"cell": "elman", "hidden_size": 5, "nonlinearity": "relu"}, 3),
    ],
    ids=["lstm", "gru", "elman"],
)
def test_weights_do_not_depend_on_the_shards_at_odd_sizes(
    tmp_path: Path, fields: dict[str, Any], batch_size: int
) -> None:
    if backend_name() == "torch":  # whose products are rounded by where a matrix of odd size lies
        fields, batch_size = fields | {"hidden_size": 8}, 4
    recipe = zoo_recipe(
        "formal-languages",
        "demo",
        models=8,
        steps=12,
        snapshots=(12,),
        batch_size=batch_size,
        traces=1,
        evaluation_strings=1,
        **fields,
    )
    built = []
    for models_per_shard in (1, 3, 8):
        cut = dataclasses.replace(recipe, models_per_shard=models_per_shard)
        built.append(final_weights(build_zoo(cut, tmp_path / str(models_per_shard))))
    assert torch.equal(built[0], built[1])
    assert torch.equal(built[1], built[2])


def test_two_workers_write_the_same_bytes_as_one(
    tiny_zoo: Zoo, tiny_recipe: Recipe, tmp_path: Path, file_bytes: FileBytes
) -> None:
    done: Counter[int] = Counter()
    build_zoo(tiny_recipe, tmp_path / "zoo", 2, lambda shard, amount, note: done.update({shard: amount}))
    assert file_bytes(tmp_path / "zoo") == file_bytes(tiny_zoo.directory)
    assert done == {0: 36, 1: 36, 2: 24}


def test_the_seed_decides(tiny_zoo: Zoo, tiny_recipe: Recipe, tmp_path: Path, file_bytes: FileBytes) -> None:
    build_zoo(tiny_recipe, tmp_path / "again")
    assert file_bytes(tmp_path / "again") == file_bytes(tiny_zoo.directory)
    other = build_zoo(dataclasses.replace(tiny_recipe, seed=1), tmp_path / "other")
    assert (final_weights(other) == final_weights(tiny_zoo)).float().mean() < 0.01
    assert not np.array_equal(other.traces().inputs, tiny_zoo.traces().inputs)


@pytest.mark.parametrize("steps_done", [1, 30, 40, 80])
def test_an_interrupted_build_goes_on(
    tiny_zoo: Zoo, tiny_recipe: Recipe, tmp_path: Path, file_bytes: FileBytes, steps_done: int
) -> None:
    done = 0

    def interrupt(shard: int, amount: int, note: str) -> None:
        nonlocal done
        done += amount
        if done >= steps_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_zoo(tiny_recipe, tmp_path / "zoo", on_progress=interrupt)
    assert (tmp_path / "zoo" / "building.json").is_file()
    with pytest.raises(RNN2VecError, match="build has not finished: run the same command again"):
        Zoo.open(tmp_path / "zoo")
    kept = {path: path.stat().st_ino for path in (tmp_path / "zoo" / "traces").glob("*")}
    reports: Counter[str] = Counter()
    build_zoo(tiny_recipe, tmp_path / "zoo", on_progress=lambda shard, amount, note: reports.update({note: amount}))
    assert {path: path.stat().st_ino for path in kept} == kept  # not written again
    assert reports["kept"] == 36 * len(kept)
    assert sum(reports.values()) == 96
    assert file_bytes(tmp_path / "zoo") == file_bytes(tiny_zoo.directory)


@pytest.mark.parametrize(
    "lost",
    [
        ["traces/00001.safetensors"],
        ["traces/00000.safetensors", "weights/00000.safetensors", "snapshots.parquet"],
        ["traces/00000.safetensors", "traces/00001.safetensors", "traces/00002.safetensors"],
        [],
    ],
)
@pytest.mark.parametrize("damage", [Path.unlink, flip_a_byte], ids=["lost", "one byte altered"])
def test_only_lost_or_damaged_shards_are_built_again(
    tiny_zoo: Zoo,
    tiny_recipe: Recipe,
    copy: Path,
    file_bytes: FileBytes,
    lost: list[str],
    damage: Callable[[Path], object],
) -> None:
    (copy / "zoo.json").unlink()
    for name in lost:
        damage(copy / name)
    (copy / "building.json").write_text(json.dumps(tiny_recipe.to_dict()))
    (copy / "built").mkdir()
    for shard in range(3):
        names = {kind: f"{kind}/{shard:05d}.safetensors" for kind in ("weights", "traces")}
        checksums = {kind: tiny_zoo.checksums[name] for kind, name in names.items()}
        (copy / "built" / f"{shard:05d}.json").write_text(json.dumps(checksums))
    kept: set[int] = set()
    build_zoo(tiny_recipe, copy, on_progress=lambda shard, _, note: kept.add(shard) if note == "kept" else None)
    assert kept == {0, 1, 2} - {int(Path(name).stem) for name in lost if name.endswith(".safetensors")}
    assert file_bytes(copy) == file_bytes(tiny_zoo.directory)


def test_shards_without_a_record_are_trained_again_and_said_so(
    tiny_zoo: Zoo, tiny_recipe: Recipe, copy: Path, file_bytes: FileBytes
) -> None:
    (copy / "zoo.json").unlink()
    (copy / "building.json").write_text(json.dumps(tiny_recipe.to_dict()))  # as an earlier version left it
    for path in copy.glob("*/00002.safetensors"):
        path.unlink()
    told: list[tuple[int, int, str]] = []
    build_zoo(tiny_recipe, copy, on_progress=lambda *what: told.append(what))
    assert [what for what in told if "no record" in what[2]] == [
        (shard, 0, f"shard {shard} has no record: trained again") for shard in (0, 1)
    ]
    assert sum(amount for _, amount, _ in told) == 96
    assert file_bytes(copy) == file_bytes(tiny_zoo.directory)


BRIEF = {"models": 4, "steps": 3, "snapshots": (0, 3), "hidden_size": 8, "traces": 2, "evaluation_strings": 2}


@pytest.fixture(scope="module")
def brief_zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """The smallest zoo with several shards."""
    recipe = zoo_recipe("formal-languages", "demo", **BRIEF, models_per_shard=2)
    return build_zoo(recipe, tmp_path_factory.mktemp("brief") / "zoo")


@pytest.mark.parametrize("moment", range(1, 21))
def test_a_build_killed_while_it_writes_goes_on(
    brief_zoo: Zoo, tmp_path: Path, file_bytes: FileBytes, moment: int
) -> None:
    """Marker, three files a shard, table, card and index, each with two synchronisations: killed at any of them."""

    class Killed(BaseException):
        """Stands for the end of the process: nothing is tidied up."""

    calls = 0
    fsync = os.fsync

    def die(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            raise Killed
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", die)
        with pytest.raises(Killed):
            build_zoo(brief_zoo.recipe, tmp_path / "zoo")
    build_zoo(brief_zoo.recipe, tmp_path / "zoo")
    assert file_bytes(tmp_path / "zoo") == file_bytes(brief_zoo.directory)


@pytest.mark.parametrize("moment", [1, 3, 5, 11])
def test_a_build_that_finds_the_disk_full_goes_on(
    brief_zoo: Zoo, tmp_path: Path, file_bytes: FileBytes, moment: int
) -> None:
    calls = 0
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(RNN2VecError, match=r"no space left on the disk for .*run the same command again"):
            build_zoo(brief_zoo.recipe, tmp_path / "zoo")
    assert not list(tmp_path.rglob("*.partial"))
    build_zoo(brief_zoo.recipe, tmp_path / "zoo")
    assert file_bytes(tmp_path / "zoo") == file_bytes(brief_zoo.directory)


def test_a_build_refuses_what_is_not_its_own(
    tiny_zoo: Zoo, tiny_recipe: Recipe, tmp_path: Path, file_bytes: FileBytes
) -> None:
    with pytest.raises(RNN2VecError, match=r"was begun with another \(seed 0 there, 9 here\)"):
        build_zoo(dataclasses.replace(tiny_recipe, seed=9), tiny_zoo.directory)
    before = file_bytes(tiny_zoo.directory)
    assert len(build_zoo(tiny_recipe, tiny_zoo.directory)) == len(tiny_zoo)  # its own is kept
    assert file_bytes(tiny_zoo.directory) == before
    (tmp_path / "file").write_text("something")
    with pytest.raises(RNN2VecError, match=r"file already exists"):
        build_zoo(tiny_recipe, tmp_path / "file")
    with pytest.raises(RNN2VecError, match="already exists"):
        build_zoo(tiny_recipe, tmp_path)
    assert os.listdir(tmp_path) == ["file"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "building.json").write_text(json.dumps(dataclasses.replace(tiny_recipe, seed=9).to_dict()))
    with pytest.raises(RNN2VecError, match=r"other was begun with another \(seed 9 there, 0 here\)"):
        build_zoo(tiny_recipe, other)
    assert os.listdir(other) == ["building.json"]
    (other / "building.json").write_text("{")
    with pytest.raises(RNN2VecError, match=r"plan of the zoo .*building\.json is not valid JSON"):
        build_zoo(tiny_recipe, other)


def test_a_recipe_without_strings_leaves_nothing_behind(tiny_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(RNN2VecError, match="a window holds at least"):
        build_zoo(dataclasses.replace(tiny_recipe, task_set=Languages(length=3)), tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"hidden_size": 100_000}, "lower hidden_size or num_layers \\(--hidden-size, --layers\\)"),
        ({"batch_size": 10**9}, "lower batch_size \\(--batch-size\\)"),
        ({"traces": 10**9, "evaluation_strings": 10**9}, "lower traces"),
        ({"models": 2**31 - 1}, "lower models \\(--models\\)"),
        ({"hidden_size": 2**31 - 1}, "million GB of memory"),
    ],
    ids=str,
)
def test_what_no_memory_can_hold_is_refused_before_anything_is_written(
    fields: dict[str, int], remedy: str, tmp_path: Path
) -> None:
    recipe = zoo_recipe("formal-languages", "demo", **fields)
    with pytest.raises(
        RNN2VecError, match=rf"needs at least .* of memory, this machine has .* GB: .*{remedy}|{remedy}"
    ):
        build_zoo(recipe, tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


def test_memory_is_compared_with_what_training_holds(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three networks of a shard: weights, gradients, two moments and three snapshots, in float32, and more."""
    deep = tiny_recipe.architecture.resized(cell="gru", num_layers=3)
    assert deep.num_parameters == sum(math.prod(shape) for shape in deep.parameter_shapes().values())
    least = 3 * tiny_recipe.architecture.num_parameters * 4 * (4 + 3)
    monkeypatch.setattr("rnn2vec.zoo.memory.physical_memory", lambda: least)
    with pytest.raises(RNN2VecError, match=r"needs at least .* of memory"):
        build_zoo(tiny_recipe, tmp_path / "zoo")
    monkeypatch.setattr("rnn2vec.zoo.memory.physical_memory", lambda: 2 * least)
    check_memory(tiny_recipe)
    with pytest.raises(RNN2VecError, match=r"lower workers \(--workers\)"):
        build_zoo(tiny_recipe, tmp_path / "zoo", workers=3)
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr("rnn2vec.zoo.memory.physical_memory", lambda: None)  # where the system does not say
    check_memory(tiny_recipe, 10**9)


def test_a_refused_recipe_leaves_room_for_another(tiny_zoo: Zoo, tiny_recipe: Recipe, tmp_path: Path) -> None:
    diverging = dataclasses.replace(tiny_recipe, learning_rates=(1e30, 1e30, 1e30))
    for _ in range(2):
        with pytest.raises(RNN2VecError, match="weights stay finite"):
            build_zoo(diverging, tmp_path / "zoo")
        assert not (tmp_path / "zoo").exists()
    (tmp_path / "zoo").mkdir()
    with pytest.raises(RNN2VecError, match="weights stay finite"):
        build_zoo(diverging, tmp_path / "zoo")
    assert os.listdir(tmp_path / "zoo") == []
    assert torch.equal(final_weights(build_zoo(tiny_recipe, tmp_path / "zoo")), final_weights(tiny_zoo))


def test_a_build_that_fails_keeps_the_shards_that_are_there(tiny_recipe: Recipe, tmp_path: Path) -> None:
    class Failure(Exception):
        """Of anything."""

    def fail(shard: int, amount: int, note: str) -> None:
        if shard == 1:
            raise Failure

    with pytest.raises(Failure):
        build_zoo(tiny_recipe, tmp_path / "zoo", on_progress=fail)
    assert (tmp_path / "zoo" / "building.json").is_file()
    assert (tmp_path / "zoo" / "weights" / "00000.safetensors").is_file()


def test_a_network_whose_answers_are_not_finite_is_named(tiny_recipe: Recipe, tmp_path: Path) -> None:
    class Endless(type(tiny_recipe)):  # type: ignore[misc]
        """Networks of which one says what no float16 holds."""

        def observe(self, population: Population, models: Any, step: int) -> dict[str, np.ndarray]:
            observed = super().observe(population, models, step)
            observed["outputs"][1, 0, 0, 0] = -np.inf
            return observed

    recipe = Endless(**{field.name: getattr(tiny_recipe, field.name) for field in dataclasses.fields(tiny_recipe)})
    with pytest.raises(RNN2VecError, match="outputs stay finite; those of model 1 are not at step 0"):
        build_zoo(recipe, tmp_path / "zoo")


def test_diverging_training_names_the_network(tiny_recipe: Recipe, tmp_path: Path) -> None:
    recipe = dataclasses.replace(tiny_recipe, learning_rates=(1e30, 1e30, 1e30))
    with pytest.raises(RNN2VecError, match=r"those of model 0 are not at step 5: choose another seed"):
        build_zoo(recipe, tmp_path / "zoo")


# --- what is in it ---


def test_training_learns_the_languages(trained_zoo: Zoo) -> None:
    accuracy = trained_zoo.column("accuracy").reshape(4, -1)
    assert trained_zoo.column("step").reshape(4, -1).tolist() == [[0, 50, 100, 200, 400]] * 4
    assert accuracy[:, -1].mean() > 0.7, accuracy
    assert accuracy[:, 0].max() < 0.1


@pytest.mark.parametrize("which", ["tiny_zoo", "trained_zoo"])
def test_stored_outputs_are_those_of_the_stored_weights(request: pytest.FixtureRequest, which: str) -> None:
    zoo: Zoo = request.getfixturevalue(which)
    traces = zoo.traces()
    assert traces.inputs.shape == (len(zoo), zoo.recipe.traces, zoo.task_set.length)
    assert traces.outputs.shape == (len(zoo), zoo.recipe.traces, zoo.task_set.length - 1, 6)
    assert (traces.inputs.dtype, traces.outputs.dtype) == (np.int8, np.float16)
    assert (traces.inputs[:, :, 0] == BOS).all()
    found = zoo.population().run(torch.from_numpy(traces.inputs[:, :, :-1]))[0].log_softmax(-1).double().numpy()
    stored = traces.outputs.astype(np.float64)
    # float16 rounds by 2**-11 of the number at most; what is left is single precision's
    assert (np.abs(found - stored) - 2.0**-11 * np.abs(stored)).max() < 5e-5
    np.testing.assert_allclose(np.exp(stored).sum(-1), 1, atol=3e-3)


def test_strings_are_drawn_from_the_stored_probabilities(trained_zoo: Zoo) -> None:
    """Mean log-likelihood against its expectation, minus the entropy: for each step of training."""
    traces, steps = trained_zoo.traces(), trained_zoo.column("step")
    log_probabilities = traces.outputs.astype(np.float64)
    chosen = np.take_along_axis(log_probabilities, traces.inputs[:, :, 1:, None].astype(np.int64), -1)[..., 0]
    probabilities = np.exp(log_probabilities)
    expected = (probabilities * log_probabilities).sum(-1)
    variance = (probabilities * log_probabilities**2).sum(-1) - expected**2
    for step in (0, 50, 100, 200):
        rows = steps == step
        z = (chosen - expected)[rows].sum() / np.sqrt(variance[rows].sum())
        assert abs(z) < 4.5, step
        assert variance[rows].mean() > 0.01


def test_stored_accuracy_is_the_share_of_accepted_strings(trained_zoo: Zoo) -> None:
    inputs, accuracy = trained_zoo.traces().inputs, trained_zoo.column("accuracy")
    for row in range(len(trained_zoo)):
        language = FormalLanguage(*(int(shift) for shift in trained_zoo.tasks[row]), 20, 5)
        assert accuracy[row] == pytest.approx(language.accept(inputs[row]).mean(), abs=1e-6)
    assert len(np.unique(accuracy)) > 8


def test_every_string_has_random_numbers_of_its_own(trained_zoo: Zoo, tiny_zoo: Zoo) -> None:
    untrained = trained_zoo.traces(np.flatnonzero(trained_zoo.column("step") == 0)).inputs
    assert len(np.unique(untrained.reshape(-1, 20), axis=0)) > 0.99 * 4 * 200
    # networks that have hardly learnt: the same random numbers would give nearly the same strings
    strings = tiny_zoo.traces().inputs.reshape(8, 3, 4, 20)[..., 1:]
    assert (strings[:, 0] == strings[:, 1]).mean() < 0.4
    assert (strings[:4] == strings[4:]).mean() < 0.4


def test_strings_are_drawn_at_given_numbers() -> None:
    """By inverting the cumulative distribution: a Markov chain against numpy."""
    numbers = np.random.default_rng(0)
    transitions = numbers.dirichlet(np.ones(6), size=(2, 6))
    uniforms = numbers.random((2, 30, 8))
    uniforms[:, 0], uniforms[:, 1] = 0.0, np.nextafter(1, 0)
    logits = torch.from_numpy(np.log(transitions)) + 3.0  # of any scale
    seen = []

    def step(tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        seen.append(state)
        return torch.stack([logits[n][tokens[n]] for n in range(2)]), len(seen)

    tokens, log_probabilities = sample_strings(step, torch.from_numpy(uniforms), BOS, keep=3)
    assert seen == [None, *range(1, 8)]  # the state is handed on
    assert (tokens[:, :, 0] == BOS).all()
    assert log_probabilities.shape == (2, 3, 8, 6)
    for n, b, t in np.ndindex(2, 30, 8):
        before, after = (int(token) for token in tokens[n, b, t : t + 2])
        cumulative = transitions[n, before].cumsum()
        assert after == min(5, np.searchsorted(cumulative, uniforms[n, b, t], side="right"))
        if b < 3:
            np.testing.assert_allclose(log_probabilities[n, b, t], np.log(transitions[n, before]))


def test_training_is_torchs_own(tiny_zoo: Zoo) -> None:
    """Network by network with torch.nn and torch.optim, on the batches that its key names."""
    recipe = tiny_zoo.recipe
    for model in (0, 5):
        module = Population.initialise(recipe.architecture, recipe.seed, [model]).to_modules()[0]
        optimizer = torch.optim.AdamW(module.parameters(), weight_decay=recipe.weight_decay)
        for step in range(recipe.steps):
            batch = recipe.task(model).sample(recipe.batch_size, generator(recipe.seed, model, "training", step))
            inputs, targets = map(torch.from_numpy, batch)
            outputs, _ = module(torch.nn.functional.one_hot(inputs, 6).float())
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten()).backward()
            optimizer.param_groups[0]["lr"] = recipe.learning_rate(step)
            optimizer.step()
        row = int(np.flatnonzero((tiny_zoo.column("model") == model) & (tiny_zoo.column("step") == recipe.steps))[0])
        found, expected = tiny_zoo.population([row]).flatten(), Population.from_modules([module]).flatten()
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_the_table_says_where_everything_is(tiny_zoo: Zoo) -> None:
    """Read with other people's tools: pyarrow and safetensors alone."""
    directory, population, traces = tiny_zoo.directory, tiny_zoo.population(), tiny_zoo.traces()
    table = pq.read_table(directory / "snapshots.parquet").to_pylist()
    assert [(row["model"], row["step"]) for row in table] == [(m, s) for m in range(8) for s in (0, 5, 12)]
    assert [row["shard"] for row in table] == [0] * 9 + [1] * 9 + [2] * 6
    for place, row in enumerate(table):
        weights = safetensors.numpy.load_file(directory / "weights" / f"{row['shard']:05d}.safetensors")
        for name, weight in population.weights.items():
            np.testing.assert_array_equal(weights[name][row["row"]], weight[place].numpy())
        strings = safetensors.numpy.load_file(directory / "traces" / f"{row['shard']:05d}.safetensors")
        np.testing.assert_array_equal(strings["inputs"][row["row"]], traces.inputs[place])
        np.testing.assert_array_equal(strings["outputs"][row["row"]], traces.outputs[place])
        assert strings["accuracy"][row["row"]] == np.float32(row["accuracy"])
        language = tiny_zoo.recipe.task(row["model"])
        assert (row["mb"], row["mc"], row["md"]) == language.shifts
    untrained = Population.initialise(tiny_zoo.architecture, tiny_zoo.seed, range(8))
    assert torch.equal(population[tiny_zoo.column("step") == 0].flatten(), untrained.flatten())
    index = json.loads((directory / "zoo.json").read_text())
    for name, checksum in index["checksums"].items():
        assert hashlib.sha256((directory / name).read_bytes()).hexdigest() == checksum
    every_file = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}
    assert every_file == {*index["checksums"], "zoo.json"}
    assert (directory / "README.md").read_text().startswith("---\n")


@pytest.mark.parametrize(
    "rows",
    [[5], [0, 1, 2], [23, 0, 12, 9, 8, 17], [20, 3, 20, 3, 3], list(range(23, -1, -1)), np.array([10, 1])],
    ids=str,
)
def test_rows_come_in_the_order_asked_for(tiny_zoo: Zoo, rows: list[int]) -> None:
    every, traces = final_weights(tiny_zoo), tiny_zoo.traces()
    assert len(every.unique(dim=0)) == 24
    assert torch.equal(tiny_zoo.population(rows).flatten(), every[rows])
    chosen = tiny_zoo.traces(rows)
    np.testing.assert_array_equal(chosen.inputs, traces.inputs[rows])
    np.testing.assert_array_equal(chosen.outputs, traces.outputs[rows])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (np.arange(24) % 3 == 2, range(2, 24, 3)),
        (torch.arange(24) % 3 == 2, range(2, 24, 3)),
        ([place in (4, 21) for place in range(24)], [4, 21]),
        (slice(20, None, -6), [20, 14, 8, 2]),
        (torch.tensor([7, 0]), [7, 0]),
        ([-1, 3], [23, 3]),
        (5, [5]),
    ],
    ids=["mask", "mask of torch", "mask as a list", "slice", "tensor", "from the end", "one"],
)
def test_rows_are_named_in_any_way(tiny_zoo: Zoo, name: Any, meant: list[int]) -> None:
    traces, meant = tiny_zoo.traces(), list(meant)
    assert torch.equal(tiny_zoo.population(name).flatten(), final_weights(tiny_zoo)[meant])
    for chosen in (tiny_zoo.traces(name), traces[name]):
        np.testing.assert_array_equal(chosen.inputs, traces.inputs[meant])
        np.testing.assert_array_equal(chosen.outputs, traces.outputs[meant])


@pytest.mark.parametrize("rows", [[], [24], [-25], [0, 99], [0.5], [True, False], np.zeros(24, bool)], ids=str)
def test_rows_that_are_not_there_are_refused(tiny_zoo: Zoo, rows: list[int]) -> None:
    for read in (tiny_zoo.population, tiny_zoo.traces, tiny_zoo.traces().__getitem__, tiny_zoo.task):
        with pytest.raises(RNN2VecError, match=r"network .*0\.\.23|one network of 24|mask of booleans|24 in all"):
            read(rows)


def test_one_snapshot_has_a_task(tiny_zoo: Zoo) -> None:
    assert tiny_zoo.task(-1) == tiny_zoo.task(23) == tiny_zoo.task(np.int64(23)) == tiny_zoo.recipe.task(7)
    with pytest.raises(RNN2VecError, match="one network has one task; got 2 rows"):
        tiny_zoo.task([1, 2])  # type: ignore[arg-type]


def test_networks_to_train_are_named_as_rows_are(tiny_recipe: Recipe) -> None:
    recipe = dataclasses.replace(tiny_recipe, steps=2, snapshots=(2,))
    mask = np.arange(8) % 4 == 1
    expected = next(train_population(recipe, [1, 5]))[1].flatten()
    assert torch.equal(next(train_population(recipe, mask))[1].flatten(), expected)
    with pytest.raises(RNN2VecError, match=r"each network has a number in 0\.\.7"):
        next(train_population(recipe, [8]))


def test_columns(tiny_zoo: Zoo) -> None:
    assert len(tiny_zoo) == 24
    np.testing.assert_array_equal(tiny_zoo.tasks[:, 1], tiny_zoo.column("mc"))
    with pytest.raises(RNN2VecError, match=r"columns of this zoo are name, source, .*; got 'angle'"):
        tiny_zoo.column("angle")


# --- recipes ---


def test_balanced_languages_are_dealt_out_evenly() -> None:
    recipe = zoo_recipe("formal-languages", "demo", models=150)
    tasks = [recipe.task(model).shifts for model in range(150)]
    for deal in (tasks[:64], tasks[64:128]):
        assert len(set(deal)) == 64
    assert len(set(tasks[128:])) == 22
    assert tasks[:64] != tasks[64:128]
    assert tasks != [dataclasses.replace(recipe, seed=1).task(model).shifts for model in range(150)]
    more = dataclasses.replace(recipe, models=200)
    assert tasks == [more.task(model).shifts for model in range(150)]


@pytest.mark.parametrize("family", ["formal-languages", "sequential-digits"])
@pytest.mark.parametrize("model", [-1, 128, 0.5, True])
def test_a_network_that_a_recipe_lacks_has_no_task(family: str, model: Any) -> None:
    with pytest.raises(RNN2VecError, match="the number of a network is"):
        zoo_recipe(family, "demo").task(model)


def test_uniform_languages_are_drawn_for_each_network() -> None:
    recipe = zoo_recipe("formal-languages", "demo", models=640, assignment="uniform")
    counts = Counter(recipe.task(model).shifts for model in range(640))
    assert len(counts) == 64
    assert 10 < max(counts.values()) < 30  # ten each on average; balanced would be ten exactly


def test_the_learning_rate_is_linear_between_three_values() -> None:
    recipe = zoo_recipe("formal-languages", "paper")
    rates = [recipe.learning_rate(step) for step in (0, 5000, 10_000, 15_000, 20_000)]
    assert rates == pytest.approx([0.01, 0.0065, 0.003, 0.00165, 0.0003])


@pytest.mark.parametrize("preset", ["demo", "laptop", "paper"])
def test_a_recipe_survives_json(preset: str) -> None:
    recipe = zoo_recipe("formal-languages", preset, seed=5, cell="elman", nonlinearity="relu", hidden_size=3)
    assert (recipe.seed, recipe.architecture.cell, recipe.architecture.widest) == (5, "elman", 3)
    assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_other_steps_bring_other_snapshots() -> None:
    assert zoo_recipe("formal-languages", "demo", steps=150).snapshots == (0, 50, 100, 150)
    assert zoo_recipe("formal-languages", "demo", steps=100).snapshots == (0, 50, 100)
    assert zoo_recipe("formal-languages", "demo", steps=100, snapshots=(7,)).snapshots == (7,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"models": 0}, "models is at least 1; got 0"),
        ({"batch_size": 0}, "batch_size is at least 1"),
        ({"models_per_shard": 0}, "models_per_shard is at least 1"),
        ({"snapshots": (0, 900)}, r"within 0\.\.800; got \[0, 900\]"),
        ({"snapshots": (5, 5)}, "snapshots ascend"),
        ({"snapshots": (-1, 5)}, "snapshots ascend"),
        ({"snapshots": ()}, "snapshots"),
        ({"shifts": ()}, "shifts"),
        ({"learning_rates": (0.01,)}, "learning_rates"),
        ({"evaluation_strings": 10}, "evaluation_strings is at least 50; got 10"),
        ({"assignment": "random"}, "balanced, uniform; got 'random'"),
        ({"family": "digits"}, "formal-languages, sequential-digits; got 'digits'"),
        ({"cell": "rwkv"}, "a cell is one of"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"momentum": 0.9}, "unknown field of a zoo recipe.*momentum"),
        ({"models": 999999999999999999999}, "models is at most 2147483647; got 9{21}"),
        ({"models": "8"}, r"models is a whole number; got '8'"),
        ({"models": True}, r"models is a whole number; got True"),
        ({"steps": 1e400}, r"steps is a whole number; got inf"),
        ({"steps": 2**31}, "steps is at most"),
        ({"steps": [1]}, r"steps is a whole number; got \[1\]"),
        ({"seed": 0.9}, r"seed is a whole number; got 0.9"),
        ({"seed": None}, r"seed is a whole number; got None"),
        ({"seed": 2**200}, "seed is at most"),
        ({"batch_size": 0.5}, "batch_size is a whole number"),
        ({"snapshots": "0"}, "snapshots is a list; got '0'"),
        ({"snapshots": (0, 0.5)}, r"each of snapshots is a whole number; got 0.5"),
        (
            {"learning_rates": (0.1, float("nan"), 0.1)},
            "each of learning_rates is a finite number of at least 0; got nan",
        ),
        ({"learning_rates": (0.1, -0.1, 0.1)}, "each of learning_rates is a finite number of at least 0; got -0.1"),
        ({"learning_rates": (0.1, 10**400, 0.1)}, "each of learning_rates is a finite number"),
        ({"learning_rates": 0.1}, "learning_rates is a list"),
        ({"weight_decay": float("inf")}, "weight_decay is a finite number"),
        ({"weight_decay": "0"}, "weight_decay is a finite number of at least 0; got '0'"),
        ({"shifts": (0.5,)}, "each of shifts is a whole number"),
        ({"shifts": range(-50, 51)}, "1..100 of them; got 101"),
        ({"shifts": (0, 9)}, "a window holds at least"),
        ({"shifts": (-5, 0)}, "max_n must be larger"),
        ({"length": "20"}, "length is a whole number"),
        ({"max_n": 0}, "max_n is at least 1"),
        ({"assignment": []}, r"balanced, uniform; got \[\]"),
        ({"num_layers": 2**40}, "num_layers is at most 1000"),
        ({"hidden_size": 10**400}, "hidden_size is at most"),
        ({"input_size": 3}, "networks of formal-languages have 6 inputs and 6 outputs"),
        ({"architecture": "lstm"}, "architecture"),
        ({"family": ["formal-languages"]}, "families of tasks are"),
        ({"preset": {}}, "zoo presets are"),
    ],
    ids=str,
)
def test_a_wrong_recipe_is_explained(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        zoo_recipe(**{"family": "formal-languages", "preset": "demo"} | fields)


def test_a_number_too_long_to_write_is_explained() -> None:
    for field in ("models", "seed"):
        with pytest.raises(RNN2VecError, match=rf"{field} is at most .*; got a very long int"):
            zoo_recipe("formal-languages", "demo", **{field: 10**5000})


def test_a_recipe_holds_plain_numbers() -> None:
    """Whatever they are given as, they equal what is read from JSON again."""
    recipe = zoo_recipe(
        "formal-languages",
        "demo",
        models=np.int64(8),
        steps=12,
        snapshots=np.array([0, 12]),
        learning_rates=[np.float32(0.5), 1, 0],
        seed=np.uint8(3),
    )
    assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert (recipe.models, recipe.steps, recipe.snapshots, recipe.learning_rates) == (8, 12, (0, 12), (0.5, 1.0, 0.0))
    with pytest.raises(RNN2VecError, match=r"sequential-digits has the fields .*; got directory, too"):
        recipe_from_dict(zoo_recipe("sequential-digits", "demo").to_dict() | {"directory": "/"})


def test_an_unknown_preset_is_explained() -> None:
    with pytest.raises(RNN2VecError, match="demo, laptop, paper; got 'huge'"):
        zoo_recipe("formal-languages", "huge")


# --- splits ---


@pytest.fixture(scope="module")
def many_languages(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Hardly trained networks of 64 languages, some of them twice, two snapshots each."""
    recipe = zoo_recipe(
        "formal-languages",
        "demo",
        models=80,
        steps=1,
        hidden_size=4,
        batch_size=1,
        traces=1,
        evaluation_strings=1,
        models_per_shard=80,
    )
    return build_zoo(recipe, tmp_path_factory.mktemp("many") / "zoo")


def languages_of(zoo: Zoo, rows: np.ndarray) -> set[tuple[int, ...]]:
    """The languages of some rows."""
    return {tuple(task) for task in zoo.tasks[rows].tolist()}


def test_no_language_is_in_two_parts(many_languages: Zoo) -> None:
    zoo, split = many_languages, split_zoo(many_languages)
    parts = [split.train, split.validation, split.ood]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(zoo)))
    train, validation, ood = (languages_of(zoo, rows) for rows in parts)
    assert not train & validation
    assert not train & ood
    assert not validation & ood
    assert (len(train), len(validation), len(ood)) == (44, 10, 10)


def test_out_of_distribution_is_what_is_smallest(many_languages: Zoo) -> None:
    zoo, split = many_languages, split_zoo(many_languages)
    size = np.abs(zoo.tasks).sum(1)
    assert size[split.ood].max() <= size[np.concatenate([split.train, split.validation])].min()
    seen, unseen = languages_of(zoo, split.ood_seen), languages_of(zoo, split.ood_unseen)
    assert len(seen) == len(unseen) == 5
    assert not seen & unseen
    assert sorted([*split.ood_seen, *split.ood_unseen]) == split.ood.tolist()


def test_a_split_is_random_and_reproducible(many_languages: Zoo) -> None:
    first, again = split_zoo(many_languages), split_zoo(Zoo.open(many_languages.directory))
    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))
    reseeded = dataclasses.replace(many_languages, index=dataclasses.replace(many_languages.index, seed=1))
    assert languages_of(reseeded, split_zoo(reseeded).validation) != languages_of(many_languages, first.validation)
    assert len({task[0] for task in languages_of(many_languages, first.validation)}) > 1  # not one corner of the grid


def test_too_few_languages_cannot_be_split(tiny_zoo: Zoo) -> None:
    with pytest.raises(RNN2VecError, match="at least 10 languages in the zoo; this one has 8"):
        split_zoo(tiny_zoo)


# --- damage ---


def test_a_sound_zoo_has_no_problems(tiny_zoo: Zoo, trained_zoo: Zoo) -> None:
    assert tiny_zoo.verify() == []
    assert trained_zoo.verify() == []


def test_a_folder_that_is_no_zoo(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(RNN2VecError, match=f"{re.escape(str(directory))} has none: make one with `rnn2vec zoo"):
            Zoo.open(directory)


INDEX_DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "newer schema": (lambda index: index.update(schema_version=3), r"schema version 3, .* up to 2: upgrade"),
    "no schema": (lambda index: index.pop("schema_version"), "states no schema_version"),
    "schema as text": (lambda index: index.update(schema_version="1"), "states no schema_version"),
    "no recipe": (lambda index: index.pop("recipe"), "it lacks recipe"),
    "no checksums": (lambda index: index.pop("checksums"), "it lacks checksums"),
    "a field too many": (
        lambda index: index["recipe"].update(momentum=1),
        "has the fields .*momentum",
    ),
    "a field too few": (lambda index: index["recipe"].pop("steps"), "recipe of formal-languages has the fields"),
    "a wrong architecture": (lambda index: index["architectures"][0].update(cell="rwkv"), "a cell is one of"),
    "architecture as text": (lambda index: index.update(architectures=["lstm"]), "architecture"),
    "no architecture": (lambda index: index.update(architectures=[]), "architectures"),
    "architectures of a recipe": (
        lambda index: index["architectures"].append(index["architectures"][0]),
        "the architectures of a zoo differ; got LSTM",
    ),
    "another interface": (
        lambda index: index["interface"].update(outputs={"kind": "numbers", "size": 6}),
        "networks of formal-languages have the interface 6 tokens in, 6 classes out; got .*6 numbers out",
    ),
    "other sizes": (lambda index: index["architectures"][0].update(output_size=5), "6 inputs and 6 outputs"),
    "an unknown kind of label": (
        lambda index: index["labels"].update(mb="colour"),
        "class, number, angle; got 'colour'",
    ),
    "labels as text": (lambda index: index.update(labels="mb"), "labels of a zoo are a JSON object"),
    "no snapshots": (lambda index: index["recipe"].update(snapshots=[]), "snapshots"),
}


@pytest.mark.parametrize(("change", "message"), INDEX_DAMAGE.values(), ids=INDEX_DAMAGE)
def test_a_damaged_index_is_explained(copy: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    rewrite_index(copy, change)
    with pytest.raises(RNN2VecError, match=message):
        Zoo.open(copy)


def test_an_index_that_is_no_json(copy: Path) -> None:
    content = (copy / "zoo.json").read_bytes()
    (copy / "zoo.json").write_bytes(content[: len(content) // 2])
    with pytest.raises(RNN2VecError, match=rf"zoo index {re.escape(str(copy / 'zoo.json'))} is not valid JSON"):
        Zoo.open(copy)


def test_a_damaged_table_is_named(copy: Path) -> None:
    path = copy / "snapshots.parquet"
    flip_a_byte(path)
    with pytest.raises(RNN2VecError, match=rf"{re.escape(str(path))} differs from its recorded checksum"):
        Zoo.open(copy)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    rewrite_index(copy, lambda index: index["checksums"].update({"snapshots.parquet": checksum}))
    with pytest.raises(RNN2VecError, match=rf"cannot read {re.escape(str(path))}"):
        Zoo.open(copy)
    path.unlink()
    with pytest.raises(RNN2VecError, match=rf"cannot read {re.escape(str(path))}"):
        Zoo.open(copy)


FILE_DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "emptied": lambda path: path.write_bytes(b""),
    "one byte altered": flip_a_byte,
    "missing": Path.unlink,
    "another shard's": lambda path: shutil.copy(path.with_name("00000.safetensors"), path),
}


@pytest.mark.parametrize("damage", FILE_DAMAGE.values(), ids=FILE_DAMAGE)
@pytest.mark.parametrize("kind", ["weights", "traces"])
def test_a_damaged_shard_is_named(tiny_zoo: Zoo, copy: Path, kind: str, damage: Callable[[Path], object]) -> None:
    path = copy / kind / "00001.safetensors"
    damage(path)
    zoo = Zoo.open(copy)
    damaged, other = (zoo.population, zoo.traces) if kind == "weights" else (zoo.traces, zoo.population)
    with pytest.raises(RNN2VecError, match=re.escape(str(path))):
        damaged([0, 17])
    other([0, 17])
    damaged([0, 20])  # the shards beside it are sound
    problems = zoo.verify()
    assert len(problems) == 1, problems
    assert str(path) in problems[0]


@pytest.mark.parametrize("kind", ["weights", "traces"])
def test_rows_beside_a_damaged_one_are_read(tiny_zoo: Zoo, copy: Path, kind: str) -> None:
    """Each is held against a checksum of its own, and no more is read than was asked for."""
    rewrite_shard(copy, f"{kind}/00001.safetensors", lambda tensors: None)
    path = copy / kind / "00001.safetensors"
    tensors = {name: array.copy() for name, array in safetensors.numpy.load(path.read_bytes()).items()}
    changed = tensors["linear.bias" if kind == "weights" else "outputs"]
    changed[4] = changed[5]
    path.write_bytes(safetensors.numpy.save(tensors))
    zoo, names = Zoo.open(copy), ["population", "traces"]
    read = getattr(zoo, names[kind == "traces"])
    for rows in ([9, 10, 11, 12], [17, 14]):
        found, expected = read(rows), getattr(tiny_zoo, names[kind == "traces"])(rows)
        if kind == "weights":
            assert torch.equal(found.flatten(), expected.flatten())
        else:
            np.testing.assert_array_equal(found.outputs, expected.outputs)
    for rows in ([13], [12, 13, 14]):
        with pytest.raises(RNN2VecError, match=rf"row 4 of {re.escape(str(path))} differs from its recorded checksum"):
            read(rows)
    assert len(zoo.verify()) == 1


def test_the_checksum_of_a_row_is_of_its_bytes(tiny_zoo: Zoo) -> None:
    """Tensor by tensor in the architecture's order, so that others can check it."""
    weights = {name: weight.numpy() for name, weight in tiny_zoo.population().weights.items()}
    traces = tiny_zoo.traces()
    arrays = {"inputs": traces.inputs, "outputs": traces.outputs}
    for row in range(len(tiny_zoo)):
        names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "linear.weight", "linear.bias"]
        assert tiny_zoo.column("weights_sha256")[row] == row_checksum(weights, row, names)
        assert tiny_zoo.column("traces_sha256")[row] == row_checksum(arrays, row, ["inputs", "outputs"])


TENSOR_DAMAGE: dict[str, tuple[str, Callable[[dict[str, np.ndarray]], object], str]] = {
    "NaN weights": ("weights", put_nan("weight_hh_l0"), "holds NaN or infinity"),
    "NaN in the head": ("weights", put_nan("linear.bias"), "holds NaN or infinity"),
    "a tensor too few": ("weights", lambda tensors: tensors.pop("linear.bias"), "missing.*: linear.bias"),
    "another shape": (
        "weights",
        lambda t: t.update(weight_hh_l0=np.ascontiguousarray(t["weight_hh_l0"].transpose(0, 2, 1))),
        "weight_hh_l0",
    ),
    "weights of too few snapshots": (
        "weights",
        lambda t: t.update({name: np.ascontiguousarray(array[:-1]) for name, array in t.items()}),
        "has 8 rows; the table asks for row 8",
    ),
    "traces of too few snapshots": (
        "traces",
        lambda t: t.update({name: np.ascontiguousarray(array[:-1]) for name, array in t.items()}),
        "has 8 rows; the table asks for row 8",
    ),
    "no outputs": ("traces", lambda tensors: tensors.pop("outputs"), "holds inputs(, | and )outputs"),
    "outputs of too few snapshots": (
        "traces",
        lambda t: t.update(outputs=np.ascontiguousarray(t["outputs"][:-1])),
        "00001.safetensors|shard 1",
    ),
}


@pytest.mark.parametrize(("kind", "change", "message"), TENSOR_DAMAGE.values(), ids=TENSOR_DAMAGE)
def test_tensors_that_do_not_fit_are_explained(
    copy: Path, kind: str, change: Callable[[dict[str, np.ndarray]], object], message: str
) -> None:
    rewrite_shard(copy, f"{kind}/00001.safetensors", change)
    zoo = Zoo.open(copy)
    read = zoo.population if kind == "weights" else zoo.traces
    with pytest.raises(RNN2VecError, match=message):
        read()
    problems = zoo.verify()
    assert len(problems) == 1, problems
    assert re.search(message, problems[0])


VERIFIED: dict[str, tuple[Callable[[dict[str, np.ndarray]], object], str]] = {
    "NaN outputs": (put_nan("outputs"), "outputs hold NaN"),
    "shorter strings": (
        lambda t: t.update(inputs=np.ascontiguousarray(t["inputs"][:, :, :-1])),
        r"(in|out)puts have the shape.*00001",
    ),
    "fewer outputs": (
        lambda t: t.update(outputs=np.ascontiguousarray(t["outputs"][:, :, :-1])),
        r"(in|out)puts have the shape.*00001",
    ),
    "fewer classes": (
        lambda t: t.update(outputs=np.ascontiguousarray(t["outputs"][..., :-1])),
        r"(in|out)puts have the shape.*00001",
    ),
}


@pytest.mark.parametrize(("change", "message"), VERIFIED.values(), ids=VERIFIED)
def test_verify_looks_at_the_traces(
    copy: Path, change: Callable[[dict[str, np.ndarray]], object], message: str
) -> None:
    rewrite_shard(copy, "traces/00001.safetensors", change)
    problems = Zoo.open(copy).verify()
    assert len(problems) == 1, problems
    assert re.search(message, problems[0])


@pytest.mark.parametrize(
    ("damaged", "spoiled", "tensor"), [("weights", "traces", "outputs"), ("traces", "weights", "linear.bias")]
)
def test_verify_looks_at_the_other_file_of_a_damaged_shard(copy: Path, damaged: str, spoiled: str, tensor: str) -> None:
    flip_a_byte(copy / damaged / "00001.safetensors")
    rewrite_shard(copy, f"{spoiled}/00001.safetensors", put_nan(tensor))
    problems = Zoo.open(copy).verify()
    assert len(problems) == 2, problems
    assert "checksum" in problems[0]
    assert "NaN" in problems[1]


def test_verify_lists_every_problem_once(copy: Path) -> None:
    flip_a_byte(copy / "weights" / "00000.safetensors")
    (copy / "traces" / "00002.safetensors").unlink()
    flip_a_byte(copy / "README.md")
    rewrite_shard(copy, "weights/00001.safetensors", put_nan("bias_hh_l0"))
    problems = Zoo.open(copy).verify()
    assert len(problems) == 4, problems
    for name, word in {
        "weights/00000.safetensors": "checksum",
        "traces/00002.safetensors": "missing|No such file",
        "README.md": "checksum",
        "weights/00001.safetensors": "NaN",
    }.items():
        assert any(str(copy / name) in problem and re.search(word, problem) for problem in problems), (name, problems)


def test_a_shard_nobody_recorded_is_not_read(copy: Path) -> None:
    rewrite_index(copy, lambda index: index["checksums"].pop("weights/00001.safetensors"))
    zoo = Zoo.open(copy)
    with pytest.raises(RNN2VecError, match=r"weights/00001\.safetensors"):
        zoo.population([10])
    assert zoo.verify() != []


def test_rows_are_chosen_by_what_their_columns_hold(tiny_zoo: Zoo) -> None:
    last = tiny_zoo.where(step=12)
    rows = np.flatnonzero(tiny_zoo.column("step") == 12)
    assert len(last) == len(rows) == 8
    assert last.column("name").tolist() == tiny_zoo.column("name")[rows].tolist()
    assert torch.equal(last.population().flatten(), tiny_zoo.population(rows).flatten())
    np.testing.assert_array_equal(last.traces().inputs, tiny_zoo.traces(rows).inputs)
    np.testing.assert_array_equal(last.tasks, tiny_zoo.tasks[rows])
    assert last.steps == (12,)
    assert len(tiny_zoo.where(step=["5", 12.0], model=[0, 1])) == 4  # as a command line spells numbers
    assert len(last.where(model=3)) == 1
    assert last.verify() == []  # of the whole zoo
    with pytest.raises(RNN2VecError, match=r"none is left by step=7: that column holds 0, 5, 12$"):
        tiny_zoo.where(step=7)
    with pytest.raises(RNN2VecError, match="columns of this zoo are"):
        tiny_zoo.where(colour="red")
