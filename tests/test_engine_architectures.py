"""Every architecture on the native backend against the oracle, and the memory that long sequences take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnn2vec import Architecture, Population
from rnn2vec.architecture import ACTIVATIONS, NONLINEARITIES, HeadLayer
from rnn2vec.engine import hidden_states, run, torch_backend
from rnn2vec.engine.optimizer import AdamW
from test_architectures import ARCHITECTURES, make

native = pytest.importorskip("rnn2vec.engine.native_backend")
SETS = native._native.instruction_sets()
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)


@pytest.fixture(params=SETS)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test once for each instruction set of this processor."""
    native._native.use_instruction_set(request.param)
    yield request.param
    native._native.use_instruction_set(SETS[0])


@pytest.fixture(autouse=True)
def no_handing_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernels are asked for, they do themselves."""
    covered = native._covered

    def claimed(stack: Any, tensors: Any) -> bool:
        tensors = list(tensors)
        assert covered(stack, tensors)
        return True

    monkeypatch.setattr(native, "_covered", claimed)


def single(architecture: Architecture, models: int = 3, seed: int = 0) -> Population:
    population = make(architecture, models, seed)
    return Population(architecture, {name: weight.float() for name, weight in population.weights.items()})


def problem(
    architecture: Architecture, batch: int, steps: int, *, tokens: bool, given: bool, seed: int = 0
) -> tuple[Population, Tensor, tuple[Tensor, ...]]:
    """Networks, inputs and, if one is given, a state."""
    generator = torch.Generator().manual_seed(seed)
    size = architecture.input_size
    inputs = (
        torch.randint(size, (3, batch, steps), generator=generator)
        if tokens
        else torch.randn(3, batch, steps, size, generator=generator)
    )
    shape = (3, architecture.num_layers, batch, architecture.widest)
    parts = 2 if architecture.has_cell_state else 1
    state = tuple(torch.randn(shape, generator=generator) / 2 for _ in range(parts)) if given else ()
    return single(architecture, seed=seed), inputs, state


def everything(
    backend: ModuleType,
    population: Population,
    inputs: Tensor,
    state: tuple[Tensor, ...],
    dtype: torch.dtype,
    hidden: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs and states, and the gradients of a random weighting of them."""
    weights = {name: weight.to(dtype).clone().requires_grad_() for name, weight in population.weights.items()}
    state = tuple(part.to(dtype).clone().requires_grad_() for part in state)
    leaves = [*weights.values(), *state]
    if inputs.is_floating_point():
        inputs = inputs.to(dtype).clone().requires_grad_()
        leaves.append(inputs)
    outputs, final = backend.run(Population(population.architecture, weights), inputs, state, hidden)
    generator = torch.Generator().manual_seed(7)
    loss = sum((part * torch.randn(part.shape[1:], generator=generator).to(dtype)).sum() for part in (outputs, *final))
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)  # a head that nobody reads
    return [outputs.detach(), *(part.detach() for part in final)], list(gradients)


def assert_like_oracle(
    population: Population, inputs: Tensor, state: tuple[Tensor, ...], *, hidden: bool = False
) -> None:
    oracle = everything(torch_backend, population, inputs, state, torch.float64, hidden)
    found = everything(native, population, inputs, state, torch.float32, hidden)
    scale = max(float(part.abs().max()) for part in oracle[0])
    for own, expected in zip(found[0], oracle[0], strict=True):
        assert own.dtype is torch.float32
        assert float((own - expected).abs().max()) < 3e-6 * scale
    most = max(float(gradient.abs().max()) for gradient in oracle[1])
    for own, expected in zip(found[1], oracle[1], strict=True):
        # a gradient that is very small beside the others is the difference of large terms
        assert float((own - expected).abs().max()) <= 2e-5 * max(float(expected.abs().max()), 1e-2 * most)


