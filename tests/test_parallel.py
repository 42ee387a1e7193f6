"""Jobs side by side: results in order, and what workers warn of."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable

import pytest

from rnn2vec.parallel import run_jobs


def warn(number: int, *, report: Callable[[int, str], None]) -> tuple[int, int]:
    """Warn as a job that falls back on something slow does; say where it ran."""
    warnings.warn("all of them are slow", RuntimeWarning, stacklevel=1)
    if number == 0:
        warnings.warn("this one is slower", RuntimeWarning, stacklevel=1)
    time.sleep(1.0)  # long enough for the other worker to take its share
    report(1, "done")
    return number, os.getpid()


def test_what_all_workers_warn_of_is_said_once() -> None:
    told: list[tuple[int, int, str]] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        results = run_jobs(warn, [(number,) for number in range(6)], 2, lambda *what: told.append(what))
    assert [number for number, _ in results] == list(range(6))
    assert len({process for _, process in results}) == 2
    assert sorted(told) == [(number, 1, "done") for number in range(6)]
    said = [str(warning.message) for warning in caught if warning.category is RuntimeWarning]
    assert sorted(said) == ["all of them are slow", "this one is slower"]


def test_a_warning_that_is_an_error_here_ends_the_workers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="all of them are slow"):
            run_jobs(warn, [(number,) for number in range(1, 5)], 2)
