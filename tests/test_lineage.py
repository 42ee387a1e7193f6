"""Lineage: planted ancestry is found, chance is not, and matching of units is a matching."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import Command, MakePopulation, tokens
from rnn2vec import (
    Architecture,
    Callables,
    Collection,
    Mixed,
    Networks,
    Population,
    Recipe,
    RNN2VecError,
    build_zoo,
    engine,
    lineage,
)
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.library.alignment import Aligned
from rnn2vec.library.lineage import Lineage, _drawn, _holm
from rnn2vec.networks.population import concatenate
from rnn2vec.networks.stimuli import stimuli
from test_answers import SOUND

SMALL = Architecture.stack("lstm", 3, 12, 1, 3)


def collected(networks: Networks) -> Collection:
    names = np.array([f"network {number}" for number in range(len(networks))])
    return Collection(names, networks, stimuli(networks.interface.inputs, steps=16))


def trained(networks: Population, steps: int, seed: int, rate: float = 0.01) -> Population:
    """Copies that were trained to say the token before the last; each network on strings of its own."""
    copy = networks.to(torch.float32, copy=True)
    optimizer, generator = AdamW.start(copy), torch.Generator().manual_seed(seed)
    for _ in range(steps):
        read = torch.randint(3, (len(copy), 8, 12), generator=generator)
        engine.train_step(copy, optimizer, read, read.roll(1, 2), rate)
    return copy


def fresh(count: int, seed: int) -> Population:
    return trained(Population.initialise(SMALL, seed, range(count), tokens(SMALL)), 60, seed)


def quantised(networks: Population) -> Population:
    """With weights of 8 bits, one scale a tensor."""
    weights = {}
    for name, weight in networks.weights.items():
        step = weight.abs().flatten(1).amax(1).reshape(-1, *[1] * (weight.ndim - 1)) / 127
        weights[name] = (weight / step).round() * step
    return Population(networks.architecture, weights, networks.interface)


def pruned(networks: Population, share: float) -> Population:
    """Without the smallest weights."""
    weights = {
        name: weight.where(weight.abs() > weight.abs().flatten(1).quantile(share), 0.0) if weight.ndim == 3 else weight
        for name, weight in networks.weights.items()
    }
    return Population(networks.architecture, weights, networks.interface)


def families(found: Lineage) -> list[set[int]]:
    """Rows that edges join."""
    joined: list[set[int]] = []
    for edge in found.edges:
        touching = [own for own in joined if own & set(edge.rows)]
        joined = [own for own in joined if own not in touching] + [set(edge.rows).union(*touching)]
    return sorted(joined, key=min)


@pytest.mark.parametrize("seed", range(5))
def test_planted_ancestry_is_found_and_no_other(seed: int) -> None:
    others = fresh(20, seed)
    parent = others[[0]]
    children = [
        trained(parent, 10, seed + 100),
        trained(parent, 10, seed + 200).permute_hidden_randomly(torch.Generator().manual_seed(seed)),
        pruned(parent, 0.4),
        quantised(parent),
    ]
    found = lineage(collected(concatenate([others, *children])), seed=seed)
    assert families(found) == [{0, 20, 21, 22, 23}]
    assert len(found.edges) == 4, "a forest has no circle"
    assert all(edge.p_value < 0.05 and not edge.directed for edge in found.edges)
    assert found.left_out == 0


def test_unrelated_networks_have_no_edges() -> None:
    """At 5 % a single false edge, in 40 zoos: more than 6 would be a chance of one in a thousand."""
    networks = fresh(120, 7)
    random = np.random.default_rng(0)
    for count in (8, 20):
        false = [
            len(lineage(collected(networks[random.choice(120, count, replace=False)])).edges) > 0 for _ in range(40)
        ]
        assert sum(false) <= 6


def test_where_a_quarter_of_all_pairs_are_related_it_says_that_few_can_be_found(
    tmp_path: Path, rnn2vec_command: Command
) -> None:
    bases = fresh(3, 4)
    noise = 0.02 * torch.randn(15, SMALL.num_parameters, generator=torch.Generator().manual_seed(0))
    kin = Population.from_flat(SMALL, bases[[*range(3)] * 5].flatten() + noise, bases.interface)
    found = lineage(collected(kin))
    (own,) = found.unrelated
    assert (found.edges, own.least > 0.99) == ((), True)
    assert own.median < 0.5 < 0.9 < own.upper
    for row in range(15):
        named = {name if "." in name else f"lstm.{name}": weight[row] for name, weight in kin.weights.items()}
        torch.save(named, tmp_path / f"{row}.pt")
    status, output, _ = rnn2vec_command("lineage", tmp_path)
    assert (status, "no pair is told from chance below a similarity of 1.0000" in output) == (0, True), output
    assert "no related networks among the 15 that were compared" in output
    for row in range(5, 15):
        (tmp_path / f"{row}.pt").unlink()
    status, output, _ = rnn2vec_command("lineage", tmp_path)
    assert (status, "no related" in output, "5 networks were not compared" in output) == (0, False, True), output


def test_the_least_similarity_of_an_edge_is_where_chance_is_ruled_out() -> None:
    others = fresh(20, 0)
    found = lineage(collected(concatenate([others, trained(others[[3]], 5, 9)])))
    (own,), (edge,) = found.unrelated, found.edges
    assert own.least < min(0.9, edge.similarity)
    tests = 21 * 20 // 2
    assert own.p_values(np.array([own.least]))[0] * tests == pytest.approx(0.05, rel=1e-6)


def test_networks_that_began_as_the_identity_are_not_one_family() -> None:
    architecture = Architecture("elman", 1, (16,), 1)
    networks = Population.initialise(architecture, 0, range(20), SOUND)
    noise = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    networks.weights["weight_hh_l0"][:3] = torch.eye(16) + 0.05 * noise
    aligned = Aligned(networks)
    assert max(aligned.similarity(*pair) for pair in itertools.combinations(range(3), 2)) < 0.7


def test_snapshots_of_one_model_descend_from_one_another(
    tmp_path: Path, tiny_recipe: Recipe, rnn2vec_command: Command
) -> None:
    recipe = dataclasses.replace(tiny_recipe, models=12, steps=40, snapshots=(10, 20, 40))
    zoo = build_zoo(recipe, tmp_path / "zoo")
    status, output, _ = rnn2vec_command("lineage", tmp_path / "zoo", "--json")
    assert status == 0
    edges = json.loads(output)["edges"]
    steps, models = zoo.column("step"), zoo.column("model")
    assert len(edges) == 24
    for edge in edges:
        parent, child = edge["rows"]
        assert edge["directed"]
        assert models[parent] == models[child]
        assert steps[parent] < steps[child]
    status, output, _ = rnn2vec_command("lineage", tmp_path / "zoo")
    assert status == 0
    assert "model-0-step-10 -> model-0-step-20: similarity" in output


def test_a_step_is_evidence_within_a_model_alone() -> None:
    others = fresh(10, 1)
    networks = collected(concatenate([others, trained(others[[3]], 5, 9)]))
    steps, models = np.arange(11)[::-1], np.arange(11)
    (edge,) = lineage(networks, steps).edges
    assert (edge.rows, edge.directed) == ((10, 3), True)
    (edge,) = lineage(networks, steps, models).edges
    assert (edge.rows, edge.directed) == ((3, 10), False)


def test_architectures_are_compared_within() -> None:
    wide = Architecture.stack("gru", 3, 6, 2, 3)
    others = Population.initialise(wide, 0, range(9), tokens(wide))
    few = Architecture.stack("elman", 3, 6, 1, 3)
    small = Population.initialise(few, 0, range(3), tokens(few))
    found = lineage(collected(Mixed([fresh(9, 0), others, others[[2]], small])))
    assert families(found) == [{11, 18}]
    assert found.left_out == 3
    assert [own.networks for own in found.unrelated] == [9, 10]


def test_zoos_that_say_nothing(random_population: MakePopulation) -> None:
    one = random_population(SMALL, 1)
    for count in (1, 2):
        found = lineage(collected(one[[0] * count]))
        assert (found.edges, found.left_out) == ((), count)
    same = lineage(collected(one[[0] * 9]))
    assert (same.edges, same.left_out) == ((), 0), "all are alike: nothing is more alike than chance"
    boxes = Callables([lambda x: x] * 3, SOUND)
    assert lineage(collected(boxes)).left_out == 3


def test_the_same_network_ranks_above_a_rounded_copy() -> None:
    networks, zero = fresh(12, 0), [0]
    rounded = Population(
        networks.architecture, {name: part[zero].half().float() for name, part in networks.weights.items()}
    )
    edges = lineage(collected(concatenate([networks, rounded, networks[zero]]))).edges
    assert edges[0].rows == (0, 13)
    assert {edges[1].rows[0], edges[1].rows[1]} <= {0, 12, 13}
    assert edges[0].similarity > edges[1].similarity > 1 - 1e-6


def test_what_is_asked_wrongly_is_refused() -> None:
    networks = collected(fresh(8, 0))
    with pytest.raises(RNN2VecError, match="steps are one for each of 8 networks"):
        lineage(networks, [1, 2])
    with pytest.raises(RNN2VecError, match="a level is a probability"):
        lineage(networks, level=1.5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "leaky"])
def test_units_are_matched_whatever_their_numbers(cell: str, random_population: MakePopulation) -> None:
    architecture = Architecture(cell, 3, (8, 6), 3)
    networks = random_population(architecture, 6)
    shuffled = networks.permute_hidden_randomly(torch.Generator().manual_seed(0))
    aligned = Aligned(concatenate([networks, shuffled]))
    sketches = aligned.sketches(np.random.default_rng(0))
    for number in range(6):
        assert aligned.similarity(number, number + 6) == pytest.approx(1.0, abs=1e-5)
        np.testing.assert_allclose(sketches[number], sketches[number + 6], atol=1e-5)
        assert aligned.similarity(number, (number + 1) % 6) < 0.9
        assert aligned.similarity(number, 7 + (number + 1) % 5) == pytest.approx(
            aligned.similarity(7 + (number + 1) % 5, number), abs=0.15
        )


def test_matching_is_the_best_there_is_for_few_units(random_population: MakePopulation) -> None:
    """Of all numberings of four units, in nearly all pairs."""
    networks = random_population(Architecture.stack("elman", 2, 4, 1, 2), 12)
    aligned = Aligned(networks)
    best = []
    for other in range(1, 12):
        found = []
        for order in itertools.permutations(range(4)):
            joined = concatenate([networks[[0]], networks[[other]].permute_hidden([torch.tensor([order])])])
            # without matching: by the population's own deviations
            everything = Aligned(concatenate([networks, joined[[1]]]))
            layer = everything._layers[0]
            found.append(np.vdot(layer.own[0], layer.own[12]) + np.vdot(layer.recurrent[0], layer.recurrent[12]))
            lengths = everything._lengths[0] * everything._lengths[12]
        best.append(float(max(found)) / float(lengths) - aligned.similarity(0, other) < 0.1)
    assert np.mean(best) > 0.6


def test_pairs_are_drawn_once_and_of_two() -> None:
    random = np.random.default_rng(0)
    for count in (2, 8, 5000):
        pairs = _drawn(count, random)
        assert len(np.unique(pairs, axis=0)) == len(pairs) == min(1000, count * (count - 1) // 2)
        assert ((pairs[:, 0] > pairs[:, 1]) & (pairs[:, 1] >= 0) & (pairs[:, 0] < count)).all()


def test_holm_corrects_for_all_pairs() -> None:
    np.testing.assert_allclose(_holm(np.array([0.02, 0.001, 0.5]), 10), [0.18, 0.01, 1.0])
    np.testing.assert_allclose(_holm(np.array([0.01, 0.011]), 3), [0.03, 0.03])
