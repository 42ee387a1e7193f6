"""Evaluate pretrained encoders on a zoo: one dictionary of results, and the arrays that the report draws."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.downstream.predict import embed, evaluate_frozen, evaluate_supervised, fit_predictors, seen_rows
from rnn2vec.downstream.properties import learnt
from rnn2vec.downstream.readers import LINEAR, READERS
from rnn2vec.emulation.clones import clone_scores
from rnn2vec.emulation.emulate import emulation_loss, loss_of
from rnn2vec.emulation.pretrain import part_of_zoo
from rnn2vec.emulation.store import EMULATOR, RECORD, TrainedEncoder, load_trained, versions, zoo_checksum
from rnn2vec.encoders import build_encoder
from rnn2vec.encoders.directory import CONFIG, WEIGHTS
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation_store import PLAN, Evaluation, load_evaluation, save_evaluation
from rnn2vec.families import family_of
from rnn2vec.metrics import correlation
from rnn2vec.parallel import Report, run_jobs
from rnn2vec.plan import begin
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo


def evaluate(
    zoo: Zoo,
    directories: Sequence[Path],
    supervised_steps: int | None = None,
    workers: int = 1,
    report: Report | None = None,
    predictors_from: Zoo | None = None,
    folder: Path | None = None,
) -> list[Evaluation]:
    """Evaluate pretrained encoders on the zoo they were trained on, or on another of networks they can read.

    With a folder, an evaluation that was interrupted goes on when it is called again with the same arguments: encoders
    that are finished are kept, and a rival goes on from its last half minute.

    Args:
        zoo: the zoo.
        directories: encoder directories.
        supervised_steps: steps of the end-to-end rival of each; as many as it was pretrained with by default, 0 for
            none.
        workers: encoders evaluated side by side.
        report: told ``(encoder, steps done, note)``.
        predictors_from: another zoo of the same family; predictors fitted to its networks are used on this one's, too,
            and what they get right is in the results as ``transferred``.
        folder: where to keep what is found so far; for one process at a time. It is the caller's to end it with
            :func:`rnn2vec.evaluation_store.end_evaluation` once the results are written.

    Raises:
        RNN2VecError: if a directory is damaged, an encoder cannot read the zoo, predictors would be tested on tasks
            that they were fitted to, or the folder holds another evaluation.
    """
    if predictors_from:
        _check_transfer(predictors_from, zoo)
    split_zoo(zoo)  # too small a zoo is refused before any work
    trained = [load_trained(directory, zoo) for directory in directories]
    names = [run.encoder.name for run in trained]
    if len(set(names)) != len(names):
        raise RNN2VecError(f"one evaluation compares different encoders, one directory each; got {', '.join(names)}")
    losses = {run.recipe.loss for run in trained}
    if len(losses) > 1:
        named = ", ".join(sorted(losses))
        raise RNN2VecError(f"one evaluation compares encoders pretrained with the same loss; got {named}")
    if predictors_from:
        for run in trained:
            run.encoder.check_readable(predictors_from)  # before anything is written
    if folder:
        plan = {
            "encoders": {run.encoder.name: _checksums(run.directory) for run in trained},
            "zoo": zoo_checksum(zoo),
            "supervised_steps": {run.encoder.name: _steps(run, supervised_steps) for run in trained},
            "predictors_from": predictors_from and zoo_checksum(predictors_from),
            "readers": list(READERS),
            "versions": versions(),
        }
        begin(folder / PLAN, "evaluation", plan)
    source = predictors_from and predictors_from.directory
    jobs = [
        (zoo.directory, run.directory, run.encoder.name, _steps(run, supervised_steps), source, folder)
        for run in trained
    ]
    return run_jobs(_evaluate_or_keep, jobs, workers, report)


def _checksums(directory: Path) -> dict[str, str]:
    """SHA-256 of the files that an encoder's evaluation is a function of."""
    return {
        name: hashlib.sha256((directory / name).read_bytes()).hexdigest()
        for name in (CONFIG, WEIGHTS, EMULATOR, RECORD)
    }


def _steps(trained: TrainedEncoder, supervised_steps: int | None) -> int:
    return trained.recipe.steps if supervised_steps is None else supervised_steps


def _evaluate_or_keep(
    zoo: Path,
    directory: Path,
    name: str,
    steps: int,
    predictors_from: Path | None,
    folder: Path | None,
    *,
    report: Callable[[int, str], None],
) -> Evaluation:
    if folder is None:
        return evaluate_encoder(zoo, directory, steps, predictors_from, report=report)
    path, checkpoint = folder / f"{name}.safetensors", folder / f"{name}-rival.safetensors"
    if path.exists():
        report(steps, "kept")
        return load_evaluation(path)
    evaluation = evaluate_encoder(zoo, directory, steps, predictors_from, checkpoint, report=report)
    save_evaluation(path, evaluation)
    checkpoint.unlink(missing_ok=True)
    return evaluation


