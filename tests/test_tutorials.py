"""What the tutorials run, at a small size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from conftest import Command

ROOT = Path(__file__).parents[1]


def test_which_of_my_solutions_are_alike(tmp_path: Path, rnn2vec_command: Command) -> None:
    script, folder, zoo = ROOT / "docs/tutorials/solutions.py", tmp_path / "solutions", tmp_path / "solutions.zoo"
    command = [sys.executable, str(script), str(folder), "--seeds", "3", "--steps", "3"]
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
    status, said, errors = rnn2vec_command("zoo", "import", str(folder), "--out", str(zoo))
    assert status == 0, errors
    assert "8 files: 8 read, 0 refused" in said
    _, said, _ = rnn2vec_command("duplicates", str(zoo), "--json")
    groups = {tuple(group["names"]): group["kind"] for group in json.loads(said)["groups"]}
    assert groups[("tanh_0", "tanh_3")] == "renumbered"
    assert groups[("relu_0", "relu_3")] == "rounded"
    _, said, _ = rnn2vec_command("search", str(zoo), "tanh_0", "--top", "1", "--json")
    assert json.loads(said)["results"][0]["name"] == "tanh_3"
    assert rnn2vec_command("lineage", str(zoo))[0] == 0
    first, copy, other = (str(folder / f"{name}.npz") for name in ("tanh_0", "tanh_3", "relu_0"))
    assert rnn2vec_command("compare", first, copy, "--at-most", "1e-4")[0] == 0
    assert rnn2vec_command("compare", first, other, "--at-most", "0.1")[0] == 1
    assert rnn2vec_command("atlas", str(zoo), "--out", str(tmp_path / "atlas.html"), "--related")[0] == 0
