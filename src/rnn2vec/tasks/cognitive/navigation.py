"""Navigation: add up movements to a position in the plane, or turns to a direction of the head."""

from __future__ import annotations

import numpy as np

from rnn2vec.tasks.cognitive.responses import TOLERANCE
from rnn2vec.tasks.cognitive.trials import (
    FIRST,
    RESPONSE,
    SECOND,
    SETTLE,
    STEPS,
    CognitiveTask,
    Trials,
    during,
    empty,
    explained,
    points,
)

PACE = 0.08
"""What a step of speed 1 moves, and radians that a turn of 1 turns."""


class PathIntegration(CognitiveTask):
    """Say the position in the plane from speed and direction of movement (Cueva and Wei 2018).

    The first channel of the first modality is the speed, from 0 to ``strength``, the second modality the direction;
    both stay for ``delay`` steps, and then change: the speed to another, the direction by a turn of at most a right
    angle, to one of ``set_size``, or, for 0, of all. The responses are the coordinates, 0 at the start. Performance
    is the share of their variance that is explained.
    """

    number, name = 14, "path integration"
    grid = ((0, 4), (6, 10, 15), (0.7, 1.0))
    limits = ((0, 64), (2, 60), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        trials, legs = empty(size), -(-STEPS // self.delay)
        turns = generator.uniform(-np.pi / 2, np.pi / 2, (size, legs))
        turns[:, 0] = generator.uniform(0, 2 * np.pi, size)
        direction = turns.cumsum(1)
        if self.set_size:
            direction = np.rint(direction * self.set_size / (2 * np.pi)) * (2 * np.pi / self.set_size)
        speed = self.strength * generator.random((size, legs))
        speed, heading = (np.repeat(legs_of, self.delay, axis=1)[:, :STEPS] for legs_of in (speed, points(direction)))
        trials.inputs[..., FIRST.start] = speed
        trials.inputs[..., SECOND] = heading
        trials.targets[..., RESPONSE] = (PACE * speed[..., None] * heading).cumsum(1)
        return trials

    def performance(self, trials: Trials, outputs: np.ndarray) -> np.ndarray:
        return explained(outputs[..., RESPONSE], trials.targets[..., RESPONSE], trials.mask)


class HeadDirection(CognitiveTask):
    """Say the direction of the head from where it was first and how fast it turns: integration on a ring (Cueva et al.
    2020).

    The second modality shows the first direction for five steps, one of ``set_size``, or, for 0, of all; from then on
    the first channel of the first modality is the velocity, from ``-strength`` to ``strength``, which changes every
    ``delay`` steps. The response is cosine and sine of the direction. Performance is the share of the steps in which
    it lies within 0.2 pi.
    """

    number, name = 15, "head direction"
    grid = ((0, 4), (6, 10, 15), (0.7, 1.0))
    limits = ((0, 64), (2, 60), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        trials, legs = empty(size), -(-STEPS // self.delay)
        first = generator.uniform(0, 2 * np.pi, size)
        if self.set_size:
            first = np.rint(first * self.set_size / (2 * np.pi)) * (2 * np.pi / self.set_size)
        velocity = np.repeat(generator.uniform(-self.strength, self.strength, (size, legs)), self.delay, axis=1)[
            :, :STEPS
        ]
        velocity[:, :SETTLE] = 0
        trials.inputs[..., FIRST.start] = velocity
        trials.inputs[..., SECOND] = points(first)[:, None] * during(0, SETTLE)[..., None]
        trials.targets[..., RESPONSE] = points(first[:, None] + 2 * PACE * velocity.cumsum(1))
        return trials

    def performance(self, trials: Trials, outputs: np.ndarray) -> np.ndarray:
        said, wanted = (np.arctan2(each[..., 2], each[..., 1]) for each in (outputs, trials.targets))
        near = np.abs((said - wanted + np.pi) % (2 * np.pi) - np.pi) < TOLERANCE
        counted = trials.mask > 0
        return (near & counted).sum(1) / counted.sum(1)
