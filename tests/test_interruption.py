"""Commands with workers that are interrupted or killed as a whole: nothing is left running, and the end is the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn2vec import build_zoo, zoo_recipe
from rnn2vec.benchmark.measurements import read_measurements
from rnn2vec.benchmark.run import RESULTS

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
from rnn2vec import build_zoo, zoo_recipe

directory, kills = Path(sys.argv[1]), int(sys.argv[2])
options = dict(models=24, steps=600, snapshots=(0, 600), hidden_size=8, traces=4)
recipe = zoo_recipe("formal-languages", "demo", evaluation_strings=20, models_per_shard=1, **options)
random.seed(0)

def shards():
    return len(list(directory.glob("traces/*.safetensors")))

def begin():
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            build_zoo(recipe, directory, workers=2)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child

if __name__ == "__main__":
    build_zoo(recipe, directory.with_name("whole"))
    written = []
    for _ in range(kills):
        child, before, deadline = begin(), shards(), time.monotonic() + 60
        while shards() == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 0.05))  # far less than a shard takes
        os.killpg(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        written.append(shards())
    assert os.waitpid(begin(), 0)[1] == 0
    print(json.dumps(written))
"""


def living(group: int) -> list[str]:
    """Command lines of the processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text().rsplit(")", 1)[1].split()[:3]
            if int(of) == group and state not in "ZX":
                found.append((stat.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has just ended
            continue
    return found


def run(*arguments: object) -> None:
    command = [sys.executable, "-m", "rnn2vec", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, env=ENVIRONMENT)
    assert ended.returncode == 0, ended.stderr


def interrupt(written: Callable[[], bool], *arguments: object) -> None:
    """Start a command, press Ctrl-C once something is written, and see that it ends as it should."""
    command = [sys.executable, "-m", "rnn2vec", *map(str, arguments)]
    with subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        deadline = time.monotonic() + 60
        while not written() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=300)
        finally:
            if process.poll() is None:  # it would go on beside all other tests
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, errors
    # Python's tracker says so where Ctrl-C came between a semaphore and its owner, and that it cleaned up
    said = [line for line in errors.splitlines() if "resource_tracker" not in line]
    assert said[-1].endswith("error: interrupted; what is on disk is whole: the same command goes on, or begins anew")
    assert "Traceback" not in errors
    deadline = time.monotonic() + 10
    while living(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(process.pid) == []


@pytest.mark.parametrize("moment", ["building.json", "traces/*.safetensors"], ids=["workers start", "shards"])
def test_a_build_with_workers_is_interrupted(
    moment: str, tmp_path: Path, file_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    sizes = {"models": 96, "steps": 200, "hidden_size": 8}
    flags = [part for name, value in sizes.items() for part in (f"--{name.replace('_', '-')}", value)]
    command = ["zoo", "build", "formal-languages", "--preset", "demo", *flags]
    parts = tmp_path / "parts"
    interrupt(lambda: any(parts.glob(moment)), *command, "--workers", 2, "--out", parts)
    assert (parts / "building.json").is_file()
    assert len(list(parts.glob("traces/*.safetensors"))) < 6
    run(*command, "--workers", 2, "--out", parts)
    build_zoo(zoo_recipe("formal-languages", "demo", **sizes), tmp_path / "whole")
    assert file_bytes(parts) == file_bytes(tmp_path / "whole")


def test_a_benchmark_with_workers_is_interrupted(tmp_path: Path) -> None:
    options = {"models": 64, "steps": 20, "snapshots": (20,), "hidden_size": 8, "traces": 10}
    zoo = build_zoo(zoo_recipe("formal-languages", "demo", evaluation_strings=20, **options), tmp_path / "zoo")
    sizes = {"preset": "demo", "steps": 20, "seeds": 1, "supervised-steps": 100, "workers": 2}
    flags = [part for name, value in sizes.items() for part in (f"--{name}", value)]
    command = ["benchmark", zoo.directory, "--encoders", "statistics,flat", *flags, "--out"]
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    interrupt(lambda: any(parts.glob("zoo/*/*/baseline.safetensors")), *command, parts)
    assert not (parts / RESULTS).exists()
    run(*command, parts)
    run(*command, whole)
    tables = [read_measurements(directory / RESULTS).to_pylist() for directory in (parts, whole)]
    found, expected = ([repr(row) for row in table if row["metric"] != "seconds"] for table in tables)
    assert found == expected
    assert len(found) > 100


def test_a_build_with_workers_is_killed(tmp_path: Path, file_bytes: Callable[[Path], dict[str, bytes]]) -> None:
    (tmp_path / "killer.py").write_text(KILLER)  # a file, which workers that start can import
    command = [sys.executable, str(tmp_path / "killer.py"), str(tmp_path / "zoo"), "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert ended.returncode == 0, ended.stderr
    written = json.loads(ended.stdout)
    assert written == sorted(set(written))  # each went on where the one before was killed
    assert 1 <= written[0] <= written[-1] < 24
    assert file_bytes(tmp_path / "zoo") == file_bytes(tmp_path / "whole")
