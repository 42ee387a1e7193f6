"""Boxes: whatever answers a sequence, asked in one way, checked, and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rnn2vec.errors import RNN2VecError
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import answers_of

Ask = Callable[[np.ndarray], Any]
"""One sequence, tokens ``[T]`` or numbers ``[T, X]``, to answers ``[T, Y]``, or classes ``[T]``. Each starts anew."""


class Box:
    """A black box.

    Args:
        ask: see :data:`Ask`.
        name: for messages and transcripts.

    Attributes:
        questions: sequences asked so far.
        letters: their steps.
    """

    def __init__(self, ask: Ask, name: str = "the box") -> None:
        self.name, self._ask = name, ask
        self.questions = self.letters = 0

    def ask(self, question: np.ndarray) -> Any:
        """What it says to one sequence.

        Raises:
            RNN2VecError: if it raises anything.
        """
        self.questions += 1
        self.letters += len(question)
        try:
            return self._ask(question.copy())
        except RNN2VecError:
            raise
        except Exception as error:
            raise RNN2VecError(
                f"{self.name} failed at its question {self.questions}, of {len(question)} steps: "
                f"{type(error).__name__}: {error}"
            ) from error


def box_of(thing: Any, name: str = "the box") -> Box:
    """A box of whatever answers.

    Args:
        thing: a function of one sequence, see :data:`Ask`; one network; an object with ``reset()`` and ``step(input)``,
            which returns an answer ``[Y]`` or a class; or with ``pre()``, ``step(input)`` and ``post()``, as AALpy's
            systems under learning have.
        name: for messages and transcripts.

    Raises:
        RNN2VecError: if it is none of them.
    """
    if isinstance(thing, Box):
        return thing
    if hasattr(thing, "interface") and hasattr(thing, "run"):
        return Box(_of_network(thing), name)
    if all(callable(getattr(thing, method, None)) for method in ("pre", "step", "post")):
        return Box(_by_steps(thing.pre, thing.step, thing.post), name)
    if all(callable(getattr(thing, method, None)) for method in ("reset", "step")):
        return Box(_by_steps(thing.reset, thing.step, lambda: None), name)
    if callable(thing):
        return Box(thing, name)
    raise RNN2VecError(
        "a box is a function of one sequence, one network, or an object with reset() and step() or with pre(), step() "
        f"and post(); got {type(thing).__name__}"
    )


def _of_network(network: Networks) -> Ask:
    if len(network) != 1:
        raise RNN2VecError(f"a box is one network; got {len(network)}: choose one, networks[row : row + 1]")
    return lambda question: answers_of(network, question[None])[0, 0].numpy()


def _by_steps(start: Callable[[], Any], step: Callable[[Any], Any], end: Callable[[], Any]) -> Ask:
    def ask(question: np.ndarray) -> np.ndarray:
        start()
        try:
            return np.asarray([step(each.item() if each.ndim == 0 else each) for each in question])
        finally:
            end()

    return ask


class SteppedNetwork:
    """One network as a system that is asked letter by letter, as AALpy asks: ``pre``, ``step``, ``post``.

    Args:
        network: one network that reads tokens and says classes.

    Raises:
        RNN2VecError: if it is not one, or reads and says anything else.
    """

    def __init__(self, network: Networks) -> None:
        interface = network.interface
        if len(network) != 1 or not interface.inputs.drawn or interface.outputs.kind != "classes":
            raise RNN2VecError(
                f"one network that reads tokens is asked letter by letter; got {len(network)} with {interface}"
            )
        self.network, self._state = network, None

    def pre(self) -> None:
        """Start anew."""
        self._state = None

    @torch.no_grad()
    def step(self, letter: int) -> int:
        """The likeliest class after one more letter."""
        outputs, self._state = self.network.run(torch.tensor([[[int(letter)]]]), self._state)
        return int(outputs[0, 0, 0].argmax())

    def post(self) -> None:
        """End."""
        self._state = None
