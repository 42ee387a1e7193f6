"""What stays on disk is what is read at once, and is checked when it is first read."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from altered_zoos import flip_a_byte
from rnn2vec import Architecture, Classes, Interface, Networks, Numbers, Population, RNN2VecError, Tokens, Zoo
from rnn2vec.emulation.emulate import Observed
from rnn2vec.encoders import AnswersEncoder
from rnn2vec.library.populations import populations
from rnn2vec.zoo.layout import weights_path
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.write import Group, write_zoo


def test_some_rows_are_those_of_the_zoo(tiny_zoo: Zoo) -> None:
    whole, rows = tiny_zoo.traces(), np.array([7, 0, 3, 3, 11])
    stored = tiny_zoo.stored_traces(rows)
    for chosen in ([4, 0], slice(1, 3), np.array([True, False, False, True, True])):
        np.testing.assert_array_equal(stored[chosen].inputs, whole.inputs[rows[chosen]])
        np.testing.assert_array_equal(stored[chosen].outputs, whole.outputs[rows[chosen]])
    assert sum(len(block) for block in stored.blocks()) == len(stored) == 5
    with pytest.raises(RNN2VecError, match=r"0\.\.4"):
        stored[5]


def test_a_batch_is_the_same_from_disk_and_from_memory(tiny_zoo: Zoo) -> None:
    stored = Observed(tiny_zoo.networks(), tiny_zoo.stored_traces())
    memory = Observed(tiny_zoo.networks(), tiny_zoo.traces())
    rows, sequences = np.array([2, 9, 5]), np.array([[0, 1], [1, 1], [2, 0]])
    for one, other in zip(
        stored.tensors(rows, sequences, slice(3, 9)), memory.tensors(rows, sequences, slice(3, 9)), strict=True
    ):
        assert one.shape[:3] == (3, 2, 6)
        assert bool((one == other).all())
    np.testing.assert_array_equal(
        memory.tensors(rows, sequences)[0][1, 0].numpy(), tiny_zoo.traces(9).inputs[0, 1, : memory.sizes[1]]
    )


def test_a_row_is_checked_when_it_is_read(tiny_zoo: Zoo, tmp_path: Path) -> None:
    directory = tmp_path / "zoo"
    shutil.copytree(tiny_zoo.directory, directory)
    flip_a_byte(directory / "traces" / "00001.safetensors")
    zoo = Zoo.open(directory)
    shards = zoo.column("shard")
    stored = zoo.stored_traces()  # nothing is read yet
    stored[shards != 1]
    with pytest.raises(RNN2VecError, match="altered"):
        stored[shards == 1]
    (directory / "traces" / "00001.safetensors").unlink()
    with pytest.raises(RNN2VecError, match="no such file"):
        zoo.stored_traces()[shards == 1]


def test_units_do_not_depend_on_blocks() -> None:
    said = np.random.default_rng(0).normal(size=(5, 2, 9, 3)) * np.array([1.0, 20.0, 0.0]) + 4.0
    own, unit = Numbers(3).units(5, [said])
    for cut in (1, 3):
        parts = Numbers(3).units(5, [said[:cut], said[cut:]])
        np.testing.assert_allclose(parts[0], own, rtol=1e-6)
        np.testing.assert_allclose(parts[1], unit, rtol=1e-6)
    centred = said - said.mean((0, 1, 2))
    expected = np.sqrt(np.square(centred).mean((1, 2)))
    np.testing.assert_allclose(own[:, :2], expected[:, :2], rtol=1e-5)
    assert unit[2] == 1.0
    assert own[:, 2].tolist() == pytest.approx([0.1] * 5)
    assert Classes(3).units(5, iter([]))[0].shape == (5, 3)


def test_rows_without_checksums_have_their_file_checked_whole(tiny_zoo: Zoo, tmp_path: Path) -> None:
    directory = tmp_path / "zoo"
    shutil.copytree(tiny_zoo.directory, directory)
    stored = Zoo.open(directory).stored_traces()
    shards = stored.stored.shards
    stored.stored.checksums[np.flatnonzero(shards == 1)[1:]] = None  # the first, which has one, is sound
    flip_a_byte(directory / "traces" / "00001.safetensors")
    with pytest.raises(RNN2VecError, match="altered"):
        stored[shards == 1]


def test_a_file_that_changes_is_checked_again(tiny_zoo: Zoo, tmp_path: Path) -> None:
    directory = tmp_path / "zoo"
    shutil.copytree(tiny_zoo.directory, directory)
    zoo = Zoo.open(directory)
    stored, shards = zoo.stored_networks(), zoo.column("shard")
    assert len(stored[:]) == len(zoo)
    flip_a_byte(directory / "weights" / "00001.safetensors")
    assert len(stored[shards != 1])
    with pytest.raises(RNN2VecError, match="altered"):
        stored[shards == 1]


def test_what_was_read_can_be_copied(tiny_zoo: Zoo) -> None:
    for stored in (tiny_zoo.stored_networks(), tiny_zoo.stored_traces()):
        assert len(stored[:])
        again = pickle.loads(pickle.dumps(stored))
        assert len(again[[0, 3]]) == 2
        assert stored != again


def test_more_files_than_may_be_open(tiny_zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnn2vec.zoo.stored.MOST_OPEN", 1)
    stored, whole = tiny_zoo.stored_networks(), weights(tiny_zoo.networks())
    assert len(set(tiny_zoo.column("shard").tolist())) > 1
    np.testing.assert_equal(weights(stored[[7, 0, 11, 3]]), [whole[row] for row in (7, 0, 11, 3)])
    assert len(next(iter(stored.parts.values()))[1]._opened) == 1


def test_weights_of_a_type_that_numpy_lacks_are_refused(tiny_zoo: Zoo, tmp_path: Path) -> None:
    directory = tmp_path / "zoo"
    shutil.copytree(tiny_zoo.directory, directory)
    path = weights_path(directory, 1)
    save_file({name: torch.from_numpy(array).bfloat16() for name, array in load_file(path).items()}, path)
    with pytest.raises(RNN2VecError, match=r"00001\.safetensors"):
        Zoo.open(directory).networks()


@pytest.fixture(scope="module")
def two_cells(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Networks of two architectures in turns, in shards of their own."""
    interface = Interface(Tokens(3), Classes(2))
    networks = [Population.initialise(Architecture.stack(cell, 3, 5, 1, 2), 0, range(4)) for cell in ("gru", "lstm")]
    groups = [
        Group(own[[row]], [f"{kind}{row}"], [""], traces=Traces(np.zeros((1, 2, 6), int), np.zeros((1, 2, 5, 2))))
        for row in range(4)
        for kind, own in enumerate(networks)
    ]
    return write_zoo(tmp_path_factory.mktemp("stored") / "zoo", interface, groups)


