"""The benchmark: intervals, resuming, refusing, controls, and a report that needs the measurements alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnn2vec.benchmark.run as module
from rnn2vec import RNN2VecError, Zoo, build_zoo, zoo_recipe
from rnn2vec.benchmark.measurements import CONSTANT, SCHEMA, read_measurements, write_measurements
from rnn2vec.benchmark.report import benchmark_rows, write_benchmark_report
from rnn2vec.benchmark.run import BASELINE, MEASUREMENTS, RESULTS, Run, plan_runs, run_benchmark
from rnn2vec.benchmark.tables import ZooResults, control_table, main_table, reader_table
from rnn2vec.emulation.recipe import PretrainRecipe, pretrain_recipe
from rnn2vec.evaluation.intervals import interval, paired_difference
from rnn2vec.evaluation.readers import READERS

ENCODERS = ("interactive", "statistics")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    recipe = zoo_recipe(
        "formal-languages",
        "demo",
        models=64,
        steps=200,
        snapshots=(0, 100, 200),
        traces=10,
        evaluation_strings=50,
    )
    return build_zoo(recipe, tmp_path_factory.mktemp("benchmark") / "languages")


@pytest.fixture(scope="module")
def recipe() -> PretrainRecipe:
    return pretrain_recipe("formal-languages", "demo", steps=10, networks=8, traces=1, emulator_size=8)


@pytest.fixture(scope="module")
def done(zoo: Zoo, recipe: PretrainRecipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pa.Table]:
    """Two encoders with two seeds, and the questions' ablation."""
    directory = tmp_path_factory.mktemp("done") / "out"
    runs = plan_runs([(zoo, recipe)], ENCODERS, 2, directory, supervised_steps=2, ablation=True)
    return directory, run_benchmark(directory, runs)


def without_clocks(table: pa.Table) -> list[str]:
    """Everything that is the same in every run of the same benchmark; as text, in which NaN equals NaN."""
    return [repr(row) for row in table.to_pylist() if row["metric"] != "seconds"]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8))
def test_an_interval_lies_among_its_values_and_around_their_mean(values: list[float]) -> None:
    found = interval(values)
    assert min(values) - 1e-9 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high <= max(values) + 1e-9
    assert found.mean == pytest.approx(np.mean(values))


def test_intervals_cover_the_mean_about_as_often_as_they_say() -> None:
    numbers = np.random.default_rng(0)
    found = [interval(numbers.normal(1.0, 1.0, 15), seed) for seed in range(200)]
    covered = np.mean([one.low <= 1.0 <= one.high for one in found])
    assert 0.86 <= covered <= 0.98  # a percentile bootstrap of 15 values is a little too narrow


def test_what_was_not_measured_is_left_out() -> None:
    assert interval([1.0, float("nan")]).runs == 1
    assert interval([float("nan")]).text() == "-"


def test_pairs_cancel_what_they_share() -> None:
    shared = np.random.default_rng(0).normal(0, 100, 5)
    found = paired_difference(shared + 1.0, shared)
    assert (found.low, found.high) == (pytest.approx(1.0), pytest.approx(1.0))
    with pytest.raises(RNN2VecError, match="one to one"):
        paired_difference([1.0], [1.0, 2.0])


def test_tables_say_what_was_measured(done: tuple[Path, pa.Table]) -> None:
    results = ZooResults(done[1], "languages")
    rows = [
        row
        for row in done[1].to_pylist()
        if (row["encoder"], row["reading"], row["metric"], row["part"], row["ablation"])
        == ("statistics", "frozen", "accuracy_r2", "validation", False)
    ]
    assert [row["seed"] for row in rows] == [0, 1]
    expected = interval([row["value"] for row in rows])
    table = {row["encoder"]: row for row in main_table(results)}
    controls = ["control: one z for all", "control: untrained", "control: shuffled labels"]
    assert list(table) == [*ENCODERS, *controls]
    untrained = [results.interval(name, "untrained", "validation", "accuracy_r2") for name in ENCODERS]
    best = max(untrained, key=lambda found: found.mean)
    assert table["control: untrained"]["accuracy R2"] == best.text()
    constant = results.interval(CONSTANT, "frozen", "validation", "accuracy_r2")
    assert table["control: one z for all"]["accuracy R2"] == constant.text()
    assert {table[control]["seconds"] for control in controls} == {"-"}  # of no training
    assert table["statistics"]["accuracy R2"] == expected.text()
    assert table["interactive"]["paper's loss"] == "0.015"


