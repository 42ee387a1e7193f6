"""The figures of the report: arrays in, a matplotlib figure out. Nothing here knows torch, files or the web.

An encoder has the same colour in every figure. Figures are built without pyplot, so none outlives its caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter
from sklearn.decomposition import PCA

from rnn2vec.report.style import ASKED, GREY, INK, PALE, WIDTH, colour, styled


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
        Line2D([], [], color=colour(name), linewidth=1.9, label=f"{_label(name)}, {history[-1]['validation']:.3g}")
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
def embedding_maps(embeddings: Mapping[str, np.ndarray], tasks: np.ndarray, accuracy: np.ndarray) -> Figure:
    """The first two principal components of z, a column an encoder, a dot a snapshot.

    Args:
        embeddings: by encoder, ``[S, Z]``.
        tasks: the shifts mb, mc, md, ``[S, 3]``: red, green and blue of the upper row.
        accuracy: ``[S]`` in [0, 1]: the colour of the lower row. The most accurate are drawn last.
    """
    count = max(1, len(embeddings))
    key = 1.0
    panel = min(2.4, (WIDTH - key) / count)
    figure = Figure(figsize=(count * panel + key, 2 * panel + 0.35))
    axes = figure.subplots(2, count + 1, squeeze=False, width_ratios=[panel] * count + [0.75 * key])
    order = np.argsort(accuracy, kind="stable")
    tasks = np.asarray(tasks, dtype=int)
    low, high = (tasks.min(0), tasks.max(0)) if len(tasks) else np.zeros((2, 3), dtype=int)
    shades = _language_colours(tasks, low, high)
    for column, (name, z) in enumerate(embeddings.items()):
        places, explained = _project(z)
        for row, colours in enumerate((shades, _ACCURACY(accuracy))):
            _dots(axes[row, column], places[order], colours[order])
            axes[row, column].set(xlabel=f"PC 1 ({explained[0]:.0%})", ylabel=f"PC 2 ({explained[1]:.0%})")
            axes[row, column].set(xticks=[], yticks=[], box_aspect=1)
        axes[0, column].set_title(_label(name), color=colour(name), fontweight="bold")
    _language_key(axes[0, -1], low, high)
    _accuracy_key(axes[1, -1])
    return figure


_ACCURACY = LinearSegmentedColormap.from_list("accuracy", ["#d7dbe0", "#7fb8a4", "#1b6f73", "#0b2f4a"])


def _language_colours(shifts: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """RGB of languages ``[S, 3]``, each shift between its ``low`` and ``high``. White would be lost on the page."""
    return 0.08 + 0.82 * (shifts - low) / np.where(high > low, high - low, 1)


def _project(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two principal components ``[S, 2]`` and the variance they explain ``[2]``; zeros where there are fewer."""
    z = np.asarray(z, dtype=float)
    places, explained = np.zeros((len(z), 2)), np.zeros(2)
    components = min(2, *z.shape)
    if components and np.ptp(z, axis=0).any():
        pca = PCA(components, svd_solver="full")  # the others may draw random numbers
        places[:, :components] = pca.fit_transform(z)
        explained[:components] = pca.explained_variance_ratio_
    return places, explained


def _dots(axes: Axes, places: np.ndarray, colours: np.ndarray | str) -> None:
    size = 9 if len(places) < 1500 else 5
    axes.scatter(places[:, 0], places[:, 1], size, colours, alpha=0.75, linewidths=0, rasterized=True)


def _language_key(axes: Axes, low: np.ndarray, high: np.ndarray) -> None:
    """Three strips: what each shift alone adds to the colour of a language, the others at their lowest."""
    bottom, top = low.min(), high.max()
    key = np.ones((top - bottom + 1, 3, 3))
    for letter in range(3):
        values = np.arange(low[letter], high[letter] + 1)
        shifts = np.tile(low, (len(values), 1))
        shifts[:, letter] = values
        key[values - bottom, letter] = _language_colours(shifts, low, high)
    axes.imshow(key, origin="lower", extent=(-0.5, 2.5, bottom - 0.5, top + 0.5))
    axes.vlines([0.5, 1.5], *axes.get_ylim(), color="white", linewidth=2)
    axes.set_xticks(range(3), ["mb", "mc", "md"])
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_title("language")
    _bare(axes)


