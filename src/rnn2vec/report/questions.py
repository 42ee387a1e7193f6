"""Figures of the theory: how many questions it takes. Arrays in, a matplotlib figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter

from rnn2vec.report.style import ASKED, GREY, INK, PALE, WIDTH, bare, colour, styled

FIXED, ADAPTIVE = colour("noninteractive"), colour("interactive")
SHADES = {"noninteractive": FIXED, "interactive": ADAPTIVE, "interactive, echo": ASKED}


@styled
def answer_tables(tables: Mapping[str, np.ndarray]) -> Figure:
    """Small classes as tables, a row a function, a column a question; dark where the answer is 1.

    Args:
        tables: by title, ``[F, Q]`` of 0 and 1.
    """
    figure = Figure(figsize=(WIDTH, 2.6))
    for axes, (title, table) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        axes.imshow(table, cmap=ListedColormap([PALE, INK]), vmin=0, vmax=1, aspect="equal")
        axes.set_xticks(np.arange(table.shape[1] + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(table.shape[0] + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="minor", length=0)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel("questions")
        axes.set_ylabel("functions")
        axes.set_title(title)
        bare(axes)
    return figure


@styled
def class_sizes(families: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Questions that identify a function against the size of its class, fixed and adaptive; a panel a family.

    Args:
        families: by name, ``size``, ``fixed`` and ``adaptive``, ``[K]`` each.
    """
    figure = Figure(figsize=(WIDTH, 3.2))
    panels = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
    sizes = np.unique(np.concatenate([curves["size"] for curves in families.values()]))
    for axes, (name, curves) in zip(panels, families.items(), strict=True):
        axes.fill_between(sizes, np.log2(sizes), sizes - 1, color=PALE, linewidth=0)
        axes.plot(curves["size"], curves["fixed"], "o-", color=FIXED, label="fixed questions", markersize=5)
        axes.plot(curves["size"], curves["adaptive"], "D-", color=ADAPTIVE, label="adaptive questions", markersize=4)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
            axis.set_minor_locator(NullLocator())
        axes.set_xticks(sizes)
        axes.set_title(name)
        axes.set_xlabel("functions in the class")
    panels[0].set_ylabel("questions")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


@styled
def identification_curves(
    learned: Mapping[int, Mapping[str, Sequence[float]]],
    best: Mapping[int, Mapping[str, Sequence[float]]],
    told_apart: Mapping[int, Mapping[str, Sequence[float]]],
) -> Figure:
    """Share of functions identified after so many questions; a panel a class.

    Args:
        learned: by size of the class and interrogator, shares after 1, 2, ... questions.
        best: likewise ``fixed`` and ``adaptive``: what is possible at most.
        told_apart: as ``learned``, shares that the questions asked tell apart.
    """
    columns = min(3, len(learned))
    rows = -(-len(learned) // columns)
    figure = Figure(figsize=(WIDTH, 0.5 + 2.5 * rows))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes in panels[len(learned) :]:
        axes.set_visible(False)
    for axes, (size, curves) in zip(panels, learned.items(), strict=False):
        for name, shade in (("fixed", FIXED), ("adaptive", ADAPTIVE)):
            shares = best[size][name]
            axes.plot(range(1, len(shares) + 1), shares, color=shade, linewidth=5, alpha=0.22, solid_capstyle="butt")
        for name, shares in curves.items():
            shade = SHADES.get(name, GREY)
            axes.plot(range(1, len(shares) + 1), shares, ".-", color=shade, linewidth=1.3)
            axes.plot(range(1, len(shares) + 1), told_apart[size][name], ":", color=shade, linewidth=1.6)
        axes.set_title(f"{size} functions")
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for axes in panels[max(0, len(learned) - columns) : len(learned)]:
        axes.set_xlabel("questions asked")
    panels[0].set_ylabel("identified")
    names = list(dict.fromkeys(name for curves in learned.values() for name in curves))
    handles = [Line2D([], [], color=SHADES.get(name, GREY), marker=".", label=f"{name}, learned") for name in names]
    handles.append(Line2D([], [], color=GREY, linestyle=":", label="told apart by these questions"))
    handles += [
        Line2D([], [], color=shade, linewidth=5, alpha=0.22, label=f"{name}, best possible")
        for name, shade in (("fixed", FIXED), ("adaptive", ADAPTIVE))
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


@styled
def zoo_curves(targets: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Share of a zoo's networks of which something is known after 0, 1, ... questions; a panel a thing to know.

    Args:
        targets: by title, shares by ``fixed`` and ``adaptive``.
    """
    figure = Figure(figsize=(WIDTH, 3.0))
    panels = figure.subplots(1, len(targets), sharey=True, squeeze=False)[0]
    for axes, (title, curves) in zip(panels, targets.items(), strict=True):
        for name, shade, mark in (("fixed", FIXED, "o"), ("adaptive", ADAPTIVE, "D")):
            shares = curves[name]
            axes.plot(range(len(shares)), shares, f"{mark}-", color=shade, markersize=4, label=f"{name} questions")
        axes.set_title(title)
        axes.set_xlabel("questions asked")
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    panels[0].set_ylabel("networks identified")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    return figure
