"""Slow points: states in which networks hardly move under a constant input (Sussillo and Barak 2013)."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from rnn2vec import engine
from rnn2vec.adamw import AdamW
from rnn2vec.engine.stack import State
from rnn2vec.networks.population import Population

ITERATIONS = 200
RATE = 0.05
"""Of Adam at first, in units of the spread of the visited states; it falls to 0 linearly."""
SLOW = 0.01
"""A point is slow if a step moves it by less, in these units."""
APART = 0.2
"""Two slow points are one if they are less apart, or joined by a chain of such."""


@dataclasses.dataclass(frozen=True)
class SlowPoints:
    """Where N searches of B starts each ended.

    Attributes:
        points: states ``[N, B, D]`` with all layers and parts side by side, in units of the spread of each network's
            starts.
        speeds: how far a step moves them, ``[N, B]``, in the same units.
    """

    points: np.ndarray
    speeds: np.ndarray

    def count(self, slow: float = SLOW, apart: float = APART) -> np.ndarray:
        """How many slow points each network has, ``[N]``; points nearer to each other than ``apart`` are one."""
        from scipy.sparse.csgraph import connected_components  # a second, which few who import this need

        counts = []
        for points, speeds in zip(self.points, self.speeds, strict=True):
            kept = points[speeds < slow]
            squares = np.square(kept).sum(1)
            distances = squares[:, None] + squares - 2 * kept @ kept.T
            counts.append(connected_components(distances < apart**2)[0] if len(kept) else 0)
        return np.array(counts)


@torch.no_grad()
def visited_states(population: Population, inputs: torch.Tensor, chosen: torch.Tensor, every: int) -> State:
    """One state of each sequence, after ``every`` steps, twice, three times as many, and so on.

    Args:
        population: N networks.
        inputs: what they read, ``[N, B, T, X]``.
        chosen: which of these states of each sequence, from 0 on, ``[N, B]``.
        every: steps between two of them.
    """
    state, found = None, []
    for start in range(0, inputs.shape[2] - every + 1, every):
        _, state = engine.run(population, inputs[:, :, start : start + every], state)
        found.append(_parts(state))
    rows, columns = torch.arange(len(chosen))[:, None], torch.arange(chosen.shape[1])
    parts = [torch.stack(own)[chosen, rows, :, columns].transpose(1, 2) for own in zip(*found, strict=True)]
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]


@torch.enable_grad()  # also where the caller needs none
def slow_points(population: Population, inputs: torch.Tensor, states: State) -> SlowPoints:
    """Minimise the squared length of a step, |F(h, u) - h|^2, from given states.

    Args:
        population: N networks.
        inputs: the constant input u of each, ``[N, X]``.
        states: where the searches start, ``[N, L, B, H]``, or a pair of such.
    """
    started = _parts(states)
    asked = inputs[:, None, None].expand(-1, started[0].shape[2], 1, -1).contiguous()
    unit = torch.from_numpy(_unit([part.numpy() for part in started]))
    points = [(part / unit).requires_grad_() for part in started]
    optimizer = AdamW(points, epsilon=1e-12)
    for iteration in range(ITERATIONS):
        optimizer.zero_grad()
        _squared_steps(population, asked, points, unit).sum().backward()
        optimizer.step(RATE * (1 - iteration / ITERATIONS))
    with torch.no_grad():
        speeds = _squared_steps(population, asked, points, unit).sqrt().numpy()
    return SlowPoints(_flat([part.detach().numpy() for part in points]), speeds)


def _squared_steps(
    population: Population, asked: torch.Tensor, points: list[torch.Tensor], unit: torch.Tensor
) -> torch.Tensor:
    """The squared length ``[N, B]`` of a step from each point."""
    scaled = [part * unit for part in points]
    _, state = engine.run(population, asked, (scaled[0], scaled[1]) if len(scaled) == 2 else scaled[0])
    moved = [(after - before) / unit for after, before in zip(_parts(state), scaled, strict=True)]
    return torch.stack([part.square().sum((1, 3)) for part in moved]).sum(0)


def _unit(states: list[np.ndarray]) -> np.ndarray:
    """The root mean square distance of each network's states from their mean, ``[N, 1, 1, 1]``."""
    flat = _flat(states)
    spread = np.sqrt(np.square(flat - flat.mean(1, keepdims=True)).sum(2).mean(1))
    return np.maximum(spread, 1e-6)[:, None, None, None].astype(np.float32)


def _flat(parts: list[np.ndarray]) -> np.ndarray:
    """Parts ``[N, L, B, H]`` as ``[N, B, D]``."""
    return np.concatenate([part.transpose(0, 2, 1, 3).reshape(len(part), part.shape[2], -1) for part in parts], axis=2)


def _parts(state: State) -> tuple[torch.Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)
