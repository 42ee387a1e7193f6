"""Is a device found in captures that others made of it? By answers, a learned encoder and weights, on students.

    python benchmarks/captures.py AMPS_FOLDER [--seeds 1] [--steps 1500]

The folder holds GuitarML files. Published captures of one device by two people are rare, so captures are made: LSTMs of
other sizes, each trained on what one amplifier (knob at .5) answers to random notes. Encoders are pretrained on the
amplifiers alone, by the default preset, and see neither students nor labels. Each capture looks for its device among
all of another group. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec import Architecture, Mixed, Population, Zoo, import_zoo, split_zoo
from rnn2vec.emulation.pretrain import pretrain
from rnn2vec.emulation.recipe import recipe_for
from rnn2vec.emulation.store import encoder_for
from rnn2vec.encoders import AnswersEncoder
from rnn2vec.engine import train_step
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.evaluation.properties import view_of_zoo
from rnn2vec.networks.stimuli import SIGNALS
from rnn2vec.randomness import generator
from rnn2vec.zoo.questions import questions_of

SIZES = (20, 16)
"""Hidden units of the students."""
STEPS, BATCH, LENGTH = 2500, 8, 400
NOTES = SIGNALS[2]


def notes(count: int, *key: Any) -> torch.Tensor:
    """Decaying harmonics at levels from .02 to 1, ``[count, LENGTH, 1]``."""
    found = np.zeros((count, LENGTH, 1), np.float32)
    for number in range(count):
        random = generator(0, "notes", *key, number)
        found[number, :, 0] = NOTES(random, LENGTH) * np.exp(random.uniform(np.log(0.02), 0.0))
    return torch.from_numpy(found)


def students(teachers: Population, size: int) -> tuple[Population, float]:
    """A smaller LSTM for each teacher, and the median error-to-signal ratio on notes that they were not trained on."""
    own = Population.initialise(Architecture("lstm", 1, (size,), 1, skip=True), size, range(len(teachers)))
    optimizer, pool = AdamW.start(own, 0.0), notes(256, "training", size)

    def asked(chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = chosen[None].expand(len(teachers), -1, -1, -1).contiguous()
        with torch.no_grad():
            return inputs, teachers.run(inputs)[0].contiguous()

    for step in range(STEPS):
        rows = generator(0, "students", size, step).integers(0, len(pool), BATCH)
        train_step(own, optimizer, *asked(pool[rows]), 0.01 if step < STEPS // 2 else 0.002)
    inputs, wanted = asked(notes(32, "test"))
    with torch.no_grad():
        error = (own.run(inputs)[0] - wanted).square().sum((1, 2, 3)) / wanted.square().sum((1, 2, 3))
    return own.with_interface(teachers.interface), float(error.median())


def plain_statistics(population: Population) -> np.ndarray:
    """Mean, deviation and extremes of each tensor of weights: of one length for every hidden size, ``[N, S]``."""
    found = []
    for weight in population.weights.values():
        flat = weight.flatten(1)
        found += [
            flat.mean(1),
            flat.std(1) if flat.shape[1] > 1 else flat[:, 0],
            flat.min(1).values,
            flat.max(1).values,
        ]
    return torch.stack(found, 1).numpy()


def ranks(z: np.ndarray, devices: int, chosen: np.ndarray) -> float:
    """Mean reciprocal rank of a device's capture among all captures of another group, over chosen devices."""
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    groups = z.reshape(-1, devices, z.shape[1])
    found = []
    for one, asking in enumerate(groups):
        for other, answering in enumerate(groups):
            if one != other:
                similarity = asking @ answering.T
                found.append(1 / (1 + (similarity > np.diag(similarity)[:, None]).sum(1))[chosen])
    return float(np.mean(found))


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        zoo: Zoo = import_zoo([arguments.folder], Path(place) / "zoo", knob=[0, 0.5, 1])
        names, sources = zoo.column("name"), zoo.column("source")
        middle = np.flatnonzero([name.endswith("@0.5") or "@" not in name for name in names])
        teachers, everyone = zoo.networks(middle), np.arange(len(middle))
        assert isinstance(teachers, Population)
        made = [students(teachers, size) for size in SIZES]
        captures = Mixed([teachers, *(own for own, _ in made)])
        held = np.flatnonzero(np.isin(sources[middle], sources[split_zoo(zoo).validation]))
        report: dict[str, Any] = {"devices": len(middle), "held_out": len(held)}
        report["students"] = {str(size): error for size, (_, error) in zip(SIZES, made, strict=True)}
        print(
            f"{len(middle)} devices, {len(held)} held out; students' error-to-signal ratio {report['students']}",
            flush=True,
        )

        def show(name: str, z: np.ndarray) -> None:
            report[name] = {"mrr": ranks(z, len(middle), everyone), "held_out_mrr": ranks(z, len(middle), held)}
            print(
                f"{name:20s} MRR {report[name]['mrr']:.3f}, of devices held out {report[name]['held_out_mrr']:.3f}",
                flush=True,
            )

        show("chance", generator(0, "chance").normal(size=(len(captures), 16)))
        parts = [plain_statistics(own) for own in (teachers, *(own for own, _ in made))]
        weights = np.concatenate([(own - own.mean(0)) / np.maximum(own.std(0), 1e-9) for own in parts])
        show("weight statistics", weights)
        show("answers", AnswersEncoder.fitted(zoo.networks(), questions_of(zoo)).encode(captures))
        recipe = recipe_for(view_of_zoo(zoo), "laptop", steps=arguments.steps)
        for seed in range(arguments.seeds):
            encoder = encoder_for(zoo, "noninteractive", recipe, seed)
            trained = pretrain(zoo, encoder, recipe, seed)
            show(f"learned, seed {seed}", encoder.encode(captures))
            report[f"learned, seed {seed}"] |= {"seconds": trained.seconds, "loss": trained.losses["validation"]}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
