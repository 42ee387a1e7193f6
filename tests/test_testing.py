"""The kit for others' tests: strategies draw what there is; disks, damages and the machine find what is wrong."""

from __future__ import annotations

import dataclasses
import io
import os
import pickle
import random
import shutil
import tracemalloc
import unittest
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from rnn2vec import (
    Architecture,
    Interface,
    Numbers,
    Population,
    Recipe,
    RNN2VecError,
    Tokens,
    Zoo,
    build_zoo,
    read_checkpoint,
)
from rnn2vec.files import write_atomically
from rnn2vec.testing import (
    PowerFails,
    ZooMachine,
    architectures,
    damage,
    groups,
    malicious_files,
    mutated,
    populations,
    surviving,
)
from rnn2vec.testing.malicious import BOMB
from rnn2vec.testing.zoo_machine import contents
from rnn2vec.zoo.write import Group, write_zoo

posix = pytest.mark.skipif(os.name != "posix", reason="folders that are synchronised")


@given(populations())
def test_populations_of_any_kind_run(population: Population) -> None:
    size = population.architecture.input_size
    asked = torch.zeros(len(population), 2, 3, size)
    outputs, _ = population.run(asked if population.interface.inputs.kind == "numbers" else asked.argmax(3))
    assert outputs.shape == (len(population), 2, 3, population.architecture.output_size)
    for name, weight in population.weights.items():
        assert not name.startswith("leak_") or bool(((weight > 0) & (weight < 1)).all())


@given(architectures(plain=True))
def test_plain_architectures_are_torchs(architecture: Architecture) -> None:
    (module,) = Population.initialise(architecture, 0, range(1)).to_modules()
    assert isinstance(module, torch.nn.Module)


def test_strategies_draw_every_kind() -> None:
    seen: set[object] = set()

    @settings(max_examples=200)
    @given(architectures())
    def draw(own: Architecture) -> None:
        seen.update(
            [own.cell, own.nonlinearity, own.reset, own.leak, own.skip, own.initial_state, own.output_activation]
        )
        seen.update(["head"] if own.head else [])

    draw()
    assert seen >= {
        "lstm",
        "gru",
        "elman",
        "leaky",
        "tanh",
        "relu",
        "softplus",
        "before",
        "inside",
        True,
        "head",
        "sigmoid",
    }


