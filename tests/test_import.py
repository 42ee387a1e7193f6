"""Zoos of files that others trained: which files, which inputs, which labels, and what is refused without a trace."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import wave
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from torch import nn

from conftest import Command
from rnn2vec import Classes, Interface, Numbers, RNN2VecError, Tokens, Zoo, import_zoo, read_checkpoint, split_zoo
from rnn2vec.checkpoints.folders import Outcome
from rnn2vec.evaluation.properties import measure
from rnn2vec.networks.stimuli import SEQUENCES, STEPS, stimuli
from rnn2vec.zoo import import_files
from rnn2vec.zoo.sequences import read_sequences
from test_checkpoints import foreign, guitarml, written

MUTATIONS = int(os.environ.get("RNN2VEC_FUZZ", "150"))
"""Of a file of inputs of each format."""


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """A folder with folders in it: an LSTM, a GRU, one with a knob, a state dict, and what is no network."""
    folder = tmp_path / "captures"
    (folder / "more").mkdir(parents=True)
    written(folder / "clean.json", guitarml(inputs=1))
    written(folder / "more" / "lead.json", guitarml("GRU", inputs=1))
    written(folder / "knob.json", guitarml(inputs=2))
    torch.save({"model": _state(3)}, folder / "more" / "own.pt")
    (folder / "README.md").write_text("no network")
    (folder / ".hidden.json").write_text("{")
    return folder


def _state(size: int, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    rnn, head = torch.nn.LSTM(1, size), torch.nn.Linear(size, 1)
    return {f"rnn.{name}": value for name, value in rnn.state_dict().items()} | {
        f"top.{name}": value for name, value in head.state_dict().items()
    }


def _amplifiers(folder: Path, count: int) -> Path:
    """Small networks of two sizes in a folder."""
    folder.mkdir()
    for number in range(count):
        torch.save(_state(2 + number % 2, number), folder / f"amp{number}.pt")
    return folder


def test_a_folder_becomes_a_zoo_of_mixed_formats_and_cells(captures: Path, tmp_path: Path) -> None:
    files: list[Outcome] = []
    zoo = import_zoo([captures], tmp_path / "zoo", knob=[0, 1], on_files=files.extend)
    assert zoo.verify() == []
    assert sorted(zoo.column("name")) == ["clean", "knob@0", "knob@1", "lead", "own"]
    assert sorted({*zoo.column("source")}) == [
        "captures/clean.json", "captures/knob.json", "captures/more/lead.json", "captures/more/own.pt",
    ]  # fmt: skip
    assert [file.source for file in files if file.refused] == []
    assert len(zoo.architectures) == 3
    by_name = {name: row for row, name in enumerate(zoo.column("name"))}
    assert "folded" in zoo.column("notes")[by_name["knob@0"]]
    traces = zoo.traces()
    for name, path in (("own", "more/own.pt"), ("lead", "more/lead.json")):
        row = by_name[name]
        read = torch.from_numpy(traces.inputs[row])[None]
        np.testing.assert_array_equal(traces.inputs[row], traces.inputs[0])
        said = read_checkpoint(captures / path).networks.run(read)[0][0]
        np.testing.assert_allclose(traces.outputs[row], said.detach().numpy(), atol=1e-6)


def test_globs_and_files_and_the_same_file_twice(captures: Path, tmp_path: Path) -> None:
    paths = [f"{captures}/**/*.json", captures / "clean.json", captures / "more" / ".." / "clean.json"]
    zoo = import_zoo(paths, tmp_path / "zoo", knob=[0.5])
    assert sorted(zoo.column("name")) == ["clean", "knob@0.5", "lead"]


def test_one_that_is_refused_leaves_nothing(captures: Path, tmp_path: Path) -> None:
    (captures / "broken.json").write_text('{"model_data": ')
    with pytest.raises(RNN2VecError, match=r"2 of 5 files were refused, and nothing was written: captures/broken.json"):
        import_zoo([captures], tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()
    zoo = import_zoo([captures], tmp_path / "zoo", skip_refused=True)
    assert sorted(zoo.column("name")) == ["clean", "lead", "own"]
    refused = zoo.index.provenance["refused"]
    assert "not valid JSON" in refused["captures/broken.json"]
    assert "one interface" in refused["captures/knob.json"]


def test_the_command(captures: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    status, printed, errors = rnn2vec_command("zoo", "import", captures, "--out", tmp_path / "zoo")
    assert (status, (tmp_path / "zoo").exists()) == (1, False)
    assert "refused  captures/knob.json: the networks of a zoo have one interface" in printed
    assert "what is declared stands in a .toml, for --declare" in printed
    assert errors.startswith("error: 1 of 4 files were refused")
    shutil.copy(captures / "knob.json", captures / "same.json")
    _, printed, _ = rnn2vec_command("zoo", "import", captures, "--out", tmp_path / "zoo")
    assert "refused  captures/same.json: as captures/knob.json\n" in printed
    (captures / "same.json").unlink()
    arguments = ("zoo", "import", captures, "--knob", "0,0.5,1", "--out", tmp_path / "zoo")
    status, printed, _ = rnn2vec_command(*arguments)
    assert status == 0
    assert "4 files: 4 read, 0 refused" in printed
    status, printed, _ = rnn2vec_command(*arguments[:-1], tmp_path / "other", "--json")
    assert status == 0
    said = json.loads(printed)
    assert (said["networks"], len(said["files"])) == (6, 4)
    assert (tmp_path / "zoo" / "zoo.json").read_bytes() == (tmp_path / "other" / "zoo.json").read_bytes()


def test_it_goes_on_where_it_was_interrupted(captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("rnn2vec.zoo.write.finish_zoo", stopped)
        with pytest.raises(KeyboardInterrupt):
            import_zoo([captures], tmp_path / "zoo", knob=[0])
    with pytest.raises(RNN2VecError, match="begun with another"):
        import_zoo([captures], tmp_path / "zoo", knob=[1])
    assert import_zoo([captures], tmp_path / "zoo", knob=[0]).verify() == []


def test_a_declaration_for_some_of_many(captures: Path, tmp_path: Path, rnn2vec_command: Command) -> None:
    declaration = tmp_path / "declared.toml"
    declaration.write_text('knob = [0.5]\n[files."*/own.pt"]\nname = "mine"\n[files."lead.json"]\nname = "yours"\n')
    zoo = import_zoo([captures], tmp_path / "zoo", declare=declaration)
    assert sorted(zoo.column("name")) == ["clean", "knob@0.5", "mine", "yours"]
    declaration.write_text("[files]\na = 1\n")
    with pytest.raises(RNN2VecError, match="declarations by names of files"):
        import_zoo([captures], tmp_path / "other", declare=declaration)
    declaration.write_text('knob = [0]\n[files."own.pth"]\nskip = true\n')
    with pytest.raises(RNN2VecError, match=r"'own\.pth' is of none of 4, nor of a file in the folder of"):
        import_zoo([captures], tmp_path / "other", declare=declaration)
    declaration.write_text('knob = [0.5]\n[files."query.pt"]\nname = "asked"\n')
    (tmp_path / "query.pt").write_bytes(next(captures.rglob("own.pt")).read_bytes())
    status, output, errors = rnn2vec_command("search", captures, tmp_path / "query.pt", "--declare", declaration)
    assert (status, "own" in output) == (0, True), errors
    status, _, errors = rnn2vec_command("search", captures, "clean", "--declare", declaration)
    assert status == 0, errors  # the file is in the folder of its declaration, for another command
    (tmp_path / "sub").mkdir()
    (tmp_path / "query.pt").rename(tmp_path / "sub" / "query.weights")
    declaration.write_text('[files."query.weights"]\nname = "a"\n[files."sub/query.weights"]\nname = "b"\n')
    status, _, errors = rnn2vec_command("search", captures / "more", "lead", "--declare", declaration)
    assert status == 0, errors  # whatever a command reads, in folders of the folder, too
    declaration.write_text('knob = [0.5]\n[files."query.pt"]\nname = "asked"\n')
    status, _, errors = rnn2vec_command("search", captures, "clean", "--declare", declaration)
    assert (status, "'query.pt' is of none of 4" in errors) == (1, True)
    declaration.write_text('knob = [0]\n[files."*.npz"]\ncolumns = true\n')
    assert len(import_zoo([captures], tmp_path / "other", declare=declaration)) == 4


def test_names_with_brackets_are_no_patterns_of_others(
    captures: Path, tmp_path: Path, rnn2vec_command: Command
) -> None:
    (captures / "clean.json").rename(captures / "amp[1].json")
    (captures / "more" / "lead.json").rename(captures / "amp1.json")
    (tmp_path / "labels.csv").write_text("name,gain\n*,0\namp1,1\namp[1],2\n")
    (tmp_path / "declared.toml").write_text('knob = [0]\n[files."amp[1].json"]\nname = "one"\n')
    zoo = import_zoo([captures], tmp_path / "zoo", labels=tmp_path / "labels.csv", knob=[0])
    gains = dict(zip(zoo.column("name"), zoo.column("gain"), strict=True))
    assert (gains["amp1"], gains["amp[1]"], gains["own"]) == (1, 2, 0)
    zoo = import_zoo([captures], tmp_path / "declared", declare=tmp_path / "declared.toml")
    assert sorted(zoo.column("name")) == ["amp1", "knob@0", "one", "own"]
    (captures / "amp[1].json").rename(tmp_path / "amp[1].json")
    for query in (tmp_path / "amp[1].json", "amp1"):  # the query's own, and another command's
        arguments = ("search", captures, query, "--json", "--declare", tmp_path / "declared.toml")
        status, output, errors = rnn2vec_command(*arguments)
        assert status == 0, errors
        assert {"own", "knob@0"} <= {row["name"] for row in json.loads(output)["results"]} <= {"own", "knob@0", "amp1"}


def test_two_networks_of_one_name(captures: Path, tmp_path: Path) -> None:
    written(captures / "more" / "clean.json", guitarml("GRU", inputs=1))
    with pytest.raises(RNN2VecError, match=r"share a name; clean is also in captures/clean.json"):
        import_zoo([captures], tmp_path / "zoo", knob=[0])


def test_modules_and_double_precision_are_no_rows_of_a_zoo(captures: Path, tmp_path: Path) -> None:
    with pytest.raises(RNN2VecError, match="weights of a zoo are float32"):
        import_zoo([captures / "clean.json"], tmp_path / "zoo", dtype="float64")


# Inputs


def test_made_inputs_fill_the_range_and_hold_what_may_be_a_knob() -> None:
    made = stimuli(Numbers(2, 0.0, 3.0))
    assert made.shape == (SEQUENCES, STEPS["numbers"], 2)
    assert made.dtype == np.float32
    assert made.min() >= 0
    assert made.max() <= 3
    assert made.max() - made.min() > 2.9
    constant = np.ptp(made[:, :, 1], axis=1) == 0
    assert constant.sum() == SEQUENCES // 2
    assert (np.ptp(made[:, :, 0], axis=1) > 0).all()
    assert len(np.unique(made[constant, 0, 1])) == SEQUENCES // 2
    loudness = np.abs(made[:, :, 0] - 1.5).max(1)
    assert loudness.max() / loudness.min() > 20
    np.testing.assert_array_equal(made, stimuli(Numbers(2, 0.0, 3.0)))
    assert not np.array_equal(made, stimuli(Numbers(2, 0.0, 3.0), seed=1))
    tokens = stimuli(Tokens(5))
    assert tokens.shape == (SEQUENCES, STEPS["tokens"])
    assert {*tokens.reshape(-1).tolist()} == {*range(5)}


def test_networks_that_may_predict_their_input_write_most_of_their_strings(tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = tmp_path / "given"
    folder.mkdir()
    for number in range(2):
        rnn, head = torch.nn.GRU(3, 4), torch.nn.Linear(4, 3)
        head.bias.data[number] = 50.0  # it always says its own number
        torch.save({**rnn.state_dict(), **{f"h.{k}": v for k, v in head.state_dict().items()}}, folder / f"{number}.pt")
    zoo = import_zoo([folder], tmp_path / "zoo", interface=Interface(Tokens(3), Classes(3)))
    read = zoo.traces().inputs
    drawn = SEQUENCES // 4
    np.testing.assert_array_equal(read[0, :drawn], read[1, :drawn])
    assert {*read[:, :, 0].reshape(-1).tolist()} == {2}  # what none of them ever writes
    assert zoo.index.provenance["inputs"].endswith("strings begin with token 2, which most networks never write")
    for number in range(2):
        assert (read[number, drawn:, 1:] == number).all()
        assert {*read[number, :drawn].reshape(-1).tolist()} == {0, 1, 2}
    said = import_zoo([folder], tmp_path / "said", start_token=1, interface=Interface(Tokens(3), Classes(3)))
    assert said.index.provenance["inputs"] == "made, seed 0; strings begin with token 1"
    assert {*said.traces().inputs[:, :, 0].reshape(-1).tolist()} == {1}


def test_of_many_tokens_that_strings_may_begin_with_it_is_said_how_many_do(tmp_path: Path) -> None:
    torch.manual_seed(0)
    for never, note in (
        (0, "16 of 40 tokens"),
        (3, "token 0 or 1 or 2, which most"),
        (30, "16 of 30 tokens, which most"),
    ):
        rnn, head = torch.nn.GRU(40, 4), torch.nn.Linear(4, 40)
        head.bias.data[:never] = -40.0
        torch.save(
            {**rnn.state_dict(), **{f"h.{k}": v for k, v in head.state_dict().items()}}, tmp_path / f"{never}.pt"
        )
        zoo = import_zoo(
            [tmp_path / f"{never}.pt"], tmp_path / f"zoo{never}", interface=Interface(Tokens(40), Classes(40))
        )
        assert f"strings begin with {note}" in zoo.index.provenance["inputs"]
        first = {*zoo.traces().inputs[0, :, 0].tolist()}
        assert len(first) == min(SEQUENCES, never or 40)
        assert first <= {*range(never or 40)}


@pytest.mark.parametrize(
    ("token", "options", "message"),
    [
        (3, {}, "the start token is at most 2; got 3"),
        (0, {"inputs": "strings.npy"}, "a start token is that of strings that are made; got inputs, too"),
    ],
)
def test_what_is_no_start_token_is_refused(tmp_path: Path, token: int, options: dict[str, str], message: str) -> None:
    torch.save({**torch.nn.GRU(3, 4).state_dict(), **torch.nn.Linear(4, 3).state_dict()}, tmp_path / "a.pt")
    np.save(tmp_path / "strings.npy", np.zeros((2, 5), dtype=int))
    inputs = {name: tmp_path / value for name, value in options.items()}
    with pytest.raises(RNN2VecError, match=re.escape(message)):
        import_zoo(
            [tmp_path / "a.pt"], tmp_path / "zoo", start_token=token, interface=Interface(Tokens(3), Classes(3)),
            **inputs,
        )  # fmt: skip
    assert not (tmp_path / "zoo").exists()


def test_numbers_have_no_start_token(tmp_path: Path) -> None:
    torch.save({**torch.nn.GRU(1, 4).state_dict(), **torch.nn.Linear(4, 1).state_dict()}, tmp_path / "a.pt")
    with pytest.raises(RNN2VecError, match="a start token is that of networks that predict their next token"):
        import_zoo([tmp_path / "a.pt"], tmp_path / "zoo", start_token=0)


def _wave(path: Path, values: np.ndarray, width: int) -> Path:
    raw = np.round(values * (2 ** (8 * width - 1) - 1)).astype("<i4")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, width, 44100, len(values), "NONE", ""))
        file.writeframes(b"".join(struct.pack("<i", value)[:width] for value in raw.tolist()))
    return path


def _cut_wave() -> bytes:
    """The first tenth of a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 44100, 0, "NONE", ""))
        writer.writeframes(bytes(2000))
    return file.getvalue()[:200]


