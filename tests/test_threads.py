"""Cores that may be used, threads that compute on them, and a machine that is shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rnn2vec import ENCODERS, Architecture, Classes, Interface, Population, Tokens, build_encoder
from rnn2vec.cores import usable_cores
from rnn2vec.parallel import run_jobs
from rnn2vec.threads import WORTH_A_THREAD, backward_on, default_threads, on_threads, threads_for

ROOT = Path(__file__).parents[1]
V1 = "31 23 0:28 / /sys/fs/cgroup/{0} rw,relatime shared:9 - cgroup cgroup rw,{0}\n"
V2 = "41 31 0:38 {0} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a faked machine of eight visible cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (tmp_path / "proc/self").mkdir(parents=True)
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("own", "above", "cores"),
    [
        ("200000 100000", "max 100000", 2),
        ("max 100000", "max 100000", 8),
        ("max 100000", "100000 100000", 1),  # the group above has one
        ("350000 100000", "max 100000", 3),  # whole cores
        ("50000 100000", "max 100000", 1),  # at least one
        ("1600000 100000", "max 100000", 8),  # no more than are visible
        ("max", "", 8),
        ("nonsense", "200000 0", 8),
        ("-1 100000 3", "\n", 8),
    ],
)
def test_quota_of_version_2(own: str, above: str, cores: int, system: Path) -> None:
    put(system / "proc/self/cgroup", "0::/users/me\n")
    put(system / "proc/self/mountinfo", "broken line\n" + V2.format("/"))
    put(system / "sys/fs/cgroup/users/me/cpu.max", own)
    put(system / "sys/fs/cgroup/users/cpu.max", above)
    assert usable_cores(system) == cores


def test_quota_of_a_container_that_sees_its_own_group_as_the_root(system: Path) -> None:
    put(system / "proc/self/cgroup", "0::/docker/abc\n")
    put(system / "proc/self/mountinfo", V2.format("/docker/abc"))
    put(system / "sys/fs/cgroup/cpu.max", "300000 100000\n")
    assert usable_cores(system) == 3


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("100000", 1), ("250000", 2), ("", 8)])
@pytest.mark.parametrize("controllers", ["cpu,cpuacct", "cpu"])
def test_quota_of_version_1(quota: str, cores: int, controllers: str, system: Path) -> None:
    put(system / "proc/self/cgroup", f"9:memory:/jobs/7\n4:{controllers}:/jobs/7\n0::/\n")
    put(system / "proc/self/mountinfo", V1.format("memory") + V1.format(controllers))
    put(system / f"sys/fs/cgroup/{controllers}/jobs/7/cpu.cfs_quota_us", quota)
    put(system / f"sys/fs/cgroup/{controllers}/jobs/7/cpu.cfs_period_us", "100000")
    assert usable_cores(system) == cores


def test_a_system_without_control_groups(system: Path) -> None:
    assert usable_cores(system / "nowhere") == 8


def python(code: str, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    ended = subprocess.run([sys.executable, "-c", code], env=inherited | environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="there no affinity can be set")
def test_affinity_is_what_commands_start_with() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import torch; torch.set_num_threads(4)\n"
        "from rnn2vec.threads import default_threads; print(default_threads())"
    )
    assert python(code) == "1"


def test_threads_wait_for_microseconds_unless_the_user_says_otherwise() -> None:
    code = "import rnn2vec, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    assert 0 < int(python(code)) < 5000
    assert python(code, OMP_WAIT_POLICY="active") == "None"
    assert python(code, GOMP_SPINCOUNT="7") == "7"
    as_torch_loads = (
        "import os, sys\n"
        "class Look:\n"
        "    def find_spec(self, name, *others):\n"
        "        if name == 'torch': print(os.environ.get('GOMP_SPINCOUNT'))\n"
        "sys.meta_path.insert(0, Look())\n"
        "import rnn2vec\n"
        "rnn2vec.Population"
    )
    assert 0 < int(python(as_torch_loads).splitlines()[0]) < 5000


def test_small_steps_get_one_thread() -> None:
    with on_threads(3):
        assert threads_for(0) == threads_for(1.9 * WORTH_A_THREAD) == 1
        assert threads_for(2 * WORTH_A_THREAD) == 2
        assert threads_for(float("inf")) == 3
        assert default_threads() <= min(3, usable_cores())


def test_threads_are_as_before_whatever_happens() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        assert torch.get_num_threads() == before + 1
        torch.set_num_threads(before + 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), on_threads(before + 1):
        fail()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("name", "expected"), [("interactive", 1), ("noninteractive", 2)])
def test_an_encoder_that_asks_one_by_one_computes_on_one_thread(
    name: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward, and backward once the gradient has come to z; what comes after z has all of them."""
    interface = Interface(Tokens(6), Classes(6))
    population = Population.initialise(Architecture.stack("lstm", 6, 4, 1, 6), 0, range(3), interface)
    encoder = build_encoder(name, ENCODERS[name].form_of(population), 0, core_size=8, probe_length=3)
    seen: list[int] = []
    run = Population.run

    def look(*arguments: object, **options: object) -> object:
        seen.append(torch.get_num_threads())
        return run(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Population, "run", look)
    with on_threads(2):
        z = backward_on(threads_for(encoder.work(len(population))), encoder(population))
        assert set(seen) == {expected}
        assert torch.get_num_threads() == 2
        seen.clear()
        after = z * 2
        after.register_hook(lambda gradient: seen.append(torch.get_num_threads()))
        encoder.probe_logits.register_hook(lambda gradient: seen.append(torch.get_num_threads()))
        after.sum().backward()
    assert seen == [2, expected]


class Threads:
    """Says how many threads it computes on."""

    def run(self, on_progress: object) -> int:
        return torch.get_num_threads()


@pytest.mark.parametrize(("threads", "workers", "each"), [(4, 2, 2), (5, 2, 2), (1, 2, 1), (3, 1, 3)])
def test_workers_share_the_threads(threads: int, workers: int, each: int) -> None:
    with on_threads(threads):
        assert run_jobs([Threads(), Threads()], workers) == [each, each]


def test_a_pool_whose_threads_are_kept_from_running_gives_the_same_numbers() -> None:
    """More threads than cores, beside busy ones: whoever waits goes to sleep, and the work is done."""
    population = Population.initialise(
        Architecture.stack("lstm", 6, 8, 1, 6), 0, range(40), Interface(Tokens(6), Classes(6))
    )
    tokens = torch.randint(6, (40, 2, 30), generator=torch.Generator().manual_seed(0))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        with torch.no_grad():
            with on_threads(1):
                expected = population.run(tokens)[0]
            with on_threads(8):
                assert all(torch.equal(population.run(tokens)[0], expected) for _ in range(20))
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_the_benchmark_runs() -> None:
    sizes = ["--preset", "demo", "--models", "16", "--steps", "2", "--rounds", "1", "--cases", "alone"]
    ended = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "sharing.py"), *sizes], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])["cases"]
    assert set(found) == {"alone"}
    assert found["alone"]["ratio"] == 1
    assert 0 < found["alone"]["ctrl_c_seconds"] < found["alone"]["seconds"]
