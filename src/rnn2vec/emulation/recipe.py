"""How an encoder is pretrained: the recipe and its presets."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from rnn2vec.emulation.emulator import CONDITIONING
from rnn2vec.encoders import ENCODERS
from rnn2vec.encoders.parts import size_of_part
from rnn2vec.errors import RNN2VecError
from rnn2vec.families import family_of
from rnn2vec.families.family import View
from rnn2vec.fields import number, whole
from rnn2vec.losses import OF_CLASSES, OF_NUMBERS

DECAYS = ("none", "cosine")


@dataclasses.dataclass(frozen=True)
class PretrainRecipe:
    """Everything that decides a pretraining but the zoo, the encoder and the seed.

    Attributes:
        steps: gradient steps.
        networks: networks in a step's batch.
        traces: traces of each that the emulator imitates in a step.
        learning_rate: of AdamW, at its highest.
        weight_decay: of AdamW.
        clip: largest gradient norm, of encoder and emulator each.
        warmup: steps over which the learning rate grows to its highest.
        decay: ``none``, or ``cosine`` down to zero at the last step.
        window: steps of a trace that are imitated in a step, from a random one on; all of them if None.
        loss: one of those of the networks, see :mod:`rnn2vec.losses`.
        emulator_size: hidden units of the emulator.
        emulator_layers: its layers.
        relatives: how far the networks of a batch are from those of the zoo, which may be too few to learn from: each
            weight is changed by such a relative deviation, see :meth:`rnn2vec.networks.Population.perturbed`, and the
            batch is asked the windows anew, each from its own start. If None, the networks themselves, and what they
            said in the zoo.
        conditioning: where the emulator is told z, see :class:`rnn2vec.emulation.emulator.Emulator`.
        encoder_options: arguments of each encoder by its name.

    Raises:
        RNN2VecError: if a field is of another kind or out of range.
    """

    steps: int
    networks: int = 64
    traces: int = 1
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    clip: float = 0.1
    warmup: int = 0
    decay: str = "none"
    window: int | None = None
    loss: str = "total-variation"
    relatives: float | None = None
    emulator_size: int = 256
    emulator_layers: int = 2
    conditioning: str = "first"
    encoder_options: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        plain: dict[str, Any] = {name: whole(name, getattr(self, name)) for name in ("steps", "networks", "traces")}
        plain |= {name: size_of_part(name, getattr(self, name)) for name in ("emulator_size", "emulator_layers")}
        plain["window"] = None if self.window is None else whole("window", self.window)
        plain["relatives"] = None if self.relatives is None else number("relatives", self.relatives)
        plain["warmup"] = whole("warmup", self.warmup, 0)
        plain |= {name: number(name, getattr(self, name)) for name in ("learning_rate", "weight_decay", "clip")}
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        for name, known, rule in (
            ("loss", tuple(OF_CLASSES | OF_NUMBERS), "emulation losses are"),
            ("decay", DECAYS, "decay is one of"),
            ("conditioning", CONDITIONING, "an emulator's conditioning is one of"),
        ):
            if getattr(self, name) not in known:
                raise RNN2VecError(f"{rule} {', '.join(known)}; got {getattr(self, name)!r}")
        options = self.encoder_options
        if not isinstance(options, dict) or not all(isinstance(own, dict) for own in options.values()):
            raise RNN2VecError(f"encoder_options are arguments by the names of encoders; got {options!r}")
        if unknown := set(options) - set(ENCODERS):
            raise RNN2VecError(
                f"encoders are {', '.join(ENCODERS)}; got encoder_options of {', '.join(map(str, unknown))}"
            )

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rate = self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup))
        if self.decay == "cosine":
            rate *= 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return rate


def pretrain_recipe(family: str, preset: str, **overrides: Any) -> PretrainRecipe:
    """A preset of a family of tasks with some fields replaced.

    Raises:
        RNN2VecError: if the family, the preset or a field is unknown or out of range.
    """
    return recipe_for(family_of(family), preset, **overrides)


def recipe_for(view: View, preset: str, **overrides: Any) -> PretrainRecipe:
    """A preset for networks of a family, or of none, with some fields replaced.

    Raises:
        RNN2VecError: if the preset or a field is unknown or out of range.
    """
    presets = view.pretraining
    if preset not in presets:
        raise RNN2VecError(f"pretraining presets are {', '.join(presets)}; got {preset!r}")
    try:
        return PretrainRecipe(**{**presets[preset], **overrides})
    except TypeError as error:
        raise RNN2VecError(f"unknown field of a pretraining recipe: {error}") from error
