"""Pair: two networks that are asked the same, and how far their answers are apart."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Interface, Numbers, Tokens
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import as_inputs
from rnn2vec.networks.protocol import require_networks


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two networks with one interface.

    Attributes:
        a: one network, which the other is held against.
        b: one network.
        unit: of differences ``[Y]``; ones by default.

    Raises:
        RNN2VecError: if either is not one network, their interfaces differ, or no number is in the ranges of both.
    """

    a: Networks
    b: Networks
    unit: Tensor | None = None

    def __post_init__(self) -> None:
        for name, networks in (("A", self.a), ("B", self.b)):
            require_networks(networks)
            if len(networks) != 1:
                raise RNN2VecError(f"one network is compared with one; {name} holds {len(networks)}: choose a row")
        if not self.a.interface.fits(self.b.interface):
            raise RNN2VecError(
                "networks that are compared have one interface, the same kinds and sizes; A has "
                f"{self.a.interface}, B has {self.b.interface}: fold a knob, or declare the interface of the file"
            )
        _common(self.a.interface.inputs, self.b.interface.inputs)

    @property
    def interface(self) -> Interface:
        """What both read and say; numbers within the ranges of both."""
        inputs = _common(self.a.interface.inputs, self.b.interface.inputs)
        return Interface(inputs, self.a.interface.outputs)

    @property
    def differentiable(self) -> bool:
        """Whether gradients pass through both."""
        return self.a.differentiable and self.b.differentiable

    def answers(self, inputs: np.ndarray) -> tuple[Tensor, Tensor]:
        """What A and B answer to inputs ``[B, T]`` or ``[B, T, X]``: ``[B, T, Y]`` each, float64.

        Raises:
            RNN2VecError: if the inputs are none of theirs, or an answer is not finite.
        """
        with torch.no_grad():
            a, b = ((name, own, as_inputs(own, inputs)) for name, own in (("A", self.a), ("B", self.b)))
            return _run(*a)[0], _run(*b)[0]

    def differences(self, a: Tensor, b: Tensor) -> Tensor:
        """How far answers ``[..., Y]`` are apart at each step, ``[...]``: the interface's own measure."""
        unit = torch.ones(a.shape[-1]) if self.unit is None else self.unit
        return self.interface.outputs.difference(a, b, unit.to(a))

    def apart(self, inputs: np.ndarray) -> Tensor:
        """Differences ``[B, T]`` of the answers to inputs ``[B, T]`` or ``[B, T, X]``."""
        return self.differences(*self.answers(inputs))

    def apart_through(self, questions: Tensor) -> Tensor:
        """Likewise of questions ``[B, T, X]``, so that gradients pass."""
        said = [_run(name, own, questions.to(own.device, own.dtype))[0] for name, own in (("A", self.a), ("B", self.b))]
        return self.differences(said[0], said[1].to(said[0].device))

    @torch.no_grad()
    def traits(self, inputs: np.ndarray) -> Tensor:
        """What both are like after the last step of inputs, ``[B, D]``: what they say, and where the networks hand over
        a state of the engine's, that state.
        """
        found = []
        for name, own in (("A", self.a), ("B", self.b)):
            answers, outputs, state = _run(name, own, as_inputs(own, inputs))
            found += [answers[:, -1], outputs[:, -1], *_parts(state, len(inputs))]
        return torch.cat([part.flatten(1).float().cpu() for part in found], 1)


def _common(a: Tokens | Numbers, b: Tokens | Numbers) -> Tokens | Numbers:
    """Inputs that two networks both read."""
    if not (isinstance(a, Numbers) and isinstance(b, Numbers)):
        return a
    low, high = max(a.range[0], b.range[0]), min(a.range[1], b.range[1])
    if not low < high:
        raise RNN2VecError(f"networks that are compared read numbers of a common range; A reads {a}, B reads {b}")
    return Numbers(a.size, low, high)


def _run(name: str, networks: Networks, inputs: Tensor) -> tuple[Tensor, Tensor, Any]:
    """Answers ``[B, T, Y]`` in float64, outputs, and the state after the last step, of one network."""
    outputs, state = networks.run(inputs[None])
    answers = networks.interface.outputs.answers(outputs[0].double())
    if not answers.isfinite().all():
        raise RNN2VecError(f"answers are finite numbers; those of {name} to some of these inputs are not")
    return answers, outputs[0], state


def _parts(state: Any, batch: int) -> list[Tensor]:
    """The tensors ``[B, L, H]`` of a state, in however many tuples; of a state that is anything else, none."""
    if isinstance(state, tuple):
        return [part for own in state for part in _parts(own, batch)]
    if isinstance(state, Tensor) and state.ndim == 4 and state.shape[2] == batch:
        return [state[0].transpose(0, 1)]
    return []
