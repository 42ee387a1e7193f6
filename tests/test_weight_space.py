"""The encoders that read weights as a set of units: transformer and deep weight space."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from conftest import form, tokens
from rnn2vec import ENCODERS, Architecture, Population, RNN2VecError, build_encoder, load_encoder
from rnn2vec.encoders.deep_weight_space import Channels, EquivariantLayer, WeightSpace
from rnn2vec.encoders.statistics import weight_statistics
from rnn2vec.engine import run

SPECS = [
    Architecture.stack("lstm", 6, 7, 2, 6),
    Architecture.stack("lstm", 3, 4, 1, 2),
    Architecture.stack("gru", 2, 5, 3, 4),
    Architecture.stack("elman", 5, 6, 2, 1),
    Architecture.stack("elman", 1, 3, 1, 3, "relu"),
]


def permutations(architecture: Architecture, models: int, seed: int = 1) -> list[torch.Tensor]:
    """A random order of every layer's units, for every network."""
    generator = torch.Generator().manual_seed(seed)
    return list(torch.rand(architecture.num_layers, models, architecture.widest, generator=generator).argsort(-1))


def permuted(space: WeightSpace, orders: list[torch.Tensor]) -> WeightSpace:
    """What renumbering must do to features, written down entry by entry."""

    def take(features: torch.Tensor, *by: torch.Tensor) -> torch.Tensor:
        found = torch.empty_like(features)
        for n in range(len(features)):
            for place in itertools.product(*(range(order.shape[1]) for order in by)):
                source = tuple(int(order[n, k]) for order, k in zip(by, place, strict=True))
                found[(n, *place)] = features[(n, *source)]
        return found

    return WeightSpace(
        [take(own, order) for own, order in zip(space.units, orders, strict=True)],
        [take(own, order, order) for own, order in zip(space.recurrent, orders, strict=True)],
        [take(own, orders[k + 1], orders[k]) for k, own in enumerate(space.between)],
        space.network,
    )


def parts(space: WeightSpace) -> list[torch.Tensor]:
    """All its tensors."""
    return [*space.units, *space.recurrent, *space.between, space.network]


