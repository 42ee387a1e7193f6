"""The engine under what users do to PyTorch: default dtypes and devices, tensors changed in place, transformations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from rnn2vec import Architecture, Population, RNN2VecError, engine
from rnn2vec.engine import run, train_step
from rnn2vec.engine.optimizer import AdamW

native = pytest.importorskip("rnn2vec.engine.native_backend")
SPEC = Architecture.stack("lstm", 6, 8, 2, 6)
SETTINGS = (native._native_kind(SPEC, False).native, 1)
TOKENS = torch.randint(6, (3, 4, 5), generator=torch.Generator().manual_seed(0))
FLOATS = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=list(engine.BACKENDS))
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test on every backend."""
    monkeypatch.setenv("RNN2VEC_BACKEND", request.param)
    return request.param


def fresh(architecture: Architecture = SPEC, models: int = 3) -> Population:
    return Population.initialise(architecture, 0, range(models))


def everything() -> list[Tensor]:
    """Outputs, gradients, losses of training and the weights after it."""
    population, inputs = fresh(), FLOATS.clone().requires_grad_()
    outputs, (h, c) = run(population, inputs)
    gradient = torch.autograd.grad(outputs.square().sum() + h.sum(), inputs)[0]
    optimizer = AdamW.start(population, 0.01)
    losses = [train_step(population, optimizer, TOKENS, TOKENS, 0.01) for _ in range(2)]
    return [outputs.detach(), h.detach(), c.detach(), gradient, *losses, population.flatten()]


@pytest.fixture
def defaults() -> Iterator[None]:
    """Put torch's default dtype and device back."""
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_default_dtype_changes_nothing(backend: str, defaults: None, dtype: torch.dtype) -> None:
    expected = everything()
    torch.set_default_dtype(dtype)
    for found, wanted in zip(everything(), expected, strict=True):
        assert found.dtype is torch.float32
        assert torch.equal(found, wanted)


def test_the_default_device_changes_nothing(backend: str, defaults: None) -> None:
    expected = everything()
    torch.set_default_device("meta")
    for found, wanted in zip(everything(), expected, strict=True):
        assert found.device.type == "cpu"
        assert torch.equal(found, wanted)
    torch.set_default_device(None)
    with torch.device("meta"):
        again = everything()
    assert all(torch.equal(found, wanted) for found, wanted in zip(again, expected, strict=True))