def evaluate_encoder(
    zoo_directory: Path,
    directory: Path,
    supervised_steps: int | None,
    predictors_from: Path | None = None,
    checkpoint: Path | None = None,
    *,
    report: Callable[[int, str], None],
) -> Evaluation:
    """Evaluate one encoder; see :func:`evaluate`. The checkpoint is its rival's."""
    zoo = Zoo.open(zoo_directory)
    trained = load_trained(directory, zoo)
    encoder, record, seed = trained.encoder, trained.record, int(trained.record["seed"])
    split = split_zoo(zoo)
    z = embed(encoder, zoo.networks())
    predictors = fit_predictors(zoo, z, seed)
    losses = {
        loss: {
            part: emulation_loss(encoder, trained.emulator, part_of_zoo(zoo, rows), loss_of(zoo.interface, loss))
            for part, rows in split.tested.items()
        }
        for loss in {trained.recipe.loss, "total-variation"}
    }
    results: dict[str, Any] = {
        "emulation_loss": {"name": trained.recipe.loss, **losses[trained.recipe.loss]},
        "total_variation": losses["total-variation"],
        "frozen": evaluate_frozen(zoo, z, seed, predictors),
        "linear": evaluate_frozen(zoo, z, seed, fit_predictors(zoo, z, seed, readers=[LINEAR])),
        "readers": {name: reading.to_dict() for name, reading in predictors.readings.items()},
        "parameters": record["parameters"],
        "steps": trained.recipe.steps,
        "seconds": record["seconds"],
        "seed": seed,
        "versions": record["versions"],
    }
    if predictors_from:
        other = Zoo.open(predictors_from)
        encoder.check_readable(other)
        fitted = fit_predictors(other, embed(encoder, other.networks()), seed)
        results["transferred"] = evaluate_frozen(zoo, z, seed, fitted)
        results["predictors_from"] = zoo_checksum(other)
    steps = _steps(trained, supervised_steps)
    if steps:
        rival = build_encoder(
            encoder.name, encoder.form, seed, embedding_size=encoder.embedding_size, **encoder.options
        )
        recipe = dataclasses.replace(trained.recipe, steps=steps)
        supervised = evaluate_supervised(zoo, rival, recipe, seed, report, checkpoint)
        results["supervised"], results["supervised_seconds"] = supervised.metrics, supervised.seconds
        results["supervised_readers"] = {name: reading.to_dict() for name, reading in supervised.readings.items()}
        results["supervised_steps"] = steps
    clones = clone_scores(zoo, trained.emulator, z[split.validation], split.validation, seed)
    results["clones"] = {
        "mean_score": float(clones.mean()),
        "correlation_with_accuracy": correlation(zoo.column("accuracy")[split.validation], clones),
    }
    return Evaluation(encoder.name, results, z, clones)


def _check_transfer(source: Zoo, zoo: Zoo) -> None:
    """Raise :class:`RNN2VecError` unless predictors fitted to ``source`` may be tested on ``zoo``."""
    if source.family != zoo.family:
        raise RNN2VecError(
            f"predictors go from one zoo to another of the same family of tasks; got {source.family} and {zoo.family}"
        )
    split = split_zoo(zoo)
    tested = {tuple(task) for task in zoo.tasks[np.concatenate([split.validation, split.ood_unseen])].tolist()}
    fitted = {tuple(task) for task in source.tasks[seen_rows(split_zoo(source))].tolist()}
    if tested & fitted:
        raise RNN2VecError(
            f"predictors are tested on tasks they were not fitted to; {len(tested & fitted)} of the {len(tested)} that "
            f"{zoo.directory} holds back are fitted to in {source.directory}: use zoos of the same tasks and seed"
        )


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
    columns = [column for column in family_of(results["zoo"]["family"]).columns if column.reading in measured]
    rows = []
    for name, values in results["encoders"].items():
        rows.append(
            {
                "encoder": name,
                "loss": f"{values['emulation_loss']['validation']:.4f}",
                "loss OOD": f"{values['emulation_loss']['ood']:.4f}",
                **{
                    each.title: _number(values.get(each.reading, {}).get(each.part, {}).get(each.metric), each.metric)
                    for each in columns
                },
                "parameters": f"{values['parameters']:,}",
                "seconds": f"{values['seconds']:.0f}",
            }
        )
    return rows


def _number(value: float | None, metric: str) -> str:
    """Whole degrees for angles, else two digits; a dash where there was nothing to measure."""
    if value is None or np.isnan(value):
        return "-"
    return f"{value:.0f}\u00b0" if metric == "angle_error" else f"{value:.2f}"
