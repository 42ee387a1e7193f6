"""Self-supervised training: encoder and emulator together learn to imitate every network of a zoo (section 4.3)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rnn2vec.emulation.emulator import Emulator
from rnn2vec.emulation.losses import LOSSES
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder
from rnn2vec.encoders.encoder import float32_on, initial_parameters
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import whole
from rnn2vec.population import Population
from rnn2vec.randomness import generator, torch_seed
from rnn2vec.training import Progress, require_finite, train
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Rollouts, Zoo

NAME = "pretraining"
EVALUATION_ROLLOUTS = 10
"""Rollouts of every snapshot that losses are measured on."""


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """What pretraining leaves behind.

    Attributes:
        encoder: trained in place.
        emulator: trained with it.
        history: ``step``, ``seconds``, mean ``train`` loss since the last entry, ``validation`` loss.
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
    report: Callable[[int, str], None] | None = None,
    evaluations: int = 10,
    checkpoint: Path | None = None,
) -> Pretrained:
    """Train an encoder by emulation on the train tasks of a zoo.

    In every step a batch of networks is drawn; each is encoded, and the emulator, told z, predicts the network's
    outputs on rollouts the network wrote. No label is used.

    Args:
        zoo: networks and their rollouts.
        encoder: trained in place.
        recipe: sizes and learning rates.
        seed: decides the emulator's first weights and every batch.
        report: called as ``report(steps done, note)``.
        evaluations: how often along the way the validation loss is measured.
        checkpoint: a file that keeps the state every half minute; a training interrupted goes on from it, bit for bit.

    Raises:
        RNN2VecError: if the encoder cannot read the networks of the zoo or draws its questions, ``evaluations`` is no
            whole number of at least 1, or training diverges.
    """
    whole("evaluations", evaluations)
    encoder.check_readable(zoo.spec)
    if encoder.options.get("questions") == "single":
        raise RNN2VecError(
            "emulation teaches questions through the gradient of their answers, and questions=single passes none: "
            "pretrain with questions=mixed"
        )
    split = split_zoo(zoo)
    population, rollouts = zoo.population(split.train), zoo.rollouts(split.train)
    validation = part_of_zoo(zoo, split.validation)
    encoder.start_probes(inputs_to_start_from(zoo, split.train, rollouts, seed))
    emulator = build_emulator(zoo, encoder, recipe, seed)
    loss_function = LOSSES[recipe.loss]
    optimizer = torch.optim.AdamW(
        [*encoder.parameters(), *emulator.parameters()], lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    every = max(1, recipe.steps // evaluations)

    def loss_at(step: int) -> Tensor:
        rows, strings = _draw(recipe, seed, step, rollouts)
        batch = encoder.augment(population[rows], torch.Generator().manual_seed(torch_seed(seed, "augment", step)))
        inputs, targets = emulation_tensors(
            rollouts.inputs[rows[:, None], strings], rollouts.outputs[rows[:, None], strings]
        )
        predicted, _ = emulator(encoder(batch), inputs)
        return loss_function(targets, predicted.log_softmax(-1))

    def measure(progress: Progress, loss: float) -> str:
        history, recent = (progress.notes.setdefault(name, []) for name in ("history", "recent"))
        recent.append(loss)
        if progress.step % every == 0 or progress.step == recipe.steps:
            measured = emulation_loss(encoder, emulator, *validation, loss_function)
            require_finite(measured, NAME, f"after {progress.step} of {recipe.steps} steps its validation loss")
            entry = {"step": progress.step, "seconds": progress.seconds, "train": float(np.mean(recent))}
            history.append({**entry, "validation": measured})
            recent.clear()
        return f"validation loss {history[-1]['validation']:.4f}" if history else ""

    identity = {"zoo": zoo.checksums, "encoder": encoder.config, "recipe": dataclasses.asdict(recipe), "seed": seed}
    progress = train(
        NAME, [encoder, emulator], optimizer, recipe, loss_at, checkpoint, identity, report, after=measure, apart=True
    )
    ended, history = time.monotonic(), progress.notes["history"]
    ood = emulation_loss(encoder, emulator, *part_of_zoo(zoo, split.tested["ood"]), loss_function)
    require_finite(ood, NAME, "its loss out of distribution")
    losses = {"validation": history[-1]["validation"], "ood": ood}
    return Pretrained(encoder.eval(), emulator.eval(), history, losses, progress.seconds + time.monotonic() - ended)


def build_emulator(zoo: Zoo, encoder: Encoder, recipe: PretrainRecipe, seed: int, device: str = "cpu") -> Emulator:
    """An untrained emulator for the networks of a zoo; its first weights are a function of the seed.

    On the device ``meta`` it has none yet, see :func:`rnn2vec.encoders.encoder.fill`.
    """
    with initial_parameters(torch_seed(seed, "emulator"), device):
        return Emulator(
            zoo.spec.input_size,
            zoo.spec.output_size,
            encoder.embedding_size,
            recipe.emulator_size,
            recipe.emulator_layers,
            recipe.conditioning,
        )


@torch.no_grad()
def emulation_loss(
    encoder: Encoder,
    emulator: Emulator,
    population: Population,
    rollouts: Rollouts,
    loss_function: Callable[[Tensor, Tensor], Tensor],
) -> float:
    """Mean loss over networks and their rollouts, without touching any gradient."""
    was_training = encoder.training
    encoder.eval()
    losses, sizes = [], []
    for start in range(0, len(population), 64):
        rows = slice(start, start + 64)
        inputs, targets = emulation_tensors(rollouts.inputs[rows], rollouts.outputs[rows])
        predicted, _ = emulator(encoder(population[rows]), inputs)
        losses.append(float(loss_function(targets, predicted.log_softmax(-1))))
        sizes.append(len(inputs))
    encoder.train(was_training)
    return float(np.average(losses, weights=sizes))


def part_of_zoo(zoo: Zoo, rows: np.ndarray) -> tuple[Population, Rollouts]:
    """Networks of some rows, and the rollouts that losses are measured on."""
    rollouts = zoo.rollouts(rows)
    return zoo.population(rows), Rollouts(
        rollouts.inputs[:, :EVALUATION_ROLLOUTS], rollouts.outputs[:, :EVALUATION_ROLLOUTS]
    )


def _draw(recipe: PretrainRecipe, seed: int, step: int, rollouts: Rollouts) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``[networks]`` and strings ``[networks, rollouts]`` of a step."""
    numbers = generator(seed, "pretrain", step)
    rows = numbers.choice(len(rollouts.inputs), recipe.networks, replace=recipe.networks > len(rollouts.inputs))
    return rows, numbers.integers(0, rollouts.inputs.shape[1], (recipe.networks, recipe.rollouts))


def emulation_tensors(inputs: np.ndarray, outputs: np.ndarray) -> tuple[Tensor, Tensor]:
    """Inputs and outputs of rollouts, ``[N, R, ...]``, as tensors.

    Inputs are those at the positions that have outputs; outputs become log-probabilities, where a zoo may hold logits.
    """
    kept = torch.from_numpy(inputs[:, :, : outputs.shape[2]])
    return (kept.float() if kept.is_floating_point() else kept.long()), torch.from_numpy(outputs).float().log_softmax(
        -1
    )


def inputs_to_start_from(zoo: Zoo, rows: np.ndarray, rollouts: Rollouts, seed: int) -> Tensor:
    """One rollout of each network in ``rows`` of a zoo, what it read: ``[rows, T]`` or ``[rows, T, X]``.

    In random order, but the longest trained networks first.
    """
    order = generator(seed, "probes").permutation(len(rows))
    chosen = order[np.argsort(-zoo.column("step")[rows][order], kind="stable")]
    return torch.from_numpy(rollouts.inputs[chosen, 0])
