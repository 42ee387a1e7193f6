"""Zoos of networks that were not trained here: several architectures, names, labels, traces or none, and no recipe."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from altered_zoos import rewrite_index
from rnn2vec import Architecture, Interface, Mixed, Numbers, Population, RNN2VecError, Zoo, split_zoo
from rnn2vec.families.formal_languages import Languages
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.write import ROWS_PER_SHARD, Group, write_zoo

INTERFACE = Interface(Numbers(1, -1.0, 1.0), Numbers(1))
LSTM = Architecture.stack("lstm", 1, 4, 1, 1)
LEAKY = Architecture("leaky", 1, (5,), 1, leak="inside", skip=True)
LABELS = {"pedal": "class", "gain": "number", "hue": "angle"}


def group(architecture: Architecture, count: int, prefix: str, traces: bool = True, seed: int = 0) -> Group:
    """Random networks with what is known of them."""
    numbers = np.random.default_rng(seed)
    population = Population.initialise(architecture, seed, range(count), INTERFACE)
    read = Traces.of(population, numbers.uniform(-1, 1, (count, 3, 7, 1))) if traces else None
    columns = {"pedal": [f"{prefix}{place % 2}" for place in range(count)], "gain": numbers.random(count)}
    columns["hue"] = np.arange(count)
    return Group(population, [f"{prefix}-{place}" for place in range(count)], [f"{prefix}.json"] * count, columns, read)


@pytest.fixture
def groups() -> list[Group]:
    """Two kinds of networks; of the last ones nobody knows traces."""
    return [group(LSTM, 3, "a"), group(LEAKY, 2, "b", seed=1), group(LSTM, 2, "c", traces=False, seed=2)]


@pytest.fixture
def zoo(groups: list[Group], tmp_path: Path) -> Zoo:
    """A zoo of strangers' networks."""
    return write_zoo(tmp_path / "zoo", INTERFACE, groups, labels=LABELS, provenance={"from": "strangers"})


def test_what_was_written_is_read(zoo: Zoo, groups: list[Group]) -> None:
    assert zoo.verify() == []
    assert (len(zoo), zoo.models, zoo.seed, zoo.recipe) == (7, 7, 0, None)
    assert zoo.interface == INTERFACE
    assert zoo.architectures == (LSTM, LEAKY)
    assert zoo.column("name").tolist() == ["a-0", "a-1", "a-2", "b-0", "b-1", "c-0", "c-1"]
    assert zoo.column("source").tolist() == ["a.json"] * 3 + ["b.json"] * 2 + ["c.json"] * 2
    assert zoo.column("pedal").tolist() == ["a0", "a1", "a0", "b0", "b1", "c0", "c1"]
    np.testing.assert_array_equal(zoo.column("gain"), np.concatenate([own.columns["gain"] for own in groups]))
    assert (zoo.index.labels, zoo.index.provenance["from"]) == (LABELS, "strangers")
    for rows, own in (([0, 1, 2], groups[0]), ([3, 4], groups[1]), ([5, 6], groups[2])):
        found = zoo.population(rows)
        assert found.architecture == own.population.architecture
        assert torch.equal(found.flatten(), own.population.flatten())
        assert found.interface == INTERFACE


def test_rows_of_several_architectures_are_mixed_in_the_order_asked_for(zoo: Zoo, groups: list[Group]) -> None:
    inputs = torch.rand(5, 2, 6, 1)
    rows = [4, 0, 6, 3, 2]
    networks = zoo.networks(rows)
    assert isinstance(networks, Mixed)
    each = [groups[1].population[1], groups[0].population[0], groups[2].population[1]]
    each += [groups[1].population[0], groups[0].population[2]]
    expected = torch.cat([one.run(own[None])[0] for one, own in zip(each, inputs, strict=True)])
    torch.testing.assert_close(networks.run(inputs)[0], expected)
    assert isinstance(zoo.networks([6, 0]), Population)  # of one architecture, in two shards
    assert torch.equal(zoo.population([6, 0]).flatten()[1], groups[0].population.flatten()[0])


def test_what_needs_one_architecture_says_so(zoo: Zoo) -> None:
    with pytest.raises(
        RNN2VecError, match=r"2 networks asked for have 2 \(LSTM, 1 x 4.*; leaky.*zoo\.networks\(rows\)"
    ):
        zoo.population([0, 3])
    with pytest.raises(RNN2VecError, match="has one architecture; the 7 networks"):
        zoo.population()
    with pytest.raises(RNN2VecError, match=r"have 2 architectures \(LSTM.*choose rows of one"):
        zoo.architecture  # noqa: B018


