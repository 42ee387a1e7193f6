"""Edits: small changes to an input, by the kind of inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def edited_tokens(string: np.ndarray, other: np.ndarray, inputs: Any, random: np.random.Generator) -> np.ndarray:
    """A string ``[T]`` with a few tokens replaced, put in, taken out, or copied from another string."""
    new, steps = string.copy(), len(string)
    for _ in range(random.geometric(0.5)):
        place, token = int(random.integers(steps)), int(random.integers(inputs.size))
        match random.integers(4):
            case 0:
                new[place] = token
            case 1:
                new[place + 1 :] = new[place:-1]
                new[place] = token
            case 2:
                new[place:-1] = new[place + 1 :]
                new[-1] = token
            case _:
                length = min(steps - place, int(random.geometric(0.2)))
                start = int(random.integers(steps - length + 1))
                new[place : place + length] = other[start : start + length]
    return new


def edited_numbers(window: np.ndarray, other: np.ndarray, inputs: Any, random: np.random.Generator) -> np.ndarray:
    """A window ``[T, X]`` in which a stretch of one input or all became a level, louder or softer, noisy, or another
    window's.
    """
    new, (steps, channels) = window.copy(), window.shape
    low, high = inputs.range
    for _ in range(random.geometric(0.5)):
        length = min(steps, int(np.exp(random.uniform(0.0, np.log(steps + 1)))))
        start, source = random.integers(steps - length + 1, size=2)
        own = slice(0, channels) if random.random() < 0.5 else slice(c := int(random.integers(channels)), c + 1)
        stretch = new[start : start + length, own]
        match random.integers(4):
            case 0:
                stretch[:] = random.uniform(low, high)
            case 1:
                stretch *= np.exp(random.normal(0.0, 0.5))
            case 2:
                stretch += (high - low) * np.exp(random.uniform(-6.0, 0.0)) * random.normal(size=stretch.shape)
            case _:
                stretch[:] = other[source : source + length, own]
    return np.clip(new, low, high)


EDITS: Mapping[str, Callable[[np.ndarray, np.ndarray, Any, np.random.Generator], np.ndarray]] = {
    "tokens": edited_tokens,
    "numbers": edited_numbers,
}
