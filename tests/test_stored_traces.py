"""Traces that stay on disk are those that are read at once, and are checked when they are first read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from altered_zoos import flip_a_byte
from rnn2vec import RNN2VecError, Zoo
from rnn2vec.emulation.emulate import Observed
from rnn2vec.interface import Classes, Numbers


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
    stored.checksums[np.flatnonzero(stored.shards == 1)[1:]] = None  # the first, which has one, is sound
    flip_a_byte(directory / "traces" / "00001.safetensors")
    with pytest.raises(RNN2VecError, match="altered"):
        stored[stored.shards == 1]
