"""Duplicates in a zoo of 10,000 LSTMs with planted copies: which are found, which are not, and how long it takes.

Run it alone on the machine: ``python benchmarks/duplicates.py``. 128 LSTMs (1x24) are trained on formal languages (the
demo preset, final snapshots). 8,000 distinct networks are these with normal noise on every weight, a quarter of its
tensor's deviation: each computes another function. 2,000 copies of 2,000 of them are planted, a fifth of each kind:
renumbered; rounded to float16; rounded to 8 bits, one scale a tensor; with eight idle units more; written to npz with
gates in another order and one bias, and read again. The benchmark stops if networks are called the same that are not.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from rnn2vec import Collection, Mixed, Population, build_zoo, duplicates, read_checkpoint, zoo_recipe
from rnn2vec.library.duplicates import WITHIN, Group
from rnn2vec.networks.population import concatenate
from rnn2vec.zoo.questions import questions_of

NOISE = 0.25
IDLE = 8
EXACT = ("identical", "renumbered", "folded")


def rounded(networks: Population, bits: int) -> Population:
    """With weights of 16 bits (float16), or of whole multiples of a step, one a tensor."""
    weights = {}
    for name, weight in networks.weights.items():
        step = weight.abs().flatten(1).amax(1).reshape(-1, *[1] * (weight.ndim - 1)) / (2 ** (bits - 1) - 1)
        weights[name] = weight.half().float() if bits == 16 else (weight / step).round() * step
    return Population(networks.architecture, weights, networks.interface)


def noisy(networks: Population, count: int, generator: torch.Generator) -> Population:
    """So many networks, each one of these with noise of its own."""
    rows = np.arange(count) % len(networks)
    weights = {}
    for name, weight in networks[rows].weights.items():
        spread = weight.flatten(1).std(1).reshape(-1, *[1] * (weight.ndim - 1))
        weights[name] = weight + NOISE * spread * torch.randn(weight.shape, generator=generator)
    return Population(networks.architecture, weights, networks.interface)


def with_idle_units(networks: Population, generator: torch.Generator) -> Population:
    """With more hidden units, which read all others and are read by none; all are then renumbered."""
    small = networks.architecture
    (size,) = small.hidden_sizes
    large = dataclasses.replace(small, hidden_sizes=(size + IDLE,))
    full = {
        name: 0.3 * torch.randn(len(networks), *shape, generator=generator)
        for name, shape in large.parameter_shapes().items()
    }
    for name, weight in networks.weights.items():
        if name.startswith("linear.bias"):
            full[name] = weight
            continue
        blocks = 1 if name == "linear.weight" else small.num_gates
        into, own = (tensor.unflatten(1, (blocks, -1)) for tensor in (full[name], weight))
        if name in ("linear.weight", "weight_hh_l0"):
            into[:, :, : own.shape[2], size:] = 0.0
            into[:, :, : own.shape[2], :size] = own
        else:
            into[:, :, :size] = own
    return Population(large, full, networks.interface).permute_hidden_randomly(generator)


def converted(networks: Population, folder: Path) -> Population:
    """Written to npz, gates as i, f, o, g, columns for rows, biases as one, and read again."""
    order, read = [0, 1, 3, 2], []
    tensors = {"weight_ih_l0": "kernel", "weight_hh_l0": "recurrent", "bias_ih_l0": "bias"}
    tensors |= {"linear.weight": "out", "linear.bias": "out_bias"}
    for number, network in enumerate(networks):
        own = {name: weight[0].unflatten(0, (4, -1))[order].flatten(0, 1) if "linear" not in name else weight[0]
               for name, weight in network.weights.items()}  # fmt: skip
        path = folder / f"{number}.npz"
        both = own["bias_ih_l0"] + own["bias_hh_l0"]
        np.savez(path, kernel=own["weight_ih_l0"].T, recurrent=own["weight_hh_l0"].T, bias=both,
                 out=own["linear.weight"].T, out_bias=own["linear.bias"])  # fmt: skip
        checkpoint = read_checkpoint(
            path, interface=networks.interface, cell="lstm", gates="ifog", columns=True, tensors=tensors
        )
        assert isinstance(checkpoint.networks, Population)
        read.append(checkpoint.networks)
    return concatenate(read)


def pairs_of(groups: list[Group], exact: bool) -> set[tuple[int, int]]:
    """All pairs within groups of one sort."""
    rows = [group.rows for group in groups if (group.kind in EXACT) == exact]
    return {(own[one], own[other]) for own in rows for other in range(len(own)) for one in range(other)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--within", type=float, default=WITHIN)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        zoo = build_zoo(zoo_recipe("formal-languages", "demo"), Path(folder) / "zoo")
        steps = zoo.column("step")
        trained, questions = zoo.population(np.flatnonzero(steps == steps.max())), questions_of(zoo)
        each = arguments.networks // 25
        distinct = noisy(trained, arguments.networks - 5 * each, generator)
        kinds = ("renumbered", "float16", "int8", "idle", "converted")
        sources = np.arange(5 * each) * (len(distinct) // (5 * each))
        own = dict(zip(kinds, np.split(sources, 5), strict=True))
        copies: list[Population] = [
            distinct[own["renumbered"]].permute_hidden_randomly(generator),
            rounded(distinct[own["float16"]], 16),
            rounded(distinct[own["int8"]], 8),
            with_idle_units(distinct[own["idle"]], generator),
            converted(distinct[own["converted"]], Path(folder)),
        ]
    networks = Mixed([distinct, *copies])
    names = np.array([f"network {number}" for number in range(len(networks))])
    collection = Collection(names, networks, questions)
    planted = {
        kind: {(int(row), len(distinct) + number * each + place) for place, row in enumerate(own[kind])}
        for number, kind in enumerate(kinds)
    }
    start = time.perf_counter()
    groups = duplicates(collection, arguments.within)
    seconds = time.perf_counter() - start
    exact, near = pairs_of(groups, True), pairs_of(groups, False)
    certain = planted["renumbered"] | planted["idle"] | planted["converted"]
    recall = {kind: len(pairs & (exact if pairs <= certain else near)) / each for kind, pairs in planted.items()}
    everything = set().union(*planted.values())
    found = exact | near
    precision = len(found & everything) / max(1, len(found))
    if not exact <= certain:
        raise SystemExit(f"wrong: {len(exact - certain)} pairs are called the same and are not")
    for kind, share in recall.items():
        print(f"{kind:12s} recall {share:.4f}")
    print(f"precision {precision:.4f} ({len(found - everything)} pairs are near and were not planted)")
    print(f"{seconds:.1f} s, {len(networks)} networks")
    print(
        json.dumps(
            {
                "networks": len(networks),
                "within": arguments.within,
                "seconds": round(seconds, 2),
                "recall": recall,
                "precision": precision,
                "most_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
