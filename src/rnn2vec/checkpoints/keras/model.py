"""Keras' ``.h5`` and ``.keras``, of versions 2 and 3: the config, and the weights of each layer."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from rnn2vec.checkpoints.keras import hdf5
from rnn2vec.checkpoints.keras.config import Configured, chain
from rnn2vec.checkpoints.keras.layers import Weights, describe_layers
from rnn2vec.checkpoints.layers import Described
from rnn2vec.errors import RNN2VecError

NAME = "Keras"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
TEXTS = ("model_config", "layer_names", "weight_names", "name", "keras_version")
IGNORED = ("optimizer_weights", "optimizer", "_optimizer")
STATES = "seed_generator"
"""Of layers that draw random numbers in training."""


def recognised(archive: dict[str, bytes]) -> bool:
    """Whether the entries of an archive are those of a ``.keras``."""
    return CONFIG in archive and WEIGHTS in archive


def describe_archive(archive: dict[str, bytes]) -> Described:
    """The network of a ``.keras``.

    Raises:
        RNN2VecError: if it is damaged, or no recurrent network that can be represented.
    """
    layers, listed = chain(archive[CONFIG])
    root = hdf5.read(archive[WEIGHTS], TEXTS, IGNORED)
    holder = next((name for name in ("layers", "_layer_checkpoint_dependencies") if name in root.children), None)
    if holder is None:
        raise RNN2VecError(f"{WEIGHTS} has the weights of layers; got {list(root.children)}")
    groups = root.at(holder).children
    places = _places(groups, listed)
    others = sorted(groups.keys() - places.values())
    if any(groups[name].arrays() for name in others):
        raise RNN2VecError(f"every group of weights is of a layer of the config; there are {', '.join(others)}")
    weights = {
        layer.name: _numbered(layer, groups[places[layer.name]].arrays() if places[layer.name] in groups else {})
        for layer in listed
    }
    return describe_layers(layers, weights)


def describe_h5(content: bytes) -> Described:
    """The network of an ``.h5``.

    Raises:
        RNN2VecError: as :func:`describe_archive` does.
    """
    root = hdf5.read(content, TEXTS, IGNORED)
    if "model_config" not in root.texts:
        raise RNN2VecError(
            f"an .h5 of Keras has a model_config; this one has {_shown(root)} alone, as save_weights writes it: "
            "save the whole model, model.save(...)"
        )
    layers, listed = chain("".join(root.texts["model_config"]))
    stored = root.at("model_weights")
    names = _listed(stored, "layer_names")
    known = {layer.name for layer in listed}
    weights: dict[str, Weights] = {name: {} for name in known}
    for name in names:
        group = stored.at(name)
        paths = _listed(group, "weight_names")
        if name not in known and paths:
            raise RNN2VecError(f"every group of weights is of a layer of the config; there is {name}")
        if paths:
            weights[name] = {_key(path): group.at(path).array for path in paths}
            if len(weights[name]) < len(paths):
                raise RNN2VecError(f"the weights of a layer have different names; those of {name} are {paths}")
    return describe_layers(layers, weights)


def _listed(group: hdf5.Node, name: str) -> list[str]:
    """Texts of an attribute, which Keras cuts into ``name0``, ``name1`` ... where it is long."""
    if name in group.texts:
        return list(group.texts[name])
    parts = sorted((int(key[len(name) :]), key) for key in group.texts if re.fullmatch(rf"{name}\d{{1,6}}", key))
    if not parts:
        raise RNN2VecError(f"weights of Keras have an attribute {name}; it is missing")
    return [text for _, key in parts for text in group.texts[key]]


def _key(path: str) -> str:
    """``kernel`` of ``lstm/lstm_cell/kernel:0``; ``forward.kernel`` and ``backward.kernel`` of both directions."""
    *above, last = path.split("/")
    ways = [way for way in ("forward", "backward") if any(part.startswith(f"{way}_") for part in above)]
    return ".".join([*ways, last.split(":")[0]])


def _numbered(layer: Configured, arrays: dict[str, Any]) -> Weights:
    """Weights by name from ``cell/vars/0``, ``cell/vars/1`` ...: Keras numbers them in the order it makes them."""
    found: Weights = {}
    for path, values in arrays.items():
        *above, vars_, number = path.split("/") if path.count("/") else ["", "", path]
        if STATES in above:
            continue
        ways = [way for way in ("forward", "backward") if f"{way}_layer" in above]
        names = ["kernel", "recurrent_kernel", "bias"] if "cell" in above else ["kernel", "bias"]
        names = ["embeddings"] if layer.kind == "Embedding" else names
        inside = [part for part in above if part not in ("cell", "layer", "forward_layer", "backward_layer")]
        if vars_ != "vars" or inside or not number.isdecimal() or int(number) >= len(names):
            raise RNN2VecError(f"{layer} has weights of unknown names, {path}")
        found[".".join([*ways, names[int(number)]])] = values
    return found


def _places(groups: dict[str, hdf5.Node], listed: list[Configured]) -> dict[str, str]:
    """The group of each layer: it names its layer, or is called after it or its class.

    Keras 3 counts ``lstm``, ``lstm_1`` ... by class in the model's order, whatever layers are called.
    """
    said: dict[str, list[str]] = {}
    for place, group in groups.items():
        for name in group.children["vars"].texts.get("name", ()) if "vars" in group.children else ():
            said.setdefault(name, []).append(place)
    seen: Counter[str] = Counter()
    counted: dict[str, str] = {}
    for layer in listed:
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", layer.kind)).lower()
        counted[layer.name] = f"{snake}_{seen[snake]}" if seen[snake] else snake
        seen[snake] += 1
    by_class = groups.keys() <= {*counted.values()}  # even where layers are called so, in another order
    found: dict[str, str] = {}
    for layer in listed:
        places = said.get(layer.name) or [counted[layer.name] if by_class else layer.name]
        if len(places) > 1:
            raise RNN2VecError(f"a layer has one group of weights; {layer} has {', '.join(places)}")
        found[layer.name] = places[0]
    return found


def _shown(root: hdf5.Node) -> str:
    """What is at the root of a file, for messages."""
    return ", ".join(list(root.children)[:8]) or "nothing"
