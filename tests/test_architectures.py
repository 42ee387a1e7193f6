"""Every architecture on both backends, against formulas written down one unit and step at a time with numpy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from rnn2vec import Architecture, Population, RNN2VecError, engine
from rnn2vec.architecture import HeadLayer
from rnn2vec.engine import train_step
from rnn2vec.engine.optimizer import AdamW

F = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
}

ARCHITECTURES = {
    "gru, reset after": Architecture("gru", 3, (4, 4), 2),
    "gru, reset before": Architecture("gru", 3, (4, 2), 2, reset="before"),
    "leaky outside, tanh": Architecture("leaky", 3, (5,), 2),
    "leaky outside, relu": Architecture("leaky", 3, (5, 2), 2, "relu"),
    "leaky inside, softplus": Architecture("leaky", 3, (2, 5), 2, "softplus", leak="inside"),
    "leaky inside, own states": Architecture("leaky", 3, (4,), 2, leak="inside", initial_state=True),
    "lstm of three sizes": Architecture("lstm", 3, (2, 5, 3), 2),
    "lstm, own states": Architecture("lstm", 3, (2, 3), 2, initial_state=True),
    "elman with a head": Architecture(
        "elman", 3, (4,), 2, "relu", head=(HeadLayer(6, "tanh"), HeadLayer(3, "softplus")), output_activation="sigmoid"
    ),
    "lstm with a skip": Architecture("lstm", 3, (4,), 2, skip=True),
    "all of it": Architecture(
        "gru", 3, (3, 5), 1, reset="before", head=(HeadLayer(2, "relu"),), output_activation="tanh", skip=True,
        initial_state=True,
    ),
}  # fmt: skip


def make(architecture: Architecture, models: int = 3, seed: int = 0) -> Population:
    """Random networks in double precision; leaks between 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    flat = 0.6 * torch.randn(models, architecture.num_parameters, dtype=torch.float64, generator=generator)
    population = Population.from_flat(architecture, flat)
    for name, weight in population.weights.items():
        if name.startswith("leak_"):
            weight.copy_(weight.sigmoid())
    return population


def step(architecture: Architecture, own: dict[str, np.ndarray], x: np.ndarray, h: np.ndarray, c: Any) -> Any:
    """One step of one layer of one network on one sequence: what the layer above reads, h and c."""
    size = len(h)
    read = own["weight_ih"] @ x + own["bias_ih"]
    recurrent = own["weight_hh"] @ h + own["bias_hh"]
    f = F[architecture.nonlinearity]
    if architecture.cell == "lstm":
        i, forget, g, o = np.split(read + recurrent, 4)
        c = F["sigmoid"](forget) * c + F["sigmoid"](i) * np.tanh(g)
        h = F["sigmoid"](o) * np.tanh(c)
        return h, h, c
    if architecture.cell == "gru":
        r, z = np.split(F["sigmoid"](read[: 2 * size] + recurrent[: 2 * size]), 2)
        weight, bias = own["weight_hh"][2 * size :], own["bias_hh"][2 * size :]
        inner = r * (weight @ h + bias) if architecture.reset == "after" else weight @ (r * h) + bias
        h = (1 - z) * np.tanh(read[2 * size :] + inner) + z * h
        return h, h, c
    if architecture.cell == "elman":
        h = f(read + recurrent)
        return h, h, c
    a = own["leak"]
    if architecture.leak == "inside":
        h = (1 - a) * h + a * f(read + recurrent)
        return h, h, c
    h = (1 - a) * h + a * (own["weight_hh"] @ f(h) + own["bias_hh"] + read)
    return f(h), h, c


