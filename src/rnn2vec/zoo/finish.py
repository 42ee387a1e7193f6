"""The last files of a zoo, once its shards are all there: table, dataset card, and index."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnn2vec.families.recipe import Recipe
from rnn2vec.files import write_atomically
from rnn2vec.zoo.layout import CARD, INDEX, SCHEMA_VERSION, TABLE, rollouts_path, weights_path, write_index


def finish_zoo(directory: Path, recipe: Recipe, table: pa.Table, **extra: Any) -> None:
    """Write the table, the dataset card and, last, the index of a zoo whose shards are all there.

    Args:
        directory: where the shards are.
        recipe: what they follow.
        table: a row a snapshot.
        extra: what else the index is to hold.
    """
    checksums = {}
    for shard in np.unique(table["shard"].to_numpy()):
        for path in (weights_path(directory, shard), rollouts_path(directory, shard)):
            checksums[path.relative_to(directory).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    checksums[TABLE] = write_atomically(directory / TABLE, buffer.getvalue())
    checksums[CARD] = write_atomically(directory / CARD, _card(recipe, table).encode())
    index = {
        "schema_version": SCHEMA_VERSION,
        "family": recipe.family,
        "architecture": recipe.architecture.to_dict(),
        "seed": recipe.seed,
        **extra,
    }
    write_index(directory, {**index, "recipe": recipe.to_dict(), "checksums": checksums})


def _card(recipe: Recipe, table: pa.Table) -> str:
    accuracy = table["accuracy"].to_numpy()[table["step"].to_numpy() == recipe.snapshots[-1]]
    inputs, outputs = (", ".join(map(str, ["S", *shape])) for shape in recipe.rollout_shapes())
    said = f"outputs ({recipe.interface.outputs})"
    return f"""---
pretty_name: Recurrent networks trained on {recipe.family}
tags: [model-zoo, weight-space-learning, recurrent-neural-networks, rnn2vec]
configs:
- config_name: default
  data_files: {TABLE}
---

# A model zoo: {recipe.models} recurrent networks trained on {recipe.family}

{recipe.architecture}; snapshots at steps {", ".join(map(str, recipe.snapshots))}; {table.num_rows} in all.
At the last one,
{(accuracy >= recipe.learnt_accuracy).mean():.0%} of the networks have an accuracy of at least {recipe.learnt_accuracy}
(median {np.median(accuracy):.3f}).

- `{TABLE}`: a row a snapshot: {", ".join(table.column_names)}
- `weights/*.safetensors`: parameters under torch.nn's names, `[snapshots of the shard, ...]`
- `rollouts/*.safetensors`: `inputs`, sequences each network read, `[{inputs}]`; `outputs`, its {said},
  `[{outputs}]`
- `{INDEX}`: schema version, recipe, seed, checksums

```python
from rnn2vec import Zoo

zoo = Zoo.open("path/to/this/folder")
population = zoo.population()
```
"""