def test_training_counts_as_a_change_in_place(backend: str) -> None:
    """A gradient of what was computed before would be made of weights from after."""
    population = fresh()
    for weight in population.weights.values():
        weight.requires_grad_()
    loss = run(population, TOKENS)[0].sum()
    optimizer = AdamW.start(population)
    versions = [moment._version for moment in optimizer.first.values()]
    train_step(population, optimizer, TOKENS, TOKENS, 0.1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    assert all(m._version > before for m, before in zip(optimizer.first.values(), versions, strict=True))


def test_weights_of_inference_mode_are_trained(backend: str) -> None:
    expected = fresh()
    train_step(expected, AdamW.start(expected), TOKENS, TOKENS, 0.1)
    with torch.inference_mode():
        population = fresh()
        if backend == "torch":
            with pytest.raises(RNN2VecError, match="leave torch"):
                train_step(population, AdamW.start(population), TOKENS, TOKENS, 0.1)
            return
        train_step(population, AdamW.start(population), TOKENS, TOKENS, 0.1)
    assert torch.equal(population.flatten(), expected.flatten())


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own forward mode calls it
@pytest.mark.parametrize("wanted", ["inputs", "weights"])
def test_forward_mode_derivatives(backend: str, wanted: str) -> None:
    population = fresh()
    direction = torch.randn(FLOATS.shape, generator=torch.Generator().manual_seed(1))
    step = 1e-3
    with forward_ad.dual_level():
        if wanted == "inputs":
            found = run(population, forward_ad.make_dual(FLOATS, direction))[0]
            moved = [(population, FLOATS + sign * step * direction) for sign in (1, -1)]
        else:
            weights = population.weights
            own = torch.ones_like(weights["weight_hh_l1"])
            dual = {**weights, "weight_hh_l1": forward_ad.make_dual(weights["weight_hh_l1"], own)}
            found = run(Population(SPEC, dual), FLOATS)[0]
            moved = [
                (Population(SPEC, {**weights, "weight_hh_l1": weights["weight_hh_l1"] + sign * step * own}), FLOATS)
                for sign in (1, -1)
            ]
        tangent = forward_ad.unpack_dual(found).tangent
    assert tangent is not None
    upper, lower = (run(own, inputs)[0] for own, inputs in moved)
    torch.testing.assert_close(tangent, (upper - lower) / (2 * step), rtol=0.02, atol=1e-4)


def outputs_of(population: Population) -> Callable[[Tensor], Tensor]:
    return lambda inputs: run(population, inputs)[0]


TRANSFORMED: dict[str, Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]] = {
    "make_fx": lambda f: make_fx(f)(FLOATS * 0),
    "jit.trace": lambda f: torch.jit.trace(f, FLOATS * 0, check_trace=False),
    "compile": lambda f: torch.compile(f, backend="eager"),
    "vmap": lambda f: lambda x: torch.func.vmap(f)(torch.stack([x, -x]))[0],
    "jvp": lambda f: lambda x: torch.func.jvp(f, (x,), (x,))[0],
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning", "ignore:Dynamo detected")
@pytest.mark.parametrize("transform", TRANSFORMED.values(), ids=TRANSFORMED)
def test_transformed_functions_are_the_same_function(transform: Any) -> None:
    function = outputs_of(fresh())
    torch.testing.assert_close(transform(function)(FLOATS), function(FLOATS), rtol=1e-4, atol=1e-6)


def test_gradients_by_transformation() -> None:
    function = outputs_of(fresh())
    inputs = FLOATS.clone().requires_grad_()
    expected = torch.autograd.grad(function(inputs).square().sum(), inputs)[0]
    found = torch.func.grad(lambda x: function(x).square().sum())(FLOATS)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_operations_are_counted_by_who_counts_them() -> None:
    with FlopCounterMode(display=False) as counter:
        run(fresh(), FLOATS)
    assert counter.get_total_flops() > 0


def test_many_gradients_at_once_are_refused() -> None:
    inputs = FLOATS.clone().requires_grad_()
    outputs = run(fresh(), inputs)[0]
    with pytest.raises(RNN2VecError, match=r"no memory of its own.*RNN2VEC_BACKEND=torch"):
        torch.autograd.grad(outputs, inputs, torch.randn(2, *outputs.shape), is_grads_batched=True)


def test_a_sign_that_is_only_shown_is_read() -> None:
    population, shown = fresh(), torch._neg_view(FLOATS)
    assert shown.is_neg()
    assert torch.equal(run(population, shown)[0], run(population, -FLOATS)[0])
    shown.requires_grad_()
    negative = (-FLOATS).requires_grad_()
    found, expected = (torch.autograd.grad(run(population, x)[0].sum(), x)[0] for x in (shown, negative))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("change", ["smaller", "replaced", "another dtype"])
def test_tensors_changed_in_place_are_seen(change: str) -> None:
    population = fresh()
    weight = population.weights["weight_hh_l0"]
    if change == "smaller":
        weight.resize_(1)
    elif change == "replaced":
        weight.set_(torch.zeros(2, 3))
    else:
        weight.data = weight.double()
    with pytest.raises(RNN2VecError, match="changed in place"):
        run(population, TOKENS)


def test_what_hooks_return_is_checked() -> None:
    population, inputs = fresh(), FLOATS.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t.half()):
        outputs = run(population, inputs)[0]
    with pytest.raises(RNN2VecError, match=r"float32 numbers .*got a Tensor of torch\.float16"):
        outputs.sum().backward()


