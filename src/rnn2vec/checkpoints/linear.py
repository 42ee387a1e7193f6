"""Linear layers among tensors with torch.nn's names: before the recurrent layers, and the head above them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.declaration import Declaration
from rnn2vec.checkpoints.layers import Dense
from rnn2vec.errors import RNN2VecError

_EMBEDDING = re.compile(r"(?<![A-Za-z])[Ee]mb|(?<![Uu]n)(Emb|embed)")
"""``emb``, ``tok_embed``, ``wordEmbedding``, ``wordembedding``; not ``member``, ``ensemble``, ``unembed``."""


def quoted(names: Iterable[str]) -> str:
    """Names as messages list them."""
    return ", ".join(f"'{name}'" for name in names)


def embeddings(tensors: dict[str, Array], said: Declaration) -> list[str]:
    """The embedding that was declared, or tensors that are called so.

    Raises:
        RNN2VecError: if what was declared is not there.
    """
    if said.embedding is not None:
        if said.embedding not in tensors:
            raise RNN2VecError(f"embedding names one of the tensors, {quoted(tensors)}; got {said.embedding!r}")
        return [said.embedding]
    return [n for n, v in tensors.items() if _EMBEDDING.search(n) and n.endswith("weight") and v.ndim == 2]


def linear_layers(
    tensors: dict[str, Array],
    said: Declaration,
    sizes: tuple[int, int],
    ordered: bool,
    used: set[str],
    notes: list[str],
) -> tuple[list[Dense], list[Dense]]:
    """The layers before the recurrent ones, and the head.

    Args:
        tensors: by name, in the file's order.
        said: which they are, and what comes after each.
        sizes: what the first recurrent layer reads, and what the last says.
        ordered: whether the order of tensors is the one in which the layers were made.
        used: names of tensors that were read; those of the layers are added.
        notes: of what was done.

    Raises:
        RNN2VecError: if there are several readings, or layers do not fit.
    """
    tables = embeddings(tensors, said)
    linear = {
        name.removesuffix("weight").removesuffix("."): name
        for name, values in tensors.items()
        if name not in used and name not in tables and values.ndim == 2 and name.rpartition(".")[2] == "weight"
    }
    for option, chosen in (("front", said.front), ("head", said.head)):
        if unknown := [prefix for prefix in chosen or () if prefix not in linear]:
            raise RNN2VecError(f"{option} names some of {quoted(linear) or 'none'}; got {quoted(unknown)}")
    before = list(said.front or ())
    left = [prefix for prefix in linear if prefix not in before]
    if said.head is None:
        _require_one_reading(left, linear, tensors, said, sizes, ordered, bool(tables))
        after = left
    else:
        after = list(said.head)
        for prefix in [prefix for prefix in left if prefix not in after]:
            names = [name for name in (linear[prefix], _bias(prefix)) if name in tensors]
            used.update(names)
            notes.append(f"ignored: {', '.join(names)}, since another head was declared")
    front = _chain(before, said.front_activations, "front_activations", len(before), linear, tensors, used, notes)
    head = _chain(after, said.activations, "activations", max(len(after) - 1, 0), linear, tensors, used, notes)
    if front and front[-1].says != sizes[0]:
        raise RNN2VecError(f"the recurrent layers read {sizes[0]} numbers; {before[-1]} says {front[-1].says}")
    if head:
        head[-1].activation = said.output_activation
        if head[0].reads != sizes[1]:
            raise RNN2VecError(
                f"a head reads what the recurrent layers say, {sizes[1]} numbers; {after[0]} reads {head[0].reads}: is "
                "it before them (declare front), or no part of the network (ignore)?"
            )
    elif said.output_activation != "identity":
        raise RNN2VecError(
            f"output_activation follows a head; there is none, and {said.output_activation} was declared"
        )
    return front, head


def _require_one_reading(
    left: list[str],
    linear: dict[str, str],
    tensors: dict[str, Array],
    said: Declaration,
    sizes: tuple[int, int],
    ordered: bool,
    embedded: bool,
) -> None:
    if len(left) > 1 and (said.activations is None or not ordered):
        raise RNN2VecError(
            f"several linear layers may be the head, {quoted(left)}: declare head, those in use in their order, such "
            f"as head=['{left[0]}'], with more than one activations, what comes between them, and front, those before "
            "the recurrent layers"
        )
    places = {name: place for place, name in enumerate(tensors)}
    recurrent = min(place for name, place in places.items() if "weight_hh" in name)
    where = "stands before the recurrent layers in the file" if ordered else "the file keeps no order"
    for prefix in left:
        if linear[prefix] in said.tensors:  # it was declared to be the head
            continue
        if ordered and places[linear[prefix]] > recurrent:
            continue
        says, reads = tensors[linear[prefix]].shape
        if reads == sizes[0] and _bias(prefix) not in tensors and not embedded:
            raise RNN2VecError(
                f"'{prefix}' may be an embedding, since it has no bias and {where}: declare "
                f"embedding='{linear[prefix]}' or head=['{prefix}']"
            )
        if (reads, says) == sizes[::-1]:
            raise RNN2VecError(
                f"'{prefix}' fits before the recurrent layers as well as after them, and {where}: declare "
                f"head=['{prefix}'] or front=['{prefix}']"
            )


def _bias(prefix: str) -> str:
    return f"{prefix}.bias" if prefix else "bias"


def _chain(
    prefixes: Sequence[str],
    activations: tuple[str, ...] | None,
    option: str,
    count: int,
    linear: dict[str, str],
    tensors: dict[str, Array],
    used: set[str],
    notes: list[str],
) -> list[Dense]:
    """Layers one after the other; the activation of the last of a head is set by the caller."""
    said = activations or ()
    if len(said) != count:
        raise RNN2VecError(
            f"activations of linear layers are not in their weights: declare {option}, {count} of them for "
            f"{quoted(prefixes) or 'no layers'} ('identity' for none); got {list(said)}"
        )
    made: list[Dense] = []
    for place, prefix in enumerate(prefixes):
        weight = tensors[linear[prefix]]
        bias = tensors.get(_bias(prefix))
        if bias is None:
            notes.append(f"{prefix} has no bias: zeros")
            bias = np.zeros(len(weight))
        below = made[-1].says if made else weight.shape[1]
        if weight.shape[1] != below or bias.shape != (len(weight),):
            raise RNN2VecError(
                f"a linear layer reads what the one below says, {below} numbers, and has a bias a row; {prefix} is "
                f"{list(weight.shape)} with {list(bias.shape)}"
            )
        used.update({linear[prefix], _bias(prefix)} & tensors.keys())
        made.append(Dense(weight, bias, said[place] if place < count else "identity"))
    return made
