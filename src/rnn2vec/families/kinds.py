"""The kinds that properties of networks are of, and the metrics of each: how computed, and how read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from rnn2vec.metrics import mean_error, median_angle_error, r2, share_right


@dataclasses.dataclass(frozen=True)
class Metric:
    """How well a property is predicted, as a number.

    Attributes:
        suffix: what follows the name of the property in the metric's.
        score: predictions and the truth, ``[rows]`` each, to the number; NaN where there is nothing to measure.
        better: 1 if more is better, -1 if less is.
        unit: what follows the number.
        digits: of the number after the point.
        most: the end of an axis that starts at 0; None if there is none.
    """

    suffix: str
    score: Callable[[np.ndarray, np.ndarray], float]
    better: int = 1
    unit: str = ""
    digits: int = 2
    most: float | None = 1.0

    def text(self, value: float | None) -> str:
        """The number for a reader; a dash where there was nothing to measure."""
        return "-" if value is None or math.isnan(value) else f"{value:.{self.digits}f}{self.unit}"


SHARE = Metric("", share_right)
KINDS: dict[str, tuple[Metric, ...]] = {
    "class": (SHARE,),
    "number": (Metric("_r2", r2), Metric("_error", mean_error, better=-1, most=None)),
    "angle": (Metric("_error", median_angle_error, better=-1, unit="\u00b0", digits=0, most=180.0),),
}
"""Metrics by kind of property: ``class`` (one of the values that occur), ``number``, ``angle`` in degrees. The first is
the one that readers are chosen by."""
