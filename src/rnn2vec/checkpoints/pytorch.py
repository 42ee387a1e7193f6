"""Files of ``torch.save`` and TorchScript: tensors by name, whoever saved them and wherever; nothing is unpickled.

A state dict may be anywhere in what was saved. A whole module is known by its attributes alone: what its ``forward``
did is code that the file does not hold, or that is not run.
"""

from __future__ import annotations

import dataclasses
import io
import math
import re
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.declaration import Declaration
from rnn2vec.checkpoints.pickles import Name, Reference, Thing, describe
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

NAME = "PyTorch"
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of PyTorch before 1.6 begin: a pickle of a number."""

_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
_REBUILT = ("_rebuild_tensor", "_rebuild_tensor_v2")
_WRAPPED = ("_rebuild_parameter", "_rebuild_parameter_with_state")
_RECURRENT = re.compile(
    r"(.*\.)?(weight|bias)_(ih|hh)(_l\d+)?(_raw|_orig|_g|_v)?$|.*parametrizations\.weight_hh_l\d+\."
)
_DEEPEST = 60
MOST_CANDIDATES = 2000
"""Dictionaries of tensors, or modules, in a file: an optimiser has one for each parameter."""
_MODULES = ("RNN", "RNNCell", "LSTM", "LSTMCell", "GRU", "GRUCell")
_HARMLESS = (
    "Module", "Linear", "Embedding", "Dropout", "Identity", "Sequential", "ModuleList", "ModuleDict",
    "MSELoss", "L1Loss", "CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss",
)  # fmt: skip
"""Parts of a trained module that compute nothing of its outputs, or are read."""

_ACTIVATIONS = {"Tanh": "tanh", "ReLU": "relu", "Sigmoid": "sigmoid", "Softplus": "softplus"}


@dataclasses.dataclass
class Saved:
    """What was found in a file.

    Attributes:
        tensors: by name.
        module: the class of a whole module that was pickled; None of a state dict.
        nonlinearity: of the module's recurrent layers, if it says one.
        parts: classes of the module's parts.
    """

    tensors: dict[str, Array]
    module: str | None = None
    nonlinearity: str | None = None
    parts: tuple[str, ...] = ()


def recognised(archive: dict[str, bytes]) -> bool:
    """Whether the entries of an archive are those of ``torch.save``."""
    return any(name.rpartition("/")[2] == "data.pkl" for name in archive)


def read(content: bytes, archive: dict[str, bytes] | None, said: Declaration) -> Saved:
    """The one state dict or module with recurrent weights that a file holds.

    Args:
        content: of the file.
        archive: its entries; None of a file before PyTorch 1.6.
        said: where to look.

    Raises:
        RNN2VecError: if there is none, or several, or the file is damaged.
    """
    root, storages = _legacy(content) if archive is None else _archive(archive)
    candidates = _candidates(root)
    found = {where: own for where, own in candidates if any(map(_RECURRENT.match, _tensors(own)))}
    if said.within is not None:
        if said.within not in found:
            raise RNN2VecError(f"within is one of {_quoted(found) or 'nothing'}; got {said.within!r}")
        found = {said.within: found[said.within]}
    if len(found) > 1:
        raise RNN2VecError(f"a file holds one network; got {_quoted(found)}: declare within, one of them")
    if not found:
        names = sorted({name for _, own in candidates for name in _tensors(own)})
        raise RNN2VecError(
            f"a recurrent layer has weight_ih and weight_hh; the file has {', '.join(names[:8]) or 'no tensors'}: "
            "is it the state of an optimiser?"
        )
    own = next(iter(found.values()))
    reader = _Numbers(storages, len(content))
    tensors = {name: reader.array(name, tensor) for name, tensor in _tensors(own).items()}
    if not isinstance(own, Thing):
        return Saved(tensors)
    parts = list(_parts(own))
    _require_plain(parts)
    kinds = {str(state["nonlinearity"]) for _, state in parts if isinstance(state.get("nonlinearity"), str)}
    return Saved(tensors, _class(own), next(iter(kinds)) if len(kinds) == 1 else None, tuple(name for name, _ in parts))


def _quoted(names: Mapping[str, Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _archive(found: dict[str, bytes]) -> tuple[Any, dict[str, bytes]]:
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


def _legacy(content: bytes) -> tuple[Any, dict[str, bytes]]:
    """Four pickles (a number, a version, the system, what was saved), the storages' names, then each one's numbers."""
    file = io.BytesIO(content)
    _, _, system, root, keys = (describe(file) for _ in range(5))
    if isinstance(system, dict) and not system.get("little_endian", True):
        raise RNN2VecError("numbers of torch.save are read with the lowest byte first; those of this file are not")
    sizes = {str(key[2]): _dtype(key).itemsize for key in _references(root)}
    storages = {}
    for key in keys if isinstance(keys, list) else []:
        header = file.read(8)
        count = struct.unpack("<q", header)[0] if len(header) == 8 else -1
        length = count * sizes.get(str(key), 0)
        if not 0 <= length <= len(content) - file.tell():
            raise RNN2VecError(f"storage {shown(key)} claims {count} numbers, more than the file has: it was truncated")
        storages[str(key)] = file.read(length)
    return root, storages


def _walk(root: Any, into_modules: bool = True) -> Iterator[tuple[str, Any]]:
    """All dictionaries and things, by where they are; each once, since objects may contain themselves."""
    stack, seen = [("", root, 0)], set()
    while stack:
        where, own, depth = stack.pop()
        if id(own) in seen or depth > _DEEPEST:
            continue
        seen.add(id(own))
        yield where, own
        if not into_modules and _is_module(own):
            continue
        inner: Any = own.state if isinstance(own, Thing) else own
        if isinstance(own, Thing) and inner is None:
            inner = own.arguments
        items = (
            inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, (list, tuple)) else ()
        )
        children = [
            (f"{where}.{key}" if where else str(key), value, depth + 1)
            for key, value in items
            if isinstance(value, (dict, list, tuple, Thing))
        ]
        stack += reversed(children)


def _references(root: Any) -> Iterator[tuple[Any, ...]]:
    for _, own in _walk(root):
        tensor = _tensor(own)
        if tensor is not None:
            yield tensor[0].key


def _candidates(root: Any) -> list[tuple[str, Any]]:
    """State dicts and modules; not those that are parts of a module."""
    found = []
    for where, own in _walk(root, into_modules=False):
        if _is_module(own) or (isinstance(own, dict) and any(_tensor(value) is not None for value in own.values())):
            found.append((where, own))
        if len(found) > MOST_CANDIDATES:
            raise RNN2VecError(f"a file holds at most {MOST_CANDIDATES} dictionaries of tensors, or modules; got more")
    return found


def _is_module(own: Any) -> bool:
    return (
        isinstance(own, Thing) and isinstance(own.state, dict) and ("_modules" in own.state or "training" in own.state)
    )


def _tensor(own: Any) -> tuple[Any, ...] | None:
    """Storage, offset, shape and strides of what would become a tensor or a parameter."""
    for _ in range(3):
        if not isinstance(own, Thing) or not isinstance(own.made_by, Name) or own.made_by.module != "torch._utils":
            return None
        if own.made_by.name in _REBUILT:
            parts = own.arguments[:4]
            return parts if len(parts) == 4 and isinstance(parts[0], Reference) else None
        if own.made_by.name not in _WRAPPED or not own.arguments:
            return None
        own = own.arguments[0]
    return None


def _tensors(own: Any) -> dict[str, tuple[Any, ...]]:
    """Tensors of a state dict, or of a module by the names that its state dict would have."""
    if isinstance(own, dict):
        listed = [(str(name), _tensor(value)) for name, value in own.items()]
        return {name: tensor for name, tensor in listed if tensor is not None}
    found: dict[str, tuple[Any, ...]] = {}
    for prefix, state in _states(own, "", 0, set()):
        groups = [state.get("_parameters"), state.get("_buffers")] if "_modules" in state else [state]
        for group in groups:
            for name, value in group.items() if isinstance(group, dict) else ():
                tensor = _tensor(value)
                if tensor is not None:
                    found[f"{prefix}{name}"] = tensor
    return found


def _states(own: Thing, prefix: str, depth: int, seen: set[int]) -> Iterator[tuple[str, dict[Any, Any]]]:
    if id(own) in seen or depth > _DEEPEST or not isinstance(own.state, dict):
        return
    seen.add(id(own))
    yield prefix, own.state
    inner = own.state.get("_modules", own.state)
    for name, part in inner.items() if isinstance(inner, dict) else ():
        if _is_module(part):
            yield from _states(part, f"{prefix}{name}.", depth + 1, seen)


def _parts(own: Thing) -> Iterator[tuple[str, dict[Any, Any]]]:
    """The class and attributes of a module and of each part."""
    stack: list[Thing] = [own]
    seen: set[int] = set()
    while stack:
        part = stack.pop()
        if id(part) in seen or not isinstance(part.state, dict):
            continue
        seen.add(id(part))
        yield _class(part), part.state
        inner = part.state.get("_modules", part.state)
        stack += [own for own in inner.values() if _is_module(own)] if isinstance(inner, dict) else []


def _class(own: Thing) -> str:
    """The class of a module; before PyTorch 1.6 it came with its source."""
    made_by = own.made_by
    if isinstance(made_by, Reference) and isinstance(made_by.key, tuple) and len(made_by.key) > 1:
        made_by = made_by.key[1]
    return str(made_by)[:200] if isinstance(made_by, Name) else "an unknown class"


def _require_plain(parts: list[tuple[str, dict[Any, Any]]]) -> None:
    for whole, state in parts:
        name = whole.rpartition(".")[2]
        if name in _MODULES and (state.get("bidirectional") or state.get("proj_size")):
            raise RNN2VecError(
                f"networks run in one direction and have no projection; {name} has "
                f"bidirectional={shown(state.get('bidirectional'))}, proj_size={shown(state.get('proj_size', 0))}"
            )


def require_plain(saved: Saved, said: Declaration) -> None:
    """Refuse a module whose parts do more than its layers: an activation that nobody declared, a softmax.

    Raises:
        RNN2VecError: if there is one.
    """
    declared = {said.output_activation, *(said.activations or ()), *(said.front_activations or ())}
    for part in saved.parts:
        name = part.rpartition(".")[2]
        known = name in _MODULES or name in _HARMLESS or _ACTIVATIONS.get(name) in declared or said.ignores(name)
        if "torch.nn.modules" in part and not known:
            raise RNN2VecError(
                f"a plain module is recurrent and linear layers; {saved.module} has a {name}, too: declare it "
                f"(activations, output_activation), or ignore=['{name}'] if its outputs are wanted without"
            )


def _dtype(key: Any) -> torch.dtype:
    """Of a storage, from ``('storage', class, key, location, count)``."""
    if not isinstance(key, tuple) or len(key) < 5 or not isinstance(key[1], Name):
        raise RNN2VecError(f"a storage says its class, key, place and size; got {shown(key)}")
    if key[1].name not in _STORAGES:
        raise RNN2VecError(f"tensors are of {', '.join(_STORAGES)}; got {key[1]}")
    return _STORAGES[key[1].name]


class _Numbers:
    """Arrays of tensors; all together they are at most a few times the file, whatever it claims."""

    def __init__(self, storages: dict[str, bytes], size: int) -> None:
        self.storages, self.left = storages, 4 * size
        self.flat: dict[
            tuple[str, torch.dtype], torch.Tensor
        ] = {}  # a storage is copied once, however often it is named

    def array(self, name: str, tensor: tuple[Any, ...]) -> Array:
        reference, offset, shape, strides = tensor
        dtype = _dtype(reference.key)
        key = str(reference.key[2])
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
