"""Boxes that somebody else trained on a known task: is the task found, and is an unknown one said to be none?

    python benchmarks/placing.py ZOO... [--encoder formal-languages] [--out runs/out/placing.json]

Each ZOO holds networks that the encoder never saw, of any cell and size (`rnn2vec zoo build formal-languages --cells
gru --models 216`, or those of `runs/transfer.py`). Every network that has learnt its task by the last snapshot is a
box that takes tokens and answers with probabilities rounded to two digits. A fifth of the tasks is held out of what a
box may be. `unseen` are tasks that the encoder and the readers of its z were not trained on. Intervals are 95 %
(Wilson). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from identification import wilson
from sklearn.metrics import roc_auc_score

from rnn2vec import Encoder, Networks, Zoo, load_encoder, split_zoo
from rnn2vec.evaluation.properties import learnt, properties_of
from rnn2vec.identification.place import place
from rnn2vec.networks.behaviour import answers_of
from rnn2vec.randomness import generator

DIGITS = 2


def box(network: Networks) -> Callable[[np.ndarray], np.ndarray]:
    """One network that takes tokens and answers with rounded probabilities."""
    return lambda question: answers_of(network, question[None])[0, 0].numpy().astype(float).round(DIGITS)


def placed(zoo: Zoo, encoder: Encoder) -> dict[str, Any]:
    """All boxes of one zoo, each once."""
    columns = [each.name for each in properties_of(zoo) if each.of_task and each.kind == "class"]
    tasks = list(zip(*(zoo.column(name).tolist() for name in columns), strict=True))
    kinds = sorted(set(tasks))
    held = {kinds[row] for row in generator(0, "held out").permutation(len(kinds))[: len(kinds) // 5]}
    among = [task for task in kinds if task not in held]
    rows = np.flatnonzero(learnt(zoo) & (zoo.column("step") == zoo.steps[-1]))
    tested = np.concatenate(list(split_zoo(zoo).tested.values()))
    none, right, start = [], [], time.perf_counter()
    for row in rows:
        found = place(box(zoo.networks([row])), encoder, among, columns)
        name = ", ".join(f"{column} {value}" for column, value in zip(columns, tasks[row], strict=True))
        none.append(found.none_of_these)
        right.append(found.candidates[0].name == name and found.none_of_these < 0.5)
    seconds = time.perf_counter() - start
    doubt, good = np.array(none), np.array(right)
    outside = np.array([tasks[row] in held for row in rows])
    unseen = ~outside & np.isin(rows, tested)
    return {
        "boxes": int((~outside).sum()),
        "right": float(good[~outside].mean()),
        "right_interval": wilson(int(good[~outside].sum()), int((~outside).sum())),
        "unseen_boxes": int(unseen.sum()),
        "unseen_right": float(good[unseen].mean()),
        "unseen_right_interval": wilson(int(good[unseen].sum()), int(unseen.sum())),
        "false_refusals": float((doubt[~outside] > 0.5).mean()),
        "held_out_boxes": int(outside.sum()),
        "held_out_found": float((doubt[outside] > 0.5).mean()),
        "auroc": float(roc_auc_score(outside, doubt)),
        "seconds_a_box": seconds / len(rows),
    }


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoos", type=Path, nargs="+")
    parser.add_argument("--encoder", default="formal-languages")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    encoder, report = load_encoder(arguments.encoder), {}
    for path in arguments.zoos:
        report[path.name] = own = placed(Zoo.open(path), encoder)
        print(
            f"{path.name}: {own['boxes']} boxes, right {own['right']:.3f} "
            f"({own['right_interval'][0]:.3f} to {own['right_interval'][1]:.3f}), of tasks that nothing was trained on "
            f"{own['unseen_right']:.3f} of {own['unseen_boxes']}; refused {own['false_refusals']:.3f}; "
            f"{own['held_out_boxes']} of tasks not among them: none {own['held_out_found']:.3f}, "
            f"AUROC {own['auroc']:.3f}; {own['seconds_a_box']:.2f} s a box",
            flush=True,
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(report))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
