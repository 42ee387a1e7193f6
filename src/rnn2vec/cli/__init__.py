"""The command line, command by command: parse, call one function, print."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from typing import Annotated, ClassVar

import typer

from rnn2vec.cli.console import console, print_error
from rnn2vec.cli.later import QUIET, LaterGroup
from rnn2vec.errors import RNN2VecError


class _Commands(LaterGroup):
    places: ClassVar[Mapping[str, str]] = {
        "demo": "overview.demo",
        "pretrain": "encoders.pretrain",
        "evaluate": "encoders.evaluate_command",
        "predict": "predict.predict_command",
        "benchmark": "benchmark.benchmark_command",
        "redraw": "benchmark.redraw",
        "theory": "theory.theory",
        "interrogate-zoo": "theory.interrogate_zoo_command",
        "embed": "library.embed_command",
        "search": "library.search_command",
        "duplicates": "alike.duplicates_command",
        "lineage": "alike.lineage_command",
        "identify": "identify.identify_command",
        "atlas": "atlas.atlas_command",
        "compare": "compare.compare_command",
        "info": "overview.info",
    }


class _ZooCommands(LaterGroup):
    places: ClassVar[Mapping[str, str]] = {
        "build": "zoo.zoo_build",
        "import": "zoo.zoo_import",
        "import-published": "zoo.zoo_import_published",
        "export-published": "zoo.zoo_export_published",
        "info": "zoo.zoo_info",
        "verify": "zoo.zoo_verify",
    }


app = typer.Typer(cls=_Commands, help="Representations of recurrent neural networks.", no_args_is_help=True)
app.add_typer(
    typer.Typer(cls=_ZooCommands, help="Build and inspect zoos of trained networks.", no_args_is_help=True), name="zoo"
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rnn2vec {importlib.metadata.version('rnn2vec')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")
    ] = False,
    quiet: Annotated[bool, typer.Option(QUIET, "-q", help="Show results and errors, and no progress.")] = False,
) -> None:
    """Representations of recurrent neural networks."""
    console.shows_progress = not quiet


_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "Storage size calculation overflowed")
"""What torch says in its RuntimeErrors, on Linux and macOS, on Windows, on accelerators, and of absurd sizes."""


def main() -> None:
    """Run the command line; a user's mistake, or too little memory, becomes one line and exit status 1."""
    try:
        app()
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _OUT_OF_MEMORY):
            raise
        print_error("not enough memory for networks of these sizes, and so many at once: choose less, or fewer workers")
        sys.exit(1)
    except RNN2VecError as error:
        print_error(str(error))
        sys.exit(1)
    except OSError as error:
        print_error(f"{error.filename or 'a file'}: {error.strerror or error}")
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == 130:  # what typer makes of Ctrl-C
            print_error("interrupted; what is on disk is whole: the same command goes on, or begins anew")
        raise
