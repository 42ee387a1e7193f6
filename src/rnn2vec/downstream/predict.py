"""What z knows: an RNN's language and accuracy, read from a frozen z or by an encoder trained on the labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.emulation.pretrain import strings_to_start_from
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder
from rnn2vec.population import Population
from rnn2vec.randomness import generator, torch_seed
from rnn2vec.zoo.split import Split, split_zoo
from rnn2vec.zoo.store import Zoo

LETTERS = ("mb", "mc", "md")
GENERATES = 0.9
"""A network generates its language if at least this share of its strings is in it."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What was predicted for some rows of a zoo.

    Attributes:
        shifts: mb, mc, md, ``[rows, 3]``.
        accuracy: ``[rows]``.
    """

    shifts: np.ndarray
    accuracy: np.ndarray


def measure(zoo: Zoo, rows: np.ndarray, prediction: Prediction) -> dict[str, float]:
    """Compare a prediction for ``rows`` of a zoo with the truth.

    Returns:
        ``mb``, ``mc``, ``md``, ``exact``: share of networks whose shift, or whole language, is right, among those that
        generate their language (their number is ``generating``); ``exact_all``: among all snapshots, untrained ones
        included; ``accuracy_r2`` and ``accuracy_error``: coefficient of determination and mean absolute error of the
        predicted accuracy, over all. Shares are NaN where no network generates its language.
    """
    truth, accuracy = zoo.tasks[rows], zoo.column("accuracy")[rows]
    right = prediction.shifts == truth
    able = accuracy >= GENERATES

    def share(values: np.ndarray) -> float:
        return float(values.mean()) if len(values) else float("nan")

    residual = ((prediction.accuracy - accuracy) ** 2).sum()
    return {
        **{name: share(right[able, place]) for place, name in enumerate(LETTERS)},
        "exact": share(right[able].all(1)),
        "exact_all": share(right.all(1)),
        "accuracy_r2": float(1 - residual / max(((accuracy - accuracy.mean()) ** 2).sum(), 1e-12)),
        "accuracy_error": float(np.abs(prediction.accuracy - accuracy).mean()),
        "generating": int(able.sum()),
    }


@torch.no_grad()
def embed(encoder: Encoder, population: Population) -> np.ndarray:
    """Representations of N networks, ``[N, Z]``, computed in batches and without gradients."""
    encoder.eval()
    return np.concatenate([encoder(population[start : start + 64]).numpy() for start in range(0, len(population), 64)])


def evaluate_frozen(zoo: Zoo, z: np.ndarray, seed: int = 0) -> dict[str, dict[str, float]]:
    """Predict language and accuracy from frozen representations (section 5.3 of the paper).

    A logistic regression for every shift, and a small MLP for the accuracy, see the train tasks and half of the OOD
    tasks.

    Args:
        zoo: whose snapshots were encoded.
        z: representations of all its snapshots, ``[snapshots, Z]``.
        seed: of the MLP.

    Returns:
        Metrics of :func:`measure` for ``validation`` and for ``ood``, its unseen half.
    """
    split = split_zoo(zoo)
    seen = _seen(split)
    scaler = StandardScaler().fit(z[seen])
    x = scaler.transform(z)
    shifts = np.stack([_classifier(x[seen], zoo.tasks[seen, place]).predict(x) for place in range(3)], axis=1)
    regressor = MLPRegressor(hidden_layer_sizes=(64,), early_stopping=True, max_iter=2000, random_state=seed)
    accuracy = regressor.fit(x[seen], zoo.column("accuracy")[seen]).predict(x)
    return _by_part(split, zoo, lambda rows: Prediction(shifts[rows], accuracy[rows]))


def evaluate_supervised(
    zoo: Zoo,
    encoder: Encoder,
    recipe: PretrainRecipe,
    seed: int = 0,
    report: Callable[[int, str], None] | None = None,
) -> dict[str, dict[str, float]]:
    """The rival: the same encoder, untrained, and linear heads on its z, trained end to end on the labels.

    It sees the same tasks as the predictors of :func:`evaluate_frozen`, with the batches, learning rates and clipping
    of ``recipe``; its emulator and rollouts play no part.

    Args:
        zoo: networks and their labels.
        encoder: trained in place.
        recipe: sizes and learning rates.
        seed: decides the heads' first weights and every batch.
        report: called as ``report(steps done, note)``.

    Returns:
        Metrics as :func:`evaluate_frozen` returns them.
    """
    split = split_zoo(zoo)
    seen = _seen(split)
    population = zoo.population(seen)
    encoder.start_probes(strings_to_start_from(zoo, seen, zoo.rollouts(seen), seed))
    values = np.unique(zoo.tasks)
    labels = torch.from_numpy(np.searchsorted(values, zoo.tasks[seen]))
    accuracy = torch.from_numpy(zoo.column("accuracy")[seen]).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "heads"))
        heads = nn.Linear(encoder.embedding_size, 3 * len(values) + 1)
    optimizer = torch.optim.AdamW(
        [*encoder.parameters(), *heads.parameters()], lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    encoder.train()
    for step in range(recipe.steps):
        numbers = generator(seed, "supervised", step)
        rows = numbers.choice(len(seen), recipe.networks, replace=recipe.networks > len(seen))
        batch = encoder.augment(population[rows], torch.Generator().manual_seed(torch_seed(seed, "augment", step)))
        shift_logits, predicted = _read(heads(encoder(batch)), len(values))
        loss = F.cross_entropy(shift_logits.flatten(0, 1), labels[rows].flatten()) + F.mse_loss(
            predicted, accuracy[rows]
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*encoder.parameters(), *heads.parameters()], recipe.clip)
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        optimizer.step()
        if report:
            report(1, f"loss {float(loss.detach()):.3f}")

    def predict(rows: np.ndarray) -> Prediction:
        with torch.no_grad():
            z = torch.from_numpy(embed(encoder, zoo.population(rows)))
            shift_logits, predicted = _read(heads(z), len(values))
        return Prediction(values[shift_logits.argmax(-1).numpy()], predicted.numpy())

    return _by_part(split, zoo, predict)


def _seen(split: Split) -> np.ndarray:
    return np.concatenate([split.train, split.ood_seen])


def _by_part(split: Split, zoo: Zoo, predict: Callable[[np.ndarray], Prediction]) -> dict[str, dict[str, float]]:
    parts = {"validation": split.validation, "ood": split.ood_unseen}
    return {name: measure(zoo, rows, predict(rows)) for name, rows in parts.items()}


def _classifier(x: np.ndarray, y: np.ndarray) -> LogisticRegression | DummyClassifier:
    if len(np.unique(y)) < 2:  # every language that is seen has the same shift
        return DummyClassifier().fit(x, y)
    return LogisticRegression(C=10.0, max_iter=2000).fit(x, y)


def _read(outputs: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Logits of the shifts ``[N, 3, classes]`` and the accuracy ``[N]``."""
    return outputs[:, :-1].unflatten(1, (3, classes)), outputs[:, -1]
