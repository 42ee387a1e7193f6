"""Readers: what each can read, how one is chosen, and that no task is on both sides of a choice."""

from __future__ import annotations

import numpy as np
import pytest

import rnn2vec.evaluation.readers as module
from rnn2vec.evaluation.properties import Property
from rnn2vec.evaluation.readers import LINEAR, READERS, choose_reader
from rnn2vec.metrics import correlation, r2

KINDS = ("class", "number", "angle")
NUMBERS = np.random.default_rng(0)


def sample(kind: str, rows: int = 240, tasks: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, truth that no linear reader finds in it, and tasks."""
    z = NUMBERS.uniform(-1, 1, (rows, 2))
    distance = np.linalg.norm(z, axis=1)
    truth = {"class": (distance > 0.75).astype(int), "number": distance, "angle": 200.0 * distance}[kind]
    return z, truth, np.arange(rows) % tasks


@pytest.mark.parametrize("name", list(READERS))
@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_reads_what_is_linear(name: str, kind: str) -> None:
    z = NUMBERS.uniform(-1, 1, (300, 2))
    truth = {"class": (z[:, 0] > 0).astype(int), "number": z[:, 0], "angle": 170 + 50 * z[:, 0]}[kind]
    predict = READERS[name].fit(kind, z[:200], truth[:200], 0)
    found = predict(z[200:])
    if kind == "class":
        assert np.mean(found == truth[200:]) > 0.9
    else:
        assert r2(found, truth[200:]) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_the_reader_that_reads_best_is_chosen(kind: str) -> None:
    z, truth, tasks = sample(kind)
    reading = choose_reader(Property("x", kind), z, truth, tasks, 0)
    assert reading.reader != LINEAR
    assert set(reading.scores) == set(READERS)
    assert reading.scores[reading.reader] == max(reading.scores.values())
    assert reading.scores[reading.reader] > reading.scores[LINEAR] + 0.1
    assert (reading.networks, reading.tasks, reading.note) == (240, 40, "")
    again = choose_reader(Property("x", kind), z, truth, tasks, 0)
    assert again.to_dict() == reading.to_dict()
    assert reading.predict is not None
    assert again.predict is not None
    np.testing.assert_array_equal(again.predict(z), reading.predict(z))


def test_no_task_is_in_two_folds() -> None:
    tasks = NUMBERS.integers(0, 23, 400)
    fold = module.folds(tasks, 3)
    assert all(len(np.unique(fold[tasks == task])) == 1 for task in np.unique(tasks))
    assert np.bincount(fold).min() > 0
    assert len(np.unique(fold)) == module.FOLDS
    assert len(np.unique(module.folds(np.array([7, 7, 9]), 0))) == 2


def test_what_only_names_the_task_is_not_preferred() -> None:
    """A mark of each task tells its class in the rows that were fitted to, and nothing of a task that was not."""
    tasks = np.repeat(np.arange(40), 6)
    truth = NUMBERS.integers(0, 2, 40)[tasks]
    z = NUMBERS.normal(size=(40, 2))[tasks] + 0.001 * NUMBERS.normal(size=(240, 2))
    reading = choose_reader(Property("x", "class"), z, truth, tasks, 0)
    assert max(reading.scores.values()) < 0.75
    assert np.mean(READERS["kernel"].fit("class", z, truth, 0)(z) == truth) > 0.9  # which is no reason to choose it


def test_classes_that_a_fold_lacks_count_as_wrong() -> None:
    tasks = np.repeat(np.arange(12), 10)
    truth = tasks // 6  # one class of six tasks, then another
    truth[tasks == 11] = 2  # a class of a single task: never seen when it is held out
    z = np.eye(3)[truth] + 0.01 * NUMBERS.normal(size=(120, 3))
    reading = choose_reader(Property("x", "class"), z, truth, tasks, 0)
    assert reading.scores[LINEAR] == pytest.approx(11 / 12)
    assert reading.predict is not None
    assert np.mean(reading.predict(z) == truth) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_few_rows_are_read(kind: str, rows: int) -> None:
    z, truth, _ = sample(kind, rows)
    reading = choose_reader(Property("x", kind), z, truth, np.arange(rows), 0)
    assert reading.predict is not None
    assert reading.predict(np.zeros((5, 2))).shape == (5,)
    assert bool(reading.note) == (rows == 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_truth_that_is_the_same_for_all_is_read_as_it_is(kind: str) -> None:
    reading = choose_reader(Property("x", kind), NUMBERS.normal(size=(20, 2)), np.full(20, 2), np.arange(20), 0)
    assert reading.reader == LINEAR
    assert reading.predict is not None
    assert reading.predict(np.zeros((3, 2))).tolist() == [2, 2, 2]


def test_nothing_to_fit_and_a_single_task_say_so() -> None:
    nothing = choose_reader(Property("x", "class"), np.zeros((0, 2)), np.zeros(0), np.zeros(0), 0)
    assert (nothing.reader, nothing.networks, nothing.predict) == ("", 0, None)
    assert "no network" in nothing.note
    z, truth, _ = sample("class")
    single = choose_reader(Property("x", "class"), z, truth, np.zeros(240, dtype=int), 0)
    assert (single.reader, single.scores) == (LINEAR, {})
    assert "single task" in single.note


def test_of_many_rows_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    z, truth, tasks = sample("number")
    reading = choose_reader(Property("x", "number"), z, truth, tasks, 0)
    assert reading.networks == 100
    assert reading.scores[reading.reader] > 0.8


def test_representations_that_are_all_the_same_are_read_as_one() -> None:
    z, truth, tasks = sample("class")
    reading = choose_reader(Property("x", "class"), np.zeros_like(z), truth, tasks, 0)
    assert reading.predict is not None
    assert len(np.unique(reading.predict(np.zeros_like(z)))) == 1


def test_agreement_is_nan_where_there_is_nothing_to_explain() -> None:
    truth = np.array([1.0, 2.0, 4.0])
    assert r2(truth, truth) == 1
    assert r2(np.full(3, truth.mean()), truth) == pytest.approx(0)
    assert correlation(truth, -2 * truth) == pytest.approx(-1)
    same = np.full(30, 0.1)
    assert np.isnan(r2(same + 1e-7, same))
    assert np.isnan(r2(np.array([0.2]), np.array([0.2])))
    assert np.isnan(r2(np.zeros(0), np.zeros(0)))
    assert np.isnan(correlation(same, np.arange(30.0)))
    assert np.isnan(correlation(np.arange(30.0), same))
    assert np.isnan(correlation(np.array([0.0, 1e-200]), np.arange(2.0)))