@pytest.mark.parametrize("kept", [True, False])
def test_kernels_may_be_chosen_between_the_passes(monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    sets = native._native.instruction_sets()
    if not kept:
        monkeypatch.setattr(native, "TAPE_BYTES", 0)
    population, inputs = fresh(), FLOATS.clone().requires_grad_()
    expected = torch.autograd.grad(run(population, inputs)[0].square().sum(), inputs)[0]
    try:
        for first in sets:
            for then in sets:
                native._native.use_instruction_set(first)
                loss = run(population, inputs)[0].square().sum()
                native._native.use_instruction_set(then)
                found = torch.autograd.grad(loss, inputs)[0]
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    finally:
        native._native.use_instruction_set(sets[0])


MISTAKES: dict[str, tuple[Any, str]] = {
    "numpy": (np.zeros((3, 4, 5), dtype=np.int64), r"inputs are a torch tensor; got ndarray"),
    "a list": ([[[0]]], r"inputs are a torch tensor; got list"),
    "booleans": (TOKENS > 2, r"tokens are whole numbers; got torch\.bool"),
    "complex": (TOKENS.to(torch.complex64), r"tokens are whole numbers; got torch\.complex64"),
    "meta": (TOKENS.to("meta"), "device of the weights, cpu; got meta"),
    "sparse": (FLOATS.to_sparse(), "a dense tensor"),
}


@pytest.mark.parametrize(("inputs", "message"), MISTAKES.values(), ids=MISTAKES)
def test_inputs_that_are_no_ordinary_tensor(backend: str, inputs: Any, message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        run(fresh(), inputs)


def test_states_and_targets_that_are_no_ordinary_tensor(backend: str) -> None:
    population = fresh()
    state = torch.zeros(3, 2, 4, 8)
    with pytest.raises(RNN2VecError, match="states are a torch tensor; got ndarray"):
        run(population, TOKENS, (state.numpy(), state))
    with pytest.raises(RNN2VecError, match=r"states are .*; got meta"):
        run(population, TOKENS, (state, state.to("meta")))
    with pytest.raises(RNN2VecError, match="states are a torch tensor; got int"):
        run(population, TOKENS, 0)
    optimizer = AdamW.start(population)
    for targets, message in (
        (TOKENS.to("meta"), r"targets are .*; got meta"),
        (TOKENS.numpy(), "targets are a torch tensor"),
        (TOKENS > 2, "targets are whole numbers"),
        (TOKENS.float(), "targets that are numbers have the shape"),
    ):
        with pytest.raises(RNN2VecError, match=message):
            train_step(population, optimizer, TOKENS, targets, 0.1)
    ones = torch.ones(TOKENS.shape)
    for mask, message in (
        (ones.to("meta"), r"masks are .*; got meta"),
        (ones[:, :, :1], "a mask has the shape"),
        (ones > 0, "a mask has the shape .* got .* of torch.bool"),
        (-ones, "not negative; got -1.0"),
        (ones * float("nan"), "finite and not negative"),
        (ones * torch.tensor([1.0, 0.0, 1.0])[:, None, None], "at least one step of each network"),
    ):
        with pytest.raises(RNN2VecError, match=message):
            train_step(population, optimizer, TOKENS, TOKENS, 0.1, mask)
    assert optimizer.step == 0


def test_what_is_masked_counts_nothing(backend: str) -> None:
    """A mask of ones is no mask, and targets where it is zero may be anything."""
    mask = (torch.rand(TOKENS.shape, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    mask[:, 0, 0] = 1
    found = []
    for targets, own in (
        (TOKENS, None),
        (TOKENS, torch.ones(TOKENS.shape)),
        (TOKENS, mask),
        (TOKENS * mask.long(), mask),
    ):
        population = Population.initialise(SPEC, 0, range(3))
        losses = train_step(population, AdamW.start(population), TOKENS, targets, 0.1, own)
        found.append((losses, population.flatten()))
    for a, b in ((0, 1), (2, 3)):
        torch.testing.assert_close(found[a], found[b], rtol=1e-6, atol=1e-7)
    assert not torch.allclose(found[0][0], found[2][0])


def test_moments_and_rates_are_checked(backend: str) -> None:
    population = fresh()
    before = population.flatten()

    def broken(**changes: Any) -> AdamW:
        optimizer = AdamW.start(population)
        for name, value in changes.items():
            setattr(optimizer, name, value)
        return optimizer

    first = AdamW.start(population).first
    for optimizer, message in (
        (broken(first={}), "named as the weights; missing"),
        (broken(second={**first, "linear.bias": first["linear.bias"].double()}), "of their dtype"),
        (broken(first={**first, "linear.bias": first["linear.bias"].to("meta")}), "dtype and device"),
        (broken(weight_decay=torch.zeros(2)), "one for each of 3 networks"),
        (broken(weight_decay=float("nan")), "one finite number"),
        (broken(weight_decay="a"), "weight_decay is a number"),
        (broken(betas=(0.9, 1.0)), "betas are two numbers"),
        (broken(betas=(float("nan"), 0.9)), "each of betas is a finite number"),
        (broken(epsilon=0.0), "epsilon is above 0"),
        (broken(step=-1), "step is at least 0"),
    ):
        with pytest.raises(RNN2VecError, match=message):
            train_step(population, optimizer, TOKENS, TOKENS, 0.1)
    for rate in (float("nan"), 1e39, -0.1, "a", None, True, 1j, 10**400, torch.ones(2), torch.tensor([0.1, -0.1, 0.1])):
        with pytest.raises(RNN2VecError, match=r"learning_rate is (a|one) (finite )?number"):
            train_step(population, AdamW.start(population), TOKENS, TOKENS, rate)
    assert torch.equal(population.flatten(), before)


def test_memory_of_copies_lives_as_long_as_the_call() -> None:
    """What a call points to is its own to keep: here, a copy of a tensor that lay in memory in another way."""
    population = fresh()
    turned = FLOATS.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert not turned.is_contiguous()
    state = [torch.zeros(3, 2, 4, 8) for _ in range(2)]
    call = native._native.Call(*SETTINGS, turned, state, list(population.weights.values()))
    written = [torch.empty(3, 4, 5, 6), torch.empty(3, 2, 4, 8), torch.empty(3, 2, 4, 8)]
    expected = run(population, FLOATS)[0]
    del state, population
    garbage = [torch.full((3, 4, 5, 6), float("nan")) for _ in range(50)]
    native._native.forward(call, None, written)
    assert torch.equal(written[0], expected)
    assert len(garbage) == 50


@pytest.mark.parametrize("where", range(3))
def test_what_is_written_is_in_one_piece(where: int) -> None:
    population = fresh()
    state = [torch.zeros(3, 2, 4, 8) for _ in range(2)]
    call = native._native.Call(*SETTINGS, FLOATS, state, list(population.weights.values()))
    written = [torch.empty(3, 4, 5, 6), torch.empty(3, 2, 4, 8), torch.empty(3, 2, 4, 8)]
    written[where] = written[where].transpose(0, 1).contiguous().transpose(0, 1)
    with pytest.raises(RNN2VecError, match="in one piece"):
        native._native.forward(call, None, written)


def test_weights_that_share_memory_are_not_trained(backend: str) -> None:
    population = fresh()
    shared = Population(SPEC, {name: weight[:1].expand_as(weight) for name, weight in population.weights.items()})
    optimizer = AdamW.start(population)
    with pytest.raises(RNN2VecError, match="memory of its own"):
        train_step(shared, optimizer, TOKENS, TOKENS, 0.1)
    assert optimizer.step == 0
    assert not any(moment.any() for moment in optimizer.first.values())


def test_calls_without_their_tensors_are_refused() -> None:
    weights, settings = list(fresh().weights.values()), SETTINGS
    outputs, h = torch.empty(3, 4, 5, 6), torch.zeros(3, 2, 4, 8)
    call = native._native.Call(*settings, FLOATS, [], weights)
    for written in ([], [outputs], [outputs, h], [None, h, h], [outputs, None, h]):
        with pytest.raises((ValueError, RNN2VecError)):
            native._native.forward(call, None, written)
    for arguments in (([], [], [None] * 10), ([None], [None], [None] * 10), ([None] * 3, [None] * 3, [None])):
        with pytest.raises((ValueError, RNN2VecError)):
            native._native.backward(call, None, *arguments)
    with pytest.raises((ValueError, RNN2VecError)):
        native._native.Call(*settings, FLOATS, [], [None] * 10)
    with pytest.raises((ValueError, RNN2VecError)):
        native._native.Call(*settings, FLOATS, [h], weights)
    with pytest.raises(TypeError):
        native._native.train(call, weights, None, weights, weights, [[0.0] * 7] * 3, torch.empty(3))
