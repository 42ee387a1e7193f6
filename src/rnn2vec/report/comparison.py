"""Figures of two networks that are held against each other. Arrays in, a matplotlib figure out."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from rnn2vec.report.style import ASKED, INK, PALE, WIDTH, colour, styled

A, B = colour("interactive"), colour("flat")


@styled
def difference_over_time(mean: np.ndarray, largest: np.ndarray, measure: str) -> Figure:
    """Differences at each step, ``[T]``: the mean over sequences and the largest."""
    figure = Figure(figsize=(WIDTH, 2.6))
    axes = figure.subplots()
    axes.plot(largest, color=B, linewidth=0.9, label="largest of all sequences")
    axes.plot(mean, color=A, linewidth=1.3, label="mean")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.set_title(f"difference: {measure}")
    axes.legend()
    return figure


@styled
def both_answers(
    inputs: np.ndarray, answers_a: np.ndarray, answers_b: np.ndarray, apart: np.ndarray, classes: bool
) -> Figure:
    """One input, what both networks say to it, and how far these are apart.

    Args:
        inputs: tokens ``[T]`` or numbers ``[T, X]``.
        answers_a: ``[T, Y]`` probabilities, or numbers.
        answers_b: likewise.
        apart: differences ``[T]``.
        classes: whether answers are probabilities.
    """
    figure = Figure(figsize=(WIDTH, 5.6 if classes else 4.8))
    heights = [1.0, 1.0, 1.0, 0.8] if classes else [1.0, 1.6, 0.8]
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    if inputs.ndim == 1:
        panels[0].plot(inputs, "o", color=ASKED, markersize=3)
        panels[0].set_title("input: token")
        panels[0].margins(y=0.15)
    else:
        panels[0].plot(inputs, color=ASKED, linewidth=1.0)
        panels[0].set_title("input")
    if classes:
        for axes, name, answers, shade in zip(panels[1:3], "AB", (answers_a, answers_b), (A, B), strict=True):
            _heat(axes, answers, shade)
            axes.set_title(f"{name}: probability of each class", color=shade, fontweight="bold")
    else:
        for number in range(answers_a.shape[1]):
            panels[1].plot(answers_a[:, number], color=A, linewidth=1.3, label="A" if number == 0 else None)
            panels[1].plot(answers_b[:, number], "--", color=B, linewidth=1.1, label="B" if number == 0 else None)
        panels[1].set_title("answers")
        panels[1].legend()
    panels[-1].plot(apart, color=INK, linewidth=1.2)
    panels[-1].set_ylim(bottom=0)
    panels[-1].set_title("difference")
    panels[-1].set_xlabel("step")
    return figure


def _heat(axes: Axes, values: np.ndarray, shade: str) -> None:
    shades = LinearSegmentedColormap.from_list("", [PALE, shade])
    axes.imshow(values.T, cmap=shades, vmin=0, vmax=1, extent=(-0.5, len(values) - 0.5, values.shape[1] - 0.5, -0.5))
    axes.set_ylabel("class")
