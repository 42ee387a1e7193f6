"""Figures with a dot a network: maps of z, and clones against their originals. Arrays in, a matplotlib figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rnn2vec.fields import are_whole
from rnn2vec.metrics import correlation, varies
from rnn2vec.report.style import GREY, WIDTH, bare, colour, label, styled


@styled
def embedding_maps(
    embeddings: Mapping[str, np.ndarray],
    tasks: np.ndarray,
    accuracy: np.ndarray,
    names: Sequence[str],
    title: str,
    angles: bool = False,
) -> Figure:
    """The first two principal components of z, a column an encoder, a dot a snapshot.

    Args:
        embeddings: by encoder, ``[S, Z]``.
        tasks: up to three numbers each, ``[S, 1..3]``: red, green and blue of the upper row.
        accuracy: ``[S]`` in [0, 1]: the colour of the lower row. The most accurate are drawn last.
        names: of the numbers of a task.
        title: what a task is called.
        angles: whether tasks are angles in degrees, ``[S, 1]``: hues.
    """
    count = max(1, len(embeddings))
    key = 1.0
    panel = min(2.4, (WIDTH - key) / count)
    figure = Figure(figsize=(count * panel + key, 2 * panel + 0.35))
    axes = figure.subplots(2, count + 1, squeeze=False, width_ratios=[panel] * count + [0.75 * key])
    order = np.argsort(accuracy, kind="stable")
    tasks = np.asarray(tasks)[:, :3]
    low, high = (tasks.min(0), tasks.max(0)) if len(tasks) else np.zeros((2, tasks.shape[1]))
    shades = _angle_colours(tasks[:, 0]) if angles else _task_colours(tasks, low, high)
    for column, (name, z) in enumerate(embeddings.items()):
        places, explained = _project(z)
        for row, colours in enumerate((shades, _ACCURACY(accuracy))):
            _dots(axes[row, column], places[order], colours[order])
            axes[row, column].set(xlabel=f"PC 1 ({explained[0]:.0%})", ylabel=f"PC 2 ({explained[1]:.0%})")
            axes[row, column].set(xticks=[], yticks=[], box_aspect=1)
        axes[0, column].set_title(label(name), color=colour(name), fontweight="bold")
    if angles:
        _angle_key(axes[0, -1])
    elif are_whole(tasks):
        _whole_key(axes[0, -1], low.astype(int), high.astype(int), names, title)
    else:
        _number_key(axes[0, -1], low, high, names, title)
    _accuracy_key(axes[1, -1])
    return figure


_ACCURACY = LinearSegmentedColormap.from_list("accuracy", ["#d7dbe0", "#7fb8a4", "#1b6f73", "#0b2f4a"])


def _task_colours(tasks: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """RGB of tasks ``[S, 1..3]``, each number between its ``low`` and ``high``. White would be lost on the page."""
    shades = np.full((len(tasks), 3), 0.08)
    shades[:, : tasks.shape[1]] += 0.82 * (tasks - low) / np.where(high > low, high - low, 1)
    return shades


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
        from sklearn.decomposition import PCA

        pca = PCA(components, svd_solver="full")  # the others may draw random numbers
        places[:, :components] = pca.fit_transform(z)
        explained[:components] = pca.explained_variance_ratio_
    return places, explained


def _dots(axes: Axes, places: np.ndarray, colours: np.ndarray | str) -> None:
    size = 9 if len(places) < 1500 else 5
    axes.scatter(places[:, 0], places[:, 1], size, colours, alpha=0.75, linewidths=0, rasterized=True)


def _whole_key(axes: Axes, low: np.ndarray, high: np.ndarray, names: Sequence[str], title: str) -> None:
    """A strip for each number of a task: what it alone adds to the colour, the others at their lowest."""
    count, bottom, top = len(low), low.min(), high.max()
    key = np.ones((top - bottom + 1, count, 3))
    for column in range(count):
        values = np.arange(low[column], high[column] + 1)
        tasks = np.tile(low, (len(values), 1))
        tasks[:, column] = values
        key[values - bottom, column] = _task_colours(tasks, low, high)
    axes.imshow(key, origin="lower", extent=(-0.5, count - 0.5, bottom - 0.5, top + 0.5))
    axes.vlines(np.arange(count - 1) + 0.5, *axes.get_ylim(), color="white", linewidth=2)
    axes.set_xticks(range(count), names[:count])
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_title(title)
    bare(axes)


def _number_key(axes: Axes, low: np.ndarray, high: np.ndarray, names: Sequence[str], title: str) -> None:
    """The same for fractions, each strip from its number's lowest to its highest."""
    count, steps = len(low), np.linspace(0, 1, 64)[:, None]
    key = np.stack([_task_colours(low + steps * np.eye(count)[c] * (high - low), low, high) for c in range(count)], 1)
    axes.imshow(key, origin="lower", extent=(-0.5, count - 0.5, 0, 1), aspect="auto")
    axes.set_xticks(range(count), names[:count])
    axes.set_yticks([0, 1], ["low", "high"] if count > 1 else [f"{low[0]:.3g}", f"{high[0]:.3g}"])
    axes.set_title(title)
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
