"""Tensors by torch.nn's names, from a file that has others: as a declaration says."""

from __future__ import annotations

import re

import numpy as np

from rnn2vec.architecture import GATES
from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.declaration import Declaration
from rnn2vec.errors import RNN2VecError

_BOTH = re.compile(r"weight_l(\d{1,4})")
_KNOWN = re.compile(
    r"(weight_ih|weight_hh|bias_ih|bias_hh|weight)_l\d{1,4}|[hc]0(_l\d{1,4})?|(linear|head_l\d{1,4})\.(weight|bias)"
    r"|embedding\.weight"
)


def renamed(tensors: dict[str, Array], said: Declaration, notes: list[str]) -> dict[str, Array]:
    """The tensors that are declared under their new names, and the others under their own.

    Raises:
        RNN2VecError: if a declared name is unknown, or a tensor that is named is missing or of another shape.
    """
    if unknown := [name for name in [*said.tensors, *said.masks] if not _KNOWN.fullmatch(name)]:
        raise RNN2VecError(
            "tensors are called weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 (or weight_l0 for [W_ih | W_hh]), "
            f"h0, c0, linear.weight, linear.bias, embedding.weight; got {', '.join(unknown)}"
        )
    named = {**said.tensors, **{f"the mask of {name}": own for name, own in said.masks.items()}}
    if missing := {name: own for name, own in named.items() if own not in tensors}:
        raise RNN2VecError(
            f"{', '.join(f'{own} ({name})' for name, own in missing.items())} is not in the file, which has "
            f"{', '.join(tensors)}"
        )
    gone = {*said.tensors.values(), *said.masks.values()}
    found = {name: values for name, values in tensors.items() if name not in gone}
    for name, own in said.tensors.items():
        if name in found:
            raise RNN2VecError(f"{name} is in the file already; it was declared to be {own}, too")
        found[name] = tensors[own]
        notes.append(f"as declared: {name} is {own}")
    for name, own in said.masks.items():
        if name not in found or found[name].shape != tensors[own].shape:
            raise RNN2VecError(f"a mask is of a tensor that is there and has its shape; {own} is not, of {name}")
        found[name] = found[name] * tensors[own]
        notes.append(f"folded: {name} is multiplied by {own}")
    if said.columns:
        found = {
            name: values.T if values.ndim == 2 and "weight" in name and not name.startswith("embedding") else values
            for name, values in found.items()
        }
    for name in [name for name in found if _BOTH.fullmatch(name)]:
        found |= _parted(name, found.pop(name), said)
    return found


def _parted(name: str, both: Array, said: Declaration) -> dict[str, Array]:
    """``[W_ih | W_hh]``, as in f(W [x, h] + b)."""
    gates = GATES[said.cell] if said.cell else 0
    size = both.shape[0] // gates if gates and both.ndim == 2 else 0
    if not size or both.shape[0] % gates or both.shape[1] <= size:
        raise RNN2VecError(
            f"{name} is [W_ih | W_hh] of a declared cell; got the shape {list(both.shape)}, cell={said.cell}"
        )
    layer = name.rpartition("_")[2]
    return {f"weight_ih_{layer}": both[:, :-size], f"weight_hh_{layer}": np.ascontiguousarray(both[:, -size:])}
