"""The numbers of tensors: a file keeps them apart from its pickle, in storages, of which tensors are views."""

from __future__ import annotations

import io
import math
import struct
import sys
from typing import Any

import numpy as np
import torch

from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.pytorch.pickles import Name, describe
from rnn2vec.checkpoints.pytorch.tree import View, references
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

TYPES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


def of_archive(found: dict[str, bytes]) -> tuple[Any, dict[str, bytes]]:
    """What the pickle of an archive describes, and the storages by their keys.

    Raises:
        RNN2VecError: if there is not one pickle, or it is damaged.
    """
    pickled = [name for name in found if name.rpartition("/")[2] == "data.pkl"]
    if len(pickled) != 1:
        raise RNN2VecError(
            f"a file of torch.save has one data.pkl; this archive has {', '.join(list(found)[:8]) or 'none'}"
        )
    folder = pickled[0].removesuffix("data.pkl")
    if found.get(f"{folder}byteorder", b"little") != b"little":
        raise RNN2VecError("numbers of torch.save are read with the lowest byte first; those of this file are not")
    storages = {
        name.removeprefix(f"{folder}data/"): own for name, own in found.items() if name.startswith(f"{folder}data/")
    }
    return describe(io.BytesIO(found[pickled[0]])), storages


def of_legacy(content: bytes) -> tuple[Any, dict[str, bytes]]:
    """Likewise of a file before PyTorch 1.6.

    It is four pickles (a number, a version, the system, what was saved), the storages' keys, then each one's numbers.

    Raises:
        RNN2VecError: if it is damaged.
    """
    file = io.BytesIO(content)
    _, _, system, root, keys = (describe(file) for _ in range(5))
    if isinstance(system, dict) and not system.get("little_endian", True):
        raise RNN2VecError("numbers of torch.save are read with the lowest byte first; those of this file are not")
    sizes = {key: dtype.itemsize for key, dtype in map(_storage, references(root))}
    storages = {}
    for key in keys if isinstance(keys, list) else []:
        header = file.read(8)
        count = struct.unpack("<q", header)[0] if len(header) == 8 else -1
        length = count * sizes.get(str(key), 0)
        if not 0 <= length <= len(content) - file.tell():
            raise RNN2VecError(f"storage {shown(key)} claims {count} numbers, more than the file has: it was truncated")
        storages[str(key)] = file.read(length)
    return root, storages


def _storage(said: Any) -> tuple[str, torch.dtype]:
    """The key and type of a storage, from ``('storage', class, key, location, count)``."""
    if not isinstance(said, tuple) or len(said) < 5 or not isinstance(said[1], Name):
        raise RNN2VecError(f"a storage says its class, key, place and size; got {shown(said)}")
    if said[1].name not in TYPES:
        raise RNN2VecError(f"tensors are of {', '.join(TYPES)}; got {said[1]}")
    if any(own is not None for own in said[5:]):
        raise RNN2VecError(f"a storage begins where its numbers do; that of key {shown(said[2])} is a part of another")
    return str(said[2]), TYPES[said[1].name]


class Numbers:
    """Arrays of tensors; all together they are at most a few times the file, whatever it claims."""

    def __init__(self, storages: dict[str, bytes], size: int) -> None:
        self.storages, self.left = storages, 4 * size
        self.flat: dict[tuple[str, torch.dtype], torch.Tensor] = {}  # each is copied once, however often it is named

    def array(self, name: str, view: View) -> Array:
        """The numbers of one.

        Raises:
            RNN2VecError: if the file does not hold them.
        """
        reference, offset, shape, strides = view
        key, dtype = _storage(reference.key)
        if key not in self.storages:
            raise RNN2VecError(f"the numbers of {name} are missing: the file was truncated")
        sizes = [*_list(shape), *_list(strides), offset]
        whole = all(isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**40 for size in sizes)
        if not whole or len(_list(shape)) != len(_list(strides)):
            raise RNN2VecError(
                f"a tensor has a shape and as many strides; {name} has {shown(shape)} and {shown(strides)}"
            )
        numbers = self.storages[key]
        count = math.prod(shape)
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if count else 0
        self.left -= count * dtype.itemsize
        if (last * dtype.itemsize + dtype.itemsize > len(numbers) and count) or self.left < 0:
            raise RNN2VecError(f"{name} claims the shape {list(shape)}, more numbers than the file has")
        if not count:
            return np.zeros(tuple(shape))
        if (key, dtype) not in self.flat:
            whole_numbers = len(numbers) // dtype.itemsize * dtype.itemsize
            self.flat[key, dtype] = torch.frombuffer(bytearray(numbers[:whole_numbers]), dtype=dtype)
        return exact(self.flat[key, dtype].as_strided(tuple(shape), tuple(strides), offset))


def exact(tensor: torch.Tensor) -> Array:
    """A tensor's numbers in float64, which holds those of every other float; whole numbers as they are."""
    return (tensor.detach().to(torch.float64) if tensor.is_floating_point() else tensor).numpy()


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [None]


if sys.byteorder != "little":  # torch.frombuffer reads the machine's own order
    raise ImportError("rnn2vec.checkpoints reads files on machines with the lowest byte first")
