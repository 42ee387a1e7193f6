"""The native backend against the oracle: outputs, every gradient, training steps, and its promises of independence."""

import subprocess
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn2vec import engine
from rnn2vec.architecture import Architecture
from rnn2vec.engine import torch_backend
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.errors import RNN2VecError
from rnn2vec.networks.population import Population

native = pytest.importorskip("rnn2vec.engine.native_backend")
SETS = native._native.instruction_sets()
CELLS = [("lstm", "tanh"), ("gru", "tanh"), ("elman", "tanh"), ("elman", "relu")]


@pytest.fixture(params=SETS)
def instruction_set(request):
    """Run a test once for each instruction set of this processor."""
    native._native.use_instruction_set(request.param)
    yield request.param
    native._native.use_instruction_set(SETS[0])


@pytest.fixture
def threads():
    """Leave the number of threads as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make(cell, hidden, layers, sizes, *, tokens, relu="tanh", seed=0, scale=1.0):
    """A population, inputs and a state, from (models, batch, steps, inputs, outputs)."""
    models, batch, steps, size, outputs = sizes
    architecture = Architecture.stack(cell, size, hidden, layers, outputs, relu)
    generator = torch.Generator().manual_seed(seed)
    population = Population.from_flat(
        architecture, Population.initialise(architecture, seed, range(models)).flatten() * scale
    )
    inputs = (
        torch.randint(size, (models, batch, steps), generator=generator)
        if tokens
        else torch.randn(models, batch, steps, size, generator=generator)
    )
    shape = (models, layers, batch, hidden)
    state = tuple(torch.randn(shape, generator=generator) / 2 for _ in range(2 if cell == "lstm" else 1))
    return population, inputs, state


def everything(backend, population, inputs, state, dtype):
    """Outputs, states and all gradients of a random weighting of them, the same for every network."""
    population = Population(
        population.architecture, {n: w.to(dtype).clone().requires_grad_() for n, w in population.weights.items()}
    )
    state = tuple(part.to(dtype).clone().requires_grad_() for part in state)
    leaves = [*state, *population.weights.values()]
    if inputs.is_floating_point():
        inputs = inputs.to(dtype).clone().requires_grad_()
        leaves.append(inputs)
    outputs, final = backend.run(population, inputs, state)
    generator = torch.Generator().manual_seed(7)
    loss = sum((t * torch.randn(t.shape[1:], generator=generator).to(dtype)).sum() for t in (outputs, *final))
    return [outputs.detach(), *(part.detach() for part in final)], torch.autograd.grad(loss, leaves)


def relative_error(found, expected, scale=None):
    """Largest difference, as a share of the largest value."""
    scale = float(expected.abs().max()) if scale is None else scale
    return float((found.double() - expected).abs().max()) / max(scale, 1e-30)


def assert_like_oracle(population, inputs, state):
    oracle = everything(torch_backend, population, inputs, state, torch.float64)
    found = everything(native, population, inputs, state, torch.float32)
    # one output by itself may be the small difference of large terms; all it is made of is about as large as the states
    scale = max(float(expected.abs().max()) for expected in oracle[0])
    for own, expected in zip(found[0], oracle[0], strict=True):
        assert relative_error(own, expected, scale) < 2e-6
    for own, expected in zip(found[1], oracle[1], strict=True):
        assert relative_error(own, expected) < 1e-5


@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 8, 13, 32, 33, 70])
def test_outputs_and_gradients_match_the_oracle(instruction_set, cell, nonlinearity, tokens, batch):
    assert_like_oracle(*make(cell, 9, 2, (2, batch, 5, 7, 3), tokens=tokens, relu=nonlinearity))


@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_the_smallest_network(instruction_set, cell, nonlinearity):
    assert_like_oracle(*make(cell, 1, 1, (1, 1, 1, 1, 1), tokens=False, relu=nonlinearity))


@settings(max_examples=40, deadline=None)
@given(
    cell=st.sampled_from(CELLS),
    hidden=st.integers(1, 40),
    layers=st.integers(1, 3),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 12), st.integers(1, 50), st.integers(1, 9)),
    tokens=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_size_matches_the_oracle(cell, hidden, layers, sizes, tokens, seed):
    assert_like_oracle(*make(cell[0], hidden, layers, sizes, tokens=tokens, relu=cell[1], seed=seed))


def test_the_papers_size_matches_the_oracle(instruction_set):
    assert_like_oracle(*make("lstm", 32, 2, (2, 32, 41, 6, 6), tokens=True))


def test_without_a_kept_record_the_gradients_are_the_same(monkeypatch):
    arguments = make("gru", 10, 2, (3, 40, 6, 5, 4), tokens=False)
    kept = everything(native, *arguments, torch.float32)
    monkeypatch.setattr(native, "TAPE_BYTES", 0)
    repeated = everything(native, *arguments, torch.float32)
    assert all(torch.equal(a, b) for a, b in zip([*kept[0], *kept[1]], [*repeated[0], *repeated[1]], strict=True))


def test_a_second_backward_pass_gives_the_same_gradients():
    population, inputs, state = make("lstm", 10, 2, (3, 4, 6, 5, 4), tokens=False)
    inputs.requires_grad_()
    outputs, _ = native.run(population, inputs, state)
    first, second = (torch.autograd.grad(outputs.sum(), inputs, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    with pytest.raises(RNN2VecError, match="second derivatives"):
        torch.autograd.grad(outputs.sum(), inputs, create_graph=True)


@pytest.mark.parametrize("models", [1, 5])
@pytest.mark.parametrize("tokens", [True, False])
def test_results_do_not_depend_on_the_number_of_threads(threads, models, tokens):
    arguments = make("lstm", 11, 2, (models, 100, 7, 40, 4), tokens=tokens)
    results = []
    for count in (1, 2, 3, 8):
        torch.set_num_threads(count)
        outputs, gradients = everything(native, *arguments, torch.float32)
        results.append([*outputs, *gradients])
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_results_do_not_depend_on_the_other_networks(cell):
    population, inputs, state = make(cell, 12, 2, (6, 40, 7, 5, 4), tokens=True)
    together = everything(native, population, inputs, state, torch.float32)
    alone = everything(native, population[4], inputs[4:5], tuple(s[4:5] for s in state), torch.float32)
    for a, b in zip([*together[0], *together[1]], [*alone[0], *alone[1]], strict=True):
        assert torch.equal(a[4:5], b)


def test_only_the_gradients_asked_for_are_computed(monkeypatch):
    population, inputs, state = make("lstm", 6, 2, (2, 3, 4, 5, 4), tokens=False)
    asked = []
    real = native._native.backward
    monkeypatch.setattr(native._native, "backward", lambda *a: (asked.append(a), real(*a)))
    inputs.requires_grad_()
    native.run(population, inputs, state)[0].sum().backward()
    (*_, found, weights) = asked[-1]
    assert [tensor is not None for tensor in found] == [True, False, False]  # inputs, h and c
    assert weights == [None] * 10
    head = population.weights["linear.bias"].requires_grad_()
    native.run(population, inputs.detach(), state)[0].sum().backward()
    (*_, found, weights) = asked[-1]
    assert found == [None] * 3
    assert [tensor is not None for tensor in weights] == [False] * 9 + [True]
    assert torch.equal(head.grad, torch.full((2, 4), 12.0))
    with torch.no_grad():
        assert not native.run(population, inputs, state)[0].requires_grad


@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_nan_passes_through(instruction_set, cell, nonlinearity):
    population, inputs, state = make(cell, 9, 2, (2, 10, 4, 5, 3), tokens=False, relu=nonlinearity)
    inputs[0, 3, 1] = torch.nan
    outputs, _ = native.run(population, inputs, state)
    expected = torch.zeros(2, 10, 4, 3, dtype=torch.bool)
    expected[0, 3, 1:] = True
    assert torch.equal(outputs.isnan(), expected)


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
@pytest.mark.parametrize("scale", [30.0, 1e4, 1e-3, 1e-20])
def test_saturated_and_vanishing_networks_match_the_oracle(instruction_set, cell, scale):
    population, inputs, state = make(cell, 9, 1, (2, 10, 4, 5, 3), tokens=False, scale=scale)
    oracle, _ = everything(torch_backend, population, inputs, state, torch.float64)
    found, gradients = everything(native, population, inputs, state, torch.float32)
    tolerance = 2e-6 * max(1.0, scale)  # where a unit sits on the edge of saturation, rounding grows with its slope
    for own, expected in zip(found, oracle, strict=True):
        assert relative_error(own, expected) < tolerance
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_shut_output_gate_is_relatively_accurate(instruction_set):
    population, inputs, _ = make("lstm", 4, 1, (1, 3, 1, 2, 2), tokens=False)
    population.weights["bias_ih_l0"][:, 12:] = -40.0
    state = (torch.zeros(1, 1, 3, 4), torch.ones(1, 1, 3, 4))
    expected = torch_backend.run(population.to(torch.float64), inputs.double(), tuple(s.double() for s in state))[1][0]
    found = native.run(population, inputs, state)[1][0]
    assert float((found / expected - 1).abs().max()) < 1e-5


def test_denormal_inputs_and_states(instruction_set):
    population, inputs, state = make("lstm", 9, 2, (2, 10, 4, 5, 3), tokens=False)
    assert_like_oracle(population, inputs * 1e-40, tuple(part * 1e-40 for part in state))


def test_lanes_beyond_the_batch_cannot_spoil_gradients():
    population, inputs, state = make("elman", 4, 1, (1, 3, 200, 2, 2), tokens=False, relu="relu")
    population.weights["bias_ih_l0"].fill_(-1.0)
    population.weights["weight_hh_l0"].fill_(2.0)  # it would explode from an input of zero and a bias of one
    population.weights["bias_hh_l0"].fill_(1.0)
    population.weights["weight_ih_l0"].fill_(-1.0)
    _, gradients = everything(native, population, inputs.abs() + 1, tuple(part * 0 for part in state), torch.float32)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
@pytest.mark.parametrize("backend", [native, torch_backend])
def test_a_training_step_is_that_of_adamw(backend, cell, tokens):
    population, inputs, _ = make(cell, 7, 2, (3, 40, 5, 6, 4), tokens=tokens)
    targets = torch.randint(4, (3, 40, 5), generator=torch.Generator().manual_seed(1))
    decays = torch.tensor([0.0, 0.01, 0.1])
    modules = population.to(torch.float64).to_modules()
    optimizers = [
        torch.optim.AdamW(module.parameters(), weight_decay=float(decay))
        for module, decay in zip(modules, decays, strict=True)
    ]
    state = AdamW.start(population, decays)
    one_hot = torch.nn.functional.one_hot(inputs, 6).double() if tokens else inputs.double()
    for step in range(4):
        rate = 0.01 / (step + 1)
        losses = backend.train_step(population, state, inputs, targets, rate)
        for index, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(one_hot[index])[0].flatten(0, 1), targets[index].flatten())
            loss.backward()
            optimizer.step()
            assert float(losses[index]) == pytest.approx(float(loss.detach()), rel=1e-5)
    expected = Population.from_modules(modules).flatten()
    assert relative_error(population.flatten(), expected) < 2e-4  # Adam divides small gradients by their own size
    assert state.step == 4


def test_training_does_not_depend_on_threads_or_on_other_networks(threads):
    results = []
    for count, models in ((1, slice(0, 5)), (4, slice(0, 5)), (2, slice(2, 4))):
        torch.set_num_threads(count)
        population, inputs, _ = make("lstm", 7, 2, (5, 40, 5, 6, 6), tokens=True)
        population = Population(population.architecture, {n: w[models].clone() for n, w in population.weights.items()})
        state = AdamW.start(population)
        losses = [engine.train_step(population, state, inputs[models], inputs[models], 0.01) for _ in range(3)]
        results.append(torch.cat([torch.stack(losses, 1), population.flatten()], 1))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0][2:4], results[2])


def test_moments_go_by_name_and_are_checked():
    population, inputs, _ = make("lstm", 3, 1, (2, 3, 4, 6, 6), tokens=True)
    other = Population(population.architecture, {name: weight.clone() for name, weight in population.weights.items()})
    state, turned = AdamW.start(population), AdamW.start(population)
    turned.first = dict(reversed(turned.first.items()))
    for _ in range(2):
        engine.train_step(population, state, inputs, inputs, 0.01)
        engine.train_step(other, turned, inputs, inputs, 0.01)
    assert torch.equal(population.flatten(), other.flatten())
    turned.first["linear.bias"] = turned.first["linear.bias"][:1]
    with pytest.raises(RNN2VecError, match="moments are shaped as the weights"):
        engine.train_step(other, turned, inputs, inputs, 0.01)


def test_targets_are_checked():
    population, inputs, _ = make("lstm", 3, 1, (2, 3, 4, 6, 5), tokens=True)
    with pytest.raises(RNN2VecError, match=r"targets lie in 0\.\.4"):
        engine.train_step(population, AdamW.start(population), inputs, inputs * 0 + 5, 0.01)
    with pytest.raises(RNN2VecError, match="targets are whole numbers"):
        engine.train_step(population, AdamW.start(population), inputs, inputs[:1], 0.01)


def test_what_the_kernels_do_not_cover_goes_to_pytorch():
    population, inputs, state = make("gru", 5, 1, (2, 3, 4, 3, 2), tokens=False)
    doubles = native.run(population.to(torch.float64), inputs.double(), tuple(part.double() for part in state))
    assert doubles[0].dtype == torch.float64
    transposed = inputs.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(native.run(population, transposed, state)[0], native.run(population, inputs, state)[0])


def test_the_environment_chooses_the_backend(monkeypatch):
    monkeypatch.delenv("RNN2VEC_BACKEND", raising=False)
    assert engine.backend_name() == "native"
    assert engine.instruction_set() == native.instruction_set()
    monkeypatch.setenv("RNN2VEC_BACKEND", "torch")
    assert engine.backend_name() == "torch"
    monkeypatch.setenv("RNN2VEC_BACKEND", "abacus")
    with pytest.raises(RNN2VecError, match="RNN2VEC_BACKEND"):
        engine.backend_name()


def test_a_missing_module_warns_once_and_leaves_pytorch(monkeypatch):
    monkeypatch.delenv("RNN2VEC_BACKEND", raising=False)
    monkeypatch.setitem(engine.BACKENDS, "native", "rnn2vec.engine.no_such_module")
    engine._backend.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="native backend does not load"):
            assert engine.backend_name() == "torch"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert engine.backend_name() == "torch"
    finally:
        engine._backend.cache_clear()


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own():
    program = """
