"""Amplifiers as black boxes: the member from few samples, with noise; the device of a capture that another made.

    python benchmarks/identification_amplifiers.py AMPS_FOLDER

The folder holds GuitarML files; those with a knob count at three positions. Members answer exactly, or with 8 bits
(steps of 1/128) and Gaussian noise of 1 % of the spread of their output, of which nothing is declared. Captures by
others are made, as `captures.py` makes them. A capture is no member: devices are ranked by the error in parts of their
own signal. The rank of its own is compared with that by fixed sets of as many questions: their mean, the one that is
best for captures of another size, and the best of 300 in hindsight, with the captures themselves. Intervals are 95 %
(Wilson). The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
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
BUDGETS = (1, 2, 4, 8)
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


@dataclasses.dataclass(frozen=True)
class Captures:
    """Captures by others of devices, one of each, and how far each is from all devices by each question.

    Attributes:
        devices: the known networks, N of them.
        boxes: captures, N of them.
        pool: questions.
        error: of captures, to the signal of their devices; the median.
        apart: how far box i is from device j by question k, ``[N, N, R]``.
    """

    devices: Population
    boxes: Population
    pool: np.ndarray
    error: float
    apart: torch.Tensor

    @classmethod
    def of(cls, devices: Population, size: int, pool: np.ndarray) -> Captures:
        """Captures by LSTMs of some hidden size."""
        boxes, error = students(devices, size)
        model, said = Identifier(devices, pool).model, answers_of(boxes, pool)
        return cls(devices, boxes, pool, error, model.difference(answers_of(devices, pool)[None], said[:, None]))

    def among_first(self, chosen: np.ndarray) -> float:
        """How many devices are among the first by a fixed set of questions."""
        off = self.apart[:, :, torch.from_numpy(chosen)].mean(2)
        return float(((off < off.diagonal()[:, None]).sum(1) < FIRST).float().mean())

    def identified(self, budget: int) -> int:
        """How many are among the first by so many questions, chosen one after another."""
        known, right = Identifier(self.devices, self.pool, none=0.999), 0
        for row in range(len(self.devices)):
            box = self.boxes[row : row + 1]
            found = interrogate(box, known.anew(), budget, nearest=budget)
            right += row in [each.row for each in found.candidates[:FIRST]]
        return right


def sets(questions: int, budget: int) -> list[np.ndarray]:
    """Fixed sets of as many questions."""
    return [generator(0, "sets", budget, own).choice(questions, budget, replace=False) for own in range(SETS)]


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
        captures = {size: Captures.of(devices, size, questions) for size in SIZES}
        for size, taken in captures.items():
            print(f"captures by LSTMs of {size} units: error-to-signal ratio {taken.error:.2f}")
            for budget in BUDGETS:
                fixed = sets(len(questions), budget)
                shares = {each: [captures[each].among_first(chosen) for chosen in fixed] for each in SIZES}
                others = np.mean([shares[each] for each in SIZES if each != size], 0)
                right = taken.identified(budget)
                report["captures"][f"{size} units, {budget} questions"] = measured = {
                    "error_to_signal": taken.error,
                    "among_first": right / len(devices),
                    "among_first_interval": wilson(right, len(devices)),
                    "fixed_mean": float(np.mean(shares[size])),
                    "fixed_best_for_other_size": shares[size][int(others.argmax())],
                    "fixed_best_in_hindsight": max(shares[size]),
                    "all_questions": taken.among_first(np.arange(len(questions))),
                }
                print(
                    f"  {budget} questions: among the first {FIRST} {measured['among_first']:.2f}, fixed sets "
                    f"{measured['fixed_mean']:.2f} (the best for the other size "
                    f"{measured['fixed_best_for_other_size']:.2f}, of {SETS} in hindsight "
                    f"{measured['fixed_best_in_hindsight']:.2f}; all {len(questions)} questions "
                    f"{measured['all_questions']:.2f})",
                    flush=True,
                )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