def features(architecture: Architecture, channels: int, dtype: torch.dtype) -> WeightSpace:
    """Random features of three networks."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(3, *shape, channels, generator=generator, dtype=torch.float64).to(dtype)

    hidden, layers = architecture.widest, architecture.num_layers
    return WeightSpace(
        [random(hidden) for _ in range(layers)],
        [random(hidden, hidden) for _ in range(layers)],
        [random(hidden, hidden) for _ in range(layers - 1)],
        random(),
    )


@pytest.mark.parametrize("architecture", SPECS, ids=str)
def test_renumbering_a_population_permutes_its_weight_space(architecture: Architecture) -> None:
    population = Population.initialise(architecture, 0, range(3), tokens(architecture))
    orders = permutations(architecture, 3)
    expected = permuted(WeightSpace.of(population), orders)
    for found, wanted in zip(parts(WeightSpace.of(population.permute_hidden(orders))), parts(expected), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("architecture", SPECS, ids=str)
def test_a_layer_is_equivariant(architecture: Architecture, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    layer = EquivariantLayer(Channels((4,) * architecture.num_layers, 4, 4), 5).to(dtype)
    space, orders = features(architecture, 4, dtype), permutations(architecture, 3)
    with torch.no_grad():
        found, wanted = layer(permuted(space, orders)), permuted(layer(space), orders)
    for ours, theirs in zip(parts(found), parts(wanted), strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)
        assert float(theirs.std()) > 0.05
    unmoved = layer(space)
    assert not torch.allclose(found.units[0], unmoved.units[0], atol=1e-2)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("architecture", SPECS, ids=str)
def test_deep_weight_space_is_invariant(architecture: Architecture, dtype: torch.dtype, tolerance: float) -> None:
    population = Population.initialise(architecture, 0, range(4), tokens(architecture)).to(dtype)
    encoder = build_encoder("deep_weight_space", form("deep_weight_space", architecture)).to(dtype)
    with torch.no_grad():
        z = encoder(population)
        for seed in range(3):
            other = encoder(population.permute_hidden(permutations(architecture, 4, seed)))
            assert float((z - other).abs().max()) < tolerance
    assert float((z[0] - z[1]).norm()) > 1e-3  # and not by saying the same of every network


@pytest.mark.parametrize("name", ["flat", "transformer"])
def test_others_are_not_invariant_and_see_permutations_in_training(name: str) -> None:
    architecture = SPECS[0]
    population = Population.initialise(architecture, 0, range(3), tokens(architecture))
    encoder = build_encoder(name, form(name, architecture))
    shown = encoder.augment(population, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert float((encoder(population) - encoder(shown)).norm(dim=1).min()) > 1e-4
        inputs = torch.randint(6, (3, 2, 5), generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(run(shown, inputs)[0], run(population, inputs)[0])
    assert not torch.equal(shown.weights["weight_hh_l0"], population.weights["weight_hh_l0"])


def test_invariant_encoders_need_no_permutations() -> None:
    population = Population.initialise(SPECS[0], 0, range(2), tokens(SPECS[0]))
    for name in ("deep_weight_space", "statistics"):
        assert build_encoder(name, form(name, SPECS[0])).augment(population, torch.Generator()) is population


def test_inputs_and_outputs_keep_their_identity() -> None:
    population = Population.initialise(SPECS[0], 0, range(3), tokens(SPECS[0]))
    encoder = build_encoder("deep_weight_space", form("deep_weight_space", SPECS[0]))
    for name, axis in (("weight_ih_l0", 2), ("linear.weight", 1)):
        swapped = dict(population.weights)
        swapped[name] = swapped[name].flip(axis)
        with torch.no_grad():
            changed = encoder(Population(SPECS[0], swapped)) - encoder(population)
        assert float(changed.norm(dim=1).min()) > 1e-4


def test_rows_and_columns_move_together() -> None:
    population = Population.initialise(SPECS[1], 0, range(3), tokens(SPECS[1]))
    only_columns = dict(population.weights)
    only_columns["weight_hh_l0"] = only_columns["weight_hh_l0"].flip(2)
    encoder = build_encoder("deep_weight_space", form("deep_weight_space", SPECS[1]))
    with torch.no_grad():
        changed = encoder(Population(SPECS[1], only_columns)) - encoder(population)
    assert float(changed.norm(dim=1).min()) > 1e-4


def test_what_statistics_cannot_tell_apart() -> None:
    """Entries shuffled within each gate leave every statistic as it was, but not the function."""
    architecture = Architecture.stack("lstm", 6, 16, 2, 6)
    population = Population.initialise(architecture, 0, range(2), tokens(architecture))
    weights = {name: 3 * weight for name, weight in population.weights.items()}
    population, shuffled = Population(architecture, weights), dict(weights)
    order = torch.randperm(16 * 16, generator=torch.Generator().manual_seed(0))
    gates = weights["weight_hh_l0"].reshape(2, 4, -1)[:, :, order]
    shuffled["weight_hh_l0"] = gates.reshape(2, 64, 16)
    other = Population(architecture, shuffled)
    torch.testing.assert_close(weight_statistics(other), weight_statistics(population), atol=1e-6, rtol=0)
    inputs = torch.randint(6, (2, 4, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert float((run(population, inputs)[0] - run(other, inputs)[0]).abs().max()) > 0.1
        apart = {}
        for name in ("statistics", "deep_weight_space"):
            encoder = build_encoder(name, form(name, architecture))
            apart[name] = float((encoder(population) - encoder(other)).norm(dim=1).min())
    assert apart["statistics"] < 1e-5
    assert apart["deep_weight_space"] > 100 * apart["statistics"]
    assert apart["deep_weight_space"] > 1e-3


@pytest.mark.parametrize("architecture", SPECS, ids=str)
@pytest.mark.parametrize("name", ["transformer", "deep_weight_space"])
def test_every_parameter_learns(name: str, architecture: Architecture) -> None:
    population = Population.initialise(architecture, 0, range(4), tokens(architecture))
    encoder = build_encoder(name, form(name, architecture))
    (encoder(population) * torch.randn(4, 16, generator=torch.Generator().manual_seed(0))).sum().backward()
    for parameter, tensor in encoder.named_parameters():
        assert tensor.grad is not None, parameter
        assert float(tensor.grad.abs().max()) > 0, parameter


@pytest.mark.parametrize("name", ENCODERS)
def test_all_encoders_read_any_network(name: str, tmp_path: Path) -> None:
    for architecture in (*SPECS, Architecture.stack("lstm", 2, 1, 2, 2)):
        population = Population.initialise(architecture, 0, range(3), tokens(architecture))
        options = {"core_size": 8} if "interactive" in name else {}
        encoder = build_encoder(name, form(name, architecture), 0, **options)
        encoder.save_pretrained(tmp_path / "encoder")
        with torch.no_grad():
            z = encoder.eval()(population)
            assert torch.equal(load_encoder(tmp_path / "encoder")(population), z)
        assert z.shape == (3, 16)
        torch.testing.assert_close(z.norm(dim=1), torch.ones(3))


def test_heads_share_the_width() -> None:
    with pytest.raises(RNN2VecError, match="multiple of the heads"):
        build_encoder("transformer", form("transformer", SPECS[0]), hidden_size=10, heads=4)
