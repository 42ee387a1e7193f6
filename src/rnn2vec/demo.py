"""The main job from end to end: build a zoo, pretrain encoders on it by emulation, evaluate them, write the report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.emulation.recipe import PretrainRecipe, pretrain_recipe
from rnn2vec.emulation.store import Pretraining
from rnn2vec.encoders import ENCODERS
from rnn2vec.evaluation.evaluate import evaluate
from rnn2vec.evaluation.page import write_report
from rnn2vec.evaluation.pretrained import load_encoder
from rnn2vec.evaluation.results import collect_results
from rnn2vec.evaluation.store import UNFINISHED, end_evaluation
from rnn2vec.families.recipe import Recipe
from rnn2vec.files import write_json
from rnn2vec.library import Collection, Match, atlas, search
from rnn2vec.library.atlas import columns_of
from rnn2vec.outputs import sole_writer
from rnn2vec.parallel import OnProgress, run_jobs
from rnn2vec.plan import begin
from rnn2vec.zoo import recipes
from rnn2vec.zoo.build import build_zoo
from rnn2vec.zoo.store import Zoo

DEMO_ENCODERS = tuple(ENCODERS)
BEST = "interactive"
"""The encoder whose z the atlas shows."""
SUPERVISED_STEPS = 1000
IN_PROGRESS = "demo.json"
"""Present from the first moment of a demo to its last: what it will do."""

Stage = Callable[[str, Sequence[tuple[str, int]]], AbstractContextManager[OnProgress]]
"""``stage(title, [(label, total), ...])`` shows the progress of jobs that run side by side."""


def run_demo(
    directory: Path,
    stage: Stage,
    seed: int = 0,
    workers: int = 1,
    family: str = "formal-languages",
    zoo_recipe: Recipe | None = None,
    recipe: PretrainRecipe | None = None,
    supervised_steps: int | None = None,
) -> dict[str, Any]:
    """Build, pretrain, evaluate and report, all under ``directory``. Called again after an interruption, it goes on.

    Args:
        directory: new or empty, or that of an interrupted demo; gets ``zoo/``, ``encoders/NAME/``, ``results.json``,
            ``report.html`` and ``atlas.html``.
        stage: shows progress.
        seed: of the zoo and of every pretraining.
        workers: processes.
        family: of tasks.
        zoo_recipe: the zoo; the ``demo`` preset by default.
        recipe: the pretraining; the ``demo`` preset by default.
        supervised_steps: steps of the end-to-end baselines; :data:`SUPERVISED_STEPS` by default.

    Returns:
        The content of ``results.json``.

    Raises:
        RNN2VecError: if the directory is not empty, another process is writing to it, or the disk is full.
    """
    zoo_recipe = zoo_recipe or recipes.zoo_recipe(family, "demo", seed=seed)
    recipe = recipe or pretrain_recipe(zoo_recipe.task_set.family, "demo")
    supervised_steps = SUPERVISED_STEPS if supervised_steps is None else supervised_steps
    with sole_writer(directory):
        return _run_demo(directory, stage, seed, workers, zoo_recipe, recipe, supervised_steps)


def _run_demo(
    directory: Path,
    stage: Stage,
    seed: int,
    workers: int,
    zoo_recipe: Recipe,
    recipe: PretrainRecipe,
    supervised_steps: int,
) -> dict[str, Any]:
    start = time.monotonic()
    plan = {"zoo": zoo_recipe.to_dict(), "pretraining": dataclasses.asdict(recipe), "seed": seed}
    resumed = begin(directory / IN_PROGRESS, "demo", plan | {"supervised_steps": supervised_steps})
    with stage("Zoo", [(f"{zoo_recipe.models} networks", zoo_recipe.models * zoo_recipe.steps)]) as on_progress:
        zoo = build_zoo(zoo_recipe, directory / "zoo", workers, lambda _, amount, note: on_progress(0, amount, note))
    encoders = [directory / "encoders" / name for name in DEMO_ENCODERS]
    with stage("Pretraining", [(name, recipe.steps) for name in DEMO_ENCODERS]) as on_progress:
        jobs = [
            Pretraining(zoo.directory, name, recipe, seed, path)
            for name, path in zip(DEMO_ENCODERS, encoders, strict=True)
        ]
        run_jobs(jobs, workers, on_progress)
    with stage("Evaluation", [(f"{name}, end to end", supervised_steps) for name in DEMO_ENCODERS]) as on_progress:
        evaluations = evaluate(zoo, encoders, supervised_steps, workers, on_progress, folder=directory / UNFINISHED)
    results = collect_results(zoo, evaluations)
    if not resumed:
        results["seconds"] = time.monotonic() - start
    note = (
        "This run is demo-sized: few tasks, short sequences, small networks and one seed, for minutes on two cores. "
        "Larger presets are a flag away."
    )
    write_report(directory / "report.html", zoo, encoders, evaluations, results, "rnn2vec demo", note)
    atlas(
        Collection.of_zoo(zoo),
        directory / "atlas.html",
        load_encoder(directory / "encoders" / BEST),
        title="rnn2vec demo: its zoo",
        columns=columns_of(zoo),
    )
    write_json(directory / "results.json", results)
    end_evaluation(directory / UNFINISHED)
    (directory / IN_PROGRESS).unlink()  # last: without it, nothing would look for what is left over
    return results


def neighbours(directory: Path, queries: int = 3, top: int = 3) -> dict[str, list[Match]]:
    """The networks nearest to some of those of a finished demo that learnt their task best, by name."""
    zoo = Zoo.open(directory / "zoo")
    collection, encoder = Collection.of_zoo(zoo), load_encoder(directory / "encoders" / BEST)
    z = encoder.encode(collection.networks)
    best = np.argsort(-zoo.column("accuracy"), kind="stable")[:queries]
    return {name: search(collection, name, encoder, top, z) for name in collection.names[best].tolist()}
