"""Networks unlike those of a zoo, for what an encoder should call unknown: by family, a few kinds of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rnn2vec import Population, Zoo
from rnn2vec.engine import train_step
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.interrogation import MealyMachine, realise
from rnn2vec.randomness import generator
from rnn2vec.tasks.formal_language import BOS, EOS, FormalLanguage
from rnn2vec.tasks.tiled_digits import TiledDigits

NETWORKS = 60
"""Of each kind."""
STEPS = 600
"""Of training, where they are trained."""
Draw = Callable[[int], tuple[np.ndarray, ...]]
"""A step to inputs ``[N, B, T, ...]``, targets ``[N, B, T]`` and, where not all steps count, a mask ``[N, B, T]``."""


def strangers(zoo: Zoo, data: str | None = None, seed: int = 0) -> dict[str, Population]:
    """Populations by what they are; none of their tasks is of the zoo's family.

    Args:
        zoo: theirs is another.
        data: the directory with MNIST's files; fetched once by default.
        seed: of all that is drawn.
    """
    others = _of_tiles(zoo, data, seed) if zoo.family == "sequential-digits" else _of_strings(zoo, seed)
    return {"untrained": _untrained(zoo, seed)} | others


def _untrained(zoo: Zoo, seed: int) -> Population:
    return Population.initialise(zoo.architecture, seed + 1, range(NETWORKS)).with_interface(zoo.interface)


def _trained(zoo: Zoo, seed: int, draw: Draw) -> Population:
    population = _untrained(zoo, seed)
    optimizer = AdamW.start(population, 1e-4)
    for step in range(STEPS):
        inputs, targets, *mask = (torch.from_numpy(part) for part in draw(step))
        train_step(population, optimizer, inputs, targets, 0.01 if step < STEPS // 2 else 0.003, *mask)
    return population


def _of_strings(zoo: Zoo, seed: int) -> dict[str, Population]:
    """Random automata; networks trained on strings of random letters, each with its own chances of what follows what;
    on languages written backwards; on languages one letter of which has a shift just beyond those of the family; and on
    languages of the family with a loss that leaves out what follows the first EOS, so that any token may.
    """
    numbers = generator(seed, "strangers")
    tokens = zoo.interface.inputs.size

    def machine() -> MealyMachine:
        states = int(numbers.integers(2, 9))
        follow, answer = numbers.integers(0, states, (states, tokens)), numbers.integers(0, tokens, (states, tokens))
        return MealyMachine(tuple(map(tuple, follow.tolist())), tuple(map(tuple, answer.tolist())))

    chances = numbers.dirichlet([0.3] * 4, (NETWORKS, 4)).cumsum(-1)
    shifts = numbers.integers(-3, 3, (NETWORKS, 3))
    length = 42

    def chains(step: int) -> tuple[np.ndarray, np.ndarray]:
        own = generator(seed, "strangers", "chains", step)
        strings = np.empty((NETWORKS, 32, length), dtype=np.int64)
        strings[:, :, 0], letter = BOS, own.integers(0, 4, (NETWORKS, 32))
        for place in range(1, length):
            strings[:, :, place] = letter
            more = own.random((NETWORKS, 32, 1)) > chances[np.arange(NETWORKS)[:, None], letter]
            letter = np.minimum(more.sum(-1), 3)
        return strings[:, :, :-1].copy(), strings[:, :, 1:].copy()

    def backwards(step: int) -> tuple[np.ndarray, np.ndarray]:
        own = generator(seed, "strangers", "backwards", step)
        strings = np.full((NETWORKS, 32, length), EOS, dtype=np.int64)
        strings[:, :, 0] = BOS
        for network in range(NETWORKS):
            for row, n in enumerate(own.integers(3, 9, 32)):
                counts = (n, *(max(0, n + shift) for shift in shifts[network]))
                letters = np.repeat([3, 2, 1, 0], counts)[: length - 1]
                strings[network, row, 1 : 1 + len(letters)] = letters
        return strings[:, :, :-1].copy(), strings[:, :, 1:].copy()

    near = [[*own] for own in numbers.integers(-2, 3, (NETWORKS, 3)).tolist()]
    for own in near:
        own[int(numbers.integers(0, 3))] = int(numbers.choice([-4, 3]))
    beyond = [FormalLanguage(*own) for own in near]
    within = [FormalLanguage(*own) for own in shifts.tolist()]

    def of(languages: list[FormalLanguage], step: int) -> tuple[np.ndarray, np.ndarray]:
        own = generator(seed, "strangers", "languages", step)
        read, wanted = zip(*(language.sample(32, own) for language in languages), strict=True)
        return np.stack(read), np.stack(wanted)

    def unpadded(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        read, wanted = of(within, step)
        return read, wanted, (np.cumsum(wanted == EOS, axis=2) <= 1).astype(np.float32)

    return {
        "random automata": realise([machine() for _ in range(NETWORKS)]),
        "random letters": _trained(zoo, seed + 1, chains),
        "backwards": _trained(zoo, seed + 2, backwards),
        "shifts beyond": _trained(zoo, seed + 3, lambda step: of(beyond, step)),
        "without padding": _trained(zoo, seed + 4, unpadded),
    }


def _of_tiles(zoo: Zoo, data: str | None, seed: int) -> dict[str, Population]:
    """Networks trained on upright digits whose classes are renamed, or whose tiles are read in another order, a
    permutation of its own for each network.
    """
    task = zoo.task(0)
    plain = TiledDigits(0.0, task.source, data)
    numbers = generator(seed, "strangers")
    names = np.stack([numbers.permutation(10) for _ in range(NETWORKS)])
    orders = np.stack([numbers.permutation(plain.length - 1) + 1 for _ in range(NETWORKS)])

    def images(step: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
        read, digits = plain.sample(NETWORKS * 16, generator(seed, "strangers", kind, step))
        return read.reshape(NETWORKS, 16, *read.shape[1:]), digits.reshape(NETWORKS, 16, -1).astype(np.int64)

    def renamed(step: int) -> tuple[np.ndarray, np.ndarray]:
        read, digits = images(step, "renamed")
        return read, names[np.arange(NETWORKS)[:, None, None], digits]

    def shuffled(step: int) -> tuple[np.ndarray, np.ndarray]:
        read, digits = images(step, "shuffled")
        after = np.stack([own[:, order] for own, order in zip(read, orders, strict=True)])
        return np.concatenate([read[:, :, :1], after], axis=2), digits

    return {
        "classes renamed": _trained(zoo, seed + 1, renamed),
        "tiles in another order": _trained(zoo, seed + 2, shuffled),
    }
