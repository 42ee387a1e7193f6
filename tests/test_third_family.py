"""A family that is one new file and no other edit: found, built, pretrained on, evaluated, benchmarked, reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn2vec.families
from rnn2vec import Classes, Numbers, RNN2VecError, Zoo, build_zoo, zoo_recipe
from rnn2vec.benchmark.measurements import read_measurements
from rnn2vec.benchmark.report import benchmark_rows, write_benchmark_report
from rnn2vec.benchmark.run import RESULTS, plan_runs, run_benchmark
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import load_trained, pretrain_into
from rnn2vec.evaluation.evaluate import evaluate
from rnn2vec.evaluation.page import write_report
from rnn2vec.evaluation.results import collect_results, results_table
from rnn2vec.theory.zoo_questions import ask_zoo
from rnn2vec.zoo.published import export_published

FOLDER = Path(__file__).parent / "third_family"


@pytest.fixture(scope="module")
def family() -> Iterator[Any]:
    """The file is put where families are, as if it had been there from the start."""
    known = dict(rnn2vec.families.FAMILIES)
    rnn2vec.families.__path__.append(str(FOLDER))
    rnn2vec.families.FAMILIES.update(rnn2vec.families.discover())
    yield rnn2vec.families.FAMILIES["followers"]
    rnn2vec.families.__path__.remove(str(FOLDER))
    rnn2vec.families.FAMILIES.clear()
    rnn2vec.families.FAMILIES.update(known)
    sys.modules.pop("rnn2vec.families.followers")


@pytest.fixture(scope="module")
def zoo(family: Any, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return build_zoo(zoo_recipe("followers", "demo"), tmp_path_factory.mktemp("third") / "zoo")


def quiet(*told: Any) -> None:
    """Nobody listens."""


def test_its_networks_learn_and_its_zoo_is_sound(zoo: Zoo) -> None:
    assert zoo.verify() == []
    assert (zoo.interface.inputs, zoo.interface.outputs) == (Numbers(1, -1.0, 1.0), Numbers(1))
    accuracy, step = zoo.column("accuracy"), zoo.column("step")
    assert accuracy[step == 30].mean() > accuracy[step == 0].mean() + 0.05
    traces = zoo.traces()
    assert traces.inputs.dtype == traces.outputs.dtype == np.float32
    said, _ = zoo.networks().run(zoo.interface.inputs.tensor(traces.inputs))
    np.testing.assert_allclose(said.detach(), traces.outputs, atol=1e-5)
    assert Zoo.open(zoo.directory).task(3).parameters == zoo.task(3).parameters


def test_encoders_are_pretrained_evaluated_and_reported(zoo: Zoo, tmp_path: Path) -> None:
    recipe, directories = pretrain_recipe("followers", "demo"), []
    for name in ("interactive", "statistics"):
        directories.append(tmp_path / name)
        pretrain_into(zoo.directory, name, recipe, 0, directories[-1], on_progress=quiet)
    history = load_trained(directories[0], zoo).record["history"]
    assert history[-1]["validation"] < 0.9 * history[0]["validation"]
    evaluations = evaluate(zoo, directories, supervised_steps=3)
    results = collect_results(zoo, evaluations)
    for values in results["encoders"].values():
        assert values["emulation_loss"] == values["common_loss"]  # the same loss
        assert np.isfinite(values["frozen"]["validation"]["rate_r2"])
        assert 0 <= values["clones"]["mean_score"] <= 1
    assert list(results_table(results)[0])[:4] == ["encoder", "loss", "loss OOD", "rate R2"]
    write_report(tmp_path / "report.html", zoo, directories, evaluations, results, "Followers")
    page = (tmp_path / "report.html").read_text()
    for words in ("rates at which they follow", "Slow networks lag behind", "mean absolute difference", "rate, R2"):
        assert words in page, words
    for foreign in ("language", "total variation", Classes.common_loss):
        assert foreign not in page, foreign


def test_it_is_benchmarked(zoo: Zoo, tmp_path: Path) -> None:
    recipe = pretrain_recipe("followers", "demo", steps=6)
    runs = plan_runs([(zoo, recipe)], ["noninteractive", "flat"], 2, tmp_path / "b", supervised_steps=2)
    table = run_benchmark(tmp_path / "b", runs)
    (rows,) = benchmark_rows(table).values()
    assert {"loss (mse)", "rate R2", "end-to-end"} <= set(rows[0])
    assert all(row["loss (mse)"] != "-" for row in rows[:2])  # controls follow
    write_benchmark_report(tmp_path / "report.html", read_measurements(tmp_path / "b" / RESULTS))
    assert "language" not in (tmp_path / "report.html").read_text()


def test_numbers_are_no_answers_that_functions_are_told_apart_by(zoo: Zoo) -> None:
    with pytest.raises(RNN2VecError, match=r"answers that are classes; .*1 number out"):
        ask_zoo(zoo)


def test_the_papers_layout_has_no_room_for_it(zoo: Zoo, tmp_path: Path) -> None:
    with pytest.raises(RNN2VecError, match=r"has room for formal-languages and sequential-digits; .* holds followers"):
        export_published(zoo, tmp_path / "published")
    assert not (tmp_path / "published").exists()
