"""The tutorials: every block of commands and of Python, in the order of the page.

Sizes are small, so what pages say of trained networks is not tested; that commands run, and what does not depend on
training, is.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Command

ROOT = Path(__file__).parents[1]
TUTORIALS = ROOT / "docs/tutorials"
PAGES = sorted(path.name for path in TUTORIALS.glob("*.md"))
SMALL = {
    "black-box.md": {"effects.py effects": "effects.py effects --steps 2"},
    "neuroscience.md": {
        "build cognitive-tasks --preset demo": "build cognitive-tasks --preset demo --models 32 --steps 2",
        "--preset demo --out tasks-encoder": "--preset demo --steps 2 --out tasks-encoder",
        "--where step=600": "--where step=2",
        ">= 0.8": ">= 0.0",
    },
    "own-networks.md": {
        "effects.py effects": "effects.py effects --steps 2",
        "drive_gru_0.pt\n": "drive_gru_0.pt --budget 1000\n",
    },
    "paper.md": {
        "--preset demo --out languages": "--preset demo --models 12 --steps 2 --out languages",
        "--preset demo --seeds 2": "--preset demo --steps 2 --seeds 1",
    },
    "solutions.md": {
        "solutions.py solutions": "solutions.py solutions --steps 1",
        "--at-most 0.5": "--at-most 0.0001 --budget 1000",
    },
    "zoo.md": {
        "--preset demo --out languages-encoder": "--preset demo --steps 2 --out languages-encoder",
        "--preset demo --out languages": "--preset demo --models 12 --steps 2 --out languages",
    },
}
"""What a page says, and what is run in its place."""

SAID = {
    "black-box.md": ["1.000 fuzz_gru_1", "it is none of these"],
    "own-networks.md": ["16 files: 16 read, 0 refused", "effect cell"],
    "solutions.md": [
        "18 files: 18 read, 0 refused",
        "renumbered (difference",
        ": tanh_0, tanh_8",
        "rounded (difference",
        ": relu_0, relu_8",
        "1 tanh_8",
        "the networks differ by at most 0.0001",
    ],
    "zoo.md": ["is sound"],
}
"""What is printed somewhere, whatever was learnt."""


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """The language and the text of each block that is run."""
    text = (TUTORIALS / page).read_text()
    for written, small in SMALL.get(page, {}).items():
        assert written in text, f"{page} does not say {written!r}"
        text = text.replace(written, small)
    assert set(re.findall(r"^ *```(\w*)$", text, re.MULTILINE)) <= {"", "sh", "python", "toml"}
    for found in re.finditer(r"^```(sh|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield found[1], found[2]


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rnn2vec_command: Command) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    names: dict[str, object] = {}
    ran, printed = 0, ""
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page, "exec"), names)
            ran += 1
            continue
        for line in filter(None, text.splitlines()):
            program, *arguments = shlex.split(line, comments=True)
            wanted = int(found[1]) if (found := re.search(r"# exit status (\d)", line)) else 0
            if program == "rnn2vec":
                status, said, errors = rnn2vec_command(*arguments)
            else:
                assert program == "python", line
                done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
                status, said, errors = done.returncode, done.stdout, done.stderr
            assert status == wanted, f"{line}\n{said}\n{errors}"
            printed += f" {said} {errors}"
            ran += 1
    assert ran > 2, "a tutorial has commands"
    for wanted_words in SAID.get(page, []):
        assert wanted_words in " ".join(printed.split())
    sys.modules.pop("effects", None)


def test_pages_can_be_followed_in_one_folder() -> None:
    """No two pages write to one place, but for what one of them says to skip."""
    taken = [out for page in PAGES for _, text in blocks(page) for out in re.findall(r"--out (\S+)", text)]
    again = {out for out in taken if taken.count(out) > 1}
    assert again == {"effects.zoo", "languages"}
    assert "skip the next two lines" in (TUTORIALS / "black-box.md").read_text()
