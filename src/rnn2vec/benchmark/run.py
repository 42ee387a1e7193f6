"""Run a benchmark: every encoder, with every seed, on every zoo; pretrained, evaluated, compared with controls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rnn2vec.benchmark.measurements import (
    CONSTANT,
    Row,
    as_table,
    read_measurements,
    run_rows,
    write_measurements,
    zoo_rows,
)
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.emulation.store import RECORD, encoder_for, pretrain_into, versions, zoo_checksum
from rnn2vec.encoders import ENCODERS, ProbingEncoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.evaluate import evaluate_encoder
from rnn2vec.evaluation.predictors import evaluate_frozen, fit_predictors
from rnn2vec.evaluation.readers import READERS
from rnn2vec.fields import whole
from rnn2vec.files import read_json
from rnn2vec.outputs import sole_writer
from rnn2vec.parallel import OnProgress, run_jobs
from rnn2vec.plan import begin
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

PLAN = "benchmark.json"
RESULTS = "results.parquet"
MEASUREMENTS = "measurements.parquet"
MOST_SEEDS = 1000
BASELINE = "baseline.safetensors"
"""Checkpoint of a run's end-to-end baseline."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One encoder with one seed on one zoo.

    Attributes:
        zoo: directory of the zoo.
        encoder: name of the encoder.
        seed: of its first weights and of every batch.
        recipe: of its pretraining.
        supervised_steps: of its end-to-end baseline; 0 for none.
        directory: where the encoder and its measurements go.
        ablation: whether its probes are other than the preset's.
        keep_z: whether the measurements hold z of every snapshot.
    """

    zoo: Path
    encoder: str
    seed: int
    recipe: PretrainRecipe
    supervised_steps: int
    directory: Path
    ablation: bool = False
    keep_z: bool = False

    @property
    def name(self) -> str:
        """What its progress is called."""
        return f"{self.zoo.name}: {self.directory.parent.name}, seed {self.seed}"

    @property
    def steps(self) -> int:
        """Gradient steps, of pretraining and of the baseline."""
        return self.recipe.steps + self.supervised_steps

    def run(self, on_progress: Callable[[int, str], None]) -> None:
        """Carry it out, as far as that is not yet done."""
        carry_out(self, on_progress)


def plan_runs(
    zoos: Sequence[tuple[Zoo, PretrainRecipe]],
    encoders: Sequence[str],
    seeds: int,
    directory: Path,
    supervised_steps: int | None = None,
    ablation: bool = False,
) -> list[Run]:
    """All runs of a benchmark.

    Args:
        zoos: zoos with the recipe of pretraining on each.
        encoders: names.
        seeds: every encoder is trained with the seeds 0 to ``seeds - 1``.
        directory: of the benchmark; a run's is ``ZOO/ENCODER/seed-K`` within.
        supervised_steps: of the end-to-end baselines; as many as in pretraining by default.
        ablation: also train the probing encoders with fewer and with shorter sequences of questions (figure 5 of the
            paper).

    Raises:
        RNN2VecError: if an encoder is unknown or named twice, two zoos have the same name, a zoo is too small to be
            split, or the number of seeds is out of range.
    """
    names = [zoo.directory.resolve().name for zoo, _ in zoos]
    if len(set(names)) < len(names):
        raise RNN2VecError(f"zoos of a benchmark are told apart by the names of their folders; got {', '.join(names)}")
    for name in encoders:
        if name not in ENCODERS:
            raise RNN2VecError(f"encoders are {', '.join(ENCODERS)}; got {name!r}")
    if not encoders or len(set(encoders)) < len(encoders):
        raise RNN2VecError(f"a benchmark compares encoders, each named once; got {', '.join(encoders) or 'none'}")
    whole("the number of seeds", seeds, 1, MOST_SEEDS)
    runs = []
    for (zoo, recipe), zoo_name in zip(zoos, names, strict=True):
        split_zoo(zoo)  # too small a zoo is refused before any work
        place, supervised = directory / zoo_name, recipe.steps if supervised_steps is None else supervised_steps
        path = zoo.directory.resolve()
        for seed in range(seeds):
            runs += [
                Run(path, name, seed, recipe, supervised, place / name / f"seed-{seed}", keep_z=seed == 0)
                for name in encoders
            ]
        if ablation:
            for seed in range(seeds):
                for name in encoders:
                    for (probes, length), changed in _fewer_probes(zoo, name, recipe):
                        where = place / f"{name}-{probes}x{length}" / f"seed-{seed}"
                        runs.append(Run(path, name, seed, changed, 0, where, ablation=True))
    return runs


def _fewer_probes(zoo: Zoo, name: str, recipe: PretrainRecipe) -> Iterator[tuple[tuple[int, int], PretrainRecipe]]:
    """Recipes with fewer sequences of questions (an eighth, a quarter, half), and with shorter ones."""
    encoder = encoder_for(zoo, name, recipe, 0)
    if not isinstance(encoder, ProbingEncoder):
        return
    probes, length = encoder.options["probes"], encoder.options["probe_length"]
    sizes = [(probes // 2**k, length) for k in (3, 2, 1)] + [(probes, length // 2**k) for k in (3, 2, 1)]
    for count, steps in dict.fromkeys(size for size in sizes if min(size) > 0):
        options = recipe.encoder_options.get(name, {}) | {"probes": count, "probe_length": steps}
        changed = dataclasses.replace(recipe, encoder_options=recipe.encoder_options | {name: options})
        yield (count, steps), changed


def run_benchmark(
    directory: Path,
    runs: Sequence[Run],
    workers: int = 1,
    on_progress: OnProgress | None = None,
    ray: str | None = None,
) -> pa.Table:
    """Carry out all runs that are not yet done, and write ``results.parquet``.

    Called again after an interruption, it goes on; runs that are done are kept, so that a benchmark can also be given
    more encoders or seeds.

    Args:
        directory: new, empty, or that of a benchmark on the same zoos with the same recipes and versions.
        runs: see :func:`plan_runs`.
        workers: runs carried out side by side.
        on_progress: told ``(run, steps done, note)``.
        ray: address of a Ray cluster to carry them out on, see :func:`rnn2vec.parallel.run_jobs`.

    Returns:
        Every measurement, see :data:`rnn2vec.benchmark.measurements.SCHEMA`.

    Raises:
        RNN2VecError: if the directory holds anything else or a run fails.
    """
    zoos = {run.zoo.name: Zoo.open(run.zoo) for run in runs}
    with sole_writer(directory, {run.zoo for run in runs}):
        plan = {"zoos": _plan(runs, zoos), "readers": list(READERS), "versions": versions()}
        begin(directory / PLAN, "benchmark", plan)
        run_jobs(runs, workers, on_progress, ray)
        return _collect(directory, runs, zoos)


def _collect(directory: Path, runs: Sequence[Run], zoos: dict[str, Zoo]) -> pa.Table:
    """Put the measurements of all runs, of the zoos and of the constant encoder into one table, and write it."""
    rows: list[Row] = []
    for name, zoo in zoos.items():
        rows += zoo_rows(zoo, name)
        seeds = sorted({run.seed for run in runs if run.zoo.name == name})
        rows += _constant_rows(zoo, name, seeds)
    table = pa.concat_tables([as_table(rows), *(read_measurements(run.directory / MEASUREMENTS) for run in runs)])
    write_measurements(directory / RESULTS, table)
    return table


def _plan(runs: Sequence[Run], zoos: dict[str, Zoo]) -> dict[str, Any]:
    """What a benchmark does not mix, by the names of its zoos."""
    return {
        run.zoo.name: {
            "zoo": zoo_checksum(zoos[run.zoo.name]),
            "recipe": dataclasses.asdict(run.recipe),
            "supervised_steps": run.supervised_steps,
        }
        for run in runs
        if not run.ablation
    }


def carry_out(run: Run, on_progress: Callable[[int, str], None]) -> None:
    """Pretrain and measure one encoder, as far as that is not yet done; its measurements are written last."""
    checkpoint = run.directory / BASELINE
    if (run.directory / MEASUREMENTS).exists():
        checkpoint.unlink(missing_ok=True)  # killed after its last moment
        on_progress(run.steps, "kept")
        return
    pretrain_into(run.zoo, run.encoder, run.recipe, run.seed, run.directory, on_progress=on_progress)
    zoo = Zoo.open(run.zoo)
    evaluation = evaluate_encoder(
        run.zoo, run.directory, run.supervised_steps, None, checkpoint, on_progress=on_progress
    )
    untrained = encoder_for(zoo, run.encoder, run.recipe, run.seed)
    train = split_zoo(zoo).train
    untrained.start(zoo.networks(train), questions_of(zoo, train, run.seed))
    z = evaluation.embeddings
    controls = {
        "untrained": evaluate_frozen(zoo, untrained.encode(zoo.stored_networks()), run.seed),
        "shuffled": evaluate_frozen(zoo, z, run.seed, fit_predictors(zoo, z, run.seed, shuffled=True)),
    }
    at = {"zoo": run.zoo.name, "family": zoo.family, "encoder": run.encoder, "seed": run.seed}
    if isinstance(untrained, ProbingEncoder):
        at |= {name: untrained.options[name] for name in ("probes", "probe_length")} | {"ablation": run.ablation}
    history = read_json(run.directory / RECORD, "training record")["history"]
    rows = run_rows(zoo, at, evaluation, controls, history, run.keep_z)
    write_measurements(run.directory / MEASUREMENTS, as_table(rows))
    checkpoint.unlink(missing_ok=True)


def _constant_rows(zoo: Zoo, name: str, seeds: Sequence[int]) -> list[Row]:
    """What the predictors get right without any representation."""
    return [
        {"zoo": name, "family": zoo.family, "encoder": CONSTANT, "seed": seed, "reading": "frozen"}
        | {"part": part, "metric": metric, "value": float(value)}
        for seed in seeds
        for part, metrics in evaluate_frozen(zoo, np.zeros((len(zoo), 1), np.float32), seed).items()
        for metric, value in metrics.items()
    ]
