"""Commands that are imported when they are run: help, completion and a mistyped name need none of them, nor torch."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from rnn2vec.cli.console import console
from rnn2vec.leaving import raise_again

QUIET = "--quiet"


class Later(TyperCommand):
    """A command of which only name and help are known, until it is run.

    Args:
        name: what it is called.
        place: the function that it calls, as ``module.function`` of :mod:`rnn2vec.cli`.
    """

    def __init__(self, name: str, place: str) -> None:
        module, self._function = place.split(".")
        self._module = f"rnn2vec.cli.{module}"
        super().__init__(name, help=_docstring(self._module, self._function))

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself, which is imported now."""
        module = importlib.import_module(self._module)
        raise_again()
        if QUIET in args:  # it is an option of all commands, and may stand behind them
            args, console.shows_progress = [part for part in args if part != QUIET], False
        only = typer.Typer(add_completion=False)
        only.command(self.name)(getattr(module, self._function))
        return typer.main.get_command(only).make_context(info_name, args, parent, **extra)


class LaterGroup(TyperGroup):
    """A group of such commands.

    Attributes:
        places: of each command, by its name, see :class:`Later`.
    """

    places: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {**{name: Later(name, place) for name, place in self.places.items()}, **self.commands}


def _docstring(module: str, function: str) -> str | None:
    """That of a function, read from the file of its module, which is not run."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    for node in ast.parse(Path(found.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return ast.get_docstring(node)
    raise AttributeError(f"{module} has no {function}")
