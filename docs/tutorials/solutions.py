"""The networks of the tutorial "Which of my solutions are alike?": trained in plain PyTorch, saved as npz.

    python docs/tutorials/solutions.py solutions

Leaky networks learn to keep two bits (flip-flop; Sussillo and Barak, 2013): eight with tanh, eight with relu. A
ninth file of either kind is another's: its units in another order, or its weights in eight bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

STEPS, UNITS, RATE = 60, 32, 0.2
DECLARATION = """cell = "leaky"
leak = "outside"
rate = {rate}
nonlinearity = "{name}"

[interface]
inputs = {{ kind = "numbers", size = 2, low = -1, high = 1 }}
outputs = {{ kind = "numbers", size = 2 }}

[tensors]
weight_ih_l0 = "W_in"
weight_hh_l0 = "W_rec"
bias_ih_l0 = "b_rec"
"linear.weight" = "W_out"
"linear.bias" = "b_out"
"""


def flip_flop(size: int, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Pulses of -1 and 1, and the last one of each channel: ``[B, T, 2]`` each."""
    pulses = random.choice([-1.0, 1.0], (size, STEPS, 2)) * (random.random((size, STEPS, 2)) < 0.1)
    pulses[:, 0] = random.choice([-1.0, 1.0], (size, 2))
    kept = np.empty_like(pulses)
    kept[:, 0] = pulses[:, 0]
    for step in range(1, STEPS):
        kept[:, step] = np.where(pulses[:, step] == 0, kept[:, step - 1], pulses[:, step])
    return torch.tensor(pulses, dtype=torch.float32), torch.tensor(kept, dtype=torch.float32)


class Leaky(nn.Module):
    """s <- (1 - a) s + a (W f(s) + U x + b), y = V f(s) + c."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.f = {"tanh": torch.tanh, "relu": torch.relu}[name]
        self.W_in, self.W_rec = nn.Parameter(0.5 * torch.randn(UNITS, 2)), nn.Parameter(torch.randn(UNITS, UNITS))
        self.W_out, self.b_rec = nn.Parameter(0.1 * torch.randn(2, UNITS)), nn.Parameter(torch.zeros(UNITS))
        self.b_out = nn.Parameter(torch.zeros(2))
        self.W_rec.data *= UNITS**-0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s, said = x.new_zeros(len(x), UNITS), []
        for step in x.unbind(1):
            s = (1 - RATE) * s + RATE * (self.f(s) @ self.W_rec.T + step @ self.W_in.T + self.b_rec)
            said.append(self.f(s) @ self.W_out.T + self.b_out)
        return torch.stack(said, 1)


def trained(name: str, seed: int, steps: int) -> dict[str, np.ndarray]:
    """The weights of one network."""
    torch.manual_seed(seed)
    network, random = Leaky(name), np.random.default_rng(seed)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    loss = torch.zeros(())
    for _ in range(steps):
        x, wanted = flip_flop(32, random)
        loss = (network(x) - wanted)[:, 3:].square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    print(f"{name} {seed}: squared error {float(loss.detach()):.3f}", flush=True)
    return {key: value.detach().numpy() for key, value in network.named_parameters()}


def main() -> None:
    """Train and save them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1500)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in ("tanh", "relu"):
        found = [trained(name, seed, given.steps) for seed in range(given.seeds)]
        order, first = np.random.default_rng(0).permutation(UNITS), found[0]
        renumbered = {"W_in": first["W_in"][order], "W_rec": first["W_rec"][order][:, order]}
        renumbered |= {"b_rec": first["b_rec"][order], "W_out": first["W_out"][:, order], "b_out": first["b_out"]}
        scales = {key: np.abs(value).max() / 127 + 1e-12 for key, value in first.items()}
        int8 = {key: (np.round(value / scales[key]) * scales[key]).astype("f4") for key, value in first.items()}
        copies = {"tanh": renumbered, "relu": int8}[name]
        for number, own in enumerate([*found, copies]):
            np.savez(given.folder / f"{name}_{number}.npz", **own)
            (given.folder / f"{name}_{number}.toml").write_text(DECLARATION.format(rate=RATE, name=name))


if __name__ == "__main__":
    main()
