"""The engine: every backend against torch.nn, one model at a time, in double precision."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rnn2vec import Architecture, Population, RNN2VecError, engine
from rnn2vec.engine import run, train_step
from rnn2vec.engine.optimizer import AdamW

MakePopulation = Callable[..., Population]
"""``make(architecture, models, dtype, seed)``, see ``conftest.py``."""
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-4}
CASES = [(name, dtype) for name in engine.BACKENDS for dtype in TOLERANCE]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{str(case[1]).removeprefix('torch.')}")
def dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    """A dtype in which a backend, which `run` is made to use, is tested."""
    name, dtype = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNN2VEC_BACKEND", name)
        assert engine.backend_name() == name
        yield dtype


def assert_near(actual: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    """Agreement relative to the largest number expected."""
    scale = max(1.0, float(expected.detach().abs().max()))
    torch.testing.assert_close(actual.double(), expected.double(), rtol=0, atol=TOLERANCE[dtype] * scale)


def draw_inputs(
    architecture: Architecture, models: int, batch: int, steps: int, kind: str, dtype: torch.dtype
) -> Tensor:
    """Random tokens or floats."""
    if kind == "tokens":
        return torch.randint(0, architecture.input_size, (models, batch, steps))
    return torch.randn(models, batch, steps, architecture.input_size, dtype=dtype)


def as_state(parts: Sequence[Tensor]) -> Any:
    """What `run` takes: a tensor, or two for LSTM."""
    return parts[0] if len(parts) == 1 else tuple(parts)


def draw_state(architecture: Architecture, models: int, batch: int, dtype: torch.dtype) -> Any:
    """A random initial state."""
    shape = (models, architecture.num_layers, batch, architecture.widest)
    return as_state([torch.randn(shape, dtype=dtype) for _ in range(2 if architecture.cell == "lstm" else 1)])


def parts_of(state: Any) -> tuple[Tensor, ...]:
    """A state as a tuple, whatever the cell."""
    return (state,) if isinstance(state, Tensor) else tuple(state)


class Reference(nn.Module):
    """Network ``index`` of a population as plain torch.nn layers in double precision, every parameter a leaf."""

    def __init__(self, population: Population, index: int) -> None:
        super().__init__()
        architecture = population.architecture
        options = {"nonlinearity": architecture.nonlinearity} if architecture.cell == "elman" else {}
        kind = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}[architecture.cell]
        self.rnn = kind(
            architecture.input_size, architecture.widest, architecture.num_layers, batch_first=True, **options
        ).double()
        self.linear = nn.Linear(architecture.widest, architecture.output_size).double()
        with torch.no_grad():
            for name, weight in population.weights.items():
                own = self.linear if name.startswith("linear.") else self.rnn
                getattr(own, name.removeprefix("linear.")).copy_(weight[index])

    def gradient(self, name: str) -> Tensor:
        """Gradient of the parameter that a population calls ``name``."""
        own = self.linear if name.startswith("linear.") else self.rnn
        return getattr(own, name.removeprefix("linear.")).grad


def check_against_torch(population: Population, inputs: Tensor, state: Any, dtype: torch.dtype) -> None:
    """Outputs, final state, and the gradients in inputs, initial state and weights of a random linear functional."""
    architecture = population.architecture
    given_state = [] if state is None else [part.requires_grad_() for part in parts_of(state)]
    for weight in population.weights.values():
        weight.requires_grad_()
    if inputs.is_floating_point():
        inputs.requires_grad_()
    outputs, final = run(population, inputs, state)
    results = (outputs, *parts_of(final))
    assert all(result.dtype == dtype for result in results)
    cotangents = [torch.randn_like(result) for result in results]
    sum((c * r).sum() for c, r in zip(cotangents, results, strict=True)).backward()
    for index in range(len(population)):
        reference = Reference(population, index)
        own = inputs[index].detach()
        own = (
            own.double().requires_grad_()
            if own.is_floating_point()
            else nn.functional.one_hot(own, architecture.input_size)
        )
        start = [part[index].detach().double().requires_grad_() for part in given_state]
        hidden, last = reference.rnn(own.double(), as_state(start) if start else None)
        expected = (reference.linear(hidden), *parts_of(last))
        for name, actual, wanted in zip(("outputs", "h", "c"), results, expected, strict=False):
            assert actual[index].shape == wanted.shape, name
            assert_near(actual[index], wanted, dtype)
        sum((c[index].double() * e).sum() for c, e in zip(cotangents, expected, strict=True)).backward()
        for name, weight in population.weights.items():
            assert_near(weight.grad[index], reference.gradient(name), dtype)
        if inputs.is_floating_point():
            assert_near(inputs.grad[index], own.grad, dtype)
        for part, wanted in zip(given_state, start, strict=True):
            assert_near(part.grad[index], wanted.grad, dtype)


@given(
    sizes=st.fixed_dictionaries(
        {
            "input_size": st.integers(1, 20),
            "hidden_size": st.integers(1, 20),
            "num_layers": st.integers(1, 3),
            "output_size": st.integers(1, 20),
        }
    ),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 8)),
    kind=st.sampled_from(["tokens", "floats"]),
    with_state=st.booleans(),
    seed=st.integers(0, 2**16),
)
@example({"input_size": 1, "hidden_size": 1, "num_layers": 1, "output_size": 1}, (1, 1, 1), "floats", True, 0)
@example({"input_size": 1, "hidden_size": 1, "num_layers": 3, "output_size": 1}, (1, 1, 1), "tokens", False, 1)
@example({"input_size": 6, "hidden_size": 17, "num_layers": 1, "output_size": 6}, (3, 1, 13), "tokens", True, 2)
@example({"input_size": 7, "hidden_size": 33, "num_layers": 2, "output_size": 5}, (2, 7, 3), "floats", True, 3)
@example({"input_size": 6, "hidden_size": 32, "num_layers": 2, "output_size": 6}, (2, 9, 11), "tokens", False, 4)
@example({"input_size": 3, "hidden_size": 5, "num_layers": 3, "output_size": 2}, (1, 3, 1), "floats", False, 5)
@example({"input_size": 16, "hidden_size": 16, "num_layers": 1, "output_size": 16}, (5, 16, 4), "tokens", True, 6)
@example({"input_size": 17, "hidden_size": 40, "num_layers": 1, "output_size": 3}, (2, 33, 4), "tokens", False, 7)
@example({"input_size": 50, "hidden_size": 8, "num_layers": 1, "output_size": 50}, (1, 32, 2), "floats", False, 8)
def test_equals_torch_in_outputs_state_and_every_gradient(
    cell: dict[str, Any],
    dtype: torch.dtype,
    random_population: MakePopulation,
    sizes: dict[str, int],
    shape: tuple[int, int, int],
    kind: str,
    with_state: bool,
    seed: int,
) -> None:
    models, batch, steps = shape
    torch.manual_seed(seed)
    architecture = Architecture.stack(**cell, **sizes)
    population = random_population(architecture, models, dtype, seed)
    inputs = draw_inputs(architecture, models, batch, steps, kind, dtype)
    check_against_torch(
        population, inputs, draw_state(architecture, models, batch, dtype) if with_state else None, dtype
    )


def test_views_are_read_as_they_look(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation
) -> None:
    """Weights, inputs and states may be slices, transpositions or expansions of other tensors."""
    torch.manual_seed(0)
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=2)
    every = random_population(architecture, 6, dtype).weights
    weights = {name: (w.mT.contiguous().mT if w.ndim == 3 else w)[::2] for name, w in every.items()}
    inputs = torch.randn(1, 2, 9, 3, dtype=dtype).expand(3, -1, -1, -1)[:, :, 1::2]
    state = [
        torch.randn(5, 2, 2, 3, dtype=dtype).permute(3, 1, 2, 0) for _ in range(2 if architecture.cell == "lstm" else 1)
    ]
    assert not any(tensor.is_contiguous() for tensor in (inputs, *state, *weights.values()))
    found = []
    for tensors in ((inputs, *state, *weights.values()), [t.contiguous() for t in (inputs, *state, *weights.values())]):
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        own = dict(zip(weights, leaves[1 + len(state) :], strict=True))
        outputs, final = run(Population(architecture, own), leaves[0], as_state(leaves[1 : 1 + len(state)]))
        total = outputs.square().sum() + sum(part.sin().sum() for part in parts_of(final))
        found.append([outputs, *parts_of(final), *torch.autograd.grad(total, leaves)])
    for actual, expected in zip(*found, strict=True):
        assert_near(actual, expected, dtype)


def test_training_changes_views_in_place(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation
) -> None:
    """Weights that are slices of other tensors learn where they are, as if they were not."""
    torch.manual_seed(0)
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=5, num_layers=2, output_size=6)
    every = random_population(architecture, 6, dtype)
    before = every.flatten()
    views, copies = every[::2], random_population(architecture, 6, dtype)[[0, 2, 4]]
    for population in (views, copies):
        optimizer = AdamW.start(population)
        generator = torch.Generator().manual_seed(1)
        for _ in range(2):
            tokens = torch.randint(0, 6, (3, 4, 5), generator=generator)
            train_step(population, optimizer, tokens, tokens, 0.01)
    assert_near(every.flatten()[::2], copies.flatten(), dtype)
    assert torch.equal(every.flatten()[1::2], before[1::2])
    assert (copies.flatten() - before[::2]).abs().flatten(1).max(1).values.min() > 0.01


def test_tokens_equal_one_hot_inputs(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation
) -> None:
    torch.manual_seed(0)
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=5, num_layers=2, output_size=4)
    tokens = draw_inputs(architecture, 3, 2, 7, "tokens", dtype)
    found = []
    for inputs in (tokens, nn.functional.one_hot(tokens, 6).to(dtype)):
        population = random_population(architecture, 3, dtype)
        for weight in population.weights.values():
            weight.requires_grad_()
        outputs, state = run(population, inputs)
        (outputs.square().sum() + sum(part.sin().sum() for part in parts_of(state))).backward()
        found.append([outputs, *parts_of(state), *(weight.grad for weight in population.weights.values())])
    for looked_up, multiplied in zip(*found, strict=True):
        assert_near(looked_up, multiplied, dtype)


@pytest.mark.parametrize("integer", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_tokens_of_any_integer_type(
    integer: torch.dtype, dtype: torch.dtype, random_population: MakePopulation
) -> None:
    architecture = Architecture.stack("lstm", 6, 4, 1, 3)
    population = random_population(architecture, 2, dtype)
    tokens = draw_inputs(architecture, 2, 3, 5, "tokens", dtype)
    assert torch.equal(run(population, tokens.to(integer))[0], run(population, tokens)[0])


@pytest.mark.parametrize("kind", ["tokens", "floats"])
@pytest.mark.parametrize("cuts", [(1,) * 6, (2, 4), (5, 1)])
def test_piece_by_piece_equals_all_at_once(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation, kind: str, cuts: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    population = random_population(architecture, 3, dtype)
    inputs, state = draw_inputs(architecture, 3, 2, 6, kind, dtype), draw_state(architecture, 3, 2, dtype)
    together, final = run(population, inputs, state)
    pieces = []
    for piece in inputs.split(cuts, dim=2):
        outputs, state = run(population, piece, state)
        pieces.append(outputs)
    assert_near(torch.cat(pieces, dim=2), together, dtype)
    for part, wanted in zip(parts_of(state), parts_of(final), strict=True):
        assert_near(part, wanted, dtype)


def test_no_state_is_a_state_of_zeros(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation
) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    population = random_population(architecture, 3, dtype)
    inputs = draw_inputs(architecture, 3, 2, 4, "floats", dtype)
    state = draw_state(architecture, 3, 2, dtype)
    zeros = as_state([torch.zeros_like(part) for part in parts_of(state)])
    assert torch.equal(run(population, inputs, zeros)[0], run(population, inputs)[0])


def leaves_of(*results: Tensor) -> set[int]:
    """Ids of the tensors whose gradient a backward pass from ``results`` would accumulate."""
    waiting, seen, leaves = [result.grad_fn for result in results], set(), set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.add(id(node.variable))
        waiting += [following for following, _ in node.next_functions]
    return leaves


@pytest.mark.parametrize("asked", ["nothing", "inputs", "state", "weight_hh_l0", "linear.bias", "weight_ih_l1"])
def test_only_what_requires_a_gradient_gets_one(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation, asked: str
) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    population = random_population(architecture, 3, dtype)
    inputs, state = draw_inputs(architecture, 3, 2, 4, "floats", dtype), draw_state(architecture, 3, 2, dtype)
    every = {"inputs": inputs, "state": parts_of(state)[0], **population.weights}
    if asked != "nothing":
        every[asked].requires_grad_()
    outputs, final = run(population, inputs, state)
    assert outputs.requires_grad == (asked != "nothing")
    assert leaves_of(outputs, *parts_of(final)) == ({id(every[asked])} if asked != "nothing" else set())
    if asked != "nothing":
        outputs.sum().backward()
        assert every[asked].grad is not None
        assert every[asked].grad.abs().max() > 0
    assert [name for name, tensor in every.items() if tensor.grad is not None] == [asked] * (asked != "nothing")


def test_the_oracle_multiplies_no_matrices_for_gradients_nobody_wants(
    cell: dict[str, Any], random_population: MakePopulation
) -> None:
    """Gradients of the inputs alone take about half the multiplications of those of inputs and weights."""
    architecture = Architecture.stack(**cell, input_size=8, hidden_size=8, num_layers=2, output_size=8)
    flops = []
    for names in ((), tuple(architecture.parameter_shapes())):
        population = random_population(architecture, 3)
        inputs = draw_inputs(architecture, 3, 2, 4, "floats", torch.float64).requires_grad_()
        for name in names:
            population.weights[name].requires_grad_()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RNN2VEC_BACKEND", "torch")
            outputs, _ = run(population, inputs)
        with FlopCounterMode(display=False) as counter:
            outputs.sum().backward()
        flops.append(counter.get_total_flops())
    assert 0 < flops[0] < 0.6 * flops[1]


def test_inputs_and_weights_are_left_alone(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation
) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    population = random_population(architecture, 3, dtype)
    inputs, state = draw_inputs(architecture, 3, 2, 4, "floats", dtype), draw_state(architecture, 3, 2, dtype)
    tensors = [inputs, *parts_of(state), *population.weights.values()]
    before = [tensor.clone() for tensor in tensors]
    run(population, inputs, state)
    assert all(torch.equal(old, new) for old, new in zip(before, tensors, strict=True))


@pytest.mark.parametrize("where", ["weight_hh_l0", "weight_ih_l1", "linear.bias"])
def test_nan_in_the_weights_of_a_model_stays_there(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation, where: str
) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    sound, broken = random_population(architecture, 3, dtype), random_population(architecture, 3, dtype)
    broken.weights[where][1] = float("nan")
    inputs = draw_inputs(architecture, 3, 2, 4, "floats", dtype)
    for population in (sound, broken):
        for weight in population.weights.values():
            weight.requires_grad_()
    outputs, expected = run(broken, inputs)[0], run(sound, inputs)[0]
    assert outputs[1].isnan().all()
    assert torch.equal(outputs[[0, 2]], expected[[0, 2]])
    outputs.sum().backward()
    expected.sum().backward()
    for name, weight in broken.weights.items():
        assert torch.equal(weight.grad[[0, 2]], sound.weights[name].grad[[0, 2]])


def test_nan_in_an_input_stays_in_its_sequence_from_its_step_on(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation
) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    inputs = draw_inputs(architecture, 3, 2, 6, "floats", dtype)
    inputs[1, 0, 2, 1] = float("nan")
    outputs, final = run(random_population(architecture, 3, dtype), inputs)
    expected = torch.zeros(3, 2, 6, dtype=torch.bool)
    expected[1, 0, 2:] = True
    assert torch.equal(outputs.isnan().any(-1), expected)
    assert torch.equal(outputs.isnan().all(-1), expected)
    for part in parts_of(final):
        assert torch.equal(part.isnan().any(-1).any(1), expected[:, :, -1])


SPEC = Architecture.stack("lstm", 3, 5, 2, 4)
FLOATS = torch.zeros(2, 3, 6, 3, dtype=torch.float64)
TOKENS = torch.zeros(2, 3, 6, dtype=torch.long)
STATE = torch.zeros(2, 2, 3, 5, dtype=torch.float64)
MISTAKES = {
    "floats of too few models": (
        FLOATS[:1],
        None,
        r"\[2, B, T, 3\] of networks.*; got \[1, 3, 6, 3\]",
    ),
    "floats of too many features": (
        FLOATS.repeat(1, 1, 1, 2),
        None,
        r"\[2, B, T, 3\] of networks, sequences, steps and inputs; got \[2, 3, 6, 6\]",
    ),
    "floats without a batch": (
        FLOATS[:, 0],
        None,
        r"\[2, B, T, 3\] of networks, sequences, steps and inputs; got \[2, 6, 3\]",
    ),
    "tokens of too few models": (TOKENS[:1], None, r"\[2, B, T\] of networks, sequences and steps; got \[1, 3, 6\]"),
    "tokens with features": (
        TOKENS[..., None],
        None,
        r"\[2, B, T\] of networks, sequences and steps; got \[2, 3, 6, 1\]",
    ),
    "token too large": (TOKENS + 3, None, r"tokens lie in 0\.\.2; got 3\.\.3"),
    "token negative": (TOKENS - 1, None, r"tokens lie in 0\.\.2; got -1\.\.-1"),
    "floats of another dtype": (FLOATS.float(), None, r"torch\.float64; got torch\.float32"),
    "floats without steps": (FLOATS[:, :, :0], None, r"at least one step; got \[2, 3, 0, 3\]"),
    "floats without sequences": (FLOATS[:, :0], None, r"at least one sequence .*; got \[2, 0, 6, 3\]"),
    "tokens without steps": (TOKENS[:, :, :0], None, r"at least one step; got \[2, 3, 0\]"),
    "tokens without sequences": (TOKENS[:, :0], None, r"at least one sequence .*; got \[2, 0, 6\]"),
    "state without c": (TOKENS, STATE, r"\(h, c\), each of shape \[2, 2, 3, 5\]; got"),
    "state of three parts": (TOKENS, (STATE,) * 3, r"\(h, c\), each of shape"),
    "state of another batch": (TOKENS, (STATE[:, :, :1],) * 2, r"each of shape \[2, 2, 3, 5\]; got \[\[2, 2, 1, 5\]"),
    "only c of another shape": (TOKENS, (STATE, STATE[:, :1]), r"got \[\[2, 2, 3, 5\], \[2, 1, 3, 5\]\]"),
    "state of another dtype": (TOKENS, (STATE, STATE.float()), r"torch\.float64.*torch\.float32"),
}


@pytest.mark.parametrize(("inputs", "state", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_explained(random_population: MakePopulation, inputs: Tensor, state: Any, message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        run(random_population(SPEC, 2), inputs, state)


@pytest.mark.parametrize("kind", ["gru", "elman"])
def test_a_state_with_c_is_for_lstm_only(random_population: MakePopulation, kind: str) -> None:
    architecture = Architecture.stack(kind, 3, 5, 2, 4)
    with pytest.raises(RNN2VecError, match=r"is h, of shape \[2, 2, 3, 5\]"):
        run(random_population(architecture, 2), TOKENS, (STATE, STATE))


@pytest.mark.parametrize("kind", ["tokens", "floats"])
def test_saturated_units_are_finite(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation, kind: str
) -> None:
    """Gates that hear sums of thousands are 0 or 1, and nothing overflows to NaN, forward or backward."""
    torch.manual_seed(0)
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=5, num_layers=1, output_size=4)
    population = random_population(architecture, 3, dtype)
    large = Population(architecture, {n: w if "linear" in n else w * 1e4 for n, w in population.weights.items()})
    for weight in large.weights.values():
        weight.requires_grad_()
    inputs = draw_inputs(architecture, 3, 4, 2, kind, dtype)
    outputs, _ = run(large, inputs)
    for index in range(3):
        reference, own = Reference(large, index), inputs[index]
        own = own if own.is_floating_point() else nn.functional.one_hot(own, 6)
        assert_near(outputs[index], reference.linear(reference.rnn(own.double())[0]), dtype)
    outputs.square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in large.weights.values())


def test_a_record_too_large_to_keep_is_computed_again(
    cell: dict[str, Any], random_population: MakePopulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    native = importlib.import_module("rnn2vec.engine.native_backend")
    monkeypatch.setattr(native, "TAPE_BYTES", 0)
    monkeypatch.setenv("RNN2VEC_BACKEND", "native")
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=11, num_layers=2, output_size=4)
    for kind in ("tokens", "floats"):
        population = random_population(architecture, 3, torch.float32)
        inputs, state = (
            draw_inputs(architecture, 3, 9, 5, kind, torch.float32),
            draw_state(architecture, 3, 9, torch.float32),
        )
        check_against_torch(population, inputs, state, torch.float32)


def test_gradients_can_be_asked_for_twice(
    cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation
) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    population = random_population(architecture, 3, dtype)
    weights = [weight.requires_grad_() for weight in population.weights.values()]
    outputs, _ = run(population, draw_inputs(architecture, 3, 2, 4, "floats", dtype))
    first = torch.autograd.grad(outputs.square().sum(), weights, retain_graph=True)
    second = torch.autograd.grad(outputs.square().sum(), weights)
    for one, other in zip(first, second, strict=True):
        assert_near(one, other, dtype)


# --- training steps ---


def draw_batches(
    architecture: Architecture, shape: tuple[int, int, int], kind: str, dtype: torch.dtype
) -> list[tuple[Tensor, ...]]:
    """Inputs and target classes of three steps."""
    return [
        (draw_inputs(architecture, *shape, kind, dtype), torch.randint(0, architecture.output_size, shape))
        for _ in range(3)
    ]


RATES = (0.01, torch.tensor([0.003, 0.02, 0.0], dtype=torch.float64), 0.02)
"""One for all networks, or one each."""


@pytest.mark.parametrize("kind", ["tokens", "floats"])
@pytest.mark.parametrize("weight_decay", [0.1, "own"])
@pytest.mark.parametrize(("hidden", "shape"), [(8, (3, 4, 6)), (5, (2, 17, 3)), (1, (1, 1, 1))], ids=str)
def test_training_equals_torchs_adamw_for_each_network(
    cell: dict[str, Any],
    dtype: torch.dtype,
    random_population: MakePopulation,
    hidden: int,
    shape: tuple[int, int, int],
    weight_decay: float | str,
    kind: str,
) -> None:
    torch.manual_seed(0)
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=hidden, num_layers=2, output_size=7)
    population = random_population(architecture, shape[0], dtype)
    references = [Reference(population, index) for index in range(shape[0])]
    own_decays = torch.linspace(0, 0.2, shape[0], dtype=torch.float64)
    decays = own_decays if weight_decay == "own" else torch.full_like(own_decays, weight_decay)
    optimizer = AdamW.start(population, decays if weight_decay == "own" else weight_decay)
    own = [
        torch.optim.AdamW(reference.parameters(), weight_decay=float(decay))
        for reference, decay in zip(references, decays, strict=True)
    ]
    for rate, (inputs, targets) in zip(RATES, draw_batches(architecture, shape, kind, dtype), strict=True):
        rates = torch.as_tensor(rate, dtype=torch.float64).expand(3)[: shape[0]]
        losses = train_step(population, optimizer, inputs, targets, rates if isinstance(rate, Tensor) else rate)
        for index, (reference, theirs) in enumerate(zip(references, own, strict=True)):
            one = inputs[index]
            one = one if one.is_floating_point() else nn.functional.one_hot(one, architecture.input_size)
            outputs = reference.linear(reference.rnn(one.double())[0])
            loss = nn.functional.cross_entropy(outputs.flatten(0, 1), targets[index].flatten())
            assert_near(losses[index], loss.detach(), dtype)
            theirs.zero_grad()
            loss.backward()
            theirs.param_groups[0]["lr"] = float(rates[index])
            theirs.step()
    assert optimizer.step == 3
    # where a gradient is nothing but rounding, Adam's first steps magnify it to the size of the learning rate
    tolerance = {torch.float64: 1e-8, torch.float32: 1e-3}[dtype]
    for index, reference in enumerate(references):
        for name, weight in population.weights.items():
            parameter = getattr(reference.linear if "linear" in name else reference.rnn, name.removeprefix("linear."))
            torch.testing.assert_close(weight[index].double(), parameter.detach(), rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("backend", "hidden", "batch"),
    [*((name, *sizes) for name in engine.BACKENDS for sizes in ((8, 4), (24, 32))), ("native", 5, 3), ("native", 7, 1)],
)
def test_what_a_network_learns_does_not_depend_on_the_others(
    cell: dict[str, Any],
    random_population: MakePopulation,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    hidden: int,
    batch: int,
) -> None:
    """To the last bit; nor, where each thread has whole networks, on the number of threads."""
    torch.manual_seed(0)
    monkeypatch.setenv("RNN2VEC_BACKEND", backend)
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=hidden, num_layers=2, output_size=6)
    every = random_population(architecture, 5, torch.float32)
    batches = draw_batches(architecture, (5, batch, 19), "tokens", torch.float32) * 3

    def trained(rows: list[int], threads: int) -> Tensor:
        population = Population.from_flat(architecture, every.flatten()[rows])
        optimizer = AdamW.start(population)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            for inputs, targets in batches:
                train_step(population, optimizer, inputs[rows], targets[rows], 0.01)
        finally:
            torch.set_num_threads(before)
        return population.flatten()

    together = trained([0, 1, 2, 3, 4], 1)
    for rows in ([3, 1], [1, 2, 4], [4, 4]):
        assert torch.equal(trained(rows, 1), together[rows])
    if backend == "native":
        assert torch.equal(trained([0, 1, 2, 3, 4], 3), together)


TARGET_MISTAKES = {
    "another shape": (torch.zeros(2, 3, 5, dtype=torch.long), r"of the shape \[2, 3, 6\]; got \[2, 3, 5\]"),
    "floats": (torch.zeros(2, 3, 6), r"targets that are numbers have the shape \[2, 3, 6, 4\]"),
    "floats of another dtype": (torch.zeros(2, 3, 6, 4), r"the dtype of the weights, torch.float64"),
    "too large": (TOKENS + 4, r"targets lie in 0\.\.3; got 4\.\.4"),
    "negative": (TOKENS - 1, r"targets lie in 0\.\.3; got -1\.\.-1"),
}


@pytest.mark.parametrize(("targets", "message"), TARGET_MISTAKES.values(), ids=TARGET_MISTAKES)
def test_wrong_targets_are_explained(random_population: MakePopulation, targets: Tensor, message: str) -> None:
    population = random_population(SPEC, 2)
    before = population.flatten()
    optimizer = AdamW.start(population)
    with pytest.raises(RNN2VecError, match=message):
        train_step(population, optimizer, TOKENS, targets, 0.1)
    assert torch.equal(population.flatten(), before)
    assert optimizer.step == 0


# --- backends ---


@pytest.fixture
def choice() -> Iterator[Any]:
    """The choice of a backend, made afresh."""
    engine._backend.cache_clear()
    yield engine._backend
    engine._backend.cache_clear()


def test_the_fastest_backend_is_in_use(choice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNN2VEC_BACKEND", raising=False)
    assert engine.backend_name() == next(iter(engine.BACKENDS)) == "native"


def test_the_environment_names_a_backend(choice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN2VEC_BACKEND", "torch")
    assert engine.backend_name() == "torch"
    monkeypatch.setenv("RNN2VEC_BACKEND", "cuda")
    with pytest.raises(RNN2VecError, match="RNN2VEC_BACKEND is one of native, torch; got 'cuda'"):
        engine.backend_name()


def test_a_backend_that_does_not_load_says_so_once(
    choice: Any, monkeypatch: pytest.MonkeyPatch, random_population: MakePopulation
) -> None:
    load = importlib.import_module

    def fail(name: str) -> Any:
        if name.endswith("native_backend"):
            raise ImportError("no such library")
        return load(name)

    monkeypatch.setattr(engine.importlib, "import_module", fail)
    monkeypatch.delenv("RNN2VEC_BACKEND", raising=False)
    with pytest.warns(RuntimeWarning, match=r"does not load \(no such library\).*many times slower"):
        run(random_population(SPEC, 2), TOKENS)
    assert engine.backend_name() == "torch"
    run(random_population(SPEC, 2), TOKENS)  # a second warning would be an error
