"""Layers from tensors with torch.nn's names: which are recurrent, which are a head, and what is neither.

Names and shapes say what layers there are, never how ``forward`` used them. Whatever has two readings is refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

import numpy as np

from rnn2vec.architecture import GATES, NONLINEARITIES
from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.declaration import Declaration
from rnn2vec.checkpoints.layers import Described, Layer, Recurrent, reordered
from rnn2vec.checkpoints.linear import embeddings, linear_layers, quoted
from rnn2vec.checkpoints.parametrised import plain
from rnn2vec.checkpoints.renamed import renamed
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

_RECURRENT = re.compile(r"(?P<prefix>.*?)(?P<part>weight_ih|weight_hh|bias_ih|bias_hh)(_l(?P<layer>\d{1,4}))?$")
_BACKWARD = re.compile(r".*(weight|bias)_(ih|hh)_l\d+_reverse$")
_PROJECTED = re.compile(r".*weight_hr_l\d+$")
_STATE = re.compile(r"[hc]0(_l\d{1,4})?")
_CELLS = {4: "lstm", 3: "gru", 1: "elman"}


def describe(tensors: dict[str, Array], said: Declaration, ordered: bool) -> Described:
    """The network that tensors by name are.

    Args:
        tensors: by name.
        said: what is declared of them.
        ordered: whether their order is the one in which the layers were made.

    Raises:
        RNN2VecError: if there is none, it cannot be represented, or there are several readings; the message names the
            candidates and the option that chooses.
    """
    notes: list[str] = []
    named = renamed({name: values for name, values in tensors.items() if not said.ignores(name)}, said, notes)
    if gone := [name for name in tensors if said.ignores(name)]:
        notes.append(f"ignored, as declared: {', '.join(gone)}")
    for name, values in named.items():
        if not np.isfinite(values).all():
            raise RNN2VecError(
                f"{name} holds finite numbers; got NaN or infinity: the training diverged, or it is damaged"
            )
    kept = plain(named, notes)
    if quantised := [name for name, values in kept.items() if values.dtype.kind != "f" and values.ndim]:
        raise RNN2VecError(
            f"weights are floats; {_listed(quantised)} holds whole numbers, as quantised weights do, whose scale is "
            "not known: save them as floats, or declare ignore, if the network does without them"
        )
    _refuse_known(kept)
    stacks = _stacks(kept)
    if not stacks:
        raise RNN2VecError(
            f"a recurrent layer has weight_ih and weight_hh; got only {_listed(tensors) or 'no tensors'}: is it the "
            "state of an optimiser, or are the names others (declare tensors)?"
        )
    used: set[str] = set()
    chosen = _chosen(stacks, kept, said, notes)
    recurrent: list[Recurrent] = []
    for prefix in chosen:
        recurrent += _layers(prefix, stacks[prefix], kept, said, notes, used)
    left = [prefix for prefix in stacks if prefix not in chosen]
    for prefix in left:
        own = [name for numbered in stacks[prefix].values() for name in numbered.values()]
        used.update(own)
        notes.append(f"ignored: the recurrent layers {prefix or 'without a prefix'}, since others were declared")
    _start(recurrent, kept, used)
    front, head = linear_layers(kept, said, (recurrent[0].reads, recurrent[-1].says), ordered, used, notes)
    embedding = _embedding(kept, said, (front or recurrent)[0].reads, used)
    if unread := [name for name in kept if name not in used]:
        raise RNN2VecError(
            f"every tensor is read, or ignored by name; these are neither: {_listed(unread)}: declare ignore, if the "
            "network does without them"
        )
    layers: list[Layer] = [*front, *recurrent, *head]
    return Described(layers, said.skip, embedding=embedding, notes=notes)


def _listed(names: Iterable[str], most: int = 12) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} others" if len(names) > most else "")


def _refuse_known(tensors: dict[str, Array]) -> None:
    """Refuse by name what is no recurrent layer and no linear head."""
    for name, values in tensors.items():
        prefix, last = name.rpartition(".")[0], name.rpartition(".")[2]
        other = tensors.get(f"{prefix}.bias")
        kind = ""
        if _BACKWARD.match(name):
            kind = "a bidirectional layer"
        elif _PROJECTED.match(name):
            kind = "a projection of the hidden state (proj_size)"
        elif last.startswith("running_"):
            kind = "batch normalisation"
        elif last.startswith("in_proj_"):
            kind = "attention"
        elif last == "weight" and values.ndim > 2:
            kind = "a convolution"
        elif last == "weight" and values.ndim == 1 and other is not None and other.shape == values.shape:
            kind = "a normalisation"
        if kind:
            raise RNN2VecError(f"networks are recurrent layers and a head, in one direction; {name} is {kind}")


Numbered = dict[int, dict[str, str]]
"""Names of a stack's tensors by their part, by layer."""


