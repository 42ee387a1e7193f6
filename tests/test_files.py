"""Files that appear whole or not at all, and messages that say what to do about the disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

from rnn2vec import RNN2VecError
from rnn2vec.files import (
    parse_parquet,
    read_json,
    read_record,
    read_tensors,
    write_atomically,
    write_json,
    write_record,
)
from rnn2vec.outputs import require_apart, require_new_directory, require_new_file, sole_writer


def names_in(directory: Path) -> list[str]:
    """What is in a directory, hidden files too."""
    return sorted(os.listdir(directory))


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk of 64 kB; where none can be mounted, one whose temporary file is ``/dev/full``."""
    disk = tmp_path / "disk"
    disk.mkdir()
    tools = shutil.which("mount") and shutil.which("umount")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "rnn2vec-test", str(disk)]
    mounted = bool(tools) and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        (disk / ".big.partial").symlink_to("/dev/full")
    try:
        yield disk
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)


def test_write_gives_the_content_and_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "file.bin"
    content = bytes(range(256)) * 10
    assert write_atomically(path, content) == hashlib.sha256(content).hexdigest()
    assert path.read_bytes() == content
    assert write_atomically(path, b"shorter") == hashlib.sha256(b"shorter").hexdigest()
    assert path.read_bytes() == b"shorter"
    assert names_in(path.parent) == ["file.bin"]


def test_the_content_is_synchronised_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, events = tmp_path / "file", []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        opened = os.fstat(descriptor)
        events.append(("folder" if os.path.samestat(opened, tmp_path.stat()) else opened.st_size, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_atomically(path, b"content")
    assert events == [(len(b"content"), False), ("folder", True)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RNN2VecError, match=r"no space left .*file \(3\.0 MB or more\).*free some space"):
        write_atomically(path, b"x" * 3_000_000)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_a_disk_that_really_is_full(full_disk: Path) -> None:
    path = full_disk / "big"
    path.write_bytes(b"old")
    with pytest.raises(RNN2VecError, match=r"no space left on the disk for .*big .*what is already there is whole"):
        write_atomically(path, os.urandom(200_000))
    assert path.read_bytes() == b"old"
    assert names_in(full_disk) == ["big"]
    write_atomically(path, b"small")  # there is room for this
    assert path.read_bytes() == b"small"


def test_other_failures_name_the_file_and_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RNN2VecError, match=r"cannot write .*file: Input/output error") as caught:
        write_atomically(path, b"new")
    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"something")
    with pytest.raises(RNN2VecError, match=r"cannot write .*taken"):
        write_atomically(tmp_path / "taken" / "file", b"new")
    assert (tmp_path / "taken").read_bytes() == b"something"


def test_a_file_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(RNN2VecError, match=r"cannot write .*taken"):
        write_atomically(tmp_path / "taken", b"new")
    assert names_in(tmp_path) == ["taken"]


def test_a_leftover_of_a_killed_write_is_no_obstacle(tmp_path: Path) -> None:
    class Killed(BaseException):
        """Stands for the end of the process: nothing is tidied up."""

    path = tmp_path / "file"

    def die(descriptor: int) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", die)
        with pytest.raises(Killed):
            write_atomically(path, b"a longer content")
    assert not path.exists()
    write_atomically(path, b"short")
    assert path.read_bytes() == b"short"
    assert names_in(tmp_path) == ["file"]


def test_json_reads_back(tmp_path: Path) -> None:
    values = {"a": [1, 2.5, None], "b": {"c": "ü"}}
    checksum = write_json(tmp_path / "values.json", values)
    assert read_json(tmp_path / "values.json", "values") == values == json.loads((tmp_path / "values.json").read_text())
    assert checksum == hashlib.sha256((tmp_path / "values.json").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the notes .*values.json: No such file"),
        (b'{"a": 1', "the notes .*values.json is not valid JSON"),
        (b"\xff\xfe{}", "is not valid JSON"),
        (b"", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"[1]", "holds a JSON object; got list"),
        (b"null", "holds a JSON object; got NoneType"),
    ],
)
def test_bad_json_is_explained(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "values.json").write_bytes(content)
    with pytest.raises(RNN2VecError, match=message):
        read_json(tmp_path / "values.json", "the notes")


