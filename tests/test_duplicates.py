"""Duplicates: proofs that are tried, changes of one bit that are none, and copies that answer nearly alike."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import Command, MakePopulation, tokens
from rnn2vec import (
    Architecture,
    Callables,
    Collection,
    Group,
    HeadLayer,
    Mixed,
    Networks,
    Population,
    RNN2VecError,
    duplicates,
    import_zoo,
    read_checkpoint,
)
from rnn2vec.library.canonical import canonical_forms
from rnn2vec.library.near import near_pairs
from rnn2vec.networks.behaviour import answers_of, difference
from rnn2vec.networks.stimuli import stimuli
from test_answers import SOUND, amplifiers
from test_formats_agree import FORMATS, guitarml, npz, rtneural, weights

SHAPES: dict[str, dict[str, Any]] = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "gru-before": {"cell": "gru", "reset": "before"},
    "elman": {"cell": "elman"},
    "leaky": {"cell": "leaky"},
    "all": {"cell": "lstm", "head": (HeadLayer(3, "relu"),), "skip": True, "initial_state": True},
}


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    """Two layers of different sizes."""
    return Architecture(input_size=3, hidden_sizes=(5, 4), output_size=3, **request.param)


def collected(networks: Networks) -> Collection:
    asked = networks.interface.inputs
    names = np.array([f"network {number}" for number in range(len(networks))])
    return Collection(names, networks, stimuli(asked, steps=24))


def found(*networks: Population, within: float = 0.0) -> list[Group]:
    return duplicates(collected(Mixed(networks) if len(networks) > 1 else networks[0]), within)


def changed(population: Population, **others: Tensor) -> Population:
    own = {name: others.get(name.replace(".", "_"), weight) for name, weight in population.weights.items()}
    return Population(population.architecture, own, population.interface)


def padded(population: Population, extra: int, seed: int = 0) -> Population:
    """With more hidden units in each layer, which read, feed each other, and tell no one; all in a random order."""
    generator = torch.Generator().manual_seed(seed)
    small = population.architecture
    large = dataclasses.replace(small, hidden_sizes=tuple(size + extra for size in small.hidden_sizes))
    full = {
        name: 0.3 * torch.rand(len(population), *shape, generator=generator).to(population.dtype)
        for name, shape in large.parameter_shapes().items()
    }
    for name, weight in population.weights.items():
        layer = int(name[-1]) if name[-1].isdigit() else None
        blocks = small.num_gates if name.startswith(("weight", "bias")) else 1
        into = full[name].unflatten(1, (blocks, -1))
        if weight.ndim == 3:
            columns, rows = weight.shape[2], weight.shape[1] // blocks
            if layer is None or layer or name.startswith("weight_hh"):
                into[:, :, :rows, columns:] = 0.0
            into[:, :, :rows, :columns] = weight.unflatten(1, (blocks, -1))
        else:
            into[:, :, : weight.shape[1] // blocks] = weight.unflatten(1, (blocks, -1))
    return Population(large, full, population.interface).permute_hidden_randomly(generator)


def test_a_renumbered_network_is_found_and_its_proof_makes_it_the_first(
    architecture: Architecture, random_population: MakePopulation
) -> None:
    networks = random_population(architecture, 4)
    shuffled = networks.permute_hidden_randomly(torch.Generator().manual_seed(3))
    groups = found(networks, shuffled)
    assert [(group.kind, group.rows) for group in groups] == [("renumbered", (row, row + 4)) for row in range(4)]
    for group in groups:
        (proof,) = group.certificate
        again = shuffled[[proof.row - 4]].permute_hidden(proof.permutations)
        for name, weight in networks[[group.rows[0]]].weights.items():
            assert torch.equal(again.weights[name], weight)
        assert group.difference < 1e-12
        assert proof.holds(networks[[group.rows[0]]], shuffled[[proof.row - 4]])
        assert not proof.holds(networks[[(group.rows[0] + 1) % 4]], shuffled[[proof.row - 4]])


def test_a_change_of_one_bit_is_no_duplicate(architecture: Architecture, random_population: MakePopulation) -> None:
    """Of a bias that is added to another, the last bit may be lost, as it is when the network runs: of the others."""
    network = random_population(architecture, 1, torch.float32)
    generator = torch.Generator().manual_seed(0)
    for name, weight in network.weights.items():
        if "bias_" in name:
            continue
        other = weight.clone()
        place = tuple(int(torch.randint(size, (), generator=generator)) for size in weight.shape)
        other[place] = torch.nextafter(weight[place], torch.tensor(9.0))
        altered = changed(network, **{name.replace(".", "_"): other}).permute_hidden_randomly(generator)
        assert [group.kind for group in found(network, altered, within=1e-4)] in (["near"], ["rounded"])


def test_idle_units_are_left_out(architecture: Architecture, random_population: MakePopulation) -> None:
    networks = random_population(architecture, 2)
    wide = padded(networks, 3)
    groups = found(networks, wide)
    assert [(group.kind, group.rows) for group in groups] == [("folded", (0, 2)), ("folded", (1, 3))]
    (proof,) = groups[0].certificate
    assert [len(units) for units in proof.units] == [5, 4]
    assert proof.holds(networks[[0]], wide[[0]])
    assert groups[0].difference < 1e-12
    # one unit that is told apart is not idle
    reader = f"{architecture.head_layers()[0][0]}.weight"
    told = wide.weights[reader].clone()
    told[told == 0] = 1e-30
    assert found(networks, changed(wide, **{reader.replace(".", "_"): told})) == []


def test_a_unit_that_is_heard_through_others_alone_is_not_idle() -> None:
    """Of five units, each is read by the next, and the head reads the last."""
    architecture = Architecture.stack("elman", 2, 5, 1, 2)
    flat = torch.randn(1, architecture.num_parameters, generator=torch.Generator().manual_seed(0))
    network = Population.from_flat(architecture, flat, tokens(architecture))
    chain = torch.diag(torch.ones(4), -1)[None]
    told = network.weights["linear.weight"] * torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0])
    inputs = network.weights["weight_ih_l0"].clone()
    network = changed(network, weight_hh_l0=chain, linear_weight=told)
    inputs[0, 0] += 0.5  # of the unit that is furthest from the head
    assert found(network, changed(network, weight_ih_l0=inputs)) == []
    (form,) = canonical_forms(network)
    assert len(form.units[0]) == 5


def test_units_that_may_overflow_are_not_left_out(random_population: MakePopulation) -> None:
    architecture = Architecture("elman", 3, (5,), 3, "relu")
    networks = random_population(architecture, 1)
    assert found(networks, padded(networks, 2)) == []


def test_two_biases_are_their_sum_where_they_are_only_added(random_population: MakePopulation) -> None:
    for fields, is_sum in (
        ({"cell": "lstm"}, True),
        ({"cell": "gru", "reset": "before"}, True),
        ({"cell": "gru"}, False),
    ):
        network = random_population(Architecture(input_size=3, hidden_sizes=(4,), output_size=3, **fields), 1)
        both = network.weights["bias_ih_l0"] + network.weights["bias_hh_l0"]
        other = changed(network, bias_ih_l0=both, bias_hh_l0=torch.zeros_like(both))
        assert [group.kind for group in found(network, other)] == (["folded"] if is_sum else [])


def test_units_that_are_alike_are_matched_all_the_same() -> None:
    """Weights of few values, without biases: colours alone do not tell units apart."""
    architecture = Architecture.stack("elman", 2, 6, 2, 2)
    generator = torch.Generator().manual_seed(0)
    flat = torch.randint(-1, 2, (20, architecture.num_parameters), generator=generator).double()
    networks = Population.from_flat(architecture, flat, tokens(architecture))
    silent = {name: torch.zeros_like(networks.weights[name]) for name in networks.weights if name.startswith("bias")}
    networks = changed(networks, **silent)
    shuffled = networks.permute_hidden_randomly(generator)
    pairs = {row for group in found(networks, shuffled) if group.kind != "near" for row in group.rows}
    assert pairs == set(range(40))


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_network_whose_units_are_all_alike(value: float, architecture: Architecture) -> None:
    flat = torch.full((3, architecture.num_parameters), value)
    (group,) = found(Population.from_flat(architecture, flat, tokens(architecture)))
    assert (group.kind, group.rows, group.difference) == ("identical", (0, 1, 2), 0.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_weights_of_any_precision_are_compared(dtype: torch.dtype, random_population: MakePopulation) -> None:
    networks = random_population(Architecture.stack("gru", 3, 4, 1, 3), 2, dtype)
    (forms, others) = (list(canonical_forms(own)) for own in (
        networks, networks.permute_hidden_randomly(torch.Generator().manual_seed(0)),
    ))  # fmt: skip
    assert [form.key for form in forms] == [form.key for form in others]
    assert forms[0].key != forms[1].key
    assert {form.raw for form in forms}.isdisjoint({form.raw for form in others})


def test_the_same_weights_in_another_architecture_are_another_network() -> None:
    """Here the activation of a head, and a skip connection."""
    flat = torch.randn(1, 1000, generator=torch.Generator().manual_seed(0))
    made = []
    for activation, skip in (("relu", False), ("tanh", False), ("relu", True), ("tanh", False), ("relu", False)):
        shape = Architecture("gru", 3, (4,), 3, head=(HeadLayer(3, activation),), skip=skip)
        made.append(Population.from_flat(shape, flat[:, : shape.num_parameters], tokens(shape)))
    assert [(group.kind, group.rows) for group in found(*made)] == [("identical", (0, 4)), ("identical", (1, 3))]


def test_zoos_of_one_and_two(random_population: MakePopulation) -> None:
    networks = random_population(Architecture.stack("lstm", 3, 4, 1, 3), 2)
    assert found(networks[[0]]) == []
    assert found(networks) == []
    (group,) = found(networks[[0, 0]])
    assert (group.kind, group.rows, group.names) == ("identical", (0, 1), ("network 0", "network 1"))


def test_near_pairs_are_all_that_are_near() -> None:
    """As comparing all with all finds them, whatever answers are cut into."""
    networks = amplifiers(12)
    generator = torch.Generator().manual_seed(0)
    flat = networks.flatten()
    noisy = Population.from_flat(
        networks.architecture, flat + 0.01 * torch.randn(flat.shape, generator=generator), networks.interface
    )
    all_of_them = collected(Mixed([networks, noisy, amplifiers(6, 9, seed=5)]))
    answers = answers_of(all_of_them.networks, all_of_them.questions)
    apart = np.array([difference(SOUND, answers, own, all_of_them.unit).numpy() for own in answers])
    upper = apart[np.triu_indices(30, 1)]
    within = float(np.sort(upper)[20] + np.sort(upper)[21]) / 2
    expected = {(one, other) for one, other in np.argwhere(apart <= within).tolist() if one < other}
    for most in (2**24, 1000):
        module = importlib.import_module("rnn2vec.networks.behaviour")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(module, "MOST_NUMBERS", most)
            pairs, found_apart = near_pairs(all_of_them, np.arange(30), within)
        assert {(min(pair), max(pair)) for pair in pairs.tolist()} == expected
        for (one, other), own in zip(pairs, found_apart, strict=True):
            assert own == pytest.approx(apart[one, other], abs=1e-5)


@pytest.mark.parametrize("loud", [1, 3, 9, 15])
def test_beside_loud_networks_quiet_ones_are_as_different_as_among_themselves(loud: int) -> None:
    """Whoever sets the unit: with a head of a thousandfold, few or nearly all of the networks."""
    networks = amplifiers(16)
    head = networks.weights["linear.weight"].clone()
    head[:loud] *= 1000.0
    beside = changed(networks, linear_weight=head)
    quiet = np.arange(loud, 16)
    everything = collected(Mixed([beside, of_bits(networks[quiet[-1:]], 16).permute_hidden_randomly(
        torch.Generator().manual_seed(1)
    )]))  # fmt: skip
    (group,) = duplicates(everything)
    assert (group.kind, group.rows) == ("near", (15, 16))
    for row in quiet[:-1]:
        alone = collected(networks[quiet])
        apart, own = (
            difference(SOUND, answers_of(each.networks[[one]], each.questions),
                       answers_of(each.networks[[other]], each.questions), each.unit)
            for each, one, other in ((everything, row, 15), (alone, row - loud, 15 - loud))
        )  # fmt: skip
        assert float(own) / 2.5 < float(apart) < 2.5 * float(own)  # the louder one's level, or the spread of all


def of_bits(networks: Population, bits: int) -> Population:
    """With weights of float16, or of so many bits and one scale a tensor."""
    weights = {}
    for name, weight in networks.weights.items():
        step = weight.abs().flatten(1).amax(1).reshape(-1, *[1] * (weight.ndim - 1)) / (2 ** (bits - 1) - 1)
        weights[name] = weight.half().float() if bits == 16 else (weight / step).round() * step
    return Population(networks.architecture, weights, networks.interface)


def test_copies_of_fewer_bits_are_found_and_others_are_not() -> None:
    networks = amplifiers(10)
    for bits in (16, 8):
        groups = duplicates(collected(Mixed([networks, of_bits(networks, bits)])))
        assert [(group.kind, group.rows) for group in groups] == [("rounded", (row, row + 10)) for row in range(10)]
        assert all(group.difference > 0 for group in groups)
    assert "rounded" not in {group.kind for group in duplicates(collected(Mixed([networks, of_bits(networks, 5)])))}
    everything = duplicates(collected(networks), within=99.0)
    assert [(group.kind, group.rows) for group in everything] == [("near", tuple(range(10)))]


def test_one_weight_beyond_half_a_step_is_no_rounding() -> None:
    network = amplifiers(1)
    weight = network.weights["weight_hh_l0"]
    for share, kinds in ((0.99, ["rounded"]), (1.02, [])):
        other = weight.clone()
        other[0, 3, 2] += share * float(weight.abs().max()) / 254 * (-1 if other[0, 3, 2] > 0 else 1)
        assert [group.kind for group in found(network, changed(network, weight_hh_l0=other))] == kinds


def test_what_was_renumbered_and_rounded_is_near() -> None:
    networks = amplifiers(4)
    half = of_bits(networks, 16).permute_hidden_randomly(torch.Generator().manual_seed(1))
    groups = duplicates(collected(Mixed([networks, half])))
    assert [(group.kind, group.rows) for group in groups] == [("near", (row, row + 4)) for row in range(4)]
    assert all(0 < group.difference <= 0.01 for group in groups)


def test_a_group_names_those_of_stronger_kinds_too() -> None:
    networks = amplifiers(2)
    half = of_bits(networks, 16)
    shuffled = half[[0]].permute_hidden_randomly(torch.Generator().manual_seed(0))
    nearly = of_bits(networks[[0]].permute_hidden_randomly(torch.Generator().manual_seed(1)), 16)
    groups = duplicates(collected(Mixed([networks[[0, 0]], half[[0]], networks[[1]], shuffled])))
    assert [(group.kind, group.rows) for group in groups] == [
        ("identical", (0, 1)), ("renumbered", (2, 4)), ("rounded", (0, 1, 2, 4)),
    ]  # fmt: skip
    groups = duplicates(collected(Mixed([networks, nearly, half[[0]], networks[[0]]])))
    assert [(group.kind, group.rows) for group in groups] == [
        ("identical", (0, 4)), ("renumbered", (2, 3)), ("near", (0, 2, 3, 4)),
    ]  # fmt: skip


def test_too_many_near_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("rnn2vec.library.near"), "MOST_PAIRS", 3)
    with pytest.raises(RNN2VecError, match=r"up to 3 pairs .* 6 might differ by 99 or less: allow less"):
        duplicates(collected(amplifiers(4)), within=99.0)
    with pytest.raises(RNN2VecError, match="within is"):
        duplicates(collected(amplifiers(2)), within=-1.0)


def test_black_boxes_are_compared_by_answers() -> None:
    gains = [0.5, 0.5, -0.5]
    boxes = Callables([lambda x, gain=gain: (gain * x).astype(np.float32) for gain in gains], SOUND)
    assert [(group.kind, group.rows) for group in duplicates(collected(boxes))] == [("near", (0, 1))]


@pytest.mark.parametrize("writer", FORMATS.values(), ids=FORMATS)
def test_one_network_in_two_formats_is_a_duplicate_unless_its_skip_was_lost(writer: Any, tmp_path: Path) -> None:
    files = [
        guitarml(tmp_path / "reference", weights(), True),
        writer(tmp_path / "own", weights(), True),
        writer(tmp_path / "lost", weights(), False),
    ]
    if writer is guitarml:
        (tmp_path / "reference.json").rename(tmp_path / "first.json")
        files[0]["path"] = tmp_path / "first.json"
    read = [read_checkpoint(file.pop("path"), interface=SOUND, **file).networks for file in files]
    (group,) = duplicates(collected(Mixed(read)))
    assert group.rows == (0, 1)
    assert group.kind == ("folded" if writer in (rtneural, npz) else "identical")


def test_the_command_says_what_it_found(tmp_path: Path, rnn2vec_command: Command) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    guitarml(folder / "one", weights(), True)
    guitarml(folder / "lost", weights(), False)
    rtneural(folder / "two", weights(), True)
    import_zoo([str(folder)], tmp_path / "zoo")
    status, output, _ = rnn2vec_command("duplicates", tmp_path / "zoo", "--json")
    assert status == 0
    (group,) = json.loads(output)["groups"]
    assert (group["kind"], sorted(group["names"])) == ("folded", ["one", "two"])
    assert group["certificate"][0]["units"] == [[*group["certificate"][0]["units"][0]]]
    status, output, _ = rnn2vec_command("duplicates", tmp_path / "zoo")
    assert status == 0
    assert "folded" in output
    assert "one" in output
    assert rnn2vec_command("duplicates", tmp_path / "zoo", "--within", "-1")[0] != 0
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    status, output, _ = rnn2vec_command("duplicates", folder / "one.json", again / "one.json")
    assert status == 0
    assert f"one ({folder / 'one.json'}), one ({again / 'one.json'})" in output
    status, _, errors = rnn2vec_command("duplicates", tmp_path / "zoo", folder)
    assert status == 1
    assert "given one zoo, or files and folders" in errors