def test_traces_are_kept_in_full(zoo: Zoo, groups: list[Group]) -> None:
    traces = zoo.traces([4, 1])
    assert (traces.inputs.dtype, traces.outputs.dtype) == (np.float32, np.float32)
    assert groups[0].traces
    assert groups[1].traces
    np.testing.assert_array_equal(traces.outputs, [groups[1].traces.outputs[1], groups[0].traces.outputs[1]])
    np.testing.assert_array_equal(traces.inputs[0], groups[1].traces.inputs[1].astype(np.float32))
    with pytest.raises(RNN2VecError, match=r"have no traces, such as c-1: let them read"):
        zoo.traces([0, 6])


def test_traces_of_other_shapes_are_not_read_at_once(tmp_path: Path) -> None:
    longer = group(LEAKY, 2, "b")
    read = Traces.of(longer.population, np.zeros((2, 3, 9, 1)))
    zoo = write_zoo(tmp_path / "zoo", INTERFACE, [group(LSTM, 2, "a"), dataclasses.replace(longer, traces=read)])
    assert zoo.verify() == []
    assert zoo.traces([3]).inputs.shape == (1, 3, 9, 1)
    with pytest.raises(RNN2VecError, match="read at once have one shape"):
        zoo.traces([0, 2])


def test_networks_of_no_family_are_split_by_their_files(zoo: Zoo) -> None:
    with pytest.raises(RNN2VecError, match=r"split by source needs at least 10 sources in the zoo; this one has 3"):
        split_zoo(zoo)


def test_what_needs_a_family_says_so(zoo: Zoo) -> None:
    for ask in (lambda zoo: zoo.task(0), lambda zoo: zoo.tasks, lambda zoo: zoo.family):
        with pytest.raises(RNN2VecError, match="belong to no family of tasks, and this needs one"):
            ask(zoo)
    with pytest.raises(RNN2VecError, match=r"columns of this zoo are name, .*; got 'step'"):
        zoo.steps  # noqa: B018


def test_many_networks_are_cut_into_shards(tmp_path: Path) -> None:
    count = ROWS_PER_SHARD + 2
    many = group(LSTM, count, "a", traces=False)
    zoo = write_zoo(tmp_path / "zoo", INTERFACE, [many])
    assert sorted(os.listdir(tmp_path / "zoo" / "weights")) == ["00000.safetensors", "00001.safetensors"]
    assert not (tmp_path / "zoo" / "traces").exists()
    assert zoo.verify() == []
    assert torch.equal(zoo.population().flatten(), many.population.flatten())


def test_networks_of_a_family_are_split_by_its_tasks(tmp_path: Path) -> None:
    tasks = Languages(20, 5, (-1, 0, 1, 2))
    population = Population.initialise(Architecture.stack("gru", 6, 3, 1, 6), 0, range(40), tasks.interface)
    shifts = np.array([language.shifts for language in tasks.languages])[:40]
    columns = {"mb": shifts[:, 0], "mc": shifts[:, 1], "md": shifts[:, 2]}
    columns |= {"model": np.arange(40), "step": np.full(40, 7), "accuracy": np.linspace(0, 1, 40)}
    own = Group(population, [f"n{place}" for place in range(40)], [""] * 40, columns)
    zoo = write_zoo(tmp_path / "zoo", tasks.interface, [own], task_set=tasks, seed=3)
    assert zoo.verify() == []
    assert (zoo.models, zoo.steps, zoo.family) == (40, (7,), "formal-languages")
    assert zoo.task(39) == tasks.languages[39]
    assert len(split_zoo(zoo).validation) == 6
    del columns["accuracy"]
    with pytest.raises(RNN2VecError, match=r"make no zoo: .*column accuracy"):
        write_zoo(tmp_path / "other", tasks.interface, [own], task_set=tasks)


def replaced(place: int, **fields: Any) -> Callable[[list[Group]], list[Group]]:
    """The groups with fields of one of them replaced."""

    def change(groups: list[Group]) -> list[Group]:
        changed = dict(fields)
        if "columns" in changed:
            changed["columns"] = {**groups[place].columns, **changed["columns"]}
        return [*groups[:place], dataclasses.replace(groups[place], **changed), *groups[place + 1 :]]

    return change


