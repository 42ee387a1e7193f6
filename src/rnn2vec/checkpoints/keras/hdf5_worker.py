"""Reads HDF5 for :mod:`rnn2vec.checkpoints.keras.hdf5`, in a process of its own.

The C library may crash on a damaged file, or ask for any amount of memory. This file is run by its path and
imports nothing of rnn2vec. A request is a line of JSON and the file; the answer is a line of JSON, the tree or a
refusal, and the arrays one after the other.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import numpy as np

HEAP = b"GCOL"
"""How a heap of texts begins."""
DEEPEST = 32
"""Groups within groups."""
LONGEST = 1000
"""Texts of one attribute."""
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
"""Compression that HDF5 has itself; others are libraries that it would load."""
SPARE = 64 << 20
"""Bytes that the library may take beside its share."""
DAMAGED = "it is no whole HDF5 file ({}): it was truncated or altered"


class Refused(Exception):
    """Why a file is not read."""


def main() -> None:
    """Answer requests until there are no more."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["length"])
        arrays: list[bytes] = []
        answer: dict[str, Any]
        try:
            answer = {"tree": _read(content, request, arrays)}
        except Refused as error:
            answer = {"refused": str(error)}
        except MemoryError:
            answer = {"refused": DAMAGED.format("it claims more memory than a file of its size needs")}
        except (OSError, LookupError, ValueError, RuntimeError, TypeError, ArithmeticError, EOFError) as error:
            answer = {"refused": DAMAGED.format(error)}
        parts = arrays if "tree" in answer else []
        answers.write(json.dumps(answer | {"length": sum(map(len, parts))}).encode() + b"\n")
        for part in parts:
            answers.write(part)
        answers.flush()


def _read(content: bytes, request: dict[str, Any], arrays: list[bytes]) -> dict[str, Any]:
    import h5py

    _require_heaps_that_end(content)
    _limit_memory(request["most"] + SPARE)
    with h5py.File(io.BytesIO(content), "r") as file:
        reader = _Reader(h5py, request["most"], tuple(request["texts"]), arrays)
        return reader.group(file, tuple(request["ignored"]))


def _limit_memory(more: int) -> None:
    """Let this process have so many bytes more than now, where the system knows how."""
    try:
        import resource

        pages = int(open("/proc/self/statm").read().split()[0])  # noqa: SIM115 (closed at once by CPython)
        resource.setrlimit(
            resource.RLIMIT_AS, (pages * resource.getpagesize() + more, resource.getrlimit(resource.RLIMIT_AS)[1])
        )
    except (ImportError, OSError, ValueError):  # neither Windows nor macOS has it
        return


def _require_heaps_that_end(content: bytes) -> None:
    """Refuse a heap of texts in which an object does not lead to the next: HDF5 itself would read it without end."""
    start = content.find(HEAP)
    while start >= 0:
        size = int.from_bytes(content[start + 8 : start + 16], "little")
        at, end = start + 16, min(start + size, len(content))
        while at + 16 <= end:
            index = int.from_bytes(content[at : at + 2], "little")
            held = int.from_bytes(content[at + 8 : at + 16], "little")
            step = 16 + -(-held // 8) * 8 if index else held  # the free space at the end counts its own header
            if step < 16 or at + step > end:
                raise Refused(DAMAGED.format("a heap of texts is damaged"))
            at += step
        start = content.find(HEAP, start + 4)


class _Reader:
    def __init__(self, h5py: Any, most: int, texts: tuple[str, ...], arrays: list[bytes]) -> None:
        self.h5py, self.texts, self.most, self.left, self.arrays = h5py, texts, most, most, arrays
        self.seen: set[int] = set()

    def group(self, group: Any, ignored: tuple[str, ...] = (), depth: int = 0) -> dict[str, Any]:
        address = self.h5py.h5o.get_info(group.id).addr
        if depth > DEEPEST or address in self.seen:
            raise Refused(f"groups are at most {DEEPEST} deep, and each has one place; {group.name} has not")
        self.seen.add(address)
        children: dict[str, Any] = {}
        for name in group:
            if name in ignored:
                continue
            link = group.get(name, getlink=True)
            if not isinstance(link, self.h5py.HardLink):
                raise Refused(f"everything is in the file itself; {name} is a link to another place or file")
            own = group[name]
            if isinstance(own, self.h5py.Group):
                children[name] = self.group(own, (), depth + 1)
            elif isinstance(own, self.h5py.Dataset):
                children[name] = {"array": self._array(own)}
        return {"texts": self._texts(group), "children": children}

    def _array(self, own: Any) -> list[Any]:
        if own.is_virtual or own.external:
            raise Refused(f"everything is in the file itself; {own.name} is kept in another")
        properties = own.id.get_create_plist()
        filters = {properties.get_filter(place)[0] for place in range(properties.get_nfilters())}
        if unknown := filters - FILTERS.keys():
            raise Refused(f"arrays are compressed by {', '.join(FILTERS.values())}; {own.name} by {unknown}")
        if own.dtype.kind in "fiub":
            self._claim(own.name, own.size * own.dtype.itemsize)
            values = np.asarray(own[()], order="C")
        else:
            values = np.zeros(0)  # a text, or a choice: no weights, and refused where weights are asked for
        self.arrays.append(values.tobytes())
        return [values.dtype.str, list(values.shape)]

    def _texts(self, group: Any) -> dict[str, list[str]]:
        found = {}
        for name in group.attrs:
            if not name.startswith(self.texts):
                continue
            attribute = group.attrs.get_id(name)
            size = int(np.prod(attribute.shape, dtype=object))
            if size > LONGEST:
                raise Refused(f"an attribute has at most {LONGEST} texts; {name} has {size}")
            self._claim(name, size * attribute.dtype.itemsize)
            values = np.atleast_1d(np.asarray(group.attrs[name])).ravel()
            found[name] = [own.decode() if isinstance(own, bytes) else str(own) for own in values]
        return found

    def _claim(self, name: str, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Refused(f"a file holds at most {self.most} bytes of numbers and texts; it claims more, at {name}")


if __name__ == "__main__":
    main()
