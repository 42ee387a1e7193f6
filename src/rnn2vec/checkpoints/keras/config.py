"""The ``config`` of a Keras model, of versions 2 and 3: the layers of a chain, or the reason why it is none."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from rnn2vec.checkpoints.arrays import field, mapping
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

MODELS = ("Sequential", "Functional", "Model")
FUNCTIONAL = MODELS[1:]


@dataclasses.dataclass(frozen=True)
class Configured:
    """A layer as Keras configures it: its class, its name in the model, its fields, and what it is called with."""

    kind: str
    name: str
    fields: dict[str, Any]
    options: tuple[str, ...] = ()
    """Names of what its call is given beside its inputs."""

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"

    def get(self, option: str, default: Any) -> Any:
        """A field, or what it is if it is not there."""
        return self.fields.get(option, default)

    def require(self, **options: Any) -> None:
        """Refuse what computes something else.

        Raises:
            RNN2VecError: if a field is there and is another.
        """
        for option, wanted in options.items():
            found = self.get(option, wanted)
            if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
                raise RNN2VecError(f"{self} is read with {option} {shown(wanted)}; the file has {shown(found)}")

    def inner(self, option: str) -> Configured:
        """The layer that a wrapper holds.

        Raises:
            RNN2VecError: if there is none.
        """
        return _configured(field(self.fields, option), f"the {option} of {self}")


def chain(text: str | bytes) -> tuple[list[Configured], list[Configured]]:
    """The layers one after the other from the input up, and all layers in the file's order, which counts their names.

    Raises:
        RNN2VecError: if it is no valid config, or layers branch, are shared, or are models themselves.
    """
    try:
        model = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RNN2VecError(
            f"the config of the model is not valid JSON ({error}): it was truncated or altered"
        ) from error
    model = mapping("the config of the model", model)
    kind, config = field(model, "class_name"), field(model, "config")
    if kind not in MODELS:
        raise RNN2VecError(
            f"a Keras model is Sequential or Functional; this one is {shown(kind)}, whose code is not known"
        )
    entries = config if isinstance(config, list) else field(mapping("the config of the model", config), "layers")
    if not isinstance(entries, list):
        raise RNN2VecError(f"the layers of a model are a list; got {type(entries).__name__}")
    listed = [_configured(entry, f"layer {place}") for place, entry in enumerate(entries)]
    if len({layer.name for layer in listed}) < len(listed):
        raise RNN2VecError("the layers of a model have different names; two are alike")
    return (_connected(config, entries, listed) if kind in FUNCTIONAL else listed), listed


def _configured(entry: object, what: str) -> Configured:
    values = mapping(what, entry)
    kind, fields = field(values, "class_name"), mapping(what, field(values, "config"))
    name = values.get("name", fields.get("name"))
    if not isinstance(kind, str) or not isinstance(name, str):
        raise RNN2VecError(f"{what} has a class and a name; got {shown(kind)} and {shown(name)}")
    registered = values.get("registered_name")
    if registered not in (None, kind):
        raise RNN2VecError(f"{what} is {shown(registered)}, a layer of somebody's own, whose code is not known")
    nodes = values.get("inbound_nodes")
    given = _options(nodes if isinstance(nodes, list) else [])
    options = tuple(option for option, own in given if own is not None and own is not False and not _sources(own, 0))
    return Configured(kind, name, fields, options)


def _connected(config: dict[str, Any], entries: list[dict[str, Any]], listed: list[Configured]) -> list[Configured]:
    """From the output of a functional model down to its input."""
    below = {layer.name: _inbound(layer, entry) for layer, entry in zip(listed, entries, strict=True)}
    named = {layer.name: layer for layer in listed}
    (first,), (last,) = (_names(config, option) for option in ("input_layers", "output_layers"))
    found: list[Configured] = []
    at: str | None = last
    while at is not None:
        if at not in named or named[at] in found:
            raise RNN2VecError(f"the layers of a functional model form a chain; {shown(at)} breaks it")
        found.append(named[at])
        at = below[at]
    if len(found) < len(listed) or found[-1].name != first:
        others = sorted(named.keys() - {layer.name for layer in found})
        raise RNN2VecError(f"the layers of a functional model form a chain without branches; beside it are {others}")
    return found[::-1]


def _inbound(layer: Configured, entry: dict[str, Any]) -> str | None:
    """What a layer reads: None for an input."""
    nodes = entry.get("inbound_nodes", [])
    sources = _sources(nodes, 0)
    if not isinstance(nodes, list) or len(nodes) > 1 or len(sources) > 1:
        raise RNN2VecError(f"a layer of a chain reads one other, once; {layer} reads {sources or shown(nodes)}")
    return sources[0] if sources else None


def _options(nodes: list[Any]) -> Iterator[tuple[str, Any]]:
    """What a call gives a layer beside its inputs: a constant initial state or mask, or training."""
    for node in nodes:
        if isinstance(node, dict):  # Keras 3
            args, options = node.get("args", []), mapping("the options of a call", node.get("kwargs", {}))
            yield from ((f"argument {place}", given) for place, given in enumerate(args) if place)
            yield from options.items()
        else:
            for call in node if isinstance(node, list) else []:
                if isinstance(call, list) and len(call) > 3:
                    yield from mapping("the options of a call", call[3]).items()


def _sources(value: Any, depth: int) -> list[str]:
    """Names of layers in a node: ``["name", 0, 0, ...]`` of Keras 2, ``keras_history`` of Keras 3."""
    if depth > 20:
        raise RNN2VecError("the nodes of a functional model are nested a few times; these are without end")
    if isinstance(value, dict):
        return [name for own in value.values() for name in _sources(own, depth + 1)]
    if not isinstance(value, list):
        return []
    if len(value) >= 3 and isinstance(value[0], str) and all(isinstance(own, int) for own in value[1:3]):
        if value[1:3] != [0, 0]:
            raise RNN2VecError(f"a layer of a chain reads what another says at its only call; got {shown(value[:3])}")
        return [value[0], *_sources(value[3:], depth + 1)]
    return [name for own in value for name in _sources(own, depth + 1)]


def _names(config: dict[str, Any], option: str) -> list[str]:
    names = _sources(config.get(option), 0)
    if len(names) != 1:
        raise RNN2VecError(f"a model that is read has one of {option}; got {shown(names)}")
    return names
