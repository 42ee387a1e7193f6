"""Embed and search: vectors with names, the nearest of them, and how far behaviour really is."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import Command
from rnn2vec import Collection, Population, RNN2VecError, Vectors, Zoo, embed, import_zoo, nearest, search
from rnn2vec.cli.console import console
from rnn2vec.fields import MOST_FOR_NEAR
from rnn2vec.library.collection import row_named
from rnn2vec.networks.behaviour import answers_of, difference, unit_of
from rnn2vec.networks.stimuli import stimuli
from test_answers import SOUND, amplifiers
from test_checkpoints import foreign, guitarml, written


def collection(count: int = 12) -> Collection:
    return Collection(np.array([f"amp {n}" for n in range(count)]), amplifiers(count), stimuli(SOUND.inputs, steps=64))


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    folder = tmp_path / "captures"
    folder.mkdir()
    for number in range(5):
        written(folder / f"amp{number}.json", guitarml(inputs=1, size=3 + number))
    return folder


@pytest.mark.parametrize("rows", [3, 1000])
def test_the_nearest_are_those_of_the_largest_cosine(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the vectors are cut into."""
    monkeypatch.setattr(importlib.import_module("rnn2vec.library.search"), "ROWS", rows)
    random = np.random.default_rng(0)
    vectors = random.normal(size=(50, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[[7, 31, 32]] = vectors[3]
    found, cosines = nearest(vectors, vectors[[3, 20]], 5)
    expected = np.argsort(-(vectors[[3, 20]] @ vectors.T), axis=1, kind="stable")[:, :5]
    assert found[0, :4].tolist() == [3, 7, 31, 32]
    np.testing.assert_array_equal(found[:, 0], [3, 20])
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_allclose(cosines, np.take_along_axis(vectors[[3, 20]] @ vectors.T, found, 1), atol=1e-6)
    assert nearest(vectors, vectors[:1], 99)[0].shape == (1, 50)


def test_vectors_may_be_memory_mapped(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.save(tmp_path / "z.npy", random.normal(size=(1000, 8)).astype(np.float32))
    mapped = np.load(tmp_path / "z.npy", mmap_mode="r")
    rows, _ = nearest(mapped, np.asarray(mapped[:3]), 4)
    np.testing.assert_array_equal(rows, nearest(np.asarray(mapped), np.asarray(mapped[:3]), 4)[0])
    with pytest.raises(RNN2VecError, match="top is at least 1; got 0"):
        nearest(mapped, mapped[:1], 0)
    with pytest.raises(RNN2VecError, match=r"\[N, Z\] are compared with queries"):
        nearest(mapped, mapped[:1, :3], 1)


def test_what_is_near_does_not_depend_on_how_loud_others_are() -> None:
    """A third of the networks, so that they set the unit."""
    found = []
    for times in (1.0, 1000.0):
        networks = amplifiers(15)
        weights = {name: weight.clone() for name, weight in networks.weights.items()}
        weights["linear.weight"][:5] *= times
        mixed = Population(networks.architecture, weights, networks.interface)
        names = np.array([f"amp {row}" for row in range(15)])
        found.append(search(Collection(names, mixed, stimuli(SOUND.inputs, steps=64)), "amp 14", top=4))
    before, after = ([match.row for match in own] for own in found)
    assert (before[0], set(before)) == (after[0], set(after))
    assert all(match.difference > 0.05 for own in found for match in own)


def test_a_network_finds_itself_and_its_difference_is_none() -> None:
    all_of_them = collection()
    (first, *_, last) = search(all_of_them, all_of_them.networks[[5]], top=12)
    assert (first.rank, first.row, first.name) == (1, 5, "amp 5")
    assert first.similarity == pytest.approx(1, abs=1e-5)
    assert first.difference == pytest.approx(0, abs=1e-5)
    assert last.rank == 12
    assert last.difference > 0.1
    by_name = search(all_of_them, "amp 5", top=12)
    assert [match.row for match in by_name] == [match.row for match in search(all_of_them, all_of_them.networks[[5]],
                                                                             top=12)[1:]]  # fmt: skip
    answers = answers_of(all_of_them.networks, all_of_them.questions)
    apart = difference(SOUND, answers, answers[5], unit_of(SOUND, answers))
    assert by_name[0].difference == pytest.approx(float(apart[by_name[0].row]), rel=1e-4)


def test_a_renumbered_network_and_one_of_another_size_are_found() -> None:
    all_of_them = collection()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))[None]
    (found,) = search(all_of_them, all_of_them.networks[[7]].permute_hidden([order]), top=1)
    assert (found.row, found.difference) == (7, pytest.approx(0, abs=1e-5))
    assert len(search(all_of_them, amplifiers(1, 9, seed=3), top=3)) == 3


def test_what_is_no_query_is_refused() -> None:
    all_of_them = collection(3)
    with pytest.raises(RNN2VecError, match=r"'apm 1' is that of 0 of 3; near it are amp 1"):
        row_named(np.array(["amp 0", "amp 1", "amp 2"]), "apm 1")
    many = np.array([f"network {number}" for number in range(MOST_FOR_NEAR + 1)])
    with pytest.raises(RNN2VecError, match=r"names are such as network 0, network 1, network 2"):
        row_named(many, "netwrok 7")
    with pytest.raises(RNN2VecError, match=r"'amp' is that of 0 of 3; near it are amp 0, amp 1, amp 2"):
        search(all_of_them, "amp")
    with pytest.raises(RNN2VecError, match="a query is one network; got 2"):
        search(all_of_them, amplifiers(2))
    with pytest.raises(RNN2VecError, match="every network has a name"):
        Collection(np.array(["a"]), amplifiers(2), stimuli(SOUND.inputs))
    assert search(collection(1), "amp 0") == []


def test_lists_and_tensors_are_as_good_as_arrays() -> None:
    networks, questions = amplifiers(3), stimuli(SOUND.inputs, steps=16)
    given = Collection(np.array(["a", "b", "c"]), networks, questions, {"x": np.arange(3)})
    for names, asked, labels in (
        (["a", "b", "c"], torch.from_numpy(questions).double().requires_grad_(), {"x": range(3)}),
        (("a", "b", "c"), questions.tolist(), {"x": [0, 1, 2]}),
    ):
        assert search(Collection(names, networks, asked, labels), "b") == search(given, "b")  # type: ignore[arg-type]
    whole = np.arange(6).reshape(2, 3, 1)  # whole numbers are numbers
    assert search(Collection(["a", "b", "c"], networks, whole), "a")[0].rank == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "questions", "problem"),
    [
        ("abc", np.zeros((2, 5, 1)), r"names of the shape \[\]"),
        ([["a"], ["b"], ["c"]], np.zeros((2, 5, 1)), r"names of the shape \[3, 1\]"),
        ([1, 2, 3], np.zeros((2, 5, 1)), "names are text; got 1"),
        ([None, "a", "b"], np.zeros((2, 5, 1)), "names are text; got None"),
        (["a", "b", "c"], np.zeros((5, 1)), r"an array \[R, T, 1\]; got ndarray of the shape \[5, 1\]"),
        (["a", "b", "c"], torch.zeros(2, 5, 3), r"an array \[R, T, 1\]; got Tensor of the shape \[2, 5, 3\]"),
        (["a", "b", "c"], np.zeros((0, 5, 1)), r"got ndarray of the shape \[0, 5, 1\]"),
        (["a", "b", "c"], [[[0.0]], [[0.0], [0.0]]], "one array of sequences of one length"),
        (["a", "b", "c"], np.full((2, 5, 1), np.nan), "numbers are finite floats"),
        (["a", "b", "c"], "abc", "got str"),
    ],
)
def test_collections_of_anything_else_are_refused(names: Any, questions: Any, problem: str) -> None:
    with pytest.raises(RNN2VecError, match=problem):
        Collection(names, amplifiers(3), questions)
    with pytest.raises(RNN2VecError, match="networks are a Population"):
        Collection(["a"], torch.nn.GRU(1, 3), np.zeros((2, 5, 1)))  # type: ignore[arg-type]