def _stacks(tensors: dict[str, Array]) -> dict[str, Numbered]:
    found: dict[str, Numbered] = {}
    for name in tensors:
        match = _RECURRENT.match(name)
        if match and (not match["prefix"] or match["prefix"].endswith(".")):
            own = found.setdefault(match["prefix"].removesuffix("."), {})
            own.setdefault(int(match["layer"] or 0), {})[match["part"]] = name
    return found


def _sizes(prefix: str, stack: Numbered, tensors: dict[str, Array]) -> tuple[int, int]:
    """Inputs of a stack's first layer and H of its last."""
    first, last = stack[min(stack)], stack[max(stack)]
    for own, part in ((first, "weight_ih"), (last, "weight_hh")):
        if part not in own or tensors[own[part]].ndim != 2:
            raise RNN2VecError(f"a recurrent layer has matrices weight_ih and weight_hh; {prefix or 'it'} has {own}")
    return tensors[first["weight_ih"]].shape[1], tensors[last["weight_hh"]].shape[1]


def _chosen(stacks: dict[str, Numbered], tensors: dict[str, Array], said: Declaration, notes: list[str]) -> list[str]:
    if said.recurrent is not None:
        if unknown := [prefix for prefix in said.recurrent if prefix not in stacks]:
            raise RNN2VecError(f"recurrent names some of {quoted(stacks)}; got {quoted(unknown)}")
        if len({*said.recurrent}) < len(said.recurrent):
            raise RNN2VecError(f"recurrent names each layer once; got {quoted(said.recurrent)}")
        return list(said.recurrent)
    if len(stacks) == 1:
        return list(stacks)
    in_turn = _in_turn(stacks, tensors)
    if in_turn is not None:
        notes.append(f"stacked in the order of their numbers, which fits their sizes: {', '.join(in_turn)}")
        return in_turn
    raise RNN2VecError(
        f"the order of several recurrent layers is not in their names; got {quoted(stacks)}: declare recurrent, those "
        f"that follow each other from the input up, such as recurrent=[{quoted(stacks)}]"
    )


def _in_turn(stacks: dict[str, Numbered], tensors: dict[str, Array]) -> list[str] | None:
    """Stacks whose names differ in a number at their end, by that number, if their sizes fit in no other way."""
    parted = {prefix: re.fullmatch(r"(.*?)(\d{0,4})", prefix) for prefix in stacks}
    if len({match[1] for match in parted.values() if match}) != 1:
        return None
    order = sorted(stacks, key=lambda prefix: int(((match := parted[prefix]) and match[2]) or 0))
    sizes = [_sizes(prefix, stacks[prefix], tensors) for prefix in order]
    fits = all(above[0] == below[1] for below, above in itertools.pairwise(sizes))
    return order if fits and sizes[0][0] not in {size for _, size in sizes} else None


