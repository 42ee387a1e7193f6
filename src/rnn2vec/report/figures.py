"""The figures of the report: arrays in, a matplotlib figure out. Nothing here knows torch, files or the web.

An encoder has the same colour in every figure. Figures are built without pyplot, so none outlives its caller.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    PercentFormatter,
    StrMethodFormatter,
)

from rnn2vec.report.style import ASKED, GREY, INK, PALE, WIDTH, bare, colour, label, styled

Limits = tuple[float, float] | None
"""The lowest and the highest number, for answers that are numbers; None for probabilities."""


@styled
def loss_curves(histories: Mapping[str, Sequence[Mapping[str, float]]], loss_name: str = "total variation") -> Figure:
    """Emulation loss while training, over steps (left) and over seconds (right).

    Args:
        histories: by encoder, entries ``{step, seconds, train, validation}`` in order.
        loss_name: what the loss is called on its axis, which is logarithmic if the losses span a wide range.
    """
    figure = Figure(figsize=(WIDTH, 3.5))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, clock in zip(panels, ("step", "seconds"), strict=True):
        for name, history in histories.items():
            x = [entry[clock] for entry in history]
            axes.plot(x, [entry["train"] for entry in history], color=colour(name), linewidth=0.9, alpha=0.5)
            axes.plot(x, [entry["validation"] for entry in history], ".-", color=colour(name), linewidth=1.9)
        axes.set_xlabel(clock)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panels[0].set_ylabel(f"emulation loss ({loss_name.replace('-', ' ')})")
    losses = [entry[part] for history in histories.values() for entry in history for part in ("train", "validation")]
    if losses and 0 < 4 * min(losses) < max(losses):
        _logarithmic(panels[0])
    handles = [
        Line2D([], [], color=colour(name), linewidth=1.9, label=f"{label(name)}, {history[-1]['validation']:.3g}")
        for name, history in sorted(histories.items(), key=lambda item: -item[1][-1]["validation"] if item[1] else 0)
        if history
    ]
    styles = [
        Line2D([], [], color=GREY, linewidth=1.9, marker=".", label="validation, last value"),
        Line2D([], [], color=GREY, linewidth=0.9, alpha=0.7, label="training batches"),
    ]
    figure.legend(handles=[*handles, *styles], loc="outside right upper")
    return figure


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


@styled
def interrogation(
    probes: np.ndarray,
    answers: np.ndarray,
    symbols: Sequence[str],
    titles: Sequence[str],
    tile: int | None = None,
    lines: bool = False,
    limits: Limits = None,
) -> Figure:
    """What one encoder asks K networks, and what they answer. Bars show where a network is asked something of its own.

    Args:
        probes: inputs given to each, ``[K, L, X]``, from 0 to 1.
        answers: what it replied with, ``[K, L, Y]``: probabilities, or numbers.
        symbols: names of the Y outputs, and of the X inputs if these are tokens.
        titles: a title for each network.
        tile: if inputs are square tiles of an image, their side.
        lines: whether inputs are numbers that are drawn as lines.
        limits: if answers are numbers, the lowest and the highest.
    """
    networks, steps, _ = probes.shape
    columns = 2 if networks > 1 and steps <= 30 else 1
    rows = max(1, -(-networks // columns))
    # half the L1 distance from the mean question: 0 where all are asked the same
    apart = 0.5 * np.abs(probes - probes.sum(axis=0) / max(1, networks)).sum(axis=-1)
    differ = apart.max(initial=0) > 1e-6
    heights = [0.3, 1, 1] if differ else [1, 1]
    size = (WIDTH, 0.2 + rows * (1.25 * sum(heights) + 0.35))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.07))
    grid = figure.add_gridspec(rows, columns)
    for network, title in enumerate(titles):
        cell = grid[divmod(network, columns)].subgridspec(len(heights), 1, height_ratios=heights, hspace=0)
        panels = cell.subplots(sharex=True, squeeze=False)[:, 0]
        if differ:
            _bars(panels[0], apart[network], apart.max())
        asked, answered = panels[-2:]
        if tile:
            _tiles(asked, probes[network], tile)
        else:
            _answers(asked, probes[network], ASKED, () if lines else symbols, (0.0, 1.0) if lines else None)
        _answers(answered, answers[network], INK, symbols, limits)
        asked.set_ylabel("asked", color=ASKED)
        answered.set_ylabel("answered")
        answered.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        panels[0].set_title(_powers(title))
    figure.supxlabel("step", fontsize=9)
    return figure


def _tiles(axes: Axes, probes: np.ndarray, tile: int) -> None:
    """Questions ``[L, tile * tile]`` as pictures side by side."""
    strip = np.concatenate(list(probes.reshape(-1, tile, tile)), axis=1)
    axes.imshow(strip, cmap=_ramp(ASKED), vmin=0, vmax=1, extent=(-0.5, len(probes) - 0.5, 0, 1))
    axes.set_yticks([])
    bare(axes)


def _bars(axes: Axes, heights: np.ndarray, top: float) -> None:
    axes.bar(range(len(heights)), heights, color=ASKED, width=0.8)
    axes.set(ylim=(0, max(0.2, top)), yticks=[])
    axes.set_ylabel("differs", rotation=0, ha="right", va="center", fontsize=8)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)


@styled
def answers_along(
    network: np.ndarray,
    emulators: Mapping[str, np.ndarray],
    read: Sequence[str],
    symbols: Sequence[str],
    title: str,
    axis: str = "token just read",
    limits: Limits = None,
    apart: str = "total variation",
) -> Figure:
    """What a network and its emulators say along one sequence, and how far these are from that.

    Args:
        network: ``[T, Y]`` probabilities, or numbers.
        emulators: by encoder, ``[T, Y]``.
        read: names of the T inputs.
        symbols: names of the Y classes.
        title: which network and sequence.
        axis: what the inputs are called.
        limits: if answers are numbers, the lowest and the highest.
        apart: what the distance is called; half the sum of absolute differences for probabilities, their mean for
            numbers.
    """
    maps = 1 + len(emulators)
    figure = Figure(figsize=(WIDTH, 1.05 * maps + 1.8))
    panels = figure.subplots(maps + 1, 1, sharex=True, squeeze=False, height_ratios=[1.0] * maps + [1.2])[:, 0]
    _answers(panels[0], network, INK, symbols, limits)
    panels[0].set_title(f"the network, {_powers(title)}")
    for axes, (name, probabilities) in zip(panels[1:], emulators.items(), strict=False):
        difference = np.abs(probabilities - network)
        distance = 0.5 * difference.sum(axis=1) if limits is None else difference.mean(axis=1)
        _answers(axes, probabilities, colour(name), symbols, limits)
        axes.set_title(f"emulator given z from the {label(name)} encoder", color=colour(name), fontweight="bold")
        panels[-1].plot(distance, ".-", color=colour(name), linewidth=1.3)
    panels[-1].set_title(f"{apart} from the network", fontweight="bold")
    panels[-1].set_ylim(bottom=0)
    panels[-1].set_xticks(range(len(read)), read)
    panels[-1].set_xlabel(axis)
    for tick in panels[-1].get_xticklabels():
        tick.set_rotation(90 if len(tick.get_text()) > 1 else 0)
    return figure


def _answers(axes: Axes, values: np.ndarray, shade: str, symbols: Sequence[str], limits: Limits) -> None:
    """Probabilities ``[T, Y]`` as a map, or numbers as lines, each with its name behind it if they are several."""
    if limits is None:
        _heat(axes, values, shade, symbols)
        return
    for style, output in zip(itertools.cycle(("-", "--", ":", "-.")), values.T, strict=False):
        axes.plot(output, style, color=shade, linewidth=1.3)
    for name, last in zip(symbols, values[-1] if values.shape[1] > 1 else (), strict=False):
        beside = (len(values) - 1, float(last))
        axes.annotate(name, beside, (4, 0), textcoords="offset points", va="center", annotation_clip=False)
    margin = 0.05 * (limits[1] - limits[0]) or 1.0
    axes.set_ylim(limits[0] - margin, limits[1] + margin)


def _heat(axes: Axes, probabilities: np.ndarray, shade: str, symbols: Sequence[str]) -> None:
    """Probabilities ``[T, Y]`` as a map, steps from left to right."""
    axes.imshow(probabilities.T, cmap=_ramp(shade), vmin=0, vmax=1)
    axes.set_yticks(range(len(symbols)), symbols)
    bare(axes)


def _ramp(shade: str) -> Colormap:
    return LinearSegmentedColormap.from_list("ramp", [PALE, shade])


@styled
def share_bars(
    metrics: Mapping[str, Mapping[str, Mapping[str, float]]], groups: Mapping[str, str], chance: float | None = None
) -> Figure:
    """Share of networks of which something is read correctly from z, a group of bars each.

    Args:
        metrics: by encoder, ``frozen`` and maybe ``supervised``, each with shares in [0, 1].
        groups: titles by metric.
        chance: of guessing what the last group is about; a line in it.
    """
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.subplots()
    bars = [(name, kind) for name, kinds in metrics.items() for kind in ("frozen", "supervised") if kind in kinds]
    width = 0.84 / max(1, len(bars))
    for place, (name, kind) in enumerate(bars):
        shares = [metrics[name][kind][group] for group in groups]
        solid = {"color": colour(name)}
        hatched = {"facecolor": "white", "edgecolor": colour(name), "hatch": "////", "linewidth": 0}
        x = np.arange(len(groups)) + (place - (len(bars) - 1) / 2) * width
        drawn = axes.bar(x, shares, 0.88 * width, **(solid if kind == "frozen" else hatched))
        if len(bars) <= 8:  # more are too narrow for numbers
            labels = ["" if np.isnan(share) else f"{100 * share:.0f}" for share in shares]
            axes.bar_label(drawn, labels, padding=1.5, fontsize=8)
    last = len(groups) - 1
    if chance is not None:
        axes.plot([last - 0.45, last + 0.45], [chance, chance], "--", color=INK, linewidth=1)
        beside = (last + 0.45, chance)
        axes.annotate("chance", beside, (4, 0), textcoords="offset points", va="center", annotation_clip=False)
    axes.set(xlim=(-0.5, last + 0.5), ylim=(0, 1.06), ylabel="networks read correctly")
    axes.set_xticks(range(len(groups)), list(groups.values()), fontsize=9)
    axes.set_yticks(np.linspace(0, 1, 5))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.tick_params(axis="x", length=0)
    patches = [Patch(color=colour(name), label=label(name)) for name in metrics]
    if any(kind == "supervised" for _, kind in bars):
        patches.append(Patch(color=GREY, label="solid: frozen z"))
        patches.append(Patch(facecolor="white", edgecolor=GREY, hatch="////", linewidth=0, label="hatched: end to end"))
    figure.legend(
        handles=patches, loc="outside upper left", ncols=max(1, len(patches)), columnspacing=1.4, handlelength=1.1
    )
    return figure


@styled
def property_bars(
    metrics: Mapping[str, Mapping[str, Mapping[str, float]]],
    panels: Mapping[str, str],
    ends: Mapping[str, float | None],
) -> Figure:
    """What is read from z, a panel a property, a bar an encoder.

    Args:
        metrics: by encoder, ``frozen`` and maybe ``supervised``, each with metrics.
        panels: titles by metric.
        ends: of their axes, which start at 0, likewise; None where the values decide.
    """
    figure = Figure(figsize=(WIDTH, 0.6 + 0.3 * len(metrics) + 0.3))
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    names = list(metrics)
    for axes, (metric, title) in zip(drawn, panels.items(), strict=True):
        for kind, offset in (("frozen", -0.2), ("supervised", 0.2)):
            values = [metrics[name].get(kind, {}).get(metric, np.nan) for name in names]
            shades = [colour(name) for name in names]
            look = (
                {"color": shades} if kind == "frozen" else {"facecolor": "white", "edgecolor": shades, "hatch": "////"}
            )
            shown = np.clip(np.nan_to_num(values), 0, ends[metric])
            bars = axes.barh(np.arange(len(names)) + offset, shown, 0.36, linewidth=0, **look)
            axes.bar_label(
                bars,
                ["" if np.isnan(v) else f"{v:.0f}" if abs(v) >= 99.5 else f"{v:.2g}" for v in values],
                padding=2,
                fontsize=7,
            )
        axes.set_title(title)
        axes.set_xlim(0, None if (end := ends[metric]) is None else 1.15 * end)  # numbers stand beside full bars
        axes.set_yticks(range(len(names)), [label(name) for name in names])
        axes.tick_params(length=0)
    drawn[0].invert_yaxis()
    return figure


def _powers(text: str) -> str:
    """Exponents raised, ``b^(n+1)`` to ``bⁿ⁺¹``: one character each, which every renderer of a figure can draw."""
    return re.sub(rf"\^([{_LOW}]|\(([{_LOW}]+)\))", lambda found: (found[2] or found[1]).translate(_RAISED), text)


_LOW, _HIGH = "0123456789+=abcdefghijklmnoprstuvwxyz-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁼ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ⁻"
_RAISED = str.maketrans(_LOW, _HIGH)
