"""Jobs side by side: results in order, and what workers warn of."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn2vec import RNN2VecError
from rnn2vec.parallel import run_jobs


@dataclasses.dataclass(frozen=True)
class Warn:
    """Warn as a job that falls back on something slow does; say where it ran."""

    number: int

    def run(self, on_progress: Callable[[int, str], None]) -> tuple[int, int]:
        warnings.warn("all of them are slow", RuntimeWarning, stacklevel=1)
        if self.number == 0:
            warnings.warn("this one is slower", RuntimeWarning, stacklevel=1)
        time.sleep(1.0)  # long enough for the other worker to take its share
        on_progress(1, "done")
        return self.number, os.getpid()


@dataclasses.dataclass(frozen=True)
class Touch:
    """Leave a file; the first job warns before."""

    directory: Path
    number: int

    def run(self, on_progress: Callable[[int, str], None]) -> None:
        if self.number == 0:
            warnings.warn("something is slow", RuntimeWarning, stacklevel=1)
        time.sleep(0.3)
        (self.directory / str(self.number)).touch()


class Slow:
    """A note that takes its time on the way out of a worker."""

    def __reduce__(self) -> tuple[Any, ...]:
        time.sleep(0.2)
        return str, ("slow",)


@dataclasses.dataclass(frozen=True)
class Say:
    """Report often, and end at once after the last word."""

    count: int
    end: str

    def run(self, on_progress: Callable[[int, str], None]) -> None:
        for number in range(self.count):
            on_progress(1, str(number))
        on_progress(1, Slow())  # type: ignore[arg-type]
        if self.end:
            raise RNN2VecError(self.end)


@pytest.mark.parametrize("end", ["", "too large"])
def test_nothing_that_a_worker_says_is_lost(end: str) -> None:
    count: int = 5000
    told: list[tuple[int, int, str]] = []
    with pytest.raises(RNN2VecError, match=end) if end else contextlib.nullcontext():
        run_jobs([Say(count, end), Say(1, "")], 2, lambda *what: told.append(what))
    said = [note for job, _, note in told if job == 0]
    assert said == [*map(str, range(count)), "slow"]


def test_what_all_workers_warn_of_is_said_once() -> None:
    told: list[tuple[int, int, str]] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        results = run_jobs([Warn(number) for number in range(6)], 2, lambda *what: told.append(what))
    assert [number for number, _ in results] == list(range(6))
    assert len({process for _, process in results}) == 2
    assert sorted(told) == [(number, 1, "done") for number in range(6)]
    said = [str(warning.message) for warning in caught if warning.category is RuntimeWarning]
    assert sorted(said) == ["all of them are slow", "this one is slower"]


def test_a_warning_that_is_an_error_here_ends_the_workers(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="something is slow"):
            run_jobs([Touch(tmp_path, number) for number in range(40)], 2)
    assert multiprocessing.active_children() == []
    left = sorted(int(path.name) for path in tmp_path.iterdir())
    assert len(left) < 20  # the jobs after the warning were given up
    time.sleep(0.5)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == left


@pytest.mark.skipif(sys.platform == "win32", reason="there Ctrl-C does not wait")
@pytest.mark.parametrize("worker", [1, 2])
def test_ctrl_c_while_workers_start(
    worker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A second thread receives the signal, as that of a progress bar does: the mask of the first does not stop it."""
    spawn, started = multiprocessing.util.spawnv_passfds, []

    def interrupted(path: bytes, arguments: list[Any], descriptors: Any) -> int:
        process = spawn(path, arguments, descriptors)
        if any("spawn_main" in os.fsdecode(argument) for argument in arguments):
            started.append(process)
            if len(started) == worker:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)  # the other thread receives it
        return process

    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", interrupted)
    before = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, set())
    end = threading.Event()
    other = threading.Thread(target=end.wait, daemon=True)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_jobs([Touch(tmp_path, number) for number in range(1, 7)], 2)
    finally:
        end.set()
        other.join()
    assert len(started) == 2  # the signal waited until both were there
    for process in started:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert multiprocessing.active_children() == []
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""
    assert (signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, set())) == before
