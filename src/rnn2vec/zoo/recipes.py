"""Zoo recipes from presets, with some fields replaced, and from JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families import family_of
from rnn2vec.families.recipe import Recipe
from rnn2vec.fields import shown, whole


def zoo_recipe(family: str, preset: str = "laptop", **overrides: Any) -> Recipe:
    """A preset of a family with some fields replaced.

    Args:
        family: ``formal-languages`` or ``sequential-digits``.
        preset: ``demo``, ``laptop`` or ``paper``.
        overrides: fields of the family's recipe, or of its architecture (``cell``, ``hidden_size``, ``num_layers``,
            ``nonlinearity``), that win over the preset. With other ``steps``, snapshots beyond the last step are left
            out and the last step itself is kept.

    Raises:
        RNN2VecError: if the family, the preset or a field is unknown or out of range.
    """
    presets = family_of(family).presets
    if preset not in [*presets]:
        raise RNN2VecError(f"zoo presets are {', '.join(presets)}; got {shown(preset)}")
    base = presets[preset]
    architecture_names = {"cell", "hidden_size", "num_layers", "nonlinearity"}
    values = {name: value for name, value in overrides.items() if name not in architecture_names}
    architecture_values = {name: value for name, value in overrides.items() if name in architecture_names}
    if "steps" in values and "snapshots" not in values:
        steps = whole("steps", values["steps"])
        values["snapshots"] = (*(s for s in base.snapshots if s < steps), steps)
    try:
        architecture = base.architecture_with(values).resized(**architecture_values)
        return dataclasses.replace(base, architecture=architecture, **values)
    except TypeError as error:
        raise RNN2VecError(f"unknown field of a zoo recipe of {family}: {error}") from error


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """The inverse of :meth:`Recipe.to_dict`.

    Raises:
        RNN2VecError: if a field is missing, unknown or out of range.
    """
    family = values.get("family")
    kind = family_of(family).recipe
    known = [field.name for field in dataclasses.fields(kind) if field.compare]
    fields = {name: value for name, value in values.items() if name != "family"}
    if unknown := [name for name in fields if name not in known]:
        raise RNN2VecError(f"a zoo recipe of {family} has the fields {', '.join(known)}; got {', '.join(unknown)}, too")
    try:
        fields["architecture"] = Architecture.from_dict(fields["architecture"])
        return kind(**fields)
    except (TypeError, KeyError) as error:
        raise RNN2VecError(
            f"a zoo recipe of {family} has the fields {', '.join(known)}; this one does not fit ({error})"
        ) from error
