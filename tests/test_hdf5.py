"""The process that reads HDF5: what happens to it happens to nobody else."""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnn2vec.checkpoints.archives import entries
from rnn2vec.checkpoints.keras import hdf5
from rnn2vec.errors import RNN2VecError

h5py = pytest.importorskip("h5py")


def content() -> bytes:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file["a/b"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        file["a"].attrs["names"] = ["one", "\u00e9"]
        file["c"] = np.float64(3.0)
        file["none"] = np.zeros((0, 4))
    return made.getvalue()


def test_a_tree_with_its_texts() -> None:
    tree = hdf5.read(content(), ("names",), ())
    assert tree.at("a").texts == {"names": ("one", "\u00e9")}
    np.testing.assert_array_equal(tree.at("a/b").array, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert tree.at("c").array == 3.0
    assert tree.at("none").array.shape == (0, 4)
    assert sorted(tree.arrays()) == ["a/b", "c", "none"]
    assert "c" not in hdf5.read(content(), (), ("c",)).children


@pytest.mark.parametrize("fate", ["import os; os.abort()", "import time; time.sleep(60)", "print('{', flush=True)"])
def test_a_library_that_crashes_or_hangs_costs_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    worker = hdf5._Worker()
    monkeypatch.setattr(hdf5, "_WORKER", worker)
    monkeypatch.setattr(hdf5, "SECONDS", 1.0)
    (tmp_path / "worker.py").write_text(f"import sys\nsys.stdin.buffer.readline()\n{fate}\n")
    with monkeypatch.context() as bad:
        bad.setattr(hdf5, "WORKER", tmp_path / "worker.py")
        with pytest.raises(RNN2VecError, match="crashes on it, or does not end"):
            hdf5.read(content(), (), ())
    monkeypatch.setattr(hdf5, "SECONDS", 60.0)
    assert hdf5.read(content(), (), ()).at("c").array == 3.0
    worker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may take")
def test_a_small_file_gets_no_large_memory() -> None:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:  # says itself that it is large: never written, so that the file stays small
        file.create_dataset("large", (1 << 32,), "f4", chunks=(1 << 20,), compression="gzip")
    with pytest.raises(RNN2VecError, match="claims more"):
        hdf5.read(made.getvalue(), (), ())
    assert hdf5.read(content(), (), ()).at("c").array == 3.0
    process = hdf5._WORKER._process
    assert process is not None
    (peak,) = (line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 300_000


@pytest.mark.parametrize("damage", ["no name", "far away"])
def test_archives_whose_headers_lie(damage: str) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", b"abc")
    altered = bytearray(made.getvalue())
    entry = altered.index(b"PK\x01\x02")
    if damage == "no name":
        altered[entry + 28 : entry + 30] = struct.pack("<H", 0)
    else:
        end = altered.index(b"PK\x05\x06")
        altered[end + 16 : end + 20] = struct.pack("<L", 0)  # where the directory is
        altered[entry + 42 : entry + 46] = struct.pack("<L", 0xFFFFFFF0)
    with pytest.raises(RNN2VecError, match="no whole archive"):
        entries(bytes(altered))
