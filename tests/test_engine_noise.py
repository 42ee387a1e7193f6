"""Noise of the recurrent layers: its definition, its numbers on both backends, and what it may not change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rnn2vec import Architecture, Population, RNN2VecError, engine
from rnn2vec.architecture import HeadLayer
from rnn2vec.engine import torch_backend, train_step
from rnn2vec.engine.noise import Noise, layer_noise
from rnn2vec.engine.optimizer import AdamW
from test_architectures import make

native = pytest.importorskip("rnn2vec.engine.native_backend")
SETS = native._native.instruction_sets()

ARCHITECTURES = {
    "elman, tanh": Architecture("elman", 3, (17, 5), 2),
    "elman, relu": Architecture("elman", 3, (9,), 2, "relu", head=(HeadLayer(4, "tanh"),), initial_state=True),
    **{
        f"leaky {leak}, {kind}": Architecture("leaky", 3, (18, 3), 2, kind, leak=leak)
        for leak in ("outside", "inside")
        for kind in ("tanh", "relu", "softplus")
    },
}
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
every_set = pytest.mark.parametrize("instruction_set", SETS)


@pytest.fixture(autouse=True)
def restored():
    yield
    native._native.use_instruction_set(SETS[0])


def networks(architecture: Architecture, dtype: torch.dtype = torch.float32, models: int = 3) -> Population:
    weights = {}
    for name, weight in make(architecture, models, 1).weights.items():
        weights[name] = (weight if "leak" in name else weight / 2).to(dtype)
    return Population(architecture, weights)


def noise(models: int = 3, sigma: float = 0.4, seed: int = 3) -> Noise:
    return Noise.keyed(sigma, seed, range(models), "step", 5)


def everything(backend, population: Population, inputs: torch.Tensor) -> list[torch.Tensor]:
    weights = {name: weight.clone().requires_grad_() for name, weight in population.weights.items()}
    inputs = inputs.clone().requires_grad_()
    outputs, final = backend.run(Population(population.architecture, weights), inputs, (), False, noise())
    weighting = torch.cos(torch.arange(outputs[0].numel())).reshape(outputs.shape[1:]).to(outputs)
    loss = (outputs * weighting).sum() + sum(part.square().sum() for part in final)
    return [
        outputs.detach(),
        *(part.detach() for part in final),
        *torch.autograd.grad(loss, [inputs, *weights.values()]),
    ]


@every_set
@every_architecture
@pytest.mark.parametrize(("batch", "steps"), [(1, 5), (1, 33), (3, 5), (13, 4), (37, 5)])
def test_outputs_and_gradients_match_the_oracle(
    instruction_set: str, architecture: Architecture, batch: int, steps: int
) -> None:
    native._native.use_instruction_set(instruction_set)
    inputs = torch.randn(3, batch, steps, 3, generator=torch.Generator().manual_seed(0))
    found = everything(native, networks(architecture), inputs)
    oracle = everything(torch_backend, networks(architecture, torch.float64), inputs.double())
    most = max(float(part.abs().max()) for part in oracle)
    for own, expected in zip(found, oracle, strict=True):
        assert float((own - expected).abs().max()) <= 2e-5 * max(float(expected.abs().max()), 1e-2 * most)


@every_architecture
@pytest.mark.parametrize("classes", [True, False])
def test_training_steps_match_the_oracle(architecture: Architecture, classes: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, 33, 6, 3, generator=generator, dtype=torch.float64)
    targets = (
        torch.randint(2, (3, 33, 6), generator=generator)
        if classes
        else torch.randn(3, 33, 6, 2, generator=generator, dtype=torch.float64)
    )
    losses, weights = [], []
    for dtype in (torch.float32, torch.float64):
        population = networks(architecture, dtype)
        optimizer = AdamW.start(population)
        own = targets if classes else targets.to(dtype)
        losses.append(train_step(population, optimizer, inputs.to(dtype), own, 1e-3, noise=noise()))
        weights.append(optimizer.first)
    assert torch.allclose(losses[0].double(), losses[1], rtol=1e-5)
    for name, first in weights[1].items():
        assert float((weights[0][name] - first).abs().max()) <= 1e-5 * max(float(first.abs().max()), 1e-2)


def test_leaky_states_get_the_noise_of_the_definition() -> None:
    """With no weights, v of a leak outside is a random walk with steps sqrt(2 a) sigma z."""
    architecture = Architecture("leaky", 1, (6,), 1)
    population = Population(architecture, {n: torch.zeros_like(w) for n, w in networks(architecture).weights.items()})
    population.weights["leak_l0"].fill_(0.1)
    _, v = engine.run(population, torch.zeros(3, 20_000, 1, 1), noise=noise(sigma=0.5))
    assert float(v.std()) == pytest.approx(math.sqrt(0.2) * 0.5, rel=0.01)


def test_numbers_are_standard_normal_and_independent() -> None:
    keys = Noise.keyed(1.0, 0, range(4))
    z = layer_noise(keys, 0, 50, 100, None, 50, torch.zeros((), dtype=torch.float64))  # a million
    other = layer_noise(keys, 1, 50, 100, None, 50, torch.zeros((), dtype=torch.float64))
    standard = [float((z**power).mean()) for power in (1, 2, 3, 4)]
    assert standard == pytest.approx([0, 1, 0, 3], abs=0.02)  # standard errors .001, .0014, .004, .01
    assert float((z.abs() > 3).double().mean()) == pytest.approx(0.0027, abs=3e-4)
    for a, b in (
        (z[1:], z[:-1]), (z[:, 1:], z[:, :-1]), (z[:, :, 1:], z[:, :, :-1]), (z[..., 1:], z[..., :-1]), (z, other),
    ):  # fmt: skip
        assert abs(float((a * b).mean())) < 0.005
        assert abs(float((a.square() * b.square()).mean()) - 1) < 0.02


@every_set
def test_the_kernels_quantile_is_exact_to_a_millionth(instruction_set: str) -> None:
    """An Elman network with relu and no weights shows its noise, tails included."""
    native._native.use_instruction_set(instruction_set)
    architecture = Architecture("elman", 1, (64,), 1, "relu")
    population = Population(architecture, {n: torch.zeros_like(w) for n, w in networks(architecture).weights.items()})
    keys = noise(sigma=1.0)
    for batch in (1, 8, 300):
        found, _ = engine.hidden_states(population, torch.zeros(3, batch, 40, 1), noise=keys)
        z = layer_noise(keys, 0, 40, batch, None, 64, torch.zeros((), dtype=torch.float64))
        assert float((found - z.permute(1, 2, 0, 3).relu()).abs().max()) < 2e-6


def test_noise_depends_on_keys_alone() -> None:
    population = networks(ARCHITECTURES["leaky inside, tanh"])
    inputs = torch.randn(3, 33, 70, 3, generator=torch.Generator().manual_seed(0))
    outputs, _ = engine.run(population, inputs, noise=noise())
    assert torch.equal(outputs, engine.run(population, inputs, noise=noise())[0])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert torch.equal(outputs, engine.run(population, inputs, noise=noise())[0])
    torch.set_num_threads(threads)
    rows = torch.tensor([2, 0])
    alone = Noise.keyed(0.4, 3, rows.tolist(), "step", 5)
    assert torch.equal(outputs[rows], engine.run(population[rows], inputs[rows], noise=alone)[0])
    assert not torch.equal(outputs, engine.run(population, inputs, noise=noise(seed=4))[0])
    learning = Population(
        population.architecture, {n: w.clone().requires_grad_() for n, w in population.weights.items()}
    )
    assert torch.equal(outputs, engine.run(learning, inputs, noise=noise())[0].detach())


def test_no_noise_is_noise_of_zero() -> None:
    population = networks(ARCHITECTURES["elman, tanh"])
    inputs = torch.randn(3, 5, 6, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(engine.run(population, inputs)[0], engine.run(population, inputs, noise=noise(sigma=0.0))[0])


def test_what_has_no_definition_is_refused_by_name() -> None:
    for cell in ("lstm", "gru"):
        population = networks(Architecture(cell, 3, (4,), 2))
        with pytest.raises(RNN2VecError, match=f"elman and leaky cells; got {cell}"):
            engine.run(population, torch.zeros(3, 1, 2, 3), noise=noise())
    population = networks(ARCHITECTURES["leaky inside, tanh"])
    inputs = torch.zeros(3, 1, 2, 3)
    with pytest.raises(RNN2VecError, match="3 networks has as many keys; got 2"):
        engine.run(population, inputs, noise=noise(2))
    population.weights["leak_l1"][1, 0] = 0.0
    with pytest.raises(RNN2VecError, match=r"rates above 0; got 0\.0 in leak_l1"):
        engine.run(population, inputs, noise=noise())
    with pytest.raises(RNN2VecError, match="sigma is a finite number of at least 0"):
        noise(sigma=-1.0)
    with pytest.raises(RNN2VecError, match="one int64 a network"):
        Noise(1.0, torch.zeros(3))


def test_keys_are_those_of_the_call_when_the_backward_pass_makes_the_noise_again(monkeypatch) -> None:
    monkeypatch.setattr(native, "TAPE_BYTES", 0)
    population = networks(ARCHITECTURES["elman, tanh"])
    inputs = torch.randn(3, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    again = everything(native, population, inputs)
    monkeypatch.setattr(native, "TAPE_BYTES", 1 << 20)
    for own, kept in zip(again, everything(native, population, inputs), strict=True):
        assert np.array_equal(own.numpy(), kept.numpy())
