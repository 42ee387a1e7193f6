"""Figures with a dot a network: maps of z, and clones against their originals. Arrays in, a matplotlib figure out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.decomposition import PCA

from rnn2vec.metrics import correlation, varies
from rnn2vec.report.style import GREY, WIDTH, bare, colour, label, styled


@styled
def embedding_maps(embeddings: Mapping[str, np.ndarray], tasks: np.ndarray, accuracy: np.ndarray) -> Figure:
    """The first two principal components of z, a column an encoder, a dot a snapshot.

    Args:
        embeddings: by encoder, ``[S, Z]``.
        tasks: the shifts mb, mc, md, ``[S, 3]``: red, green and blue of the upper row; or angles in degrees,
            ``[S, 1]``: hues.
        accuracy: ``[S]`` in [0, 1]: the colour of the lower row. The most accurate are drawn last.
    """
    count = max(1, len(embeddings))
    key = 1.0
    panel = min(2.4, (WIDTH - key) / count)
    figure = Figure(figsize=(count * panel + key, 2 * panel + 0.35))
    axes = figure.subplots(2, count + 1, squeeze=False, width_ratios=[panel] * count + [0.75 * key])
    order = np.argsort(accuracy, kind="stable")
    angles = tasks.shape[1] == 1
    tasks = tasks if angles else np.asarray(tasks, dtype=int)
    low, high = (tasks.min(0), tasks.max(0)) if len(tasks) else np.zeros((2, 3), dtype=int)
    shades = _angle_colours(tasks[:, 0]) if angles else _language_colours(tasks, low, high)
    for column, (name, z) in enumerate(embeddings.items()):
        places, explained = _project(z)
        for row, colours in enumerate((shades, _ACCURACY(accuracy))):
            _dots(axes[row, column], places[order], colours[order])
            axes[row, column].set(xlabel=f"PC 1 ({explained[0]:.0%})", ylabel=f"PC 2 ({explained[1]:.0%})")
            axes[row, column].set(xticks=[], yticks=[], box_aspect=1)
        axes[0, column].set_title(label(name), color=colour(name), fontweight="bold")
    if angles:
        _angle_key(axes[0, -1])
    else:
        _language_key(axes[0, -1], low, high)
    _accuracy_key(axes[1, -1])
    return figure


_ACCURACY = LinearSegmentedColormap.from_list("accuracy", ["#d7dbe0", "#7fb8a4", "#1b6f73", "#0b2f4a"])


def _language_colours(shifts: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """RGB of languages ``[S, 3]``, each shift between its ``low`` and ``high``. White would be lost on the page."""
    return 0.08 + 0.82 * (shifts - low) / np.where(high > low, high - low, 1)


def _angle_colours(angles: np.ndarray) -> np.ndarray:
    """RGB of angles in degrees, ``[S, 3]``: once round the colours."""
    hues = np.stack([angles / 360.0 % 1.0, np.full(len(angles), 0.75), np.full(len(angles), 0.8)], axis=1)
    return hsv_to_rgb(hues)


def _angle_key(axes: Axes) -> None:
    """A strip of all angles."""
    axes.imshow(_angle_colours(np.arange(360.0))[:, None], origin="lower", extent=(0, 1, 0, 360), aspect="auto")
    axes.set(xlim=(0, 3), xticks=[], yticks=range(0, 361, 90))
    axes.set_title("angle")
    bare(axes)


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
    bare(axes)


def _accuracy_key(axes: Axes) -> None:
    axes.imshow(_ACCURACY(np.linspace(0, 1, 256))[:, None], origin="lower", extent=(0, 1, 0, 1))
    axes.set(xlim=(0, 3), xticks=[])  # as wide as one strip of the key above
    axes.set_title("accuracy")
    bare(axes)


@styled
def clone_fidelity(accuracy: np.ndarray, scores: Mapping[str, np.ndarray], labels: tuple[str, str]) -> Figure:
    """How well the emulator, told only z, does what the network does: a panel an encoder, a dot a network.

    Args:
        accuracy: of the networks, ``[S]``.
        scores: by encoder, those of its emulator, ``[S]``.
        labels: of the two axes.
    """
    count = max(1, len(scores))
    panel = min(3.0, WIDTH / count)
    figure = Figure(figsize=(count * panel, panel + 0.6))
    panels = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, score) in zip(panels, scores.items(), strict=False):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
        _dots(axes, np.stack([accuracy, score], axis=1), colour(name))
        axes.set_title(f"{label(name)}\n{_agreement(accuracy, score)}", color=colour(name), fontweight="bold")
    for axes in panels:
        axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), box_aspect=1)
    figure.supxlabel(labels[0], fontsize=9)
    panels[0].set_ylabel(labels[1])
    return figure


def _agreement(accuracy: np.ndarray, score: np.ndarray) -> str:
    """Pearson's r, or why there is none."""
    if len(accuracy) < 2:
        return f"no r: {'one network' if len(accuracy) else 'no networks'}"
    if not varies(accuracy):
        return "no r: equal accuracies"
    return f"r = {correlation(accuracy, score):.2f}" if varies(score) else "no r: equal scores"
