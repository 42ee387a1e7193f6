"""The view of networks of no family: what others called them is what is read from z."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn2vec.families.family import Column, Property, Reading, View, Words
from rnn2vec.families.kinds import KINDS
from rnn2vec.families.pretraining import LEARNS, asks
from rnn2vec.interface import Interface

WINDOW = {"tokens": 128, "numbers": 320}
"""Steps of a trace that the emulator imitates in a training step, by the kind of inputs."""
QUESTIONS = {"tokens": (64, 8), "numbers": (384, 4)}
"""Of a probing encoder, likewise: how many in a sequence, and sequences."""
FEW: dict[str, dict[str, Any]] = {
    "tokens": {},
    "numbers": {"relatives": 0.1, "networks": 32, "traces": 1, "emulator_size": 64},
}
"""What makes few networks teach what holds for others, likewise; see docs/learning.md."""
SHOWN = 64
"""Steps of a trace that a reader is shown."""
_SIZES: dict[str, dict[str, Any]] = {
    "demo": {"steps": 300},
    "laptop": {},
    "paper": {"steps": 100_000, "networks": 64, "traces": 1, "emulator_size": 256, "emulator_layers": 2},
}


def view_of_labels(interface: Interface, labels: Mapping[str, str]) -> View:
    """The view of networks by their interface and the kinds of their labels."""
    metrics = [(name, metric) for name, kind in labels.items() for metric in KINDS[kind][:1]]
    words = Words(
        task="file",
        tasks="what their files do not say",
        columns="Labels: read from the frozen z (share right, R2, or median error).",
        headline="labels: read from the frozen z.",
        symbols=[f"output {number + 1}" for number in range(interface.outputs.size)],
        answer="its outputs",
        step="step",
        where="",
        clones="",
        clone_axis="",
        knowledge={f"{name}{metric.suffix}": name for name, metric in metrics},
        knowledge_caption="Labels of validation networks, read from the frozen z.",
    )
    columns = [Column(name, "frozen", "validation", f"{name}{metric.suffix}") for name, metric in metrics]
    columns += [Column(f"{each.title} end-to-end", "supervised", each.part, each.metric) for each in columns]
    kind = interface.inputs.kind
    return View(
        pretraining={
            name: LEARNS
            | {"loss": interface.outputs.common_loss, "window": WINDOW[kind], "encoder_options": asks(*QUESTIONS[kind])}
            | FEW[kind]
            | sizes
            for name, sizes in _SIZES.items()
        },
        properties=tuple(Property(name, kind) for name, kind in labels.items()),
        columns=tuple(columns),
        headline=columns[0].title if columns else "",
        words=words,
        show=_show,
    )


def _show(inputs: np.ndarray, outputs: np.ndarray) -> Reading:
    steps = min(SHOWN, outputs.shape[1])
    return Reading(0, steps, [str(step + 1) for step in range(steps)])
