"""Thousands of damaged files: a clear error each, or the file as it was meant; nothing else, and nothing written.

RNN2VEC_FUZZ sets how many damaged directories are read in all.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altered_zoos import as_schema_1
from rnn2vec import ENCODERS, RNN2VecError, Zoo, build_zoo, load_encoder, zoo_recipe
from rnn2vec.benchmark.measurements import as_table, read_measurements, write_measurements
from rnn2vec.benchmark.run import plan_runs, run_benchmark
from rnn2vec.demo import run_demo
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import load_trained, pretrain_into
from rnn2vec.evaluation.evaluate import evaluate
from rnn2vec.testing import damage
from rnn2vec.theory.gap import GapRun, run_gap
from rnn2vec.theory.gap_recipe import GapRecipe, Interrogator
from rnn2vec.zoo.published import export_published, import_published

CASES = int(os.environ.get("RNN2VEC_FUZZ", "1000"))


SPECIAL = [2**31, 10**12, 2**63, 10**30, 10**400, 1e38, 1e300, math.inf, -math.inf, math.nan, -0.0, "lstm", "all", "kl"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(SPECIAL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON value, as Python reads it."""


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a JSON value another may be put: it as a whole, and all in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places_in(part, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """The JSON value with another in one place of it."""
    if not path:
        return other
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], other)
    return copy


class Reached(Exception):
    """The work that the damaged file stands before was about to go on."""


def reached(*what: object) -> Any:
    raise Reached


def quiet(amount: int, note: str) -> None:
    """Hear of progress and say nothing."""


def everything_of(zoo: Zoo) -> None:
    zoo.verify()
    zoo.population()
    zoo.traces()
    zoo.networks([0])
    zoo.traces([-1])
    zoo.tasks  # noqa: B018
    zoo.task(0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_recipe: Any, tiny_zoo: Zoo) -> dict[str, Path]:
    """One sound directory of every kind."""
    place = tmp_path_factory.mktemp("fuzz")
    options = {"models": 64, "steps": 1, "snapshots": (1,), "hidden_size": 3, "traces": 10, "models_per_shard": 32}
    recipe = zoo_recipe("formal-languages", "demo", evaluation_strings=10, **options)
    zoo = build_zoo(recipe, place / "zoo")
    training = pretrain_recipe("formal-languages", "demo", steps=1, networks=2, traces=1, emulator_size=4)
    pretrain_into(zoo.directory, "interactive", training, 0, place / "encoder", on_progress=quiet)
    export_published(tiny_zoo, place / "published")
    (place / "measurements").mkdir()
    write_measurements(
        place / "measurements" / "m.parquet", as_table([{"zoo": "a", "value": float(k)} for k in range(50)])
    )
    as_schema_1(tiny_zoo, place / "earlier")
    return {name: place / name for name in ("zoo", "earlier", "encoder", "published", "measurements")}


def readers(whole: dict[str, Path], target: Path) -> dict[str, Callable[[Path], Any]]:
    sound = Zoo.open(whole["zoo"])
    return {
        "zoo": lambda directory: everything_of(Zoo.open(directory)),
        "earlier": lambda directory: everything_of(Zoo.open(directory)),
        "encoder": lambda directory: (load_encoder(directory), load_trained(directory, sound)),
        "published": lambda directory: import_published(directory, target),
        "measurements": lambda directory: read_measurements(directory / "m.parquet"),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["zoo", "earlier", "encoder", "published", "measurements"])
