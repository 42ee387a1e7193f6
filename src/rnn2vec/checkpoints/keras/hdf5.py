"""HDF5, the tree of groups and arrays in which Keras keeps weights. Nothing is read from any other file."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.checkpoints.archives import MOST, SPARE
from rnn2vec.checkpoints.optional import library
from rnn2vec.errors import RNN2VecError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SECONDS = 60.0
"""That reading a file may take."""
WORKER = Path(__file__).with_name("hdf5_worker.py")


@dataclasses.dataclass
class Node:
    """A group, or an array.

    Attributes:
        texts: attributes that are texts, by name.
        children: of a group, by name.
        array: None for a group.
    """

    texts: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    children: dict[str, Node] = dataclasses.field(default_factory=dict)
    array: Any = None

    def at(self, path: str) -> Node:
        """The node at a path with slashes.

        Raises:
            RNN2VecError: if there is none.
        """
        node = self
        for part in filter(None, path.split("/")):
            if part not in node.children:
                raise RNN2VecError(f"the file has weights at {path}; there is no {part}, only {list(node.children)}")
            node = node.children[part]
        return node

    def arrays(self, prefix: str = "") -> dict[str, Any]:
        """All arrays below, by path."""
        found = {} if self.array is None else {prefix.removesuffix("/"): self.array}
        for name, child in self.children.items():
            found |= child.arrays(f"{prefix}{name}/")
        return found


def read(content: bytes, texts: tuple[str, ...], ignored: tuple[str, ...]) -> Node:
    """The tree of a file.

    Args:
        content: of the file.
        texts: beginnings of the names of attributes to read.
        ignored: names of groups at the root that are left out.

    Raises:
        RNN2VecError: if it is damaged, refers to other files, needs filters that HDF5 has not itself, or claims more
            than it can hold; or h5py is not installed.
    """
    library("h5py", "HDF5")
    request = {"length": len(content), "most": MOST * len(content) + SPARE, "texts": texts, "ignored": ignored}
    answer, numbers = _WORKER.ask(request, content)
    if "tree" not in answer:
        raise RNN2VecError(answer["refused"])
    return _node(answer["tree"], numbers, [0])


def _node(plain: dict[str, Any], numbers: bytes, place: list[int]) -> Node:
    """A node of what the worker says; arrays follow one another in the order of the tree."""
    if "array" in plain:
        kind, shape = plain["array"]
        array = np.frombuffer(numbers, np.dtype(kind), int(np.prod(shape, dtype=object)), place[0]).reshape(shape)
        place[0] += array.nbytes
        return Node(array=array.copy())
    children = {name: _node(own, numbers, place) for name, own in plain["children"].items()}
    return Node({name: tuple(own) for name, own in plain["texts"].items()}, children)


class _Worker:
    """The process in which the C library reads, started when it is first needed, and again if it has died."""

    def __init__(self) -> None:
        self._lock, self._owner = threading.Lock(), 0
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def ask(self, request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer to a request, and the numbers that follow it.

        Raises:
            RNN2VecError: if the library crashes on the file, or takes too long.
        """
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            late = threading.Timer(SECONDS, process.kill)
            late.start()
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n" + content)
                process.stdin.flush()
                answer = json.loads(process.stdout.readline())
                numbers = process.stdout.read(answer["length"])
                if len(numbers) != answer["length"]:
                    raise EOFError("it ended")
            except (OSError, ValueError, EOFError, MemoryError) as error:
                self._end()
                raise RNN2VecError(
                    "it is no whole HDF5 file (the library that reads HDF5 crashes on it, or does not end): it was "
                    "truncated or altered"
                ) from error
            except BaseException:  # Ctrl-C: what it still writes answers nobody
                self._end()
                raise
            finally:
                late.cancel()
            return answer, numbers

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            command = [sys.executable, "-P", str(WORKER)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._owner = os.getpid()
        return self._process

    def _end(self) -> None:
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):  # what was not written any more
                        stream.close()
        self._process = None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()


_WORKER = _Worker()
