"""The index of a zoo, ``zoo.json``: what its networks are, where they come from, and the checksums of its files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rnn2vec.architecture import Architecture
from rnn2vec.checksums import require_unaltered, sealed
from rnn2vec.errors import RNN2VecError
from rnn2vec.families import family_of
from rnn2vec.families.kinds import KINDS
from rnn2vec.families.recipe import LARGEST_SEED, Recipe
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import sequence, shown, whole
from rnn2vec.files import read_json, write_json
from rnn2vec.interface import Interface
from rnn2vec.zoo.layout import BUILDING, IMPORTING, INDEX, SCHEMA_VERSION
from rnn2vec.zoo.recipes import recipe_from_dict, task_set_from_dict

SOURCE = "source"
"""The column that says which file a network is of: all networks of one are split as one."""
_OF_RECIPE = ("family", "architecture", "others", "seed")
"""Fields of a recipe that the index states beside it."""


@dataclasses.dataclass(frozen=True)
class Index:
    """What a zoo says of itself.

    Attributes:
        interface: what goes into its networks and what comes out.
        architectures: of its networks; a row of the table names one by its place here.
        task_set: what the networks were trained on; None if that is no family's.
        recipe: how they were trained; None if they were not trained here.
        seed: of the recipe, and of what is drawn of the zoo, such as its split.
        labels: columns of the table that say what a network is, and the kind of each: ``class``, ``number`` or
            ``angle``.
        provenance: who wrote the zoo, and what an import was made of.
        checksums: SHA-256 of every other file, by its path within the directory.
        version: of the schema that the zoo was written in.
        split_by: the column whose values a split keeps together, where the networks are of no family.

    Raises:
        RNN2VecError: if these do not fit each other.
    """

    interface: Interface
    architectures: tuple[Architecture, ...]
    task_set: TaskSet | None = None
    recipe: Recipe | None = None
    seed: int = 0
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    checksums: Mapping[str, str] = dataclasses.field(default_factory=dict)
    version: int = SCHEMA_VERSION
    split_by: str = SOURCE

    def __post_init__(self) -> None:
        sizes = (self.interface.inputs.size, self.interface.outputs.size)
        if not self.architectures:
            raise RNN2VecError("the networks of a zoo have at least one architecture; got none")
        for architecture in self.architectures:
            if (architecture.input_size, architecture.output_size) != sizes:
                raise RNN2VecError(f"the networks of a zoo have its interface, {self.interface}; got {architecture}")
        if self.task_set is not None and self.task_set.interface != self.interface:
            raise RNN2VecError(
                f"networks of {self.task_set.family} have the interface {self.task_set.interface}; got {self.interface}"
            )
        whole("seed", self.seed, -LARGEST_SEED, LARGEST_SEED)
        for name, kind in self.labels.items():
            if not isinstance(kind, str) or kind not in KINDS:
                raise RNN2VecError(f"the kind of a label is {', '.join(KINDS)}; got {shown(kind)} for {name}")

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Index:
        """The index of a zoo that is built, but for its checksums."""
        return cls(
            recipe.task_set.interface,
            recipe.architectures,
            recipe.task_set,
            recipe,
            recipe.seed,
            labels_of(recipe.task_set),
            written_by(),
        )

    def to_dict(self) -> dict[str, Any]:
        """What it says as a JSON-serialisable dictionary; what a recipe shares with the zoo is said once."""
        recipe = None if self.recipe is None else self.recipe.to_dict()
        return {
            "schema_version": SCHEMA_VERSION,
            "interface": self.interface.to_dict(),
            "architectures": [architecture.to_dict() for architecture in self.architectures],
            "family": None if self.task_set is None else self.task_set.to_dict(),
            "recipe": recipe and {name: value for name, value in recipe.items() if name not in _OF_RECIPE},
            "seed": self.seed,
            "labels": dict(self.labels),
            **({} if self.split_by == SOURCE else {"split_by": self.split_by}),
            "provenance": dict(self.provenance),
            "checksums": dict(self.checksums),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Index:
        """The inverse of :meth:`to_dict`.

        Raises:
            RNN2VecError: if a field is missing or out of range.
        """
        needed = ("interface", "architectures", "family", "recipe", "seed", "labels", "provenance", "checksums")
        if missing := [name for name in needed if name not in values]:
            raise RNN2VecError(f"the index of a zoo has the fields {', '.join(needed)}; it lacks {', '.join(missing)}")
        for name in ("labels", "provenance", "checksums"):
            if not isinstance(values[name], dict):
                raise RNN2VecError(f"{name} of a zoo are a JSON object; got {shown(values[name])}")
        architectures = tuple(map(Architecture.from_dict, sequence("architectures", values["architectures"])))
        recipe = values["recipe"]
        if recipe is not None:
            if not isinstance(recipe, dict) or not architectures:
                raise RNN2VecError(
                    f"a recipe is a JSON object, of networks of at least one of the architectures; got {shown(recipe)} "
                    f"and {len(architectures)} architectures"
                )
            first, *others = (architecture.to_dict() for architecture in architectures)
            shared = {"architecture": first, "others": others, "family": values["family"], "seed": values["seed"]}
            recipe = recipe_from_dict(recipe | shared)
        return cls(
            Interface.from_dict(values["interface"]),
            architectures,
            None if values["family"] is None else task_set_from_dict(values["family"]),
            recipe,
            values["seed"],
            values["labels"],
            values["provenance"],
            checksums_of(values),
            split_by=str(values.get("split_by", SOURCE)),
        )

    def write(self, directory: Path) -> None:
        """Write it with its own checksum; with it, a folder is a zoo."""
        write_json(directory / INDEX, sealed(self.to_dict()))


def written_by() -> dict[str, str]:
    """The tool that writes a zoo, as its provenance says it."""
    return {"tool": "rnn2vec", "version": version("rnn2vec")}


def labels_of(task_set: TaskSet) -> dict[str, str]:
    """Labels of a family's zoos: the properties of networks that it predicts, and their kinds."""
    return {wanted.name: wanted.kind for wanted in family_of(task_set.family).properties}


def checksums_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The checksums in an index that was read."""
    return {str(name): str(checksum) for name, checksum in values["checksums"].items()}


def read_index(directory: Path) -> dict[str, Any]:
    """Read the JSON of a zoo's index, of any schema up to this version's, as it was written.

    Raises:
        RNN2VecError: if there is none, it is no JSON object, was altered, or is of a newer schema.
    """
    path = directory / INDEX
    if not path.is_file():
        reason = (
            "its build has not finished: run the same command again"
            if (directory / BUILDING).exists() or (directory / IMPORTING).exists()
            else ("make one with `rnn2vec zoo build`, or of files with `rnn2vec zoo import`")
        )
        raise RNN2VecError(f"a zoo is a directory with a {INDEX}; {directory} has none: {reason}")
    values = read_json(path, "zoo index")
    found = values.get("schema_version")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise RNN2VecError(f"{path} states no schema_version, so it is no zoo of this format")
    if found > SCHEMA_VERSION:
        raise RNN2VecError(
            f"{directory} has schema version {found}, this rnn2vec reads up to {SCHEMA_VERSION}: upgrade rnn2vec"
        )
    require_unaltered(path, values)
    return values
