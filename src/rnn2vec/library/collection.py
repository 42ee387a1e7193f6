"""Collection: networks with names, and the questions that they are compared by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Integer, Shaped
from torch import Tensor

from rnn2vec.encoders import AnswersEncoder, Encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import counted, near_names, shown
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import answers_of, as_questions, unit_of
from rnn2vec.networks.protocol import require_networks
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.store import Zoo

OnProgress = Callable[[int, str], None]
"""Told how many networks, or steps, were done, and a note."""
MOST_FOR_UNIT = 256
"""Networks whose answers tell the unit of differences; evenly spread, if there are more."""


@dataclasses.dataclass(frozen=True)
class Collection:
    """N networks with one interface. Lists and tensors are turned into arrays.

    Attributes:
        names: of each, ``[N]``.
        networks: N of them.
        questions: what all are asked, ``[R, T]`` tokens or ``[R, T, X]`` numbers.
        labels: what is known of them, a column ``[N]`` by its name; shown beside what is found, and never searched.

    Raises:
        RNN2VecError: if there is not one name, and one value of each label, for every network, or the questions are
            none of the networks' inputs.
    """

    names: Shaped[np.ndarray, " N"]
    networks: Networks
    questions: Integer[np.ndarray, "R T"] | Float[np.ndarray, "R T X"]
    labels: Mapping[str, Shaped[np.ndarray, " N"]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        require_networks(self.networks)
        count = len(self.networks)
        names = _array("names", self.names)
        if names.shape != (count,):
            raise RNN2VecError(
                f"every network has a name; got {counted(count, 'network')} and names of the shape {list(names.shape)}"
            )
        if other := [name for name in list(self.names) if not isinstance(name, str)]:
            raise RNN2VecError(f"names are text; got {shown(other[0])}")
        labels = {name: _array(name, column) for name, column in self.labels.items()}
        if wrong := [name for name, column in labels.items() if column.shape != (count,)]:
            raise RNN2VecError(
                f"a label has a value for each of {counted(count, 'network')}; got the shape "
                f"{list(labels[wrong[0]].shape)} of {wrong[0]}"
            )
        questions = as_questions(self.networks.interface.inputs, self.questions)
        for name, value in (("names", names), ("labels", labels), ("questions", questions)):
            object.__setattr__(self, name, value)

    @classmethod
    def of_zoo(
        cls, zoo: Zoo, questions: Integer[np.ndarray, "R T"] | Float[np.ndarray, "R T X"] | None = None
    ) -> Collection:
        """All networks of a zoo, asked what its traces hold, see :func:`rnn2vec.zoo.questions.questions_of`, or others.

        They stay on disk until they are asked.

        Raises:
            RNN2VecError: if traces that it is asked are damaged, or there are none and no questions are given. Networks
                are checked when they are asked.
        """
        labels = {name: zoo.column(name) for name in zoo.index.labels}
        return cls(
            zoo.column("name"), zoo.stored_networks(), questions_of(zoo) if questions is None else questions, labels
        )

    def __repr__(self) -> str:
        questions = counted(len(self.questions), "question")
        return f"Collection({counted(len(self), 'network')}, {questions}: {self.networks.interface})"

    def __len__(self) -> int:
        return len(self.networks)

    def row(self, name: str) -> int:
        """The row of a name.

        Raises:
            RNN2VecError: if there is none, or several.
        """
        return row_named(self.names, name)

    @cached_property
    def unit(self) -> Float32[Tensor, " Y"]:
        """The unit of differences between answers, ``[Y]``."""
        rows = np.linspace(0, len(self) - 1, min(len(self), MOST_FOR_UNIT)).astype(int)
        return unit_of(self.networks.interface, answers_of(self.networks[rows], self.questions))

    def fitted_encoder(self, embedding_size: int = 16) -> Encoder:
        """The answers encoder of these networks and questions, see :class:`rnn2vec.encoders.AnswersEncoder`."""
        return AnswersEncoder.fitted(self.networks, self.questions, embedding_size)


def _array(name: str, values: Any) -> np.ndarray:
    """Names or labels as an array.

    Raises:
        RNN2VecError: if they are none.
    """
    try:
        return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RNN2VecError(f"{name} are one value for each network; got others ({error})") from error


def row_named(names: Shaped[np.ndarray, " N"], name: str) -> int:
    """The row of a name among N.

    Raises:
        RNN2VecError: if there is none, or several.
    """
    rows = np.flatnonzero(names == name)
    if len(rows) == 1:
        return int(rows[0])
    raise RNN2VecError(
        f"a name is that of one network; {name!r} is that of {len(rows)} of {len(names)}; "
        f"{near_names(name, names.tolist())}"
    )
