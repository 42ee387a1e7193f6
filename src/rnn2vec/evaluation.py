"""Evaluate pretrained encoders on a zoo: one dictionary of results, and the arrays that the report draws."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec.downstream.predict import GENERATES, embed, evaluate_frozen, evaluate_supervised
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.emulation.losses import LOSSES
from rnn2vec.emulation.pretrain import emulation_loss, part_of_zoo
from rnn2vec.emulation.store import load_trained, versions, zoo_checksum
from rnn2vec.encoders import build_encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.parallel import Report, run_jobs
from rnn2vec.randomness import generator
from rnn2vec.tasks.formal_language import BOS
from rnn2vec.zoo.rollouts import sample_strings
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

CLONE_STRINGS = 100
"""Strings that the emulator writes for each network of the validation tasks."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is known of one encoder.

    Attributes:
        name: the encoder.
        results: its entry in ``results.json``.
        embeddings: z of every snapshot of the zoo, ``[snapshots, Z]``.
        clone_accuracy: share of the strings written by the emulator from z that are in the network's language, for
            every validation snapshot.
    """

    name: str
    results: dict[str, Any]
    embeddings: np.ndarray
    clone_accuracy: np.ndarray


def evaluate(
    zoo: Zoo,
    directories: Sequence[Path],
    supervised_steps: int | None = None,
    workers: int = 1,
    report: Report | None = None,
) -> list[Evaluation]:
    """Evaluate pretrained encoders on the zoo they were trained on, or on another of networks they can read.

    Args:
        zoo: the zoo.
        directories: encoder directories.
        supervised_steps: steps of the end-to-end rival of each; as many as it was pretrained with by default, 0 for
            none.
        workers: encoders evaluated side by side.
        report: told ``(encoder, steps done, note)``.

    Raises:
        RNN2VecError: if a directory is damaged or an encoder cannot read the zoo.
    """
    split_zoo(zoo)  # too small a zoo is refused before any work
    trained = [load_trained(directory, zoo) for directory in directories]
    names = [run.encoder.name for run in trained]
    if len(set(names)) != len(names):
        raise RNN2VecError(f"one evaluation compares different encoders, one directory each; got {', '.join(names)}")
    losses = {run.recipe.loss for run in trained}
    if len(losses) > 1:
        named = ", ".join(sorted(losses))
        raise RNN2VecError(f"one evaluation compares encoders pretrained with the same loss; got {named}")
    return run_jobs(
        evaluate_encoder, [(zoo.directory, directory, supervised_steps) for directory in directories], workers, report
    )


def evaluate_encoder(
    zoo_directory: Path, directory: Path, supervised_steps: int | None, *, report: Callable[[int, str], None]
) -> Evaluation:
    """Evaluate one encoder; see :func:`evaluate`."""
    zoo = Zoo.open(zoo_directory)
    trained = load_trained(directory, zoo)
    encoder, record, seed = trained.encoder, trained.record, int(trained.record["seed"])
    split = split_zoo(zoo)
    z = embed(encoder, zoo.population())
    loss = LOSSES[trained.recipe.loss]
    losses = {
        name: emulation_loss(encoder, trained.emulator, *part_of_zoo(zoo, rows), loss)
        for name, rows in (("validation", split.validation), ("ood", split.ood))
    }
    results: dict[str, Any] = {
        "emulation_loss": {"name": trained.recipe.loss, **losses},
        "frozen": evaluate_frozen(zoo, z, seed),
        "parameters": record["parameters"],
        "steps": trained.recipe.steps,
        "seconds": record["seconds"],
        "seed": seed,
        "versions": record["versions"],
    }
    steps = trained.recipe.steps if supervised_steps is None else supervised_steps
    if steps:
        start = time.monotonic()
        rival = build_encoder(encoder.name, zoo.spec, seed, embedding_size=encoder.embedding_size, **encoder.options)
        recipe = dataclasses.replace(trained.recipe, steps=steps)
        results["supervised"] = evaluate_supervised(zoo, rival, recipe, seed, report)
        results["supervised_steps"], results["supervised_seconds"] = steps, time.monotonic() - start
    clones = clone_accuracy(zoo, trained.emulator, z[split.validation], split.validation, seed)
    results["clone_accuracy_correlation"] = _correlation(zoo.column("accuracy")[split.validation], clones)
    return Evaluation(encoder.name, results, z, clones)


def clone_accuracy(zoo: Zoo, emulator: Emulator, z: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """Let the emulator write strings from z, and count those in each network's language: ``[rows]`` shares."""
    uniforms = np.stack(
        [generator(seed, int(row), "clone").random((CLONE_STRINGS, zoo.recipe.length - 1)) for row in rows]
    )
    told = torch.from_numpy(z)
    strings, _ = sample_strings(
        lambda tokens, state: emulator(told, tokens, state), torch.from_numpy(uniforms), BOS, keep=0
    )
    models = zoo.column("model")[rows]
    return np.array(
        [zoo.recipe.task(int(model)).accept(own.numpy()).mean() for model, own in zip(models, strings, strict=True)]
    )


def collect_results(zoo: Zoo, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """``results.json``: the zoo in a few numbers, and every encoder's results by name."""
    last = zoo.column("step") == zoo.recipe.snapshots[-1]
    return {
        "zoo": {
            "family": zoo.family,
            "spec": zoo.spec.to_dict(),
            "models": zoo.recipe.models,
            "snapshots": len(zoo),
            "languages": len(np.unique(zoo.tasks, axis=0)),
            "seed": zoo.recipe.seed,
            "final_accuracy": float(zoo.column("accuracy")[last].mean()),
            "final_generating": float((zoo.column("accuracy")[last] >= GENERATES).mean()),
            "checksum": zoo_checksum(zoo),
        },
        "encoders": {evaluation.name: evaluation.results for evaluation in evaluations},
        "versions": versions(),
    }


def results_table(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The closing table, a row an encoder, as text: for the terminal and the report alike."""
    rows = []
    for name, values in results["encoders"].items():
        frozen, supervised = values["frozen"], values.get("supervised", {"validation": {}, "ood": {}})
        rows.append(
            {
                "encoder": name,
                "loss": f"{values['emulation_loss']['validation']:.4f}",
                "loss OOD": f"{values['emulation_loss']['ood']:.4f}",
                **{letter: _share(frozen["validation"][f"m{letter}"]) for letter in "bcd"},
                "language": _share(frozen["validation"]["exact"]),
                "language OOD": _share(frozen["ood"]["exact"]),
                "accuracy R2": _share(frozen["validation"]["accuracy_r2"]),
                "end-to-end": _share(supervised["validation"].get("exact")),
                "end-to-end OOD": _share(supervised["ood"].get("exact")),
                "parameters": f"{values['parameters']:,}",
                "seconds": f"{values['seconds']:.0f}",
            }
        )
    return rows


def _share(value: float | None) -> str:
    """Two digits, or a dash where there was nothing to measure."""
    return "-" if value is None or np.isnan(value) else f"{value:.2f}"


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else 0.0
