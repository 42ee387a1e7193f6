"""Zoos of networks that write formal languages (section 5.1 of the paper)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import LARGEST, number, sequence, whole
from rnn2vec.interface import Classes, Interface, Tokens
from rnn2vec.networks import Population
from rnn2vec.randomness import generator
from rnn2vec.tasks.formal_language import BOS, FAMILY, SHIFTS, SYMBOLS, FormalLanguage, all_languages
from rnn2vec.zoo.recipe import PAPER_SNAPSHOTS, Recipe
from rnn2vec.zoo.rollouts import sample_strings

MOST_SHIFTS = 100
"""Values of a shift: a million languages."""


@dataclasses.dataclass(frozen=True)
class LanguageRecipe(Recipe):
    """A zoo of language models, each of one language. See :class:`Recipe` for the other fields.

    A snapshot's rollouts are strings that the network wrote, with its log-probabilities of every next token; its
    accuracy is the share of them that are in its language.

    Attributes:
        weight_decay: of AdamW.
        length: tokens in a window.
        max_n: training strings have ``n < max_n``.
        shifts: values that mb, mc and md take.
        evaluation_strings: strings sampled to measure a snapshot's accuracy.
    """

    weight_decay: float = 1e-4
    length: int = 42
    max_n: int = 10
    shifts: tuple[int, ...] = SHIFTS
    evaluation_strings: int = 1000

    family: ClassVar[str] = FAMILY
    task_columns: ClassVar[tuple[str, ...]] = ("mb", "mc", "md")
    metric_columns: ClassVar[tuple[str, ...]] = ("accuracy",)
    learnt_accuracy: ClassVar[float] = 0.9
    task_noun: ClassVar[str] = "language"

    def __post_init__(self) -> None:
        super().__post_init__()
        symbols = len(SYMBOLS)
        if (self.architecture.input_size, self.architecture.output_size) != (symbols, symbols):
            raise RNN2VecError(
                f"networks of languages have {symbols} inputs and {symbols} outputs; got {self.architecture}"
            )
        self._make_plain("weight_decay", number("weight_decay", self.weight_decay))
        for name in ("length", "max_n", "evaluation_strings"):
            self._make_plain(name, whole(name, getattr(self, name)))
        if self.evaluation_strings < self.rollouts:
            raise RNN2VecError(
                f"the rollouts are the first of the strings that measure accuracy, so evaluation_strings is at least "
                f"{self.rollouts}; got {self.evaluation_strings}"
            )
        shifts = sequence("shifts", self.shifts)
        if not 1 <= len(shifts) <= MOST_SHIFTS:
            raise RNN2VecError(
                f"shifts are the values that mb, mc and md take, 1..{MOST_SHIFTS} of them; got {len(shifts) or 'none'}"
            )
        self._make_plain("shifts", tuple(whole("each of shifts", shift, -LARGEST, LARGEST) for shift in shifts))
        if self.assignment != "listed":  # whose tasks are few of these, and in the table
            for shift in self.shifts:  # with any one of them, these have the longest shortest string
                FormalLanguage(shift, max(self.shifts), max(self.shifts), self.length, self.max_n)

    @functools.cached_property
    def languages(self) -> list[FormalLanguage]:
        """All languages that networks may be trained on."""
        return all_languages(self.length, self.max_n, self.shifts)

    def fetch_data(self) -> None:
        """Languages need none."""

    def task(self, model: int) -> FormalLanguage:
        """The language of network ``model``; balanced: every language is dealt once before any is dealt again."""
        self._check_assigned(model)
        languages = self.languages
        if self.assignment == "uniform":
            return languages[int(generator(self.seed, model, "task").integers(len(languages)))]
        deal, place = divmod(model, len(languages))
        return languages[int(generator(self.seed, deal, "deal").permutation(len(languages))[place])]

    def task_from(self, parameters: Mapping[str, Any]) -> FormalLanguage:
        mb, mc, md = (parameters[name] for name in self.task_columns)
        return FormalLanguage(mb, mc, md, self.length, self.max_n)

    @property
    def interface(self) -> Interface:
        """A token in, the next one out."""
        return Interface(Tokens(len(SYMBOLS)), Classes(len(SYMBOLS)))

    def weight_decay_of(self, model: int) -> float:
        return self.weight_decay

    def ood_tasks(self, tasks: np.ndarray, order: np.ndarray) -> np.ndarray:
        """The 15 % with the smallest |mb| + |mc| + |md|."""
        return order[np.argsort(np.abs(tasks[order]).sum(1), kind="stable")][: round(0.15 * len(tasks))]

    def observe(self, population: Population, models: Sequence[int], step: int) -> dict[str, np.ndarray]:
        """Let every network write strings: ``inputs`` ``[N, R, T]``, ``outputs`` ``[N, R, T - 1, Y]``."""
        shape = (self.evaluation_strings, self.length - 1)
        uniforms = np.stack([generator(self.seed, model, "rollouts", step).random(shape) for model in models])
        strings, log_probabilities = sample_strings(population.run, torch.from_numpy(uniforms), BOS, keep=self.rollouts)
        accuracy = [self.task(model).accept(own.numpy()).mean() for model, own in zip(models, strings, strict=True)]
        return {
            "inputs": strings[:, : self.rollouts].numpy().astype(np.int8),
            "outputs": log_probabilities.numpy().astype(np.float16),
            "accuracy": np.array(accuracy, dtype=np.float32),
        }

    def rollout_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.rollouts, self.length), (self.rollouts, self.length - 1, self.architecture.output_size)


_LSTM = Architecture.stack("lstm", len(SYMBOLS), 32, 2, len(SYMBOLS))

PRESETS: dict[str, Recipe] = {
    "demo": LanguageRecipe(
        _LSTM.resized(hidden_size=24, num_layers=1),
        models=128,
        steps=800,
        snapshots=(0, 50, 100, 200, 400, 800),
        length=20,
        max_n=5,
        shifts=(-1, 0, 1, 2),
        rollouts=50,
        evaluation_strings=200,
    ),
    "laptop": LanguageRecipe(_LSTM, models=432, steps=2000, snapshots=(0, 100, 200, 500, 1000, 2000)),
    "paper": LanguageRecipe(
        _LSTM, models=1000, steps=20_000, snapshots=PAPER_SNAPSHOTS, assignment="uniform", models_per_shard=10
    ),
}
"""``demo`` has 64 languages in short windows, for minutes on two cores; ``laptop`` every language twice; ``paper`` the
paper's protocol."""
