"""Gradient clipping and weights that stay as they are, in a training step of the engine."""

from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch

from rnn2vec import Population, RNN2VecError
from rnn2vec.architecture import Architecture
from rnn2vec.engine import native_backend, torch_backend, train_step
from rnn2vec.engine.optimizer import AdamW

LEAKY = Architecture("leaky", 3, (7, 5), 2, nonlinearity="softplus", initial_state=True)


def problem(dtype: torch.dtype = torch.float32) -> tuple[Population, torch.Tensor, torch.Tensor]:
    population = Population.initialise(LEAKY, 0, range(4)).to(dtype)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(4, 37, 9, 3, generator=generator)
    targets = torch.randn(4, 37, 9, 2, generator=generator) * torch.tensor([0.1, 1.0, 3.0, 50.0])[:, None, None, None]
    return population, inputs.to(dtype), targets.to(dtype)


def norms(optimizer: AdamW) -> torch.Tensor:
    """Of the gradients of a first step, from the means that it leaves."""
    flat = torch.cat([first.flatten(1) for first in optimizer.first.values()], dim=1)
    return flat.norm(dim=1) / (1 - optimizer.betas[0])


@pytest.mark.parametrize("backend", [native_backend, torch_backend])
def test_large_gradients_are_scaled_to_the_bound_and_small_ones_are_kept(backend: ModuleType) -> None:
    population, inputs, targets = problem()
    free, bound = AdamW.start(population), AdamW.start(population, clip=0.8)
    backend.train_step(problem()[0], free, inputs, targets, 0.01)
    backend.train_step(population, bound, inputs, targets, 0.01)
    assert float(norms(free).min()) < 0.8 < float(norms(free)[-1]) / 10
    torch.testing.assert_close(norms(bound), norms(free).clamp(max=0.8), rtol=1e-4, atol=0)
    for name, first in free.first.items():
        kept = (0.8 / norms(free)).clamp(max=1).view(-1, *[1] * (first.ndim - 1))
        torch.testing.assert_close(bound.first[name], kept * first, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("clip", [None, 0.8])
def test_fixed_weights_stay_and_count_in_no_norm(clip: float | None) -> None:
    population, inputs, targets = problem()
    exact, *wide = problem(torch.float64)
    fixed = ("leak_l0", "leak_l1", "weight_ih_l0")
    ours, theirs = (AdamW.start(each, 0.01, clip, fixed) for each in (population, exact))
    for _ in range(2):
        native_backend.train_step(population, ours, inputs, targets, 0.01)
        torch_backend.train_step(exact, theirs, *wide, 0.01)
    for name, first in problem()[0].weights.items():
        assert torch.equal(population.weights[name], first) == (name in fixed)
        torch.testing.assert_close(population.weights[name].double(), exact.weights[name], rtol=0, atol=2e-4)
        torch.testing.assert_close(ours.first[name].double(), theirs.first[name], rtol=0, atol=2e-5)


def test_a_network_is_clipped_as_if_it_were_alone() -> None:
    population, inputs, targets = problem()
    pair, own = population[[1, 3]], AdamW.start(population[[1, 3]], clip=0.5)
    train_step(pair, own, inputs[[1, 3]], targets[[1, 3]], 0.01)
    train_step(population, AdamW.start(population, clip=0.5), inputs, targets, 0.01)
    for name, weight in pair.weights.items():
        assert torch.equal(weight, population.weights[name][[1, 3]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 0.0}, "clip is above 0"),
        ({"clip": math.inf}, "clip is a finite number"),
        ({"fixed": ("leak_l7",)}, "fixed weights are some of .*; got leak_l7"),
        ({"fixed": tuple(LEAKY.parameter_shapes())}, "not all"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    population, inputs, targets = problem()
    with pytest.raises(RNN2VecError, match=message):
        train_step(population, AdamW.start(population, 0.01, **options), inputs, targets, 0.01)  # type: ignore[arg-type]
