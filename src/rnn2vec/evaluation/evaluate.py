"""Evaluate pretrained encoders on a zoo: one dictionary of results, and the arrays that the report draws."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.emulation.clones import clone_scores
from rnn2vec.emulation.emulate import emulation_loss, loss_of
from rnn2vec.emulation.pretrain import part_of_zoo
from rnn2vec.emulation.store import RECORD, TrainedEncoder, load_trained, versions, zoo_checksum
from rnn2vec.encoders import build_encoder
from rnn2vec.encoders.directory import CONFIG, EMULATOR, WEIGHTS
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.end_to_end import evaluate_supervised
from rnn2vec.evaluation.predictors import evaluate_frozen, fit_predictors, seen_rows
from rnn2vec.evaluation.properties import properties_of
from rnn2vec.evaluation.readers import LINEAR, READERS
from rnn2vec.evaluation.store import PLAN, Evaluation, load_evaluation, save_evaluation
from rnn2vec.metrics import correlation
from rnn2vec.parallel import OnProgress, run_jobs
from rnn2vec.plan import begin
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo


def evaluate(
    zoo: Zoo,
    directories: Sequence[Path],
    supervised_steps: int | None = None,
    workers: int = 1,
    on_progress: OnProgress | None = None,
    predictors_from: Zoo | None = None,
    folder: Path | None = None,
) -> list[Evaluation]:
    """Evaluate pretrained encoders on the zoo they were trained on, or on another of networks they can read.

    With a folder, an evaluation that was interrupted goes on when it is called again with the same arguments: encoders
    that are finished are kept, and a baseline goes on from its last half minute.

    Args:
        zoo: the zoo.
        directories: encoder directories.
        supervised_steps: steps of the end-to-end baseline of each; as many as it was pretrained with by default, 0 for
            none.
        workers: encoders evaluated side by side.
        on_progress: told ``(encoder, steps done, note)``.
        predictors_from: another zoo of the same family; predictors fitted to its networks are used on this one's, too,
            and what they get right is in the results as ``transferred``.
        folder: where to keep what is found so far; for one process at a time. It is the caller's to end it with
            :func:`rnn2vec.evaluation.store.end_evaluation` once the results are written.

    Raises:
        RNN2VecError: if a directory is damaged, an encoder cannot read the zoo, predictors would be tested on tasks
            that they were fitted to, or the folder holds another evaluation.
    """
    if predictors_from:
        check_transfer(predictors_from, zoo)
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
    source = predictors_from.directory if predictors_from else None
    jobs = [
        EncoderEvaluation(zoo.directory, run.directory, run.encoder.name, _steps(run, supervised_steps), source, folder)
        for run in trained
    ]
    return run_jobs(jobs, workers, on_progress)


@dataclasses.dataclass(frozen=True)
class EncoderEvaluation:
    """The evaluation of one encoder, to be carried out.

    Attributes:
        zoo: directory of the zoo.
        directory: of the encoder.
        name: of the encoder.
        supervised_steps: of its end-to-end baseline; 0 for none.
        predictors_from: directory of another zoo, or None.
        folder: where what is found is kept, or None.
    """

    zoo: Path
    directory: Path
    name: str
    supervised_steps: int
    predictors_from: Path | None
    folder: Path | None

    def run(self, on_progress: Callable[[int, str], None]) -> Evaluation:
        """Evaluate, go on, or keep what is there."""
        what = (self.zoo, self.directory, self.supervised_steps, self.predictors_from)
        if self.folder is None:
            return evaluate_encoder(*what, on_progress=on_progress)
        path = self.folder / f"{self.name}.safetensors"
        checkpoint = self.folder / f"{self.name}-baseline.safetensors"
        if path.exists():
            on_progress(self.supervised_steps, "kept")
            return load_evaluation(path)
        evaluation = evaluate_encoder(*what, checkpoint, on_progress=on_progress)
        save_evaluation(path, evaluation)
        checkpoint.unlink(missing_ok=True)
        return evaluation


def _checksums(directory: Path) -> dict[str, str]:
    """SHA-256 of the files that an encoder's evaluation is a function of."""
    return {
        name: hashlib.sha256((directory / name).read_bytes()).hexdigest()
        for name in (CONFIG, WEIGHTS, EMULATOR, RECORD)
    }


def _steps(trained: TrainedEncoder, supervised_steps: int | None) -> int:
    return trained.recipe.steps if supervised_steps is None else supervised_steps


def evaluate_encoder(
    zoo_directory: Path,
    directory: Path,
    supervised_steps: int | None,
    predictors_from: Path | None = None,
    checkpoint: Path | None = None,
    *,
    on_progress: Callable[[int, str], None],
) -> Evaluation:
    """Evaluate one encoder; see :func:`evaluate`. The checkpoint is its baseline's."""
    zoo = Zoo.open(zoo_directory)
    trained = load_trained(directory, zoo)
    encoder, record, seed = trained.encoder, trained.record, int(trained.record["seed"])
    split = split_zoo(zoo)
    z = encoder.encode(zoo.stored_networks())
    predictors = fit_predictors(zoo, z, seed)
    common = zoo.interface.outputs.common_loss
    losses = {
        loss: {
            part: emulation_loss(encoder, trained.emulator, part_of_zoo(zoo, rows), loss_of(zoo.interface, loss))
            for part, rows in split.tested.items()
        }
        for loss in {trained.recipe.loss, common, *zoo.interface.outputs.reported}
    }
    results: dict[str, Any] = {
        "emulation_loss": {"name": trained.recipe.loss, **losses[trained.recipe.loss]},
        "common_loss": {"name": common, **losses[common]},
        "reported_losses": {name: losses[name] for name in zoo.interface.outputs.reported},
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
        fitted = fit_predictors(other, encoder.encode(other.stored_networks()), seed)
        results["transferred"] = evaluate_frozen(zoo, z, seed, fitted)
        results["predictors_from"] = zoo_checksum(other)
    steps = _steps(trained, supervised_steps)
    if steps and encoder.learns and properties_of(zoo):  # without labels there is nothing to train on
        untrained = build_encoder(
            encoder.name, encoder.form, seed, embedding_size=encoder.embedding_size, **encoder.options
        )
        recipe = dataclasses.replace(trained.recipe, steps=steps)
        supervised = evaluate_supervised(zoo, untrained, recipe, seed, on_progress, checkpoint)
        results["supervised"], results["supervised_seconds"] = supervised.metrics, supervised.seconds
        results["supervised_readers"] = {name: reading.to_dict() for name, reading in supervised.readings.items()}
        results["supervised_steps"] = steps
    else:
        on_progress(steps, "nothing to train")
    clones = np.zeros(0)
    if zoo.index.task_set is not None:  # a clone is scored by what its network was to do
        clones = clone_scores(zoo, trained.emulator, z[split.validation], split.validation, seed)
        results["clones"] = {
            "mean_score": float(clones.mean()),
            "correlation_with_accuracy": correlation(zoo.column("accuracy")[split.validation], clones),
        }
    return Evaluation(encoder.name, results, z, clones)


def check_transfer(source: Zoo, zoo: Zoo) -> None:
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
