"""The figure of an identification. Arrays in, a matplotlib figure out."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from rnn2vec.report.style import WIDTH, colour, styled


@styled
def narrowing(bits: np.ndarray, none: np.ndarray) -> Figure:
    """Bits that are left ``[Q + 1]``, and the probability of none ``[Q + 1]``, before and after each question."""
    figure = Figure(figsize=(WIDTH, 2.6))
    axes = figure.subplots()
    axes.plot(bits, "o-", color=colour("interactive"), linewidth=1.3, markersize=3, label="bits left")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("questions")
    axes.plot(none, "s--", color=colour("flat"), linewidth=1.0, markersize=3, label="probability of none")
    axes.legend()
    return figure
