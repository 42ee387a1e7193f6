"""Whole modules that were pickled: their attributes are known, what their ``forward`` did is not."""

from __future__ import annotations

import dataclasses
from typing import Any

from rnn2vec.checkpoints.declaration import Declaration
from rnn2vec.checkpoints.pytorch.pickles import Thing
from rnn2vec.checkpoints.pytorch.tree import class_of, parts
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

_RECURRENT = ("RNN", "RNNCell", "LSTM", "LSTMCell", "GRU", "GRUCell")
_HARMLESS = (
    "Module", "Linear", "Embedding", "Dropout", "Identity", "Sequential", "ModuleList", "ModuleDict",
    "MSELoss", "L1Loss", "CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss",
)  # fmt: skip
"""Parts of a trained module that compute nothing of its outputs, or are read."""

_ACTIVATIONS = {"Tanh": "tanh", "ReLU": "relu", "Sigmoid": "sigmoid", "Softplus": "softplus"}


@dataclasses.dataclass(frozen=True)
class Module:
    """What the attributes of a module say.

    Attributes:
        name: its class.
        parts: classes of the module and its parts.
        nonlinearity: of the recurrent layers, if they say one.
    """

    name: str
    parts: tuple[str, ...]
    nonlinearity: str | None

    @classmethod
    def of(cls, own: Thing) -> Module:
        """A module of what a pickle describes.

        Raises:
            RNN2VecError: if a recurrent layer of it has two directions or a projection.
        """
        listed = list(parts(own))
        for whole, state in listed:
            _require_one_way(whole.rpartition(".")[2], state)
        said = {str(state["nonlinearity"]) for _, state in listed if isinstance(state.get("nonlinearity"), str)}
        return cls(class_of(own), tuple(name for name, _ in listed), next(iter(said)) if len(said) == 1 else None)

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
                "other"
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
        return said if said.nonlinearity else dataclasses.replace(said, nonlinearity=self.nonlinearity)


def _require_one_way(name: str, state: dict[Any, Any]) -> None:
    if name in _RECURRENT and (state.get("bidirectional") or state.get("proj_size")):
        raise RNN2VecError(
            f"networks run in one direction and have no projection; {name} has "
            f"bidirectional={shown(state.get('bidirectional'))}, proj_size={shown(state.get('proj_size', 0))}"
        )
