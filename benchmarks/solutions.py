"""Which networks do the same task? By answers and by Dynamical Similarity Analysis (Ostrow et al. 2023), pair by pair.

    python benchmarks/solutions.py ZOO [--networks 100] [--angular 60] [--figure maps.png]

The zoo is one of cognitive tasks; the networks are some that have learnt their task. Each looks for another of its
kind of task among all. DSA (package dsa-metric 2) reads the hidden states of all networks to the same questions as
the answers encoder, and, as it is mostly used, those of each network in trials of its own task. DSA with Wasserstein
distances is the default of its package; angular, the distance of its paper, is so slow that some pairs are timed. What
1,000 networks cost is measured for answers, with whatever snapshots there are, and for DSA it is a hundred times the
pairs. The figure has the two maps side by side. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from rnn2vec import Collection, Zoo, embed
from rnn2vec.engine import hidden_states
from rnn2vec.evaluation.properties import learnt
from rnn2vec.randomness import generator
from rnn2vec.tasks.cognitive import CognitiveTask
from rnn2vec.zoo.questions import questions_of

SETTINGS = ((1, 10), (1, 30), (5, 20), (10, 30))
"""Delays and rank of DSA's linear systems; its authors have them chosen for the data, so all are tried."""
TRIALS = 16


def states_of(zoo: Zoo, rows: np.ndarray, asked: np.ndarray) -> list[np.ndarray]:
    """Hidden states ``[TRIALS, T, H]`` of each network to its own inputs ``[rows, TRIALS, T, X]``."""
    found = []
    with torch.no_grad():
        for row, own in zip(rows, asked, strict=True):
            found.append(hidden_states(zoo.population(int(row)), torch.from_numpy(own)[None])[0][0].numpy())
    return found


def reciprocal_ranks(distances: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """One over the rank of the nearest network of the same kind, for every network that has one."""
    found = []
    for query, own in enumerate(distances):
        order = np.argsort(np.where(np.arange(len(own)) == query, np.inf, own))[:-1]
        same = np.flatnonzero(kinds[order] == kinds[query])
        found += [1 / (1 + same[0])] if len(same) else []
    return np.array(found)


def draw(path: str, maps: dict[str, np.ndarray], kinds: np.ndarray) -> None:
    """Networks on a map by each of some distances ``[N, N]``, a colour a kind of task."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    figure = Figure(figsize=(4.2 * len(maps) + 2.6, 4.2), layout="constrained")
    shades = [*colormaps["tab20"].colors[::2], *colormaps["tab20"].colors[1::2]]
    for axes, (title, found) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        clean = np.maximum((found + found.T) / 2, 0)
        np.fill_diagonal(clean, 0)
        places = TSNE(metric="precomputed", init="random", perplexity=10, random_state=0).fit_transform(clean)
        for number, kind in enumerate(np.unique(kinds)):
            axes.scatter(*places[kinds == kind].T, s=26, color=shades[number], label=kind)
        axes.set(title=title, xticks=[], yticks=[])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def interval(values: np.ndarray) -> list[float]:
    """The mean and 95 % of its bootstrap over queries."""
    means = [
        values[generator(0, "bootstrap", draw).integers(0, len(values), len(values))].mean() for draw in range(999)
    ]
    return [round(float(value), 3) for value in (values.mean(), *np.quantile(means, [0.025, 0.975]))]


def main() -> None:
    """Measure and print."""
    from DSA import DSA  # type: ignore[import-not-found]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo")
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--angular", type=int, default=60, help="pairs that are timed")
    parser.add_argument("--figure", help="a PNG of the two maps")
    options = parser.parse_args()
    zoo = Zoo.open(options.zoo)
    able = np.flatnonzero(learnt(zoo) & (zoo.column("step") == max(zoo.steps)))
    rows = np.sort(generator(0, "networks").permutation(able)[: options.networks])
    kinds, pairs = zoo.column("task")[rows], len(rows) * (len(rows) - 1) // 2
    results: dict[str, Any] = {"networks": len(rows), "kinds": len(np.unique(kinds))}
    start = time.perf_counter()
    questions = questions_of(zoo, rows)[:TRIALS]
    z = embed(Collection([f"{row}" for row in rows], zoo.networks(rows), questions)).z
    distances = {"answers": 1 - z @ z.T}
    results["answers seconds"] = round(time.perf_counter() - start, 2)
    many = np.sort(generator(0, "many").permutation(len(zoo))[:1000])
    start = time.perf_counter()
    embedded = embed(Collection([f"{row}" for row in many], zoo.networks(many), questions)).z
    embedded @ embedded.T
    results[f"answers seconds, {len(many)} networks"] = round(time.perf_counter() - start, 2)
    tasks = [zoo.task(int(row)) for row in rows]
    assert all(isinstance(task, CognitiveTask) for task in tasks)
    own = np.stack(
        [task.sample(TRIALS, generator(0, int(row), "own"))[0] for task, row in zip(tasks, rows, strict=True)]
    )
    common = np.broadcast_to(questions, (len(rows), *questions.shape)).copy()
    for name, asked in (("common questions", common), ("own trials", own)):
        states = states_of(zoo, rows, asked)
        for delays, rank in SETTINGS:
            start, key = time.perf_counter(), f"DSA, {name}, {delays} delays, rank {rank}"
            dsa = DSA(states, score_method="wasserstein", n_delays=delays, rank=rank)
            distances[key] = np.asarray(dsa.fit_score())
            results[f"{key}: seconds"] = round(time.perf_counter() - start, 2)
            print(key, results[f"{key}: seconds"], "s", flush=True)
    start = time.perf_counter()
    count = max(2, round((2 * options.angular) ** 0.5))
    DSA(states[:count], score_method="angular", n_delays=10, rank=30).fit_score()
    results["DSA angular, seconds a pair"] = round((time.perf_counter() - start) / (count * (count - 1) / 2), 3)
    results["pairs"] = pairs
    upper = np.triu_indices(len(rows), 1)
    shuffled = generator(0, "chance").permutation(kinds)
    for name, found in distances.items():
        results[f"{name}: MRR"] = interval(reciprocal_ranks(found, kinds))
        agreement = spearmanr(found[upper], distances["answers"][upper]).statistic
        results[f"{name}: rank correlation with answers"] = round(float(agreement), 3)
    results["chance: MRR"] = interval(reciprocal_ranks(distances["answers"], shuffled))
    if options.figure:
        best = max((name for name in distances if name != "answers"), key=lambda name: results[f"{name}: MRR"][0])
        draw(options.figure, {"answers": distances["answers"], best: distances[best]}, kinds)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
