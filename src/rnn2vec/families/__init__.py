"""Families of tasks, one file each: whatever of this folder has a ``FAMILY`` is one."""

from __future__ import annotations

import importlib
import pkgutil

from rnn2vec.errors import RNN2VecError
from rnn2vec.families.family import Family
from rnn2vec.fields import shown

FAMILIES: dict[str, Family] = {
    family.name: family
    for module in pkgutil.iter_modules(__path__)
    if (family := getattr(importlib.import_module(f"{__name__}.{module.name}"), "FAMILY", None)) is not None
}
"""Families by name."""


def family_of(name: object) -> Family:
    """The family of this name.

    Raises:
        RNN2VecError: if there is none.
    """
    if not isinstance(name, str) or name not in FAMILIES:
        raise RNN2VecError(f"families of tasks are {', '.join(FAMILIES)}; got {shown(name)}")
    return FAMILIES[name]
