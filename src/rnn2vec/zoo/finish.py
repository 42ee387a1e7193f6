"""The last files of a zoo, once its shards are all there: table, dataset card, and index."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnn2vec.files import write_atomically
from rnn2vec.zoo.index import Index
from rnn2vec.zoo.layout import CARD, INDEX, TABLE, traces_path, weights_path
from rnn2vec.zoo.table import places_of


def finish_zoo(directory: Path, index: Index, table: pa.Table) -> None:
    """Write the table, the dataset card and, last, the index of a zoo whose shards are all there.

    Args:
        directory: where the shards are.
        index: what the zoo says of itself, but for its checksums.
        table: a row a network.
    """
    checksums = {}
    for shard in np.unique(places_of(table)[1]):
        for path in (weights_path(directory, shard), traces_path(directory, shard)):
            if path.exists():
                checksums[path.relative_to(directory).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    checksums[TABLE] = write_atomically(directory / TABLE, buffer.getvalue())
    checksums[CARD] = write_atomically(directory / CARD, _card(index, table).encode())
    dataclasses.replace(index, checksums=checksums).write(directory)


def _card(index: Index, table: pa.Table) -> str:
    title = "Recurrent networks" + (f" trained on {index.task_set.family}" if index.task_set else "")
    made = "; ".join(map(str, index.architectures))
    return f"""---
pretty_name: {title}
tags: [model-zoo, weight-space-learning, recurrent-neural-networks, rnn2vec]
configs:
- config_name: default
  data_files: {TABLE}
---

# A model zoo: {title[0].lower()}{title[1:]}

{table.num_rows} networks ({made}); {index.interface}.{_learnt(index, table)}

- `{TABLE}`: a row a network: {", ".join(table.column_names)}
- `weights/*.safetensors`: parameters under torch.nn's names, `[networks of the shard, ...]`
- `traces/*.safetensors`: `inputs`, sequences that each network read, and `outputs`, what it said to them
  ({index.interface.outputs})
- `{INDEX}`: schema version, interface, architectures, recipe, labels, checksums

```python
from rnn2vec import Zoo

zoo = Zoo.open("path/to/this/folder")
networks = zoo.networks()
```
"""


def _learnt(index: Index, table: pa.Table) -> str:
    """How many networks of a family have learnt their task in the end."""
    if index.task_set is None:
        return ""
    steps, least = table["step"].to_numpy(), index.task_set.learnt_accuracy
    accuracy = table["accuracy"].to_numpy()[steps == steps.max()]
    known = ", ".join(map(str, np.unique(steps)))
    return (
        f" Snapshots are of steps {known}.\nAt the last one, {(accuracy >= least).mean():.0%} of the networks have an "
        f"accuracy of at least {least} (median {np.median(accuracy):.3f})."
    )
