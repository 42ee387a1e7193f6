"""Declaration: what a user says of a file that the file does not."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rnn2vec.architecture import ACTIVATIONS, GATES, LEAKS, RESETS
from rnn2vec.checkpoints.arrays import array
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number, sequence, shown
from rnn2vec.files import read_json, read_toml
from rnn2vec.interface import Interface

DTYPES = {"float32": torch.float32, "float64": torch.float64}
COMMON = ("name", "interface", "dtype")
"""What may be declared of every file."""

KNOB = ("knob", "assume_plain")
"""What is said of many files at once, where only some have a knob or are modules."""
TENSORS = (
    "tensors", "ignore", "masks", "recurrent", "front", "front_activations", "head", "activations",
    "output_activation", "embedding", "cell", "nonlinearity", "reset", "leak", "rate", "gates", "columns", "skip",
    "assume_plain", "knob",
)  # fmt: skip
"""What may be declared of tensors by name."""

NESTED = (*TENSORS, "within")
"""Likewise, in a file that may hold several of them."""


@dataclasses.dataclass(frozen=True)
class Declaration:
    """Everything that can be said; None where nothing was.

    Attributes:
        name: of the network; the file's name without its suffix by default.
        interface: what goes in and what comes out; in a file, as :meth:`rnn2vec.Interface.to_dict` writes it.
        dtype: ``float32`` (default) or ``float64``, of the networks' weights.
        knob: positions of all inputs but the first, a number or a list of them each; one network is made for each.
        tensors: names in the file by the names of :meth:`rnn2vec.Architecture.parameter_shapes`; ``h0`` and ``c0`` of
            all layers ``[L, H]`` too, and ``weight_l0`` for ``[W_ih | W_hh]`` in one.
        ignore: names, or patterns of them (``*/Adam*``), that are no part of the network.
        masks: names of what to multiply tensors by, by the same names as ``tensors``.
        within: where in a nested file the weights are, as ``ema.state_dict``.
        recurrent: prefixes of the recurrent layers, from the input up.
        front: prefixes of linear layers before the recurrent ones, in order.
        front_activations: one after each of them.
        head: prefixes of the head's linear layers, in order.
        activations: one after each linear layer of the head but the last.
        output_activation: after the last.
        embedding: the name of an embedding ``[tokens, E]``.
        cell: ``lstm``, ``gru``, ``elman`` or ``leaky``.
        nonlinearity: of Elman and leaky cells.
        reset: of a GRU, ``after`` or ``before`` the recurrent product.
        leak: ``outside`` or ``inside`` the nonlinearity.
        rate: a of a leaky cell, a number, dt / tau.
        gates: the order of gates in the file, a letter each, such as ``ifco``.
        columns: whether matrices are ``[in, out]``, as Keras and TensorFlow have them.
        skip: whether the first inputs are added to the outputs.
        assume_plain: take a whole pickled module for its layers one after the other.
    """

    name: str | None = None
    interface: Interface | None = None
    dtype: str = "float32"
    knob: tuple[tuple[float, ...], ...] | None = None
    tensors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    masks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    within: str | None = None
    recurrent: tuple[str, ...] | None = None
    front: tuple[str, ...] | None = None
    front_activations: tuple[str, ...] | None = None
    head: tuple[str, ...] | None = None
    activations: tuple[str, ...] | None = None
    output_activation: str = "identity"
    embedding: str | None = None
    cell: str | None = None
    nonlinearity: str | None = None
    reset: str | None = None
    leak: str | None = None
    rate: float | None = None
    gates: str | None = None
    columns: bool = False
    skip: bool = False
    assume_plain: bool = False

    def __post_init__(self) -> None:
        if self.interface is not None and not isinstance(self.interface, Interface):
            object.__setattr__(self, "interface", Interface.from_dict(self.interface))
        for field, choices in {
            "dtype": tuple(DTYPES), "cell": tuple(GATES), "reset": RESETS, "leak": LEAKS,
            "output_activation": ACTIVATIONS,
        }.items():  # fmt: skip
            value = getattr(self, field)
            if value is not None and (not isinstance(value, str) or value not in choices):
                raise RNN2VecError(f"{field} is one of {', '.join(choices)}; got {shown(value)}")
        for field in ("name", "within", "embedding", "nonlinearity", "gates"):
            if not isinstance(getattr(self, field), str | None):
                raise RNN2VecError(f"{field} is a text; got {shown(getattr(self, field))}")
        for field in ("columns", "skip", "assume_plain"):
            if not isinstance(getattr(self, field), bool):
                raise RNN2VecError(f"{field} is True or False; got {shown(getattr(self, field))}")
        for field in ("ignore", "recurrent", "front", "front_activations", "head", "activations"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, _texts(field, getattr(self, field)))
        for field in ("tensors", "masks"):
            value = getattr(self, field)
            if not isinstance(value, Mapping) or not all(
                isinstance(part, str) for item in value.items() for part in item
            ):
                raise RNN2VecError(f"{field} are names of tensors by name; got {shown(value)}")
        if self.rate is not None and number("rate", self.rate) > 1:
            raise RNN2VecError(f"the rate of a leak is from 0 to 1, the step over the time constant; got {self.rate}")
        if self.knob is not None:
            object.__setattr__(self, "knob", _positions(self.knob))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Declaration:
        """A declaration of fields by name.

        Raises:
            RNN2VecError: if a field is unknown or of another kind.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(map(str, set(values) - set(known))):
            raise RNN2VecError(f"what can be declared is {', '.join(known)}; got {', '.join(unknown)}")
        return cls(**values)

    def ignores(self, name: str) -> bool:
        """Whether a tensor was declared to be no part of the network."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.ignore)

    def require_within(self, allowed: tuple[str, ...], what: str) -> None:
        """Refuse a declaration of what a format says itself.

        Raises:
            RNN2VecError: if there is one.
        """
        blank = Declaration()
        said = {
            field.name for field in dataclasses.fields(self) if getattr(self, field.name) != getattr(blank, field.name)
        }
        if wrong := sorted(said - set(COMMON) - set(allowed)):
            raise RNN2VecError(
                f"what can be declared of {what} is {', '.join([*COMMON, *allowed])}; got {', '.join(wrong)}"
            )


def declaration_of(path: Path, declared: Mapping[str, Any], suffixes: tuple[str, ...] = (".toml",)) -> Declaration:
    """What is declared of a file: by arguments, and in a file of the same name beside it.

    Args:
        path: of the file.
        declared: by arguments, which go first.
        suffixes: of the declaration beside it.

    Raises:
        RNN2VecError: if there are two beside it, one is not valid, or a field is unknown or of another kind.
    """
    found, values = _beside(path, suffixes)
    if found is not None:
        try:
            Declaration.of(values)
        except RNN2VecError as error:
            raise RNN2VecError(f"{found.name} beside it is read as its declaration: {error}") from error
    return Declaration.of({**values, **declared})


def _beside(path: Path, suffixes: tuple[str, ...]) -> tuple[Path | None, dict[str, Any]]:
    places = [path.with_suffix(suffix) for suffix in suffixes]
    found = [place for place in places if place != path and place.exists()]
    if len(found) > 1:
        raise RNN2VecError(f"a file has one declaration beside it; got {found[0]} and {found[1].name}")
    if not found:
        return None, {}
    return found[0], values_in(found[0])


def values_in(path: Path) -> dict[str, Any]:
    """The names and values of a ``.toml`` or ``.json``.

    Raises:
        RNN2VecError: if it cannot be read or is not valid.
    """
    return (read_toml if path.suffix == ".toml" else read_json)(path, "the declaration")


def _texts(name: str, value: object) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else sequence(name, value)
    if not all(isinstance(text, str) for text in texts):
        raise RNN2VecError(f"{name} are texts; got {shown(value)}")
    return tuple(map(str, texts))


def _positions(value: object) -> tuple[tuple[float, ...], ...]:
    listed = sequence("knob", [value] if isinstance(value, (int, float)) else value)
    rows = [own if isinstance(own, (list, tuple)) else (own,) for own in listed]
    if not rows:
        raise RNN2VecError("a knob has at least one position; got none")
    found = tuple(tuple(map(float, array("a knob position", row, None))) for row in rows)
    if len(set(found)) < len(found):
        raise RNN2VecError(f"the positions of a knob differ; got {shown(value)}")
    return found
