"""Slow points of networks whose slow points are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnn2vec import Architecture, Population, engine
from rnn2vec.engine import torch_backend
from rnn2vec.networks.slow_points import SLOW, SlowPoints, slow_points, visited_states
from rnn2vec.tasks.cognitive.flip_flop import FlipFlop


def elman(recurrent: list[list[float]], nonlinearity: str = "tanh") -> Population:
    """A network with these recurrent weights that reads one number per unit."""
    size = len(recurrent)
    architecture = Architecture("elman", size, (size,), size, nonlinearity=nonlinearity)
    weights = {name: torch.zeros(1, *shape) for name, shape in architecture.parameter_shapes().items()}
    weights["weight_hh_l0"][0] = torch.tensor(recurrent)
    weights["weight_ih_l0"][0] = 8 * torch.eye(size)
    return Population(architecture, weights)


def starts(size: int, count: int = 200) -> torch.Tensor:
    return 2 * torch.rand(1, 1, count, size, generator=torch.Generator().manual_seed(0)) - 1


def test_a_bistable_unit_has_two_stable_points_and_one_between() -> None:
    found = slow_points(elman([[3.0]]), torch.zeros(1, 1), starts(1))
    assert found.count() == [3]
    stable = 0.9848  # x = tanh(3 x)
    spread = float(starts(1).std(correction=0))
    slow = found.points[0][found.speeds[0] < SLOW, 0] * spread
    assert np.abs(np.abs(slow) - np.where(np.abs(slow) < 0.5, 0, stable)).max() < 0.02


@pytest.mark.parametrize(
    ("recurrent", "count"),
    [
        ([[0.5, 0.0], [0.0, -0.3]], 1),
        ([[0.0, -0.9], [0.9, 0.0]], 1),
        ([[3.0, 0.0], [0.0, 3.0]], 9),
        ([[3.0, 0.0], [0.0, 0.0]], 3),
    ],
    ids=["contraction", "spiral", "two bits", "a bit and a unit that forgets"],
)
def test_small_networks_have_as_many_as_theory_says(recurrent: list[list[float]], count: int) -> None:
    assert slow_points(elman(recurrent), torch.zeros(1, 2), starts(2)).count() == [count]


def test_an_input_that_holds_takes_points_away() -> None:
    assert slow_points(elman([[3.0]]), torch.ones(1, 1), starts(1)).count() == [1]


def test_a_network_that_never_rests_has_none() -> None:
    never = elman([[1.0]], nonlinearity="relu")
    never.weights["bias_ih_l0"].fill_(0.5)
    assert slow_points(never, torch.zeros(1, 1), starts(1) + 3).count() == [0]


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman", "leaky"])
def test_speeds_are_those_of_the_points(cell: str) -> None:
    population = Population.initialise(Architecture.stack(cell, 3, 5, 2, 1), 0, range(3))
    asked = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    inputs = torch.randn(3, 7, 20, 3, generator=torch.Generator().manual_seed(1))
    states = visited_states(population, inputs, torch.arange(21).reshape(3, 7) % 4, 5)
    before = [part.clone() for part in (states if isinstance(states, tuple) else (states,))]
    found = slow_points(population, asked, states)
    units = []
    for network in range(3):
        flat = torch.cat([part[network].transpose(0, 1).flatten(1) for part in before], 1).double()
        units.append(float((flat - flat.mean(0)).square().sum(1).mean().sqrt()))
    units = torch.tensor(units).double()[:, None]
    read, exact = asked.double()[:, None, None].expand(-1, 7, 1, -1), population.to(torch.float64)

    def speeds(state: tuple[torch.Tensor, ...]) -> torch.Tensor:
        _, moved = torch_backend.run(exact, read, state)
        squares = [(after - own).square().sum((1, 3)) for after, own in zip(moved, state, strict=True)]
        return torch.stack(squares).sum(0).sqrt() / units

    points = torch.from_numpy(found.points).double() * units[..., None]
    reached = tuple(part.unflatten(2, (2, 5)).transpose(1, 2) for part in points.chunk(len(before), 2))
    np.testing.assert_allclose(found.speeds, speeds(reached), atol=1e-4)
    assert (found.speeds < 0.5 * speeds(tuple(part.double() for part in before)).numpy()).all()


def test_visited_states_are_those_after_so_many_steps() -> None:
    population = Population.initialise(Architecture.stack("lstm", 3, 5, 1, 1), 0, range(2))
    inputs = torch.randn(2, 3, 20, 3, generator=torch.Generator().manual_seed(1))
    h, c = visited_states(population, inputs, torch.tensor([[0, 1, 3], [2, 2, 0]]), 5)
    for network, sequence, steps in ((0, 0, 5), (0, 2, 20), (1, 1, 15)):
        _, (last_h, last_c) = engine.run(population, inputs[:, :, :steps])
        assert torch.equal(h[network, :, sequence], last_h[network, :, sequence])
        assert torch.equal(c[network, :, sequence], last_c[network, :, sequence])


def test_the_flip_flop_made_by_hand_has_its_memories() -> None:
    """All eight memories are found from states that the network visits."""
    population = elman([[3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0]])
    trials = FlipFlop(3, 12, 1.0, noise=0.0).draw(200, np.random.default_rng(0))
    inputs = torch.from_numpy(trials.inputs[:, :, 1:4].copy())[None]
    states = visited_states(population, inputs, torch.from_numpy(np.random.default_rng(1).integers(0, 6, (1, 200))), 10)
    found = slow_points(population, torch.zeros(1, 3), states)
    assert found.count() >= 8
    assert len(np.unique(np.sign(found.points[0]), axis=0)) >= 8


def test_a_chain_of_near_points_is_one() -> None:
    line = np.stack([np.linspace(0, 3, 31), np.zeros(31)], 1)[None]
    apart = np.array([[[0.0, 0.0], [1.0, 0.0], [1.05, 0.0], [5.0, 5.0]]])
    assert SlowPoints(line, np.zeros((1, 31))).count() == [1]
    assert SlowPoints(apart, np.array([[0.0, 0.0, 0.0, 1.0]])).count() == [2]
    assert SlowPoints(apart, np.ones((1, 4))).count() == [0]
