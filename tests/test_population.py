"""Populations: stacking modules, taking them apart again, renumbering hidden units, fresh networks."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn2vec import Architecture, Population, RNN2VecError
from rnn2vec.engine import run
from rnn2vec.networks.population import concatenate
from rnn2vec.networks.reading import RecurrentNetwork

MakePopulation = Callable[..., Population]
"""``make(architecture, models, dtype, seed)``, see ``conftest.py``."""


def parts_of(state: Any) -> tuple[Tensor, ...]:
    """A state as a tuple, whatever the cell."""
    return (state,) if isinstance(state, Tensor) else tuple(state)


class Nested(nn.Module):
    """The two layers under names of their own, one of them deeper down, the head first, dropout besides."""

    def __init__(self, rnn: nn.RNNBase, head: nn.Linear) -> None:
        super().__init__()
        self.readout = nn.Sequential(nn.Dropout(0.1), head)
        self.body = nn.ModuleDict({"memory": nn.ModuleList([rnn])})


class SubclassedGRU(nn.GRU):
    """A recurrent layer of a user's own class."""


KINDS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}


def recurrent_layer(architecture: Architecture, **options: Any) -> nn.RNNBase:
    """A torch.nn layer of an architecture."""
    if architecture.cell == "elman":
        options["nonlinearity"] = architecture.nonlinearity
    return KINDS[architecture.cell](architecture.input_size, architecture.widest, architecture.num_layers, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_from_modules_whatever_their_names(cell: dict[str, Any], dtype: torch.dtype) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    layers = [(recurrent_layer(architecture).to(dtype), nn.Linear(5, 4).to(dtype)) for _ in range(3)]
    wrapped = [Nested(*layers[0]), nn.ModuleList(layers[1][::-1]), nn.Sequential(*layers[2])]
    population = Population.from_modules(wrapped, prove=False)  # lists of layers have no forward
    assert population.architecture == architecture
    assert len(population) == 3
    assert population.dtype == dtype
    assert list(population.weights) == list(architecture.parameter_shapes())
    for index, (rnn, head) in enumerate(layers):
        for name, weight in population.weights.items():
            own = getattr(head, name[7:]) if name.startswith("linear.") else getattr(rnn, name)
            assert torch.equal(weight[index], own)
            assert not weight.requires_grad


def test_from_modules_copies() -> None:
    module = nn.ModuleList([nn.GRU(2, 3), nn.Linear(3, 2)])
    population = Population.from_modules([module], prove=False)
    before = population.flatten().clone()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    assert torch.equal(population.flatten(), before)


def test_from_modules_knows_subclasses() -> None:
    assert (
        Population.from_modules([nn.Sequential(SubclassedGRU(2, 3), nn.Linear(3, 1))], prove=False).architecture.cell
        == "gru"
    )


@pytest.mark.parametrize(("rnn_bias", "head_bias"), [(False, True), (True, False), (False, False)])
def test_missing_biases_are_zeros(cell: dict[str, Any], rnn_bias: bool, head_bias: bool) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    rnn = recurrent_layer(architecture, bias=rnn_bias, batch_first=True).double()
    head = nn.Linear(5, 4, bias=head_bias).double()
    population = Population.from_modules([nn.ModuleList([rnn, head])], prove=False)
    zero = {name for name, weight in population.weights.items() if not weight.any()}
    given = {"linear": head_bias, "bias": rnn_bias}
    expected = {name for name in population.weights if "bias" in name and not given[name[:6].split("_")[0]]}
    assert zero == expected
    assert {weight.dtype for weight in population.weights.values()} == {torch.float64}
    inputs = torch.randn(1, 2, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(run(population, inputs)[0][0], head(rnn(inputs[0])[0]))


REFUSED = {
    "none": ([], "at least one network"),
    "two recurrent layers": (
        [nn.ModuleList([nn.LSTM(2, 3), nn.GRU(3, 3), nn.Linear(3, 1)])],
        r"module 0 .*holds 2 and 1: ask it as it is",
    ),
    "no head": ([nn.ModuleList([nn.LSTM(2, 3)])], r"module 0 .*holds 1 and 0"),
    "a bare layer": ([nn.GRU(2, 3)], r"module 0 \(GRU\) holds 1 and 0"),
    "two heads": ([nn.ModuleList([nn.LSTM(2, 3), nn.Linear(3, 1), nn.Linear(3, 1)])], r"holds 1 and 2"),
    "no recurrent layer": ([nn.Sequential(nn.Linear(2, 3))], r"module 0 \(Sequential\) holds 0 and 1"),
    "bidirectional": (
        [nn.ModuleList([nn.GRU(2, 3, bidirectional=True), nn.Linear(6, 1)])],
        "bidirectional=True.*: ask it as it is",
    ),
    "projection": ([nn.ModuleList([nn.LSTM(2, 3, proj_size=2), nn.Linear(2, 1)])], "proj_size=2"),
    "head of another width": (
        [nn.ModuleList([nn.LSTM(2, 3), nn.Linear(4, 1)])],
        "hidden state of 3; .*reads 4 .*: ask it as it is",
    ),
    "mixed hidden sizes": (
        [nn.ModuleList([nn.LSTM(2, 3), nn.Linear(3, 1)]), nn.ModuleList([nn.LSTM(2, 4), nn.Linear(4, 1)])],
        r"module 0 is LSTM, 1 x 3, .* module 1 is LSTM, 1 x 4",
    ),
    "mixed cells": (
        [nn.ModuleList([nn.LSTM(2, 3), nn.Linear(3, 1)]), nn.ModuleList([nn.GRU(2, 3), nn.Linear(3, 1)])],
        r"module 1 is GRU",
    ),
    "mixed nonlinearities": (
        [nn.ModuleList([nn.RNN(2, 3, nonlinearity=kind), nn.Linear(3, 1)]) for kind in ("tanh", "relu")],
        r"Elman \(tanh\).*Elman \(relu\)",
    ),
    "the second is wrong": (
        [nn.ModuleList([nn.LSTM(2, 3), nn.Linear(3, 1)]), nn.ModuleList([nn.LSTM(2, 3)])],
        r"module 1 .*holds 1 and 0",
    ),
}


@pytest.mark.parametrize(("modules", "message"), REFUSED.values(), ids=REFUSED)
def test_from_modules_explains_what_it_refuses(modules: list[nn.Module], message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        Population.from_modules(modules, prove=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_to_modules_and_back(cell: dict[str, Any], dtype: torch.dtype, random_population: MakePopulation) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    population = random_population(architecture, 3, dtype)
    modules = population.to_modules()
    back = Population.from_modules(modules)
    assert back.architecture == architecture
    assert all(torch.equal(back.weights[name], weight) for name, weight in population.weights.items())
    assert back.dtype == dtype
    inputs = torch.randn(3, 2, 6, 3, dtype=dtype)
    outputs, state = run(population, inputs)
    for index, module in enumerate(modules):
        expected, final = module(inputs[index])
        for actual, wanted in zip((outputs, *parts_of(state)), (expected, *parts_of(final)), strict=True):
            torch.testing.assert_close(actual[index], wanted)


def test_modules_own_their_weights(random_population: MakePopulation) -> None:
    population = random_population(Architecture.stack("gru", 2, 3, 1, 2))
    before = population.flatten().clone()
    for module in population.to_modules():
        for parameter in module.parameters():
            assert parameter.requires_grad
            parameter.data.zero_()
    assert torch.equal(population.flatten(), before)


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 4)),
    models=st.integers(1, 4),
)
def test_flatten_and_back(cell: dict[str, Any], sizes: tuple[int, int, int, int], models: int) -> None:
    architecture = Architecture.stack(cell["cell"], *sizes, cell.get("nonlinearity", "tanh"))
    flat = torch.arange(models * architecture.num_parameters, dtype=torch.float64).reshape(models, -1)
    population = Population.from_flat(architecture, flat)
    assert torch.equal(population.flatten(), flat)
    in_torchs_order = [
        torch.cat([parameter.flatten() for parameter in (*module.rnn.parameters(), *module.linear.parameters())])
        for module in population.to_modules()
    ]
    assert torch.equal(torch.stack(in_torchs_order), flat)


@pytest.mark.parametrize("shape", [(3, 5), (77,), (1, 1, 77)])
def test_from_flat_names_the_shape(shape: tuple[int, ...]) -> None:
    architecture = Architecture.stack("elman", 2, 6, 1, 2)
    with pytest.raises(RNN2VecError, match=rf"\[N, {architecture.num_parameters}\]; got \{list(shape)}"):
        Population.from_flat(architecture, torch.zeros(shape))


@given(seed=st.integers(0, 2**16), hidden=st.integers(2, 7), layers=st.integers(1, 3), models=st.integers(1, 4))
def test_renumbering_units_leaves_the_function(
    cell: dict[str, Any], random_population: MakePopulation, seed: int, hidden: int, layers: int, models: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=hidden, num_layers=layers, output_size=2)
    population = random_population(architecture, models, seed=seed)
    orders = [torch.stack([torch.randperm(hidden, generator=generator) for _ in range(models)]) for _ in range(layers)]
    renumbered = population.permute_hidden(orders)
    inputs = torch.randn(models, 2, 5, 3, dtype=torch.float64, generator=generator)
    (outputs, state), (expected, wanted) = run(renumbered, inputs), run(population, inputs)
    torch.testing.assert_close(outputs, expected)
    for actual, part in zip(parts_of(state), parts_of(wanted), strict=True):
        for layer, order in enumerate(orders):
            places = order[:, None].expand(-1, 2, -1)
            torch.testing.assert_close(actual[:, layer], part[:, layer].gather(2, places))
    for index in range(models):
        moved = any((order[index] != torch.arange(hidden)).any() for order in orders)
        assert torch.equal(renumbered.flatten()[index], population.flatten()[index]) != moved


def test_random_renumbering_differs_between_networks_and_layers(
    cell: dict[str, Any], random_population: MakePopulation
) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=16, num_layers=2, output_size=2)
    one = random_population(architecture, 1)
    population = concatenate([one, one, one])
    renumbered = population.permute_hidden_randomly(torch.Generator().manual_seed(0))
    again = population.permute_hidden_randomly(torch.Generator().manual_seed(0))
    other = population.permute_hidden_randomly(torch.Generator().manual_seed(1))
    flat = renumbered.flatten()
    assert torch.equal(flat, again.flatten())
    assert not torch.equal(flat, other.flatten())
    assert len({tuple(row.tolist()) for row in (*flat, *one.flatten())}) == 4
    orders = [renumbered.weights[f"bias_hh_l{layer}"][0, :16].argsort().tolist() for layer in range(2)]
    before = [population.weights[f"bias_hh_l{layer}"][0, :16].argsort().tolist() for layer in range(2)]
    moves = [[old.index(unit) for unit in new] for old, new in zip(before, orders, strict=True)]
    assert moves[0] != moves[1]
    assert sorted(moves[0]) == list(range(16))
    inputs = torch.randn(3, 1, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(run(renumbered, inputs)[0], run(population, inputs)[0])


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (1, [1]),
        (-1, [4]),
        (np.int64(3), [3]),
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, 2), [0, 2, 4]),
        ([3, 0, 3], [3, 0, 3]),
        (np.array([4, 1]), [4, 1]),
        (torch.tensor([2, 2]), [2, 2]),
        (np.array([True, False, False, True, False]), [0, 3]),
        (slice(None, None, -2), [4, 2, 0]),
        (torch.tensor(1), [1]),
        ([True, False, False, False, True], [0, 4]),
    ],
    ids=str,
)
def test_indexing(random_population: MakePopulation, index: Any, rows: list[int]) -> None:
    population = random_population(Architecture.stack("lstm", 2, 3, 1, 2), 5, torch.float32)
    chosen = population[index]
    assert len(chosen) == len(rows)
    assert chosen.dtype == torch.float32
    assert torch.equal(chosen.flatten(), population.flatten()[rows])


