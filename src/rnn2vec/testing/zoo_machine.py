"""A zoo that is written, loses power, is opened, damaged and mended in any order, as a hypothesis state machine."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
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

    To test a writer of your own, override :meth:`write`, and hand the machine's test case to pytest::

        class MyWriter(ZooMachine):
            def write(self, directory, own):
                ...

        TestMyWriter = MyWriter.TestCase
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
    @rule(after=st.integers(0, 20), names_stay=st.booleans())
    def lose_power(self, after: int, names_stay: bool) -> None:
        """While it is written, or right after; what is left goes on living. What was finished stays."""
        self.copies += 1
        target = self.place / str(self.copies)
        with surviving(self.folder, target, after, names_stay):
            self.write(self.zoo, self.groups)
            self.complete = True
        shutil.rmtree(self.folder)
        self.folder = target

    @rule()
    def finish(self) -> None:
        """Write it to its end; a whole one is refused as a place to write to, and stays."""
        if not self.complete:
            self.write(self.zoo, self.groups)
            self.complete = True
            return
        before = contents(self.zoo)
        try:
            self.write(self.zoo, self.groups)
        except RNN2VecError as error:
            require_line(error)
        else:
            raise AssertionError("a whole zoo was written again")
        assert contents(self.zoo) == before, "a second call altered a whole zoo"

    @precondition(lambda self: self.complete)
    @rule(seed=st.integers(0, 2**32 - 1))
    def spoil(self, seed: int) -> None:
        """Damage a copy of it: it is found, or what is read is what was written."""
        copy, touched = self.place / "spoilt", self.place / "touched"
        shutil.copytree(self.zoo, copy)
        what = damage(copy, random.Random(seed), touched)
        try:
            zoo = Zoo.open(copy)
            if not zoo.verify():
                assert contents(copy) == contents(self.zoo) or self.same(zoo), f"not found: {what}"
        except RNN2VecError as error:
            require_line(error)
        assert not touched.exists(), f"executed: {what}"
        shutil.rmtree(copy)

    @invariant()
    def reads_as_written(self) -> None:
        """An unfinished zoo is refused; one that is opened has every network, and a finished one is sound."""
        try:
            zoo = Zoo.open(self.zoo)
        except RNN2VecError as error:
            require_line(error)
            if self.complete:
                raise AssertionError("a finished zoo is lost, or refused") from error
        else:
            assert self.same(zoo), "a zoo was opened that is not what was written"
            assert not self.complete or zoo.verify() == [], "a finished zoo is not sound"

    def same(self, zoo: Zoo) -> bool:
        """Whether a zoo holds these networks, to the last bit, with all that is known of them."""
        start = 0
        for own in self.groups:
            rows = list(range(start, start + len(own.names)))
            start += len(rows)
            if len(zoo) < start:
                return False
            said = {"name": own.names, "source": own.sources, **own.columns}
            if any(zoo.column(name)[rows].tolist() != list(values) for name, values in said.items()):
                return False
            found = zoo.population(rows)
            if found.architecture != own.population.architecture:
                return False
            if not torch.equal(found.flatten(), own.population.flatten()):
                return False
            if own.traces is not None:
                read = zoo.traces(rows)
                outputs = own.traces.outputs.astype(read.outputs.dtype)
                if not (np.array_equal(read.inputs, own.traces.inputs) and np.array_equal(read.outputs, outputs)):
                    return False
        return len(zoo) == start


def contents(directory: Path) -> dict[str, bytes]:
    """All files of a directory, by their paths in it."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def require_line(error: RNN2VecError) -> None:
    """A message is one line."""
    assert "\n" not in str(error), f"an error of several lines: {error}"
