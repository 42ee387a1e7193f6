"""Stimuli: inputs that networks are observed on where nobody brought any.

Numbers are a mixture of four signals at four amplitudes: steps between random levels, a sweep from slow to fast,
harmonics that decay after random onsets, and white noise. The last eighth of each is silence, in which a network is
left alone. The largest amplitude fills the range, each next one is a third of it. In every second sequence all inputs
have such signals of their own; in the others only the first has, and the rest keep one random level each, as a knob
does. Tokens are random strings.

The notes come first, at all amplitudes: they are what an amplifier hears, and the questions of a learned encoder begin
as the first few.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnn2vec.interface import Numbers, Tokens
from rnn2vec.randomness import generator

STEPS = {"numbers": 1024, "tokens": 64}
"""Of a sequence, by the kind of inputs."""
SEQUENCES = 16
LOUDNESS = 1 / 3
"""Of each amplitude to the one before."""
PARTIALS = 6

Random = np.random.Generator


def stimuli(
    inputs: Tokens | Numbers, seed: int = 0, sequences: int = SEQUENCES, steps: int | None = None
) -> np.ndarray:
    """Sequences for networks to read; the same for the same inputs and seed.

    Args:
        inputs: what the networks read; numbers have a range.
        seed: of all that is random.
        sequences: R.
        steps: T; see :data:`STEPS` by default.

    Returns:
        Tokens ``[R, T]``, or float32 numbers ``[R, T, X]`` within the range.

    Raises:
        RNN2VecError: if numbers have no range.
    """
    steps = STEPS[inputs.kind] if steps is None else steps
    if isinstance(inputs, Tokens):
        drawn = generator(seed, "stimuli").integers(0, inputs.size, (sequences, steps))
        return drawn.astype(inputs.stored)
    low, high = inputs.range
    rest = 0.0 if low < 0.0 < high else (low + high) / 2
    reach = min(high - rest, rest - low)
    found = np.empty((sequences, steps, inputs.size))
    for number in range(sequences):
        signal, cycle = SIGNALS[number % len(SIGNALS)], number // len(SIGNALS)
        loudness = LOUDNESS ** (cycle % len(SIGNALS))
        alone = (number + cycle) % 2 == 1
        for channel in range(inputs.size):
            random = generator(seed, "stimuli", number, channel)
            if channel and alone:
                found[number, :, channel] = random.uniform(low, high)
                continue
            found[number, :, channel] = rest + reach * loudness * signal(random, steps)
            found[number, steps - steps // 8 :, channel] = rest
    order = sorted(range(sequences), key=lambda number: (FIRST.index(number % len(SIGNALS)), number))
    return np.clip(found[order], low, high).astype(np.float32)


def _levels(random: Random, steps: int) -> np.ndarray:
    """Random levels, each kept for a time that is drawn on a logarithmic scale."""
    lengths = np.exp(random.uniform(0.0, np.log(max(2, steps / 4)), steps)).astype(int)
    needed = 1 + int(
        np.searchsorted(lengths.cumsum(), steps)
    )  # all of them would be as long as the square of the steps
    return np.repeat(random.uniform(-1.0, 1.0, steps)[:needed], lengths[:needed])[:steps]


def _sweep(random: Random, steps: int) -> np.ndarray:
    """A sine from one cycle in all to nearly half a cycle a step, on a logarithmic scale."""
    time, lowest, highest = np.arange(steps) / steps, 1.0, max(2.0, 0.45 * steps)
    rate = np.log(highest / lowest)
    return np.sin(2 * np.pi * (lowest * np.expm1(rate * time) / rate + random.random()))


def _decaying_harmonics(random: Random, steps: int) -> np.ndarray:
    """Notes of a few harmonics each, which decay from random onsets."""
    found, time = np.zeros(steps), np.arange(steps)
    for onset in [0, *random.integers(0, steps, 3)]:
        pitch, decay = np.exp(random.uniform(np.log(0.004), np.log(0.08))), random.uniform(0.05, 0.4) * steps
        partials = np.arange(1, PARTIALS + 1)
        phases = 2 * np.pi * (pitch * partials * time[:, None] + random.random(PARTIALS))
        note = (np.sin(phases) / partials).sum(1) * np.exp(-time / decay)
        found[onset:] += note[: steps - onset]
    return found / max(np.abs(found).max(), 1e-12)


def _noise(random: Random, steps: int) -> np.ndarray:
    return random.uniform(-1.0, 1.0, steps)


SIGNALS: tuple[Callable[[Random, int], np.ndarray], ...] = (_levels, _sweep, _decaying_harmonics, _noise)
"""Each from -1 to 1."""
FIRST = (2, 0, 1, 3)
"""The order in which they are handed out, each at all its amplitudes: whoever takes the first few takes notes."""