@pytest.mark.parametrize("index", [5, -6, [], slice(2, 2), [0.5], [True, False], np.zeros(5, dtype=bool)], ids=str)
def test_indexing_what_is_not_there(random_population: MakePopulation, index: Any) -> None:
    population = random_population(Architecture.stack("lstm", 2, 3, 1, 2), 5)
    with pytest.raises(RNN2VecError, match=r"network|whole numbers"):
        population[index]
    assert [len(network) for network in population] == [1] * 5  # iteration ends


def test_a_population_holds_a_network() -> None:
    architecture = Architecture.stack("gru", 2, 3, 1, 2)
    with pytest.raises(RNN2VecError, match="at least one network"):
        Population(
            architecture, {name: torch.zeros(0, *shape) for name, shape in architecture.parameter_shapes().items()}
        )
    with pytest.raises(RNN2VecError, match="at least one network"):
        Population.from_flat(architecture, torch.zeros(0, architecture.num_parameters))


@pytest.mark.parametrize("models", [1, 2])
def test_from_flat_copies(models: int) -> None:
    architecture = Architecture.stack("gru", 2, 3, 1, 2)
    flat = torch.zeros(models, architecture.num_parameters)
    for weight in Population.from_flat(architecture, flat).weights.values():
        weight.add_(1.0)
    assert not flat.any()