def _accuracy_key(axes: Axes) -> None:
    axes.imshow(_ACCURACY(np.linspace(0, 1, 256))[:, None], origin="lower", extent=(0, 1, 0, 1))
    axes.set(xlim=(0, 3), xticks=[])  # as wide as one strip of the key above
    axes.set_title("accuracy")
    _bare(axes)


@styled
def clone_fidelity(network_accuracy: np.ndarray, emulator_accuracy: Mapping[str, np.ndarray]) -> Figure:
    """How well the emulator, told only z, writes the network's language: a panel an encoder, a dot a network.

    Args:
        network_accuracy: share of the network's own strings that are in its language, ``[S]``.
        emulator_accuracy: by encoder, the same share of its emulator's strings, ``[S]``.
    """
    count = max(1, len(emulator_accuracy))
    panel = min(3.0, WIDTH / count)
    figure = Figure(figsize=(count * panel, panel + 0.6))
    panels = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, accuracy) in zip(panels, emulator_accuracy.items(), strict=False):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
        _dots(axes, np.stack([network_accuracy, accuracy], axis=1), colour(name))
        correlation = _correlation(network_accuracy, accuracy)
        axes.set_title(f"{_label(name)}\nr = {correlation:.2f}", color=colour(name), fontweight="bold")
    for axes in panels:
        axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), box_aspect=1)
    figure.supxlabel("share of the network's own strings in its language", fontsize=9)
    panels[0].set_ylabel("share of the emulator's strings")
    return figure


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's r; NaN where one of the two does not vary."""
    return float(np.corrcoef(x, y)[0, 1]) if len(x) > 1 and np.ptp(x) > 0 and np.ptp(y) > 0 else float("nan")


