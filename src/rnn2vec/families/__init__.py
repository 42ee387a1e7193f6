"""Families of tasks, one file each: whatever of this folder has a ``FAMILY`` is one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from rnn2vec.errors import RNN2VecError
from rnn2vec.families.family import Family, View
from rnn2vec.families.labelled import view_of_labels
from rnn2vec.fields import shown
from rnn2vec.interface import Interface


def discover() -> dict[str, Family]:
    """The families of all files in this folder, by name."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    found = (getattr(module, "FAMILY", None) for module in modules)
    return {family.name: family for family in found if isinstance(family, Family)}


FAMILIES = discover()
"""Families by name."""


def family_of(name: object) -> Family:
    """The family of this name.

    Raises:
        RNN2VecError: if there is none.
    """
    if not isinstance(name, str) or name not in FAMILIES:
        raise RNN2VecError(f"families of tasks are {', '.join(FAMILIES)}; got {shown(name)}")
    return FAMILIES[name]


def view_of(family: str | None, interface: Interface, labels: Mapping[str, str]) -> View:
    """The view of a family, or of networks of none, by their interface and the kinds of their labels.

    Raises:
        RNN2VecError: if there is no family of this name.
    """
    return view_of_labels(interface, labels) if family is None else family_of(family)
