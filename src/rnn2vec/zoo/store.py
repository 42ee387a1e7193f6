"""A zoo on disk: weights and traces in safetensors shards, a row a network in parquet, one index in JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Shaped

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import counted
from rnn2vec.interface import Interface
from rnn2vec.networks import Networks, Population
from rnn2vec.rows import Rows, row_numbers
from rnn2vec.tasks.task import Task
from rnn2vec.zoo.index import Index, read_index
from rnn2vec.zoo.layout import traces_path, weights_path
from rnn2vec.zoo.schema1 import VERSION, index_of_schema_1
from rnn2vec.zoo.shards import TRACES, require_weights
from rnn2vec.zoo.stored import StoredNetworks, StoredRows, StoredTraces, by_shard
from rnn2vec.zoo.table import places_of, read_table
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.verify import problems_of_zoo


@dataclasses.dataclass(frozen=True)
class Zoo:
    """A zoo that is opened for reading. Weights and traces are read only when asked for, row by row.

    Attributes:
        directory: where it is.
        index: what it says of itself.
        snapshots: the table, one row a network: ``name``, ``source``, where it is (``architecture``, ``shard``,
            ``row``), and what else is known: ``model``, ``step``, its task, labels, metrics.
    """

    directory: Path
    index: Index
    snapshots: pa.Table

    @classmethod
    def open(cls, directory: str | Path) -> Zoo:
        """Open a zoo that was built, imported or downloaded.

        Raises:
            RNN2VecError: if the directory is no zoo, an unfinished one, of a newer schema, its index was altered, or
                its table is damaged or such that later calls would be wrong: a column is missing, a network has no
                place or name, or shares one. :meth:`verify` looks at the rest.
        """
        directory = Path(directory)
        values = read_index(directory)
        index = index_of_schema_1(values) if values["schema_version"] == VERSION else Index.from_dict(values)
        return cls(directory, index, read_table(directory, index))

    def __repr__(self) -> str:
        return f"Zoo({str(self.directory)!r}: {counted(len(self), 'network')}, {self.interface})"

    def __len__(self) -> int:
        """Networks, each snapshot of one counted for itself."""
        return int(self.snapshots.num_rows)

    @property
    def interface(self) -> Interface:
        """What goes into the networks and what comes out."""
        return self.index.interface

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """What its networks are made of."""
        return self.index.architectures

    @property
    def architecture(self) -> Architecture:
        """What all its networks are made of.

        Raises:
            RNN2VecError: if there are several architectures.
        """
        if len(self.architectures) > 1:
            raise RNN2VecError(
                f"the networks of {self.directory} have {len(self.architectures)} architectures "
                f"({'; '.join(map(str, self.architectures))}), and one is needed here: choose rows of one"
            )
        return self.architectures[0]

    @property
    def task_set(self) -> TaskSet:
        """What the networks were trained on.

        Raises:
            RNN2VecError: if that is no family's.
        """
        if self.index.task_set is None:
            raise RNN2VecError(
                f"the networks of {self.directory} belong to no family of tasks, and this needs one: it works with a "
                "zoo that was built, or imported in the paper's layout"
            )
        return self.index.task_set

    @property
    def family(self) -> str:
        """Name of the family of tasks.

        Raises:
            RNN2VecError: if there is none.
        """
        return self.task_set.family

    @property
    def recipe(self) -> Recipe | None:
        """How the networks were trained; None if that was not here."""
        return self.index.recipe

    @property
    def seed(self) -> int:
        """Of what is drawn of the zoo."""
        return self.index.seed

    @property
    def checksums(self) -> Mapping[str, str]:
        """SHA-256 of every file, by its path within the directory."""
        return self.index.checksums

    @cached_property
    def models(self) -> int:
        """How many networks there are, all snapshots of one counted once."""
        # a label may be called model, too: only with steps it says of what networks are snapshots
        dated = {"model", "step"} <= set(self.snapshots.column_names)
        return len(np.unique(self.column("model"))) if dated else len(self)

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """Training steps of which there are snapshots, ascending.

        Raises:
            RNN2VecError: if the table says no steps.
        """
        return tuple(np.unique(self.column("step")).astype(int).tolist())

    def column(self, name: str) -> Shaped[np.ndarray, " networks"]:
        """A column of the table, ``[networks]``.

        Raises:
            RNN2VecError: if there is no such column.
        """
        if name not in self.snapshots.column_names:
            raise RNN2VecError(f"the columns of this zoo are {', '.join(self.snapshots.column_names)}; got {name!r}")
        return self.snapshots[name].to_numpy()

    def where(self, /, **columns: object) -> Zoo:
        """Those of its networks that have these values: the same files, seen through fewer rows of the table.

        Args:
            columns: by name, a value, or a list of values of which one is enough; ``zoo.where(step=2000)``. In a column
                of numbers, text stands for the number that it spells; text is compared as it is.

        Raises:
            RNN2VecError: if there is no such column, or no network left.
        """
        kept = np.ones(len(self), bool)
        for name, wanted in columns.items():
            values = self.column(name)
            several = list(wanted) if isinstance(wanted, (list, tuple, np.ndarray)) else [wanted]
            spelt = _number if values.dtype.kind in "iuf" else str
            kept &= np.isin([spelt(value) for value in values], [spelt(value) for value in several])
            if not kept.any():
                known = np.unique(values).tolist()
                raise RNN2VecError(
                    f"rows of a zoo are chosen by values that they have; none is left by {name}="
                    f"{', '.join(map(str, several))}: that column holds {', '.join(map(str, known[:10]))}"
                    f"{', ...' if len(known) > 10 else ''}"
                )
        return dataclasses.replace(self, snapshots=self.snapshots.filter(pa.array(kept)))

    @cached_property
    def tasks(self) -> Shaped[np.ndarray, "networks P"]:
        """The task of every network, ``[networks, P]``, by its task columns.

        Raises:
            RNN2VecError: if they are of no family.
        """
        return np.stack([self.column(name) for name in self.task_set.task_columns], axis=1)

    @cached_property
    def groups(self) -> Shaped[np.ndarray, "networks P"]:
        """What a split keeps together, ``[networks, P]``: tasks, or the values of one column as text."""
        if self.index.task_set is None:
            return self.column(self.index.split_by).astype(str)[:, None]
        return self.tasks

    def task(self, row: int) -> Task:
        """The task of the network in a row of the table.

        Raises:
            RNN2VecError: if there is no such row, several are meant, or tasks are of no family.
        """
        chosen = self._rows(row)
        if len(chosen) != 1:
            raise RNN2VecError(f"one network has one task; got {len(chosen)} rows: see the table's task columns")
        names = self.task_set.task_columns
        return self.task_set.task_from({name: self.column(name)[chosen[0]] for name in names})

    def networks(self, rows: Rows | None = None) -> Networks:
        """The networks of some rows of the table, of all by default, in the order asked for.

        Args:
            rows: numbers, a slice, or a mask with a boolean for each row, see :func:`rnn2vec.rows.row_numbers`.

        Returns:
            A population if they have one architecture, mixed networks if several.

        Raises:
            RNN2VecError: if a row is not there, or is missing in its shard, altered, of another shape, or holds NaN or
                infinity.
        """
        return self.stored_networks(rows)[:]

    def stored_networks(self, rows: Rows | None = None) -> StoredNetworks:
        """The same networks, left on disk until some of them are asked for.

        Args:
            rows: as for :meth:`networks`.

        Raises:
            RNN2VecError: if a row is not there.
        """
        chosen = self._rows(rows)
        parts, places = {}, np.empty(len(chosen), np.int64)
        for kind, where in by_shard(self._places[0][chosen]):
            architecture = self.architectures[kind]
            parts[kind] = (
                architecture,
                self._stored(
                    chosen[where],
                    tuple(architecture.parameter_shapes()),
                    "weights_sha256",
                    self._file_of_weights,
                    partial(require_weights, architecture),
                ),
            )
            places[where] = np.arange(len(where))
        return StoredNetworks(self.interface, parts, self._places[0][chosen], places)

    def population(self, rows: Rows | None = None) -> Population:
        """The networks of some rows of the table, which have one architecture.

        Args:
            rows: as for :meth:`networks`.

        Raises:
            RNN2VecError: as :meth:`networks` does, or if there are several architectures.
        """
        chosen = self._rows(rows)
        kinds = np.unique(self._places[0][chosen])
        if len(kinds) > 1:
            raise RNN2VecError(
                f"a population has one architecture; the {len(chosen)} networks asked for have {len(kinds)} "
                f"({'; '.join(str(self.architectures[kind]) for kind in kinds)}): ask for zoo.networks(rows), or for "
                "rows of one"
            )
        found = self.networks(chosen)
        assert isinstance(found, Population)
        return found

    def traces(self, rows: Rows | None = None) -> Traces:
        """The traces of some rows of the table, of all by default, in the order asked for.

        Args:
            rows: as for :meth:`networks`.

        Raises:
            RNN2VecError: if a row is not there, has no traces, or is missing in its shard or altered, or if not all
                traces have one shape.
        """
        return self.stored_traces(rows)[:]

    def stored_traces(self, rows: Rows | None = None) -> StoredTraces:
        """The same traces, left on disk until some of them are asked for.

        Args:
            rows: as for :meth:`networks`.

        Raises:
            RNN2VecError: if a row is not there, or has no traces.
        """
        return StoredTraces(self._stored(self._rows(rows), TRACES, "traces_sha256", self._file_of_traces))

    def verify(self) -> list[str]:
        """Check everything: the index, the table against the recipe, and every file: checksum, shapes, numbers; of the
        whole zoo, if this is what :meth:`where` left of it.

        Returns:
            One line for each thing that is wrong; an empty list for a sound zoo.
        """
        return problems_of_zoo(self.directory, self.index, read_table(self.directory, self.index))

    def _stored(
        self,
        chosen: np.ndarray,
        names: Sequence[str],
        checksums: str,
        file_of: Callable[[int, int], tuple[Path, str]],
        require: Callable[[Path, Mapping[str, np.ndarray]], None] | None = None,
    ) -> StoredRows:
        shards, rows = self._places[1][chosen], self._places[2][chosen]
        files = {shard: file_of(shard, int(chosen[own[0]])) for shard, own in by_shard(shards)}
        recorded = self.snapshots[checksums].take(chosen).to_numpy(zero_copy_only=False)
        return StoredRows(names, files, shards, rows, recorded, require)

    def _file_of_weights(self, shard: int, row: int) -> tuple[Path, str]:
        """The file of a shard's weights, which a row of the table needs, and its checksum."""
        path = weights_path(self.directory, shard)
        recorded = self._recorded(path)
        if recorded is None:
            raise RNN2VecError(f"the index of this zoo records no checksum of {path}; restore or rebuild the zoo")
        return path, recorded

    def _file_of_traces(self, shard: int, row: int) -> tuple[Path, str]:
        """The file of a shard's traces, which a row of the table needs, and its checksum."""
        path = traces_path(self.directory, shard, self.index.version)
        recorded = self._recorded(path)
        if recorded is None:
            raise RNN2VecError(
                f"networks of {self.directory} have no traces, such as {self.column('name')[row]}: let them read "
                "inputs, Traces.of(zoo.networks(rows), inputs), or give --inputs"
            )
        return path, recorded

    def _recorded(self, path: Path) -> str | None:
        return self.checksums.get(path.relative_to(self.directory).as_posix())

    def _rows(self, rows: Rows | None) -> np.ndarray:
        return np.arange(len(self)) if rows is None else row_numbers(rows, len(self), "network")

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return places_of(self.snapshots)


def _number(value: object) -> str:
    """A value of a column of numbers as it is compared: those that are equal are spelt alike."""
    try:
        return repr(float(str(value)))
    except ValueError:
        return str(value)
