"""A zoo that is written, loses power, is opened, damaged and mended in any order, as a hypothesis state machine."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import torch
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rnn2vec.errors import RNN2VecError
from rnn2vec.testing.damage import damage
from rnn2vec.testing.power import surviving
from rnn2vec.testing.strategies import groups
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.write import Group, write_zoo


class ZooMachine(RuleBasedStateMachine):
    """Whatever happens to a zoo, it is whole, or refused in one line, or goes on to be whole.

    Test a writer of your own by a subclass that overrides :meth:`write`::

        class TestMyWriter(ZooMachine.TestCase): ...
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="rnn2vec-zoo-machine-"))
        self.folder, self.copies = self.place / "0", 0
        self.folder.mkdir()
        self.groups: list[Group] = []
        self.complete = False

    def teardown(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.place)

    @property
    def zoo(self) -> Path:
        """Where it is, or will be."""
        return self.folder / "zoo"

    def write(self, directory: Path, own: list[Group]) -> None:
        """Write a zoo of these networks, or go on writing it."""
        write_zoo(directory, own[0].population.interface, own, labels={"kind": "class"})

    @initialize(own=groups())
    def choose(self, own: list[Group]) -> None:
        """The networks, once and for all."""
        self.groups = own

    @precondition(lambda self: not self.complete)
    @rule(after=st.integers(0, 20))
    def lose_power(self, after: int) -> None:
        """While it is written; what is left goes on living."""
        self.copies += 1
        target = self.place / str(self.copies)
        with surviving(self.folder, target, after):
            self.write(self.zoo, self.groups)
        shutil.rmtree(self.folder)
        self.folder = target
        try:
            self.complete = Zoo.open(self.zoo).verify() == []
        except RNN2VecError as error:
            require_line(error)

    @rule()
    def finish(self) -> None:
        """Write it to its end; a whole one is refused as a place to write to, and stays."""
        if self.complete:
            before = contents(self.zoo)
            try:
                self.write(self.zoo, self.groups)
            except RNN2VecError as error:
                require_line(error)
            assert contents(self.zoo) == before, "a second call altered a whole zoo"
        else:
            self.write(self.zoo, self.groups)
            self.complete = True

    @precondition(lambda self: self.complete)
    @rule(seed=st.integers(0, 2**32 - 1))
    def spoil(self, seed: int) -> None:
        """Damage a copy of it: it is found, or what is read is what was written."""
        copy, touched = self.place / "spoilt", self.place / "touched"
        shutil.copytree(self.zoo, copy)
        what = damage(copy, random.Random(seed), touched)
        try:
            zoo = Zoo.open(copy)
            found = not zoo.verify()
            assert not found or contents(copy) == contents(self.zoo) or self.same(zoo), f"not found: {what}"
        except RNN2VecError as error:
            require_line(error)
        assert not touched.exists(), f"executed: {what}"
        shutil.rmtree(copy)

    @invariant()
    def reads_as_written(self) -> None:
        """An unfinished zoo is refused; one that is opened has every network, to the last bit, and is sound, but for
        what a writer left that lost power after its last file.
        """
        try:
            zoo = Zoo.open(self.zoo)
        except RNN2VecError as error:
            require_line(error)
            if self.complete:
                raise AssertionError("a finished zoo is refused") from error
        else:
            assert self.same(zoo), "a zoo was opened that is not what was written"
            assert not self.complete or zoo.verify() == []

    def same(self, zoo: Zoo) -> bool:
        """Whether a zoo holds these networks."""
        names = [name for own in self.groups for name in own.names]
        if zoo.column("name").tolist() != names:
            return False
        start = 0
        for own in self.groups:
            rows = list(range(start, start + len(own.population)))
            found = zoo.population(rows)
            if found.architecture != own.population.architecture:
                return False
            if not torch.equal(found.flatten(), own.population.flatten()):
                return False
            start += len(rows)
        return True


def contents(directory: Path) -> dict[str, bytes]:
    """All files of a directory, by their paths in it."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def require_line(error: RNN2VecError) -> None:
    """A message is one line."""
    assert "\n" not in str(error), f"an error of several lines: {error}"
