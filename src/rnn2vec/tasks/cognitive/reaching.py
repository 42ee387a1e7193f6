"""Go tasks: respond to a stimulus in its direction or the opposite one, at once or from memory (Yang et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from rnn2vec.tasks.cognitive.responses import ResponseTask, directions, respond
from rnn2vec.tasks.cognitive.trials import FIRST, STEPS, Grid, Trials, during, points, waits

SHOWN = 8
"""Steps of a stimulus that is to be remembered."""


class Go(ResponseTask):
    """Respond in the direction of a stimulus that stays on, when the fixation cue goes out.

    ``set_size`` directions; the cue goes out at most ``delay`` steps after the stimulus came; the stimulus is a point
    on the circle of radius ``strength``.
    """

    number, name = 0, "go"
    grid: ClassVar[Grid] = ((2, 4, 8), (10, 20), (0.5, 1.0))
    limits = ((2, 64), (2, 40), (0.1, 4.0))
    turn: ClassVar[float] = 0.0
    """From the direction of the stimulus to that of the response."""
    remembered: ClassVar[bool] = False

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        onset, direction = generator.integers(5, 9, size), directions(self.set_size, size, generator)
        shown = SHOWN if self.remembered else 0
        go = onset + shown + waits(self.delay, size, generator)
        trials = respond(go, direction + self.turn)
        on = during(onset, onset + shown if self.remembered else STEPS)
        trials.inputs[..., FIRST] = self.strength * points(direction)[:, None] * on[..., None]
        return trials


class AntiGo(Go):
    """The same as :class:`Go`, with the response in the opposite direction."""

    number, name = 1, "anti-go"
    turn = np.pi


class DelayedGo(Go):
    """Respond in the direction of a stimulus that was shown and went, after a delay of at most ``delay`` steps."""

    number, name = 2, "delayed go"
    grid = ((2, 4, 8), (10, 15, 20, 25), (1.0,))
    limits = ((2, 64), (2, 30), (0.1, 4.0))
    remembered = True


class DelayedAntiGo(DelayedGo):
    """The same as :class:`DelayedGo`, with the response in the opposite direction."""

    number, name = 3, "delayed anti-go"
    turn = np.pi