def test_given_inputs_of_every_format(captures: Path, tmp_path: Path) -> None:
    signal = np.sin(np.arange(300) / 7) * 0.9
    np.save(tmp_path / "a.npy", signal)
    np.savez(tmp_path / "a.npz", inputs=signal[None, :, None], other=np.zeros(3))
    (tmp_path / "a.csv").write_text("volts\n" + "\n".join(map(str, signal.tolist())))
    paths = [tmp_path / "a.npy", tmp_path / "a.npz", tmp_path / "a.csv"]
    paths += [_wave(tmp_path / f"{width}.wav", signal, width) for width in (2, 3, 4)]
    for number, path in enumerate(paths):
        zoo = import_zoo([captures / "clean.json"], tmp_path / f"zoo{number}", inputs=path)
        read = zoo.traces().inputs
        assert read.shape == (1, 1, 300, 1)
        np.testing.assert_allclose(read[0, 0, :, 0], signal, atol=1e-4)


def test_channels_of_a_wav_are_no_sequences(captures: Path, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setparams((2, 2, 44100, 0, "NONE", ""))
        file.writeframes(np.arange(600, dtype="<i2").tobytes())
    with pytest.raises(RNN2VecError, match=r"got an array of shape \[1, 300, 2\]$"):
        import_zoo([captures / "clean.json"], tmp_path / "zoo", inputs=tmp_path / "stereo.wav")
    read = import_zoo([captures / "knob.json"], tmp_path / "zoo", inputs=tmp_path / "stereo.wav").traces().inputs
    assert read.shape == (1, 1, 300, 2)
    np.testing.assert_allclose(read[0, 0], np.arange(600).reshape(300, 2) / 2**15)


def test_mutated_inputs_are_read_or_refused(captures: Path, tmp_path: Path) -> None:
    """In the first bytes, where files say how large they are."""
    np.save(tmp_path / "a.npy", np.zeros((3, 40, 1), np.float32))
    np.savez(tmp_path / "a.npz", np.zeros((3, 40, 1), np.float32))
    _wave(tmp_path / "a.wav", np.zeros(100), 2)
    random = np.random.default_rng(0)
    for name in ("a.npy", "a.npz", "a.wav"):
        whole = (tmp_path / name).read_bytes()
        for _ in range(MUTATIONS):
            altered = bytearray(whole)
            for place in random.integers(0, min(len(whole), 130), 3):
                altered[place] = random.choice([0, 1, 255, int(random.integers(256))])
            (tmp_path / name).write_bytes(altered)
            with contextlib.suppress(RNN2VecError):
                read_sequences(tmp_path / name, Numbers(1, -1, 1))


def test_traces_of_as_many_networks_as_memory_holds_are_made_at_once(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_files, "MOST_NUMBERS", 2 * SEQUENCES * STEPS["numbers"] * 2)
    folder = _amplifiers(tmp_path / "many", 6)
    zoo = import_zoo([folder], tmp_path / "zoo")
    assert zoo.verify() == []
    assert np.unique(zoo.column("shard"), return_counts=True)[1].tolist() == [2, 1, 2, 1]
    assert zoo.traces().inputs.shape == (6, SEQUENCES, STEPS["numbers"], 1)


def test_long_inputs_are_cut_and_it_is_said(captures: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "long.npy", np.linspace(-1, 1, STEPS["numbers"] * 100 + 5))
    zoo = import_zoo([captures / "clean.json"], tmp_path / "zoo", inputs=tmp_path / "long.npy")
    assert zoo.traces().inputs.shape == (1, 64, STEPS["numbers"], 1)
    assert "64 sequences of 1024 steps, of 1 of 102405" in zoo.index.provenance["inputs"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.npy", b"", "truncated, or is of another format"),
        ("a.npy", pickle.dumps([1]), "truncated, or is of another format"),
        ("a.csv", b"1,2\n3\n", "rows of one length"),
        ("a.csv", b"x\nnan\n", "finite floats"),
        ("a.csv", b"1,2,3\n4,5,6\n", "got an array of shape"),
        ("a.csv", b"1\nx\n", "truncated, or is of another format"),
        ("a.wav", _cut_wave(), "truncated, or is of another format"),
        ("a.wav", b"RIFF\x00\x00", "truncated, or is of another format"),
        ("a.npz", b"PK\x03\x04", "truncated, or is of another format"),
        ("a.txt", b"1", "a file of .npy"),
        ("b.npy", None, "No such file"),
    ],
)
def test_inputs_that_are_none(captures: Path, tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RNN2VecError, match=problem):
        import_zoo([captures / "clean.json"], tmp_path / "zoo", inputs=tmp_path / name)
    assert not (tmp_path / "zoo").exists()


