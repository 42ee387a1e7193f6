"""Zoo recipes from presets, with some fields replaced; recipes and sets of tasks from JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from rnn2vec.architecture import CHOICES, NONLINEARITIES, Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families import family_of
from rnn2vec.families.recipe import Recipe
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import sequence, shown, whole

ARCHITECTURE = {field.name for field in dataclasses.fields(Architecture)} | {"hidden_size", "num_layers"}

T = TypeVar("T", TaskSet, Recipe)


def zoo_recipe(family: str, preset: str = "laptop", **overrides: Any) -> Recipe:
    """A preset of a family with some fields replaced.

    Args:
        family: the name of a family of tasks.
        preset: ``demo``, ``laptop`` or ``paper``.
        overrides: fields of the family's recipe, of its set of tasks (such as ``length`` or ``source``), or of its
            architectures (such as ``cell``, ``hidden_size``, ``num_layers``), that win over the preset; or ``cells``,
            what its networks are made of in equal parts, such as ``("gru", "leaky", "leaky-softplus-inside")``. With
            other ``steps``, snapshots beyond the last step are left out and the last step itself is kept.

    Raises:
        RNN2VecError: if the family, the preset or a field is unknown or out of range.
    """
    presets = family_of(family).presets
    if preset not in [*presets]:
        raise RNN2VecError(f"zoo presets are {', '.join(presets)}; got {shown(preset)}")
    base = presets[preset]
    of_tasks = {field.name for field in dataclasses.fields(base.task_set)}
    task_values = {name: value for name, value in overrides.items() if name in of_tasks}
    architecture_values = {name: value for name, value in overrides.items() if name in ARCHITECTURE - of_tasks}
    values = {name: value for name, value in overrides.items() if name not in of_tasks | ARCHITECTURE}
    if "steps" in values and "snapshots" not in values:
        steps = whole("steps", values["steps"])
        values["snapshots"] = (*(s for s in base.snapshots if s < steps), steps)
    try:
        task_set = dataclasses.replace(base.task_set, **task_values)
        interface = task_set.interface
        sizes = {"input_size": interface.inputs.size, "output_size": interface.outputs.size}
        cells = values.pop("cells", None)
        chosen = base.architectures if cells is None else [_of_cell(base, cell) for cell in sequence("cells", cells)]
        made = [architecture.resized(**(sizes | architecture_values)) for architecture in chosen]
        if not made:
            raise RNN2VecError("cells are those of a zoo's networks, at least one; got none")
        return dataclasses.replace(base, task_set=task_set, architecture=made[0], others=tuple(made[1:]), **values)
    except TypeError as error:
        raise RNN2VecError(f"unknown field of a zoo recipe of {family}: {error}") from error


def _of_cell(base: Recipe, cell: object) -> Architecture:
    """A preset's architecture with another cell: its name and, joined by hyphens, what the cell has a choice of."""
    name, *choices = str(cell).split("-")
    known = {choice: field for field, (of, all_of) in CHOICES.items() if of == name for choice in all_of}
    known |= dict.fromkeys(NONLINEARITIES.get(name, ()), "nonlinearity")
    if unknown := [choice for choice in choices if choice not in known]:
        raise RNN2VecError(f"{name} has a choice of {', '.join(known)}; got {', '.join(unknown)} in {cell}")
    plain: dict[str, Any] = {"nonlinearity": "tanh", **{field: all_of[0] for field, (_, all_of) in CHOICES.items()}}
    return base.architecture.resized(**(plain | {"cell": name} | {known[choice]: choice for choice in choices}))


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """The inverse of :meth:`Recipe.to_dict`.

    Raises:
        RNN2VecError: if a field is missing, unknown or out of range.
    """
    if not {"family", "architecture"} <= values.keys():
        raise RNN2VecError(f"a zoo recipe has a family and an architecture; got {', '.join(map(str, values))}")
    task_set = task_set_from_dict(values["family"])
    fields = {name: value for name, value in values.items() if name != "family"}
    fields["architecture"] = Architecture.from_dict(values["architecture"])
    fields["others"] = tuple(map(Architecture.from_dict, sequence("others", values.get("others", ()))))
    return _made(
        family_of(task_set.family).recipe, f"a zoo recipe of {task_set.family}", fields, {"task_set": task_set}
    )


def task_set_from_dict(values: object) -> TaskSet:
    """The inverse of :meth:`TaskSet.to_dict`.

    Raises:
        RNN2VecError: if a field is missing, unknown or out of range.
    """
    if not isinstance(values, Mapping):
        raise RNN2VecError(f"a family of tasks has a name and settings; got {shown(values)}")
    family = family_of(values.get("name"))
    return _made(family.task_set, f"tasks of {family.name}", {k: v for k, v in values.items() if k != "name"}, {})


def _made(kind: type[T], what: str, fields: Mapping[str, Any], given: Mapping[str, Any]) -> T:
    """A dataclass from fields that were read and others that are given."""
    known = [field.name for field in dataclasses.fields(kind) if field.compare and field.name not in given]
    if unknown := [name for name in fields if name not in known]:
        raise RNN2VecError(f"{what} has the fields {', '.join(known)}; got {', '.join(unknown)}, too")
    try:
        return kind(**given, **fields)
    except (TypeError, KeyError) as error:
        raise RNN2VecError(f"{what} has the fields {', '.join(known)}; this one does not fit ({error})") from error
