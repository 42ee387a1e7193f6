"""What a network's outputs mean for one property: logits of classes, a standardised number, or cosine and sine."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F


class Targets:
    """Values of a property as targets of a regression or of a loss, and back.

    Args:
        kind: of the property, see :class:`rnn2vec.evaluation.properties.Property`.
        truth: values of the networks that are learned from, at least one: they decide the classes, mean and scale.
    """

    def __init__(self, kind: str, truth: np.ndarray) -> None:
        self.kind, self.classes = kind, np.unique(truth)
        of_numbers = truth if kind == "number" else np.zeros(1)
        self.mean, self.scale = float(np.mean(of_numbers)), max(float(np.std(of_numbers)), 1e-6)
        self.size = {"class": len(self.classes), "number": 1, "angle": 2}[kind]

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values ``[rows]`` as ``[rows, 1]`` indices of classes or standardised numbers, or ``[rows, 2]`` points."""
        if self.kind == "class":
            return np.searchsorted(self.classes, values)[:, None]
        if self.kind == "number":
            return ((values - self.mean) / self.scale)[:, None]
        return np.stack([np.cos(np.deg2rad(values)), np.sin(np.deg2rad(values))], axis=1)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs ``[rows, size]`` as values ``[rows]``."""
        if self.kind == "class":
            return self.classes[outputs.argmax(1)]
        if self.kind == "number":
            return outputs[:, 0] * self.scale + self.mean
        return np.rad2deg(np.arctan2(outputs[:, 1], outputs[:, 0])) % 360.0

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy for a class, else mean squared error.

        Args:
            outputs: ``[rows, size]``.
            labels: what :meth:`encode` made of the rows' values, as floats.
        """
        if self.kind == "class":
            return F.cross_entropy(outputs, labels[:, 0].long())
        return F.mse_loss(outputs, labels)