@given(groups(), st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_groups_make_a_zoo(tmp_path_factory: pytest.TempPathFactory, own: list[Group], seed: int) -> None:
    zoo = write_zoo(tmp_path_factory.mktemp("groups") / "zoo", own[0].population.interface, own)
    assert zoo.verify() == []
    assert len(zoo) == sum(len(each.names) for each in own)


@given(st.data())
def test_populations_have_the_interface_asked_for(data: st.DataObject) -> None:
    interface = Interface(Tokens(5), Numbers(2))
    assert data.draw(populations(interface=interface)).interface == interface


@given(st.data())
def test_no_plain_architecture_is_leaky(data: st.DataObject) -> None:
    with pytest.raises(RNN2VecError, match="plain ones not leaky; got leaky"):
        data.draw(architectures(cells=("leaky",), plain=True))


@posix
def test_what_is_synchronised_stays_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("old")
    with surviving(folder, tmp_path / "left", 100) as kept:
        (folder / "old").write_text("new, in memory")
        write_atomically(folder / "deep" / "whole", b"whole")
        (folder / "unknown").write_text("nobody synchronised it")
    assert kept.synchronisations == 3
    assert contents(tmp_path / "left") == {"old": b"old", "deep/whole": b"whole"}
    with surviving(folder, tmp_path / "later", 1):
        write_atomically(folder / "deep" / "next", b"next")  # its name is never synchronised
        raise AssertionError("the power failed before")
    assert {path.name for path in (tmp_path / "later" / "deep").iterdir()} == {"whole"}
    with surviving(folder, tmp_path / "named", 0, names_stay=True), (folder / "named").open("wb") as file:
        file.write(b"its content is not synchronised, and its name stays")
        os.fsync(file)
    assert (tmp_path / "named" / "named").read_bytes() == b""
    with surviving(folder, tmp_path / "data", 100), (folder / "data").open("wb") as file:
        file.write(b"data")
        file.flush()
        os.fdatasync(file.fileno())
        write_atomically(folder / "after", b"")
    assert (tmp_path / "data" / "data").read_bytes() == b"data"
    with pytest.raises(FileExistsError), surviving(folder, tmp_path / "data", 100):
        raise AssertionError("it began")
    assert issubclass(PowerFails, BaseException)
    assert not issubclass(PowerFails, Exception)


@posix
def test_what_was_removed_lends_its_content_to_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with surviving(folder, tmp_path / "left", 100):
        write_atomically(folder / "secret", b"secret")
        (folder / "secret").unlink()
        for number in range(20):  # one of them might get its number
            (folder / f"new-{number}").write_text("not synchronised")
        write_atomically(folder / "deep" / "whole", b"whole")
        shutil.rmtree(folder / "deep")
    left = contents(tmp_path / "left")
    assert left["deep/whole"] == b"whole"
    assert {content for name, content in left.items() if name.startswith("new")} == {b""}


@posix
@pytest.mark.parametrize("names_stay", [False, True])
def test_a_build_that_loses_power_ends_the_same(
    tmp_path: Path, tiny_recipe: Recipe, tiny_zoo: Zoo, names_stay: bool
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with surviving(folder, tmp_path / "whole", 1000, names_stay) as kept:
        build_zoo(tiny_recipe, folder / "zoo")
    assert Zoo.open(tmp_path / "whole" / "zoo").snapshots.equals(tiny_zoo.snapshots)
    assert kept.synchronisations > 20
    for after in range(0, kept.synchronisations, kept.synchronisations // 5):
        folder, left = tmp_path / f"folder-{after}", tmp_path / f"left-{after}"
        folder.mkdir()
        with surviving(folder, left, after, names_stay):
            build_zoo(tiny_recipe, folder / "zoo")
        build_zoo(tiny_recipe, left / "zoo")
        assert contents(left / "zoo") == contents(tiny_zoo.directory)


@posix
def test_a_new_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with surviving(tmp_path / "folder", tmp_path / "left", 100):
        write_atomically(tmp_path / "folder" / "new" / "deep" / "whole", b"whole")
    assert contents(tmp_path / "left") == {"new/deep/whole": b"whole"}


STEPS = settings(max_examples=40, stateful_step_count=12, phases=[Phase.generate])
"""Any failure will do, however long."""


@posix
def test_a_zoo_survives_whatever_happens_to_it() -> None:
    run_state_machine_as_test(ZooMachine, settings=settings(STEPS, max_examples=12))


class WithoutFolders(ZooMachine):
    """A writer that never synchronises a folder."""

    def write(self, directory: Path, own: list[Group]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rnn2vec.files._synchronise", lambda folder: None)
            super().write(directory, own)


class Careless(ZooMachine):
    """A writer that does not synchronise weights: the index may be there before what it speaks of."""

    def write(self, directory: Path, own: list[Group]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rnn2vec.zoo.write.write_atomically", unsynchronised)
            super().write(directory, own)


def unsynchronised(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class Forgetful(ZooMachine):
    """A writer that loses a network."""

    def write(self, directory: Path, own: list[Group]) -> None:
        super().write(directory, [own[0][: max(1, len(own[0].names) - 1)], *own[1:]])


class WithoutTraces(ZooMachine):
    """A writer that loses traces."""

    def write(self, directory: Path, own: list[Group]) -> None:
        super().write(directory, [dataclasses.replace(each, traces=None) for each in own])


class Mislabelling(ZooMachine):
    """A writer that gives every network one label."""

    def write(self, directory: Path, own: list[Group]) -> None:
        columns = [{"kind": ["z"] * len(each.names)} for each in own]
        changed = [dataclasses.replace(each, columns=one) for each, one in zip(own, columns, strict=True)]
        super().write(directory, changed)


@posix
@pytest.mark.parametrize(
    ("machine", "found"),
    [
        (WithoutFolders, "a finished zoo is lost"),
        (Careless, "a finished zoo is|not what was written|no such file|was truncated"),
        (Forgetful, "not what was written"),
        (WithoutTraces, "not what was written|no traces"),
        (Mislabelling, "not what was written"),
    ],
)
def test_the_machine_finds_bad_writers(machine: type[ZooMachine], found: str) -> None:
    with pytest.raises((AssertionError, RNN2VecError), match=found):
        run_state_machine_as_test(machine, settings=STEPS)


def test_a_machine_is_handed_to_pytest_as_its_docstring_says() -> None:
    called = []

    class MyWriter(ZooMachine):
        def write(self, directory: Path, own: list[Group]) -> None:
            called.append(directory)
            super().write(directory, own)

    class TestMyWriter(MyWriter.TestCase):  # type: ignore[misc, name-defined]
        settings = settings(max_examples=3, stateful_step_count=4)

    assert unittest.TextTestRunner(stream=io.StringIO()).run(TestMyWriter("runTest")).wasSuccessful()
    assert called


def test_damages_are_of_many_kinds(tmp_path: Path, tiny_zoo: Zoo) -> None:
    numbers, seen = random.Random(0), set()
    for _ in range(200):
        (tmp_path / "a.json").write_text('{"a": [1, 2]}')
        (tmp_path / "b.npy").write_bytes(b"0123456789")
        seen.add(damage(tmp_path, numbers, tmp_path / "touched").split()[0])
    assert seen == {"truncate", "flip", "splice", "delete", "swap", "pickle", "zeros", "header", "json"}
    whole, drawn = bytes(range(256)), np.random.default_rng(0)
    changed = {mutated(whole, drawn) for _ in range(50)}
    assert len(changed) > 45
    assert len({len(each) for each in changed}) > 3
    assert mutated(b"", drawn) == b""


@pytest.mark.filterwarnings("ignore")
def test_malicious_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, touched = tmp_path / "a" / "b", tmp_path / "touched"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    files = malicious_files(touched)
    assert len(files) > 15
    tracemalloc.start()
    for name, content in files.items():
        (folder / name).write_bytes(content)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(RNN2VecError) as refused:
            read_checkpoint(folder / name)
        assert tracemalloc.get_traced_memory()[1] - before < BOMB / 8, f"{name} was unpacked"
        assert "\n" not in str(refused.value), name
        left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
        assert left == [f"a/b/{name}"], f"{name} was executed, or wrote"
        (folder / name).unlink()
    tracemalloc.stop()


@pytest.mark.filterwarnings("ignore")
def test_the_exploits_are_exploits(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    files = malicious_files(touched)
    loaders: dict[str, Callable[[io.BytesIO], Any]] = {
        "pickle.pkl": pickle.load,
        "pickle.pt": pickle.load,
        "pickle-in-zip.pt": lambda file: torch.load(file, weights_only=False),
        "objects.npy": lambda file: np.load(file, allow_pickle=True),
        "objects.npz": lambda file: np.load(file, allow_pickle=True)["weight_hh_l0"],
    }
    for name, load in loaders.items():
        load(io.BytesIO(files[name]))
        assert touched.exists(), name
        touched.unlink()
    with zipfile.ZipFile(io.BytesIO(files["bomb.npz"])) as archive:
        (member,) = archive.infolist()
        assert member.file_size > BOMB > 100 * len(files["bomb.npz"])