import os, torch
from rnn2vec.engine import run
from rnn2vec.networks.population import Population
from rnn2vec.architecture import Architecture
torch.set_num_threads(2)
population = Population.initialise(Architecture.stack("gru", 3, 4, 1, 2), 0, range(8))
tokens = torch.zeros(8, 2, 3, dtype=torch.int64)
with torch.no_grad():
    expected = run(population, tokens)[0].numpy().tobytes()
    child = os.fork()
    if child == 0:
        os._exit(0 if run(population, tokens)[0].numpy().tobytes() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=300)


def test_saved_tensors_may_be_moved_between_the_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks, as activation checkpointing uses them, put copies in the place of what the forward pass read."""
    monkeypatch.setattr(native, "TAPE_BYTES", 0)  # the backward pass reads everything again
    architecture = Architecture.stack("lstm", 3, 8, 2, 4)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, 2, 5, 3, generator=generator)

    def gradients(moved: bool) -> list[torch.Tensor]:
        population = Population.initialise(architecture, 0, range(3))
        x = inputs.clone().requires_grad_()
        for weight in population.weights.values():
            weight.requires_grad_()
        wanted = [x, *population.weights.values()]
        kept: list[torch.Tensor] = []

        def pack(tensor: torch.Tensor) -> int:
            kept.append(tensor.detach().clone())
            return len(kept) - 1

        if moved:
            with torch.autograd.graph.saved_tensors_hooks(pack, lambda index: kept[index]):
                # a state that lives nowhere but in the graph, and whose memory is free once that holds copies
                state = tuple(torch.full((3, 2, 2, 8), 0.1) for _ in range(2))
                outputs, _ = engine.run(population, x, state)
            del state
            garbage = [torch.full((3, 2, 2, 8), float("nan")) for _ in range(64)]
            assert len(garbage) == 64
        else:
            outputs, _ = engine.run(population, x, tuple(torch.full((3, 2, 2, 8), 0.1) for _ in range(2)))
        return list(torch.autograd.grad(outputs.square().sum(), wanted))

    for moved, plain in zip(gradients(True), gradients(False), strict=True):
        assert torch.equal(moved, plain)
