"""Decisions from evidence that comes with noise: perceptual, context-dependent, multisensory."""

from __future__ import annotations

import numpy as np

from rnn2vec.tasks.cognitive.responses import ResponseTask, directions, respond
from rnn2vec.tasks.cognitive.trials import CONTEXT, FIRST, SECOND, Trials, during, points, waits

SHOWN = 20
"""Steps for which evidence comes."""
EVIDENCE_NOISE = 0.25
"""Standard deviation of the evidence at every step, beside the noise of every input."""
COHERENCES = np.array([0.25, 0.5, 1.0])
"""Of one trial, in units of the task's strength."""


class PerceptualDecision(ResponseTask):
    """Respond in the direction in which noisy dots move (Britten et al. 1992; task DM of Yang et al. 2019).

    One of ``set_size`` directions; the evidence is a point on the circle whose radius is a coherence times
    ``strength``; the response is due at most ``delay`` steps after it ends.
    """

    number, name = 4, "perceptual decision"
    grid = ((2, 4, 8), (4, 10), (0.4, 0.8))
    limits = ((2, 64), (2, 24), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        direction, on, go = directions(self.set_size, size, generator), *_periods(self.delay, size, generator)
        trials = respond(go, direction)
        strength = self.strength * generator.choice(COHERENCES, size)
        trials.inputs[..., FIRST] = _evidence(strength[:, None] * points(direction), on, generator)
        return trials


class ContextIntegration(ResponseTask):
    """Say the sign of the evidence of the modality that the context names (Mante et al. 2013).

    Motion comes on the first channel of the first modality, colour on that of the second; the context is one of two
    inputs, on during the whole trial. The response is 0 for more than zero and pi for less. Evidence is a signed
    coherence times ``strength``, of either modality on its own, of ``set_size`` sizes; ``delay`` as above.
    """

    number, name = 5, "context integration"
    grid = ((1, 2, 3), (4, 10), (0.4, 0.8))
    limits = ((1, 3), (2, 24), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        on, go = _periods(self.delay, size, generator)
        context = generator.integers(0, 2, size)
        evidence = self.strength * generator.choice(COHERENCES[-self.set_size :], (size, 2))
        evidence *= generator.choice([-1.0, 1.0], (size, 2))
        trials = respond(go, np.pi * (evidence[np.arange(size), context] < 0))
        trials.inputs[..., CONTEXT] = np.eye(2)[context][:, None]
        for modality, place in enumerate((FIRST, SECOND)):
            trials.inputs[..., place.start] = _evidence(evidence[:, modality, None], on, generator)[..., 0]
        return trials


class MultisensoryIntegration(ResponseTask):
    """Say the sign of evidence that comes in both modalities at once (Raposo et al. 2014; MultiDM of Yang et al. 2019).

    Channels, response and ``delay`` as of :class:`ContextIntegration`, without a context. The two coherences of a trial
    share their sign and are of ``set_size`` sizes each.
    """

    number, name = 6, "multisensory integration"
    grid = ((1, 2, 3), (4, 10), (0.4, 0.8))
    limits = ((1, 3), (2, 24), (0.1, 4.0))

    def trials(self, size: int, generator: np.random.Generator) -> Trials:
        on, go = _periods(self.delay, size, generator)
        evidence = self.strength * generator.choice(COHERENCES[-self.set_size :], (size, 2))
        evidence *= generator.choice([-1.0, 1.0], (size, 1))
        trials = respond(go, np.pi * (evidence.sum(1) < 0))
        for modality, place in enumerate((FIRST, SECOND)):
            trials.inputs[..., place.start] = _evidence(evidence[:, modality, None], on, generator)[..., 0]
        return trials


def _periods(delay: int, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which steps evidence comes in, ``[B, T]``, and the step of the go cue ``[B]``."""
    onset = generator.integers(5, 9, size)
    return during(onset, onset + SHOWN), onset + SHOWN + waits(delay, size, generator)


def _evidence(mean: np.ndarray, on: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Evidence ``[B, T, C]`` with this mean ``[B, C]`` in the steps that are on."""
    noise = generator.standard_normal((*on.shape, mean.shape[1]), dtype=np.float32)
    return (mean[:, None].astype(np.float32) + np.float32(EVIDENCE_NOISE) * noise) * on[..., None]
