"""The kit for others' tests: strategies draw what there is; disks, damages and the machine find what is wrong."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from rnn2vec import Architecture, Population, Recipe, RNN2VecError, Zoo, build_zoo, read_checkpoint
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


@posix
def test_what_is_synchronised_stays_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("old")
    with surviving(folder, tmp_path / "left", 100) as kept:
        (folder / "old").write_text("new, in memory")
        (folder / "unknown").write_text("nobody synchronised it")
        write_atomically(folder / "deep" / "whole", b"whole")
    assert kept.synchronisations == 3
    assert (tmp_path / "left" / "old").read_text() == "old"
    assert (tmp_path / "left" / "deep" / "whole").read_text() == "whole"
    assert not (tmp_path / "left" / "unknown").read_bytes()  # its name is there, since that of `deep` is
    with surviving(folder, tmp_path / "later", 1):
        write_atomically(folder / "deep" / "next", b"next")  # its name is never synchronised
        raise AssertionError("the power failed before")
    assert {path.name for path in (tmp_path / "later" / "deep").iterdir()} == {"whole"}
    with surviving(folder, tmp_path / "careless", 100):
        (folder / "named").write_text("its content is not synchronised, and its name is")
        write_atomically(folder / "whole", b"")
    assert (tmp_path / "careless" / "named").read_bytes() == b""
    assert issubclass(PowerFails, BaseException)
    assert not issubclass(PowerFails, Exception)


@posix
def test_a_zoo_survives_whatever_happens_to_it() -> None:
    run_state_machine_as_test(ZooMachine, settings=settings(max_examples=15, stateful_step_count=12))


@posix
def test_a_build_that_loses_power_ends_the_same(
    tmp_path: Path, tiny_recipe: Recipe, tiny_zoo: Zoo, file_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with surviving(folder, tmp_path / "whole", 1000) as kept:
        build_zoo(tiny_recipe, folder / "zoo")
    assert Zoo.open(tmp_path / "whole" / "zoo").snapshots.equals(tiny_zoo.snapshots)
    assert kept.synchronisations > 20
    for after in range(1, kept.synchronisations, kept.synchronisations // 5):
        folder, left = tmp_path / f"folder-{after}", tmp_path / f"left-{after}"
        folder.mkdir()
        with surviving(folder, left, after):
            build_zoo(tiny_recipe, folder / "zoo")
        build_zoo(tiny_recipe, left / "zoo")
        assert file_bytes(left / "zoo") == file_bytes(tiny_zoo.directory)


@posix
def test_a_new_folder_stays(tmp_path: Path) -> None:
    with surviving(tmp_path, tmp_path.parent / "left", 100):
        write_atomically(tmp_path / "new" / "deep" / "whole", b"whole")
    assert (tmp_path.parent / "left" / "new" / "deep" / "whole").read_bytes() == b"whole"


class Careless(ZooMachine):
    """A writer that does not synchronise: the index may be there before what it speaks of."""

    def write(self, directory: Path, own: list[Group]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rnn2vec.zoo.write.write_atomically", lambda path, content: unsynchronised(path, content))
            super().write(directory, own)


def unsynchronised(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class Forgetful(ZooMachine):
    """A writer that loses a network."""

    def write(self, directory: Path, own: list[Group]) -> None:
        super().write(directory, [own[0][: max(1, len(own[0].names) - 1)], *own[1:]])


@posix
@pytest.mark.parametrize("machine", [Careless, Forgetful])
def test_the_machine_finds_bad_writers(machine: type[ZooMachine]) -> None:
    any_will_do = settings(max_examples=40, stateful_step_count=12, phases=[Phase.generate])
    with pytest.raises((AssertionError, RNN2VecError)):
        run_state_machine_as_test(machine, settings=any_will_do)


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


@pytest.mark.filterwarnings("ignore")
def test_malicious_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, touched = tmp_path / "a" / "b", tmp_path / "touched"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    files = malicious_files(touched)
    assert len(files) > 15
    for name, content in files.items():
        (folder / name).write_bytes(content)
        with pytest.raises(RNN2VecError) as refused:
            read_checkpoint(folder / name)
        assert "\n" not in str(refused.value), name
        left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
        assert left == [f"a/b/{name}"], f"{name} was executed, or wrote"
        (folder / name).unlink()


def test_the_exploit_is_one(tmp_path: Path) -> None:
    pickle.loads(malicious_files(tmp_path / "touched")["pickle.pkl"])
    assert (tmp_path / "touched").exists()