def weights(networks: Networks) -> list[dict[str, np.ndarray]]:
    """Those of each network, one after the other."""
    parts = [networks[[row]] for row in range(len(networks))]
    return [{name: weight.numpy() for name, weight in dict(populations(part)[0][1].weights).items()} for part in parts]


def as_written(zoo: Zoo) -> list[dict[str, np.ndarray]]:
    """Of each network, what its file holds in its row."""
    files = {shard: load_file(weights_path(zoo.directory, shard)) for shard in set(zoo.column("shard").tolist())}
    places = zip(zoo.column("shard").tolist(), zoo.column("row").tolist(), strict=True)
    return [{name: array[[row]] for name, array in files[shard].items()} for shard, row in places]


@pytest.mark.parametrize("name", ["tiny_zoo", "two_cells"])
def test_networks_are_those_of_the_zoo(name: str, request: pytest.FixtureRequest) -> None:
    zoo: Zoo = request.getfixturevalue(name)
    whole, rows = as_written(zoo), np.array([7, 0, 3, 3, 6])
    stored = zoo.stored_networks(rows)
    assert len(stored) == 5
    assert stored.interface == zoo.interface
    for chosen in ([4, 0], slice(1, 3), np.array([True, False, False, True, True]), slice(None)):
        np.testing.assert_equal(weights(stored[chosen]), [whole[row] for row in rows[chosen]])
    inputs = zoo.interface.inputs.tensor(zoo.traces(rows).inputs)
    for row, outputs in zip(rows, stored.run(inputs)[0], strict=True):
        assert torch.equal(outputs, zoo.networks([row]).run(zoo.interface.inputs.tensor(zoo.traces(row).inputs))[0][0])
    with pytest.raises(RNN2VecError, match=r"0\.\.4"):
        stored[5]


def test_networks_are_checked_when_they_are_read(tiny_zoo: Zoo, tmp_path: Path) -> None:
    directory = tmp_path / "zoo"
    shutil.copytree(tiny_zoo.directory, directory)
    flip_a_byte(directory / "weights" / "00001.safetensors")
    zoo = Zoo.open(directory)
    shards, stored = zoo.column("shard"), zoo.stored_networks()
    assert len(stored[shards != 1])
    with pytest.raises(RNN2VecError, match="altered"):
        stored[shards == 1]
    with pytest.raises(RNN2VecError, match="altered"):
        AnswersEncoder.fitted(zoo.networks(shards != 1), zoo.traces(0).inputs[0]).encode(stored)
