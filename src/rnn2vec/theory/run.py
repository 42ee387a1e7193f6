"""All of the theory in one command: count, learn, interrogate a zoo, write the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rnn2vec.families import formal_languages
from rnn2vec.files import write_json
from rnn2vec.outputs import sole_writer
from rnn2vec.parallel import OnProgress
from rnn2vec.plan import begin
from rnn2vec.theory.class_sizes import SIZES, count_questions
from rnn2vec.theory.gap import GapRun, run_gap
from rnn2vec.theory.gap_recipe import checked_seed, gap_recipes
from rnn2vec.theory.zoo_questions import interrogate_zoo
from rnn2vec.zoo.build import build_zoo
from rnn2vec.zoo.recipes import zoo_recipe
from rnn2vec.zoo.store import Zoo

PLAN = "theory.json"
RESULTS = "results.json"
GAP_SIZES = (8, 16, 32, 64, 128, 256)
GAP_STEPS = 1000
ZOO_SECONDS = 10.0

Stage = Callable[[str, Sequence[tuple[str, int]]], AbstractContextManager[OnProgress]]
"""``stage(title, [(label, total), ...])`` shows the progress of jobs that run side by side."""


def run_theory(
    directory: str | Path,
    stage: Stage,
    zoo: str | Path | None = None,
    sizes: Sequence[int] = GAP_SIZES,
    steps: int = GAP_STEPS,
    seed: int = 0,
    workers: int = 1,
) -> list[GapRun]:
    """Count questions, let encoders learn to ask them, interrogate a zoo, and write ``report.html`` and
    ``results.json``. Called again after an interruption, it goes on.

    Args:
        directory: new or empty, or that of the same theory.
        stage: shows progress.
        zoo: to be interrogated; one of the ``demo`` preset is built by default.
        sizes: of the classes that encoders learn to identify, powers of two.
        steps: gradient steps of each encoder.
        seed: of the encoders and of the zoo that is built. The counted classes are the same for all seeds.
        workers: processes.

    Raises:
        RNN2VecError: if a size or the seed is out of range, or the directory holds anything else.
    """
    from rnn2vec.theory.report import as_json, write_theory_report  # draws: seconds to import

    directory, zoo, seed = Path(directory), None if zoo is None else Path(zoo), checked_seed(seed)
    jobs = gap_recipes(sizes, steps=steps)
    plan = {"jobs": [[each.name, each.size, dataclasses.asdict(each.recipe)] for each in jobs], "seed": seed}
    plan["zoo"] = str(zoo.resolve()) if zoo else "demo"
    given = Zoo.open(zoo) if zoo else None
    with sole_writer(directory):
        begin(directory / PLAN, "theory", plan)
        with stage("Counting", [("classes", 1)]) as on_progress:
            counts = count_questions(SIZES)
            on_progress(0, 1, "")
        with stage(
            "Learning to ask", [(f"{each.name}, {each.size} functions", each.recipe.steps) for each in jobs]
        ) as on_progress:
            runs = run_gap(jobs, directory / "gap", seed, workers, on_progress)
        if given is None:
            recipe = zoo_recipe(formal_languages.NAME, "demo", seed=seed)
            with stage("Zoo", [(f"{recipe.models} networks", recipe.models * recipe.steps)]) as on_progress:
                given = build_zoo(
                    recipe, directory / "zoo", workers, lambda _, amount, note: on_progress(0, amount, note)
                )
        name = given.directory.resolve().name
        with stage("Interrogating", [(name, 1)]) as on_progress:
            interrogated = {name: interrogate_zoo(given, seconds=ZOO_SECONDS)}
            on_progress(0, 1, "")
        write_json(directory / RESULTS, as_json(counts, runs, interrogated))
        write_theory_report(directory / "report.html", counts, runs, interrogated)
    return runs
