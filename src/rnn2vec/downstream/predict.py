"""What z knows: an RNN's properties, read from a frozen z or by an encoder trained on the labels."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.downstream.properties import Prediction, Property, measure, properties_of
from rnn2vec.emulation.checkpoint import Checkpoint
from rnn2vec.emulation.pretrain import inputs_to_start_from
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder
from rnn2vec.population import Population
from rnn2vec.randomness import generator, torch_seed
from rnn2vec.zoo.split import Split, split_zoo
from rnn2vec.zoo.store import Zoo

Predictors = Callable[[np.ndarray], Prediction]
"""Representations ``[rows, Z]`` to predicted values of every property."""


@dataclasses.dataclass(frozen=True)
class Supervised:
    """What a rival trained end to end gets right.

    Attributes:
        metrics: as :func:`evaluate_frozen` returns them.
        seconds: wall time of its training and of measuring it, all of it if it was interrupted.
    """

    metrics: dict[str, dict[str, float]]
    seconds: float


@torch.no_grad()
def embed(encoder: Encoder, population: Population) -> np.ndarray:
    """Representations of N networks, ``[N, Z]``, computed in batches and without gradients."""
    encoder.eval()
    return np.concatenate([encoder(population[start : start + 64]).numpy() for start in range(0, len(population), 64)])


def fit_predictors(zoo: Zoo, z: np.ndarray, seed: int = 0, shuffled: bool = False) -> Predictors:
    """Fit a predictor of every property of a zoo's networks to frozen representations (section 5.3 of the paper).

    A logistic regression for every class, and a small MLP for every number or angle (for its sine and cosine), see the
    train tasks and half of the OOD tasks.

    Args:
        zoo: whose snapshots were encoded.
        z: representations of all its snapshots, ``[snapshots, Z]``.
        seed: of the MLPs.
        shuffled: give every network that is seen the labels of another. What the predictors still get right then, they
            do not have from z: a control.

    Returns:
        Predicted values of every property from representations ``[rows, Z]``, be they of this zoo or of another.
    """
    seen = seen_rows(split_zoo(zoo))
    labelled = generator(seed, "shuffled labels").permutation(seen) if shuffled else seen
    scaler = StandardScaler().fit(z[seen])
    x = scaler.transform(z[seen])
    read = {wanted.name: _fit(wanted, x, zoo.column(wanted.name)[labelled], seed) for wanted in properties_of(zoo)}
    return lambda z: {name: predict(scaler.transform(z)) for name, predict in read.items()}


def _fit(wanted: Property, x: np.ndarray, truth: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    if wanted.kind == "class":
        if len(np.unique(truth)) < 2:  # every network that is seen has the same
            return DummyClassifier().fit(x, truth).predict
        return LogisticRegression(C=10.0, max_iter=2000).fit(x, truth).predict
    targets = _Targets(wanted, truth)
    regressor = MLPRegressor(hidden_layer_sizes=(64,), early_stopping=True, max_iter=2000, random_state=seed)
    y = targets.encode(truth)
    regressor.fit(x, y[:, 0] if y.shape[1] == 1 else y)
    return lambda x: targets.decode(regressor.predict(x).reshape(len(x), -1))


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
    of ``recipe``; its emulator and rollouts play no part.

    Args:
        zoo: networks and their labels.
        encoder: trained in place.
        recipe: sizes and learning rates.
        seed: decides the heads' first weights and every batch.
        report: called as ``report(steps done, note)``.
        checkpoint: a file that keeps the state every half minute; a training interrupted goes on from it, bit for bit.

    Raises:
        RNN2VecError: if the checkpoint is damaged or belongs to another training.
    """
    split = split_zoo(zoo)
    seen = seen_rows(split)
    population = zoo.population(seen)
    encoder.start_probes(inputs_to_start_from(zoo, seen, zoo.rollouts(seen), seed))
    wanted = properties_of(zoo)
    targets = [_Targets(each, zoo.column(each.name)[seen]) for each in wanted]
    labels = [
        torch.from_numpy(target.encode(zoo.column(target.wanted.name)[seen]).astype(np.float32)) for target in targets
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "heads"))
        heads = nn.Linear(encoder.embedding_size, sum(target.size for target in targets))
    sizes = [target.size for target in targets]
    optimizer = torch.optim.AdamW(
        [*encoder.parameters(), *heads.parameters()], lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    of = {"zoo": zoo.checksums, "rival": encoder.config, "recipe": dataclasses.asdict(recipe), "seed": seed}
    kept = Checkpoint(checkpoint, of, nn.ModuleList([encoder, heads]), optimizer)
    progress = kept.resume()
    start = time.monotonic() - progress.seconds
    if report and progress.step:
        report(progress.step, "resumed")
    encoder.train()
    for step in range(progress.step, recipe.steps):
        numbers = generator(seed, "supervised", step)
        rows = numbers.choice(len(seen), recipe.networks, replace=recipe.networks > len(seen))
        batch = encoder.augment(population[rows], torch.Generator().manual_seed(torch_seed(seed, "augment", step)))
        outputs = heads(encoder(batch)).split(sizes, dim=1)
        loss = sum(
            (target.loss(output, label[rows]) for target, output, label in zip(targets, outputs, labels, strict=True)),
            torch.zeros(()),
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*encoder.parameters(), *heads.parameters()], recipe.clip)
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        optimizer.step()
        progress.step, progress.seconds = step + 1, time.monotonic() - start
        kept.keep(progress, finished=step + 1 == recipe.steps)
        if report:
            report(1, f"loss {float(loss.detach()):.3f}")

    def predict(rows: np.ndarray) -> Prediction:
        with torch.no_grad():
            outputs = heads(torch.from_numpy(embed(encoder, zoo.population(rows)))).split(sizes, dim=1)
        return {
            target.wanted.name: target.decode(output.numpy()) for target, output in zip(targets, outputs, strict=True)
        }

    return Supervised(_by_part(split, zoo, predict), time.monotonic() - start)


