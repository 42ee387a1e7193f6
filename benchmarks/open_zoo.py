"""Opening a zoo of a million rows: what it costs before a single network is read, and to read one.

    python benchmarks/open_zoo.py [ROWS]

The table is a real one, repeated; of its shards only the first exists, and only it is asked for. It is read in a
process of its own; memory is that one's peak beyond what it has after its imports (Linux). The last line is JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnn2vec import Zoo, build_zoo, zoo_recipe
from rnn2vec.checksums import sealed
from rnn2vec.files import write_atomically, write_json
from rnn2vec.zoo.layout import INDEX, TABLE
from rnn2vec.zoo.table import snapshot_name


def synthetic(directory: Path, rows: int) -> None:
    """A zoo of many rows around a shard of sixteen networks."""
    recipe = zoo_recipe("formal-languages", "demo", models=16, steps=1, snapshots=(0, 1), traces=1)
    small = build_zoo(recipe, directory)
    table = pq.read_table(directory / TABLE)
    copies = -(-rows // len(table))
    columns = {name: np.tile(table[name].to_numpy(), copies)[:rows] for name in table.column_names}
    copy = np.repeat(np.arange(copies), len(table))[:rows]
    columns["model"], columns["shard"] = columns["model"] + 16 * copy, copy
    columns["name"] = np.array([snapshot_name(*at) for at in zip(columns["model"], columns["step"], strict=True)])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    index = json.loads((directory / INDEX).read_bytes())
    index["checksums"][TABLE] = write_atomically(directory / TABLE, sink.getvalue().to_pybytes())
    first = {name: index["checksums"][name] for name in small.checksums if "/" in name}
    for number in range(1, copies):
        index["checksums"] |= {name.replace("00000", f"{number:05d}"): checksum for name, checksum in first.items()}
    index["recipe"]["models"] = 16 * copies
    write_json(directory / INDEX, sealed(index))


def peak() -> float:
    """Largest memory of this process so far, in MB. What getrusage says may be its parent's."""
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def read(directory: Path) -> None:
    """Open the zoo, look at a column, read one network; print seconds and memory as JSON."""
    before, start = peak(), time.perf_counter()
    zoo = Zoo.open(directory)
    opened, start = time.perf_counter() - start, time.perf_counter()
    accuracy = zoo.column("accuracy")
    column, start = time.perf_counter() - start, time.perf_counter()
    population = zoo.population([5])
    found = {"open_s": opened, "column_s": column, "one_network_s": time.perf_counter() - start}
    found |= {"memory_megabytes": peak() - before, "rows": len(zoo), "read": len(population)}
    assert len(accuracy) == len(zoo)
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


def main() -> None:
    if sys.argv[1:2] == ["--read"]:
        read(Path(sys.argv[2]))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as place:
        synthetic(Path(place) / "zoo", rows)
        command = [sys.executable, __file__, "--read", str(Path(place) / "zoo")]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


if __name__ == "__main__":
    main()
