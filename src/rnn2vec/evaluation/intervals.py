"""Intervals over seeds: what a figure is worth (section 5 of the paper: bootstrap 95 % intervals)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from rnn2vec.errors import RNN2VecError

CONFIDENCE = 0.95
RESAMPLES = 9999


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean over runs and its bootstrap interval.

    Attributes:
        mean: of the runs; NaN if none of them measured anything.
        low: lower end of the 95 % interval.
        high: upper end; both are the mean for a single run, which says nothing of its spread.
        runs: how many runs there were.
    """

    mean: float
    low: float
    high: float
    runs: int

    def text(self, digits: int = 2, unit: str = "") -> str:
        """``0.91 (0.89 to 0.93)``; the mean alone for a single run, a dash for none."""
        if np.isnan(self.mean):
            return "-"
        mean, low, high = (f"{round(end, digits) + 0.0:.{digits}f}" for end in (self.mean, self.low, self.high))
        return f"{mean}{unit}" if self.runs < 2 else f"{mean}{unit} ({low} to {high})"


def interval(values: Sequence[float] | np.ndarray, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of the mean over independent runs ``[K]``; runs that measured nothing (NaN) are
    left out.

    With three runs there are only ten different resamples: such an interval shows the spread of what was seen and
    covers the true mean less often than it says.
    """
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    if len(known) < 2 or np.ptp(known) == 0:
        mean = float(known.mean()) if len(known) else float("nan")
        return Interval(mean, mean, mean, len(known))
    from scipy.stats import bootstrap  # a second, which few who import this need

    found = bootstrap(
        (known,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(known.mean()), float(found.low), float(found.high), len(known))


def paired_difference(values: Sequence[float], others: Sequence[float], seed: int = 0) -> Interval:
    """Interval of the mean of ``values - others``, run by run ``[K]``.

    What the two runs of a pair share (the zoo, the seed of the batches) does not blur it.

    Raises:
        RNN2VecError: if the two are not of the same length.
    """
    if len(values) != len(others):
        raise RNN2VecError(f"runs are paired one to one; got {len(values)} and {len(others)}")
    return interval(np.asarray(values, dtype=float) - np.asarray(others, dtype=float), seed)
