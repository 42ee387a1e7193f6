"""What an evaluation found, as ``results.json`` and as the closing table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn2vec.emulation.store import versions, zoo_checksum
from rnn2vec.evaluation.properties import learnt
from rnn2vec.evaluation.store import Evaluation
from rnn2vec.families import view_of
from rnn2vec.families.family import View
from rnn2vec.interface import Interface
from rnn2vec.zoo.store import Zoo


def collect_results(zoo: Zoo, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """``results.json``: the zoo in a few numbers, and every encoder's results by name."""
    reached = {}
    if zoo.index.task_set is not None:
        last = zoo.column("step") == zoo.steps[-1]
        reached["final_accuracy"] = float(zoo.column("accuracy")[last].mean())
        reached["final_learnt"] = float(learnt(zoo)[last].mean())
    return {
        "zoo": {
            "family": None if zoo.index.task_set is None else zoo.family,
            "interface": zoo.interface.to_dict(),
            "labels": dict(zoo.index.labels),
            "architectures": [architecture.to_dict() for architecture in zoo.architectures],
            "models": zoo.models,
            "snapshots": len(zoo),
            "tasks": len(np.unique(zoo.groups, axis=0)),
            "seed": zoo.seed,
            **reached,
            "checksum": zoo_checksum(zoo),
        },
        "encoders": {evaluation.name: evaluation.results for evaluation in evaluations},
        "versions": versions(),
    }


def view_of_results(results: Mapping[str, Any]) -> View:
    """How the networks of a zoo are seen, from what ``results.json`` says of it."""
    about = results["zoo"]
    return view_of(about["family"], Interface.from_dict(about["interface"]), about["labels"])


def results_table(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The closing table, a row an encoder, as text: for the terminal and the report alike.

    What was measured of no encoder has no column.
    """
    measured = {kind for values in results["encoders"].values() for kind in values}
    view = view_of_results(results)
    columns = [column for column in view.columns if column.reading in measured]
    rows = []
    for name, values in results["encoders"].items():
        rows.append(
            {
                "encoder": name,
                "loss": f"{values['emulation_loss']['validation']:.4f}",
                **({"loss OOD": f"{values['emulation_loss']['ood']:.4f}"} if "ood" in values["emulation_loss"] else {}),
                **{
                    each.title: view.metric(each.metric).text(
                        values.get(each.reading, {}).get(each.part, {}).get(each.metric)
                    )
                    for each in columns
                },
                **{title: f"{losses['validation']:.4f}" for title, losses in values["reported_losses"].items()},
                "parameters": f"{values['parameters']:,}",
                "seconds": f"{values['seconds']:.0f}",
            }
        )
    return rows
