"""Whole modules that were pickled: their attributes are known, what their ``forward`` did is not."""

from __future__ import annotations

import dataclasses
from typing import Any

from rnn2vec.checkpoints.declaration import Declaration
from rnn2vec.checkpoints.pytorch.pickles import Name, Thing
from rnn2vec.checkpoints.pytorch.tree import class_of, parts
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

_RECURRENT = ("RNN", "RNNCell", "LSTM", "LSTMCell", "GRU", "GRUCell")
_HARMLESS = (
    "Module", "Linear", "Embedding", "Dropout", "Identity", "Sequential", "ModuleList", "ModuleDict",
    "MSELoss", "L1Loss", "CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss",
)  # fmt: skip
"""Parts of a trained module that compute nothing of its outputs, or are read."""

_COMPUTES: dict[str, dict[str, Any]] = {
    "Embedding": {"max_norm": None},
    "Softplus": {"beta": 1, "threshold": 20},
    **{name: {"bidirectional": False, "proj_size": 0} for name in _RECURRENT},
}
"""Attributes that have one value in what is read."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
"""Functions that run with a layer's own; those of torch.nn.utils (weight norm, pruning) are known by the tensors."""

_ACTIVATIONS = {"Tanh": "tanh", "ReLU": "relu", "Sigmoid": "sigmoid", "Softplus": "softplus"}


@dataclasses.dataclass(frozen=True)
class Module:
    """What the attributes of a module say.

    Attributes:
        name: its class.
        parts: classes of the module and its parts.
        nonlinearities: that its recurrent layers say they have, each once.
    """

    name: str
    parts: tuple[str, ...]
    nonlinearities: tuple[str, ...]

    @classmethod
    def of(cls, own: Thing) -> Module:
        """A module of what a pickle describes.

        Raises:
            RNN2VecError: if the attributes of a part say that it computes something else, such as two directions, or
                it has hooks.
        """
        listed = list(parts(own))
        for whole, state in listed:
            _require_known(whole.rpartition(".")[2], state)
        said = (_nonlinearity(state) for _, state in listed)
        return cls(class_of(own), tuple(name for name, _ in listed), tuple(sorted({*filter(None, said)})))

    def plain(self, said: Declaration) -> Declaration:
        """What is declared, and what the attributes say beside it, if the parts are taken one after the other.

        Raises:
            RNN2VecError: if that was not declared, or parts do more than layers do: an activation that nobody declared,
                a softmax.
        """
        if not said.assume_plain:
            raise RNN2VecError(
                f"it is a whole module, {self.name} of {', '.join(self.parts[1:9])}, and what its forward did is not "
                "known, since nothing of the file is run: declare assume_plain=True to take its layers one after the "
                "other (in a file of the same name that ends with .toml: assume_plain = true)"
            )
        declared = {said.output_activation, *(said.activations or ()), *(said.front_activations or ())}
        for part in self.parts:
            name = part.rpartition(".")[2]
            known = name in (*_RECURRENT, *_HARMLESS) or _ACTIVATIONS.get(name) in declared or said.ignores(name)
            if "torch.nn.modules" in part and not known:
                raise RNN2VecError(
                    f"a plain module is recurrent and linear layers; {self.name} has a {name}, too: declare it "
                    f"(activations, output_activation), or ignore=['{name}'] if its outputs are wanted without"
                )
        found = {*self.nonlinearities, *filter(None, [said.nonlinearity])}
        if len(found) > 1:
            raise RNN2VecError(
                f"recurrent layers have one nonlinearity; those of {self.name} say {' and '.join(self.nonlinearities)}"
                + (f", and {said.nonlinearity} was declared" if said.nonlinearity else "")
            )
        return dataclasses.replace(said, nonlinearity=next(iter(found), None))


def _require_known(name: str, state: dict[Any, Any]) -> None:
    for attribute, wanted in _COMPUTES.get(name, {}).items():
        if (found := state.get(attribute)) not in (None, wanted):
            raise RNN2VecError(
                f"networks run in one direction, without projections, by the functions that torch has by default; "
                f"{name} has {attribute} {shown(found)}, where {shown(wanted)} is read"
            )
    for group in _HOOKS:
        hooks = state.get(group)
        for hook in hooks.values() if isinstance(hooks, dict) else ():
            made_by = class_of(hook) if isinstance(hook, Thing) else str(hook) if isinstance(hook, Name) else "a value"
            if not made_by.startswith("torch.nn.utils."):
                raise RNN2VecError(f"a layer computes what its class does; {name} has a hook, {made_by}")


def _nonlinearity(state: dict[Any, Any]) -> str | None:
    """Of a recurrent layer; versions before 1.0 have a mode alone."""
    said, mode = state.get("nonlinearity"), state.get("mode")
    if said is None and isinstance(mode, str):
        said = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}.get(mode)
    return said if isinstance(said, str) else None
