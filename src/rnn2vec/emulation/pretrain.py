"""Pretraining: emulation on the train tasks of a zoo, measured on tasks that it held back."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnn2vec.emulation.emulate import NAME, Observed, emulate, emulation_loss, loss_of
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder
from rnn2vec.encoders.parts import float32_on
from rnn2vec.training import require_finite
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo
from rnn2vec.zoo.traces import Traces

EVALUATION_TRACES = 10
"""Traces of every snapshot that losses are measured on."""


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """What pretraining leaves behind.

    Attributes:
        encoder: trained in place.
        emulator: trained with it.
        history: see :class:`rnn2vec.emulation.emulate.Emulated`.
        losses: final emulation loss by part of the zoo: ``validation`` and ``ood``, its unseen half.
        seconds: wall time of training, everything included.
    """

    encoder: Encoder
    emulator: Emulator
    history: list[dict[str, float]]
    losses: dict[str, float]
    seconds: float


@float32_on("cpu")
def pretrain(
    zoo: Zoo,
    encoder: Encoder,
    recipe: PretrainRecipe,
    seed: int = 0,
    on_progress: Callable[[int, str], None] | None = None,
    evaluations: int = 10,
    checkpoint: Path | None = None,
) -> Pretrained:
    """Train an encoder by emulation on the train tasks of a zoo, see :func:`rnn2vec.emulation.emulate.emulate`.

    Args:
        zoo: networks and their traces.
        encoder: trained in place.
        recipe: sizes and learning rates.
        seed: decides the emulator's first weights and every batch.
        on_progress: called as ``on_progress(steps done, note)``.
        evaluations: how often along the way the validation loss is measured.
        checkpoint: a file that keeps the state every half minute; a training interrupted goes on from it, bit for bit.

    Raises:
        RNN2VecError: if the encoder cannot read the networks of the zoo or draws its questions, ``evaluations`` is no
            whole number of at least 1, or training diverges.
    """
    encoder.check_readable(zoo)
    split = split_zoo(zoo)
    train = Observed(zoo.stored_networks(split.train).in_memory(), zoo.stored_traces(split.train))
    encoder.start(train.networks, questions_of(zoo, split.train, seed))
    validation = part_of_zoo(zoo, split.validation)
    emulated = emulate(encoder, train, validation, recipe, seed, zoo.checksums, on_progress, evaluations, checkpoint)
    ended, loss = time.monotonic(), loss_of(zoo.interface, recipe.loss)
    losses = {"validation": emulated.history[-1]["validation"]}
    for part, rows in split.tested.items():
        if part not in losses:
            losses[part] = emulation_loss(encoder, emulated.emulator, part_of_zoo(zoo, rows), loss)
            require_finite(losses[part], NAME, f"its {part} loss")
    seconds = emulated.seconds + time.monotonic() - ended
    return Pretrained(encoder.eval(), emulated.emulator, emulated.history, losses, seconds)


def part_of_zoo(zoo: Zoo, rows: np.ndarray) -> Observed:
    """Networks of some rows, and the traces that losses are measured on."""
    few = slice(EVALUATION_TRACES)
    kept = [(block.inputs[:, few].copy(), block.outputs[:, few].copy()) for block in zoo.stored_traces(rows).blocks()]
    return Observed(zoo.stored_networks(rows).in_memory(), Traces(*map(np.concatenate, zip(*kept, strict=True))))