def test_what_is_known_of_a_network_is_shown_beside_it(
    captures: Path, tmp_path: Path, rnn2vec_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"amp{n},{'clean' if n % 2 else 'dirty'},{n / 8},{n}" for n in range(5)]
    (tmp_path / "labels.csv").write_text("\n".join(["name,channel,gain,similarity:class", *rows]))
    zoo = import_zoo([str(captures)], tmp_path / "zoo", labels=tmp_path / "labels.csv")
    (first, *_) = search(Collection.of_zoo(zoo), "amp3")
    assert first.labels == {name: zoo.column(name)[first.row] for name in zoo.index.labels}
    monkeypatch.setattr(console, "width", 100)
    shown = rnn2vec_command("search", tmp_path / "zoo", "amp3", "--top", "4")[1]
    assert "channel" in shown
    (row,) = [line.split() for line in shown.splitlines() if "amp1" in line]
    assert row[4:] == ["clean", "0.125", "1"]
    (head,) = [line for line in shown.splitlines() if "rank" in line]
    assert head.split()[:5] == ["rank", "name", "similarity", "difference", "channel"]  # own columns stay
    monkeypatch.setattr(console, "width", 44)
    narrow = rnn2vec_command("search", tmp_path / "zoo", "amp3", "--top", "4")[1]
    (head,) = [line.split() for line in narrow.splitlines() if "rank" in line]
    assert head == ["rank", "name", "similarity", "difference"]
    assert "no room for channel, gain, similarity (label)" in " ".join(narrow.split())
    with pytest.raises(RNN2VecError, match=r"a label has a value for each of 2 networks; got the shape \[1\] of x"):
        Collection(np.array(["a", "b"]), amplifiers(2), stimuli(SOUND.inputs), {"x": np.zeros(1)})