def seen_rows(split: Split) -> np.ndarray:
    """Rows that downstream predictors train on: the train tasks and half of the OOD tasks."""
    return np.concatenate([split.train, split.ood_seen])


def _by_part(split: Split, zoo: Zoo, predict: Callable[[np.ndarray], Prediction]) -> dict[str, dict[str, float]]:
    parts = {"validation": split.validation, "ood": split.ood_unseen}
    return {name: measure(zoo, rows, predict(rows)) for name, rows in parts.items()}


class _Targets:
    """What a network's outputs mean for one property: logits of classes, a standardised number, or cosine and sine."""

    def __init__(self, wanted: Property, seen: np.ndarray) -> None:
        self.wanted, self.classes = wanted, np.unique(seen)
        self.mean, self.scale = float(np.mean(seen)), max(float(np.std(seen)), 1e-6)
        self.size = {"class": len(self.classes), "number": 1, "angle": 2}[wanted.kind]

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values ``[rows]`` as ``[rows, 1]`` indices of classes or standardised numbers, or ``[rows, 2]`` points."""
        if self.wanted.kind == "class":
            return np.searchsorted(self.classes, values)[:, None]
        if self.wanted.kind == "number":
            return ((values - self.mean) / self.scale)[:, None]
        return np.stack([np.cos(np.deg2rad(values)), np.sin(np.deg2rad(values))], axis=1)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs ``[rows, size]`` as values ``[rows]``."""
        if self.wanted.kind == "class":
            return self.classes[outputs.argmax(1)]
        if self.wanted.kind == "number":
            return outputs[:, 0] * self.scale + self.mean
        return np.rad2deg(np.arctan2(outputs[:, 1], outputs[:, 0])) % 360.0

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy for a class, else mean squared error."""
        if self.wanted.kind == "class":
            return F.cross_entropy(outputs, labels[:, 0].long())
        return F.mse_loss(outputs, labels)
