"""Shared fixtures: random populations of any shape, tiny zoos, and deterministic hypothesis."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

from rnn2vec import (
    ENCODERS,
    Architecture,
    Classes,
    Interface,
    Population,
    Recipe,
    Tokens,
    Zoo,
    build_zoo,
    cli,
    zoo_recipe,
)
from rnn2vec.engine import train_step
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.randomness import generator
from rnn2vec.tasks.formal_language import FormalLanguage

settings.register_profile("rnn2vec", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile("rnn2vec")

CELLS = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "elman-tanh": {"cell": "elman", "nonlinearity": "tanh"},
    "elman-relu": {"cell": "elman", "nonlinearity": "relu"},
}


def tokens(architecture: Architecture) -> Interface:
    """A token in and a class out."""
    return Interface(Tokens(architecture.input_size), Classes(architecture.output_size))


def form(name: str, architecture: Architecture) -> Architecture | Interface:
    """What an encoder of this name is built for, if networks read tokens and answer with classes."""
    return architecture if ENCODERS[name].reads is Architecture else tokens(architecture)


LANGUAGES = (FormalLanguage(2, -1, 1), FormalLanguage(-2, 0, 2), FormalLanguage(1, 1, -3))


@pytest.fixture(scope="session")
def grus() -> Population:
    """GRUs that learnt three languages, by a loop of its own."""
    population = Population.initialise(Architecture.stack("gru", 6, 24, 1, 6), 7, range(len(LANGUAGES)))
    optimizer = AdamW.start(population, 0.0)
    for step in range(1200):
        drawn = [language.sample(16, generator(step, "test")) for language in LANGUAGES]
        inputs, targets = (torch.from_numpy(np.stack(parts)) for parts in zip(*drawn, strict=True))
        train_step(population, optimizer, inputs, targets, 0.01 if step < 700 else 0.002)
    return population.with_interface(Interface(Tokens(6), Classes(6)))


MakePopulation = Callable[..., Population]


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rnn2vec_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command line here; returns exit status, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rnn2vec", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output, errors = capfd.readouterr()
        return int(ended.value.code or 0), output, errors

    return call


@pytest.fixture(scope="session", params=list(CELLS.values()), ids=list(CELLS))
def cell(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The fields of an :class:`Architecture` that name a cell, for every cell in turn."""
    return request.param


@pytest.fixture(scope="session")
def random_population() -> MakePopulation:
    """``make(architecture, models, dtype, seed)``: networks with weights from a normal distribution."""

    def make(
        architecture: Architecture, models: int = 3, dtype: torch.dtype = torch.float64, seed: int = 0
    ) -> Population:
        generator = torch.Generator().manual_seed(seed)
        flat = 0.5 * torch.randn(models, architecture.num_parameters, dtype=torch.float64, generator=generator)
        return Population.from_flat(architecture, flat.to(dtype), tokens(architecture))

    return make


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """Eight barely trained networks in three shards: 3, 3 and 2."""
    return zoo_recipe(
        "formal-languages",
        "demo",
        models=8,
        steps=12,
        snapshots=(0, 5, 12),
        hidden_size=8,
        batch_size=4,
        traces=4,
        evaluation_strings=20,
        models_per_shard=3,
    )


@pytest.fixture(scope="session")
def tiny_zoo(tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """The zoo of ``tiny_recipe``; tests that damage it work on a copy."""
    return build_zoo(tiny_recipe, tmp_path_factory.mktemp("tiny") / "zoo")


@pytest.fixture(scope="session")
def trained_zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Four networks of the demo's size that have learnt something; all strings that measure accuracy are kept."""
    recipe = zoo_recipe("formal-languages", "demo", models=4, steps=400, traces=200, evaluation_strings=200)
    return build_zoo(recipe, tmp_path_factory.mktemp("trained") / "zoo")


@pytest.fixture
def file_bytes() -> Callable[[Path], dict[str, bytes]]:
    """Contents of every file under a directory, by relative path."""

    def read(directory: Path) -> dict[str, bytes]:
        files = (path for path in sorted(directory.rglob("*")) if path.is_file())
        return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}

    return read