def test_vectors_are_written_and_read_back(tmp_path: Path) -> None:
    vectors = embed(collection())
    vectors.write(tmp_path / "z.parquet")
    again = Vectors.read(tmp_path / "z.parquet")
    np.testing.assert_array_equal(again.z, vectors.z)
    assert again.names.tolist() == vectors.names.tolist()
    (tmp_path / "broken.parquet").write_bytes((tmp_path / "z.parquet").read_bytes()[:100])
    with pytest.raises(RNN2VecError, match="holds no vectors"):
        Vectors.read(tmp_path / "broken.parquet")
    with pytest.raises(RNN2VecError, match="No such file"):
        Vectors.read(tmp_path / "missing.parquet")


def test_files_are_embedded_and_searched(captures: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    zoo = import_zoo([str(captures)], tmp_path / "zoo")
    names = zoo.column("name").tolist()
    status, output, _ = rnn2vec_command("embed", captures, "--out", tmp_path / "z.parquet", "--json")
    assert status == 0
    assert json.loads(output) == {"vectors": str(tmp_path / "z.parquet"), "networks": 5, "size": 16}
    assert Vectors.read(tmp_path / "z.parquet").names.tolist() == names
    encoder = tmp_path / "encoder"
    arguments = ("embed", tmp_path / "zoo", "--out", tmp_path / "z2.parquet", "--save-encoder", encoder)
    assert rnn2vec_command(*arguments)[0] == 0
    np.testing.assert_allclose(
        Vectors.read(tmp_path / "z2.parquet").z, Vectors.read(tmp_path / "z.parquet").z, atol=1e-5
    )
    query = captures / "amp3.json"
    status, output, _ = rnn2vec_command("search", tmp_path / "zoo", query, "--encoder", encoder, "--json", "--top", 2)
    results = json.loads(output)["results"]
    assert [result["rank"] for result in results] == [1, 2]
    assert results[0]["name"] == "amp3"
    assert results[0]["difference"] < 1e-6 < results[1]["difference"]
    arguments = ("search", tmp_path / "zoo", query, "--encoder", encoder, "--json", "--top", 2)
    again = json.loads(rnn2vec_command(*arguments, "--vectors", tmp_path / "z2.parquet")[1])["results"]
    assert [result["row"] for result in again] == [result["row"] for result in results]
    (tmp_path / "few").mkdir()
    written(tmp_path / "few" / "x.json", guitarml(inputs=1))
    assert rnn2vec_command("embed", tmp_path / "few", "--out", tmp_path / "few.parquet", "--encoder", encoder)[0] == 0
    status, _, errors = rnn2vec_command(*arguments, "--vectors", tmp_path / "few.parquet")
    assert status == 1
    assert "got 1 vectors for 5 networks" in errors.replace("\n", " ")
    status, _, errors = rnn2vec_command("search", tmp_path / "zoo", query, "--vectors", tmp_path / "z2.parquet")
    assert status == 1
    assert "add --encoder DIR" in errors.replace("\n", " ")
    status, output, _ = rnn2vec_command("search", tmp_path / "zoo", "amp3")
    assert status == 0
    assert output.count("amp") == 5  # the title and four others
    status, _, errors = rnn2vec_command("embed", captures, "--out", tmp_path / "z.parquet")
    assert status == 1
    assert "already exists" in errors
    (captures / "more.json").write_text("{")
    status, _, errors = rnn2vec_command("search", captures, "amp3")
    assert status == 1
    assert "more.json: it is not valid JSON" in errors.replace("\n", " ")


def test_a_zoo_tells_what_it_is_as_json(tiny_zoo: Zoo, rnn2vec_command: Command) -> None:
    status, output, _ = rnn2vec_command("zoo", "info", tiny_zoo.directory, "--json")
    said = json.loads(output)
    assert (status, said["networks"], said["family"]) == (0, len(tiny_zoo), "formal-languages")
    status, output, _ = rnn2vec_command("zoo", "verify", tiny_zoo.directory, "--json")
    assert json.loads(output) == {"zoo": str(tiny_zoo.directory), "sound": True, "problems": []}


def test_vectors_of_another_encoder_are_refused(tmp_path: Path) -> None:
    """Names and sizes do not tell them apart."""
    all_of_them = collection()
    encoder, other = all_of_them.fitted_encoder(), all_of_them.fitted_encoder()
    other.questions.mul_(0.2)
    z = embed(all_of_them, encoder).z
    found = search(all_of_them, "amp 5", encoder, 3, z)
    assert [match.row for match in found] == [match.row for match in search(all_of_them, "amp 5", encoder, 3)]
    for wrong in (embed(all_of_them, other).z, z[:, :8], z[::-1]):
        with pytest.raises(RNN2VecError, match="vectors are those that this encoder makes of these networks; got"):
            search(all_of_them, "amp 5", encoder, z=wrong)


def test_names_are_printed_as_they_are(tmp_path: Path, rnn2vec_command: Command) -> None:
    """They come from files, and are no markup of a console."""
    folder = tmp_path / "odd"
    folder.mkdir()
    for place, name in enumerate(["[red]rich", "x:smile:y", "amp 2 (1)", "plain"]):
        written(folder / f"{name}.json", guitarml(inputs=1, size=3 + place))
    status, output, _ = rnn2vec_command("search", folder, "plain")
    assert status == 0
    assert "[red]rich" in output
    assert "x:smile:y" in output
    assert "amp 2 (1)" in output  # no interval to be broken off


def test_files_that_read_different_inputs_are_refused_by_name(captures: Path, rnn2vec_command: Command) -> None:
    written(captures / "knob.json", guitarml(inputs=2, size=3))
    status, _, errors = rnn2vec_command("search", captures, "amp3")
    assert status == 1
    assert "knob.json has 2 numbers" in errors.replace("\n", " ")
    assert "--knob" in errors
    status, _, errors = rnn2vec_command("search", captures / "amp3.json", captures / "knob.json")
    assert status == 1
    assert "--knob" in errors
    assert rnn2vec_command("search", captures, "amp3", "--knob", "0.5")[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_are_refused(captures: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    written(captures / "\udcff.json", guitarml(inputs=1))
    status, _, errors = rnn2vec_command("embed", captures, "--out", tmp_path / "z.parquet")
    assert status == 1
    assert "names of files are UTF-8; got" in errors.replace("\n", " ")
    assert "Traceback" not in errors


def test_a_language_zoo_is_searched(tiny_zoo: Zoo, rnn2vec_command: Command) -> None:
    name = tiny_zoo.column("name")[0]
    status, output, _ = rnn2vec_command("search", tiny_zoo.directory, name, "--json", "--top", 3)
    assert status == 0
    results = json.loads(output)["results"]
    assert all(0 <= result["difference"] <= 1 for result in results)
    assert name not in [result["name"] for result in results]


def test_the_same_pedal_at_another_position_is_the_nearest(tmp_path: Path) -> None:
    """The 39 amplifiers, knobs at three positions: what strangers trained."""
    zoo = import_zoo([str(foreign("amps"))], tmp_path / "zoo", knob=[0, 0.5, 1])
    vectors = embed(Collection.of_zoo(zoo))
    devices = np.array([name.split("@")[0] for name in vectors.names])
    order, _ = nearest(vectors.z, vectors.z, len(vectors.z))
    ranks = []
    for row, device in enumerate(devices):
        same = devices[order[row][order[row] != row]] == device
        if same.any():
            ranks.append(1 / (1 + int(same.argmax())))
    assert len(ranks) == 54
    assert np.mean(ranks) >= 0.9


def test_rows_of_a_zoo_are_chosen(tiny_zoo: Zoo, tmp_path: Path, rnn2vec_command: Command) -> None:
    last = ["--where", "step=12", "--where", "step=5", "--where", "model=1", "--where", "model=2"]
    status, output, _ = rnn2vec_command("search", tiny_zoo.directory, "model-1-step-12", *last, "--json")
    assert status == 0
    found = {match["name"] for match in json.loads(output)["results"]}
    assert found == {"model-1-step-5", "model-2-step-5", "model-2-step-12"}
    status, output, _ = rnn2vec_command("embed", tiny_zoo.directory, "--out", tmp_path / "z.parquet", *last, "--json")
    assert json.loads(output)["networks"] == 4
    status, output, _ = rnn2vec_command("duplicates", tiny_zoo.directory, *last)
    assert (status, output.splitlines()[-1]) == (0, "no duplicates among 4 networks")
    status, output, _ = rnn2vec_command("atlas", tiny_zoo.directory, "--out", tmp_path / "a.html", *last, "--json")
    assert json.loads(output)["networks"] == 4
    for wrong, message in (
        ("step", "COLUMN=VALUE"),
        ("step=7", "none is left by step=7"),
        ("self=1", "columns of this zoo"),
    ):
        status, _, errors = rnn2vec_command("search", tiny_zoo.directory, "model-1-step-12", "--where", wrong)
        assert status == 1
        assert message in errors
    status, _, errors = rnn2vec_command("search", tmp_path, "a", "--where", "step=5")
    assert status == 1
    assert "--where chooses rows of a zoo" in errors
