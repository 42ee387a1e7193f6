"""The command line: the whole way through at a tiny size, and one clear line for every mistake."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rnn2vec.demo
import rnn2vec.theory.run
from altered_zoos import put_nan, rewrite_shard
from conftest import Command
from rnn2vec import ENCODERS, Architecture, Interface, Numbers, Population, Zoo, build_zoo, cli
from rnn2vec.benchmark.measurements import as_table, write_measurements
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import pretrain_into
from rnn2vec.families import FAMILIES
from rnn2vec.files import write_record
from rnn2vec.outputs import sole_writer
from rnn2vec.training import Checkpoint, Progress
from rnn2vec.zoo.published import export_published
from rnn2vec.zoo.recipes import zoo_recipe
from rnn2vec.zoo.write import Group, write_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo that the command line built."""
    directory = tmp_path_factory.mktemp("cli") / "zoo"
    options = {"preset": "demo", "models": 24, "steps": 60, "hidden-size": 8, "seed": 1, "workers": 1, "batch-size": 8}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "rnn2vec", "zoo", "build", "formal-languages", "--out", str(directory), *arguments]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return directory


@pytest.fixture
def damaged(zoo: Path, tmp_path: Path) -> Path:
    """A copy of the zoo, to be damaged."""
    target = tmp_path / "damaged"
    subprocess.run(["cp", "-r", str(zoo), str(target)], check=True)
    return target


def fails(result: tuple[int, str, str], *words: str) -> None:
    """Exit status 1 and one line of error with the given words, no traceback."""
    status, _, errors = result
    assert status == 1
    assert errors.startswith("error:"), errors
    assert errors.count("\n") == 1, errors
    assert "Traceback" not in errors
    for word in words:
        assert word in errors


def test_build_flags_win_over_the_preset(zoo: Path, rnn2vec_command: Command) -> None:
    recipe = Zoo.open(zoo).recipe
    assert (recipe.models, recipe.steps, recipe.architecture.widest, recipe.seed, recipe.batch_size) == (
        24,
        60,
        8,
        1,
        8,
    )
    assert recipe.snapshots == (0, 50, 60)
    assert (recipe.task_set.length, recipe.task_set.max_n) == (20, 5)
    status, output, _ = rnn2vec_command("zoo", "info", zoo)
    assert status == 0
    assert "24 networks (LSTM, 1 x 8" in output
    status, output, _ = rnn2vec_command("zoo", "verify", zoo)
    assert status == 0
    assert "is sound: 72 networks" in output


@pytest.mark.parametrize("cell", ["gru", "elman"])
def test_other_cells_and_layers_are_built(cell: str, tmp_path: Path, rnn2vec_command: Command) -> None:
    options = f"--preset demo --cells {cell} --layers 2 --hidden-size 5 --models 2 --steps 2 --workers 1".split()
    assert rnn2vec_command("zoo", "build", "formal-languages", "--out", tmp_path / "z", *options)[0] == 0
    architecture = Zoo.open(tmp_path / "z").architecture
    assert (architecture.cell, architecture.num_layers, architecture.widest) == (cell, 2, 5)


def test_presets_have_the_promised_sizes() -> None:
    demo, laptop, paper = (zoo_recipe("formal-languages", name) for name in ("demo", "laptop", "paper"))
    assert len({demo.task(model) for model in range(demo.models)}) >= 64
    tasks = [laptop.task(model) for model in range(laptop.models)]
    assert len(set(tasks)) == 216
    assert all(tasks.count(task) >= 2 for task in set(tasks))
    assert (laptop.architecture.num_layers, laptop.architecture.widest) == (2, 32)
    assert (paper.models, paper.steps, paper.batch_size, paper.weight_decay) == (1000, 20_000, 32, 1e-4)
    assert [paper.learning_rate(step) for step in (0, 10_000, 20_000)] == pytest.approx([0.01, 0.003, 0.0003])
    assert paper.learning_rate(5_000) == pytest.approx(0.0065)


