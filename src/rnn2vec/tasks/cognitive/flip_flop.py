"""The n-bit flip-flop: remember the sign of the last pulse on each of n inputs (Sussillo and Barak 2013)."""

from __future__ import annotations

import numpy as np

from rnn2vec.tasks.cognitive.trials import FIRST, STEPS, CognitiveTask, Trials, empty

PULSE = 2
"""Steps of a pulse."""
SWITCH = 4
"""Steps after the onset of a pulse in which nothing counts."""


class FlipFlop(CognitiveTask):
    """Each output is the sign of the last pulse on its input.

    ``set_size`` bits, on the inputs from the first modality's first channel on, and on as many outputs; pulses have the
    height ``strength`` and either sign, and come at random, ``delay`` steps apart on average. Every bit has a pulse in
    the first step. Performance is the share of the steps that count in which every bit is within 0.5 of its target.
    """

    number, name = 12, "flip-flop"
    grid = ((1, 2, 3), (20, 30), (0.5, 1.0))
    limits = ((1, 3), (4, 60), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        trials, bits = empty(size), self.set_size
        onset = generator.random((size, STEPS, bits)) < 1 / self.delay
        onset[:, 0] = True
        sign = generator.choice(np.array([-1, 1]), (size, STEPS, bits))
        last = np.maximum.accumulate(np.where(onset, np.arange(STEPS)[:, None], 0), axis=1)  # the last pulse's onset
        state, passed = np.take_along_axis(sign, last, axis=1), np.arange(STEPS)[:, None] - last
        trials.inputs[..., FIRST.start : FIRST.start + bits] = self.strength * state * (passed < PULSE)
        trials.targets[..., :bits] = state
        trials.mask[(passed < SWITCH).any(2)] = 0
        return trials

    def performance(self, trials: Trials, outputs: np.ndarray) -> np.ndarray:
        bits, counted = slice(self.set_size), trials.mask > 0
        right = (np.abs(outputs - trials.targets)[..., bits] < 0.5).all(2)
        return (right & counted).sum(1) / np.maximum(counted.sum(1), 1)
