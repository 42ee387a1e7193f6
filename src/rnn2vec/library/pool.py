"""Pool: the inputs on which two networks were seen to differ most, and how much has been read to find them."""

from __future__ import annotations

import numpy as np

from rnn2vec.library.collection import OnProgress
from rnn2vec.library.pair import Pair

KEPT = 32
"""Inputs, of which all differ from each other."""
MOST_NUMBERS = 2**22
"""Of the inputs or answers that are in memory at once."""


class Pool:
    """Inputs of one length for a pair of networks.

    Args:
        pair: two networks.
        steps: T of all inputs that are kept.
        on_progress: called as ``on_progress(steps, note)``.

    Attributes:
        pair: as given.
        steps: as given.
        inputs: ``[K, T]`` or ``[K, T, X]``, those first on which the networks differ most; K is at most :data:`KEPT`.
        differences: the largest of each over its steps, ``[K]``.
        found_by: what found each.
        read: steps that each network has read.
    """

    def __init__(self, pair: Pair, steps: int, on_progress: OnProgress = lambda amount, note: None) -> None:
        self.pair, self.steps, self._on_progress = pair, steps, on_progress
        inputs = pair.interface.inputs
        self.inputs = np.empty((0, steps) if inputs.drawn else (0, steps, inputs.size), inputs.stored)
        self.differences = np.empty(0)
        self.found_by: list[str] = []
        self.read = 0

    def count(self, steps: int, note: str = "") -> None:
        """Say that each network has read so many steps."""
        self.read += steps
        best = self.differences[0] if len(self.differences) else 0.0
        self._on_progress(steps, f"{best:.3g} {note}")

    def measure(self, inputs: np.ndarray) -> np.ndarray:
        """The largest difference ``[B]`` of inputs ``[B, S]`` or ``[B, S, X]`` of any length, which are not kept."""
        interface = self.pair.interface
        each = inputs.shape[1] * max(interface.inputs.size, interface.outputs.size)
        size = max(1, MOST_NUMBERS // each)
        parts = [inputs[start : start + size] for start in range(0, len(inputs), size)]
        found = np.concatenate([self.pair.apart(part).amax(1).cpu().numpy() for part in parts])
        self.count(inputs.shape[0] * inputs.shape[1])
        return found

    def ask(self, inputs: np.ndarray, found_by: str) -> np.ndarray:
        """The largest difference ``[B]`` of inputs ``[B, T]`` or ``[B, T, X]``; the best are kept."""
        found = self.measure(inputs)
        self.offer(inputs, found, found_by)
        return found

    def offer(self, inputs: np.ndarray, differences: np.ndarray, found_by: str) -> None:
        """Keep those of B inputs that differ more than what is kept, and from that."""
        least = self.differences[-1] if len(self.differences) == KEPT else -1.0
        kept = {own.tobytes() for own in self.inputs}
        rows = []
        for row in np.argsort(-differences, kind="stable")[:KEPT]:
            own = inputs[row].astype(self.inputs.dtype).tobytes()
            if differences[row] > least and own not in kept:
                kept.add(own)
                rows.append(row)
        if not rows:
            return
        together = np.concatenate([self.differences, differences[rows]])
        order = np.argsort(-together, kind="stable")[:KEPT]
        self.differences = together[order]
        self.inputs = np.concatenate([self.inputs, inputs[rows].astype(self.inputs.dtype)])[order]
        names = [*self.found_by, *[found_by] * len(rows)]
        self.found_by = [names[place] for place in order]
