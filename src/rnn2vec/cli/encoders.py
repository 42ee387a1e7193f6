"""``rnn2vec pretrain`` and ``evaluate``: encoders, and what they know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from rnn2vec.cli.console import console, stage
from rnn2vec.cli.options import Loss, Out, Preset, Seed, Steps, SupervisedSteps, Threads, Workers
from rnn2vec.cli.predict import COARSE
from rnn2vec.cli.summaries import print_results
from rnn2vec.emulation.recipe import recipe_for
from rnn2vec.emulation.store import load_trained, pretrain_into
from rnn2vec.encoders import ENCODERS
from rnn2vec.evaluation.evaluate import evaluate
from rnn2vec.evaluation.pretrained import learn_labels
from rnn2vec.evaluation.properties import view_of_zoo
from rnn2vec.evaluation.results import collect_results
from rnn2vec.evaluation.store import UNFINISHED, end_evaluation
from rnn2vec.files import write_json
from rnn2vec.outputs import require_new_directory, sole_writer
from rnn2vec.zoo.store import Zoo


def pretrain(
    zoo: Annotated[Path, typer.Argument(help="A zoo.")],
    encoder: Annotated[str, typer.Option(help=f"One of {', '.join(ENCODERS)}.")],
    out: Out,
    threads: Threads,
    preset: Preset = "laptop",
    steps: Steps = None,
    loss: Loss = None,
    seed: Seed = 0,
) -> None:
    """Train an encoder by emulation, without labels; then learn what its z says of the labels, if there are any."""
    torch.set_num_threads(threads)
    recipe = recipe_for(
        view_of_zoo(Zoo.open(zoo)),
        preset,
        **{name: value for name, value in {"steps": steps, "loss": loss}.items() if value is not None},
    )
    with stage("Pretraining", [(encoder, recipe.steps)]) as on_progress:
        pretrain_into(zoo, encoder, recipe, seed, out, on_progress=lambda amount, note: on_progress(0, amount, note))
    knowledge = learn_labels(zoo, out)
    console.print(f"wrote {out}", markup=False)
    if knowledge.imitation is None:
        console.print(COARSE, style="yellow", highlight=False)


def evaluate_command(
    zoo: Annotated[Path, typer.Argument(help="A zoo.")],
    encoders: Annotated[list[Path], typer.Argument(help="Encoder directories that pretrain wrote.")],
    out: Annotated[Path, typer.Option("--out", help="A new directory, or one to go on with until it is finished.")],
    threads: Threads,
    supervised_steps: SupervisedSteps = None,
    predictors_from: Annotated[
        Path | None, typer.Option(help="A zoo; see what predictors fitted to its networks read from z of this one's.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Measure what pretrained encoders know; write results.json and report.html. The same command goes on."""
    from rnn2vec.evaluation.page import write_report  # draws: seconds to import

    torch.set_num_threads(threads)
    opened = Zoo.open(zoo)
    other = Zoo.open(predictors_from) if predictors_from else None
    jobs = []
    for path in encoders:
        recipe = load_trained(path, opened).recipe
        jobs.append((f"{path.name}, end to end", recipe.steps if supervised_steps is None else supervised_steps))
    with sole_writer(out, [zoo, *encoders, *([predictors_from] if predictors_from else [])]):
        if not (out / UNFINISHED).exists():
            require_new_directory(out)
        with stage("Evaluation", jobs) as on_progress:
            arguments = (supervised_steps, workers or threads, on_progress, other, out / UNFINISHED)
            evaluations = evaluate(opened, encoders, *arguments)
        results = collect_results(opened, evaluations)
        write_report(out / "report.html", opened, encoders, evaluations, results, "What the encoders know")
        write_json(out / "results.json", results)
        end_evaluation(out / UNFINISHED)
    print_results(results)
    console.print(f"wrote {out / 'results.json'} and {out / 'report.html'}", markup=False)
