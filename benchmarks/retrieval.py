"""Retrieval by vectors of networks: what is found, and how fast, beside weight statistics, DSA and plain PyTorch.

    python benchmarks/retrieval.py AMPS_FOLDER

The folder holds GuitarML files of amplifiers, some with a knob, which is folded at 0, 0.5 and 1. A network's relevant
others are the other positions of its device, or, with ``--pairs CSV`` (two columns of names), its partners. DSA
(``pip install dsa-metric``) runs if it is installed, at the best of a few settings. Results are checked before anything
is timed. JSON is printed last.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec import Architecture, Collection, Interface, Numbers, Population, embed, import_zoo, nearest
from rnn2vec.cores import usable_cores
from rnn2vec.encoders import AnswersEncoder
from rnn2vec.encoders.statistics import weight_statistics
from rnn2vec.networks.behaviour import answers_of
from rnn2vec.networks.stimuli import stimuli

SOUND = Interface(Numbers(1, -1, 1), Numbers(1))
DSA_SETTINGS = [(delays, rank) for delays in (10, 20, 50) for rank in (10, 15, 30)]


def reciprocal_rank(similarity: np.ndarray, relevant: np.ndarray) -> float:
    """Mean over rows of 1 / rank of the first relevant other, ``[N, N]`` each."""
    found = []
    for row, (values, wanted) in enumerate(zip(similarity, relevant, strict=True)):
        order = np.argsort(-values, kind="stable")
        hits = np.flatnonzero(wanted[order[order != row]])
        if wanted.any():
            found.append(1 / (1 + hits[0]))
    return float(np.mean(found))


def chance(relevant: np.ndarray, draws: int = 200) -> float:
    """The same of random similarities."""
    random = np.random.default_rng(0)
    return float(np.mean([reciprocal_rank(random.random(relevant.shape), relevant) for _ in range(draws)]))


def relevant_of(names: np.ndarray, pairs: Path | None) -> np.ndarray:
    """Which networks are to be found from which, ``[N, N]``."""
    if pairs is None:
        devices = np.array([name.split("@")[0] for name in names])
        found = devices[:, None] == devices
    else:
        rows = [tuple(row[:2]) for row in csv.reader(pairs.open())]
        known = set(rows) | {(b, a) for a, b in rows}
        found = np.array([[(a, b) in known for b in names.tolist()] for a in names.tolist()])
    np.fill_diagonal(found, False)
    return found


def median_seconds(call: Callable[[], Any], runs: int = 3) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def amplifiers(folder: Path, pairs: Path | None) -> dict[str, Any]:
    """Mean reciprocal ranks and seconds on files of a folder."""
    with tempfile.TemporaryDirectory() as place:
        zoo = import_zoo([str(folder)], Path(place) / "zoo", knob=[0, 0.5, 1], skip_refused=True)
        collection = Collection.of_zoo(zoo)
        relevant = relevant_of(collection.names, pairs)
        z = embed(collection).z
        weights = weight_statistics(zoo.population()).double().numpy() if len(zoo.architectures) == 1 else None
        found: dict[str, Any] = {
            "networks": len(z),
            "queries": int(relevant.any(1).sum()),
            "chance_mrr": chance(relevant),
            "answers_mrr": reciprocal_rank(z @ z.T, relevant),
            "answers_seconds": median_seconds(lambda: embed(collection)),
        }
        if weights is not None:
            standard = (weights - weights.mean(0)) / np.maximum(weights.std(0), 1e-9)
            standard /= np.linalg.norm(standard, axis=1, keepdims=True)
            found["weight_statistics_mrr"] = reciprocal_rank(standard @ standard.T, relevant)
        answers = answers_of(collection.networks, collection.questions).numpy()
        return found | dsa(answers, relevant)


def dsa(answers: np.ndarray, relevant: np.ndarray) -> dict[str, Any]:
    """The rival, from the same answers ``[N, R, T, Y]``, at the best of its settings."""
    try:
        from DSA import DSA
    except ImportError:
        return {"dsa": "not installed"}
    tried = {}
    for delays, rank in DSA_SETTINGS:
        start = time.perf_counter()
        distances = DSA(
            list(answers), n_delays=delays, rank=rank, score_method="wasserstein", n_jobs=usable_cores()
        ).fit_score()
        seconds = time.perf_counter() - start
        mrr = reciprocal_rank(-np.asarray(distances), relevant)
        tried[f"{delays} delays, rank {rank}"] = {"mrr": mrr, "seconds": seconds}
    best = max(tried, key=lambda name: tried[name]["mrr"])
    return {"dsa_best": best, "dsa_mrr": tried[best]["mrr"], "dsa_seconds": tried[best]["seconds"], "dsa_tried": tried}


def pairs(counts: list[int], count: int) -> dict[str, Any]:
    """Seconds for all pairs of LSTMs of 1x40 on seven sequences of 512 steps; the rival's at a count are extrapolated
    from the largest measured, as the square.
    """
    try:
        from DSA import DSA
    except ImportError:
        return {"dsa": "not installed"}
    questions = stimuli(SOUND.inputs, sequences=7, steps=512)
    delays, rank = DSA_SETTINGS[1]
    found: dict[str, Any] = {"delays": delays, "rank": rank}

    def ours(networks: Population) -> np.ndarray:
        z = AnswersEncoder.fitted(networks[: min(len(networks), 2048)], questions).encode(networks)
        return z @ z.T

    for size in counts:
        networks = random_lstms(size)
        answers = answers_of(networks, questions).numpy()
        start = time.perf_counter()
        DSA(list(answers), n_delays=delays, rank=rank, score_method="wasserstein", n_jobs=usable_cores()).fit_score()
        seconds = time.perf_counter() - start
        own = median_seconds(lambda: ours(networks))  # noqa: B023 (called at once)
        found[str(size)] = {"dsa_seconds": seconds, "seconds": own, "ratio": seconds / own}
        print(json.dumps({size: found[str(size)]}), flush=True)
    own, most = median_seconds(lambda: ours(random_lstms(count)), 1), max(counts)
    theirs = found[str(most)]["dsa_seconds"] * (count / most) ** 2
    found[str(count)] = {"dsa_seconds": theirs, "dsa_from": most, "seconds": own, "ratio": theirs / own}
    return found


def random_lstms(count: int, hidden_size: int = 40) -> Population:
    architecture = Architecture.stack("lstm", 1, hidden_size, 1, 1)
    flat = torch.randn(count, architecture.num_parameters, generator=torch.Generator().manual_seed(0)) * 0.3
    return Population.from_flat(architecture, flat, SOUND)


def _plain_torch(weights: dict[str, np.ndarray], questions: np.ndarray) -> np.ndarray:
    """Answers of some LSTMs by torch.nn, one after the other, in a process of one thread."""
    torch.set_num_threads(1)
    inputs, said = torch.from_numpy(questions), []
    with torch.no_grad():
        for row in range(len(weights["linear.bias"])):
            rnn, head = torch.nn.LSTM(1, 40, batch_first=True), torch.nn.Linear(40, 1)
            rnn.load_state_dict({name: torch.from_numpy(weights[name][row]) for name in rnn.state_dict()})
            head.load_state_dict(
                {name: torch.from_numpy(weights[f"linear.{name}"][row]) for name in ("weight", "bias")}
            )
            said.append(head(rnn(inputs)[0]).numpy())
    return np.stack(said)


def embedding(count: int, rivals: int) -> dict[str, Any]:
    """Seconds for LSTMs of 1x40 on seven sequences of 2,048 steps; the rival's are extrapolated from fewer networks."""
    networks, questions = random_lstms(count), stimuli(SOUND.inputs, sequences=7, steps=2048)
    weights = {name: weight[:rivals].numpy() for name, weight in networks.weights.items()}
    cores = usable_cores()
    parts = [
        {name: weight[own] for name, weight in weights.items()} for own in np.array_split(np.arange(rivals), cores)
    ]
    ours = answers_of(networks[:rivals], questions).numpy()
    with ProcessPoolExecutor(cores) as pool:
        theirs = np.concatenate(list(pool.map(_plain_torch, parts, [questions] * cores)))  # starts the processes, too
        apart = float(np.abs(ours - theirs).max())
        if not apart < 1e-4:
            raise SystemExit(f"answers differ from those of torch.nn by {apart}: nothing is timed")
        rival = median_seconds(lambda: list(pool.map(_plain_torch, parts, [questions] * cores))) / rivals * count
    encoder = AnswersEncoder.fitted(networks[: min(count, 2048)], questions)
    own = median_seconds(lambda: encoder.encode(networks), 1)
    return {"networks": count, "seconds": own, "torch_nn_seconds": rival, "ratio": rival / own, "torch_nn_from": rivals}


