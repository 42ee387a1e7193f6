"""The main job from end to end: build a zoo, pretrain encoders on it by emulation, evaluate them, write the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rnn2vec.emulation.checkpoint import CHECKPOINT
from rnn2vec.emulation.pretrain import pretrain
from rnn2vec.emulation.recipe import PretrainRecipe, pretrain_recipe
from rnn2vec.emulation.store import RECORD, save_trained
from rnn2vec.encoders import build_encoder
from rnn2vec.evaluation import collect_results, evaluate
from rnn2vec.evaluation_report import write_report
from rnn2vec.files import require_new_directory, write_json
from rnn2vec.parallel import Report, run_jobs
from rnn2vec.zoo.build import build_zoo
from rnn2vec.zoo.recipe import Recipe, formal_language_recipe
from rnn2vec.zoo.store import Zoo

DEMO_ENCODERS = ("interactive", "noninteractive", "flat", "statistics")
SUPERVISED_STEPS = 500

Stage = Callable[[str, Sequence[tuple[str, int]]], AbstractContextManager[Report]]
"""``stage(title, [(label, total), ...])`` shows the progress of jobs that run side by side."""


def run_demo(
    directory: Path,
    stage: Stage,
    seed: int = 0,
    workers: int = 1,
    zoo_recipe: Recipe | None = None,
    recipe: PretrainRecipe | None = None,
    supervised_steps: int = SUPERVISED_STEPS,
) -> dict[str, Any]:
    """Build, pretrain, evaluate and report, all under ``directory``.

    Args:
        directory: new or empty; gets ``zoo/``, ``encoders/NAME/``, ``results.json`` and ``report.html``.
        stage: shows progress.
        seed: of the zoo and of every pretraining.
        workers: processes.
        zoo_recipe: the zoo; the ``demo`` preset by default.
        recipe: the pretraining; the ``demo`` preset by default.
        supervised_steps: steps of the end-to-end rivals.

    Returns:
        The content of ``results.json``.

    Raises:
        RNN2VecError: if the directory is not empty or the disk is full.
    """
    require_new_directory(directory)
    start = time.monotonic()
    zoo_recipe = zoo_recipe or formal_language_recipe("demo", seed=seed)
    recipe = recipe or pretrain_recipe("demo")
    with stage("Zoo", [(f"{zoo_recipe.models} networks", zoo_recipe.models * zoo_recipe.steps)]) as report:
        zoo = build_zoo(zoo_recipe, directory / "zoo", workers, lambda _, amount, note: report(0, amount, note))
    encoders = [directory / "encoders" / name for name in DEMO_ENCODERS]
    with stage("Pretraining", [(name, recipe.steps) for name in DEMO_ENCODERS]) as report:
        run_jobs(
            pretrain_into,
            [(zoo.directory, name, recipe, seed, path) for name, path in zip(DEMO_ENCODERS, encoders, strict=True)],
            workers,
            report,
        )
    with stage("Evaluation", [(f"{name}, end to end", supervised_steps) for name in DEMO_ENCODERS]) as report:
        evaluations = evaluate(zoo, encoders, supervised_steps, workers, report)
    results = collect_results(zoo, evaluations) | {"seconds": time.monotonic() - start}
    write_json(directory / "results.json", results)
    note = (
        "This run is demo-sized: few languages, short strings, small networks and one seed, for minutes on two cores. "
        "Larger presets are a flag away."
    )
    write_report(directory / "report.html", zoo, encoders, evaluations, results, "rnn2vec demo", note)
    return results


def pretrain_into(
    zoo_directory: Path,
    name: str,
    recipe: PretrainRecipe,
    seed: int,
    directory: Path,
    *,
    report: Callable[[int, str], None],
) -> None:
    """Pretrain one encoder on a zoo and write its directory; go on from its checkpoint if there is one.

    Raises:
        RNN2VecError: if the directory holds anything but the checkpoint of the same pretraining.
    """
    zoo = Zoo.open(zoo_directory)
    checkpoint = directory / CHECKPOINT
    if (directory / RECORD).exists() or not checkpoint.exists():
        require_new_directory(directory)
    encoder = build_encoder(name, zoo.spec, seed, **recipe.encoder_options.get(name, {}))
    trained = pretrain(zoo, encoder, recipe, seed, report, checkpoint=checkpoint)
    save_trained(directory, trained, zoo, recipe, seed)
    checkpoint.unlink(missing_ok=True)
