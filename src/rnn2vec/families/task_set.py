"""What the tasks of a zoo are, whoever trained its networks: how a recipe trained them is a thing apart."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from rnn2vec.interface import Interface
from rnn2vec.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class TaskSet(ABC):
    """The tasks of a zoo. A subclass is a family of tasks; its fields tell one set of the family from another.

    Raises:
        RNN2VecError: if a field is of another type or out of range.
    """

    family: ClassVar[str]
    """Name of the family of tasks."""
    task_columns: ClassVar[tuple[str, ...]]
    """Names of the numbers that tell the tasks apart: columns of a zoo's table."""
    setting_columns: ClassVar[tuple[str, ...]] = ()
    """Names of what else differs from network to network, by how it was trained."""
    metric_columns: ClassVar[tuple[str, ...]]
    """What is measured of every snapshot; ``accuracy`` is among them."""
    learnt_accuracy: ClassVar[float]
    """A network has learnt its task if its accuracy is at least this."""

    @property
    @abstractmethod
    def interface(self) -> Interface:
        """What goes into the networks and what comes out."""

    @property
    @abstractmethod
    def trace_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of one trace: its inputs ``[T]`` or ``[T, X]``, and its outputs ``[T, Y]``."""

    @abstractmethod
    def fetch_data(self) -> None:
        """Get the data that training needs, once and before any process needs it.

        Raises:
            RNN2VecError: if it cannot be had.
        """

    @abstractmethod
    def task_from(self, parameters: Mapping[str, Any]) -> Task:
        """The task with these values of :attr:`task_columns`."""

    @abstractmethod
    def ood_tasks(self, tasks: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Which of the tasks ``[K, P]`` are out of distribution, as indices; ``order`` is a random order of all K."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of numbers that the table of a zoo of these tasks has."""
        return ("model", "step", *self.task_columns, *self.setting_columns, *self.metric_columns)

    def to_dict(self) -> dict[str, Any]:
        """The family's name and the fields, JSON-serialisable; those that decide no byte (``compare=False``) are left
        out.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.compare}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"name": self.family, **plain}
