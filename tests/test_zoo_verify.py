"""What a zoo says of itself against what is in it: index, table and recipe, each value of them."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altered_zoos import ChangeTable, put, rewrite_index, rewrite_shard, rewrite_table
from rnn2vec import RNN2VecError, Zoo, build_zoo, zoo_recipe


@pytest.fixture
def copy(tiny_zoo: Zoo, tmp_path: Path) -> Path:
    """A copy of the tiny zoo, to be altered."""
    return Path(shutil.copytree(tiny_zoo.directory, tmp_path / "copy"))


@pytest.fixture(scope="module")
def digits_zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Four networks of the small digits in two shards."""
    sizes = {"models": 4, "steps": 1, "snapshots": (0, 1), "hidden_size": 4, "traces": 1, "models_per_shard": 2}
    recipe = zoo_recipe("sequential-digits", "demo", evaluation_images=4, **sizes)
    return build_zoo(recipe, tmp_path_factory.mktemp("digits") / "zoo")


REFUSED: dict[str, tuple[ChangeTable, str]] = {
    "empty": (lambda t: t.slice(0, 0), "at least one network"),
    "no accuracy": (lambda t: t.drop_columns(["accuracy"]), "column accuracy, and one only; there are none"),
    "two accuracies": (lambda t: t.append_column("accuracy", t["accuracy"]), "column accuracy, and one only; .* 2"),
    "no shard": (lambda t: t.drop_columns(["shard"]), "column shard"),
    "no language": (lambda t: t.drop_columns(["mc"]), "column mc"),
    "no models or steps": (lambda t: t.drop_columns(["model", "step"]), "column model.*column step"),
    "a model as text": (put("model", "one", None), "column model holds numbers; got string"),
    "truths for steps": (put("step", True, None), "column step holds numbers; got bool"),
    "half a step": (put("step", 0.5), "column step holds whole numbers"),
    "a step that is NaN": (put("step", float("nan")), "column step holds whole numbers"),
    "no task": (put("mb", float("nan")), "column mb holds finite numbers"),
    "NaN accuracy": (put("accuracy", float("nan")), "column accuracy holds finite numbers"),
    "an empty place": (put("row", None), "column row has a value in every row; 1 are empty"),
    "every row is row 0": (put("row", 0, None), "row 0 of shard 0 is there more than once"),
    "one place twice": (put("row", 2), "row 2 of shard 1 is there more than once"),
    "row -1": (put("row", -1), "begin with 0; got -1"),
    "shard -1": (put("shard", -1), "begin with 0; got -1"),
    "a name twice": (put("name", "model-0-step-0"), "no two networks share a name"),
    "no name": (put("name", None), "column name has a value in every row"),
    "numbers for names": (put("name", 7, None), "column name holds text; got int64"),
    "an architecture that is not there": (put("architecture", 1), r"its architectures are 0\.\.0; got 0\.\.1"),
    "numbers for checksums": (put("weights_sha256", 7, None), "column weights_sha256 holds text; got int64"),
    "a row beyond 64 bits": (put("row", 1e300), "column row holds whole numbers"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_a_table_that_lookups_would_go_wrong_in_is_not_opened(copy: Path, change: ChangeTable, message: str) -> None:
    rewrite_table(copy, change)
    with pytest.raises(RNN2VecError, match=rf"{re.escape(str(copy / 'snapshots.parquet'))} is the table of.*{message}"):
        Zoo.open(copy)


FOUND: dict[str, tuple[ChangeTable, str]] = {
    "an accuracy of 7": (put("accuracy", 7.0), "accuracies are shares from 0 to 1; got .* to 7"),
    "another accuracy": (put("accuracy", 0.123), "accuracy in the table is not what was measured; in .*00001"),
    "another language": (put("mb", 7), "mb of 1 rows is not what the seed of its recipe gives: 7 in row 10, where"),
    "another model": (put("model", 7), "model of 1 rows is not what its shard and row gives: 7 in row 10, where 3"),
    "another step": (put("step", 7), "step of 1 rows is not what its shard and row gives: 7 in row 10, where 5"),
    "another name": (put("name", "Bob"), "name of 1 rows is not what its shard and row gives: Bob in row 10"),
    "no checksum": (put("weights_sha256", None), "weights of every row have a checksum; 1 have none"),
    "another's checksum": (put("weights_sha256", "0" * 64), "rows 1 of .*00001.* differ from their recorded"),
    "a row too few": (lambda t: t.slice(0, 23), "8 networks with 3 snapshots each are 24 rows; got 23"),
    "a row too far": (put("row", 9), "model of 1 rows .*where -1"),
    "a shard too far": (put("shard", 5), "model of 1 rows"),
}


@pytest.mark.parametrize(("change", "message"), FOUND.values(), ids=FOUND)
def test_verify_looks_at_every_value_of_the_table(copy: Path, change: ChangeTable, message: str) -> None:
    rewrite_table(copy, change)
    problems = Zoo.open(copy).verify()
    assert any(re.search(message, problem) for problem in problems), problems


def test_verify_lists_what_is_wrong_with_table_and_files_at_once(copy: Path) -> None:
    rewrite_table(copy, lambda t: put("accuracy", 1.5)(put("mc", 9)(t)))
    (copy / "weights" / "00002.safetensors").unlink()
    rewrite_index(copy, lambda index: index["checksums"].update(more="0"))
    problems = Zoo.open(copy).verify()
    for word in (
        "records 'more', no file",
        "accuracies are shares",
        "mc of 1 rows",
        "accuracy in the table",
        "00002.safetensors",
    ):
        assert any(word in problem for problem in problems), problems


def test_verify_looks_at_angles_and_weight_decays(digits_zoo: Zoo, tmp_path: Path) -> None:
    assert digits_zoo.verify() == []
    for name, value in (("angle", 1.0), ("weight_decay", 0.5)):
        copy = Path(shutil.copytree(digits_zoo.directory, tmp_path / name))
        rewrite_table(copy, put(name, value, 2))
        assert [f"{name} of 1 rows is not what the seed" in problem for problem in Zoo.open(copy).verify()] == [True]
    rewrite_table(
        copy,
        lambda t: t.set_column(
            t.column_names.index("angle"), "angle", pa.array(np.floor(t["angle"].to_numpy()).astype(int))
        ),
    )
    assert any("angle of 8 rows" in problem for problem in Zoo.open(copy).verify())
    rewrite_table(copy, lambda t: t.drop_columns(["weight_decay"]))
    with pytest.raises(RNN2VecError, match="column weight_decay"):
        Zoo.open(copy)


# --- the index ---


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index["recipe"].update(models=1),
        lambda index: index.update(seed=1),
        lambda index: index["recipe"].update(learning_rates=[0.1, 0.1, 0.1]),
        lambda index: index["architectures"][0].update(hidden_sizes=[9]),
        lambda index: index.update(note="new"),
        lambda index: index.update(sha256=None),
        lambda index: index.update(sha256=[7]),
    ],
)
def test_an_index_that_was_altered_is_not_opened(copy: Path, change: Callable[[dict[str, Any]], object]) -> None:
    index = json.loads((copy / "zoo.json").read_text())
    change(index)
    (copy / "zoo.json").write_text(json.dumps(index))
    with pytest.raises(RNN2VecError, match=r"zoo\.json differs from its own checksum"):
        Zoo.open(copy)


