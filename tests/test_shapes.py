"""Shapes in signatures are true: every function that says some is called while they are checked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ABSTRACT = {"rnn2vec.encoders.encoder.Encoder.represent"}
"""What every subclass has its own of."""


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """What the program of ``checked_calls.py`` says; a false shape ends it."""
    program = Path(__file__).with_name("checked_calls.py")
    ended = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_every_function_with_shapes_is_called(said: dict[str, Any]) -> None:
    assert len(said["annotated"]) > 90
    public = {name for name in said["annotated"] if not name.rsplit(".", 1)[-1].startswith("_") or "__" in name}
    assert public - set(said["called"]) - ABSTRACT == set()


def test_every_shape_is_checked(said: dict[str, Any]) -> None:
    """What cannot be evaluated where it is written would be checked as anything at all."""
    assert set(said["checked"]) == {*said["annotated"], *said["protocols"]}


def test_wrong_shapes_are_reported(said: dict[str, Any]) -> None:
    assert len(said["wrong"]) > 4
    assert [what for what, reported in said["wrong"].items() if not reported] == []