def test_tensors_read_back(tmp_path: Path) -> None:
    tensors = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array([1, -2], dtype=np.int8)}
    checksum = write_atomically(tmp_path / "t.safetensors", safetensors.numpy.save(tensors))
    for given in (checksum, None):
        read = read_tensors(tmp_path / "t.safetensors", given)
        assert set(read) == set(tensors)
        for name, array in tensors.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype


CONTENT = safetensors.numpy.save({"x": np.arange(6, dtype=np.float32)})
ALTERED = {
    "truncated": CONTENT[:-1],
    "lengthened": CONTENT + b"\0",
    "empty": b"",
    "header cut": CONTENT[:20],
    "header length": b"\xff" * 8 + CONTENT[8:],
    "header text": CONTENT.replace(b"F32", b"F99"),
    "a pickle": b"\x80\x04]\x94.",
}


@pytest.mark.parametrize("content", ALTERED.values(), ids=ALTERED)
def test_damaged_tensors_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with pytest.raises(RNN2VecError, match=r"t\.safetensors is not a whole safetensors file"):
        read_tensors(path)
    with pytest.raises(RNN2VecError, match=r"t\.safetensors differs from its recorded checksum"):
        read_tensors(path, hashlib.sha256(CONTENT).hexdigest())


def test_a_single_altered_byte_fails_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    assert read_tensors(path)["x"].shape == (6,)  # nothing else would notice
    with pytest.raises(RNN2VecError, match="truncated or altered"):
        read_tensors(path, hashlib.sha256(CONTENT).hexdigest())


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(RNN2VecError, match=r"cannot read .*t\.safetensors: No such file"):
        read_tensors(tmp_path / "t.safetensors")


