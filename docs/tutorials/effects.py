"""The networks of the tutorial "Your own networks": models of audio effects, in plain PyTorch, saved as state dicts.

    python docs/tutorials/effects.py effects

Four effects, each learnt by two LSTMs and two GRUs of 16 units from what the effect makes of noise; labels.csv says
which is which. unknown.pt, beside the folder, is another LSTM of another size that learnt one of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn


def smoothed(x: np.ndarray, rate: float) -> np.ndarray:
    """A one-pole low-pass filter along time."""
    y = np.zeros_like(x)
    y[:, 0] = rate * x[:, 0]
    for step in range(1, x.shape[1]):
        y[:, step] = (1 - rate) * y[:, step - 1] + rate * x[:, step]
    return y


EFFECTS = {
    "drive": lambda x: np.tanh(5 * x),
    "fuzz": lambda x: np.clip(6 * x, -0.3, 0.8),
    "lowpass": lambda x: smoothed(x, 0.3),
    "envelope": lambda x: smoothed(np.abs(x), 0.1),
}


class Model(nn.Module):
    """One sample in and one out at every step."""

    def __init__(self, cell: str, units: int) -> None:
        super().__init__()
        self.rec = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](1, units, batch_first=True)
        self.lin = nn.Linear(units, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lin(self.rec(x)[0])


def trained(effect: str, cell: str, units: int, seed: int, steps: int) -> Model:
    """A model of the effect."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = Model(cell, units)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    error = 0.0
    for _ in range(steps):
        level = 10 ** random.uniform(-1.5, 0, (16, 1))
        x = smoothed(level * random.uniform(-1, 1, (16, 80)), 0.6)
        inputs, wanted = (torch.tensor(own[..., None], dtype=torch.float32) for own in (x, EFFECTS[effect](x)))
        loss = (model(inputs) - wanted)[:, 20:].square().mean() / wanted.square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        error = float(loss.detach())
    print(f"{effect} {cell} {seed}: error-to-signal ratio {error:.3f}", flush=True)
    return model


def main() -> None:
    """Train and save them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = ["name,effect,cell"]
    for effect in EFFECTS:
        for cell in ("lstm", "gru"):
            for seed in range(2):
                name = f"{effect}_{cell}_{seed}"
                torch.save(trained(effect, cell, 16, seed, given.steps).state_dict(), given.folder / f"{name}.pt")
                rows.append(f"{name},{effect},{cell}")
    (given.folder / "labels.csv").write_text("\n".join(rows) + "\n")
    torch.save(trained("fuzz", "lstm", 24, 7, given.steps).state_dict(), given.folder.parent / "unknown.pt")


if __name__ == "__main__":
    main()