def test_an_index_of_an_earlier_version_has_no_checksum(copy: Path) -> None:
    rewrite_index(copy, lambda index: None, signed=False)
    assert Zoo.open(copy).verify() == []


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda i: i.update(seed=1), ["m[bcd] of .* seed of its recipe"]),
        (lambda i: i["recipe"].update(models=9), ["9 networks with 3 snapshots each are 27 rows; got 24"]),
        (lambda i: i["recipe"].update(models=2**31 - 1), ["networks with 3 snapshots each"]),  # at once
        (lambda i: i["recipe"].update(snapshots=[0, 6, 12]), ["step of 8 rows"]),
        (lambda i: i["recipe"].update(traces=3), [r"inputs have the shape \(4, 20\) each, not \(3, 20\)"]),
        (lambda i: i["family"].update(shifts=[0, 1]), ["seed of its recipe"]),
        (lambda i: i["recipe"].update(models_per_shard=4), ["model of"]),
        (lambda i: i["architectures"][0].update(hidden_sizes=[9]), ["weights/00000.* does not fit this zoo"]),
        (lambda i: i["checksums"].pop("README.md"), ["records no checksum of README.md"]),
        (lambda i: i["checksums"].update({"../../etc": "0"}), ["records '../../etc', no file of this zoo"]),
        (lambda i: i["checksums"].update({"README.md": 5}), ["README.md differs"]),
    ],
)
def test_verify_compares_the_index_with_the_recipe_and_the_table(
    copy: Path, change: Callable[[dict[str, Any]], object], messages: list[str]
) -> None:
    """In an index without a checksum of its own."""
    rewrite_index(copy, change, signed=False)
    problems = Zoo.open(copy).verify()
    for message in messages:
        assert any(re.search(message, problem) for problem in problems), problems


# --- shards ---


def test_rows_of_a_shard_that_the_table_lacks_are_found(copy: Path) -> None:
    for kind in ("weights", "traces"):
        rewrite_shard(
            copy,
            f"{kind}/00000.safetensors",
            lambda tensors: tensors.update({name: np.concatenate([a, a[:1]]) for name, a in tensors.items()}),
        )
    problems = Zoo.open(copy).verify()
    assert len(problems) == 2
    assert all("00000.safetensors has 10 rows; the table has 9 of" in problem for problem in problems)


