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
from rnn2vec.families.family import Column, Emulate, Family, Property, Reading, Words
from rnn2vec.families.pretraining import LEARNS, asks
from rnn2vec.families.recipe import PAPER_SNAPSHOTS, TRACES_KEY, Recipe
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import LARGEST, make_plain, number, sequence, whole
from rnn2vec.interface import Classes, Interface, Tokens
from rnn2vec.networks import Population
from rnn2vec.networks.sampling import sample_strings
from rnn2vec.randomness import generator
from rnn2vec.tasks.formal_language import BOS, SHIFTS, SYMBOLS, FormalLanguage, all_languages, to_text

NAME = "formal-languages"
CLONE_STRINGS = 100
"""Strings that the emulator writes for each network."""
MOST_SHIFTS = 100
"""Values of a shift: a million languages."""


@dataclasses.dataclass(frozen=True)
class Languages(TaskSet):
    """Formal languages a^n b^(n+mb) c^(n+mc) d^(n+md).

    Attributes:
        length: tokens in a window.
        max_n: training strings have ``n < max_n``.
        shifts: values that mb, mc and md take in training.
    """

    length: int = 42
    max_n: int = 10
    shifts: tuple[int, ...] = SHIFTS

    family: ClassVar[str] = NAME
    task_columns: ClassVar[tuple[str, ...]] = ("mb", "mc", "md")
    metric_columns: ClassVar[tuple[str, ...]] = ("accuracy",)
    learnt_accuracy: ClassVar[float] = 0.9

    def __post_init__(self) -> None:
        for name in ("length", "max_n"):
            make_plain(self, name, whole(name, getattr(self, name)))
        shifts = sequence("shifts", self.shifts)
        if not 1 <= len(shifts) <= MOST_SHIFTS:
            raise RNN2VecError(
                f"shifts are the values that mb, mc and md take, 1..{MOST_SHIFTS} of them; got {len(shifts) or 'none'}"
            )
        make_plain(self, "shifts", tuple(whole("each of shifts", shift, -LARGEST, LARGEST) for shift in shifts))

    @property
    def interface(self) -> Interface:
        """A token in, the next one out."""
        return Interface(Tokens(len(SYMBOLS)), Classes(len(SYMBOLS)))

    @property
    def trace_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The last token is written and not read."""
        return (self.length,), (self.length - 1, len(SYMBOLS))

    @functools.cached_property
    def languages(self) -> list[FormalLanguage]:
        """All of them, in lexicographic order."""
        return all_languages(self.length, self.max_n, self.shifts)

    def fetch_data(self) -> None:
        """Languages need none."""

    def task_from(self, parameters: Mapping[str, Any]) -> FormalLanguage:
        mb, mc, md = (parameters[name] for name in self.task_columns)
        return FormalLanguage(mb, mc, md, self.length, self.max_n)

    def ood_tasks(self, tasks: np.ndarray, order: np.ndarray) -> np.ndarray:
        """The 15 % with the smallest |mb| + |mc| + |md|."""
        return order[np.argsort(np.abs(tasks[order]).sum(1), kind="stable")][: round(0.15 * len(tasks))]


@dataclasses.dataclass(frozen=True)
class LanguageRecipe(Recipe):
    """A zoo of language models, each of one language. See :class:`Recipe` for the other fields.

    A snapshot's traces are strings that the network wrote, with its log-probabilities of every next token; its
    accuracy is the share of them that are in its language.

    Attributes:
        task_set: the languages.
        weight_decay: of AdamW.
        evaluation_strings: strings sampled to measure a snapshot's accuracy.
    """

    task_set: Languages
    weight_decay: float = 1e-4
    evaluation_strings: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        make_plain(self, "weight_decay", number("weight_decay", self.weight_decay))
        make_plain(self, "evaluation_strings", whole("evaluation_strings", self.evaluation_strings))
        if self.evaluation_strings < self.traces:
            raise RNN2VecError(
                f"the traces are the first of the strings that measure accuracy, so evaluation_strings is at least "
                f"{self.traces}; got {self.evaluation_strings}"
            )
        tasks = self.task_set
        for shift in tasks.shifts:  # with any one of them, these have the longest shortest string
            FormalLanguage(shift, max(tasks.shifts), max(tasks.shifts), tasks.length, tasks.max_n)

    def task(self, model: int) -> FormalLanguage:
        """The language of network ``model``; balanced: every language is dealt once before any is dealt again."""
        whole("the number of a network", model, 0, self.models - 1)
        languages = self.task_set.languages
        if self.assignment == "uniform":
            return languages[int(generator(self.seed, model, "task").integers(len(languages)))]
        deal, place = divmod(model, len(languages))
        return languages[int(generator(self.seed, deal, "deal").permutation(len(languages))[place])]

    def weight_decay_of(self, model: int) -> float:
        return self.weight_decay

    def observe(self, population: Population, models: Sequence[int], step: int) -> dict[str, np.ndarray]:
        """Let every network write strings: ``inputs`` ``[N, R, T]``, ``outputs`` ``[N, R, T - 1, Y]``."""
        shape = (self.evaluation_strings, self.task_set.length - 1)
        uniforms = np.stack([generator(self.seed, model, TRACES_KEY, step).random(shape) for model in models])
        strings, log_probabilities = sample_strings(population.run, torch.from_numpy(uniforms), BOS, keep=self.traces)
        accuracy = [self.task(model).accept(own.numpy()).mean() for model, own in zip(models, strings, strict=True)]
        return {
            "inputs": strings[:, : self.traces].numpy(),
            "outputs": log_probabilities.numpy(),
            "accuracy": np.array(accuracy, dtype=np.float32),
        }


_LSTM = Architecture.stack("lstm", len(SYMBOLS), 32, 2, len(SYMBOLS))

PRESETS: dict[str, Recipe] = {
    "demo": LanguageRecipe(
        Languages(length=20, max_n=5, shifts=(-1, 0, 1, 2)),
        _LSTM.resized(hidden_size=24, num_layers=1),
        models=128,
        steps=800,
        snapshots=(0, 50, 100, 200, 400, 800),
        traces=50,
        evaluation_strings=200,
    ),
    "laptop": LanguageRecipe(Languages(), _LSTM, models=432, steps=2000, snapshots=(0, 100, 200, 500, 1000, 2000)),
    "paper": LanguageRecipe(
        Languages(),
        _LSTM,
        models=1000,
        steps=20_000,
        snapshots=PAPER_SNAPSHOTS,
        assignment="uniform",
        models_per_shard=10,
    ),
}
"""``demo`` has 64 languages in short windows, for minutes on two cores; ``laptop`` every language twice; ``paper`` the
paper's protocol."""


