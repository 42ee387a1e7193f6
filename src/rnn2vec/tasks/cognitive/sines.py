"""The sine generator: a sine whose frequency a constant input names (Sussillo and Barak 2013)."""

from __future__ import annotations

import numpy as np

from rnn2vec.tasks.cognitive.trials import FIRST, RESPONSE, STEPS, CognitiveTask, Trials, empty, explained

SHORTEST = 10
"""Steps of the shortest period."""


class SineGenerator(CognitiveTask):
    """Generate a sine of the frequency that the input names.

    One of ``set_size`` frequencies that lie evenly from one over ``delay`` to one over ten steps; the first channel of
    the first modality is constant, from -1 for the lowest to 1 for the highest (1, if there is one only). The sine has
    the amplitude ``strength`` and the phase 0 in the first step. Performance is the share of its variance that the
    output explains.
    """

    number, name = 13, "sine generator"
    grid = ((1, 2, 4), (20, 30), (0.5, 1.0))
    limits = ((1, 64), (11, 60), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        trials = empty(size)
        level = generator.choice(np.linspace(1, -1, self.set_size), size)
        slow, fast = 1 / self.delay, 1 / SHORTEST
        frequency = slow + (fast - slow) * (level + 1) / 2
        trials.inputs[..., FIRST.start] = level[:, None]
        phase = 2 * np.pi * frequency[:, None] * np.arange(STEPS)
        trials.targets[..., RESPONSE.start] = self.strength * np.sin(phase)
        return trials

    def performance(self, trials: Trials, outputs: np.ndarray) -> np.ndarray:
        place = slice(RESPONSE.start, RESPONSE.start + 1)
        return explained(outputs[..., place], trials.targets[..., place], trials.mask)