# Labels


def test_labels_by_name_and_glob(captures: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "name,maker,gain,phase:angle,code:class\n*,us,0,10,1\nknob,,0.5,,\nknob@1,them,1,350,2\nl*d,,,,3\n"
    )
    zoo = import_zoo([captures], tmp_path / "zoo", labels=labels, knob=[0, 1])
    assert zoo.verify() == []
    assert zoo.index.labels == {"maker": "class", "gain": "number", "phase": "angle", "code": "class"}
    rows = dict(
        zip(zoo.column("name"), zip(*(zoo.column(name) for name in zoo.index.labels), strict=True), strict=True)
    )
    assert rows["knob@0"] == ("us", 0.5, 10, "1")
    assert rows["knob@1"] == ("them", 1, 350, "2")
    assert rows["lead"] == ("us", 0, 10, "3")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has a column name and others"),
        ("name\nclean\n", "has a column name and others"),
        ("name,a,a\n*,1,2\n", "each of its own name"),
        ("name,a\nclean,1\n", r"lack a, such as .*: a first row named \*"),
        ("name,a\n*,1\ntypo,2\n", "'typo', is of none; names are such as "),
        ("name,a\n*,1\nclaen,2\n", "'claen', is of none; near it are clean"),
        ("name,a\n*,1,2\n", "row 2 has 3"),
        ("name,a:colour\n*,1\n", "the kind of a label is class, number, angle; got colour"),
        ("name,a:number\n*,x\n", "a is a finite number; got 'x'"),
        ("name,a:angle\n*,inf\n", "a is a finite angle; got 'inf'"),
        ("name,source\n*,x\n", "columns source of its own"),
        ("name,step\n*,late\n", "says training steps, which are numbers; got 'late': give it another name"),
        ("name,notes\n*,x\n", "columns notes of its own"),
        (
            "name,gain\n*,1\nclean,O.5\n",
            "gain is a number of 3 networks, and 'O.5' of clean: correct it, or write gain:class",
        ),
    ],
)
def test_labels_that_are_none(captures: Path, tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(RNN2VecError, match=problem):
        import_zoo([captures], tmp_path / "zoo", labels=tmp_path / "labels.csv", knob=[0])
    assert not (tmp_path / "zoo").exists()


def test_few_numbers_among_words_are_words(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name,maker,model:class\n*,us,1\nclean,3,x\n")
    zoo = import_zoo([captures], tmp_path / "zoo", labels=tmp_path / "labels.csv", knob=[0])
    assert zoo.index.labels == {"maker": "class", "model": "class"}


def test_a_zoo_has_one_range_of_inputs(captures: Path, tmp_path: Path) -> None:
    wide = {"inputs": {"kind": "numbers", "size": 1, "low": -2, "high": 2}, "outputs": {"kind": "numbers", "size": 1}}
    (tmp_path / "said.json").write_text(json.dumps({"files": {"own.pt": {"interface": wide}}}))
    with pytest.raises(RNN2VecError, match=r"own.pt: the networks of a zoo are asked the same, here 1 number in -1..1"):
        import_zoo([captures], tmp_path / "zoo", declare=tmp_path / "said.json", knob=[0])
    assert not (tmp_path / "zoo").exists()


def test_pretraining_and_evaluation_of_networks_of_no_family(tmp_path: Path, rnn2vec_command: Command) -> None:
    folder = _amplifiers(tmp_path / "amps", 24)
    rows = [f"amp{number},{'ab'[number % 2]},{number},{number // 2}\n" for number in range(24)]
    (tmp_path / "labels.csv").write_text("name,size,gain,pair\n" + "".join(rows))
    np.save(tmp_path / "inputs.npy", np.random.default_rng(0).uniform(-1, 1, (3, 40, 1)))
    zoo, out = tmp_path / "zoo", tmp_path / "z"
    options = ("--labels", tmp_path / "labels.csv", "--inputs", tmp_path / "inputs.npy", "--split-by", "pair")
    assert rnn2vec_command("zoo", "import", folder, "--out", zoo, *options)[0] == 0
    opened = Zoo.open(zoo)
    split = split_zoo(opened)
    assert (len(split.validation), len(split.ood)) == (4, 0)
    assert not {*opened.column("pair")[split.validation]} & {*opened.column("pair")[split.train]}
    trained = ("--encoder", "noninteractive", "--preset", "demo", "--steps", 2, "--out", out)
    assert rnn2vec_command("pretrain", zoo, *trained)[0] == 0
    assert rnn2vec_command("zoo", "info", zoo)[0] == 0
    status, printed, _ = rnn2vec_command(
        "evaluate", zoo, out, "--out", tmp_path / "found", "--workers", 1, "--supervised-steps", 1
    )
    assert status == 0
    assert "gain" in printed
    results = json.loads((tmp_path / "found" / "results.json").read_text())
    own = results["encoders"]["noninteractive"]
    assert {"size", "gain_r2", "pair_error"} <= own["frozen"]["validation"].keys()
    assert own["emulation_loss"].keys() == {"name", "validation"}
    assert results["zoo"]["tasks"] == 12


def test_amplifiers_of_strangers(tmp_path: Path) -> None:
    amps, others = foreign("amps"), [foreign("nam/lstm.nam"), foreign("rtneural/gru_torch.json")]
    zoo = import_zoo([amps, *others], tmp_path / "zoo", knob=[0, 0.5, 1])
    assert len(zoo) == 77
    assert zoo.verify() == []
    assert {own.cell for own in zoo.architectures} == {"lstm", "gru"}
    assert len({*zoo.column("source")}) == 41


# Bad files


class Executes:
    """What a pickle of this does when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.target),))


def _bad(folder: Path, trap: Path) -> dict[str, str]:
    """A corpus of files that are no networks, each with a part of what is said of it."""
    state = {name: value.numpy() for name, value in _state(3).items()}
    good = safetensors.numpy.save(state)
    buffer = io.BytesIO()
    torch.save(_state(3), buffer)
    saved = buffer.getvalue()
    header = json.dumps(
        {"rnn.weight_ih_l0": {"dtype": "F32", "shape": [2**40, 1], "data_offsets": [0, 2**42]}}
    ).encode()
    nan = {**state, "top.bias": np.array([np.nan], dtype=np.float32)}
    knob = guitarml(inputs=1)
    wrong = json.loads(json.dumps(knob))
    wrong["state_dict"]["lin.bias"] = [0.0, 1.0]
    files = {
        "empty.json": (b"", "it is empty"),
        "truncated.safetensors": (good[: len(good) // 2], "truncated or altered"),
        "truncated.pt": (saved[: len(saved) // 2], ""),
        "cut.json": (json.dumps(knob).encode()[:100], "truncated or altered"),
        "huge.safetensors": (struct.pack("<Q", len(header)) + header, "truncated or altered"),
        "nan.safetensors": (safetensors.numpy.save(nan), "finite numbers"),
        "wrong.json": (json.dumps(wrong).encode(), "shape"),
        "wavenet.nam": (json.dumps({"architecture": "WaveNet", "config": {}, "weights": []}).encode(), "WaveNet"),
        "executes.pkl": (pickle.dumps(Executes(trap)), "never unpickled"),
        "words.pt": (b"this is no network", "no format"),
        "deep.json": (b"[" * 100_000, ""),
        "deeper.json": (b'{"a":' * 100_000, ""),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    expected = {name: problem for name, (_, problem) in files.items()}
    torch.save({"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}}, folder / "optimizer.pt")
    torch.save({"weights": Executes(trap)}, folder / "executes.pt")
    np.savez(folder / "objects.npz", a=np.array([Executes(trap)], dtype=object))
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY" + bytes(64_000_000))
    (folder / "empty.pt").mkdir()
    return expected | {
        "optimizer.pt": "",
        "executes.pt": "",
        "objects.npz": "",
        "bomb.npz": "",
        "empty.pt": "holds none",
    }


def test_a_corpus_of_bad_files(tmp_path: Path) -> None:
    folder, trap = tmp_path / "bad", tmp_path / "trap"
    folder.mkdir()
    expected = _bad(folder, trap)
    files: list[Outcome] = []
    with pytest.raises(RNN2VecError, match=f"{len(expected)} of {len(expected)} files were refused"):
        import_zoo(sorted(folder.iterdir()), tmp_path / "zoo", skip_refused=True, on_files=files.extend)
    assert not trap.exists()
    assert not (tmp_path / "zoo").exists()
    assert {file.path.name for file in files} == expected.keys()
    for file in files:
        assert expected[file.path.name] in file.refused, file
        assert file.refused
        assert "\n" not in file.refused
    good = written(tmp_path / "good.json", guitarml(inputs=1))
    zoo = import_zoo([folder, good], tmp_path / "zoo", skip_refused=True)
    assert zoo.column("name").tolist() == ["good"]
    assert not trap.exists()


def test_folders_that_hold_nothing_or_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, problem in (
        (tmp_path / "empty", "this one holds none"),
        (tmp_path / "no*.json", "no file is of this one"),
        (tmp_path / "missing.json", "No such file"),
    ):
        with pytest.raises(RNN2VecError, match=problem):
            import_zoo([path], tmp_path / "zoo")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(captures: Path, tmp_path: Path) -> None:
    (captures / "clean.json").chmod(0)
    with pytest.raises(RNN2VecError, match="Permission denied"):
        import_zoo([captures / "clean.json"], tmp_path / "zoo")


def test_a_network_that_answers_infinities_is_refused_by_name_and_can_be_skipped(tmp_path: Path) -> None:
    folder = _amplifiers(tmp_path / "amps", 4)
    loud = _state(2, 1)
    loud["top.weight"].fill_(3e38)
    loud["top.bias"].fill_(3.4e38)
    torch.save(loud, folder / "amp2.pt")
    files: list[Outcome] = []
    with pytest.raises(RNN2VecError, match=r"1 of 4 files were refused.*amps/amp2.pt.*those of amp2 are not: leave"):
        import_zoo([folder], tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()
    zoo = import_zoo([folder], tmp_path / "zoo", skip_refused=True, on_files=files.extend)
    assert sorted(zoo.column("name")) == ["amp0", "amp1", "amp3"]
    assert [file.source for file in files if file.refused] == ["amps/amp2.pt"]
    assert list(zoo.index.provenance["refused"]) == ["amps/amp2.pt"]


def test_what_stands_in_the_way_of_an_import_is_said_before_files_are_read(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_files, "read_all", lambda *_: pytest.fail("files were read"))
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "thesis.txt").write_text("mine")
    with pytest.raises(RNN2VecError, match="already exists"):
        import_zoo([captures], tmp_path / "zoo")
    for option in ("labels", "inputs"):
        with pytest.raises(RNN2VecError, match=f"cannot read the {option} .*nowhere.csv: No such file"):
            import_zoo([captures], tmp_path / "new", **{option: tmp_path / "nowhere.csv"})
    with pytest.raises(RNN2VecError, match="captures"):
        import_zoo([captures], captures / "zoo")


def test_a_network_that_is_too_loud_for_its_own_strings_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "talkers"
    folder.mkdir()
    for number in range(3):
        torch.manual_seed(number)
        parts = nn.ModuleDict({"rnn": nn.RNN(4, 4, nonlinearity="relu"), "top": nn.Linear(4, 4)})
        torch.save({name: 0.3 * value for name, value in parts.state_dict().items()}, folder / f"talker{number}.pt")
    loud = {name: torch.zeros_like(value) for name, value in parts.state_dict().items()}
    loud["rnn.weight_ih_l0"][0] = torch.tensor([1.0, -1e6, -1e6, -1e6])  # it grows while it reads token 0
    loud["rnn.weight_hh_l0"][0, 0] = 2.0
    loud["top.weight"][0, 0], loud["top.bias"][0] = 1.0, 12.0  # and it writes nothing else
    torch.save(loud, folder / "loud.pt")
    four = {"kind": "tokens", "size": 4}
    said = {"interface": {"inputs": four, "outputs": {"kind": "classes", "size": 4}}, "nonlinearity": "relu"}
    with pytest.raises(RNN2VecError, match=r"talkers/loud.pt.*those of loud are not"):
        import_zoo([folder], tmp_path / "zoo", **said)
    zoo = import_zoo([folder], tmp_path / "zoo", skip_refused=True, **said)
    assert zoo.column("name").tolist() == ["talker0", "talker1", "talker2"]


def test_text_is_chosen_as_it_is_spelt_and_numbers_by_what_they_are(tmp_path: Path) -> None:
    folder = _amplifiers(tmp_path / "amps", 5)
    serials = ["01", "1", "1e3", "1000", "x"]
    rows = "".join(f"amp{number},{serial},{number}.50\n" for number, serial in enumerate(serials))
    (tmp_path / "labels.csv").write_text(f"name,serial:class,gain\n{rows}")
    zoo = import_zoo([folder], tmp_path / "zoo", labels=tmp_path / "labels.csv")
    names = {row[0]: row[1] for row in zip(zoo.column("name"), zoo.column("serial"), strict=True)}
    assert [names[name] for name in zoo.where(serial="1").column("name")] == ["1"]
    assert zoo.where(serial=["1e3", "x"]).column("name").tolist() == ["amp2", "amp4"]
    assert zoo.where(gain="2.5").column("name").tolist() == zoo.where(gain=2.5).column("name").tolist() == ["amp2"]


def test_a_label_called_model_is_no_count_of_networks(tmp_path: Path) -> None:
    folder = _amplifiers(tmp_path / "amps", 4)
    (tmp_path / "labels.csv").write_text("name,model\namp*,Marshall\namp0,Fender\n")
    assert import_zoo([folder], tmp_path / "zoo", labels=tmp_path / "labels.csv").models == 4


def test_what_a_split_keeps_apart_is_not_scored(tmp_path: Path) -> None:
    folder = _amplifiers(tmp_path / "amps", 24)
    rows = "".join(f"amp{number},group {number // 2},{number % 2}\n" for number in range(24))
    (tmp_path / "labels.csv").write_text(f"name,group,side:class\n{rows}")
    zoo = import_zoo([folder], tmp_path / "zoo", labels=tmp_path / "labels.csv", split_by="group")
    rows_of = split_zoo(zoo).validation
    found = measure(zoo, rows_of, {name: zoo.column(name)[rows_of] for name in ("group", "side")})
    assert np.isnan(found["group"])
    assert found["side"] == 1.0
    rows = "".join(f"amp{number},group {number // 2},all:the same\n" for number in range(24))
    (tmp_path / "labels.csv").write_text(f"name,group,side:class\n{rows}")
    zoo = import_zoo([folder], tmp_path / "same", labels=tmp_path / "labels.csv", split_by="group")
    rows_of = split_zoo(zoo).validation
    assert np.isnan(measure(zoo, rows_of, {"side": zoo.column("side")[rows_of]})["side"])
