"""HDF5, the tree of groups and arrays in which Keras keeps weights. Nothing is read from any other file."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np

from rnn2vec.checkpoints.archives import MOST, SPARE
from rnn2vec.checkpoints.optional import library
from rnn2vec.errors import RNN2VecError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAP = b"GCOL"
"""How a heap of texts begins."""
DEEPEST = 32
"""Groups within groups."""
LONGEST = 1000
"""Texts of one attribute."""
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
"""Compression that HDF5 has itself; others are libraries that it would load."""


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
    h5py = library("h5py", "HDF5")
    _require_heaps_that_end(content)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _Reader(h5py, len(content), texts).group(file, ignored)
    except (OSError, LookupError, ValueError, RuntimeError, TypeError, ArithmeticError, EOFError) as error:
        if isinstance(error, RNN2VecError):
            raise
        raise RNN2VecError(f"it is no whole HDF5 file ({error}): it was truncated or altered") from error


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
                raise RNN2VecError("it is no whole HDF5 file (a heap of texts is damaged): it was truncated or altered")
            at += step
        start = content.find(HEAP, start + 4)


class _Reader:
    def __init__(self, h5py: Any, length: int, texts: tuple[str, ...]) -> None:
        self.h5py, self.texts, self.left = h5py, texts, MOST * length + SPARE
        self.seen: set[int] = set()

    def group(self, group: Any, ignored: tuple[str, ...] = (), depth: int = 0) -> Node:
        address = self.h5py.h5o.get_info(group.id).addr
        if depth > DEEPEST or address in self.seen:
            raise RNN2VecError(f"groups are at most {DEEPEST} deep, and each has one place; {group.name} has not")
        self.seen.add(address)
        node = Node(self._texts(group))
        for name in group:
            if name in ignored:
                continue
            link = group.get(name, getlink=True)
            if not isinstance(link, self.h5py.HardLink):
                raise RNN2VecError(f"everything is in the file itself; {name} is a link to another place or file")
            own = group[name]
            if isinstance(own, self.h5py.Group):
                node.children[name] = self.group(own, (), depth + 1)
            elif isinstance(own, self.h5py.Dataset):
                node.children[name] = Node(array=self._array(own))
        return node

    def _array(self, own: Any) -> Any:
        if own.is_virtual or own.external:
            raise RNN2VecError(f"everything is in the file itself; {own.name} is kept in another")
        properties = own.id.get_create_plist()
        filters = {properties.get_filter(place)[0] for place in range(properties.get_nfilters())}
        if unknown := filters - FILTERS.keys():
            raise RNN2VecError(f"arrays are compressed by {', '.join(FILTERS.values())}; {own.name} by {unknown}")
        if own.dtype.kind not in "fiub":
            return np.zeros(0)  # a text, or a choice: no weights, and refused where weights are asked for
        self._claim(own.name, own.size * own.dtype.itemsize)
        return own[()]

    def _texts(self, group: Any) -> dict[str, tuple[str, ...]]:
        found = {}
        for name in group.attrs:
            if not name.startswith(self.texts):
                continue
            attribute = group.attrs.get_id(name)
            size = int(np.prod(attribute.shape, dtype=object))
            if size > LONGEST:
                raise RNN2VecError(f"an attribute has at most {LONGEST} texts; {name} has {size}")
            self._claim(name, size * attribute.dtype.itemsize)
            values = np.atleast_1d(np.asarray(group.attrs[name])).ravel()
            found[name] = tuple(own.decode() if isinstance(own, bytes) else str(own) for own in values)
        return found

    def _claim(self, name: str, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise RNN2VecError(f"a file holds at most {MOST} times its own size; it claims more, at {name}")
