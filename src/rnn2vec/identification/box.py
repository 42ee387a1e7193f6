"""Boxes: whatever answers a sequence, asked in one way, checked, and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rnn2vec.errors import RNN2VecError
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import as_inputs

Ask = Callable[[np.ndarray], Any]
"""One sequence, tokens ``[T]`` or numbers ``[T, X]``, to answers ``[T, Y]``, or classes ``[T]``. Each starts anew."""


class Box:
    """A black box.

    Args:
        ask: see :data:`Ask`.
        name: for messages and transcripts.
        go_on: takes further steps of the sequence that was asked last, and returns the answers to these, where the box
            can do so.
        end: called when a sequence has ended.

    Attributes:
        questions: sequences asked so far; one that goes on is one.
        letters: their steps, of which those before it went on count once.
    """

    def __init__(
        self, ask: Ask, name: str = "the box", go_on: Ask | None = None, end: Callable[[], Any] = lambda: None
    ) -> None:
        self.name, self._ask, self._go_on, self._end = name, ask, go_on, end
        self.questions = self.letters = 0
        self._last: tuple[np.ndarray, Any] | None = None

    def anew(self) -> Box:
        """The same box, with nothing counted yet."""
        return Box(self._ask, self.name, self._go_on, self._end)

    @property
    def goes_on(self) -> bool:
        """Whether a sequence that was asked can be continued."""
        return self._go_on is not None

    def begun(self, question: np.ndarray) -> int:
        """First steps of a question that need not be asked anew: all of the last, if it goes on with it and can."""
        if self._last is None or self._go_on is None:
            return 0
        last, _ = self._last
        return len(last) if len(question) > len(last) and np.array_equal(question[: len(last)], last) else 0

    def ask(self, question: np.ndarray) -> Any:
        """What it says to one sequence. One that begins with the last, and is longer, goes on where that ended.

        Raises:
            RNN2VecError: if it raises anything.
        """
        steps = self.begun(question)
        last, self._last = self._last, None
        self.letters += len(question) - steps
        try:
            if last is not None and self._go_on is not None and steps:
                said = np.concatenate([last[1], np.array(self._go_on(question[steps:].copy()))])
            else:
                self.questions += 1
                self._end_last(last)
                said = self._ask(question.copy())
        except (Exception, SystemExit) as error:  # a box may not end what asks it
            if steps:  # what began before has ended; a sequence that fails at its beginning ends itself
                self._end()
            if isinstance(error, RNN2VecError):
                raise
            raise RNN2VecError(
                f"{self.name} failed at its question {self.questions}, of {len(question)} steps: "
                f"{type(error).__name__}: {error}"
            ) from error
        self._last = (
            (question, np.array(said)) if self.goes_on else (question, None)
        )  # a copy: it may write there again
        return said

    def end(self) -> None:
        """The last sequence has ended."""
        last, self._last = self._last, None
        self._end_last(last)

    def _end_last(self, last: tuple[np.ndarray, Any] | None) -> None:
        if last is not None:
            self._end()


def box_of(thing: Any, name: str = "the box") -> Box:
    """A box of whatever answers.

    Args:
        thing: a function of one sequence, see :data:`Ask`; one network; an object with ``reset()`` and ``step(input)``,
            which returns an answer ``[Y]`` or a class; or with ``pre()``, ``step(input)`` and ``post()``, as AALpy's
            systems under learning have. All but functions can go on with a sequence.
        name: for messages and transcripts.

    Raises:
        RNN2VecError: if it is none of them.
    """
    if isinstance(thing, Box):
        return thing
    if hasattr(thing, "interface") and hasattr(thing, "run"):
        return _of_network(thing, name)
    if all(callable(getattr(thing, method, None)) for method in ("pre", "step", "post")):
        return _by_steps(thing.pre, thing.step, thing.post, name)
    if all(callable(getattr(thing, method, None)) for method in ("reset", "step")):
        return _by_steps(thing.reset, thing.step, lambda: None, name)
    if callable(thing):
        return Box(thing, name)
    raise RNN2VecError(
        "a box is a function of one sequence, one network, or an object with reset() and step() or with pre(), step() "
        f"and post(); got {type(thing).__name__}"
    )


def _of_network(network: Networks, name: str) -> Box:
    if len(network) != 1:
        raise RNN2VecError(f"a box is one network; got {len(network)}: choose one, networks[row : row + 1]")
    state: Any = None

    def go_on(question: np.ndarray) -> np.ndarray:
        nonlocal state
        outputs, state = network.run(as_inputs(network, question[None])[None], state)
        return np.asarray(network.interface.outputs.answers(outputs)[0, 0])

    def ask(question: np.ndarray) -> np.ndarray:
        nonlocal state
        state = None
        return go_on(question)

    return Box(torch.no_grad()(ask), name, torch.no_grad()(go_on))


def _by_steps(start: Callable[[], Any], step: Callable[[Any], Any], end: Callable[[], Any], name: str) -> Box:
    def go_on(question: np.ndarray) -> np.ndarray:
        return np.asarray([step(each.item() if each.ndim == 0 else each) for each in question])

    def ask(question: np.ndarray) -> np.ndarray:
        start()
        try:
            return go_on(question)
        except BaseException:
            end()
            raise

    return Box(ask, name, go_on, end)


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