@styled
def interrogation(probes: np.ndarray, answers: np.ndarray, symbols: Sequence[str], titles: Sequence[str]) -> Figure:
    """What one encoder asks K networks, and what they answer. Bars show where a network is asked something of its own.

    Args:
        probes: inputs given to each, ``[K, L, X]``.
        answers: probabilities it replied with, ``[K, L, Y]``.
        symbols: names of the X inputs and Y outputs.
        titles: a title for each network.
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
        _heat(asked, probes[network], ASKED, symbols)
        _heat(answered, answers[network], INK, symbols)
        asked.set_ylabel("asked", color=ASKED)
        answered.set_ylabel("answered")
        answered.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        panels[0].set_title(_powers(title))
    figure.supxlabel("step", fontsize=9)
    return figure


def _bars(axes: Axes, heights: np.ndarray, top: float) -> None:
    axes.bar(range(len(heights)), heights, color=ASKED, width=0.8)
    axes.set(ylim=(0, max(0.2, top)), yticks=[])
    axes.set_ylabel("differs", rotation=0, ha="right", va="center", fontsize=8)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)


@styled
def next_letter(
    network: np.ndarray, emulators: Mapping[str, np.ndarray], tokens: Sequence[str], symbols: Sequence[str], title: str
) -> Figure:
    """Next-token probabilities of a network and of its emulators along one string, and how far these are from those.

    Args:
        network: ``[T, Y]`` probabilities.
        emulators: by encoder, ``[T, Y]``.
        tokens: the T tokens read.
        symbols: names of the Y tokens predicted.
        title: which network and string.
    """
    maps = 1 + len(emulators)
    figure = Figure(figsize=(WIDTH, 1.05 * maps + 1.8))
    panels = figure.subplots(maps + 1, 1, sharex=True, squeeze=False, height_ratios=[1.0] * maps + [1.2])[:, 0]
    _heat(panels[0], network, INK, symbols)
    panels[0].set_title(f"the network, {_powers(title)}")
    for axes, (name, probabilities) in zip(panels[1:], emulators.items(), strict=False):
        distance = 0.5 * np.abs(probabilities - network).sum(axis=1)
        _heat(axes, probabilities, colour(name), symbols)
        axes.set_title(f"emulator given z from the {_label(name)} encoder", color=colour(name), fontweight="bold")
        panels[-1].plot(distance, ".-", color=colour(name), linewidth=1.3)
    panels[-1].set_title("total variation from the network", fontweight="bold")
    panels[-1].set_ylim(bottom=0)
    panels[-1].set_xticks(range(len(tokens)), tokens)
    panels[-1].set_xlabel("token just read")
    for label in panels[-1].get_xticklabels():
        label.set_rotation(90 if len(label.get_text()) > 1 else 0)
    return figure


def _heat(axes: Axes, probabilities: np.ndarray, shade: str, symbols: Sequence[str]) -> None:
    """Probabilities ``[T, Y]`` as a map, steps from left to right."""
    axes.imshow(probabilities.T, cmap=_ramp(shade), vmin=0, vmax=1)
    axes.set_yticks(range(len(symbols)), symbols)
    _bare(axes)


def _ramp(shade: str) -> Colormap:
    return LinearSegmentedColormap.from_list("ramp", [PALE, shade])


def _bare(axes: Axes) -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


@styled
def task_bars(metrics: Mapping[str, Mapping[str, Mapping[str, float]]], chance: float) -> Figure:
    """Share of networks whose shift of a letter, and whole language, is read correctly from z.

    Args:
        metrics: by encoder, ``frozen`` and maybe ``supervised``, each with ``mb``, ``mc``, ``md`` and ``exact`` in [0,
            1].
        chance: of guessing the whole language; a line in that group.
    """
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.subplots()
    bars = [(name, kind) for name, kinds in metrics.items() for kind in ("frozen", "supervised") if kind in kinds]
    width = 0.84 / max(1, len(bars))
    groups = {"mb": "shift of b", "mc": "shift of c", "md": "shift of d", "exact": "whole language"}
    for place, (name, kind) in enumerate(bars):
        shares = [metrics[name][kind][group] for group in groups]
        solid = {"color": colour(name)}
        hatched = {"facecolor": "white", "edgecolor": colour(name), "hatch": "////", "linewidth": 0}
        x = np.arange(len(groups)) + (place - (len(bars) - 1) / 2) * width
        drawn = axes.bar(x, shares, 0.88 * width, **(solid if kind == "frozen" else hatched))
        if len(bars) <= 8:  # more are too narrow for numbers
            labels = ["" if np.isnan(share) else f"{100 * share:.0f}" for share in shares]
            axes.bar_label(drawn, labels, padding=1.5, fontsize=8)
    axes.plot([2.55, 3.45], [chance, chance], "--", color=INK, linewidth=1)
    axes.annotate("chance", (3.45, chance), (4, 0), textcoords="offset points", va="center", annotation_clip=False)
    axes.set(xlim=(-0.5, 3.5), ylim=(0, 1.06), ylabel="networks read correctly")
    axes.set_xticks(range(len(groups)), list(groups.values()), fontsize=9)
    axes.set_yticks(np.linspace(0, 1, 5))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.tick_params(axis="x", length=0)
    patches = [Patch(color=colour(name), label=_label(name)) for name in metrics]
    if any(kind == "supervised" for _, kind in bars):
        patches.append(Patch(color=GREY, label="solid: frozen z"))
        patches.append(Patch(facecolor="white", edgecolor=GREY, hatch="////", linewidth=0, label="hatched: end to end"))
    figure.legend(
        handles=patches, loc="outside upper left", ncols=max(1, len(patches)), columnspacing=1.4, handlelength=1.1
    )
    return figure


def _label(name: str) -> str:
    return name.replace("_", " ")


def _powers(text: str) -> str:
    """Exponents raised, ``b^(n+1)`` to ``bⁿ⁺¹``: one character each, which every renderer of a figure can draw."""
    return re.sub(r"\^(\w|\(([n\dmbcd+-]+)\))", lambda found: (found[2] or found[1]).translate(_RAISED), text)


_RAISED = str.maketrans("n0123456789+-mbcd", "ⁿ⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵐᵇᶜᵈ")
