"""Interval timing: measure the time between two pulses and produce it (Jazayeri and Shadlen 2010)."""

from __future__ import annotations

import numpy as np

from rnn2vec.tasks.cognitive.trials import (
    FIRST,
    FIXATION,
    RESPONSE,
    SECOND,
    SETTLE,
    STEPS,
    CognitiveTask,
    Trials,
    during,
    empty,
    waits,
)

PULSE = 2
"""Steps of a pulse."""
OVERSHOOT = 1.25
"""The ramp goes on until so many intervals after it began."""
RAMP_WEIGHT = 5.0
"""What a step of the ramp counts in the loss, where one before it counts 1."""
TOLERANCE = 0.2
"""What share of the interval a network may be early or late by."""


class IntervalTask(CognitiveTask):
    """A task whose answer is a time: the first response ramps from 0 and reaches 1 when the interval is over.

    As with the networks of Wang et al. 2018 and Remington et al. 2018, the time that a network produces is that at
    which its ramp first crosses a threshold, here 1, interpolated between steps. A trial is right if that is within a
    fifth of the interval: the window of the animals' experiments grows with the interval, too.
    """

    def performance(self, trials: Trials, outputs: np.ndarray) -> np.ndarray:
        every, ramp = np.arange(len(outputs)), trials.targets[..., RESPONSE.start]
        first = (ramp > 0).argmax(1)
        wanted = 1 / ramp[every, first]
        said = outputs[..., RESPONSE.start]
        crossed = (said >= 1) & (np.arange(STEPS) >= SETTLE)
        step = crossed.argmax(1)
        below, above = said[every, np.maximum(step - 1, 0)], said[every, step]
        produced = step - first + np.clip((1 - below) / np.maximum(above - below, 1e-9), 0, 1)
        right = np.abs(produced - wanted) <= TOLERANCE * wanted
        return (crossed.any(1) & right).astype(np.float64)


class ReadySetGo(IntervalTask):
    """Ready, Set, and Go where the network says: as long after Set as Ready was before it (Jazayeri and Shadlen 2010).

    Ready is a pulse on the first channel of the first modality, Set on that of the second. Intervals are one of
    ``set_size`` from half of ``delay`` to ``delay`` steps; pulses have the height ``strength``.
    """

    number, name = 10, "ready-set-go"
    grid = ((2, 3, 5), (16, 22), (0.5, 1.0))
    limits = ((1, 64), (8, 22), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        ready, interval = generator.integers(5, 9, size), intervals(self.set_size, self.delay, size, generator)
        start = ready + interval
        trials = produce(start, interval)
        _pulses(trials, ready, start, self.strength)
        return trials


class IntervalReproduction(IntervalTask):
    """Reproduce, from a go cue on, the interval between two pulses that came before a delay (Bi and Zhou 2020).

    Pulses and intervals as of :class:`ReadySetGo`, with intervals from 8 to 16 steps; the cue, the end of the fixation
    input, comes at most ``delay`` steps after Set.
    """

    number, name, cued = 11, "interval reproduction", True
    grid = ((2, 3, 5), (6, 12), (0.5, 1.0))
    limits = ((1, 64), (2, 16), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        ready, interval = generator.integers(5, 9, size), intervals(self.set_size, 16, size, generator)
        start = ready + interval + waits(self.delay, size, generator)
        trials = produce(start, interval)
        trials.inputs[..., FIXATION] = during(0, start)
        _pulses(trials, ready, ready + interval, self.strength)
        return trials


def intervals(count: int, longest: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Intervals ``[B]`` in whole steps, of ``count`` that lie evenly from half the longest to the longest."""
    return generator.choice(np.rint(np.linspace(longest, longest / 2, count)).astype(int), size)


def produce(start: np.ndarray, interval: np.ndarray) -> Trials:
    """Trials whose ramp begins after step ``start`` and is 1 so many steps later, both ``[B]``."""
    trials, passed = empty(len(start)), np.arange(STEPS) - start[:, None]
    end = start + np.rint(OVERSHOOT * interval).astype(int) + 1
    ramping = during(start + 1, end)
    trials.targets[..., RESPONSE.start] = np.where(ramping, passed / interval[:, None], 0)
    trials.mask[ramping] = RAMP_WEIGHT
    trials.mask[during(end, STEPS)] = 0
    return trials


def _pulses(trials: Trials, ready: np.ndarray, go: np.ndarray, height: float) -> None:
    for place, onset in ((FIRST, ready), (SECOND, go)):
        trials.inputs[..., place.start] = height * during(onset, onset + PULSE)
