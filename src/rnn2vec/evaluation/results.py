"""What an evaluation found, as ``results.json`` and as the closing table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn2vec.emulation.store import versions, zoo_checksum
from rnn2vec.evaluation.predictors import evaluate_frozen, fit_predictors
from rnn2vec.evaluation.properties import learnt
from rnn2vec.evaluation.readers import LINEAR
from rnn2vec.evaluation.store import Evaluation
from rnn2vec.families import view_of
from rnn2vec.families.family import View
from rnn2vec.interface import Interface
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

SAME_Z = "the same z for all"
"""The row of chance."""


def collect_results(zoo: Zoo, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """``results.json``: the zoo in a few numbers, every encoder's results by name, and what predictors get right that
    are told the same z of all networks: chance.
    """
    reached, split, same = {}, split_zoo(zoo), np.zeros((len(zoo), 1), np.float32)
    parts = {"train": split.train, **split.tested}
    if zoo.index.task_set is not None:
        last = zoo.column("step") == zoo.steps[-1]
        reached["final_accuracy"] = float(zoo.column("accuracy")[last].mean())
        reached["final_learnt"] = float(learnt(zoo)[last].mean())
    return {
        "zoo": {
            "family": None if zoo.index.task_set is None else zoo.family,
            "interface": zoo.interface.to_dict(),
            "labels": dict(zoo.index.labels),
            "split_by": None if zoo.index.task_set is not None else zoo.index.split_by,
            "architectures": [architecture.to_dict() for architecture in zoo.architectures],
            "models": zoo.models,
            "snapshots": len(zoo),
            "tasks": len(np.unique(zoo.groups, axis=0)),
            "parts": {
                part: {"snapshots": len(rows), "tasks": len(np.unique(zoo.groups[rows], axis=0))}
                for part, rows in parts.items()
            },
            "seed": zoo.seed,
            **reached,
            "checksum": zoo_checksum(zoo),
        },
        "encoders": {evaluation.name: evaluation.results for evaluation in evaluations},
        "same_z": {"frozen": evaluate_frozen(zoo, same, predictors=fit_predictors(zoo, same, readers=[LINEAR]))},
        "versions": versions(),
    }


def view_of_results(results: Mapping[str, Any]) -> View:
    """How the networks of a zoo are seen, from what ``results.json`` says of it."""
    about = results["zoo"]
    return view_of(about["family"], Interface.from_dict(about["interface"]), about["labels"])


def results_table(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The closing table, as text: for the terminal and the report alike.

    A row is an encoder's; the last is chance: the same z for all networks. What was measured of no encoder has no
    column.
    """
    measured = {kind for values in results["encoders"].values() for kind in values}
    view = view_of_results(results)
    columns = [column for column in view.columns if column.reading in measured]
    ood = "ood" in results["zoo"]["parts"]
    rows = []
    for name, values in [*results["encoders"].items(), (SAME_Z, results["same_z"])]:
        losses = {"loss": values.get("emulation_loss", {}), **values.get("reported_losses", {})}
        row = {"encoder": name, "loss": _loss(losses["loss"], "validation")}
        row |= {"loss OOD": _loss(losses["loss"], "ood")} if ood else {}
        for each in columns:
            value = values.get(each.reading, {}).get(each.part, {}).get(each.metric)
            row[each.title] = view.metric(each.metric).text(value)
        for title in Interface.from_dict(results["zoo"]["interface"]).outputs.reported:
            row[title] = _loss(losses.get(title, {}), "validation")
        row["parameters"] = f"{values['parameters']:,}" if "parameters" in values else "-"
        row["seconds"] = f"{values['seconds']:.0f}" if "seconds" in values else "-"
        rows.append(row)
    return rows


def _loss(losses: Mapping[str, float], part: str) -> str:
    return f"{losses[part]:.4f}" if part in losses else "-"
