"""Zoos of schema 1, which an earlier version wrote: their index and table in today's form.

Their index was a recipe: what tasks are and how networks were trained in one. ``import-published`` had to invent one,
whose tasks were ``listed`` in the table; such a zoo has none now. They have no names, no checksums of rows (so a file
is read and checked as a whole), all numbers of their traces are float16, and traces were called rollouts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.families import family_of
from rnn2vec.fields import shown
from rnn2vec.zoo.index import Index, checksums_of, labels_of
from rnn2vec.zoo.recipes import recipe_from_dict, task_set_from_dict

VERSION = 1


def index_of_schema_1(values: Mapping[str, Any]) -> Index:
    """The index of a zoo of schema 1.

    Raises:
        RNN2VecError: if a field is missing, unknown, out of range, or not the recipe's.
    """
    old = values.get("recipe")
    if not isinstance(old, dict) or not isinstance(values.get("checksums"), dict):
        raise RNN2VecError("the index of a zoo of schema 1 has a recipe and checksums; restore or rebuild the zoo")
    for name in ("family", "spec", "seed"):
        if name not in old or values.get(name) != old[name]:
            raise RNN2VecError(
                f"the index of a zoo states the {name} of its recipe; got {shown(values.get(name))} and "
                f"{shown(old.get(name))}: restore or rebuild the zoo"
            )
    of_tasks = [field.name for field in dataclasses.fields(family_of(old["family"]).task_set)]
    settings = {"name": old["family"], **{name: old[name] for name in of_tasks if name in old}}
    fields = {name: value for name, value in old.items() if name not in (*of_tasks, "spec", "rollouts")}
    fields |= {"family": settings, "architecture": old["spec"], "traces": old.get("rollouts")}
    recipe = None if old.get("assignment") == "listed" else recipe_from_dict(fields)
    task_set = task_set_from_dict(settings)
    published = values.get("published_arguments")
    return Index(
        task_set.interface,
        (Architecture.from_dict(old["spec"]),),
        task_set,
        recipe,
        old["seed"],
        labels_of(task_set),
        {} if published is None else {"published_arguments": published},
        checksums_of(values),
        version=VERSION,
    )


def table_of_schema_1(table: pa.Table) -> pa.Table:
    """The table of a zoo of schema 1, with the columns that today's has beside."""
    if not {"model", "step"} <= set(table.column_names):
        return table  # whoever looks at it says what it lacks
    count = table.num_rows
    names = [f"model-{m}-step-{s}" for m, s in zip(table["model"].to_pylist(), table["step"].to_pylist(), strict=True)]
    added = {
        "name": pa.array(names, pa.string()),
        "source": pa.array([""] * count, pa.string()),
        "architecture": pa.array([0] * count, pa.int32()),
        "weights_sha256": pa.nulls(count, pa.string()),
        "traces_sha256": pa.nulls(count, pa.string()),
    }
    for name, column in added.items():
        table = table.append_column(name, column)
    return table
