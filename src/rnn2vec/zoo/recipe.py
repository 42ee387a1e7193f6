"""What a zoo is made of: the recipe that a builder follows, and its presets."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

from rnn2vec.errors import RNN2VecError
from rnn2vec.population import RNNSpec
from rnn2vec.randomness import generator
from rnn2vec.tasks.formal_language import FAMILY, SHIFTS, SYMBOLS, FormalLanguage, all_languages


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the bytes of a zoo (appendix A of the paper for the values of the ``paper`` preset).

    Attributes:
        family: the family of tasks.
        spec: shape of the networks.
        models: how many networks are trained.
        steps: training steps of each.
        snapshots: steps at which a network is kept; 0 is the untrained one.
        seed: seed of every random number.
        batch_size: strings per training step.
        learning_rates: learning rate at the first, middle and last step, linear between.
        weight_decay: of AdamW.
        length: tokens in a window.
        max_n: training strings have ``n < max_n``.
        shifts: values that mb, mc and md take.
        assignment: ``uniform`` draws each model's language, as the paper does; ``balanced`` deals the languages out in
            random order, so that each gets ``models / languages`` networks, give or take one.
        rollouts: strings kept per snapshot, with the probabilities of each next token.
        evaluation_strings: strings sampled to measure a snapshot's accuracy.
        models_per_shard: networks that are trained side by side and stored in one file; their weights do not depend on
            it.
    """

    family: str
    spec: RNNSpec
    models: int
    steps: int
    snapshots: tuple[int, ...]
    seed: int = 0
    batch_size: int = 32
    learning_rates: tuple[float, float, float] = (0.01, 0.003, 0.0003)
    weight_decay: float = 1e-4
    length: int = 42
    max_n: int = 10
    shifts: tuple[int, ...] = SHIFTS
    assignment: str = "balanced"
    rollouts: int = 100
    evaluation_strings: int = 1000
    models_per_shard: int = 16

    def __post_init__(self) -> None:
        for name in ("models", "steps", "batch_size", "rollouts", "models_per_shard"):
            if getattr(self, name) < 1:
                raise RNN2VecError(f"{name} is at least 1; got {getattr(self, name)}")
        if self.family != FAMILY:
            raise RNN2VecError(f"the family of a zoo is {FAMILY}; got {self.family!r}")
        if self.assignment not in ("balanced", "uniform"):
            raise RNN2VecError(f"tasks are assigned balanced or uniform; got {self.assignment!r}")
        if len(self.learning_rates) != 3:
            raise RNN2VecError(f"learning_rates are the first, middle and last one; got {list(self.learning_rates)}")
        if not self.snapshots:
            raise RNN2VecError("snapshots are the steps at which a network is kept, at least one; got none")
        if (
            list(self.snapshots) != sorted(set(self.snapshots))
            or not 0 <= self.snapshots[0] <= self.snapshots[-1] <= self.steps
        ):
            raise RNN2VecError(f"snapshots ascend within 0..{self.steps}; got {list(self.snapshots)}")
        if self.evaluation_strings < self.rollouts:
            raise RNN2VecError(
                f"the rollouts are the first of the strings that measure accuracy, so evaluation_strings is at least "
                f"{self.rollouts}; got {self.evaluation_strings}"
            )
        if not self.languages:
            raise RNN2VecError("shifts are the values that mb, mc and md take, at least one; got none")

    @functools.cached_property
    def languages(self) -> list[FormalLanguage]:
        """All languages that networks may be trained on."""
        return all_languages(self.length, self.max_n, self.shifts)

    def task(self, model: int) -> FormalLanguage:
        """The language of network ``model``."""
        languages = self.languages
        if self.assignment == "uniform":
            return languages[int(generator(self.seed, model, "task").integers(len(languages)))]
        deal, place = divmod(model, len(languages))
        return languages[int(generator(self.seed, deal, "deal").permutation(len(languages))[place])]

    def learning_rate(self, step: int) -> float:
        """Learning rate of training step ``step`` (0-based): linear between the first, middle and last value."""
        first, middle, last = self.learning_rates
        progress = 2 * step / max(1, self.steps)
        return first + (middle - first) * progress if progress < 1 else middle + (last - middle) * (progress - 1)

    @property
    def num_shards(self) -> int:
        """Files of weights."""
        return math.ceil(self.models / self.models_per_shard)

    def shard_models(self, shard: int) -> range:
        """Networks in a shard."""
        start = shard * self.models_per_shard
        return range(start, min(start + self.models_per_shard, self.models))

    def to_dict(self) -> dict[str, Any]:
        """The recipe as a JSON-serialisable dictionary."""
        values = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of :meth:`to_dict`.

        Raises:
            RNN2VecError: if a field is missing, unknown or out of range.
        """
        try:
            fields: dict[str, Any] = {
                n: tuple(value) if isinstance(value, list) else value for n, value in values.items()
            }
            fields["spec"] = RNNSpec.from_dict(fields["spec"])
            return cls(**fields)
        except (TypeError, KeyError) as error:
            known = ", ".join(field.name for field in dataclasses.fields(cls))
            raise RNN2VecError(f"a zoo recipe has the fields {known}; this one does not fit ({error})") from error


PAPER_SNAPSHOTS = (0, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
_LSTM = RNNSpec("lstm", len(SYMBOLS), 32, 2, len(SYMBOLS))

PRESETS = {
    "demo": Recipe(
        FAMILY,
        dataclasses.replace(_LSTM, hidden_size=24, num_layers=1),
        models=128,
        steps=800,
        snapshots=(0, 50, 100, 200, 400, 800),
        length=20,
        max_n=5,
        shifts=(-1, 0, 1, 2),
        rollouts=50,
        evaluation_strings=200,
    ),
    "laptop": Recipe(FAMILY, _LSTM, models=432, steps=2000, snapshots=(0, 100, 200, 500, 1000, 2000)),
    "paper": Recipe(
        FAMILY, _LSTM, models=1000, steps=20_000, snapshots=PAPER_SNAPSHOTS, assignment="uniform", models_per_shard=10
    ),
}
"""Sizes of a zoo of formal languages. ``demo`` has 64 languages in short windows, for minutes on two cores; ``laptop``
every language twice; ``paper`` the paper's protocol."""


def formal_language_recipe(preset: str = "laptop", **overrides: Any) -> Recipe:
    """A preset of the formal-language zoo with some fields replaced.

    Args:
        preset: ``demo``, ``laptop`` or ``paper``.
        overrides: fields of :class:`Recipe`, or of its spec (``cell``, ``hidden_size``, ``num_layers``,
            ``nonlinearity``), that win over the preset. With other ``steps``, snapshots beyond the last step are left
            out and the last step itself is kept.

    Raises:
        RNN2VecError: if the preset or a field is unknown or out of range.
    """
    if preset not in PRESETS:
        raise RNN2VecError(f"zoo presets are {', '.join(PRESETS)}; got {preset!r}")
    base = PRESETS[preset]
    spec_names = {field.name for field in dataclasses.fields(RNNSpec)}
    values = {name: value for name, value in overrides.items() if name not in spec_names}
    spec_values = {name: value for name, value in overrides.items() if name in spec_names}
    if "steps" in values and "snapshots" not in values:
        steps = values["steps"]
        values["snapshots"] = (*(s for s in base.snapshots if s < steps), steps)
    try:
        return dataclasses.replace(base, spec=dataclasses.replace(base.spec, **spec_values), **values)
    except TypeError as error:
        raise RNN2VecError(f"unknown field of a zoo recipe: {error}") from error
