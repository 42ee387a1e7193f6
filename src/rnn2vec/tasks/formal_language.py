"""Formal languages a^n b^(n+mb) c^(n+mc) d^(n+md), the first family of the paper (section 5.1)."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Int64, Integer

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import LARGEST, whole

LETTERS = "abcd"
BOS, EOS = 4, 5
"""Tokens: the letters a, b, c, d are 0..3, then the beginning and the end of a string."""
SYMBOLS = (*LETTERS, "BOS", "EOS")
SHIFTS = tuple(range(-3, 3))
"""Values that each of mb, mc and md takes in the paper: 216 languages."""


@dataclasses.dataclass(frozen=True)
class FormalLanguage:
    """The language of all strings a^n b^(n+mb) c^(n+mc) d^(n+md), written as BOS, letters, EOS, EOS, ...

    A window of ``length`` tokens shows a string; one too long for it shows its beginning only (in the paper's sizes
    this happens to (2, 2, 2) with n = 9 alone). Training strings have n below ``max_n``; membership knows no such
    bound.

    Attributes:
        mb: how many b a string has more than a; likewise ``mc`` and ``md``.
        length: tokens in a window, BOS included; the paper's is 42.
        max_n: training strings have ``n < max_n``; the paper's is 10.

    Raises:
        RNN2VecError: if a number is not whole, no string fits the window or no training string is left.
    """

    mb: int
    mc: int
    md: int
    length: int = 42
    max_n: int = 10

    input_size: ClassVar[int] = len(SYMBOLS)
    output_size: ClassVar[int] = len(SYMBOLS)

    def __post_init__(self) -> None:
        for name in ("mb", "mc", "md", "length", "max_n"):
            object.__setattr__(self, name, whole(name, getattr(self, name), -LARGEST))
        shortest = 4 * self.min_n + sum(self.shifts)
        if shortest + 2 > self.length:
            raise RNN2VecError(
                f"a window holds at least BOS, the shortest string and EOS, {shortest + 2} tokens for {self}; "
                f"got a length of {self.length}"
            )
        if self.min_n >= self.max_n:
            raise RNN2VecError(f"{self} has strings from n = {self.min_n} on; max_n must be larger, got {self.max_n}")

    @property
    def shifts(self) -> tuple[int, int, int]:
        """(mb, mc, md)."""
        return self.mb, self.mc, self.md

    @property
    def parameters(self) -> dict[str, int]:
        """The three shifts by name."""
        return {"mb": self.mb, "mc": self.mc, "md": self.md}

    @property
    def min_n(self) -> int:
        """The smallest n for which no letter's count is negative."""
        return max(0, -min(self.shifts))

    def __str__(self) -> str:
        powers = [
            f"{letter}^(n{shift:+d})" if shift else f"{letter}^n"
            for letter, shift in zip("bcd", self.shifts, strict=True)
        ]
        return " ".join(["a^n", *powers])

    def string(self, n: int) -> Int64[np.ndarray, " length"]:
        """The string of a given n as it appears in the window, ``[length]`` int64."""
        counts = (n, *(n + shift for shift in self.shifts))
        letters = np.repeat(np.arange(4), counts)
        window = np.full(self.length, EOS, dtype=np.int64)
        window[0] = BOS
        shown = letters[: self.length - 1]
        window[1 : 1 + len(shown)] = shown
        return window

    @functools.cached_property
    def training_strings(self) -> Int64[np.ndarray, "strings length"]:
        """All training strings, ``[max_n - min_n, length]`` int64, n ascending."""
        return np.stack([self.string(n) for n in range(self.min_n, self.max_n)])

    def sample(
        self, size: int, generator: np.random.Generator
    ) -> tuple[Int64[np.ndarray, "B T"], Int64[np.ndarray, "B T"]]:
        """Draw strings with n uniform: inputs ``[B, length - 1]`` and, one token ahead, targets of the same shape."""
        strings = self.training_strings[generator.integers(0, len(self.training_strings), size)]
        return strings[:, :-1], strings[:, 1:]

    @functools.cached_property
    def _windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Window for every number of leading a, and whether that window is a member of the language."""
        every_n = range(self.length)
        windows = np.stack([self.string(n) if n >= self.min_n else np.full(self.length, -1) for n in every_n])
        complete = np.array([4 * n + sum(self.shifts) <= self.length - 1 for n in every_n])
        return windows, complete | (np.arange(self.length) < self.max_n)

    def accept(self, tokens: Integer[np.ndarray, "*any length"]) -> Bool[np.ndarray, "*any"] | np.bool_:
        """Whether each window ``[..., length]`` shows a string of the language, as booleans ``[...]``.

        Nothing but EOS may follow the first EOS. A window cut off before its string ends is accepted if it begins like
        a training string, since no network could have written more of it.

        Raises:
            RNN2VecError: if the windows have another length.
        """
        tokens = np.asarray(tokens)
        if tokens.shape[-1] != self.length:
            raise RNN2VecError(f"windows have {self.length} tokens; got an array of shape {list(tokens.shape)}")
        windows, member = self._windows
        n = (tokens == 0).sum(-1)
        n = np.minimum(n, self.length - 1)
        return (windows[n] == tokens).all(-1) & member[n]


def all_languages(length: int = 42, max_n: int = 10, shifts: Sequence[int] = SHIFTS) -> list[FormalLanguage]:
    """Every language with its three shifts from ``shifts``, in lexicographic order (216 of them in the paper)."""
    return [FormalLanguage(mb, mc, md, length, max_n) for mb, mc, md in itertools.product(shifts, repeat=3)]


def to_text(tokens: np.ndarray) -> str:
    """A window as text: its letters up to the first EOS, ``<`` for a BOS out of place."""
    tokens = np.asarray(tokens)[1:]
    ends = np.flatnonzero(tokens == EOS)
    return "".join("abcd<"[token] for token in tokens[: ends[0] if len(ends) else None])
