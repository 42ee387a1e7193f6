"""What is imitated of networks: strings that they write, or their answers to given questions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import whole
from rnn2vec.interface import Interface
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import answers_of, as_inputs, as_questions
from rnn2vec.networks.sampling import sample_strings
from rnn2vec.randomness import generator

STRINGS = 32
"""That each network writes."""
SEQUENCES = 16
"""Questions that are asked, of those of a zoo; evenly spread."""
MOST = 4096
"""Strings, and tokens of a string, that are read from a file; it may be anyone's."""
MOST_NUMBERS = 2**22
"""Of questions, likewise."""
QUESTIONS = "imitation.questions"
"""The array that holds them."""


class Imitated(Protocol):
    """What is imitated of networks."""

    @classmethod
    def like(cls, questions: np.ndarray) -> Self:
        """Of networks whose zoo holds these sequences, ``[K, T]`` or ``[K, T, X]``."""
        ...

    def by(self, networks: Networks) -> tuple[Tensor, Tensor]:
        """What N networks read, ``[N, K, T]`` or ``[N, K, T, X]``, and what they answer, ``[N, K, T, Y]``."""
        ...

    def to_plain(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """As JSON and as arrays."""
        ...

    @classmethod
    def of_plain(cls, interface: Interface, own: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The inverse of :meth:`to_plain`.

        Raises:
            KeyError, TypeError, RNN2VecError: if it is damaged or something else.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Written:
    """Strings that networks write.

    Attributes:
        starts: the first token of each string, ``[K]``.
        steps: tokens of a string.
    """

    starts: np.ndarray
    steps: int

    @classmethod
    def like(cls, questions: np.ndarray) -> Written:
        return cls(np.resize(questions[:, 0], STRINGS).astype(np.int64), questions.shape[1])

    def by(self, networks: Networks) -> tuple[Tensor, Tensor]:
        uniforms = torch.from_numpy(generator(0, "imitation").random((1, len(self.starts), self.steps - 1)))
        drawn, starts = uniforms.expand(len(networks), -1, -1), torch.from_numpy(self.starts)
        strings, said = sample_strings(networks.run, drawn.to(networks.device), starts.to(networks.device))
        return strings[:, :, :-1], said.exp()

    def to_plain(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"starts": self.starts.tolist(), "steps": self.steps}, {}

    @classmethod
    def of_plain(cls, interface: Interface, own: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Written:
        starts = [whole("a start", token, 0, interface.inputs.size - 1) for token in own["starts"][: MOST + 1]]
        if not 1 <= len(starts) <= MOST:
            raise RNN2VecError(f"strings are 1 to {MOST}; got {len(own['starts'])}")
        return cls(np.array(starts, dtype=np.int64), whole("steps", own["steps"], 2, MOST))


@dataclasses.dataclass(frozen=True)
class Answered:
    """Answers to questions.

    Attributes:
        questions: ``[K, T]`` tokens or ``[K, T, X]`` numbers.
    """

    questions: np.ndarray

    @classmethod
    def like(cls, questions: np.ndarray) -> Answered:
        return cls(questions[np.linspace(0, len(questions) - 1, min(len(questions), SEQUENCES)).astype(int)])

    def by(self, networks: Networks) -> tuple[Tensor, Tensor]:
        asked = as_inputs(networks, self.questions)
        return asked.expand(len(networks), *asked.shape), answers_of(networks, self.questions)

    def to_plain(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {}, {QUESTIONS: self.questions}

    @classmethod
    def of_plain(cls, interface: Interface, own: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Answered:
        questions = as_questions(interface.inputs, arrays[QUESTIONS])
        if questions.size > MOST_NUMBERS:
            raise RNN2VecError(f"questions have at most {MOST_NUMBERS} numbers; got {questions.size}")
        return cls(questions)


IMITATED: dict[bool, type[Written] | type[Answered]] = {True: Written, False: Answered}
"""By whether networks write."""