@pytest.mark.filterwarnings("ignore::FutureWarning")  # old PyTorch unpickles tensors in a way that it warns of
def test_which_tensors_a_population_holds_is_fixed(random_population: MakePopulation) -> None:
    population = random_population(Architecture.stack("gru", 2, 3, 1, 2))
    weights, before = population.weights, population.flatten()
    for change in (
        lambda: weights.pop("weight_ih_l0"),
        lambda: weights.popitem(),
        lambda: weights.clear(),
        lambda: weights.update(a=1),
        lambda: weights.setdefault("a", 1),
        lambda: weights.__ior__({"a": 1}),
        lambda: weights.__setitem__("linear.bias", torch.zeros(3, 2)),
        lambda: weights.__delitem__("linear.bias"),
    ):
        with pytest.raises(RNN2VecError, match="make another, Population"):
            change()
    assert torch.equal(population.flatten(), before)
    copied = copy.deepcopy(population)
    assert torch.equal(pickle.loads(pickle.dumps(copied)).flatten(), before)
    weights["linear.bias"].fill_(3.0)  # values may change
    assert (population.flatten()[:, -2:] == 3.0).all()


def test_weights_are_tensors_on_one_device() -> None:
    architecture = Architecture.stack("gru", 2, 3, 1, 2)
    weights = {name: torch.zeros(2, *shape) for name, shape in architecture.parameter_shapes().items()}
    with pytest.raises(RNN2VecError, match=r"torch tensors; linear\.bias is ndarray"):
        Population(architecture, {**weights, "linear.bias": np.zeros((2, 2), dtype=np.float32)})
    with pytest.raises(RNN2VecError, match="one device; got cpu, meta"):
        Population(architecture, {**weights, "linear.bias": torch.zeros(2, 2, device="meta")})


