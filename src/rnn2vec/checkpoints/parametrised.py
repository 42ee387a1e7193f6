"""Weights that a file holds in parts: weight norm, pruning, weight drop, each made the weight that its layer uses."""

from __future__ import annotations

import numpy as np

from rnn2vec.checkpoints.arrays import Array
from rnn2vec.errors import RNN2VecError

_MADE = "parametrizations."


def plain(tensors: dict[str, Array], notes: list[str]) -> dict[str, Array]:
    """Tensors by the names that the layers use.

    Raises:
        RNN2VecError: if parts are missing, of shapes that do not fit, or of a parametrisation that is not known.
    """
    found = dict(tensors)
    for name in tensors:
        if name not in found:
            continue
        if name.endswith("_g"):
            _norm(found, notes, name[:-2], name, f"{name[:-2]}_v")
        elif name.endswith("_orig"):
            _pruned(found, notes, name.removesuffix("_orig"))
        elif name.endswith("_raw"):
            target = name.removesuffix("_raw")
            found.pop(target, None)  # a copy with some of its entries dropped, of the last step of training
            found[target] = found.pop(name)
            notes.append(f"weight drop: {target} is {name}")
        elif _MADE in name:
            _new_style(found, notes, name)
    return {name: found[name] for name in _order(tensors, found)}


def _order(tensors: dict[str, Array], found: dict[str, Array]) -> dict[str, None]:
    """The names found, where their parts were in the file."""
    order: dict[str, None] = {}
    for name in tensors:
        base = name.replace(_MADE, "")
        for ending in (".original0", ".original1", "_g", "_v", "_orig", "_mask", "_raw"):
            base = base.removesuffix(ending)
        order |= {candidate: None for candidate in (name, base) if candidate in found}
    return order


def _norm(found: dict[str, Array], notes: list[str], target: str, size: str, direction: str) -> None:
    if direction not in found:
        return  # no weight norm; whoever reads the layers says that it is not known
    _require_once(found, target, direction)
    g, v = found.pop(size), found.pop(direction)
    long = [axis for axis, length in enumerate(g.shape) if length > 1]
    if g.size == 1:  # of all of it, or of its only row or column
        fits, axes = g.ndim != v.ndim or 1 in v.shape, tuple(range(v.ndim))
    else:
        fits = g.ndim == v.ndim and len(long) == 1 and g.shape[long[0]] == v.shape[long[0]]
        axes = tuple(axis for axis in range(v.ndim) if axis not in long)
    if not fits:
        raise RNN2VecError(
            f"weight norm of {target} has one size, or one for each row or column; got {list(g.shape)} for "
            f"{list(v.shape)}"
        )
    norm = np.sqrt((v * v).sum(axis=axes, keepdims=True))
    if not norm.all():
        raise RNN2VecError(f"weight norm divides by the norm of {direction}; it is zero")
    found[target] = v * (g.reshape(norm.shape) / norm)
    notes.append(f"folded: weight norm of {target}")


def _require_once(found: dict[str, Array], target: str, part: str) -> None:
    if target in found:
        raise RNN2VecError(f"a weight is in a file once; got {target} and {part}")


def _pruned(found: dict[str, Array], notes: list[str], target: str) -> None:
    orig, mask = found[f"{target}_orig"], found.get(f"{target}_mask")
    if f"{target}_u" in found:
        raise RNN2VecError(f"{target} has spectral norm, which is not read: save the weights as the layer uses them")
    if mask is None or mask.shape != orig.shape:
        raise RNN2VecError(
            f"pruning has a mask of the weight's shape; {target}_mask is {None if mask is None else mask.shape}"
        )
    _require_once(found, target, f"{target}_orig")
    del found[f"{target}_orig"], found[f"{target}_mask"]
    found[target] = orig * mask
    notes.append(f"folded: the mask of pruning of {target}")


def _new_style(found: dict[str, Array], notes: list[str], name: str) -> None:
    base, _, part = name.rpartition(".")
    target = base.replace(_MADE, "")
    if part not in ("original0", "original1") or f"{base}.original0" not in found or f"{base}.original1" not in found:
        raise RNN2VecError(
            f"the only parametrisation that is read is weight norm, of original0 and original1; {target} has another "
            f"({name}): save the weights as the layer uses them"
        )
    _norm(found, notes, target, f"{base}.original0", f"{base}.original1")
