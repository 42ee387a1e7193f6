"""Amplifiers as black boxes: the member from few samples, with noise; the device of a capture that another made.

    python benchmarks/identification_amplifiers.py AMPS_FOLDER

The folder holds GuitarML files; those with a knob count at three positions. Members answer exactly, or with 8 bits
(steps of 1/128) and Gaussian noise of 1 % of the spread of their output, of which nothing is declared. Captures by
others are made, as `captures.py` makes them. A capture is no member: devices are ranked by how likely its answers are
of each, and the rank of its own is compared with fixed sets of as many questions, ranked by the root mean square of
differences. The best of 300 random sets is chosen in hindsight, with the captures themselves. Intervals are 95 %
(Wilson). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captures import SIZES, students
from identification import wilson

from rnn2vec import Identifier, Population, import_zoo
from rnn2vec.identification.identify import interrogate
from rnn2vec.networks.behaviour import answers_of, unit_of
from rnn2vec.randomness import generator
from rnn2vec.zoo.questions import questions_of

STEPS = 64
NOISE = 0.01
APART = 0.3
"""Noise that is declared for captures by others, in units: their error-to-signal ratio is a tenth and more."""
SETS = 300
FIRST = 3


def members(networks: Population, pool: np.ndarray, answers: str, noise: float, budget: int) -> dict[str, Any]:
    """All networks as boxes; noise in units of the spread, with 8 bits where there is any."""
    known = Identifier(networks, pool, answers)
    unit = unit_of(networks.interface, answers_of(networks, pool)).numpy()
    right, strings, none = 0, [], 0
    for row in range(len(networks)):
        random = generator(0, "noisy", row)

        def ask(question: np.ndarray, row: int = row, random: np.random.Generator = random) -> np.ndarray:
            answer = answers_of(networks[row : row + 1], question[None])[0, 0].numpy().astype(float)
            if noise:
                answer = ((answer + noise * unit * random.normal(size=answer.shape)) * 128).round() / 128
            return answer

        found = interrogate(ask, known.anew(), budget)
        best = found.candidates[0].name
        right += best == str(row) or any({best, str(row)} <= set(group) for group in found.alike)
        none += found.none_of_these > 0.5
        strings.append(found.questions)
    return {
        "right": right / len(networks),
        "right_interval": wilson(right, len(networks)),
        "called_none": none / len(networks),
        "median_strings": float(np.median(strings)),
        "most_strings": max(strings),
    }


def captured(devices: Population, boxes: Population, pool: np.ndarray, budget: int) -> dict[str, Any]:
    """Captures by others as boxes, ``[N]`` of as many devices: is the device among the first?"""
    known = Identifier(devices, pool, noise=APART)
    ranks = []
    for row in range(len(devices)):
        found = interrogate(boxes[row : row + 1], known.anew(), budget, 1 - 1e-12, checks=budget, measure=False)
        ranks.append([each.row for each in found.candidates].index(row))
    answers, said = answers_of(devices, pool), answers_of(boxes, pool)
    unit = unit_of(devices.interface, answers)
    apart = ((said[:, None] - answers[None]) / unit).square().mean((3, 4))  # box, device, question
    own = torch.arange(len(devices))
    shares = []
    for number in range(SETS):
        chosen = generator(0, "sets", budget, number).choice(len(pool), budget, replace=False)
        off = apart[:, :, torch.from_numpy(chosen)].mean(2)
        shares.append(float(((off < off[own, own][:, None]).sum(1) < FIRST).float().mean()))
    first = int((np.array(ranks) < FIRST).sum())
    return {
        "among_first": first / len(devices),
        "among_first_interval": wilson(first, len(devices)),
        "fixed_mean": float(np.mean(shares)),
        "fixed_best_in_hindsight": max(shares),
        "fixed_all_questions": float(
            ((apart.mean(2) < apart.mean(2)[own, own][:, None]).sum(1) < FIRST).float().mean()
        ),
    }


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"members": {}, "captures": {}}
    with tempfile.TemporaryDirectory() as place:
        zoo = import_zoo([arguments.folder], Path(place) / "zoo", knob=[0, 0.5, 1])
        networks, questions = zoo.networks(), questions_of(zoo)
        assert isinstance(networks, Population)
        for name, form, noise, budget in (("exact", "full", 0.0, 16), ("8 bits, 1 % noise", "full", NOISE, 4)):
            report["members"][name] = own = members(networks, questions[:, :STEPS], form, noise, budget)
            print(
                f"members, {name}: right {own['right']:.3f} of {len(networks)}, called none {own['called_none']:.3f}, "
                f"sequences of at most {STEPS} samples {own['median_strings']:g} (most {own['most_strings']})",
                flush=True,
            )
        names = zoo.column("name")
        middle = np.flatnonzero([name.endswith("@0.5") or "@" not in name for name in names])
        devices = networks[middle]
        for size in SIZES:
            boxes, error = students(devices, size)
            for budget in (1, 2, 4):
                own = captured(devices, boxes, questions, budget)
                report["captures"][f"{size} units, {budget} questions"] = own | {"error_to_signal": error}
                print(
                    f"captures by LSTMs of {size} units (error-to-signal {error:.2f}), {budget} questions: among the "
                    f"first {FIRST} {own['among_first']:.2f}, fixed sets {own['fixed_mean']:.2f} (best of {SETS} in "
                    f"hindsight {own['fixed_best_in_hindsight']:.2f}; all {len(questions)} questions "
                    f"{own['fixed_all_questions']:.2f})",
                    flush=True,
                )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
