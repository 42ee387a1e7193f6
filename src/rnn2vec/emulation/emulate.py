"""Self-supervised training: encoder and emulator together learn to imitate networks (section 4.3 of the paper).

It takes any networks and their traces; :mod:`rnn2vec.emulation.pretrain` takes those of a zoo.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnn2vec.adamw import AdamW
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder
from rnn2vec.encoders.parts import float32_on, initial_parameters
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import whole
from rnn2vec.interface import Interface
from rnn2vec.losses import Loss
from rnn2vec.networks import Networks
from rnn2vec.networks.mixed import perturbed
from rnn2vec.randomness import generator, torch_seed
from rnn2vec.threads import backward_on, threads_for
from rnn2vec.training import require_finite, train
from rnn2vec.zoo.stored import StoredTraces
from rnn2vec.zoo.traces import Traces

NAME = "pretraining"
BATCH = 64
"""Networks that losses are measured on at once."""


@dataclasses.dataclass(frozen=True)
class Observed:
    """Networks, and what each of them read and said."""

    networks: Networks
    traces: Traces | StoredTraces

    def __post_init__(self) -> None:
        if len(self.networks) != len(self.traces):
            raise RNN2VecError(
                f"every network has traces; got {len(self.networks)} networks and traces of {len(self.traces)}"
            )

    @cached_property
    def units(self) -> tuple[Tensor, Tensor]:
        """The unit of each network's outputs in losses, ``[N, 1, 1, Y]``, and that of all, ``[Y]``."""
        blocks = (block.outputs for block in self.traces.blocks())
        own, unit = self.networks.interface.outputs.units(len(self.traces), blocks)
        return own[:, None, None], unit

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """Sequences of each network, and steps that it answered."""
        first = self.traces[0].outputs
        return first.shape[1], first.shape[2]

    def tensors(
        self, rows: Any = slice(None), sequences: np.ndarray | None = None, steps: slice = slice(None)
    ) -> tuple[Tensor, Tensor]:
        """Inputs and outputs of traces, where there are both, as losses read them.

        Args:
            rows: ``[K]``.
            sequences: which of each network, ``[K, R]``; all by default.
            steps: which of each sequence.

        Returns:
            ``[K, R, T, ...]`` each.
        """
        interface, traces = self.networks.interface, self.traces[rows]
        read, said = traces.inputs, traces.outputs
        if sequences is not None:
            places = np.arange(len(traces))[:, None]
            read, said = read[places, sequences], said[places, sequences]
        outputs = interface.outputs
        read, said = read[:, :, : said.shape[2]][:, :, steps], said[:, :, steps]
        return interface.inputs.tensor(read), outputs.compared(outputs.tensor(said))


@dataclasses.dataclass(frozen=True)
class Emulated:
    """What emulation leaves behind.

    Attributes:
        emulator: trained with the encoder.
        history: ``step``, ``seconds``, mean ``train`` loss since the last entry, ``validation`` loss.
        seconds: wall time of training, everything included.
    """

    emulator: Emulator
    history: list[dict[str, float]]
    seconds: float


