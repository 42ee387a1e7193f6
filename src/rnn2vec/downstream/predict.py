"""What z knows: an RNN's properties, read from a frozen z or by an encoder trained on the labels."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rnn2vec.downstream.properties import Prediction, measure, properties_of, shown_by
from rnn2vec.downstream.readers import READERS, Reading, choose_reader
from rnn2vec.downstream.targets import Targets
from rnn2vec.emulation.pretrain import inputs_to_start_from
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.networks import Networks
from rnn2vec.randomness import generator, torch_seed
from rnn2vec.training import OTHER_SEED, require_finite, train
from rnn2vec.zoo.split import Split, split_zoo
from rnn2vec.zoo.store import Zoo

NAME = "training end to end"
REMEDY = f"{OTHER_SEED}, or leave the rival out (0 steps)"


@dataclasses.dataclass(frozen=True)
class Predictors:
    """Representations ``[rows, Z]`` to predicted values of every property that there was something to fit to.

    Attributes:
        readings: the reader of every property, by name.
    """

    readings: Mapping[str, Reading]

    def __call__(self, z: np.ndarray) -> Prediction:
        return {name: reading.predict(z) for name, reading in self.readings.items() if reading.predict}


@dataclasses.dataclass(frozen=True)
class Supervised:
    """What a rival trained end to end gets right.

    Attributes:
        metrics: as :func:`evaluate_frozen` returns them.
        readings: the reader of every property, by name.
        seconds: wall time of its training and of measuring it, all of it if it was interrupted.
    """

    metrics: dict[str, dict[str, float]]
    readings: Mapping[str, Reading]
    seconds: float


@torch.no_grad()
def embed(encoder: Encoder, networks: Networks) -> np.ndarray:
    """Representations of N networks, ``[N, Z]``, computed in batches and without gradients."""
    encoder.eval()
    return np.concatenate([encoder(networks[start : start + 64]).numpy() for start in range(0, len(networks), 64)])


def fit_predictors(
    zoo: Zoo, z: np.ndarray, seed: int = 0, shuffled: bool = False, readers: Sequence[str] = tuple(READERS)
) -> Predictors:
    """Fit a predictor of every property of a zoo's networks to frozen representations (section 5.3 of the paper).

    It sees the train tasks and half of the OOD tasks, and is fitted as it is scored: to networks that have learnt their
    task, if the property is one of the task, else to all. The reader is chosen by cross-validation over these tasks.

    Args:
        zoo: whose snapshots were encoded.
        z: representations of all its snapshots, ``[snapshots, Z]``.
        seed: of the folds and the MLPs.
        shuffled: give every network that is fitted to the labels of another. What the predictors still get right then,
            they do not have from z: a control.
        readers: those to choose from, of :data:`rnn2vec.downstream.readers.READERS`.

    Returns:
        Predicted values of every property from representations ``[rows, Z]``, be they of this zoo or of another.

    Raises:
        RNN2VecError: if the representations are not finite, or not one for each snapshot.
    """
    if len(z) != len(zoo) or not np.isfinite(z).all():
        raise RNN2VecError(
            f"predictors read finite numbers, a row for each of the {len(zoo)} snapshots of the zoo; got the shape "
            f"{list(z.shape)}{'' if np.isfinite(z).all() else ' with NaN or infinity'}: encode its whole population"
        )
    seen = seen_rows(split_zoo(zoo))
    tasks = np.unique(zoo.tasks, axis=0, return_inverse=True)[1].reshape(-1)
    readings = {}
    for wanted in properties_of(zoo):
        rows = seen[shown_by(wanted, zoo)[seen]]
        labelled = generator(seed, "shuffled labels").permutation(rows) if shuffled else rows
        truth = zoo.column(wanted.name)[labelled]
        readings[wanted.name] = choose_reader(wanted, z[rows], truth, tasks[rows], seed, readers)
    return Predictors(readings)


def evaluate_frozen(
    zoo: Zoo, z: np.ndarray, seed: int = 0, predictors: Predictors | None = None
) -> dict[str, dict[str, float]]:
    """Predict the properties of networks from frozen representations (section 5.3 of the paper).

    Args:
        zoo: whose snapshots were encoded.
        z: representations of all its snapshots, ``[snapshots, Z]``.
        seed: of the predictors.
        predictors: what :func:`fit_predictors` made of another zoo; fitted to this one by default.

    Returns:
        Metrics of :func:`rnn2vec.downstream.properties.measure` for ``validation`` and for ``ood``, its unseen half.
    """
    predictors = predictors or fit_predictors(zoo, z, seed)
    return _by_part(split_zoo(zoo), zoo, lambda rows: predictors(z[rows]))


def evaluate_supervised(
    zoo: Zoo,
    encoder: Encoder,
    recipe: PretrainRecipe,
    seed: int = 0,
    report: Callable[[int, str], None] | None = None,
    checkpoint: Path | None = None,
) -> Supervised:
    """The rival: the same encoder, untrained, and linear heads on its z, trained end to end on the labels.

    It sees the same tasks as the predictors of :func:`evaluate_frozen`, with the batches, learning rates and clipping
    of ``recipe``; its emulator and traces play no part. It trains on the labels of every snapshot, those of networks
    that have not learnt their task included, which teach it more than they cost (LOG.md, 2026-11-25). Its z is then
    read as every other, by :func:`fit_predictors`, which does better than its own heads.

    Args:
        zoo: networks and their labels.
        encoder: trained in place.
        recipe: sizes and learning rates.
        seed: decides the heads' first weights and every batch.
        report: called as ``report(steps done, note)``.
        checkpoint: a file that keeps the state every half minute; a training interrupted goes on from it, bit for bit.

    Raises:
        RNN2VecError: if the checkpoint is damaged or belongs to another training, or training diverges.
    """
    seen = seen_rows(split_zoo(zoo))
    networks = zoo.networks(seen)
    encoder.start_probes(inputs_to_start_from(zoo, seen, zoo.traces(seen), seed))
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
    optimizer = torch.optim.AdamW(
        [*encoder.parameters(), *heads.parameters()], lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )

    def loss_at(step: int) -> Tensor:
        numbers = generator(seed, "supervised", step)
        rows = numbers.choice(len(seen), recipe.networks, replace=recipe.networks > len(seen))
        batch = encoder.augment(networks[rows], torch.Generator().manual_seed(torch_seed(seed, "augment", step)))
        outputs = heads(encoder(batch)).split(sizes, dim=1)
        return sum(
            (target.loss(output, label[rows]) for target, output, label in zip(targets, outputs, labels, strict=True)),
            torch.zeros(()),
        )

    identity = {"zoo": zoo.checksums, "rival": encoder.config, "recipe": dataclasses.asdict(recipe), "seed": seed}
    progress = train(NAME, [encoder, heads], optimizer, recipe, loss_at, checkpoint, identity, report, remedy=REMEDY)
    ended = time.monotonic()
    z = embed(encoder, zoo.networks())
    require_finite(z, NAME, "its z", REMEDY)
    predictors = fit_predictors(zoo, z, seed)
    metrics = evaluate_frozen(zoo, z, seed, predictors)
    return Supervised(metrics, predictors.readings, progress.seconds + time.monotonic() - ended)


def seen_rows(split: Split) -> np.ndarray:
    """Rows that downstream predictors train on: the train tasks and half of the OOD tasks."""
    return np.concatenate([split.train, split.ood_seen])


def _by_part(split: Split, zoo: Zoo, predict: Callable[[np.ndarray], Prediction]) -> dict[str, dict[str, float]]:
    return {name: measure(zoo, rows, predict(rows)) for name, rows in split.tested.items()}
