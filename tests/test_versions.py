"""The versions that are tested together are among those that are allowed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def version(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


def test_constraints_lie_within_the_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    least = dict(re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", bound).groups() for bound in bounds)  # type: ignore[union-attr]
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert set(least) <= set(pinned)
    assert [name for name in least if version(pinned[name]) < version(least[name])] == []
