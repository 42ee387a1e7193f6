"""Files that appear whole or not at all, and errors that say what to do about the disk."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import safetensors.numpy

from rnn2vec.errors import RNN2VecError

_PARTIAL = ".partial"


def is_partial(path: Path) -> bool:
    """Whether a file is what a process left that was killed while writing: nobody's, and to be written over."""
    return path.name.startswith(".") and path.name.endswith(_PARTIAL)


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> str:
    """Write a file so that it is whole whenever it is there; return the SHA-256 of its content in hexadecimal.

    The bytes go to a temporary sibling, are synchronised to disk and renamed into place; then the folder is
    synchronised. Content that is too large for memory comes in pieces.

    Raises:
        RNN2VecError: if the disk is full, the place cannot be written, or it is a folder, a device or a pipe. Nothing
            that was there before is touched.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # renaming would put a file in place of a device
        raise RNN2VecError(f"cannot write {path}: it is {kind_of(path)}, and no regular file")
    temporary, digest, size = path.with_name(f".{path.name}{_PARTIAL}"), hashlib.sha256(), 0
    try:
        make_folder(path.parent)
        with temporary.open("wb") as file:
            for piece in [content] if isinstance(content, bytes) else content:
                size += len(piece)
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _synchronise(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # of a folder that cannot be reached; the first error says so better
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error, size) from error
    return digest.hexdigest()


def cannot_write(path: Path, error: OSError, size: int = 0) -> RNN2VecError:
    """What is raised where a file, of so many bytes or more, or a folder cannot be written."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return RNN2VecError(f"cannot write {path}: {error.strerror or error}")
    needed = f" ({size / 1e6:.1f} MB or more)" if size else ""
    return RNN2VecError(
        f"no space left on the disk for {path}{needed}; what is already there is whole: free some space and run the "
        "same command again"
    )


def make_folder(path: Path) -> None:
    """Make a folder, and those that it lies in, so that they stay if the power fails.

    Raises:
        OSError: if that cannot be done.
    """
    missing = [place for place in (path, *path.parents) if not place.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for place in reversed(missing):
        _synchronise(place.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there, so that it does not come back if the power fails.

    Raises:
        OSError: if that cannot be done.
    """
    path.unlink(missing_ok=True)
    _synchronise(path.parent)


def _synchronise(folder: Path) -> None:
    """The names in a folder, where the system can."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # A folder that may be written and not listed, and file systems that cannot do it.
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.EPERM):
            raise


def read_bytes(path: Path) -> bytes:
    """The content of a regular file; a pipe would be waited for without end.

    Raises:
        OSError: if it is none, or cannot be read.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"it is {kind_of(path)}, and no regular file")
    return path.read_bytes()


def write_json(path: Path, values: Mapping[str, Any]) -> str:
    """Write indented JSON atomically, a null for what is not a number; return its SHA-256."""
    return write_atomically(path, (json.dumps(_plain(values), indent=2, allow_nan=False) + "\n").encode())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RNN2VecError: if the file is missing, unreadable or holds anything but an object; ``what`` names its role.
    """
    return _read_object(path, what, "JSON", json.loads)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Likewise of TOML."""
    return _read_object(path, what, "TOML", lambda content: tomllib.loads(content.decode()))


def _read_object(path: Path, what: str, form: str, parse: Callable[[bytes], Any]) -> dict[str, Any]:
    try:
        values = parse(read_bytes(path))
    except OSError as error:
        raise RNN2VecError(f"cannot read {what} {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RNN2VecError(f"{what} {path} is not valid {form} ({error}); correct, restore or rebuild it") from error
    if not isinstance(values, dict):
        raise RNN2VecError(f"{what} {path} holds a {form} object; got {type(values).__name__}")
    return values


def read_tensors(path: Path, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Read a safetensors file, checked against its checksum if one is given.

    Raises:
        RNN2VecError: if the file is missing, damaged or altered.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise RNN2VecError(f"cannot read {path}: {error.strerror or error}") from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise RNN2VecError(
            f"{path} differs from its recorded checksum: it was truncated or altered; restore or rebuild it"
        )
    try:
        return safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise RNN2VecError(f"{path} is not a whole safetensors file ({error}); restore or rebuild it") from error


def open_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file by name, to be read in parts (slices of :class:`safetensors.safe_open`).

    The file stays mapped into memory as long as one of them is there.

    Raises:
        RNN2VecError: if the file is missing or damaged.
    """
    if not path.is_file():  # a pipe would be waited for without end
        raise RNN2VecError(f"cannot read {path}: " + ("it is no regular file" if path.exists() else "no such file"))
    with undamaged(path):
        file = safetensors.safe_open(path, framework="np")
        return {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)


@contextlib.contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """Name a safetensors file as damaged if what is read of it is.

    Raises:
        RNN2VecError: if it is.
    """
    try:
        yield
    except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise RNN2VecError(
            f"{path} was truncated or altered, and is no whole safetensors file ({error}); restore or rebuild it"
        ) from error


def parse_parquet(content: bytes) -> pa.Table:
    """The table in a parquet file's bytes, read on this thread alone.

    ``pq.read_table`` leaves the bytes to a thread of pyarrow, which may let go of them only when Python ends; the
    process is then aborted, after all its work ("terminate called without an active exception").

    Raises:
        pa.ArrowException, OSError, ValueError: if they are not a whole parquet file.
    """
    return pq.ParquetFile(io.BytesIO(content), pre_buffer=False).read(use_threads=False)


def write_record(path: Path, tensors: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Write arrays and a JSON-serialisable record into one safetensors file, atomically, with a checksum of it all."""
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    text = json.dumps(record)  # in its own order, which a page may show
    write_atomically(path, safetensors.numpy.save(arrays, {"record": text, "sha256": _checksum(arrays, text)}))


def read_record(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the record that :func:`write_record` wrote.

    Raises:
        RNN2VecError: if the file is missing, cannot be read, is damaged or altered, or an earlier version wrote it.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise RNN2VecError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        tensors = safetensors.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header.get("__metadata__", {})
        known = {"record", "sha256"} <= metadata.keys()
        if known and metadata["sha256"] == _checksum(tensors, metadata["record"]):
            return tensors, json.loads(metadata["record"])
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RNN2VecError(f"{path} is damaged ({error}): remove it to start afresh") from error
    if known:
        raise RNN2VecError(f"{path} is damaged (it differs from its own checksum): remove it to start afresh")
    raise RNN2VecError(
        f"unfinished work carries a checksum of its own; {path} has none, as an earlier version wrote it: finish it "
        "with that version, or remove it to start afresh"
    )


def _checksum(tensors: Mapping[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(repr((name, tensors[name].dtype.str, tensors[name].shape)).encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def kind_of(path: Path) -> str:
    """What is at a path that is no regular file."""
    tests = {
        "a symbolic link": Path.is_symlink,
        "a directory": Path.is_dir,
        "a pipe": Path.is_fifo,
        "a socket": Path.is_socket,
        "a file": Path.is_file,
    }
    return next((name for name, holds in tests.items() if holds(path)), "a device")