def test_every_fault_of_one_file_is_found(copy: Path) -> None:
    def spoil(tensors: dict[str, np.ndarray]) -> None:
        tensors["inputs"] = tensors["inputs"].copy()
        tensors["inputs"][0, 0, 3] = 6
        tensors["outputs"] = np.full_like(tensors["outputs"][:-1, :, 1:], np.nan)

    rewrite_shard(copy, "traces/00001.safetensors", spoil)
    problems = Zoo.open(copy).verify()
    for message in ("has 8 rows; the table asks for row 8", "outputs have the shape", "NaN", r"0\.\.5"):
        assert any(re.search(message, problem) for problem in problems), (message, problems)
    rewrite_shard(copy, "weights/00000.safetensors", lambda t: t.update(x=np.array([np.nan], np.float32)))
    problems = Zoo.open(copy).verify()
    assert any("missing or unknown: x" in problem for problem in problems)
    assert any("weights/00000.safetensors holds NaN" in problem for problem in problems)


def test_weights_of_another_precision_are_refused(copy: Path) -> None:
    rewrite_shard(
        copy,
        "weights/00001.safetensors",
        lambda tensors: tensors.update({name: array.astype(np.float64) for name, array in tensors.items()}),
    )
    zoo, message = Zoo.open(copy), r"weights of a zoo are float32; .*00001.safetensors holds float64"
    with pytest.raises(RNN2VecError, match=message):
        zoo.population()
    assert [bool(re.search(message, problem)) for problem in zoo.verify()] == [True]


@pytest.mark.parametrize("tensor", ["inputs", "outputs", "accuracy"])
def test_a_tensor_without_rows_is_no_traceback(copy: Path, tensor: str) -> None:
    rewrite_shard(copy, "traces/00000.safetensors", lambda t: t.update({tensor: np.array(1.0, np.float32)}))
    assert len(Zoo.open(copy).verify()) == 1


# --- anything at all in the index ---

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, -1, 2**31, 10**400, 0.5, 1e308, float("nan"), float("inf"), 8.0, "", "8", "lstm", "uci"])
    | st.floats()
    | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("which", ["tiny_zoo", "digits_zoo"])
def test_any_value_in_any_field_of_the_index_opens_or_is_refused(
    request: pytest.FixtureRequest, which: str, tmp_path: Path
) -> None:
    zoo: Zoo = request.getfixturevalue(which)
    copy = Path(shutil.copytree(zoo.directory, tmp_path / "copy"))
    sound = json.loads((copy / "zoo.json").read_text())
    del sound["sha256"]
    places = [(name,) for name in sound]
    places += [(above, name) for above in ("recipe", "family", "interface", "labels") for name in sound[above]]
    places += [("architectures", 0), *(("architectures", 0, name) for name in sound["architectures"][0])]
    places += [("interface", part, name) for part in ("inputs", "outputs") for name in sound["interface"][part]]
    places += [("recipe", "directory"), ("family", "directory"), ("checksums", "README.md"), ("sha256",)]

    said: list[str] = []

    @settings(max_examples=int(os.environ.get("RNN2VEC_FUZZ", "1000")) // 10)
    @given(place=st.sampled_from(places), value=JSON)
    def opens_or_is_refused(place: tuple[Any, ...], value: Any) -> None:
        index = json.loads(json.dumps(sound))
        inner = index
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value
        (copy / "zoo.json").write_text(json.dumps(index))
        try:
            opened = Zoo.open(copy)
        except RNN2VecError as error:
            said.append(str(error))
            return
        opened.verify()
        json.dumps(opened.index.to_dict())

    opens_or_is_refused()
    assert said
    assert not any("\n" in message for message in said)


def test_verify_misses_metrics_that_are_not_in_the_shard(copy: Path) -> None:
    rewrite_shard(copy, "traces/00001.safetensors", lambda tensors: tensors.pop("accuracy"))
    assert any("holds accuracy as it was measured" in problem for problem in Zoo.open(copy).verify())


def test_verify_finds_other_types_and_other_files(copy: Path) -> None:
    rewrite_shard(
        copy, "traces/00001.safetensors", lambda tensors: tensors.update(outputs=tensors["outputs"].astype(np.float64))
    )
    (copy / "weights" / "00007.safetensors").write_bytes(b"")
    problems = Zoo.open(copy).verify()
    assert len(problems) == 2, problems
    assert any("outputs are stored as float16; got float64; in" in problem for problem in problems)
    assert any(re.search(r"00007\.safetensors is no file of this zoo", problem) for problem in problems)


def test_verify_finds_a_tensor_too_many(copy: Path) -> None:
    rewrite_shard(copy, "weights/00001.safetensors", lambda tensors: tensors.update(x=tensors["linear.bias"]))
    problems = Zoo.open(copy).verify()
    assert len(problems) == 1, problems
    assert "missing or unknown: x" in problems[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["weights/00000.safetensors", "README.md"])
def test_a_pipe_is_not_waited_for(copy: Path, name: str) -> None:
    (copy / name).unlink()
    os.mkfifo(copy / name)
    assert any("a pipe" in problem for problem in Zoo.open(copy).verify())
