"""Figures of means over seeds and their intervals. Arrays in, a matplotlib figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from rnn2vec.report.style import GREY, INK, WIDTH, colour, label, styled

Ends = tuple[float, float, float]
"""Mean, low and high end of an interval."""
Panel = Mapping[str, Mapping[str, Ends]]
"""By row, what is drawn in it: intervals by kind, such as ``frozen``."""

MARKS = {
    "frozen": "o",
    "linear": "^",
    "supervised": "D",
    "untrained": "x",
    "shuffled": "+",
    "paper": "s",
    "difference": "o",
}
"""How each kind is drawn: what was learnt is filled, a control is a cross, the paper's figure is an open square."""
NAMES = {
    "frozen": "frozen z",
    "linear": "frozen z, linear reader",
    "supervised": "end to end on labels",
    "untrained": "control: untrained encoder",
    "shuffled": "control: shuffled labels",
    "paper": "the paper",
}
MOST_IN_LINE = 4
"""Entries of a legend that fit in one line."""


@styled
def interval_panels(panels: Mapping[str, Panel], zero: bool = False) -> Figure:
    """Means and intervals, a panel a quantity, a row an encoder.

    Args:
        panels: by title. Rows of the same name stand side by side.
        zero: draw a line at zero, for differences.
    """
    rows = list(dict.fromkeys(row for panel in panels.values() for row in panel))
    figure = Figure(figsize=(WIDTH, 1.1 + 0.42 * len(rows)))
    drawn = figure.subplots(1, max(1, len(panels)), sharey=True, squeeze=False)[0]
    shown: list[str] = []
    for axes, (title, panel) in zip(drawn, panels.items(), strict=False):
        for place, row in enumerate(rows):
            kinds = panel.get(row, {})
            for offset, (kind, (mean, low, high)) in zip(_offsets(len(kinds)), kinds.items(), strict=True):
                if np.isnan(mean):
                    continue
                shade = GREY if kind in ("untrained", "shuffled") else INK if kind == "paper" else colour(row)
                axes.plot([low, high], [place + offset] * 2, color=shade, linewidth=1.6, alpha=0.7)
                hollow = {"markerfacecolor": "white"} if kind in ("supervised", "paper") else {}
                axes.plot(mean, place + offset, MARKS.get(kind, "o"), color=shade, markersize=5, **hollow)
                if kind not in shown:
                    shown.append(kind)
        if zero:
            axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_title(title)
        axes.set_yticks(range(len(rows)), [label(row) for row in rows])
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e6e9ed", linewidth=0.7)
        axes.set_axisbelow(True)
    if rows:
        drawn[0].set_ylim(len(rows) - 0.5, -0.5)
    if len(shown) > 1:
        handles = [
            figure.axes[0].plot(
                [],
                [],
                MARKS.get(kind, "o"),
                color=GREY if kind != "paper" else INK,
                label=NAMES.get(kind, kind),
                markerfacecolor="white" if kind in ("supervised", "paper") else None,
            )[0]
            for kind in shown
        ]
        columns = len(handles) if len(handles) <= MOST_IN_LINE else -(-len(handles) // 2)
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure


def _offsets(count: int) -> Sequence[float]:
    return [0.0] if count == 1 else list(np.linspace(-0.24, 0.24, count))


@styled
def interval_curves(panels: Mapping[str, Mapping[str, Mapping[float, Ends]]], axis: str, value: str) -> Figure:
    """A quantity against a size, a line an encoder, with its interval as a band.

    Args:
        panels: by title, by encoder, intervals by size.
        axis: what all the sizes are called; a panel's title says which it is.
        value: what the quantity is called.
    """
    figure = Figure(figsize=(WIDTH, 3.4))
    drawn = figure.subplots(1, max(1, len(panels)), sharey=True, squeeze=False)[0]
    for axes, (title, curves) in zip(drawn, panels.items(), strict=False):
        sizes = sorted({size for curve in curves.values() for size in curve})
        for name, curve in curves.items():
            x = sorted(curve)
            mean, low, high = (np.array([curve[size][end] for size in x]) for end in range(3))
            axes.fill_between(x, low, high, color=colour(name), alpha=0.18, linewidth=0)
            axes.plot(x, mean, ".-", color=colour(name), label=label(name), linewidth=1.9)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.minorticks_off()
        axes.set_title(title)
        axes.set_xlabel(axis)
    drawn[0].set_ylabel(value)
    handles, labels = drawn[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    return figure
