"""One pretraining step of each encoder at the paper's sizes: 64 LSTMs of 2x32, an emulator of 2x256, 41 tokens.

Run it alone on the machine: ``python benchmarks/pretrain_step.py``. Encoders take turns; a time is the median of the
rounds. The floating-point operations are those of the matrix products that the step needs, three passes where
parameters are trained, two where a gradient only passes through; activations and the optimiser are not counted. The
last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from torch import nn

from rnn2vec import ENCODERS, Architecture, Classes, Encoder, Interface, Population, Tokens, build_encoder
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.losses import OF_CLASSES

ARCHITECTURE, NETWORKS, TOKENS = Architecture.stack("lstm", 6, 32, 2, 6), 64, 41
INTERFACE = Interface(Tokens(6), Classes(6))
PUBLISHED_MS = {
    "interactive": 667,
    "noninteractive": 647,
    "deep_weight_space": 1014,
    "flat": 227,
    "statistics": 285,
    "transformer": 17_530,
}
"""The published code on two cores of another machine, where the limit for interactive was about 190."""


class Step:
    """A pretraining step, to be repeated."""

    def __init__(self, name: str) -> None:
        self.recipe = pretrain_recipe("formal-languages", "paper")
        options = self.recipe.encoder_options.get(name, {})
        self.population = Population.initialise(ARCHITECTURE, 0, range(NETWORKS), INTERFACE)
        self.encoder: Encoder = build_encoder(name, ENCODERS[name].form_of(self.population), 0, **options)
        self.emulator = Emulator(6, 6, 16, self.recipe.emulator_size, self.recipe.emulator_layers)
        self.modules = nn.ModuleList([self.encoder, self.emulator])
        self.optimizer = torch.optim.AdamW(self.modules.parameters(), lr=self.recipe.learning_rate)
        generator = torch.Generator().manual_seed(0)
        self.tokens = torch.randint(6, (NETWORKS, 1, TOKENS), generator=generator)
        self.targets = torch.randn(NETWORKS, 1, TOKENS, 6, generator=generator).log_softmax(-1)

    def __call__(self) -> float:
        """Take the step; returns the seconds."""
        start = time.perf_counter()
        batch = self.encoder.augment(self.population, torch.Generator().manual_seed(0))
        predicted, _ = self.emulator(self.encoder(batch), self.tokens)
        loss = OF_CLASSES[self.recipe.loss](self.targets, predicted.log_softmax(-1), self.emulator.spread)
        self.optimizer.zero_grad()
        loss.backward()
        for module in self.modules:
            nn.utils.clip_grad_norm_(module.parameters(), self.recipe.clip)
        self.optimizer.step()
        return time.perf_counter() - start

    def check(self) -> None:
        """Raise unless a step changes every part by finite numbers."""
        before = [parameter.detach().clone() for parameter in self.modules.parameters()]
        self()
        for old, new in zip(before, self.modules.parameters(), strict=True):
            if not bool(torch.isfinite(new).all()) or torch.equal(old, new):
                raise RuntimeError("a step of the benchmark leaves a parameter as it was, or infinite")

    def flops(self) -> int | None:
        """Needed operations; None where the encoder's are not worked out."""
        emulator = NETWORKS * TOKENS * 3 * 2 * _lstm(self.emulator.rnn, inputs=256)
        if not self.encoder.name.endswith("interactive"):
            return None
        length = self.encoder.options["probe_length"]
        core = NETWORKS * length * 3 * 2 * _lstm(self.encoder.core, inputs=6)
        mlps = sum(p.numel() for n, p in self.encoder.named_parameters() if n.endswith("weight") and "." in n)
        mlps -= sum(p.numel() for n, p in self.encoder.core.named_parameters(prefix="core") if "weight" in n)
        probed = NETWORKS * length * 2 * 2 * ARCHITECTURE.num_parameters
        return emulator + core + 3 * 2 * NETWORKS * mlps + probed


def _lstm(module: nn.Module, inputs: int) -> int:
    """Multiplications of an LSTM of 256 units for a step."""
    weights = sum(p.numel() for n, p in module.named_parameters() if "weight_hh" in n or "weight_ih_l1" in n)
    return weights + 4 * 256 * inputs


def sgemm_rate(size: int = 2048) -> float:
    """Operations per second of a product of two square float32 matrices, the best of ten."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    steps = {name: Step(name) for name in ENCODERS}
    for step in steps.values():
        step.check()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(step())
    rate = sgemm_rate()
    report = {"sgemm_gflops": rate / 1e9, "threads": torch.get_num_threads(), "encoders": {}}
    print(f"{rate / 1e9:.0f} GFLOP/s, {torch.get_num_threads()} threads")
    for name, step in steps.items():
        seconds, flops = statistics.median(times[name]), step.flops()
        parameters = sum(parameter.numel() for parameter in step.encoder.parameters())
        found = {"ms": seconds * 1e3, "parameters": parameters, "published_ms": PUBLISHED_MS[name]}
        if flops:
            found |= {"gflop": flops / 1e9, "ratio": seconds / (flops / rate)}
        report["encoders"][name] = found
        ratio = f", {found['ratio']:.2f} times its {found['gflop']:.1f} GFLOP" if flops else ""
        print(f"{name:18s} {parameters:9,d} parameters {found['ms']:7.0f} ms{ratio}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