def test_pretrain_and_evaluate(zoo: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    for encoder in ("statistics", "noninteractive"):
        options = ("--preset", "demo", "--steps", 3, "--loss", "js", "--seed", 5)
        status, _, errors = rnn2vec_command(
            "pretrain", zoo, "--encoder", encoder, "--out", tmp_path / encoder, *options
        )
        assert status == 0, errors
    record = json.loads((tmp_path / "statistics" / "training.json").read_text())
    assert (record["recipe"]["steps"], record["recipe"]["loss"], record["seed"]) == (3, "js", 5)
    card = (tmp_path / "statistics" / "README.md").read_text()
    for words in ("(statistics)", "the family formal-languages", "3 steps, seed 5", "(js)", "| validation |"):
        assert words in card
    assert "More Information Needed" not in card
    encoders = (tmp_path / "statistics", tmp_path / "noninteractive")
    status, output, errors = rnn2vec_command(
        "evaluate", zoo, *encoders, "--out", tmp_path / "out", "--supervised-steps", 2
    )
    assert status == 0, errors
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    for name in ("statistics", "noninteractive"):
        entry = results["encoders"][name]
        assert set(entry["emulation_loss"]) == {"name", "validation", "ood"}
        assert {"frozen", "supervised", "parameters", "seconds", "seed", "versions"} <= set(entry)
        assert name in output
    parts = results["zoo"]["parts"]
    assert sum(part["snapshots"] for part in parts.values()) <= len(Zoo.open(zoo))
    assert f"Validation: {parts['validation']['snapshots']} snapshots of {parts['validation']['tasks']} lang" in output
    assert "the same z for all" in output
    assert (
        results["same_z"]["frozen"]["validation"].keys()
        == results["encoders"]["statistics"]["frozen"]["validation"].keys()
    )
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()
    status, output, errors = rnn2vec_command("predict", zoo, "--encoder", tmp_path / "noninteractive", "--json")
    assert status == 0, errors
    assert all(0 < row["imitation_error"] < 1 for row in json.loads(output)["networks"]), "the emulator is beside it"
    fails(rnn2vec_command("evaluate", zoo, *encoders, "--out", tmp_path / "out"), "already exists")
    fails(rnn2vec_command("evaluate", zoo, encoders[0], encoders[0], "--out", tmp_path / "twice"), "different encoders")


def without_clocks(value: Any) -> Any:
    """JSON without what a clock said."""
    if isinstance(value, dict):
        return {key: without_clocks(part) for key, part in value.items() if not key.endswith("seconds")}
    return [without_clocks(part) for part in value] if isinstance(value, list) else value


def test_an_interrupted_evaluation_goes_on(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rnn2vec_command: Command
) -> None:
    monkeypatch.setattr("rnn2vec.training.CHECKPOINT_SECONDS", 0.0)
    for encoder in ("statistics", "flat"):
        trained = ("--encoder", encoder, "--out", tmp_path / encoder, "--preset", "demo", "--steps", 1)
        assert rnn2vec_command("pretrain", zoo, *trained)[0] == 0
    encoders = (tmp_path / "statistics", tmp_path / "flat")
    command = ("evaluate", zoo, *encoders, "--supervised-steps", 6, "--workers", 1)
    twice = ("evaluate", zoo, encoders[0], encoders[0], "--out", tmp_path / "whole")
    fails(rnn2vec_command(*twice), "different encoders")
    assert not (tmp_path / "whole").exists()
    assert rnn2vec_command(*command, "--out", tmp_path / "whole")[0] == 0
    keep, kept = Checkpoint.keep, []

    def interrupted(checkpoint: Checkpoint, progress: Progress, finished: bool) -> None:
        keep(checkpoint, progress, finished)
        kept.append(progress.step)
        if len(kept) == 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "keep", interrupted)
    out = tmp_path / "parts"
    status, _, errors = rnn2vec_command(*command, "--out", out)
    assert (status, errors.count("\n")) == (130, 1)
    assert "the same command goes on, or begins anew" in errors
    assert kept == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]
    assert {path.name for path in out.iterdir()} == {"unfinished"}
    fails(rnn2vec_command("evaluate", zoo, encoders[0], "--out", out), "(encoders.flat; ", "another directory")
    changed = rnn2vec_command(*command[:-4], "--supervised-steps", 7, "--out", out)
    fails(changed, "another (supervised_steps.statistics 6 there, 7 here; supervised_steps.flat 6 there, 7 here):")
    with monkeypatch.context() as patch:
        patch.setattr("rnn2vec.evaluation.evaluate.versions", lambda: {"torch": "99.0"})
        fails(rnn2vec_command(*command, "--out", out), "versions.torch 2.", " there, 99.0 here", "another directory")
    status, _, errors = rnn2vec_command(*command, "--out", out)
    assert status == 0, errors
    assert kept[10:] == [5, 6]  # the first encoder's is kept, the second's goes on
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("whole", "parts")]
    assert json.dumps(without_clocks(results[0])) == json.dumps(without_clocks(results[1]))  # in the same order, too
    assert {path.name for path in out.iterdir()} == {"results.json", "report.html"}
    fails(rnn2vec_command(*command, "--out", out), "already exists")


