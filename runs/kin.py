"""Which tasks are kin? What is nearest to a network once its own kind of task is left out, by answers alone.

    rnn2vec zoo build cognitive-tasks --preset demo --models 384 --cells leaky,elman,gru --out runs/out/kin
    python runs/kin.py runs/out/kin

Of the last snapshots, those that have learnt their task. `answers` is fitted to them, and no label is used. The last
line is JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from rnn2vec import Zoo
from rnn2vec.encoders import AnswersEncoder
from rnn2vec.evaluation.properties import learnt
from rnn2vec.zoo.questions import questions_of


def main() -> None:
    """Parse the argument and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path)
    zoo = Zoo.open(parser.parse_args().zoo)
    rows = np.flatnonzero(learnt(zoo) & (zoo.column("step") == max(zoo.steps)))
    kinds, cells = zoo.column("task")[rows], zoo.column("cell")[rows]
    z = AnswersEncoder.fitted(zoo.networks(rows), questions_of(zoo)).encode(zoo.networks(rows))
    similarity = z @ z.T
    np.fill_diagonal(similarity, -np.inf)
    same, other = kinds[:, None] == kinds, cells[:, None] != cells
    nearest = kinds[similarity.argmax(1)] == kinds
    across = kinds[np.where(other, similarity, -np.inf).argmax(1)] == kinds
    kin = kinds[np.where(same, -np.inf, similarity).argmax(1)]
    report = {
        "networks": len(rows),
        "nearest_same_task": float(nearest.mean()),
        "nearest_of_another_cell_same_task": float(across.mean()),
        "kin": {},
    }
    shares = f"{nearest.mean():.2f}, of another cell {across.mean():.2f}"
    print(f"{len(rows)} networks: the nearest does the same task for {shares}")
    for kind in np.unique(kinds):
        names, counts = np.unique(kin[kinds == kind], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        report["kin"][str(kind)] = {str(names[at]): int(counts[at]) for at in order}
        shown = ", ".join(f"{names[at]} {counts[at]}" for at in order[:3])
        print(f"{kind:30s} ({(kinds == kind).sum():2d}): {shown}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
