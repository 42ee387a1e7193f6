"""Comparisons of two stimuli over a delay: match to sample, and which of two was larger."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from rnn2vec.tasks.cognitive.responses import ResponseTask, directions, respond
from rnn2vec.tasks.cognitive.trials import FIRST, STEPS, Trials, during, points, waits

SHOWN = 8
"""Steps of the first stimulus."""
COMPARED = 10
"""Steps of the second of two that are compared."""


class DelayedMatch(ResponseTask):
    """Respond to a test stimulus if it is the sample that went before (DMS of Yang et al. 2019; Miller et al. 1996).

    ``set_size`` directions of the first modality; after a delay of at most ``delay`` steps the test comes, the fixation
    cue goes out, and the network responds in its direction if it matches and holds fixation if not. Half of the trials
    match. Stimuli have the radius ``strength``.
    """

    number, name = 7, "delayed match to sample"
    grid = ((2, 4, 8), (10, 15, 20, 25), (1.0,))
    limits = ((2, 64), (2, 30), (0.1, 4.0))
    respond_to_match: ClassVar[bool] = True

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        onset, sample = generator.integers(5, 9, size), directions(self.set_size, size, generator)
        matches = generator.random(size) < 0.5
        other = generator.integers(1, self.set_size, size) * (2 * np.pi / self.set_size)
        test = np.where(matches, sample, sample + other)
        go = onset + SHOWN + waits(self.delay, size, generator)
        trials = respond(go, test, matches == self.respond_to_match)
        for direction, on in ((sample, during(onset, onset + SHOWN)), (test, during(go, STEPS))):
            trials.inputs[..., FIRST] += self.strength * points(direction)[:, None] * on[..., None]
        return trials


class DelayedNonMatch(DelayedMatch):
    """The same as :class:`DelayedMatch`, with the response to a test that does not match (DNMS of Yang et al. 2019)."""

    number, name = 8, "delayed non-match to sample"
    respond_to_match = False


class DelayedComparison(ResponseTask):
    """Say which of two frequencies of vibration was higher, the second coming after a delay (Romo et al. 1999).

    The first is one of ``set_size`` values from -0.5 to 0.5 on the first channel, the second is larger or smaller by
    ``strength``; at most ``delay`` steps lie between. The response, when the second ends, is 0 if the first was higher
    and pi if the second was.
    """

    number, name = 9, "delayed comparison"
    grid = ((2, 3, 5), (8, 14), (0.3, 0.5))
    limits = ((1, 64), (2, 24), (0.1, 2.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        onset, sign = generator.integers(5, 9, size), generator.choice([-1.0, 1.0], size)
        first = generator.choice(np.linspace(-0.5, 0.5, self.set_size), size)
        second = onset + SHOWN + waits(self.delay, size, generator)
        trials = respond(second + COMPARED, np.pi * (sign > 0))
        values = (
            (first, during(onset, onset + SHOWN)),
            (first + self.strength * sign, during(second, second + COMPARED)),
        )
        for value, on in values:
            trials.inputs[..., FIRST.start] += value[:, None] * on
        return trials