def _layers(
    prefix: str, stack: Numbered, tensors: dict[str, Array], said: Declaration, notes: list[str], used: set[str]
) -> list[Recurrent]:
    if sorted(stack) != list(range(len(stack))):
        raise RNN2VecError(f"layers are numbered from 0 on; {prefix or 'the file'} has {sorted(stack)}")
    _sizes(prefix, stack, tensors)
    made = []
    for number in range(len(stack)):
        own = {part: tensors[name] for part, name in stack[number].items()}
        used.update(stack[number].values())
        where = f"layer {number} of {prefix}" if prefix else f"layer {number}"
        missing = [part for part in ("weight_ih", "weight_hh") if part not in own or own[part].ndim != 2]
        if missing:
            raise RNN2VecError(f"a recurrent layer has matrices weight_ih and weight_hh; {where} lacks {missing[0]}")
        rows, size = own["weight_hh"].shape
        found = _CELLS.get(rows // size) if size and rows % size == 0 else None
        cell = said.cell or found
        if cell is None or rows != GATES[cell] * size:
            raise RNN2VecError(
                f"weight_hh has the shape [4 H, H] for LSTM, [3 H, H] for GRU, [H, H] otherwise; that of {where} is "
                f"{[rows, size]}" + (f", and cell={said.cell} was declared" if said.cell else "")
            )
        for part in ("bias_ih", "bias_hh"):
            if part not in own:
                notes.append(f"{where} has no {part}: zeros")
            own.setdefault(part, np.zeros(rows))
        for part, values in own.items():
            if values.shape[0] != rows or values.ndim != (2 if part.startswith("weight") else 1):
                raise RNN2VecError(f"{part} of {where} has {rows} rows; got the shape {list(values.shape)}")
        if said.gates is not None:
            own = {part: reordered(values, said.gates, cell) for part, values in own.items()}
        made.append(_recurrent(where, cell, own, size, said))
    return made


def _recurrent(where: str, cell: str, own: dict[str, Array], size: int, said: Declaration) -> Recurrent:
    of_cell = {
        "nonlinearity": len(NONLINEARITIES[cell]) > 1, "reset": cell == "gru", "leak": cell == "leaky",
        "rate": cell == "leaky",
    }  # fmt: skip
    if unused := [name for name, has in of_cell.items() if not has and getattr(said, name) is not None]:
        raise RNN2VecError(f"{cell} cells, as {where} has, have no choice of {unused[0]}; it was declared")
    choices = NONLINEARITIES[cell]
    if len(choices) > 1 and said.nonlinearity not in choices:
        raise RNN2VecError(
            f"the nonlinearity of {cell} cells is not in their weights: declare nonlinearity, {' or '.join(choices)}; "
            f"got {shown(said.nonlinearity)} for {where}"
        )
    if cell == "leaky" and (said.leak is None or said.rate is None):
        raise RNN2VecError(
            "how a network leaks is not in its weights: declare leak, outside or inside the nonlinearity, and rate, "
            f"the step over the time constant; got leak={said.leak}, rate={said.rate}"
        )
    leaky = cell == "leaky"
    return Recurrent(
        cell,
        own["weight_ih"],
        own["weight_hh"],
        own["bias_ih"],
        own["bias_hh"],
        said.nonlinearity if len(choices) > 1 and said.nonlinearity else choices[0],
        said.reset or "after" if cell == "gru" else "after",
        said.leak or "outside" if leaky else "outside",
        np.full(size, said.rate) if leaky else None,
    )


def _start(recurrent: list[Recurrent], tensors: dict[str, Array], used: set[str]) -> None:
    """Initial states: ``h0``, ``c0`` of all layers ``[L, H]``, or of one, ``h0_l0``."""
    for name in [name for name in tensors if _STATE.fullmatch(name)]:
        values, kind, number = tensors[name], name[:2], name.partition("_l")[2]
        used.add(name)
        rows = values.reshape(-1, values.shape[-1]) if values.ndim else values[None, None]
        wanted = [int(number)] if number else list(range(len(recurrent)))
        if len(rows) != len(wanted) or max(wanted) >= len(recurrent):
            raise RNN2VecError(f"{name} has a row for each of {len(recurrent)} layers; got {list(values.shape)}")
        for layer, row in zip(wanted, rows, strict=True):
            own = recurrent[layer]
            if getattr(own, kind) is not None:
                raise RNN2VecError(f"a layer starts from one state; {kind} and {kind}_l{layer} are both in the file")
            if len(row) != own.says or (kind == "c0" and own.cell != "lstm"):
                raise RNN2VecError(f"{name} is a state of {own.cell} cells, {own.says}; got {list(values.shape)}")
            setattr(own, kind, row)


def _embedding(tensors: dict[str, Array], said: Declaration, reads: int, used: set[str]) -> Array | None:
    names = embeddings(tensors, said)
    if len(names) > 1:
        raise RNN2VecError(f"a network has one embedding; got {quoted(names)}: declare embedding")
    if not names:
        return None
    values = tensors[names[0]]
    if values.ndim != 2 or values.shape[1] != reads:
        raise RNN2VecError(f"an embedding has the shape [tokens, {reads}]; {names[0]} is {list(values.shape)}")
    used.add(names[0])
    return values
