"""The public face: names that are there, imported only when they are asked for, and Ctrl-C from the first moment."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rnn2vec

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_listed_typed_and_there() -> None:
    tree = ast.parse(Path(rnn2vec.__file__).read_text())
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        (own.module, alias.name) for own in typed.body if isinstance(own, ast.ImportFrom) for alias in own.names
    }
    listed = {(module, name) for module, names in rnn2vec._PLACES.items() for name in names.split()}
    assert imported == listed
    assert sorted(name for _, name in listed) == sorted(rnn2vec.__all__)
    assert all(getattr(rnn2vec, name) is not None for name in rnn2vec.__all__)
    assert set(rnn2vec.__all__) <= set(dir(rnn2vec))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        rnn2vec.nothing  # noqa: B018


def test_nothing_is_imported_that_nobody_asked_for() -> None:
    code = (
        "import sys, rnn2vec; early = 'torch' in sys.modules; rnn2vec.Population; print(early, [m for m in sys.modules"
    )
    code += " if m in ('sklearn', 'scipy', 'pooch', 'h5py', 'onnx', 'matplotlib', 'rich', 'typer')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False []"


def test_the_command_line_imports_no_library_that_few_commands_need() -> None:
    heavy = ("sklearn", "matplotlib", "scipy.stats", "scipy.optimize", "pooch", "h5py", "onnx", "keras")
    commands = ", ".join(f"rnn2vec.cli.{path.stem}" for path in (ROOT / "src/rnn2vec/cli").glob("[!_]*.py"))
    code = f"import sys, {commands}; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert commands.count(",") > 10
    assert said.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "Find the networks that are most alike to one."),
        (["zoo", "--help"], "Summarise a zoo."),
        (["--version"], "rnn2vec 0"),
        (["serch"], "No such command 'serch'"),
        (["zoo", "buil"], "No such command 'buil'"),
    ],
)
def test_help_and_a_mistyped_command_need_not_wait_for_torch(arguments: list[str], expected: str) -> None:
    code = "import sys; from rnn2vec.cli import app; from typer.testing import CliRunner; "
    code += f"print(CliRunner().invoke(app, {arguments}).output, 'torch' in sys.modules, 'numpy' in sys.modules)"
    environment = os.environ | {"COLUMNS": "200"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert expected in found.stdout
    assert found.stdout.endswith("False False\n")


@pytest.mark.skipif(os.name != "posix", reason="signals of posix")
@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.5])
def test_an_interrupt_while_the_package_is_imported_is_one_line(seconds: float, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rnn2vec", "demo", "--out", str(tmp_path / "demo")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=300)
    finally:
        if process.poll() is None:  # it would go on beside all other tests
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.startswith("error: interrupted")