NARROW = Population.initialise(Architecture.stack("lstm", 2, 4, 1, 1), 0, range(3))
REFUSED: dict[str, tuple[Callable[[list[Group]], list[Group]], str]] = {
    "nothing": (lambda groups: [], "at least one group"),
    "a name twice": (replaced(1, names=["a-0", "b-1"]), "no two networks share a name; 1 are another's"),
    "an empty name": (replaced(1, names=["", "b-1"]), "have names, each some text"),
    "a number for a name": (replaced(1, names=[1, "b-1"]), "have names, each some text"),
    "too few names": (replaced(0, names=["a"]), r"columns of 3 values each.*; got names"),
    "too many labels": (replaced(1, columns={"gain": [1, 2, 3]}), r"b\.json have .* of 2 values each.*; got gain"),
    "a column of ours": (replaced(1, columns={"shard": [1, 2]}), "none called .*; got shard"),
    "columns that others lack": (replaced(1, columns={"tone": [1, 2]}), "all have the same columns"),
    "text for a number": (replaced(1, columns={"gain": ["much", "little"]}), "column gain holds numbers; got string"),
    "NaN for a number": (replaced(1, columns={"gain": [1.0, np.nan]}), "column gain holds finite numbers"),
    "another interface": (replaced(0, population=NARROW), "interface has the sizes of its networks"),
    "wider weights": (lambda groups: replaced(0, population=groups[0].population.to(torch.float64))(groups), "float32"),
    "traces of others": (lambda groups: replaced(0, traces=groups[1].traces)(groups), "there are 2 for 3 networks"),
    "NaN traces": (
        lambda groups: replaced(1, traces=Traces(np.full((2, 1, 3, 1), np.nan), np.zeros((2, 1, 3, 1))))(groups),
        "finite floats.*; those of b-0 are not",
    ),
    "tokens for traces": (
        lambda groups: replaced(1, traces=Traces(np.zeros((2, 1, 3), int), np.zeros((2, 1, 3, 1))))(groups),
        "finite floats",
    ),
    "numbers beyond float32": (
        lambda groups: replaced(1, traces=Traces(np.zeros((2, 1, 3, 1)), np.full((2, 1, 3, 1), 1e300)))(groups),
        "the outputs of a network's traces are .*finite floats",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_zoo_is_refused_before_anything_is_written(
    groups: list[Group], change: Callable[[list[Group]], list[Group]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RNN2VecError, match=message) as refused:
        write_zoo(tmp_path / "zoo", INTERFACE, change(groups), labels=LABELS)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "zoo").exists()


def test_infinite_weights_are_refused(groups: list[Group], tmp_path: Path) -> None:
    groups[1].population.weights["linear.bias"][0] = np.inf
    with pytest.raises(RNN2VecError, match=r"weights are finite numbers; b\.json holds NaN or infinity"):
        write_zoo(tmp_path / "zoo", INTERFACE, groups)


def test_an_interrupted_call_goes_on_with_the_same_networks_alone(
    groups: list[Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "zoo"

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rnn2vec.zoo.write.finish_zoo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_zoo(place, INTERFACE, groups)
    with pytest.raises(RNN2VecError, match="has not finished"):
        Zoo.open(place)
    with pytest.raises(RNN2VecError, match="was begun with another"):
        write_zoo(place, INTERFACE, groups[:2])
    assert write_zoo(place, INTERFACE, groups).verify() == []
    assert not (place / "importing.json").exists()
    with pytest.raises(RNN2VecError, match="already exists"):
        write_zoo(place, INTERFACE, groups)


def test_verify_looks_at_networks_of_no_family(zoo: Zoo) -> None:
    table = pq.ParquetFile(zoo.directory / "snapshots.parquet").read()
    assert table["traces_sha256"].null_count == 2
    rewrite_index(zoo.directory, lambda index: index["architectures"].reverse())
    problems = Zoo.open(zoo.directory).verify()
    assert len(problems) == 3
    assert all("does not fit this zoo" in problem for problem in problems)


def test_the_card_and_the_index_say_what_there_is(zoo: Zoo) -> None:
    card = (zoo.directory / "README.md").read_text()
    assert "7 networks (LSTM, 1 x 4, 1 input, 1 output; leaky" in card
    index = json.loads((zoo.directory / "zoo.json").read_text())
    assert (index["family"], index["recipe"], index["provenance"]["tool"]) == (None, None, "rnn2vec")