def test_concatenate_joins_in_order(random_population: MakePopulation) -> None:
    architecture = Architecture.stack("gru", 2, 3, 1, 2)
    first, second = random_population(architecture, 2, seed=1), random_population(architecture, 3, seed=2)
    assert torch.equal(concatenate([second, first]).flatten(), torch.cat([second.flatten(), first.flatten()]))
    with pytest.raises(RNN2VecError, match="populations of one architecture"):
        concatenate([first, random_population(Architecture.stack("gru", 2, 4, 1, 2))])
    with pytest.raises(RNN2VecError, match="populations of one architecture"):
        concatenate([])


def test_every_operation_keeps_the_dtype(random_population: MakePopulation) -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        population = random_population(Architecture.stack("gru", 2, 3, 2, 2), 3, dtype)
        results = [
            population[1:],
            population.permute_hidden_randomly(),
            concatenate([population, population]),
            Population.from_modules(population.to_modules()),
            Population.from_flat(population.architecture, population.flatten()),
        ]
        for result in results:
            assert {weight.dtype for weight in result.weights.values()} == {dtype}
        assert population.to(torch.float32).dtype == torch.float32


def test_fresh_networks_do_not_depend_on_each_other(cell: dict[str, Any]) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    every = Population.initialise(architecture, 7, range(6))
    for models in ([4], [5, 1], [0, 1, 2, 3]):
        assert torch.equal(Population.initialise(architecture, 7, models).flatten(), every.flatten()[models])
    assert len(every.flatten().unique(dim=0)) == 6
    assert (Population.initialise(architecture, 8, range(6)).flatten() == every.flatten()).float().mean() < 0.01


def test_fresh_networks_numbered_by_numpy() -> None:
    architecture = Architecture.stack("gru", 2, 3, 1, 2)
    assert torch.equal(
        Population.initialise(architecture, 7, np.arange(3)).flatten(),
        Population.initialise(architecture, 7, [0, 1, 2]).flatten(),
    )