def searching(counts: list[int]) -> dict[str, float]:
    """Milliseconds a query among memory-mapped vectors of 16 numbers."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for count in counts:
            path = Path(place) / f"{count}.npy"
            mapped = np.lib.format.open_memmap(path, "w+", np.float32, (count, 16))
            random = np.random.default_rng(0)
            for start in range(0, count, 2**20):
                part = random.normal(size=(min(2**20, count - start), 16)).astype(np.float32)
                mapped[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
            mapped.flush()
            vectors = np.load(path, mmap_mode="r")
            query = np.asarray(vectors[count // 2])[None]
            rows, _ = nearest(vectors, query, 10)
            if rows[0, 0] != count // 2:
                raise SystemExit(f"a vector's nearest is itself; got {rows[0, 0]}: nothing is timed")
            found[str(count)] = 1000 * median_seconds(lambda v=vectors, q=query: nearest(v, q, 10), 5)  # type: ignore[misc]
            path.unlink()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=Path, help="CSV of names that are to find each other")
    parser.add_argument("--networks", type=int, default=10_000, help="to embed")
    parser.add_argument("--rivals", type=int, default=100, help="of them by torch.nn")
    parser.add_argument("--vectors", type=int, nargs="*", default=[10**6, 10**7], help="to search in")
    parser.add_argument("--pairs-of", type=int, nargs="*", default=[100, 400], help="networks that DSA compares")
    given = parser.parse_args()
    found = {
        "cores": usable_cores(),
        "pairs": pairs(given.pairs_of, given.networks),
        "amplifiers": amplifiers(given.folder, given.pairs),
        "embedding": embedding(given.networks, given.rivals),
        "search_milliseconds": searching(given.vectors),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
