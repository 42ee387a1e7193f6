"""Some networks of a zoo, drawn at random: how long until their weights are here, beside Zarr and Lance.

    python benchmarks/random_rows.py [--networks 8192] [--drawn 256] [--rounds 15]

The same random LSTMs are written three times: as a zoo (`rnn2vec.zoo.write`), as a Zarr array of a chunk a network,
inside shards of 256, with a CRC-32C of each chunk, and as a Lance table of a fixed-size list a network. A store is
opened once; the draws differ from round to round, are the same for all, and are compared. A zoo checks the SHA-256 of
every network that it reads; Lance checks nothing. Files are in the system's cache, as they are when a batch is drawn in
training. A row is one network's weights, flat. Stores that are not installed are left out. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec import Architecture, Classes, Interface, Population, Tokens
from rnn2vec.randomness import generator
from rnn2vec.zoo.write import Group, write_zoo

LSTM = Architecture.stack("lstm", 6, 32, 2, 6)
INTERFACE = Interface(Tokens(6), Classes(6))
SHARD = 256
Read = Callable[[np.ndarray], np.ndarray]
"""Numbers of networks ``[K]`` to their weights ``[K, P]``."""


def zoo(folder: Path, weights: np.ndarray) -> Read:
    """Ours."""
    import torch

    population = Population.from_flat(LSTM, torch.from_numpy(weights), INTERFACE)
    names = [f"{number:06d}" for number in range(len(weights))]
    written = write_zoo(folder, INTERFACE, [Group(population, names, names)])
    return lambda rows: written.population(rows).flatten().numpy()


def zarr_array(folder: Path, weights: np.ndarray) -> Read:
    """Zarr, version 3."""
    import zarr
    from zarr.codecs import Crc32cCodec

    codecs: Any = [Crc32cCodec()]
    array = zarr.create_array(
        store=str(folder),
        shape=weights.shape,
        dtype=weights.dtype,
        chunks=(1, weights.shape[1]),
        shards=(SHARD, weights.shape[1]),
        compressors=codecs,
    )
    array[:] = weights
    opened: Any = zarr.open_array(str(folder), mode="r")
    return lambda rows: opened.oindex[rows]


def lance_table(folder: Path, weights: np.ndarray) -> Read:
    """Lance."""
    import lance
    import pyarrow as pa

    rows = pa.FixedSizeListArray.from_arrays(pa.array(weights.reshape(-1)), weights.shape[1])
    lance.write_dataset(pa.table({"weights": rows}), str(folder))
    opened = lance.dataset(str(folder))

    def read(wanted: np.ndarray) -> np.ndarray:
        column = opened.take(wanted, columns=["weights"])["weights"].combine_chunks()
        return column.flatten().to_numpy().reshape(len(wanted), -1)

    return read


STORES: dict[str, Callable[[Path, np.ndarray], Read]] = {"zoo": zoo, "zarr": zarr_array, "lance": lance_table}


def main() -> None:
    """Write, compare, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=8192)
    parser.add_argument("--drawn", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    weights = generator(0, "weights").standard_normal((options.networks, LSTM.num_parameters), dtype=np.float32)
    report: dict[str, Any] = {"networks": options.networks, "drawn": options.drawn, "bytes": weights[0].nbytes}
    with tempfile.TemporaryDirectory() as place:
        readers, missing = {}, []
        for name, make in STORES.items():
            start = time.perf_counter()
            try:
                readers[name] = make(Path(place) / name, weights)
            except ImportError:
                missing.append(name)
                continue
            report[f"{name}: seconds to write"] = round(time.perf_counter() - start, 2)
        seconds: dict[str, dict[str, list[float]]] = {name: {"one": [], "drawn": []} for name in readers}
        for number in range(options.rounds + 1):
            for kind, count in (("one", 1), ("drawn", options.drawn)):
                rows = generator(0, number, kind).permutation(options.networks)[:count]
                order = list(readers)[number % len(readers) :] + list(readers)[: number % len(readers)]
                for name in order:
                    start = time.perf_counter()
                    found = readers[name](rows)
                    took = time.perf_counter() - start
                    if not np.array_equal(found, weights[rows]):
                        raise SystemExit(f"{name} read something else")
                    if number:  # the first round warms up
                        seconds[name][kind].append(took)
    report |= {"missing": missing, "ms": {}}
    for name, kinds in seconds.items():
        report["ms"][name] = {kind: round(statistics.median(each) * 1e3, 3) for kind, each in kinds.items()}
        shown = report["ms"][name]
        print(f"{name:6s} one {shown['one']:8.3f} ms   {options.drawn} drawn {shown['drawn']:8.3f} ms")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
