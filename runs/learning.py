"""What each part of the recipe is worth: one option changed at a time, on a zoo of the demo's size.

    rnn2vec zoo build formal-languages --preset demo --out runs/out/demo
    python runs/learning.py runs/out/demo

About ten minutes on two cores. The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnn2vec import Zoo, build_encoder, split_zoo
from rnn2vec.emulation.emulate import emulation_loss, loss_of
from rnn2vec.emulation.pretrain import part_of_zoo, pretrain
from rnn2vec.emulation.recipe import recipe_for
from rnn2vec.evaluation.predictors import evaluate_frozen
from rnn2vec.evaluation.properties import view_of_zoo
from rnn2vec.parallel import run_jobs
from rnn2vec.threads import default_threads

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the preset": ({}, {}),
    "feedback: none": ({}, {"feedback": "none"}),
    "probes start at random": ({}, {"probe_init": "random"}),
    "readout: the core's last state": ({}, {"readout": "last"}),
    "z told once": ({"conditioning": "first"}, {}),
    "loss: total variation": ({"loss": "total-variation"}, {}),
    "loss: KL": ({"loss": "kl"}, {}),
    "1 trace a network": ({"traces": 1}, {}),
    "learning rate 1e-4, clipping at 0.1": ({"learning_rate": 1e-4, "clip": 0.1}, {}),
}
"""By name, fields of the recipe and options of the encoder."""


@dataclasses.dataclass(frozen=True)
class Change:
    """Pretrain the interactive encoder with one change."""

    directory: Path
    name: str
    steps: int

    def run(self, on_progress: Callable[[int, str], None]) -> dict[str, Any]:
        """Total variation, language and accuracy from z."""
        zoo, (fields, options) = Zoo.open(self.directory), CHANGES[self.name]
        recipe = recipe_for(view_of_zoo(zoo), "demo", steps=self.steps, **fields)
        encoder = build_encoder("interactive", zoo.interface, 0, **recipe.encoder_options["interactive"] | options)
        trained = pretrain(zoo, encoder, recipe, 0, on_progress)
        part = part_of_zoo(zoo, split_zoo(zoo).validation)
        loss = emulation_loss(trained.encoder, trained.emulator, part, loss_of(zoo.interface, "total-variation"))
        frozen = evaluate_frozen(zoo, encoder.encode(zoo.networks()))
        found = {"loss": loss, "language": frozen["validation"]["exact"], "language_ood": frozen["ood"]["exact"]}
        found |= {"accuracy_r2": frozen["validation"]["accuracy_r2"], "seconds": trained.seconds}
        print(f"{self.name:36} " + "  ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)
        return {"change": self.name, **found}


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    jobs = [Change(arguments.zoo, name, arguments.steps) for name in CHANGES]
    print(json.dumps(run_jobs(jobs, default_threads())))


if __name__ == "__main__":
    main()