def clone_scores(
    tasks: Sequence[FormalLanguage],
    emulate: Emulate,
    interface: Interface,
    inputs: np.ndarray,
    outputs: np.ndarray,
    seeds: Sequence[tuple[int, int]],
) -> np.ndarray:
    """The share of the emulator's strings that are in each network's language, comparable with its accuracy."""
    shape = (CLONE_STRINGS, tasks[0].length - 1)
    uniforms = np.stack([generator(seed, row, "clone").random(shape) for seed, row in seeds])
    strings, _ = sample_strings(
        lambda tokens, state: emulate(slice(None), tokens, state), torch.from_numpy(uniforms), BOS, keep=0
    )
    return np.array([task.accept(own.numpy()).mean() for task, own in zip(tasks, strings, strict=True)])


def show(inputs: np.ndarray, outputs: np.ndarray) -> Reading:
    """The longest string."""
    lengths = (inputs < len(SYMBOLS) - 2).sum(1)
    chosen = int(lengths.argmax())
    steps = min(int(lengths[chosen]) + 3, outputs.shape[1])
    text = f"string {to_text(inputs[chosen])}"
    return Reading(chosen, steps, [SYMBOLS[token] for token in inputs[chosen, :steps]], text)


FAMILY = Family(
    name=NAME,
    task_set=Languages,
    recipe=LanguageRecipe,
    presets=PRESETS,
    pretraining={
        "demo": LEARNS | {"encoder_options": asks(19, feedback="echo")},
        "laptop": LEARNS
        | {"steps": 3000, "loss": "kl", "emulator_size": 128, "encoder_options": asks(41, feedback="echo")},
        "paper": {"steps": 100_000},
    },
    properties=(
        Property("mb", "class", of_task=True),
        Property("mc", "class", of_task=True),
        Property("md", "class", of_task=True),
        Property("accuracy", "number"),
    ),
    columns=(
        *(Column(letter, "frozen", "validation", f"m{letter}") for letter in "bcd"),
        Column("language", "frozen", "validation", "exact"),
        Column("language OOD", "frozen", "ood", "exact"),
        Column("language (linear)", "linear", "validation", "exact"),
        Column("accuracy R2", "frozen", "validation", "accuracy_r2"),
        Column("transferred", "transferred", "validation", "exact"),
        Column("transferred OOD", "transferred", "ood", "exact"),
        Column("end-to-end", "supervised", "validation", "exact"),
        Column("end-to-end OOD", "supervised", "ood", "exact"),
    ),
    headline="language",
    words=Words(
        task="language",
        tasks="formal languages a^n b^(n+mb) c^(n+mc) d^(n+md)",
        columns="b, c, d and language: share of networks whose shift of that letter, and whole language, is read from "
        "the frozen z (networks that generate their language only); (linear): by the linear reader alone.",
        headline="language: share read correctly from the frozen z.",
        symbols=SYMBOLS,
        answer="the next token",
        step="token just read",
        where="The information is in the steps where one letter gives way to the next.",
        clones="the share of strings in its language written by the emulator",
        clone_axis="share of the emulator's strings in the language",
        knowledge={"mb": "shift of b", "mc": "shift of c", "md": "shift of d", "exact": "whole language"},
        knowledge_caption="Share of validation networks whose language is read correctly, letter by letter and as a "
        "whole.",
    ),
    clone_scores=clone_scores,
    show=show,
    paper_losses={
        "statistics": 0.051,
        "flat": 0.045,
        "transformer": 0.043,
        "deep_weight_space": 0.046,
        "noninteractive": 0.023,
        "interactive": 0.015,
    },
)
