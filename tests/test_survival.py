"""Builds and trainings that are killed or begun twice: what is there stays, and the end is the same.

RNN2VEC_KILLS sets how many kills of each kind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn2vec import Recipe, RNN2VecError, Zoo, build_zoo, zoo_recipe
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import pretrain_into
from rnn2vec.outputs import sole_writer

KILLS = int(os.environ.get("RNN2VEC_KILLS", "10"))
posix = pytest.mark.skipif(os.name != "posix", reason="kill -9 and flock")

KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
import rnn2vec.training as training
from rnn2vec import build_zoo, zoo_recipe
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import pretrain_into
from rnn2vec.theory.gap import run_gap
from rnn2vec.theory.gap_recipe import GapRecipe, Interrogator

kind, target, zoo, kills = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
training.CHECKPOINT_SECONDS = 0.0
random.seed(kind)

def work(directory):
    if kind == "zoo":
        options = dict(models=8, steps=80, snapshots=(0, 40, 80), hidden_size=8, batch_size=4, traces=4)
        recipe = zoo_recipe("formal-languages", "demo", evaluation_strings=20, models_per_shard=2, **options)
        build_zoo(recipe, directory)
    elif kind == "learning to ask":
        run_gap([Interrogator("interactive, echo", 4, GapRecipe(3, steps=30, copies=8, core_size=8))], directory)
    else:
        recipe = pretrain_recipe("formal-languages", "demo", steps=20, networks=4, traces=1, emulator_size=8)
        pretrain_into(zoo, "interactive", recipe, 0, directory, on_progress=lambda amount, note: None)

def begin(directory):
    child = os.fork()
    if child == 0:
        try:
            work(directory)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child

start = time.monotonic()
assert os.waitpid(begin(target / "whole"), 0)[1] == 0
duration = time.monotonic() - start
killed = partial = rounds = 0
while killed < kills:
    directory = target / f"round-{rounds}"
    rounds += 1
    while True:
        child = begin(directory)
        time.sleep(random.uniform(0.0, 0.8 * duration))
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended and killed < kills:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
            partial += directory.exists() and any(directory.iterdir())
            continue
        if not ended:
            status = os.waitpid(child, 0)[1]
        assert status == 0, f"round {rounds} failed"
        break
print(json.dumps({"killed": killed, "partial": partial, "rounds": rounds}))
"""


def contents(directory: Path) -> dict[str, str]:
    """Checksums of all files; of a training record, all but its clock and the checksum that covers it."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name == "training.json":
                record = json.loads(content)
                del record["seconds"], record["sha256"]
                for entry in record["history"]:
                    del entry["seconds"]
                content = json.dumps(record).encode()
            found[path.relative_to(directory).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    options = {"models": 64, "steps": 2, "snapshots": (2,), "hidden_size": 8, "traces": 10}
    recipe = zoo_recipe("formal-languages", "demo", evaluation_strings=10, **options)
    return build_zoo(recipe, tmp_path_factory.mktemp("survival") / "zoo")


@posix
@pytest.mark.parametrize("kind", ["zoo", "pretraining", "learning to ask"])
def test_killed_at_any_moment_the_same_command_ends_the_same(kind: str, zoo: Zoo, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLER, kind, str(tmp_path), str(zoo.directory), str(KILLS)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=200 + 4 * KILLS, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout.splitlines()[-1])
    assert seen["killed"] == KILLS
    assert seen["partial"] >= max(1, KILLS // 5)  # killed with work half done
    expected = contents(tmp_path / "whole")
    for number in range(seen["rounds"]):
        assert contents(tmp_path / f"round-{number}") == expected


@posix
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    children = Path("/proc")
    if not children.is_dir():
        pytest.skip("needs /proc")
    command = [
        sys.executable,
        "-m",
        "rnn2vec",
        "zoo",
        "build",
        "formal-languages",
        "--preset",
        "demo",
        "--workers",
        "2",
    ]
    parent = subprocess.Popen([*command, "--out", str(tmp_path / "zoo")], stdout=subprocess.DEVNULL)

    def workers() -> list[int]:
        found = []
        for stat in children.glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
                line = (stat.parent / "cmdline").read_bytes()
            except (OSError, IndexError):
                continue
            if int(fields[1]) == parent.pid and b"spawn_main" in line:
                found.append(int(stat.parent.name))
        return found

    deadline = time.monotonic() + 300
    while len(workers()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    started = workers()
    assert len(started) == 2
    time.sleep(1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    def alive(process: int) -> bool:
        try:
            return (children / str(process) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    deadline = time.monotonic() + 120
    while any(map(alive, started)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, started))


@posix
def test_a_second_writer_is_refused(tiny_recipe: Recipe, zoo: Zoo, tmp_path: Path) -> None:
    holder = "import sys, time; from pathlib import Path; from rnn2vec.outputs import sole_writer\n"
    holder += "with sole_writer(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", holder, str(tmp_path / "a")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RNN2VecError, match="another is writing"):
            build_zoo(tiny_recipe, tmp_path / "a")
        recipe = pretrain_recipe("formal-languages", "demo", steps=1)
        with pytest.raises(RNN2VecError, match="another is writing"):
            pretrain_into(zoo.directory, "flat", recipe, 0, tmp_path / "a", on_progress=lambda amount, note: None)
        assert list((tmp_path / "a").iterdir()) == []
        process.kill()
    with sole_writer(tmp_path / "a"):  # the hold ended with its process
        pass
    assert build_zoo(tiny_recipe, tmp_path / "a").verify() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("needs mount")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_the_build_goes_on(small_disk: Path, tmp_path: Path) -> None:
    recipe = zoo_recipe("formal-languages", "demo", models=32, steps=2, snapshots=(0, 2), models_per_shard=4)
    with pytest.raises(RNN2VecError, match="no space left on the disk"):
        build_zoo(recipe, small_disk / "zoo")
    before = contents(small_disk / "zoo")
    assert not [name for name in before if "partial" in name]
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    build_zoo(recipe, small_disk / "zoo")
    build_zoo(recipe, tmp_path / "whole")
    assert contents(small_disk / "zoo") == contents(tmp_path / "whole")
    kept = {name: checksum for name, checksum in before.items() if not name.startswith("buil")}
    assert kept.items() <= contents(tmp_path / "whole").items()  # what was there before is as it was
    assert kept
