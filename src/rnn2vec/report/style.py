"""The look of the report's figures: one colour an encoder, one style, without touching matplotlib's own settings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {
    "interactive": "#1f4e9e",
    "noninteractive": "#1f9bb5",
    "statistics": "#c28a00",
    "flat": "#dd5a2b",
    "transformer": "#b1316f",
    "deep_weight_space": "#6d4aa8",
    "answers": "#3f8f6b",
}
"""Encoders that ask questions are cool, those that read weights are warm."""
FALLBACK = "#5f6670"
INK, GREY, PALE = "#22262b", "#8b929b", "#f3f5f7"
ASKED = "#7b3fa0"
"""Questions are purple; what a network itself says is ink."""

WIDTH = 10.0
"""Inches: 960 pixels of a page, so that text keeps the size it is given here."""
STYLE: dict[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "hatch.linewidth": 1.4,
    "image.aspect": "auto",
    "image.composite_image": False,
    "image.interpolation": "none",
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}

Arguments = ParamSpec("Arguments")


def colour(name: str) -> str:
    """The colour of an encoder."""
    return COLOURS.get(name, FALLBACK)


def label(name: str) -> str:
    """What a reader calls an encoder."""
    return name.replace("_", " ")


def bare(axes: Axes) -> None:
    """No frame and no tick marks."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Draw in the style of the report, without touching matplotlib's settings for anybody else."""

    @functools.wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with rc_context(STYLE):
            figure = draw(*args, **kwargs)
            figure.draw_without_rendering()  # ticks take their style when they are first drawn
            figure.set_layout_engine("none")  # it is laid out; every further drawing would take seconds for the same
            return figure

    return drawn