@every_architecture
@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 8, 13, 32, 37])
def test_outputs_and_gradients_match_the_oracle(
    instruction_set: str, architecture: Architecture, batch: int, tokens: bool
) -> None:
    assert_like_oracle(*problem(architecture, batch, 5, tokens=tokens, given=False))
    assert_like_oracle(*problem(architecture, batch, 5, tokens=tokens, given=True))


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman", "leaky"])
@pytest.mark.parametrize("hidden", [1, 16, 17, 40, 49, 130])
@pytest.mark.parametrize("steps", [15, 70])
def test_many_steps_of_one_sequence_match_the_oracle(instruction_set: str, cell: str, hidden: int, steps: int) -> None:
    """Weights are copied for them, in tiles of units."""
    architecture = Architecture(cell, 3, (hidden, max(hidden // 2, 1)), 2)
    for tokens in (True, False):
        population, inputs, state = problem(architecture, 1, steps, tokens=tokens, given=not tokens)
        for name, weight in population.weights.items():  # neither saturated nor chaotic
            if "leak" not in name:
                weight.mul_(0.5 / hidden**0.5)
        assert_like_oracle(population, inputs, state)


@every_architecture
@pytest.mark.parametrize("batch", [1, 5])
def test_hidden_states_match_the_oracle(instruction_set: str, architecture: Architecture, batch: int) -> None:
    population, inputs, state = problem(architecture, batch, 6, tokens=False, given=False)
    assert_like_oracle(population, inputs, state, hidden=True)
    found, final = hidden_states(population, inputs)
    assert found.shape == (3, batch, 6, architecture.hidden_sizes[-1])
    h = final[0] if isinstance(final, tuple) else final
    if architecture.cell != "leaky" or architecture.leak == "inside":
        assert torch.equal(found[:, :, -1], h[:, -1, :, : found.shape[3]])


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    cell = draw(st.sampled_from(sorted(NONLINEARITIES)))
    inputs, outputs = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    sizes = st.integers(1, 40)
    layer = st.builds(HeadLayer, st.integers(1, 20), st.sampled_from(ACTIVATIONS))
    return Architecture(
        cell,
        inputs,
        tuple(draw(st.lists(sizes, min_size=1, max_size=3))),
        outputs,
        draw(st.sampled_from(NONLINEARITIES[cell])),
        reset=draw(st.sampled_from(("after", "before"))) if cell == "gru" else "after",
        leak=draw(st.sampled_from(("outside", "inside"))) if cell == "leaky" else "outside",
        head=tuple(draw(st.lists(layer, max_size=2))),
        output_activation=draw(st.sampled_from(ACTIVATIONS)),
        skip=outputs <= inputs and draw(st.booleans()),
        initial_state=draw(st.booleans()),
    )


@settings(max_examples=150, deadline=None)
@given(
    architecture=architectures(),
    batch=st.integers(1, 40) | st.just(1),
    steps=st.integers(1, 10) | st.integers(16, 20),
    tokens=st.booleans(),
    given_state=st.booleans(),
    hidden=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_architecture_of_any_size_matches_the_oracle(
    architecture: Architecture, batch: int, steps: int, tokens: bool, given_state: bool, hidden: bool, seed: int
) -> None:
    population, inputs, state = problem(architecture, batch, steps, tokens=tokens, given=given_state, seed=seed)
    for name, weight in population.weights.items():  # neither saturated nor growing
        if "leak" not in name:
            weight.mul_(1.0 / max(architecture.widest, 1) ** 0.5)
    assert_like_oracle(population, inputs, state, hidden=hidden)


@every_architecture
@pytest.mark.parametrize("batch", [1, 11])
@pytest.mark.parametrize("tokens", [True, False])
def test_long_sequences_take_the_same_steps_with_and_without_gradients(
    instruction_set: str, architecture: Architecture, batch: int, tokens: bool
) -> None:
    """Without gradients, memory is that of some steps, which come round again."""
    population, inputs, _ = problem(architecture, batch, 131, tokens=tokens, given=False)
    for name, weight in population.weights.items():
        if "leak" not in name:
            weight.mul_(0.5)
    outputs, state = native.run(population, inputs, ())
    learning = Population(architecture, {n: w.clone().requires_grad_() for n, w in population.weights.items()})
    kept, last = native.run(learning, inputs, ())
    assert torch.equal(outputs, kept.detach())
    assert all(torch.equal(own, other.detach()) for own, other in zip(state, last, strict=True))
    first, middle = native.run(population, inputs[:, :, :70], ())
    rest, end = native.run(population, inputs[:, :, 70:], middle)
    assert torch.equal(torch.cat([first, rest], dim=2), outputs)
    assert all(torch.equal(own, other) for own, other in zip(state, end, strict=True))


@every_architecture
@pytest.mark.parametrize("numbers", [True, False])
@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_training_steps_are_those_of_the_oracle(
    architecture: Architecture, numbers: bool, tokens: bool, masked: bool
) -> None:
    population, inputs, _ = problem(architecture, 37, 5, tokens=tokens, given=False)
    exact = population.to(torch.float64)
    generator = torch.Generator().manual_seed(1)
    size = architecture.output_size
    targets = (
        torch.randn(3, 37, 5, size, generator=generator)
        if numbers
        else torch.randint(size, (3, 37, 5), generator=generator)
    )
    mask = torch.rand(3, 37, 5, generator=generator) * torch.tensor([0.0, 0.0, 1.0, 2.0, 1.0]) if masked else None
    wide = [each.double() if each.is_floating_point() else each for each in (inputs, targets)]
    ours, theirs = (AdamW.start(each, torch.tensor([0.0, 0.01, 0.1])) for each in (population, exact))
    for rate in (0.01, 0.005):
        losses = native.train_step(population, ours, inputs, targets, rate, mask)
        wide_mask = None if mask is None else mask.double()
        expected = torch_backend.train_step(exact, theirs, wide[0], wide[1], rate, wide_mask)
        torch.testing.assert_close(losses.double(), expected, rtol=1e-5, atol=1e-6)
    for name, weight in exact.weights.items():
        torch.testing.assert_close(ours.first[name].double(), theirs.first[name], rtol=0, atol=2e-5)
        # Adam divides small gradients by their own size
        torch.testing.assert_close(population.weights[name].double(), weight, rtol=0, atol=2e-4)


@every_architecture
def test_a_network_does_not_depend_on_threads_or_on_the_others(architecture: Architecture) -> None:
    population, inputs, state = problem(architecture, 70, 6, tokens=False, given=True)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        together = everything(native, population, inputs, state, torch.float32)
        torch.set_num_threads(4)
        own = tuple(part[1:2] for part in state)
        alone = everything(native, population[1:2], inputs[1:2], own, torch.float32)
    finally:
        torch.set_num_threads(before)
    for a, b in zip([*together[0], *together[1]], [*alone[0], *alone[1]], strict=True):
        assert torch.equal(a[1:2], b)


@every_architecture
def test_only_the_gradients_asked_for_are_found(architecture: Architecture) -> None:
    population, inputs, state = problem(architecture, 5, 6, tokens=False, given=False)
    names = list(population.weights)
    _, gradients = everything(native, population, inputs, state, torch.float32)
    for name, expected in zip(names, gradients, strict=False):
        weights = {n: w.clone().requires_grad_(n == name) for n, w in population.weights.items()}
        outputs, final = native.run(Population(architecture, weights), inputs, state)
        generator = torch.Generator().manual_seed(7)
        loss = sum((part * torch.randn(part.shape[1:], generator=generator)).sum() for part in (outputs, *final))
        assert torch.equal(torch.autograd.grad(loss, weights[name])[0], expected)


@pytest.mark.parametrize("where", [-100.0, -30.0, -1e-3, 0.0, 1e-3, 30.0, 100.0])
def test_softplus_is_accurate_everywhere(instruction_set: str, where: float) -> None:
    head = Architecture("elman", 1, (1,), 1, "relu", output_activation="softplus")
    weights = {name: torch.zeros(1, *shape) for name, shape in head.parameter_shapes().items()}
    weights["linear.bias"] += where
    weights["linear.bias"].requires_grad_()
    found = run(Population(head, weights), torch.zeros(1, 3, 1, 1))[0]
    exact = torch.tensor(where, dtype=torch.float64, requires_grad=True)
    expected = exact.exp().log1p() if where < 30 else exact + (-exact).exp().log1p()
    assert float(found.detach().double().flatten()[0]) == pytest.approx(float(expected.detach()), rel=1e-6, abs=1e-37)
    (slope,) = torch.autograd.grad(found[0, 0].sum(), weights["linear.bias"])
    assert float(slope) == pytest.approx(float(torch.autograd.grad(expected, exact)[0]), rel=2e-6, abs=1e-37)


MEMORY = """
import gc, resource, torch
from rnn2vec import Architecture, Population
from rnn2vec.engine import backend_name, run

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

assert backend_name() == "native"
torch.set_num_threads(2)
"""


def memory_of(program: str) -> list[int]:
    """What a program that measures itself prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", MEMORY + program], check=True, capture_output=True, text=True, timeout=300
    )
    return [int(number) for number in done.stdout.split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("head", ["", ", head=(HeadLayer(16, 'tanh'),)"])
def test_without_gradients_memory_does_not_grow_with_the_length(head: str) -> None:
    """Beside the outputs, any number of steps takes a few kilobytes; a record of h and c took 26 MB a network."""
    program = f"""
from rnn2vec.architecture import HeadLayer
population = Population.initialise(Architecture("lstm", 1, (40, 40), 1, skip=True{head}), 0, range(4))
inputs = torch.zeros(4, 1, 40_000, 1)
with torch.no_grad():
    run(population, inputs[:, :, :200])
    before = peak()
    outputs, _ = run(population, inputs)
print(peak() - before, outputs.nbytes)
"""
    grown, outputs = memory_of(program)
    assert grown < outputs + (4 << 20)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_that_one_large_call_took_is_given_back() -> None:
    program = """
population = Population.initialise(Architecture.stack("lstm", 1, 40, 1, 1), 0, range(2))
short, long = torch.zeros(2, 32, 10, 1), torch.zeros(2, 32, 2_000, 1)
for weight in population.weights.values():
    weight.requires_grad_()
run(population, short)[0].sum().backward()
before = resident()
run(population, long)[0].sum().backward()  # its record is made again, 61 MB a thread
print(peak() - before, resident() - before)
"""
    grown, kept = memory_of(program)
    assert grown > 50 << 20
    assert kept < 10 << 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_table_of_many_tokens_is_not_copied() -> None:
    """Of 20,000 columns a short sequence reads a few; the copy took 20 MB, and 900 times as long as the steps."""
    program = """
population = Population.initialise(Architecture("lstm", 20_000, (64,), 1), 0, range(2))
with torch.no_grad():
    run(population, torch.zeros(2, 1, 15, dtype=torch.long))
    before = resident()
    run(population, torch.zeros(2, 1, 40, dtype=torch.long))
print(resident() - before)
"""
    assert memory_of(program)[0] < 4 << 20
