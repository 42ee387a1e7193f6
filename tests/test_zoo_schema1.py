"""Zoos of schema 1, built and imported: read as they were written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from altered_zoos import as_schema_1, flip_a_byte, put, rewrite_index, rewrite_table
from rnn2vec import RNN2VecError, Zoo, build_zoo, split_zoo, zoo_recipe
from rnn2vec.zoo.published import export_published, import_published


@pytest.fixture(scope="module")
def digits_zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A few networks of the small digits."""
    sizes = {"models": 4, "steps": 1, "snapshots": (0, 1), "hidden_size": 4, "traces": 2, "models_per_shard": 2}
    recipe = zoo_recipe("sequential-digits", "demo", evaluation_images=4, seed=5, **sizes)
    return build_zoo(recipe, tmp_path_factory.mktemp("digits") / "zoo")


@pytest.fixture(params=["tiny_zoo", "digits_zoo"])
def zoo(request: pytest.FixtureRequest) -> Zoo:
    """A zoo that was built now, of either family."""
    return request.getfixturevalue(request.param)


def test_it_holds_what_it_was_written_with(zoo: Zoo, tmp_path: Path) -> None:
    old = Zoo.open(as_schema_1(zoo, tmp_path / "old"))
    assert old.verify() == []
    assert old.recipe == zoo.recipe
    assert (old.task_set, old.architecture, old.interface) == (zoo.task_set, zoo.architecture, zoo.interface)
    assert (old.seed, old.models, old.steps, old.index.labels) == (zoo.seed, zoo.models, zoo.steps, zoo.index.labels)
    assert (old.column("name") == zoo.column("name")).all()
    np.testing.assert_array_equal(old.tasks, zoo.tasks)
    assert [old.task(row) for row in range(len(old))] == [zoo.task(row) for row in range(len(zoo))]
    rows = [3, 0, -1]
    assert torch.equal(old.population(rows).flatten(), zoo.population(rows).flatten())
    found, expected = old.traces(rows), zoo.traces(rows)
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    np.testing.assert_allclose(found.inputs.astype(float), expected.inputs.astype(float), rtol=2**-11, atol=1e-7)
    assert old.interface.inputs.tensor(found.inputs).dtype == zoo.interface.inputs.tensor(expected.inputs).dtype


def test_a_build_finds_its_own_zoo(tiny_zoo: Zoo, tmp_path: Path) -> None:
    directory = as_schema_1(tiny_zoo, tmp_path / "old")
    assert tiny_zoo.recipe
    assert build_zoo(tiny_zoo.recipe, directory).index.version == 1


def test_an_imported_one_has_no_recipe_that_was_invented(tiny_zoo: Zoo, tmp_path: Path) -> None:
    directory = as_schema_1(tiny_zoo, tmp_path / "old")
    arguments = {"max_n": 5, "rnn_hidden_size": 8, "rnn_num_layers": 1, "note": "ours"}

    def imported(index: dict[str, Any]) -> None:
        index["recipe"].update(assignment="listed", evaluation_strings=1000)
        index.update(published_arguments=arguments)

    rewrite_index(directory, imported)
    old = Zoo.open(directory)
    assert old.recipe is None
    assert old.verify() == []
    assert (old.models, old.steps, old.seed, str(old.task(4))) == (8, (0, 5, 12), 0, str(tiny_zoo.task(4)))
    export_published(old, tmp_path / "published")
    again = import_published(tmp_path / "published", tmp_path / "again")
    assert again.index.provenance["published_arguments"] == arguments
    assert torch.equal(again.population().flatten(), tiny_zoo.population().flatten())


@pytest.mark.parametrize("kind", ["weights", "rollouts"])
def test_a_file_is_read_and_checked_as_a_whole(tiny_zoo: Zoo, tmp_path: Path, kind: str) -> None:
    directory = as_schema_1(tiny_zoo, tmp_path / "old")
    flip_a_byte(directory / kind / "00001.safetensors")
    zoo = Zoo.open(directory)
    read = zoo.population if kind == "weights" else zoo.traces
    with pytest.raises(RNN2VecError, match=r"00001\.safetensors differs from its recorded checksum"):
        read([10])
    read([0, 20])
    assert len(zoo.verify()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.update(seed=1), "states the seed of its recipe; got 1 and 0"),
        (lambda index: index.update(family="sequential-digits"), "states the family of its recipe"),
        (lambda index: index["spec"].update(hidden_size=9), "states the spec of its recipe"),
        (lambda index: index.pop("recipe"), "has a recipe and checksums"),
        (lambda index: index["recipe"].pop("spec"), "states the spec of its recipe"),
        (lambda index: index["recipe"].pop("rollouts"), "traces is a whole number; got None"),
        (lambda index: index["recipe"].update(momentum=1), "got momentum, too"),
        (lambda index: index["recipe"].update(assignment="dealt"), "balanced, uniform; got 'dealt'"),
    ],
)
def test_a_damaged_index_is_explained(
    tiny_zoo: Zoo, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    directory = as_schema_1(tiny_zoo, tmp_path / "old")
    rewrite_index(directory, change)
    with pytest.raises(RNN2VecError, match=message):
        Zoo.open(directory)


def test_its_table_is_looked_at(tiny_zoo: Zoo, tmp_path: Path) -> None:
    directory = as_schema_1(tiny_zoo, tmp_path / "old")
    rewrite_table(directory, put("accuracy", 0.5))
    assert any("accuracy in the table is not what was measured" in problem for problem in Zoo.open(directory).verify())
    rewrite_table(directory, lambda table: table.drop_columns(["step"]))
    with pytest.raises(RNN2VecError, match="column step, and one only; there are none"):
        Zoo.open(directory)


def test_it_is_split_as_ever(tmp_path: Path) -> None:
    sizes = {"models": 64, "steps": 1, "snapshots": (1,), "hidden_size": 3, "traces": 1, "evaluation_strings": 1}
    zoo = build_zoo(zoo_recipe("formal-languages", "demo", seed=2, **sizes), tmp_path / "zoo")
    split, expected = split_zoo(Zoo.open(as_schema_1(zoo, tmp_path / "old"))), split_zoo(zoo)
    np.testing.assert_array_equal(split.validation, expected.validation)
    np.testing.assert_array_equal(split.ood_seen, expected.ood_seen)
