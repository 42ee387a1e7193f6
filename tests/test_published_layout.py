"""The paper's npy layout of both families, made here: in and out again, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnn2vec import RNN2VecError, Zoo, build_zoo, zoo_recipe
from rnn2vec.families.sequential_digits import RotatedDigits
from rnn2vec.outputs import sole_writer
from rnn2vec.zoo.published import ROWS_PER_SHARD, export_published, import_published

RANDOM = np.random.default_rng(0)


def write(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    """The arrays as npy files."""
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def digits(rows: int = 6) -> dict[str, np.ndarray]:
    """A published zoo of digits, filled with random numbers."""
    return {
        "parameters": RANDOM.normal(size=(rows, 15178)).astype(np.float32),
        "sequences": RANDOM.normal(size=(rows, 3, 50, 16)).astype(np.float16),
        "logits": RANDOM.normal(size=(rows, 3, 50, 10)).astype(np.float16),
        "tasks": RANDOM.uniform(0, 360, ((rows + 1) // 2, 1)).astype(np.float32).repeat(2, axis=0)[:rows],
        "num_step": np.stack([np.arange(rows) // 2, np.arange(rows) % 2 * 100], axis=1),
        "accuracy_losses": RANDOM.random((rows, 4)).astype(np.float32),
    }


def languages(rows: int = 4) -> dict[str, np.ndarray]:
    """A published zoo of languages, filled with random numbers."""
    tokens = RANDOM.integers(0, 6, (rows, 3, 42)).astype(np.int16)
    ends = (tokens[:, :, 1:] == 5).any(-1)
    tokens[:, :, 0] = np.where(ends, 4, 5)
    return {
        "parameters": RANDOM.normal(size=(rows, 13766)).astype(np.float32),
        "sequences": tokens,
        "logits": RANDOM.normal(size=(rows, 3, 41, 6)).astype(np.float16),
        "tasks": np.concatenate([np.zeros((rows, 1), int), RANDOM.integers(-3, 3, (rows, 3))], axis=1),
        "num_step_correct": np.stack(
            [np.arange(rows), 100 * np.ones(rows, int), RANDOM.integers(0, 1001, rows)], axis=1
        ),
    }


@pytest.mark.parametrize("made", [digits, languages, lambda: digits(ROWS_PER_SHARD + 3)])
def test_import_and_export_give_the_same_arrays(made: Callable[[], dict[str, np.ndarray]], tmp_path: Path) -> None:
    arrays = made()
    zoo = import_published(write(tmp_path / "source", arrays), tmp_path / "zoo")
    assert zoo.verify() == []
    assert len(zoo) == len(arrays["parameters"])
    np.testing.assert_array_equal(zoo.population().flatten().numpy(), arrays["parameters"])
    export_published(zoo, tmp_path / "again")
    for name in arrays:
        assert (tmp_path / "again" / f"{name}.npy").read_bytes() == (tmp_path / "source" / f"{name}.npy").read_bytes()


def test_what_digits_were_measured_at_is_in_the_table(tmp_path: Path) -> None:
    arrays = digits()
    zoo = import_published(write(tmp_path / "source", arrays), tmp_path / "zoo")
    np.testing.assert_array_equal(zoo.column("angle"), arrays["tasks"][:, 0])
    np.testing.assert_array_equal(zoo.column("weight_decay"), arrays["accuracy_losses"][:, 3])
    gap = arrays["accuracy_losses"][:, 2] - arrays["accuracy_losses"][:, 1]
    np.testing.assert_array_equal(zoo.column("generalisation_gap"), gap)
    assert zoo.task(2).parameters["angle"] == pytest.approx(float(arrays["tasks"][2, 0]))
    assert zoo.recipe is None  # nobody knows how they were trained
    assert (zoo.models, zoo.steps, zoo.seed) == (3, (0, 100), 0)
    assert zoo.index.labels == {
        "angle": "angle",
        "accuracy": "number",
        "step": "class",
        "generalisation_gap": "number",
    }
    assert (zoo.traces().inputs.dtype, zoo.traces().outputs.dtype) == (np.float32, np.float16)


def test_a_zoo_of_ours_can_be_exported_and_read_again(tmp_path: Path, tiny_zoo: Zoo) -> None:
    recipe = zoo_recipe(
        "formal-languages", "laptop", models=2, steps=3, snapshots=(0, 3), traces=4, evaluation_strings=1000
    )
    zoo = build_zoo(recipe, tmp_path / "zoo")
    export_published(zoo, tmp_path / "published")
    again = import_published(tmp_path / "published", tmp_path / "again")
    for column in ("model", "step", "mb", "mc", "md"):
        np.testing.assert_array_equal(again.column(column), zoo.column(column))
    np.testing.assert_allclose(again.column("accuracy"), zoo.column("accuracy"), atol=1e-6)
    np.testing.assert_array_equal(again.traces().inputs, zoo.traces().inputs)


def test_only_lstms_are_exported(tmp_path: Path) -> None:
    recipe = zoo_recipe("formal-languages", "demo", models=1, steps=1, snapshots=(0,), cell="gru")
    zoo = build_zoo(recipe, tmp_path / "zoo")
    with pytest.raises(RNN2VecError, match="LSTMs only"):
        export_published(zoo, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_an_exported_zoo_of_small_digits_can_be_read_again(
    tmp_path: Path, file_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    recipe = zoo_recipe("sequential-digits", "demo", models=3, steps=2, snapshots=(0, 2), traces=2, evaluation_images=4)
    zoo = build_zoo(recipe, tmp_path / "zoo")
    export_published(zoo, tmp_path / "published")
    assert json.loads((tmp_path / "published" / "args.json").read_text())["source"] == "uci"
    again = import_published(tmp_path / "published", tmp_path / "again")
    assert again.task_set == RotatedDigits("uci")
    assert again.verify() == []
    assert again.task(3) == zoo.task(3)
    assert torch.equal(again.population().flatten(), zoo.population().flatten())
    export_published(again, tmp_path / "twice")
    assert file_bytes(tmp_path / "twice") == file_bytes(tmp_path / "published")
    arguments = json.loads((tmp_path / "published" / "args.json").read_text())
    del arguments["source"]  # as earlier versions wrote it: the sequences tell
    (tmp_path / "published" / "args.json").write_text(json.dumps(arguments))
    assert import_published(tmp_path / "published", tmp_path / "derived").task_set == RotatedDigits("uci")


def test_an_interrupted_import_goes_on_with_the_same_source_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, place = write(tmp_path / "source", digits()), tmp_path / "zoo"
    other, namesake = write(tmp_path / "other", digits()), tmp_path / "elsewhere" / "source"
    namesake.parent.mkdir()
    write(namesake, digits())

    def interrupted(*arguments: Any, **extra: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rnn2vec.zoo.write.finish_zoo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            import_published(source, place)
    with pytest.raises(RNN2VecError, match="has not finished: run the same command again"):
        Zoo.open(place)
    before = {path: path.read_bytes() for path in place.rglob("*.safetensors")}
    with pytest.raises(
        RNN2VecError, match=r"one import; .*zoo was begun with another \(source source there, other here"
    ):
        import_published(other, place)
    with pytest.raises(RNN2VecError, match=r"another \(checksums\.parameters\.npy; checksums\.sequences\.npy; "):
        import_published(namesake, place)
    assert {path: path.read_bytes() for path in place.rglob("*.safetensors")} == before
    begun = (place / "importing.json").read_text()
    (place / "importing.json").write_text(json.dumps({"source": "source"}))  # with shards of an earlier schema
    with pytest.raises(RNN2VecError, match=r"another \(schema_version nothing there, 2 here"):
        import_published(source, place)
    (place / "importing.json").write_text(begun)
    assert import_published(source, place).verify() == []
    assert not (place / "importing.json").exists()
    with pytest.raises(RNN2VecError, match="already exists"):
        import_published(source, place)


def test_an_import_has_its_directory_to_itself(tmp_path: Path) -> None:
    source = write(tmp_path / "source", digits())
    with sole_writer(tmp_path / "zoo"), pytest.raises(RNN2VecError, match="another is writing"):
        import_published(source, tmp_path / "zoo")
    with pytest.raises(RNN2VecError, match="kept apart from the inputs"):
        import_published(source, source / "zoo")
    assert import_published(source, tmp_path / "zoo").verify() == []


def test_few_short_strings_survive_the_layout(tmp_path: Path, file_bytes: Callable[[Path], dict[str, bytes]]) -> None:
    """Training strings so few that not all of the paper's languages would have one."""
    recipe = zoo_recipe("formal-languages", "demo", models=2, steps=1, snapshots=(1,), max_n=2, length=14)
    export_published(build_zoo(recipe, tmp_path / "zoo"), tmp_path / "published")
    export_published(import_published(tmp_path / "published", tmp_path / "again"), tmp_path / "twice")
    assert file_bytes(tmp_path / "twice") == file_bytes(tmp_path / "published")


