"""Encoders that saw LSTMs of 2x32 alone read other cells, sizes, precisions and half-trained networks: how far?

    rnn2vec zoo build formal-languages --out runs/out/languages
    rnn2vec benchmark runs/out/languages --encoders interactive --seeds 5 --supervised-steps 0 --out runs/out/steadiness
    python runs/transfer.py runs/out/languages runs/out/steadiness/languages/interactive --out runs/out/transfer

Encoders and the readers of their z see the LSTMs of the first zoo alone. Every other zoo has one network of each of the
216 languages; what is read is the exact language of networks that have learnt theirs, over the same validation and
unseen OOD languages. Copies are of the LSTMs themselves, rounded. The same command goes on where it was interrupted:
zoos resume, and a reading is a JSON file. It ends with a table and a figure. Some two minutes a zoo and one a reading.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec import Population, Zoo, build_zoo, load_encoder, zoo_recipe
from rnn2vec.evaluation.evaluate import check_transfer
from rnn2vec.evaluation.intervals import interval
from rnn2vec.evaluation.predictors import evaluate_frozen, fit_predictors
from rnn2vec.files import read_json, write_json
from rnn2vec.report.intervals import Ends, interval_panels
from rnn2vec.threads import default_threads
from rnn2vec.zoo.split import split_zoo

ZOOS: dict[str, dict[str, Any]] = {
    "GRU 2x32": {"cell": "gru"},
    "Elman 2x32": {"cell": "elman"},
    "LSTM 2x16": {"hidden_size": 16},
    "LSTM 1x48": {"hidden_size": 48, "num_layers": 1},
    "LSTM 2x8": {"hidden_size": 8},
    "LSTM 2x64": {"hidden_size": 64},
    "LSTM 2x128": {"hidden_size": 128},
    "LSTM 3x32": {"num_layers": 3},
    "LSTM 4x32": {"num_layers": 4},
}
"""Other networks, by what is changed in the recipe."""
MODELS = 216
HALF = (0.35, 0.65)
"""Accuracy of a network that is half trained."""
PARTS = {"validation": "exact language, validation", "ood": "exact language, out of distribution"}


def in_float16(population: Population) -> Population:
    """Weights rounded to half precision."""
    return rounded(population, lambda weight: weight.half().float())


def in_int8(population: Population) -> Population:
    """Weights rounded to 255 levels, a scale for each tensor of each network."""

    def level(weight: torch.Tensor) -> torch.Tensor:
        scale = weight.abs().amax(tuple(range(1, weight.ndim)), keepdim=True).clamp(min=1e-12) / 127
        return (weight / scale).round() * scale

    return rounded(population, level)


def rounded(population: Population, level: Callable[[torch.Tensor], torch.Tensor]) -> Population:
    """A population with other weights."""
    weights = {name: level(weight) for name, weight in population.weights.items()}
    return Population(population.architecture, weights, population.interface)


COPIES = {"float16 copies": in_float16, "int8 copies": in_int8}


@dataclasses.dataclass(frozen=True)
class Transfer:
    """What is read of other networks with what was fitted to the first zoo.

    Attributes:
        source: the first zoo.
        out: where zoos and readings are kept.
        models: networks of each other zoo.
    """

    source: Zoo
    out: Path
    models: int

    def zoo(self, name: str) -> Zoo:
        """Another zoo, built or gone on with."""
        recipe = zoo_recipe("formal-languages", models=self.models, **ZOOS[name])
        place = name.lower().replace(" ", "-")
        zoo = build_zoo(recipe, self.out / place, workers=default_threads(), on_progress=lambda *_: None)
        check_transfer(self.source, zoo)
        return zoo

    def read(self, directory: Path, zoos: list[str]) -> list[dict[str, Any]]:
        """All readings of one encoder, those that are there kept."""
        path = self.out / f"{directory.name}.json"
        kept = {each["networks"]: each for each in read_json(path, "readings")["readings"]} if path.exists() else {}
        wanted = ["LSTM 2x32, as trained on", *COPIES, "half trained", *zoos]
        if missing := [name for name in wanted if name not in kept]:
            encoder, population = load_encoder(directory), self.source.population()
            z, seed = encoder.encode(population), int(directory.name.split("-")[-1])
            predictors = fit_predictors(self.source, z, seed)
            for name in missing:
                if name in COPIES:
                    own = evaluate_frozen(self.source, encoder.encode(COPIES[name](population)), seed, predictors)
                elif name in ZOOS:
                    zoo = self.zoo(name)
                    own = evaluate_frozen(zoo, encoder.encode(zoo.networks()), seed, predictors)
                elif name == "half trained":
                    own = {part: self.half(rows, predictors(z)) for part, rows in split_zoo(self.source).tested.items()}
                else:
                    own = evaluate_frozen(self.source, z, seed, predictors)
                read = {part: {key: own[part][key] for key in ("exact", "learnt")} for part in own}
                kept[name] = {"networks": name, "seed": seed, **read}
                write_json(path, {"readings": list(kept.values())})
                print(json.dumps(kept[name]), flush=True)
        return [kept[name] for name in wanted]

    def half(self, rows: np.ndarray, said: dict[str, np.ndarray]) -> dict[str, float]:
        """Exact languages of networks that have half learnt theirs."""
        accuracy = self.source.column("accuracy")[rows]
        rows = rows[(accuracy >= HALF[0]) & (accuracy <= HALF[1])]
        right = np.ones(len(rows), bool)
        for name in self.source.task_set.task_columns:
            right &= said[name][rows] == self.source.column(name)[rows]
        return {"exact": float(right.mean()) if len(rows) else float("nan"), "learnt": len(rows)}


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("encoders", type=Path, help="directory of the encoders, seed-0, seed-1, ...")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=int, default=MODELS, help="networks of each other zoo")
    parser.add_argument("--zoos", default=",".join(ZOOS), help="names with commas between")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    transfer = Transfer(Zoo.open(arguments.zoo), arguments.out, arguments.models)
    zoos = [name for name in arguments.zoos.split(",") if name]
    directories = sorted(path for path in arguments.encoders.glob("seed-*") if path.is_dir())
    found = [each for directory in directories for each in transfer.read(directory, zoos)]
    panels: dict[str, dict[str, dict[str, Ends]]] = {title: {} for title in PARTS.values()}
    for name in dict.fromkeys(each["networks"] for each in found):
        own, shown = [each for each in found if each["networks"] == name], []
        for part, title in PARTS.items():
            ends = interval([each[part]["exact"] for each in own])
            panels[title][name] = {"frozen": (ends.mean, ends.low, ends.high)}
            count = own[0][part]["learnt"]
            shown.append(f"{ends.mean:.2f} ({ends.low:.2f} to {ends.high:.2f}, {count} networks)")
        print(f"{name:26} exact language: validation {shown[0]}, out of distribution {shown[1]}")
    figure = interval_panels(panels)
    for axes in figure.axes:  # shares, on one scale
        axes.set_xlim(0.0, 1.03)
    figure.savefig(arguments.out / "transfer.png", dpi=110)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