def test_a_record_reads_back(tmp_path: Path) -> None:
    path, record = tmp_path / "record", {"b": [1, None], "a": "ö"}
    write_record(path, {"x": np.arange(6.0).reshape(2, 3)}, record)
    tensors, found = read_record(path)
    assert tensors.keys() == {"x"}
    assert tensors["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert list(found.items()) == list(record.items())


def test_any_altered_bit_of_a_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record"
    write_record(path, {"x": np.arange(3.0)}, {"a": 1})
    content = path.read_bytes()
    assert b'"}} ' not in content  # no padding of the header, which means nothing
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(RNN2VecError, match="remove it to start afresh"):
            read_record(path)


def test_a_record_of_an_earlier_version_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(safetensors.numpy.save({"x": np.zeros(3)}, {"identity": "{}", "progress": "{}"}))
    with pytest.raises(RNN2VecError, match="an earlier version wrote it: finish it with that version, or remove it"):
        read_record(path)


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.EMFILE])
def test_a_record_that_cannot_be_read_is_no_damage(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record"
    write_record(path, {}, {})

    def fails(*arguments: object, **named: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(RNN2VecError, match=f"^cannot read .*record: {os.strerror(code)}$"):
        read_record(path)


def test_an_error_leaves_no_directory_that_was_made_for_it(tmp_path: Path) -> None:
    @sole_writer(tmp_path / "new")
    def refuse() -> None:
        raise RNN2VecError("too small")

    @sole_writer(tmp_path / "written")
    def write_and_refuse() -> None:
        (tmp_path / "written" / "file").touch()
        raise RNN2VecError("too small")

    @sole_writer(tmp_path / "there")
    def refuse_there() -> None:
        raise RNN2VecError("too small")

    (tmp_path / "there").mkdir()
    for refused in (refuse, write_and_refuse, refuse_there):
        with pytest.raises(RNN2VecError, match="too small"):
            refused()
    assert names_in(tmp_path) == ["there", "written"]
    assert names_in(tmp_path / "written") == ["file"]


def test_a_new_directory_is_absent_or_empty(tmp_path: Path) -> None:
    require_new_directory(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    (tmp_path / "empty").mkdir()
    require_new_directory(tmp_path / "empty")
    for name in ("empty/.hidden", "file"):
        (tmp_path / name).write_bytes(b"")
    for name in ("empty", "file"):
        with pytest.raises(RNN2VecError, match=rf"new or empty; .*{name} already exists"):
            require_new_directory(tmp_path / name)


def test_a_place_that_was_made_leaves_no_folders_around_it(tmp_path: Path) -> None:
    with pytest.raises(RNN2VecError, match="too small"), sole_writer(tmp_path / "a" / "b" / "c"):
        raise RNN2VecError("too small")
    assert names_in(tmp_path) == []
    (tmp_path / "a").mkdir()
    with pytest.raises(RNN2VecError, match="too small"), sole_writer(tmp_path / "a" / "b" / "c"):
        raise RNN2VecError("too small")
    assert names_in(tmp_path / "a") == []
    with pytest.raises(RNN2VecError, match="cannot write"), sole_writer(tmp_path / "a" / "b" / ("c" * 300)):
        pass
    assert names_in(tmp_path / "a") == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_only_a_regular_file_is_ever_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    for name, kind in (("pipe", "a pipe"), ("link", "a symbolic link"), ("folder", "a directory")):
        with pytest.raises(RNN2VecError, match=f"{name}: it is {kind}, and no regular file"):
            write_atomically(tmp_path / name, b"new")
        with pytest.raises(RNN2VecError, match=f"{name} is {kind}, which is never replaced"):
            require_new_file(tmp_path / name, force=True)
    assert names_in(tmp_path) == ["folder", "link", "pipe"]
    assert (tmp_path / "pipe").is_fifo()


def test_a_new_file_is_absent_and_can_be_written(tmp_path: Path) -> None:
    require_new_file(tmp_path / "a" / "b" / "new")
    assert names_in(tmp_path) == []
    (tmp_path / "old").touch()
    with pytest.raises(RNN2VecError, match="old already exists: choose another, or add --force"):
        require_new_file(tmp_path / "old")
    require_new_file(tmp_path / "old", force=True)
    (tmp_path / "nowhere").symlink_to("absent")
    with pytest.raises(RNN2VecError, match="nowhere is a symbolic link"):
        require_new_file(tmp_path / "nowhere", force=True)
    with pytest.raises(RNN2VecError, match=r"cannot write .*: .*old is a file, and no directory"):
        require_new_file(tmp_path / "old" / "new")


def test_an_output_lies_apart_from_the_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("zoo", "zoo/weights", "zoology"):
        (tmp_path / name).mkdir()
    (tmp_path / "zoo" / "zoo.json").touch()
    (tmp_path / "link").symlink_to("zoo")
    (tmp_path / "file").symlink_to("zoo/zoo.json")
    monkeypatch.chdir(tmp_path / "zoo")
    inputs = [tmp_path / "absent", tmp_path / "link"]
    for inside in ("zoo", "zoo/new", "zoo/a/b/new", "zoo/weights", "link/new", "file", "zoology/../zoo/new"):
        for force in (False, True):
            with pytest.raises(RNN2VecError, match="an output is kept apart from the inputs"):
                require_new_file(tmp_path / inside, force, inputs)
        with pytest.raises(RNN2VecError, match="kept apart from the inputs"), sole_writer(tmp_path / inside, inputs):
            pass
    with pytest.raises(RNN2VecError, match="kept apart from the inputs"):
        require_apart(Path("new"), inputs)
    for outside in ("zoology", "zoology/new", "other", "../other"):
        require_apart(tmp_path / outside, inputs)
    assert names_in(tmp_path / "zoo") == ["weights", "zoo.json"]


def test_what_is_not_a_number_becomes_null(tmp_path: Path) -> None:
    write_json(tmp_path / "r.json", {"a": [float("nan"), 1.5], "b": {"c": float("inf")}})
    assert json.loads((tmp_path / "r.json").read_text()) == {"a": [None, 1.5], "b": {"c": None}}


def test_a_table_is_read_without_threads_that_could_hold_its_bytes(tmp_path: Path) -> None:
    """A thread that lets go of Python's bytes while Python ends takes the process with it."""
    path = tmp_path / "table.parquet"
    table = pa.table({"step": np.arange(100_000), "accuracy": np.random.default_rng(0).random(100_000)})
    pq.write_table(table, path, row_group_size=20_000)
    assert parse_parquet(path.read_bytes()).equals(table)
    if not Path("/proc/self/task").exists():
        pytest.skip("threads are counted in /proc")
    script = f"""
import os
from pathlib import Path
from rnn2vec.files import parse_parquet

content = Path({str(path)!r}).read_bytes()
before = set(os.listdir("/proc/self/task"))
table = parse_parquet(content)
assert set(os.listdir("/proc/self/task")) == before, "a thread was started"
"""
    subprocess.run([sys.executable, "-c", script], check=True)
