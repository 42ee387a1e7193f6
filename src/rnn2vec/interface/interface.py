"""Interface: the inputs and outputs of networks together, and what depends on both."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown
from rnn2vec.interface.classes import Classes
from rnn2vec.interface.numbers import Numbers
from rnn2vec.interface.tokens import Tokens

LEAST_LOGIT = -10.0
"""Of a token that a network is fed with as good as no probability."""

INPUTS: dict[str, type[Tokens] | type[Numbers]] = {"tokens": Tokens, "numbers": Numbers}
OUTPUTS: dict[str, type[Classes] | type[Numbers]] = {"classes": Classes, "numbers": Numbers}


@dataclasses.dataclass(frozen=True)
class Interface:
    """What goes into networks and what comes out.

    Attributes:
        inputs: tokens, or numbers within a range.
        outputs: classes, or numbers.

    Raises:
        RNN2VecError: if either is something else, or inputs are numbers without a range.
    """

    inputs: Tokens | Numbers
    outputs: Classes | Numbers

    def __post_init__(self) -> None:
        if type(self.inputs) not in INPUTS.values() or type(self.outputs) not in OUTPUTS.values():
            raise RNN2VecError(
                "an interface is Tokens(n) or Numbers(n, low, high) in, and Classes(n) or Numbers(n) out; got "
                f"{shown(self.inputs)} and {shown(self.outputs)}"
            )
        if isinstance(self.inputs, Numbers):
            self.inputs.range  # noqa: B018 (it has one)

    @property
    def can_echo(self) -> bool:
        """Whether a network can be fed its own answer."""
        kinds = {("tokens", "classes"), ("numbers", "numbers")}
        return self.inputs.size == self.outputs.size and (self.inputs.kind, self.outputs.kind) in kinds

    @property
    def writes(self) -> bool:
        """Whether a network can write strings: its answer is a distribution over its next token."""
        return self.can_echo and self.inputs.drawn

    def echo(self, outputs: Float[Tensor, "*any Y"]) -> Float[Tensor, "*any X"]:
        """Logits ``[..., X]`` of the question that is a network's own answer, from its outputs ``[..., Y]``."""
        if isinstance(self.inputs, Tokens):
            return self.outputs.compared(outputs).clamp(min=LEAST_LOGIT)
        return self.inputs.logits(outputs)

    def fits(self, other: Interface) -> bool:
        """Whether networks of the other can be asked and heard as those of this one: kinds and sizes agree."""
        return all(
            (mine.kind, mine.size) == (theirs.kind, theirs.size)
            for mine, theirs in ((self.inputs, other.inputs), (self.outputs, other.outputs))
        )

    def to_dict(self) -> dict[str, Any]:
        """What it is as a JSON-serialisable dictionary."""
        parts = {"inputs": self.inputs, "outputs": self.outputs}
        plain = {name: {"kind": part.kind, **dataclasses.asdict(part)} for name, part in parts.items()}
        return {name: {key: value for key, value in own.items() if value is not None} for name, own in plain.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Interface:
        """The inverse of :meth:`to_dict`.

        Raises:
            RNN2VecError: if a field is unknown, missing or out of range.
        """
        try:
            fields = {
                name: {key: value for key, value in values[name].items() if key != "kind"}
                for name in ("inputs", "outputs")
            }
            inputs = INPUTS[values["inputs"]["kind"]](**fields["inputs"])
            outputs = OUTPUTS[values["outputs"]["kind"]](**fields["outputs"])
        except (TypeError, KeyError, AttributeError) as error:
            raise RNN2VecError(
                f"an interface has inputs, of the kind {' or '.join(INPUTS)}, and outputs, of the kind "
                f"{' or '.join(OUTPUTS)}, each with a size; got {shown(values)}"
            ) from error
        return cls(inputs, outputs)

    def __str__(self) -> str:
        return f"{self.inputs} in, {self.outputs} out"
