"""Write a zoo of networks that were not trained here: populations with their names, labels and traces."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.task_set import TaskSet
from rnn2vec.files import remove, write_atomically
from rnn2vec.interface import Interface
from rnn2vec.networks import Population
from rnn2vec.outputs import sole_writer
from rnn2vec.plan import begin
from rnn2vec.zoo.finish import finish_zoo
from rnn2vec.zoo.index import SOURCE, Index, written_by
from rnn2vec.zoo.layout import IMPORTING, SCHEMA_VERSION, traces_path, weights_path
from rnn2vec.zoo.shards import require_weights
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.table import OWN, problems_of_table, rows_of_shard, table_of
from rnn2vec.zoo.traces import Traces

ROWS_PER_SHARD = 256

Tensors = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Group:
    """Networks of one architecture that are written together.

    Attributes:
        population: N networks, float32.
        names: of each, ``[N]``, no two of a zoo alike.
        sources: where each comes from, such as the name of a file, ``[N]``.
        columns: what else the zoo's table says of each, by name, ``[N]`` each: labels, ``model``, ``step``, metrics.
        traces: what each read and said, if that is known.
    """

    population: Population
    names: Sequence[str]
    sources: Sequence[str]
    columns: Mapping[str, Sequence[Any] | np.ndarray] = dataclasses.field(default_factory=dict)
    traces: Traces | None = None

    def __getitem__(self, rows: slice) -> Group:
        """The networks of a slice."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        traces = None if self.traces is None else self.traces[rows]
        return Group(self.population[rows], self.names[rows], self.sources[rows], columns, traces)


def write_zoo(
    directory: str | Path,
    interface: Interface,
    groups: Iterable[Group],
    *,
    labels: Mapping[str, str] | None = None,
    split_by: str = SOURCE,
    task_set: TaskSet | None = None,
    seed: int = 0,
    provenance: Mapping[str, Any] | None = None,
    plan: Mapping[str, Any] | None = None,
    inputs: Iterable[Path] = (),
) -> Zoo:
    """Write a zoo of networks that were not trained here.

    All is checked before anything is written; a shard appears whole or not at all, and the index comes last. The same
    call goes on with a directory in which an earlier one was interrupted.

    Args:
        directory: a new or empty directory, or that of an interrupted call with the same networks.
        interface: what goes into all of them and what comes out.
        groups: the networks; read twice, so no iterator.
        labels: columns of the groups that say what a network is, each with its kind: ``class``, ``number`` or
            ``angle``.
        split_by: the column whose values a split of the zoo keeps together, where it is no family's.
        task_set: what they were trained on, if that is a family's; the groups have its columns then.
        seed: of what is drawn of the zoo.
        provenance: what else is known of where they come from, JSON-serialisable.
        plan: what an interrupted call is recognised by; all that is written, by default.
        inputs: paths that are read to make the groups, in which the directory must not lie.

    Raises:
        RNN2VecError: if the directory holds anything else, another process is writing to it, two networks share a name,
            a network does not fit the interface, or numbers are not finite or not float32.
    """
    directory = Path(directory)
    with sole_writer(directory, inputs):
        architectures: list[Architecture] = []
        shards = []
        for shard, group in enumerate(_shards(groups)):
            weights, traces = _tensors(group, interface)
            architecture = group.population.architecture
            if architecture not in architectures:
                architectures.append(architecture)
            place = architectures.index(architecture)
            own = rows_of_shard(shard, group.names, group.sources, list(weights), weights, traces, place)
            shards.append({**own, **group.columns})
        if not shards or any(shard.keys() != shards[0].keys() for shard in shards):
            raise RNN2VecError("a zoo has at least one group of networks, and all have the same columns; got others")
        index = Index(
            interface,
            tuple(architectures),
            task_set,
            None,
            seed,
            labels or {},
            written_by() | dict(provenance or {}),
            split_by=split_by,
        )
        table = table_of(shards)
        if problems := problems_of_table(table, index):
            raise RNN2VecError(f"these networks make no zoo: {'; '.join(problems)}")
        described = json.dumps([index.to_dict(), table.to_pydict()], default=str)
        plan = plan or {"networks": hashlib.sha256(described.encode()).hexdigest()}
        begin(directory / IMPORTING, "import", {"schema_version": SCHEMA_VERSION, **plan})
        for shard, group in enumerate(_shards(groups)):
            weights, traces = _tensors(group, interface)
            write_atomically(weights_path(directory, shard), safetensors.numpy.save(weights))
            if traces is not None:
                write_atomically(traces_path(directory, shard), safetensors.numpy.save(traces))
        finish_zoo(directory, index, table)
        remove(directory / IMPORTING)
    return Zoo.open(directory)


def _origin(group: Group) -> str:
    """Where the first of some networks comes from, or else its name."""
    return next(iter([*group.sources[:1], *group.names[:1]]), "no name")


def _shards(groups: Iterable[Group]) -> Iterator[Group]:
    """The groups, cut into shards."""
    for group in groups:
        for start in range(0, len(group.population), ROWS_PER_SHARD):
            yield group[start : start + ROWS_PER_SHARD]


def _tensors(group: Group, interface: Interface) -> tuple[Tensors, Tensors | None]:
    """The tensors of a shard's two files."""
    named = f"networks of {_origin(group)}"
    count, taken = len(group.population), {name for name in group.columns if name in OWN}
    wrong = [
        name
        for name, values in {"names": group.names, "sources": group.sources, **group.columns}.items()
        if len(values) != count
    ]
    if wrong or taken:
        raise RNN2VecError(
            f"{named} have names, sources and columns of {count} values each, and none called {', '.join(OWN)}; got "
            f"{', '.join([*wrong, *taken])}"
        )
    if not all(isinstance(name, str) and name for name in group.names):
        raise RNN2VecError(f"{named} have names, each some text; got {list(group.names)}")
    weights = {
        name: np.ascontiguousarray(weight.detach().cpu().numpy()) for name, weight in group.population.weights.items()
    }
    try:
        group.population.with_interface(interface)
    except RNN2VecError as error:
        raise RNN2VecError(f"{named} do not fit this zoo: {error}") from error
    require_weights(group.population.architecture, Path(_origin(group)), weights)
    if group.traces is None:
        return weights, None
    stored = {}
    for name, array, part in (
        ("inputs", group.traces.inputs, interface.inputs),
        ("outputs", group.traces.outputs, interface.outputs),
    ):
        problem = "" if len(array) == count else f"there are {len(array)} for {count} networks"
        with np.errstate(over="ignore"):  # what becomes infinite is a problem
            kept = array if (problem := problem or part.problem(array)) else array.astype(part.stored)
        if problem := problem or part.problem(kept):
            each = range(count if len(array) == count else 0)
            whose = next((group.names[row] for row in each if part.problem(kept[row : row + 1])), named)
            raise RNN2VecError(
                f"the {name} of a network's traces are as its interface says ({problem}); those of {whose} are not: "
                "leave it out, or declare another interface"
            )
        stored[name] = np.ascontiguousarray(kept)
    return weights, stored
