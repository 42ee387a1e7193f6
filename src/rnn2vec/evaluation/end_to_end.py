"""The supervised baseline: an encoder trained end to end on the labels."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rnn2vec.adamw import AdamW
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder
from rnn2vec.evaluation.predictors import evaluate_frozen, fit_predictors, seen_rows
from rnn2vec.evaluation.properties import properties_of
from rnn2vec.evaluation.readers import Reading
from rnn2vec.evaluation.targets import Targets
from rnn2vec.randomness import generator, torch_seed
from rnn2vec.training import OTHER_SEED, require_finite, train
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

NAME = "training end to end"
REMEDY = f"{OTHER_SEED}, or leave the baseline out (0 steps)"


@dataclasses.dataclass(frozen=True)
class Supervised:
    """What a baseline trained end to end gets right.

    Attributes:
        metrics: as :func:`evaluate_frozen` returns them.
        readings: the reader of every property, by name.
        seconds: wall time of its training and of measuring it, all of it if it was interrupted.
    """

    metrics: dict[str, dict[str, float]]
    readings: Mapping[str, Reading]
    seconds: float


def evaluate_supervised(
    zoo: Zoo,
    encoder: Encoder,
    recipe: PretrainRecipe,
    seed: int = 0,
    on_progress: Callable[[int, str], None] | None = None,
    checkpoint: Path | None = None,
) -> Supervised:
    """The baseline: the same encoder, untrained, and linear heads on its z, trained end to end on the labels.

    It sees the same tasks as the predictors of :func:`evaluate_frozen`, with the batches, learning rates and clipping
    of ``recipe``; its emulator and traces play no part. It trains on the labels of every snapshot, those of networks
    that have not learnt their task included, which teach it more than they cost (LOG.md, 2026-11-25). Its z is then
    read as every other, by :func:`fit_predictors`, which does better than its own heads.

    Args:
        zoo: networks and their labels.
        encoder: trained in place.
        recipe: sizes and learning rates.
        seed: decides the heads' first weights and every batch.
        on_progress: called as ``on_progress(steps done, note)``.
        checkpoint: a file that keeps the state every half minute; a training interrupted goes on from it, bit for bit.

    Raises:
        RNN2VecError: if the checkpoint is damaged or belongs to another training, or training diverges.
    """
    seen = seen_rows(split_zoo(zoo))
    networks = zoo.networks(seen)
    encoder.start(networks, questions_of(zoo, seen, seed))
    columns = [(each.kind, zoo.column(each.name)[seen]) for each in properties_of(zoo)]
    targets = [Targets(kind, truth) for kind, truth in columns]
    labels = [
        torch.from_numpy(target.encode(truth).astype(np.float32))
        for target, (_, truth) in zip(targets, columns, strict=True)
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "heads"))
        heads = nn.Linear(encoder.embedding_size, sum(target.size for target in targets))
    sizes = [target.size for target in targets]
    optimizer = AdamW([*encoder.parameters(), *heads.parameters()], recipe.weight_decay)

    def loss_at(step: int) -> Tensor:
        numbers = generator(seed, "supervised", step)
        rows = numbers.choice(len(seen), recipe.networks, replace=recipe.networks > len(seen))
        batch = encoder.augment(networks[rows], torch.Generator().manual_seed(torch_seed(seed, "augment", step)))
        outputs = heads(encoder(batch)).split(sizes, dim=1)
        return sum(
            (target.loss(output, label[rows]) for target, output, label in zip(targets, outputs, labels, strict=True)),
            torch.zeros(()),
        )

    identity = {"zoo": zoo.checksums, "baseline": encoder.config, "recipe": dataclasses.asdict(recipe), "seed": seed}
    progress = train(
        NAME, [encoder, heads], optimizer, recipe, loss_at, checkpoint, identity, on_progress, remedy=REMEDY
    )
    ended = time.monotonic()
    z = encoder.encode(zoo.stored_networks())
    require_finite(z, NAME, "its z", REMEDY)
    predictors = fit_predictors(zoo, z, seed)
    metrics = evaluate_frozen(zoo, z, seed, predictors)
    return Supervised(metrics, predictors.readings, progress.seconds + time.monotonic() - ended)