@float32_on("cpu")
def emulate(
    encoder: Encoder,
    observed: Observed,
    validation: Observed,
    recipe: PretrainRecipe,
    seed: int = 0,
    identity: Mapping[str, Any] | None = None,
    on_progress: Callable[[int, str], None] | None = None,
    evaluations: int = 10,
    checkpoint: Path | None = None,
) -> Emulated:
    """Train an encoder, in place, to tell an emulator what networks do.

    In every step a batch of networks is drawn; each is encoded, and the emulator, told z, predicts the network's
    outputs on its traces. No label is used. The questions of a probing encoder learn from networks that are
    differentiable; black boxes teach it how to read their answers only.

    Args:
        encoder: trained in place.
        observed: networks to learn from.
        validation: networks whose loss is measured along the way.
        recipe: sizes and learning rates.
        seed: decides the emulator's first weights and every batch.
        identity: what the networks are, for the checkpoint; such as checksums.
        on_progress: called as ``on_progress(steps done, note)``.
        evaluations: how often along the way the validation loss is measured.
        checkpoint: a file that keeps the state every half minute; a training interrupted goes on from it, bit for bit.

    Raises:
        RNN2VecError: if the encoder cannot read the networks or draws its questions, the recipe's loss is none of
            theirs, ``evaluations`` is no whole number of at least 1, or training diverges.
    """
    whole("evaluations", evaluations)
    interface = observed.networks.interface
    for part in (observed, validation):
        encoder.check_readable(part.networks)
    if encoder.options.get("questions") == "single":
        raise RNN2VecError(
            "emulation teaches questions through the gradient of their answers, and questions=single passes none: "
            "pretrain with questions=mixed"
        )
    loss_function = loss_of(interface, recipe.loss)
    emulator = build_emulator(interface, encoder, recipe, seed)
    emulator.spread.copy_(observed.units[1])
    optimizer = AdamW([*encoder.parameters(), *emulator.parameters()], recipe.weight_decay)
    every = max(1, recipe.steps // evaluations)

    def loss_at(step: int) -> Tensor:
        rows, sequences, steps = _draw(recipe, seed, step, observed)
        networks, (inputs, targets) = observed.networks[rows], observed.tensors(rows, sequences, steps)
        spread = observed.units[0][rows]
        if recipe.relatives is not None:
            numbers = torch.Generator().manual_seed(torch_seed(seed, "relatives", step))
            networks = perturbed(networks, recipe.relatives, numbers)
            targets, spread = _asked(networks, inputs)
        batch = encoder.augment(networks, torch.Generator().manual_seed(torch_seed(seed, "augment", step)))
        z = backward_on(threads_for(encoder.work(len(batch))), encoder(batch))
        predicted, _ = emulator(z, inputs)
        return loss_function(targets, interface.outputs.compared(predicted), spread)

    def measure(progress: Any, loss: float) -> str:
        history, recent = (progress.notes.setdefault(name, []) for name in ("history", "recent"))
        recent.append(loss)
        if progress.step % every == 0 or progress.step == recipe.steps:
            measured = emulation_loss(encoder, emulator, validation, loss_function)
            require_finite(measured, NAME, f"after {progress.step} of {recipe.steps} steps its validation loss")
            entry = {"step": progress.step, "seconds": progress.seconds, "train": float(np.mean(recent))}
            history.append({**entry, "validation": measured})
            recent.clear()
        return f"validation loss {history[-1]['validation']:.4f}" if history else ""

    whole_identity = {
        "zoo": dict(identity or {}),
        "encoder": encoder.config,
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
    }
    progress = train(
        NAME,
        [encoder, emulator],
        optimizer,
        recipe,
        loss_at,
        checkpoint,
        whole_identity,
        on_progress,
        after=measure,
        apart=True,
    )
    return Emulated(emulator.eval(), progress.notes["history"], progress.seconds)


def loss_of(interface: Interface, name: str) -> Loss:
    """A loss that networks with this interface have, by name.

    Raises:
        RNN2VecError: if they have no such loss.
    """
    losses = interface.outputs.losses
    if name not in losses:
        raise RNN2VecError(
            f"emulation losses of networks that answer with {interface.outputs.kind} are {', '.join(losses)}; "
            f"got {name}"
        )
    return losses[name]


def build_emulator(
    interface: Interface, encoder: Encoder, recipe: PretrainRecipe, seed: int, device: str = "cpu"
) -> Emulator:
    """An untrained emulator of networks; its first weights are a function of the seed.

    On the device ``meta`` it has none yet, see :func:`rnn2vec.encoders.directory.fill`.
    """
    with initial_parameters(torch_seed(seed, "emulator"), device):
        return Emulator(
            interface.inputs.size,
            interface.outputs.size,
            encoder.embedding_size,
            recipe.emulator_size,
            recipe.emulator_layers,
            recipe.conditioning,
        )


@torch.no_grad()
def emulation_loss(encoder: Encoder, emulator: Emulator, observed: Observed, loss: Loss) -> float:
    """Mean loss over networks and their traces, without touching any gradient."""
    was_training, outputs = encoder.training, observed.networks.interface.outputs
    encoder.eval()
    losses, sizes = [], []
    for start in range(0, len(observed.networks), BATCH):
        rows = slice(start, start + BATCH)
        inputs, targets = observed.tensors(rows)
        predicted, _ = emulator(encoder(observed.networks[rows]), inputs)
        losses.append(float(loss(targets, outputs.compared(predicted), observed.units[0][rows])))
        sizes.append(len(inputs))
    encoder.train(was_training)
    return float(np.average(losses, weights=sizes))


@torch.no_grad()
def _asked(networks: Networks, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What networks say to inputs, as losses read it, and the unit of each in losses, see :attr:`Observed.units`."""
    outputs = networks.interface.outputs
    said, _ = networks.run(inputs)
    return outputs.compared(said), outputs.units(len(said), [said.numpy()])[0][:, None, None]


def _draw(recipe: PretrainRecipe, seed: int, step: int, observed: Observed) -> tuple[np.ndarray, np.ndarray, slice]:
    """Rows ``[networks]``, sequences ``[networks, traces]`` and steps of a training step."""
    numbers = generator(seed, "pretrain", step)
    rows = numbers.choice(len(observed.traces), recipe.networks, replace=recipe.networks > len(observed.traces))
    count, length = observed.sizes
    sequences = numbers.integers(0, count, (recipe.networks, recipe.traces))
    window = min(recipe.window or length, length)
    first = int(numbers.integers(0, length - window + 1)) if window < length else 0
    return rows, sequences, slice(first, first + window)
