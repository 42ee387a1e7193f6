"""How little is enough: steps, letters asked and training networks against what z knows, both probing encoders.

    rnn2vec zoo build formal-languages --out runs/out/languages
    python runs/frontier.py runs/out/languages --out runs/out/frontier

Every point is one pretraining by the preset `laptop` with one thing changed, of each of five seeds; its z is read as
`rnn2vec evaluate` reads it. Where fewer networks are trained on, the readers see no others. The same command goes on
where it was interrupted: a point is a JSON file. It ends with a table, frontier.json and three figures. All of it is
some five hours of one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rnn2vec import Zoo, build_encoder, split_zoo
from rnn2vec.emulation.emulate import Observed, emulate
from rnn2vec.emulation.recipe import recipe_for
from rnn2vec.evaluation.intervals import interval
from rnn2vec.evaluation.predictors import evaluate_frozen, fit_predictors
from rnn2vec.evaluation.properties import view_of_zoo
from rnn2vec.files import read_json, write_json
from rnn2vec.parallel import run_jobs
from rnn2vec.randomness import generator
from rnn2vec.report.intervals import Ends, interval_curves
from rnn2vec.threads import default_threads
from rnn2vec.zoo.questions import questions_of

ENCODERS = ("interactive", "noninteractive")
STEPS = (0, 30, 100, 300, 1000, 3000)
LETTERS = ((1, 5), (1, 10), (1, 20), (1, 41), (2, 41), (4, 41))
"""Sequences and questions in each; the preset asks eight of 41."""
NETWORKS = (50, 100, 200)
"""Of the 304 that the preset trains on."""
CURVES = {"steps": "steps of pretraining", "letters": "letters asked", "networks": "networks trained on"}
PARTS = {"validation": "validation", "ood": "out of distribution"}
FEWER = 1000
"""Steps where letters or networks change."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One pretraining, and what its z knows.

    Attributes:
        zoo: directory.
        out: directory of the points.
        curve: ``steps``, ``letters`` or ``networks``.
        encoder: name.
        seed: of the encoder.
        steps: of pretraining.
        questions: sequences and questions in each.
        networks: that it trains on; all if None.
    """

    zoo: Path
    out: Path
    curve: str
    encoder: str
    seed: int
    steps: int
    questions: tuple[int, int] = (8, 41)
    networks: int | None = None

    @property
    def place(self) -> float:
        """Where the point is on its curve."""
        return {
            "steps": float(self.steps),
            "letters": float(np.prod(self.questions)),
            "networks": float(self.networks or 0),
        }[self.curve]

    def run(self, on_progress: Callable[[int, str], None]) -> dict[str, Any]:
        """Take it, or keep what is there."""
        path = self.out / f"{self.curve}-{self.encoder}-{self.place:.0f}-{self.seed}.json"
        if path.exists():
            return read_json(path, "point")
        zoo = Zoo.open(self.zoo)
        split, recipe = split_zoo(zoo), recipe_for(view_of_zoo(zoo), "laptop", steps=max(1, self.steps))
        models = np.unique(zoo.column("model")[split.train])
        models = generator(self.seed, "frontier").permutation(models)[: self.networks]
        rows = split.train[np.isin(zoo.column("model")[split.train], models)]
        sizes = dict(zip(("probes", "probe_length"), self.questions, strict=True))
        options = recipe.encoder_options[self.encoder] | sizes
        encoder = build_encoder(self.encoder, zoo.interface, self.seed, **options)
        encoder.start(zoo.networks(rows), questions_of(zoo, rows, self.seed))
        train = Observed(zoo.networks(rows), zoo.stored_traces(rows))
        start, seconds = time.monotonic(), 0.0
        if self.steps:
            few = Observed(train.networks[:1], zoo.traces(rows[:1]))  # its loss is not of interest
            emulate(encoder, train, few, recipe, self.seed, evaluations=1)
            seconds = time.monotonic() - start
        z = encoder.eval().encode(zoo.networks())
        seen = np.concatenate([rows, split.ood_seen]) if self.networks is None else rows
        known = evaluate_frozen(zoo, z, self.seed, fit_predictors(zoo, z, self.seed, seen=seen))
        found = {"curve": self.curve, "encoder": self.encoder, "seed": self.seed, "place": self.place}
        found |= {"steps": self.steps, "networks": len(models), "seconds": seconds}
        found |= {part: measured["exact"] for part, measured in known.items()}
        write_json(path, found)
        print(json.dumps(found), flush=True)
        return found


def points(zoo: Path, out: Path, encoders: list[str], seeds: int) -> list[Point]:
    """All of them, those of few steps first."""
    found = []
    for encoder in encoders:
        for seed in range(seeds):
            found += [Point(zoo, out, "steps", encoder, seed, steps) for steps in STEPS]
            found += [Point(zoo, out, "letters", encoder, seed, FEWER, questions) for questions in LETTERS]
            found += [Point(zoo, out, "networks", encoder, seed, FEWER, networks=count) for count in NETWORKS]
    return sorted(found, key=lambda point: point.steps)


def curves(found: list[dict[str, Any]], curve: str, part: str) -> dict[str, dict[float, list[float]]]:
    """Values of all seeds along a curve, by encoder and place."""
    along: dict[str, dict[float, list[float]]] = {}
    for each in sorted(found, key=lambda each: each["place"]):
        if each["curve"] == curve:
            along.setdefault(each["encoder"], {}).setdefault(each["place"], []).append(each[part])
    return along


def draw(found: list[dict[str, Any]], curve: str) -> Figure:
    """A panel a part of the zoo, a line an encoder, with bootstrap intervals of the mean over seeds."""
    panels: dict[str, dict[str, dict[float, Ends]]] = {}
    for part, title in PARTS.items():
        for encoder, along in curves(found, curve, part).items():
            ends = {place: interval(own) for place, own in along.items() if place}  # the axis is logarithmic
            panels.setdefault(title, {})[encoder] = {at: (own.mean, own.low, own.high) for at, own in ends.items()}
    return interval_curves(panels, CURVES[curve], "exact language")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoders", default=",".join(ENCODERS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most-steps", type=int, default=max(STEPS), help="points of more are left out")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    jobs = points(arguments.zoo, arguments.out, arguments.encoders.split(","), arguments.seeds)
    found = run_jobs([job for job in jobs if job.steps <= arguments.most_steps], default_threads())
    for curve in CURVES:
        for part in PARTS:
            for encoder, along in curves(found, curve, part).items():
                shown = "  ".join(f"{place:.0f}: {np.mean(own):.2f} ({min(own):.2f})" for place, own in along.items())
                print(f"{curve:9}{part:11}{encoder:15} exact language, mean (worst seed)  {shown}")
        if curves(found, curve, "validation"):
            draw(found, curve).savefig(arguments.out / f"frontier-{curve}.png", dpi=110)
    write_json(arguments.out / "frontier.json", {"points": found})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