def test_damaged_directories_give_clear_errors(kind: str, whole: dict[str, Path], tmp_path: Path) -> None:
    numbers = random.Random(kind)
    exploited, target, copy = tmp_path / "exploited", tmp_path / "target", tmp_path / "copy" / "deep" / kind
    read = readers(whole, target)[kind]
    refused = 0
    for case in range(CASES // 4):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(whole[kind], copy)
        what = [damage(copy, numbers, exploited) for _ in range(numbers.choice([1, 1, 1, 2]))]
        message = ""
        try:
            read(copy)
        except RNN2VecError as error:
            message = str(error)
        except Exception as error:
            raise AssertionError(f"case {case}, {what}: {error!r} is no clear error") from error
        refused += bool(message)
        assert "\n" not in message, (case, what, message)
        assert not exploited.exists(), (case, what)
        assert {path.name for path in tmp_path.iterdir()} <= {"copy", "target"}, (case, what)
        assert [path.name for path in (tmp_path / "copy").iterdir()] == ["deep"], (case, what)
    assert refused > 0.4 * (CASES // 4)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("file", ["config.json", "training.json"])
def test_any_value_in_any_field_is_read_or_refused(
    file: str, encoder: str, whole: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    sound, copy = Zoo.open(whole["zoo"]), tmp_path_factory.mktemp("values") / encoder
    training = pretrain_recipe("formal-languages", "demo", steps=1, networks=2, traces=1, emulator_size=4)
    pretrain_into(sound.directory, encoder, training, 0, copy, on_progress=quiet)
    values = json.loads((copy / file).read_text())
    del values["sha256"]  # which any change would belie
    places = [place for place in places_in(values) if place[:1] != ("train_tasks",) or len(place) < 3]

    @given(st.sampled_from(places), JSON)
    @settings(max_examples=CASES // 40)
    def check(place: tuple[Any, ...], value: Any) -> None:
        (copy / file).write_text(json.dumps(put(values, place, value)))
        try:
            trained = load_trained(copy, sound)
            trained.encoder(networks)
        except RNN2VecError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            float(trained.record["seconds"]), int(trained.record["seed"]), f"{trained.record['parameters']:,}"

    networks = sound.population([0, 1])
    check()


@dataclasses.dataclass(frozen=True)
class Unfinished:
    """Work that was interrupted.

    Attributes:
        directory: what is there of it.
        pattern: the files to damage.
        go_on: goes on with a copy of the directory; returns what comes of it.
        expected: what comes of the directory as it is.
    """

    directory: Path
    pattern: str
    go_on: Callable[[Path], Any]
    expected: Any


def contents(directory: Path) -> dict[str, bytes]:
    """The files of a directory, but for a training's record, which holds clocks."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != "training.json")
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def reaches(go_on: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Go on with it up to the point where the work itself would begin again."""

    def call(directory: Path) -> str:
        with pytest.raises((Reached, RNN2VecError)) as ended:
            go_on(directory)
        if ended.type is not Reached:
            raise ended.value
        return "reached"

    return call


@pytest.fixture(scope="module")
def unfinished(whole: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Unfinished]:
    """One interrupted work of every kind."""
    place, zoo = tmp_path_factory.mktemp("unfinished"), Zoo.open(whole["zoo"])
    training = pretrain_recipe("formal-languages", "demo", steps=2, networks=2, traces=1, emulator_size=4)

    def pretraining(directory: Path) -> dict[str, bytes]:
        pretrain_into(zoo.directory, "statistics", training, 0, directory, on_progress=quiet)
        return contents(directory)

    def learning(directory: Path) -> list[GapRun]:
        return run_gap([Interrogator("interactive", 4, GapRecipe(2, steps=2, copies=4, core_size=4))], directory)

    def building(directory: Path) -> dict[str, bytes]:
        build_zoo(zoo.recipe, directory)
        return contents(directory)

    def benchmark(directory: Path) -> None:
        run_benchmark(directory, plan_runs([(zoo, training)], ["flat"], 1, directory), on_progress=reached)

    def demo(directory: Path) -> None:
        run_demo(directory, reached, zoo_recipe=zoo.recipe, recipe=training)

    def evaluation(directory: Path) -> list[tuple[str, bytes, bytes]]:
        found = evaluate(zoo, [whole["encoder"]], 0, folder=directory)
        # as text, in which NaN equals NaN
        return [(repr(one.results), one.embeddings.tobytes(), one.clone_scores.tobytes()) for one in found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnn2vec.training.CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(Reached):
            pretrain_into(zoo.directory, "statistics", training, 0, place / "pretraining", on_progress=reached)
        with pytest.raises(Reached):
            run_gap(
                [Interrogator("interactive", 4, GapRecipe(2, steps=2, copies=4, core_size=4))],
                place / "gap",
                on_progress=reached,
            )
    with pytest.raises(Reached):
        build_zoo(zoo.recipe, place / "building", on_progress=lambda shard, *what: reached() if shard == 1 else None)
    for start in (benchmark, demo):
        with pytest.raises(Reached):
            start(place / start.__name__)
        (place / start.__name__ / "written").write_text("what there is so far")
    found = evaluation(place / "evaluation")
    return {
        "pretraining": Unfinished(
            place / "pretraining", "checkpoint.safetensors", pretraining, pretraining(place / "whole")
        ),
        "learning": Unfinished(place / "gap", "*.safetensors", learning, learning(place / "learned")),
        "building": Unfinished(place / "building", "*", building, contents(zoo.directory)),
        "benchmark": Unfinished(place / "benchmark", "benchmark.json", reaches(benchmark), "reached"),
        "demo": Unfinished(place / "demo", "demo.json", reaches(demo), "reached"),
        "evaluation": Unfinished(place / "evaluation", "*", evaluation, found),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["pretraining", "learning", "building", "benchmark", "demo", "evaluation"])
def test_damaged_unfinished_work_is_refused_or_ends_the_same(
    kind: str, unfinished: dict[str, Unfinished], tmp_path: Path
) -> None:
    numbers, work = random.Random(kind), unfinished[kind]
    exploited, copy = tmp_path / "exploited", tmp_path / "copy" / "deep" / kind
    shutil.copytree(work.directory, copy)
    assert work.go_on(copy) == work.expected  # without damage
    refused = 0
    for case in range(CASES // 40):
        shutil.rmtree(copy)
        shutil.copytree(work.directory, copy)
        what = [damage(copy, numbers, exploited, work.pattern) for _ in range(numbers.choice([1, 1, 1, 2]))]
        message = ""
        try:
            assert work.go_on(copy) == work.expected, (case, what)
        except RNN2VecError as error:
            message = str(error)
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"case {case}, {what}: {error!r} is no clear error") from error
        refused += bool(message)
        assert "\n" not in message, (case, what, message)
        assert not exploited.exists(), (case, what)
        assert [path.name for path in tmp_path.iterdir()] == ["copy"], (case, what)
        assert [path.name for path in (tmp_path / "copy").iterdir()] == ["deep"], (case, what)
    assert refused > 0.1 * (CASES // 40)  # a damaged shard is trained again