@pytest.mark.parametrize("hidden", [10**7, 10**9, 2**31 - 1])
def test_networks_that_no_memory_holds_are_refused(hidden: int) -> None:
    with pytest.raises(RNN2VecError, match="no memory for 1 networks"):
        Population.initialise(Architecture.stack("gru", 2, hidden, 1, 2), 0, [0])


def test_no_fresh_networks_are_refused() -> None:
    with pytest.raises(RNN2VecError, match="at least one network; got no models"):
        Population.initialise(Architecture.stack("gru", 2, 3, 1, 2), 7, [])


def test_fresh_networks_are_uniform_as_torchs_own(cell: dict[str, Any]) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=16, num_layers=2, output_size=4)
    population = Population.initialise(architecture, 0, range(200))
    assert population.dtype == torch.float32
    for weight in population.weights.values():
        scaled = weight * 4  # in units of 1 / sqrt(H)
        assert scaled.abs().max() <= 1
        assert scaled.max() > 0.98
        assert scaled.min() < -0.98
        assert abs(float(scaled.mean())) < 6 / (3 * weight.numel()) ** 0.5
        assert float(scaled.var()) == pytest.approx(1 / 3, rel=0.1)


def test_gradients_flow_to_the_weights(cell: dict[str, Any], random_population: MakePopulation) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    population = random_population(architecture)
    for weight in population.weights.values():
        weight.requires_grad_()
    renumbered = population[[2, 0]].permute_hidden_randomly()
    run(renumbered, torch.randn(2, 2, 4, 3, dtype=torch.float64))[0].square().sum().backward()
    for weight in population.weights.values():
        assert weight.grad[[0, 2]].flatten(1).any(1).all()
        assert not weight.grad[1].any()  # it was left out


def test_training_a_population_is_training_its_modules(cell: dict[str, Any], random_population: MakePopulation) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=1, output_size=4)
    population = random_population(architecture)
    modules = population.to_modules()
    inputs, targets = torch.randn(3, 2, 4, 3).double(), torch.randn(3, 2, 4, 4).double()
    optimizer = torch.optim.SGD([weight.requires_grad_() for weight in population.weights.values()], lr=0.05)
    own = torch.optim.SGD([parameter for module in modules for parameter in module.parameters()], lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        (run(population, inputs)[0] - targets).square().sum().backward()
        optimizer.step()
        own.zero_grad()
        sum((m(x)[0] - y).square().sum() for m, x, y in zip(modules, inputs, targets, strict=True)).backward()
        own.step()
    torch.testing.assert_close(Population.from_modules(modules).flatten(), population.flatten())


WRONG_SPECS = {
    "cell": ({"cell": "transformer"}, "lstm, gru, elman, leaky; got 'transformer'"),
    "nonlinearity": ({"cell": "elman", "nonlinearity": "sigmoid"}, "tanh or relu; got 'sigmoid'"),
    "relu for lstm": ({"nonlinearity": "relu"}, "the nonlinearity of LSTM cells is tanh; got 'relu'"),
    "zero": ({"hidden_sizes": [0]}, "each of hidden_sizes is at least 1; got 0"),
    "fraction": ({"hidden_sizes": [4.0]}, "each of hidden_sizes is a whole number"),
    "text": ({"input_size": "6"}, "input_size is a whole number"),
    "truth": ({"output_size": True}, "output_size is a whole number"),
    "no layers": ({"hidden_sizes": []}, r"1\.\.1000 recurrent layers; got 0"),
    "sizes a number": ({"hidden_sizes": 4}, "hidden_sizes is a list; got 4"),
    "reset of an LSTM": ({"reset": "before"}, "only GRU cells have a choice of reset"),
    "unknown reset": ({"cell": "gru", "reset": "never"}, "the reset of a GRU cell is one of after, before"),
    "leak of an LSTM": ({"leak": "inside"}, "only leaky cells have a choice of leak"),
    "activation": ({"output_activation": "swish"}, "the output_activation is one of identity, tanh"),
    "head": ({"head": [{"size": 0, "activation": "tanh"}]}, "the size of a head's layer is at least 1"),
    "skip to more outputs": ({"skip": True, "output_size": 7}, "adds an input to every output; got 6 inputs and 7"),
    "skip a number": ({"skip": 1}, "skip is True or False; got 1"),
    "unknown field": ({"dropout": 0.1}, "has the fields cell, .*dropout"),
}


@pytest.mark.parametrize(("fields", "message"), WRONG_SPECS.values(), ids=WRONG_SPECS)
def test_a_wrong_spec_is_explained(fields: dict[str, Any], message: str) -> None:
    architecture = Architecture.stack("lstm", 6, 4, 1, 6)
    with pytest.raises(RNN2VecError, match=message):
        Architecture.from_dict({**architecture.to_dict(), **fields})


def test_a_spec_survives_its_dictionary(cell: dict[str, Any]) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=5, num_layers=2, output_size=4)
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    module = Population.initialise(architecture, 0, [0]).to_modules()[0]
    assert architecture.num_parameters == sum(parameter.numel() for parameter in module.parameters())
    with pytest.raises(RNN2VecError, match="has the fields cell, input_size"):
        Architecture.from_dict({"cell": "lstm"})