def test_the_linear_reading_and_the_readers_chosen_are_measured_too(done: tuple[Path, pa.Table]) -> None:
    results = ZooResults(done[1], "languages")
    for name in ENCODERS:
        scores = {reader: results.seeds(name, "cross-validation", reader, "accuracy") for reader in READERS}
        assert all(found.keys() == {0, 1} for found in scores.values())
        for seed in (0, 1):
            best = max(READERS, key=lambda reader: scores[reader][seed])
            assert results.seeds(name, "chosen", best, "accuracy")[seed] == 1
        assert results.seeds(name, "linear", "validation", "accuracy_r2").keys() == {0, 1}
    table = {row["encoder"]: row for row in reader_table(results)}
    assert list(table) == list(ENCODERS)
    assert sum(int(chosen.split()[-1]) for chosen in table["statistics"]["accuracy"].split(", ")) == 2


def test_measurements_from_before_there_were_readers_can_be_drawn(done: tuple[Path, pa.Table], tmp_path: Path) -> None:
    later = pa.array(["linear", "cross-validation", "chosen"])
    table = done[1].filter(pc.invert(pc.is_in(done[1]["reading"], later)))
    results = ZooResults(table, "languages")
    assert reader_table(results) == []
    assert not [title for title in main_table(results)[0] if "linear" in title]
    write_benchmark_report(tmp_path / "old.html", table)
    assert b"How z is read" not in (tmp_path / "old.html").read_bytes()
    write_benchmark_report(tmp_path / "new.html", done[1])
    assert b"How z is read" in (tmp_path / "new.html").read_bytes()


def test_controls_know_nothing(done: tuple[Path, pa.Table]) -> None:
    results = ZooResults(done[1], "languages")
    assert results.interval(CONSTANT, "frozen", "validation", "accuracy_r2").mean < 0.05
    for name in ENCODERS:
        trained = results.interval(name, "frozen", "validation", "accuracy_r2").mean
        assert results.interval(name, "shuffled", "validation", "accuracy_r2").mean < min(0.2, trained)
        assert results.seeds(name, "untrained", "validation", "accuracy_r2").keys() == {0, 1}
    assert len(control_table(results)) == 1 + 2 * len(ENCODERS)


def test_fewer_and_shorter_questions_are_measured_apart(done: tuple[Path, pa.Table]) -> None:
    results = ZooResults(done[1], "languages")
    assert set(results.sizes("interactive")) == {(1, 19), (2, 19), (4, 19), (8, 19), (8, 2), (8, 4), (8, 9)}
    assert results.sizes("statistics") == []
    one = results.seeds("interactive", "emulation", "validation", "total-variation", size=(1, 19))
    preset = results.seeds("interactive", "emulation", "validation", "total-variation")
    assert one.keys() == preset.keys() == {0, 1}
    assert one != preset


def test_the_report_is_drawn_from_the_measurements_alone(done: tuple[Path, pa.Table], tmp_path: Path) -> None:
    directory, table = done
    moved = tmp_path / "elsewhere.parquet"
    moved.write_bytes((directory / RESULTS).read_bytes())
    write_benchmark_report(tmp_path / "a.html", table)
    write_benchmark_report(tmp_path / "b.html", read_measurements(moved))
    page = (tmp_path / "a.html").read_bytes()
    assert page == (tmp_path / "b.html").read_bytes()
    for said in (b"Controls", b"Differences, languages", b"untrained encoder", b"Maps of languages"):
        assert said in page
    assert list(benchmark_rows(table)) == ["languages"]