@pytest.mark.parametrize("made", [digits, languages])
@pytest.mark.parametrize(
    "stored", [lambda a: a.astype(a.dtype.newbyteorder(">")), lambda a: a.astype(np.float64), np.asfortranarray]
)
def test_numbers_are_read_as_they_are_meant(
    made: Callable[[], dict[str, np.ndarray]], stored: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    """Of the other byte order, in a wider type, in another order: the same numbers, the same zoo."""
    arrays = made()
    expected = import_published(write(tmp_path / "plain", arrays), tmp_path / "expected")
    source = write(tmp_path / "source", {name: stored(array) for name, array in arrays.items()})
    zoo = import_published(source, tmp_path / "zoo")
    assert zoo.verify() == []
    assert (zoo.task_set, zoo.architecture) == (expected.task_set, expected.architecture)
    for name in expected.task_set.columns:
        np.testing.assert_allclose(zoo.column(name), expected.column(name), rtol=1e-6)
    for path in sorted((tmp_path / "zoo").glob("*/*.safetensors")):
        assert path.read_bytes() == (tmp_path / "expected" / path.parent.name / path.name).read_bytes()
    assert zoo.population().dtype == torch.float32


def altered(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, np.ndarray]], None]:
    """Replace one array."""

    def alter(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = change(arrays[name])

    return alter


def added(name: str, by: list[float]) -> Callable[[dict[str, np.ndarray]], None]:
    """Add numbers to the columns of one array."""
    return altered(name, lambda array: array + np.array(by))


def with_nan(array: np.ndarray) -> np.ndarray:
    """The array with a NaN in its second row."""
    array = array.copy()
    array[1, 0] = np.nan
    return array


DAMAGE = {
    "an array is missing": (lambda arrays: arrays.pop("logits"), "holds logits.npy"),
    "objects, which would be unpickled": (altered("tasks", lambda a: a.astype(object)), "tasks.npy is damaged"),
    "words": (altered("tasks", lambda a: a.astype(str)), "holds numbers"),
    "NaN weights": (altered("parameters", with_nan), "row 1 of"),
    "other weights": (altered("parameters", lambda a: a[:, 1:]), r"parameters.npy .*13766\]; got \[4, 13765\]"),
    "rows are missing": (altered("logits", lambda a: a[1:]), "logits.npy"),
    "an unknown token": (altered("sequences", lambda a: a + 1), "lie in 0..5"),
    "a shift of a": (altered("tasks", lambda a: a + 1), "first column"),
    "shifts beyond any window": (
        altered("tasks", lambda a: a * [0, 99, 99, 99] + [0, 99, 0, 0]),
        "smaller than a window",
    ),
    "more than all correct": (altered("num_step_correct", lambda a: a + 1001), "among 1000"),
    "a missing dimension": (altered("sequences", lambda a: a[:, 0]), r"\[S, R, T\]"),
    "NaN tokens": (altered("sequences", lambda a: with_nan(a.astype(float))), "row 1 of sequences.npy holds NaN"),
    "half a token": (altered("sequences", lambda a: a + 0.5), "does not hold row 0 of sequences.npy exactly"),
    "strings that begin anywhere": (altered("sequences", lambda a: a * 0), "begin with BOS"),
    "half a shift": (added("tasks", [0, 0.5, 0, 0]), "numbers in tasks.npy are whole; row 0"),
    "half a model": (added("num_step_correct", [0.5, 0, 0]), "numbers in num_step_correct.npy are"),
    "half a step": (added("num_step_correct", [0, 0.5, 0]), "numbers in num_step_correct.npy are"),
    "half correct": (added("num_step_correct", [0, 0, 0.5]), "numbers in num_step_correct.npy are"),
    "steps below 0": (added("num_step_correct", [0, -200, 0]), "steps are at least 0"),
    "steps beyond counting": (added("num_step_correct", [0, 2**40, 0]), "steps is at most"),
    "weights finer than float32": (
        altered("parameters", lambda a: a.astype(float) + 1e-12),
        "stores parameters as float32, which does not hold row 0",
    ),
    "logits beyond float16": (altered("logits", lambda a: a.astype(np.float32) * 1e6), "stores logits as float16"),
    "NaN logits": (altered("logits", with_nan), "row 1 of logits.npy holds NaN"),
    "no rows": (lambda arrays: arrays.update({n: a[:0] for n, a in arrays.items()}), "a row a snapshot"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_explained(damage: Callable[[dict[str, np.ndarray]], object], message: str, tmp_path: Path) -> None:
    arrays = languages()
    damage(arrays)
    with pytest.raises(RNN2VecError, match=message):
        import_published(write(tmp_path / "source", arrays), tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


def test_digits_of_an_unknown_source_are_explained(tmp_path: Path) -> None:
    for source, message in (
        ('"svhn"', "mnist, uci; got 'svhn'"),
        ("[1]", "mnist, uci; got"),
        ('"uci"', r"17, 4\]; got \[6, 3, 50"),
    ):
        folder = write(tmp_path / "source", digits())
        (folder / "args.json").write_text(f'{{"source": {source}}}')
        with pytest.raises(RNN2VecError, match=message):
            import_published(folder, tmp_path / "zoo")


@pytest.mark.parametrize(
    "content",
    [
        '{"max_n": "ten"}',
        '{"seed": 0.9}',
        '{"max_n": 0}',
        '{"rnn_num_layers": 1000000000}',
        '{"rnn_hidden_size": 32.5}',
        "[1]",
        "{",
        '{"rnn_num_layers": 3}',
    ],
)
def test_wrong_arguments_are_explained(content: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "source", languages())
    (folder / "args.json").write_text(content)
    with pytest.raises(RNN2VecError, match=r"args\.json|whole number|parameters\.npy"):
        import_published(folder, tmp_path / "zoo")


def of_one_model(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The same arrays, all of whose rows are of network 0."""
    times = arrays[name].copy()
    times[:, 0] = 0
    return {**arrays, name: times}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: of_one_model(digits(), "num_step"), "one snapshot at a step; 4 rows .*one task; 1 networks have 3"),
        (lambda: of_one_model(languages(), "num_step_correct"), "one snapshot at a step; 3 rows"),
        (lambda: {**digits(), "accuracy_losses": digits()["accuracy_losses"] + 1}, "shares from 0 to 1"),
    ],
)
def test_tables_that_cannot_be_of_networks_are_refused(
    made: Callable[[], dict[str, np.ndarray]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RNN2VecError, match=message):
        import_published(write(tmp_path / "source", made()), tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()