def test_wrong_weights_are_explained(random_population: MakePopulation) -> None:
    population = random_population(Architecture.stack("lstm", 2, 3, 1, 2))
    weights = population.weights
    with pytest.raises(RNN2VecError, match=r"missing or unknown: linear\.bias"):
        Population(population.architecture, {name: w for name, w in weights.items() if name != "linear.bias"})
    with pytest.raises(RNN2VecError, match="missing or unknown: extra"):
        Population(population.architecture, {**weights, "extra": weights["linear.bias"]})
    with pytest.raises(RNN2VecError, match=r"weight_hh_l0 .* has the shape \[3, 12, 3\]; got \[3, 3, 12\]"):
        Population(population.architecture, {**weights, "weight_hh_l0": weights["weight_hh_l0"].mT})
    with pytest.raises(RNN2VecError, match=r"bias_hh_l0 of 3 networks"):
        Population(population.architecture, {**weights, "bias_hh_l0": weights["bias_hh_l0"][:2]})


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_weights_of_different_or_integer_dtypes_are_refused(
    random_population: MakePopulation, dtype: torch.dtype
) -> None:
    population = random_population(Architecture.stack("lstm", 2, 3, 1, 2))
    with pytest.raises(RNN2VecError, match="dtype"):
        Population(
            population.architecture, {**population.weights, "linear.bias": population.weights["linear.bias"].to(dtype)}
        )


def test_weights_come_in_torchs_order(random_population: MakePopulation) -> None:
    population = random_population(Architecture.stack("gru", 2, 3, 2, 2))
    shuffled = Population(population.architecture, dict(reversed(population.weights.items())))
    assert list(shuffled.weights) == list(population.weights)
    assert torch.equal(shuffled.flatten(), population.flatten())


@pytest.mark.parametrize("count", [1, 3])
def test_permutations_are_one_for_each_layer(random_population: MakePopulation, count: int) -> None:
    population = random_population(Architecture.stack("gru", 2, 3, 2, 2))
    with pytest.raises(RNN2VecError, match="layer"):
        population.permute_hidden([torch.arange(3).expand(3, -1)] * count)


@pytest.mark.parametrize(
    "order", [torch.tensor([[0, 0, 1]] * 3), torch.arange(3)[None], torch.tensor([[0, 1, 3]] * 3), torch.rand(3, 3)]
)
def test_what_renumbers_nothing_is_refused(random_population: MakePopulation, order: Tensor) -> None:
    with pytest.raises(RNN2VecError, match=r"names each of 0\.\.2 once"):
        random_population(Architecture.stack("gru", 2, 3, 1, 2)).permute_hidden([order])


def test_parts_that_would_be_lost_are_refused() -> None:
    class LanguageModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.rnn, self.head = nn.Embedding(6, 4), nn.GRU(4, 3), nn.Linear(3, 6)

    with pytest.raises(RNN2VecError, match=r"LanguageModel\) has embedding.weight"):
        Population.from_modules([LanguageModel()])
    halves = [
        RecurrentNetwork(Architecture.stack("gru", 2, 3, 1, 2)),
        RecurrentNetwork(Architecture.stack("gru", 2, 3, 1, 2)).double(),
    ]
    with pytest.raises(RNN2VecError, match="one dtype"):
        Population.from_modules(halves)