def test_an_interrupted_benchmark_goes_on(
    zoo: Zoo, recipe: PretrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, whole = tmp_path / "out", tmp_path / "whole"
    run_benchmark(whole, plan_runs([(zoo, recipe)], ENCODERS, 1, whole, supervised_steps=2))
    runs = plan_runs([(zoo, recipe)], ENCODERS, 1, directory, supervised_steps=2)
    evaluate: Callable[..., Any] = module.evaluate_encoder

    def interrupted(*arguments: Any, **named: Any) -> Any:
        if runs[1].directory in arguments:
            raise KeyboardInterrupt
        return evaluate(*arguments, **named)

    monkeypatch.setattr(module, "evaluate_encoder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(directory, runs)
    assert not (directory / RESULTS).exists()
    first = runs[0].directory / MEASUREMENTS
    before = first.stat().st_mtime_ns
    monkeypatch.setattr(module, "evaluate_encoder", evaluate)
    table = run_benchmark(directory, runs)
    assert first.stat().st_mtime_ns == before
    expected = read_measurements(whole / RESULTS)
    assert without_clocks(table) == without_clocks(expected)


def test_a_rival_goes_on_in_the_midst(
    zoo: Zoo, recipe: PretrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn2vec.training.CHECKPOINT_SECONDS", 0.0)
    whole, parts = (plan_runs([(zoo, recipe)], ["flat"], 1, tmp_path / name, 6) for name in ("whole", "parts"))
    expected = run_benchmark(tmp_path / "whole", whole)
    done = 0

    def interrupted(run: int, amount: int, note: str) -> None:
        nonlocal done
        done += amount
        if done == recipe.steps + 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_benchmark(tmp_path / "parts", parts, on_progress=interrupted)
    assert (parts[0].directory / BASELINE).is_file()
    told: list[tuple[int, int, str]] = []
    table = run_benchmark(tmp_path / "parts", parts, on_progress=lambda *what: told.append(what))
    assert [what[1:] for what in told[:2]] == [(recipe.steps, "kept"), (4, "resumed")]
    assert sum(amount for _, amount, _ in told) == parts[0].steps
    assert without_clocks(table) == without_clocks(expected)
    assert not (parts[0].directory / BASELINE).exists()


def test_a_benchmark_can_be_given_more_seeds(
    zoo: Zoo, recipe: PretrainRecipe, done: tuple[Path, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    carried: list[Run] = []
    carry_out = module.carry_out
    monkeypatch.setattr(
        module, "carry_out", lambda run, on_progress: carried.append(run) or carry_out(run, on_progress)
    )
    monkeypatch.setattr(module, "pretrain_into", lambda *a, **b: pytest.fail("a run that is done is not repeated"))
    runs = plan_runs([(zoo, recipe)], ENCODERS, 2, done[0], supervised_steps=2)
    assert len(run_benchmark(done[0], runs)) < len(done[1])  # without the ablation
    assert len(carried) == len(runs)


def test_a_benchmark_does_not_mix_zoos(zoo: Zoo, recipe: PretrainRecipe, done: tuple[Path, pa.Table]) -> None:
    other = pretrain_recipe("formal-languages", "demo", steps=11)
    with pytest.raises(RNN2VecError, match=r"another \(zoos\.languages\.recipe\.steps 10 there, 11 here; "):
        run_benchmark(done[0], plan_runs([(zoo, other)], ENCODERS, 1, done[0], supervised_steps=2))
    with pytest.raises(RNN2VecError, match="names of their folders"):
        plan_runs([(zoo, recipe), (zoo, recipe)], ENCODERS, 1, done[0])
    with pytest.raises(RNN2VecError, match="encoders are"):
        plan_runs([(zoo, recipe)], ["oracle"], 1, done[0])


@pytest.mark.parametrize(
    ("encoders", "seeds", "message"),
    [
        (["flat", "statistics", "flat"], 1, "each named once; got flat, statistics, flat"),
        ([], 1, "each named once; got none"),
        (["flat"], 10**9, "the number of seeds is at most 1000"),
        (["flat"], True, "the number of seeds is a whole number; got True"),
    ],
)
def test_runs_that_cannot_be_meant_are_refused(
    encoders: list[str], seeds: int, message: str, zoo: Zoo, recipe: PretrainRecipe, tmp_path: Path
) -> None:
    with pytest.raises(RNN2VecError, match=message):
        plan_runs([(zoo, recipe)], encoders, seeds, tmp_path)


def test_another_zoo_of_the_same_name_is_refused(
    recipe: PretrainRecipe, done: tuple[Path, pa.Table], tmp_path: Path
) -> None:
    small = {"models": 64, "steps": 1, "snapshots": (1,), "traces": 10, "evaluation_strings": 10, "seed": 5}
    other = build_zoo(zoo_recipe("formal-languages", "demo", **small), tmp_path / "languages")
    with pytest.raises(RNN2VecError, match=r"begun with another \(zoos\.languages\.zoo\)"):
        run_benchmark(done[0], plan_runs([(other, recipe)], ENCODERS, 2, done[0], supervised_steps=2))


def test_a_benchmark_does_not_mix_versions(
    zoo: Zoo, recipe: PretrainRecipe, done: tuple[Path, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = plan_runs([(zoo, recipe)], ENCODERS, 2, done[0], supervised_steps=2)
    now = module.versions()
    monkeypatch.setattr(module, "versions", lambda: now | {"torch": "99.0"})
    before = (done[0] / RESULTS).read_bytes()
    with pytest.raises(
        RNN2VecError, match=rf"another \(versions.torch {re.escape(now['torch'])} there, 99.0 here\): .*another dir"
    ) as error:
        run_benchmark(done[0], runs)
    assert "numpy" not in str(error.value)
    assert (done[0] / RESULTS).read_bytes() == before


def test_only_measurements_are_read(tmp_path: Path, done: tuple[Path, pa.Table]) -> None:
    whole = (done[0] / RESULTS).read_bytes()
    path = tmp_path / "a.parquet"
    for content in (b"", b"PAR1", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(RNN2VecError, match="not a whole parquet file"):
            read_measurements(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(RNN2VecError, match="measurements have the columns"):
        read_measurements(path)
    with pytest.raises(RNN2VecError, match="cannot read"):
        read_measurements(tmp_path / "none.parquet")
    write_measurements(path, SCHEMA.empty_table())
    assert len(read_measurements(path)) == 0