def answers(population: Population, index: int, inputs: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs ``[T, Y]`` of one network to one sequence ``[T, X]``, and the h of every layer after it."""
    architecture = population.architecture
    weights = {name: weight[index].detach().numpy() for name, weight in population.weights.items()}
    layers = range(architecture.num_layers)
    zeros = [np.zeros(size) for size in architecture.hidden_sizes]
    h = [weights.get(f"h0_l{layer}", zeros[layer]) for layer in layers]
    c = [weights.get(f"c0_l{layer}", zeros[layer]) for layer in layers]
    outputs = []
    for x in inputs:
        read = x
        for layer in layers:
            own = {name[: -len(f"_l{layer}")]: w for name, w in weights.items() if name.endswith(f"_l{layer}")}
            read, h[layer], c[layer] = step(architecture, own, read, h[layer], c[layer])
        for name, _, _, activation in architecture.head_layers():
            read = F[activation](weights[f"{name}.weight"] @ read + weights[f"{name}.bias"])
        outputs.append(read + (x[: architecture.output_size] if architecture.skip else 0))
    return np.array(outputs), h


@pytest.fixture(params=list(engine.BACKENDS))
def dtype(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """Run a test on every backend, in the precision that is its own."""
    monkeypatch.setenv("RNN2VEC_BACKEND", request.param)
    return {"torch": torch.float64, "native": torch.float32}[request.param]


TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-5}


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_outputs_and_states_are_those_of_the_formulas(architecture: Architecture, dtype: torch.dtype) -> None:
    exact, tolerance = make(architecture), TOLERANCES[dtype]
    population = exact.to(dtype)
    inputs = torch.randn(3, 2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).float().to(dtype)
    outputs, state = population.run(inputs)
    h = state[0] if isinstance(state, tuple) else state
    assert outputs.dtype is h.dtype is dtype
    assert h.shape == (3, architecture.num_layers, 2, architecture.widest)
    for index in range(3):
        for sequence in range(2):
            expected, last = answers(exact, index, inputs[index, sequence].double().numpy())
            np.testing.assert_allclose(outputs[index, sequence], expected, rtol=tolerance, atol=tolerance)
            for layer, own in enumerate(last):
                np.testing.assert_allclose(h[index, layer, sequence, : len(own)], own, rtol=tolerance, atol=tolerance)
                assert not h[index, layer, sequence, len(own) :].any()
    first, state = population.run(inputs[:, :, :2])
    rest, _ = population.run(inputs[:, :, 2:], state)
    torch.testing.assert_close(torch.cat([first, rest], dim=2), outputs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_tokens_are_inputs_with_a_single_one(architecture: Architecture, dtype: torch.dtype) -> None:
    population = make(architecture).to(dtype)
    tokens = torch.randint(3, (3, 2, 5), generator=torch.Generator().manual_seed(2))
    floats = torch.nn.functional.one_hot(tokens, 3).to(dtype)
    expected, tolerance = population.run(floats)[0], TOLERANCES[dtype]
    torch.testing.assert_close(population.run(tokens)[0], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_every_parameter_counts_and_has_its_gradient(architecture: Architecture) -> None:
    population = make(architecture, 1)
    inputs = torch.randn(1, 2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def function(*weights: torch.Tensor) -> torch.Tensor:
        named = dict(zip(population.weights, weights, strict=True))
        return Population(architecture, named).run(inputs)[0]

    weights = [weight.detach().requires_grad_() for weight in population.weights.values()]
    assert torch.autograd.gradcheck(function, weights)
    gradients = torch.autograd.grad(function(*weights).square().sum(), weights)
    assert all(gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_parameters_are_counted_listed_and_read_back(architecture: Architecture) -> None:
    shapes = architecture.parameter_shapes()
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == architecture.num_parameters
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    population = make(architecture)
    assert torch.equal(Population.from_flat(architecture, population.flatten()).flatten(), population.flatten())


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_hidden_units_have_no_order(architecture: Architecture) -> None:
    population = make(architecture)
    other = population.permute_hidden_randomly(torch.Generator().manual_seed(0))
    inputs = torch.randn(3, 2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(other.flatten(), population.flatten())
    torch.testing.assert_close(other.run(inputs)[0], population.run(inputs)[0], rtol=0, atol=1e-12)


def test_a_plain_stack_is_what_torch_has() -> None:
    plain = Architecture.stack("gru", 3, 4, 2, 2)
    assert plain.is_plain_stack
    assert Architecture("gru", 3, (4, 4), 2) == plain
    changed: list[dict[str, Any]] = [
        {"reset": "before"}, {"hidden_sizes": (4, 5)}, {"skip": True}, {"initial_state": True},
        {"output_activation": "tanh"}, {"head": (HeadLayer(2, "tanh"),)},
    ]  # fmt: skip
    assert not any(dataclasses.replace(plain, **fields).is_plain_stack for fields in changed)
    assert not Architecture("leaky", 3, (4,), 2).is_plain_stack
    with pytest.raises(RNN2VecError, match=r"one of torch\.nn's recurrent layers"):
        make(ARCHITECTURES["lstm with a skip"]).to_modules()


def test_fresh_networks_of_any_architecture() -> None:
    architecture = ARCHITECTURES["leaky inside, own states"]
    weights = Population.initialise(architecture, 0, range(2)).weights
    assert not weights["h0_l0"].any()
    assert torch.unique(weights["leak_l0"]).numel() == 1
    lstm = Population.initialise(ARCHITECTURES["lstm of three sizes"], 0, range(50)).weights
    for layer, size in enumerate((2, 5, 3)):
        bound = size**-0.5
        assert 0.9 * bound < float(lstm[f"weight_hh_l{layer}"].abs().max()) <= bound
    with pytest.raises(RNN2VecError, match="as many others"):
        ARCHITECTURES["lstm of three sizes"].resized(num_layers=2)


@pytest.mark.parametrize("name", ["leaky outside, tanh", "lstm with a skip", "all of it", "gru, reset after"])
def test_training_on_numbers_is_that_of_torch(name: str, dtype: torch.dtype) -> None:
    """Two steps of AdamW on the mean squared error, against autograd and torch's own optimiser."""
    architecture = ARCHITECTURES[name]
    population = Population.from_flat(architecture, make(architecture).flatten().float())
    generator = torch.Generator().manual_seed(5)
    inputs, targets = (torch.randn(3, 4, 7, size, generator=generator) for size in (3, architecture.output_size))
    own = [
        {key: weight[index : index + 1].clone().requires_grad_() for key, weight in population.weights.items()}
        for index in range(3)
    ]
    optimizers = [torch.optim.AdamW(list(weights.values()), lr=0.01, weight_decay=0.1) for weights in own]
    ours = AdamW.start(population, 0.1)
    for _ in range(2):
        losses = train_step(population, ours, inputs, targets, 0.01)
        for index, (weights, optimizer) in enumerate(zip(own, optimizers, strict=True)):
            said, _ = Population(architecture, weights).run(inputs[index : index + 1])
            loss = (said - targets[index : index + 1]).square().mean()
            assert float(losses[index]) == pytest.approx(float(loss.detach()), rel=1e-4)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for key, weight in population.weights.items():
        for index, weights in enumerate(own):
            torch.testing.assert_close(weight[index], weights[key][0].detach(), rtol=0, atol=1e-4)