def test_a_damaged_evaluation_is_named(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rnn2vec_command: Command
) -> None:
    trained = ("--encoder", "statistics", "--out", tmp_path / "statistics", "--preset", "demo", "--steps", 1)
    assert rnn2vec_command("pretrain", zoo, *trained)[0] == 0
    command = ("evaluate", zoo, tmp_path / "statistics", "--out", tmp_path / "out", "--supervised-steps", 1)
    with monkeypatch.context() as patch:
        patch.setattr(
            "rnn2vec.evaluation.page.write_report", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        assert rnn2vec_command(*command)[0] == 130
    kept = tmp_path / "out" / "unfinished" / "statistics.safetensors"
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    fails(rnn2vec_command(*command), str(kept), "damaged", "remove it")
    write_record(kept, {}, {"name": "statistics", "results": {}})
    fails(rnn2vec_command(*command), str(kept), "'embeddings' is missing", "remove it")
    kept.unlink()
    assert rnn2vec_command(*command[:-2])[0] == 0  # one step is the default here


def test_mistakes_in_arguments(zoo: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    out = ("--out", tmp_path / "out")
    fails(rnn2vec_command("zoo", "build", "poems", *out), "formal-languages", "'poems'")
    fails(rnn2vec_command("zoo", "build", "formal-languages", *out, "--preset", "huge"), "demo, laptop, paper")
    fails(rnn2vec_command("zoo", "build", "formal-languages", *out, "--cells", "qrnn"), "lstm, gru, elman")
    fails(rnn2vec_command("zoo", "build", "formal-languages", "--out", zoo), str(zoo), "one directory holds one zoo")
    fails(rnn2vec_command("pretrain", zoo, "--encoder", "oracle", *out), "interactive", "'oracle'")
    fails(rnn2vec_command("pretrain", zoo, "--encoder", "flat", *out, "--loss", "hinge"), "total-variation")
    fails(rnn2vec_command("pretrain", zoo, "--encoder", "flat", "--out", zoo), "kept apart from the inputs")
    fails(rnn2vec_command("pretrain", tmp_path, "--encoder", "flat", *out), "zoo.json", "zoo build")
    fails(rnn2vec_command("zoo", "info", tmp_path / "nowhere"), "zoo.json")
    fails(rnn2vec_command("evaluate", zoo, tmp_path, *out), "config.json", "pretrain")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments", ["zoo build", "zoo build formal-languages --out x --models 0", "info --wat", "sing"]
)
def test_wrong_usage_is_no_traceback(arguments: str, rnn2vec_command: Command) -> None:
    status, _, errors = rnn2vec_command(*arguments.split())
    assert status == 2
    assert "Usage" in errors
    assert "Traceback" not in errors


def test_an_encoder_is_not_tested_on_what_it_was_trained_on(
    zoo: Path, tmp_path: Path, rnn2vec_command: Command
) -> None:
    trained = ("--encoder", "flat", "--out", tmp_path / "flat", "--preset", "demo", "--steps", 1)
    assert rnn2vec_command("pretrain", zoo, *trained)[0] == 0
    other, sizes = tmp_path / "other", "--preset demo --models 24 --steps 1 --hidden-size 8 --workers 1 --seed 2"
    assert rnn2vec_command("zoo", "build", "formal-languages", "--out", other, *sizes.split())[0] == 0
    evaluated = rnn2vec_command("evaluate", other, tmp_path / "flat", "--out", tmp_path / "out")
    fails(evaluated, "was not trained on", "same tasks and seed")


def test_losses_of_different_kinds_are_not_compared(zoo: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    for encoder, loss in (("flat", "js"), ("statistics", "kl")):
        options = ("--encoder", encoder, "--loss", loss, "--out", tmp_path / encoder, "--preset", "demo", "--steps", 1)
        assert rnn2vec_command("pretrain", zoo, *options)[0] == 0
    result = rnn2vec_command("evaluate", zoo, tmp_path / "flat", tmp_path / "statistics", "--out", tmp_path / "out")
    fails(result, "same loss", "js, kl")


def test_a_place_that_cannot_be_written_is_known_before_training(
    zoo: Path, tmp_path: Path, rnn2vec_command: Command
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    fails(
        rnn2vec_command("pretrain", zoo, "--encoder", "flat", "--out", out, "--preset", "demo"),
        "cannot write",
        str(out),
    )


def test_a_newer_schema(damaged: Path, rnn2vec_command: Command) -> None:
    index = json.loads((damaged / "zoo.json").read_text())
    (damaged / "zoo.json").write_text(json.dumps(index | {"schema_version": 99}))
    fails(rnn2vec_command("zoo", "info", damaged), "schema version 99", "upgrade")


def test_a_truncated_shard(damaged: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    shard = damaged / "weights" / "00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    fails(rnn2vec_command("zoo", "verify", damaged), str(shard), "checksum")
    out = ("--out", tmp_path / "out")
    fails(rnn2vec_command("pretrain", damaged, "--encoder", "flat", *out, "--preset", "demo"), str(shard), "truncated")


def test_an_altered_shard(damaged: Path, rnn2vec_command: Command) -> None:
    shard = damaged / "traces" / "00000.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    fails(rnn2vec_command("zoo", "verify", damaged), str(shard), "checksum")


def test_weights_that_are_not_numbers(damaged: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    shard = damaged / "weights" / "00000.safetensors"
    rewrite_shard(damaged, "weights/00000.safetensors", put_nan("weight_hh_l0"))
    fails(rnn2vec_command("zoo", "verify", damaged), str(shard), "NaN")
    fails(
        rnn2vec_command("pretrain", damaged, "--encoder", "flat", "--out", tmp_path / "out", "--preset", "demo"), "NaN"
    )


def test_a_zoo_of_no_family_is_summarised(tmp_path: Path, rnn2vec_command: Command) -> None:
    interface = Interface(Numbers(1, -1.0, 1.0), Numbers(1))
    networks = [Architecture.stack(cell, 1, 3, 1, 1) for cell in ("lstm", "gru")]
    groups = [
        Group(Population.initialise(own, 0, range(2)), [f"{own.cell}{k}" for k in range(2)], ["", ""])
        for own in networks
    ]
    write_zoo(tmp_path / "zoo", interface, groups)
    status, printed, errors = rnn2vec_command("zoo", "info", tmp_path / "zoo")
    assert (status, errors) == (0, "")
    said = " ".join(printed.split())
    assert "4 networks (LSTM, 1 x 3, 1 input, 1 output; GRU, 1 x 3, 1 input, 1 output), 1 number" in said
    assert rnn2vec_command("zoo", "verify", tmp_path / "zoo")[0] == 0
    fails(
        rnn2vec_command("pretrain", tmp_path / "zoo", "--encoder", "flat", "--out", tmp_path / "out"), "2 architectures"
    )


def test_an_encoder_that_does_not_fit_the_zoo(zoo: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    options = ["--preset", "demo", "--models", "24", "--steps", "1", "--hidden-size", "6", "--workers", "1"]
    assert rnn2vec_command("zoo", "build", "formal-languages", "--out", tmp_path / "other", *options)[0] == 0
    trained = ("--encoder", "flat", "--out", tmp_path / "flat", "--preset", "demo", "--steps", 1)
    assert rnn2vec_command("pretrain", tmp_path / "other", *trained)[0] == 0
    fails(rnn2vec_command("evaluate", zoo, tmp_path / "flat", "--out", tmp_path / "out"), "1 x 6", "1 x 8")


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 96 kB; where none can be mounted, one that reports to be full at the first large file."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode == 0:
        yield place
        subprocess.run(["umount", str(place)], check=True)
        return
    synchronise = os.fsync

    def fsync(descriptor: int) -> None:
        if os.fstat(descriptor).st_size > 50_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    yield place


def test_no_space_left(full_disk: Path, rnn2vec_command: Command) -> None:
    options = ["--preset", "demo", "--models", "4", "--steps", "2", "--hidden-size", "20", "--workers", "1"]
    build = ("zoo", "build", "formal-languages", "--out", full_disk / "zoo", *options)
    fails(rnn2vec_command(*build), "no space left", "same command")
    left = {path.name for path in (full_disk / "zoo").rglob("*") if path.is_file()}
    assert "building.json" in left
    assert not any(name.endswith(".partial") for name in left)


def test_demo_is_whole_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rnn2vec_command: Command) -> None:
    small = zoo_recipe("formal-languages", "demo", models=64, steps=4, hidden_size=4, snapshots=(0, 4), traces=12)
    monkeypatch.setitem(
        FAMILIES["formal-languages"].pretraining,
        "demo",
        FAMILIES["formal-languages"].pretraining["demo"] | {"steps": 2, "networks": 4, "traces": 1, "emulator_size": 8},
    )
    monkeypatch.setattr(rnn2vec.demo.recipes, "zoo_recipe", lambda family, preset, seed: small)
    monkeypatch.setattr(rnn2vec.demo, "SUPERVISED_STEPS", 1)
    drawn = rnn2vec.demo.write_report
    monkeypatch.setattr(rnn2vec.demo, "write_report", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    out = tmp_path / "demo"
    status, _, errors = rnn2vec_command("demo", "--out", out, "--workers", 1)
    assert status == 130
    assert "the same command goes on, or begins anew" in errors
    assert {path.stem for path in (out / "unfinished").glob("*.safetensors")} == set(ENCODERS)
    results = [path for path in out.rglob("*.safetensors") if path.parent.name != "unfinished"]
    kept = {path: path.stat().st_mtime_ns for path in results}
    with sole_writer(out):  # a second demo
        fails(rnn2vec_command("demo", "--out", out, "--workers", 1), "another is writing", "wait for it")
    assert {path: path.stat().st_mtime_ns for path in results} == kept
    monkeypatch.setattr(rnn2vec.demo, "write_report", drawn)
    evaluating = "rnn2vec.evaluation.evaluate.evaluate_encoder"
    monkeypatch.setattr(evaluating, lambda *a, **b: pytest.fail("evaluations are kept"))
    status, output, errors = rnn2vec_command("demo", "--out", out, "--workers", 1)
    assert status == 0, errors
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == kept
    assert not (out / "unfinished").exists()
    results = json.loads((out / "results.json").read_text())
    assert list(results["encoders"]) == list(ENCODERS)
    assert results["zoo"]["tasks"] == 64
    assert (out / "report.html").is_file()
    assert not (out / "demo.json").exists()
    assert "The demo is small" in output
    fails(rnn2vec_command("demo", "--out", out), "already exists")


def test_info_names_the_backend(rnn2vec_command: Command) -> None:
    status, output, _ = rnn2vec_command("info")
    assert status == 0
    assert "Keras" in output
    for word in ("torch", "backend in use", "cpu"):
        assert word in output


def test_digits_from_build_to_report(tmp_path: Path, rnn2vec_command: Command) -> None:
    options = {"preset": "demo", "models": 24, "steps": 20, "hidden-size": 6, "workers": 1, "cells": "gru"}
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    assert rnn2vec_command("zoo", "build", "sequential-digits", "--out", tmp_path / "zoo", *flags)[0] == 0
    for encoder in ("interactive", "statistics"):
        command = ("pretrain", tmp_path / "zoo", "--encoder", encoder, "--out", tmp_path / encoder)
        assert rnn2vec_command(*command, "--preset", "demo", "--steps", 2)[0] == 0
    command = ("evaluate", tmp_path / "zoo", tmp_path / "interactive", tmp_path / "statistics")
    status, output, errors = rnn2vec_command(*command, "--out", tmp_path / "results", "--supervised-steps", 1)
    assert status == 0, errors
    assert "angle" in output
    assert (tmp_path / "results" / "report.html").exists()


def test_data_that_is_not_there(tmp_path: Path, rnn2vec_command: Command) -> None:
    build = ("zoo", "build", "sequential-digits", "--out", tmp_path / "zoo", "--models", 1, "--steps", 1)
    data = tmp_path / "data"
    data.mkdir()
    fails(rnn2vec_command(*build, "--data", data, "--workers", 1), "train-images-idx3-ubyte", "holds none")
    fails(rnn2vec_command(*build, "--preset", "demo", "--data", data), "--data are the files of mnist")
    fails(rnn2vec_command(*build, "--digits", "uci", "--data", data), "--data are the files of mnist")
    fails(rnn2vec_command(*build, "--data", tmp_path), "kept apart from the inputs")
    assert not (tmp_path / "zoo").exists()
    build = ["zoo", "build", "formal-languages", "--out", tmp_path]
    fails(rnn2vec_command(*build, "--digits", "uci"), "formal-languages has none")


def test_published_layout_from_the_shell(zoo: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    assert rnn2vec_command("zoo", "export-published", zoo, tmp_path / "published")[0] == 0
    status, output, _ = rnn2vec_command("zoo", "import-published", tmp_path / "published", tmp_path / "again")
    assert status == 0
    assert "again: 24 networks" in " ".join(output.split())  # a long path may end its line
    fails(rnn2vec_command("zoo", "import-published", zoo, tmp_path / "no"), "is this a published zoo")


def test_benchmark_and_redraw(rnn2vec_command: Command, zoo: Path, tmp_path: Path) -> None:
    sizes = ["--preset", "demo", "--steps", 2, "--supervised-steps", 1, "--workers", 1]
    out = tmp_path / "out"
    command = ["benchmark", zoo, "--encoders", "statistics,flat", "--seeds", 2, *sizes, "--out", out]
    status, output, errors = rnn2vec_command(*command)
    assert (status, errors) == (0, "")
    assert "95 % intervals over 2 seeds" in output
    before = (out / "results.parquet").read_bytes()
    assert rnn2vec_command(*command)[0] == 0  # all is kept
    assert (out / "results.parquet").read_bytes() == before
    status, _, _ = rnn2vec_command("redraw", out / "results.parquet", "--out", tmp_path / "again.html")
    assert status == 0
    assert (tmp_path / "again.html").read_bytes() == (out / "report.html").read_bytes()
    page = tmp_path / "again.html"
    page.write_text("of the user")
    fails(rnn2vec_command("redraw", out / "results.parquet", "--out", page), "already exists", "--force")
    assert page.read_text() == "of the user"
    assert rnn2vec_command("redraw", out / "results.parquet", "--out", page, "--force")[0] == 0
    assert page.read_bytes() == (out / "report.html").read_bytes()
    fails(rnn2vec_command(*command, "--loss", "mse"), "one benchmark", "recipe.loss total-variation there, mse here")
    fails(rnn2vec_command("benchmark", zoo, "--encoders", "oracle", "--out", out), "encoders are")
    fails(rnn2vec_command("redraw", zoo / "snapshots.parquet", "--out", tmp_path / "a.html"), "measurements have")
    assert not (tmp_path / "a.html").exists()


OUTPUTS = {
    "demo": "demo --out OUT",
    "build": "zoo build formal-languages --out OUT",
    "import": "zoo import-published PUBLISHED OUT",
    "export": "zoo export-published ZOO OUT",
    "pretrain": "pretrain ZOO --encoder flat --preset demo --out OUT",
    "evaluate": "evaluate ZOO ENCODER --out OUT",
    "transfer": "evaluate ZOO ENCODER --predictors-from ZOO2 --out OUT",
    "benchmark": "benchmark ZOO ZOO2 --out OUT",
    "theory": "theory --zoo ZOO --out OUT",
    "redraw": "redraw RESULTS --out OUT",
    "interrogate": "interrogate-zoo ZOO --out OUT",
    "redraw, forced": "redraw RESULTS --force --out OUT",
    "interrogate, forced": "interrogate-zoo ZOO --force --out OUT",
}
"""Every command that writes; in capitals its inputs."""


@pytest.fixture(scope="module")
def inputs(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What these commands read."""
    place = tmp_path_factory.mktemp("inputs")
    shutil.copytree(zoo, place / "zoo")
    shutil.copytree(zoo, place / "zoo2")
    export_published(Zoo.open(zoo), place / "published")
    recipe = pretrain_recipe("formal-languages", "demo", steps=1, networks=2, traces=1, emulator_size=4)
    for name, encoder in (("encoder", "statistics"), ("flat", "flat")):
        pretrain_into(zoo, encoder, recipe, 0, place / name, on_progress=lambda amount, note: None)
    sizes = {"models": 24, "steps": 1, "hidden_size": 3, "snapshots": (1,), "traces": 2, "evaluation_strings": 2}
    build_zoo(zoo_recipe("formal-languages", "demo", seed=1, **sizes), place / "other")
    (place / "benchmark").mkdir()
    write_measurements(place / "benchmark" / "results.parquet", as_table([{"zoo": "a", "value": 1.0}]))
    names = {"RESULTS": "benchmark/results.parquet"} | {
        name.upper(): name for name in ("zoo", "zoo2", "published", "encoder", "flat", "other")
    }
    return {name: place / path for name, path in names.items()}


def everything_in(directory: Path) -> dict[Path, tuple[int, int, bytes]]:
    """Kind, time and content of all that is there."""
    return {
        path: (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in directory.rglob("*")
    }


def make(kind: str, path: Path) -> None:
    """Put something in the way of an output."""
    (path.parent / "of the user").write_text("precious")
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
        (path / "mine").write_text("precious")
    elif kind == "link":
        path.symlink_to("of the user")
    elif kind == "link to nothing":
        path.symlink_to("absent")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":  # one like /dev/null, but nobody's
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
@pytest.mark.parametrize("kind", ["file", "folder", "link", "link to nothing", "pipe", "device"])
@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_replaces_nothing(
    command: str, kind: str, inputs: dict[str, Path], tmp_path: Path, rnn2vec_command: Command
) -> None:
    if "forced" in command and kind == "file":
        return  # that is what it is for
    make(kind, tmp_path / "out")
    before = everything_in(tmp_path)
    arguments = [inputs.get(word, tmp_path / "out" if word == "OUT" else word) for word in OUTPUTS[command].split()]
    fails(rnn2vec_command(*arguments), str(tmp_path / "out"))
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("command", [name for name, words in OUTPUTS.items() if words.split(" --")[0] != "demo"])
def test_an_output_lies_in_no_input(command: str, inputs: dict[str, Path], rnn2vec_command: Command) -> None:
    place = inputs["ZOO"].parent
    before = everything_in(place)
    words = OUTPUTS[command].split()
    for name in [word for word in words if word in inputs]:
        for out in (inputs[name], inputs[name] / "new", inputs[name] / "a" / "new"):
            arguments = [inputs.get(word, out if word == "OUT" else word) for word in words]
            fails(rnn2vec_command(*arguments), "an output is kept apart from the inputs", str(out))
    assert everything_in(place) == before


WRONG_NUMBERS = {
    "seed": ("pretrain ZOO --encoder flat --out OUT --seed 4294967296", 2),
    "negative seed": ("zoo build formal-languages --out OUT --seed -1", 2),
    "workers": ("benchmark ZOO --out OUT --workers 1000000", 2),
    "threads": ("pretrain ZOO --encoder flat --out OUT --threads 0", 2),
    "threads in words": ("benchmark ZOO --out OUT --threads many", 2),
    "seeds": ("benchmark ZOO --out OUT --seeds 1000000000", 1),
    "twice": ("benchmark ZOO --out OUT --encoders statistics,flat,statistics", 1),
    "no encoder": ("benchmark ZOO --out OUT --encoders ,", 1),
    "same zoo": ("benchmark ZOO ZOO --out OUT", 1),
    "same encoder": ("evaluate ZOO ENCODER ENCODER --out OUT", 1),
    "no cluster": ("benchmark ZOO --out OUT --ray nowhere", 1),
    "no cluster for a zoo": ("zoo build formal-languages --out OUT --ray nowhere", 1),
    "other sizes": ("evaluate ZOO FLAT --predictors-from OTHER --out OUT", 1),
    "NaN seconds": ("interrogate-zoo ZOO --seconds nan --out OUT/page.html", 2),
}


@pytest.mark.parametrize("name", WRONG_NUMBERS)
def test_refused_arguments_leave_nothing_behind(
    name: str, inputs: dict[str, Path], tmp_path: Path, rnn2vec_command: Command
) -> None:
    words, expected = WRONG_NUMBERS[name]
    out = tmp_path / "new" / "out"
    arguments = [inputs.get(word, word.replace("OUT", str(out))) for word in words.split()]
    status, _, errors = rnn2vec_command(*arguments)
    assert status == expected or (name, status) == ("NaN seconds", 1)  # an older click lets NaN through
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7 PiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
    ],
    ids=["numpy", "torch"],
)
def test_too_little_memory_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, rnn2vec_command: Command
) -> None:
    monkeypatch.setattr("rnn2vec.cli.zoo.print_zoo", lambda zoo: (_ for _ in ()).throw(error))
    monkeypatch.setattr("rnn2vec.cli.zoo.Zoo.open", lambda directory: None)
    fails(rnn2vec_command("zoo", "info", "zoo"), "not enough memory", "fewer workers")


def test_other_errors_of_torch_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnn2vec.cli.zoo.Zoo.open", lambda directory: (_ for _ in ()).throw(RuntimeError("a bug")))
    monkeypatch.setattr(sys, "argv", ["rnn2vec", "zoo", "info", "zoo"])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


def test_work_goes_on_when_nobody_reads_of_it(inputs: dict[str, Path], tmp_path: Path) -> None:
    """As in ``rnn2vec pretrain ... 2>&1 | head -1``."""
    out = tmp_path / "encoder"
    options = ("--encoder", "statistics", "--preset", "demo", "--steps", "2", "--out", str(out))
    command = [sys.executable, "-m", "rnn2vec", "pretrain", str(inputs["ZOO"]), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert (out / "training.json").is_file()
    assert not (out / "checkpoint.safetensors").exists()


def test_interrogate_a_zoo(rnn2vec_command: Command, zoo: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    command = ("interrogate-zoo", zoo, "--length", 3, "--seconds", 1)
    status, output, errors = rnn2vec_command(*command, "--out", page)
    assert (status, errors) == (0, "")
    assert "at step 60: 24. Questions to choose from: 35." in output
    assert "which network it is" in output
    assert "<svg" in page.read_text()
    fails(rnn2vec_command(*command, "--step", 7), "snapshots", "0, 50, 60")
    fails(rnn2vec_command(*command, "--answers", "smell"), "argmax or probabilities")
    fails(rnn2vec_command("interrogate-zoo", tmp_path), "zoo.json")


def test_theory(rnn2vec_command: Command, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rnn2vec.theory.run, "SIZES", (2, 4))
    monkeypatch.setattr(rnn2vec.theory.run, "ZOO_SECONDS", 1.0)
    out = tmp_path / "theory"
    command = ("theory", "--zoo", zoo, "--steps", 1, "--workers", 1, "--out", out)
    status, output, errors = rnn2vec_command(*command, "--sizes", "2,4")
    assert (status, errors) == (0, "")
    assert "as many questions" in output
    assert (out / "report.html").is_file()
    assert json.loads((out / "results.json").read_text())["zoos"][zoo.name]["networks"] == 24
    fails(rnn2vec_command(*command, "--sizes", "2,8"), "one directory holds one theory", "jobs 4 there, 8 here")
    fails(rnn2vec_command(*command, "--sizes", "two"), "whole numbers", "'two'")
    fails(rnn2vec_command("theory", "--sizes", "6", "--out", tmp_path / "six"), "power of two")
    assert not (tmp_path / "six").exists()


def test_version_and_quiet(rnn2vec_command: Command, zoo: Path, tmp_path: Path) -> None:
    status, said, _ = rnn2vec_command("--version")
    assert (status, said.split()[0]) == (0, "rnn2vec")
    loud = rnn2vec_command("embed", str(zoo), "--out", str(tmp_path / "loud.parquet"))
    behind = rnn2vec_command("embed", str(zoo), "--out", str(tmp_path / "behind.parquet"), "--quiet")
    assert (behind[0], "Embedding" in behind[1]) == (0, False)
    quiet = rnn2vec_command("--quiet", "embed", str(zoo), "--out", str(tmp_path / "quiet.parquet"))
    assert loud[0] == quiet[0] == 0
    assert "Embedding" in loud[1]
    assert "Embedding" not in quiet[1]
    assert "wrote" in quiet[1]
    assert rnn2vec_command("-q", "embed", str(zoo / "nowhere"), "--out", str(tmp_path / "x"))[2].startswith("error:")


@pytest.mark.parametrize("width", [30, 200])
def test_no_cell_of_a_table_is_cut(width: int, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from rnn2vec.cli.console import console, print_rows

    monkeypatch.setattr(console, "width", width, raising=False)
    rows = [{"encoder": "interactive", "language OOD": "0.0135 (0.0130 to 0.0154)", "accuracy R2": "0.94"}]
    with console.capture() as printed:
        print_rows("Languages", rows)
    said = printed.get()
    assert "…" not in said
    assert "0.0154)" in said
    assert ("language OOD: 0.0135" in said) == (width == 30)


def test_no_colours_where_nobody_wants_them(zoo: Path) -> None:
    command = [sys.executable, "-m", "rnn2vec", "zoo", "info", str(zoo / "nowhere")]
    environment = os.environ | {"NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    said = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert "\x1b[31m" not in said.stderr
    assert "error:" in said.stderr
