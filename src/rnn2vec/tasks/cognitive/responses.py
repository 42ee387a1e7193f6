"""Tasks that end with a response: hold fixation, then answer with a direction or go on holding (Yang et al. 2019)."""

from __future__ import annotations

import numpy as np

from rnn2vec.tasks.cognitive.trials import FIXATION, RESPONSE, STEPS, CognitiveTask, Trials, during, empty, points

GRACE = 5
"""Steps after the go cue that count in no loss."""
RESPONSE_WEIGHT = 5.0
"""What a step of the response counts in the loss, where one of fixation counts 1."""
TOLERANCE = 0.2 * np.pi
"""How far from the right direction a response may be."""


class ResponseTask(CognitiveTask):
    """A task in which a network holds fixation until a go cue and then responds with a direction, or holds on.

    The fixation input is 1 until the go cue, and so is the fixation output in the targets; from then on it is 0, and
    the response is the cosine and the sine of the direction. A trial is right, as in Yang et al. 2019, if the
    fixation output is above 0.5 at every step before the cue, and at the last step it is below 0.5 and the response
    lies within 0.2 pi of the right direction, or, where none is due, it is still above 0.5.
    """

    cued = True

    def performance(self, trials: Trials, outputs: np.ndarray) -> np.ndarray:
        holding, wanted = trials.targets[..., FIXATION] > 0.5, trials.targets[:, -1, RESPONSE]
        held = ((outputs[..., FIXATION] > 0.5) | ~holding | (trials.mask == 0)).all(1)
        said = outputs[:, -1, RESPONSE]
        angle = np.arctan2(said[:, 1], said[:, 0]) - np.arctan2(wanted[:, 1], wanted[:, 0])
        near = np.abs((angle + np.pi) % (2 * np.pi) - np.pi) < TOLERANCE
        responded = (outputs[:, -1, FIXATION] < 0.5) & near
        return (held & (holding[:, -1] | responded)).astype(np.float64)


def respond(go: np.ndarray, direction: np.ndarray, due: np.ndarray | bool = True) -> Trials:
    """Trials with a fixation cue, targets and a mask, and no stimulus yet.

    Args:
        go: the step of each trial's go cue, ``[B]``.
        direction: of the response, in radians, ``[B]``.
        due: whether a response is due, ``[B]``; if not, fixation is held to the end.
    """
    trials, after = empty(len(go)), during(go, STEPS)
    responding = after & np.broadcast_to(due, len(go))[:, None]
    trials.inputs[..., FIXATION] = ~after
    trials.targets[..., FIXATION] = ~responding
    trials.targets[..., RESPONSE] = points(direction)[:, None] * responding[..., None]
    trials.mask[during(go, go + GRACE)] = 0
    trials.mask[during(go + GRACE, STEPS)] = RESPONSE_WEIGHT
    return trials


def directions(count: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Directions ``[B]`` in radians, of so many that lie evenly on the circle."""
    return generator.integers(0, count, size) * (2 * np.pi / count)
