"""What an evaluation found, as ``results.json`` and as the closing table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn2vec.emulation.store import versions, zoo_checksum
from rnn2vec.evaluation.properties import learnt
from rnn2vec.evaluation.store import Evaluation
from rnn2vec.families import family_of
from rnn2vec.zoo.store import Zoo


def collect_results(zoo: Zoo, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """``results.json``: the zoo in a few numbers, and every encoder's results by name."""
    last = zoo.column("step") == zoo.steps[-1]
    return {
        "zoo": {
            "family": zoo.family,
            "architecture": zoo.architecture.to_dict(),
            "models": zoo.models,
            "snapshots": len(zoo),
            "tasks": len(np.unique(zoo.tasks, axis=0)),
            "seed": zoo.seed,
            "final_accuracy": float(zoo.column("accuracy")[last].mean()),
            "final_learnt": float(learnt(zoo)[last].mean()),
            "checksum": zoo_checksum(zoo),
        },
        "encoders": {evaluation.name: evaluation.results for evaluation in evaluations},
        "versions": versions(),
    }


def results_table(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The closing table, a row an encoder, as text: for the terminal and the report alike.

    What was measured of no encoder has no column.
    """
    measured = {kind for values in results["encoders"].values() for kind in values}
    family = family_of(results["zoo"]["family"])
    columns = [column for column in family.columns if column.reading in measured]
    rows = []
    for name, values in results["encoders"].items():
        rows.append(
            {
                "encoder": name,
                "loss": f"{values['emulation_loss']['validation']:.4f}",
                "loss OOD": f"{values['emulation_loss']['ood']:.4f}",
                **{
                    each.title: family.metric(each.metric).text(
                        values.get(each.reading, {}).get(each.part, {}).get(each.metric)
                    )
                    for each in columns
                },
                "parameters": f"{values['parameters']:,}",
                "seconds": f"{values['seconds']:.0f}",
            }
        )
    return rows
