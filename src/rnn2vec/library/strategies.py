"""Strategies of the search for an input that makes two networks differ: each goes on until so many steps are read."""

from __future__ import annotations

import numpy as np
import torch

from rnn2vec.adamw import AdamW
from rnn2vec.library.edits import EDITS
from rnn2vec.library.pool import KEPT, Pool
from rnn2vec.networks.stimuli import stimuli

AT_ONCE = 2**16
"""Steps that are read between two looks at the budget."""
WIDTH = 64
"""Prefixes that are kept of each length."""
MOST_TRIED = 512
"""Prefixes of each length that are tried."""
ALIKE = 1e-4
"""Distance of states, in units of their spread, below which they are the same."""
OFFSPRING = 96
"""Edits that are tried at once."""
RATE = 0.1
"""Of Adam, on logits."""


def words(pool: Pool, until: float, random: np.random.Generator) -> None:
    """Read all words of tokens of the largest length that the budget allows, one after the other in random order."""
    size, left = pool.pair.interface.inputs.size, until - pool.read
    length = 0
    while length < pool.steps and (length + 1) * size ** (length + 1) <= left:
        length += 1
    if length == 0:
        _random_strings(pool, until, random)
        return
    listed = np.indices((size,) * length).reshape(length, -1).T
    order = random.permutation(len(listed))
    each = pool.steps // length
    order = np.resize(order, -(-len(order) // each) * each)
    rows = listed[order].reshape(-1, each * length)
    filled = random.integers(0, size, (len(rows), pool.steps))
    filled[:, : rows.shape[1]] = rows
    pool.ask(filled, f"all words of {length} tokens")
    _random_strings(pool, until, random)


def _random_strings(pool: Pool, until: float, random: np.random.Generator) -> None:
    size = pool.pair.interface.inputs.size
    while (left := int(until - pool.read) // pool.steps) > 0:
        count = min(left, max(1, AT_ONCE // pool.steps))
        pool.ask(random.integers(0, size, (count, pool.steps)), "random strings")


def signals(pool: Pool, until: float, random: np.random.Generator) -> None:
    """Read stimuli of other seeds."""
    while (left := int(until - pool.read) // pool.steps) > 0:
        count = min(left, max(1, AT_ONCE // pool.steps))
        seed = int(random.integers(2**31))
        pool.ask(stimuli(pool.pair.interface.inputs, seed, count, pool.steps), "other stimuli")


def explore(pool: Pool, until: float, random: np.random.Generator) -> None:
    """Grow prefixes token by token, and keep those that lead both networks to where they have not been.

    It ends early when every token leads back to a state that was seen: then all states were.
    """
    pair, size = pool.pair, pool.pair.interface.inputs.size
    usual = pair.traits(random.integers(0, size, (WIDTH, pool.steps)))
    pool.count(WIDTH * pool.steps)
    scale = usual.std(0).clamp(min=0.01 * usual.abs().amax(0).clamp(min=0.1))
    seen = torch.empty(0, usual.shape[1])
    prefixes = np.empty((1, 0), dtype=np.int64)
    while prefixes.shape[1] < pool.steps and len(prefixes) and pool.read < until:
        longer = np.concatenate([np.repeat(prefixes, size, 0), np.tile(np.arange(size), len(prefixes))[:, None]], 1)
        if len(longer) > MOST_TRIED:
            longer = longer[random.choice(len(longer), MOST_TRIED, replace=False)]
        found = pool.measure(longer)
        if found.max() > pool.differences[0]:
            best = longer[[int(found.argmax())]]
            rest = random.integers(0, size, (1, pool.steps - best.shape[1]))
            pool.ask(np.concatenate([best, rest], 1), "states that are unlike others")
        traits = pair.traits(longer) / scale
        pool.count(longer.size)
        chosen = _unlike(traits, seen)
        seen = torch.cat([seen, traits[chosen]])
        prefixes = longer[chosen]


def _unlike(traits: torch.Tensor, seen: torch.Tensor) -> list[int]:
    """Rows of traits ``[B, D]`` that are far from all that was seen and from each other, the farthest first."""
    nearest = torch.cdist(traits, seen).amin(1) if len(seen) else torch.full((len(traits),), torch.inf)
    chosen: list[int] = []
    while len(chosen) < WIDTH:
        row = int(nearest.argmax())
        if nearest[row] <= ALIKE:
            break
        chosen.append(row)
        nearest = torch.minimum(nearest, (traits - traits[row]).norm(dim=1))
    return chosen


def climb(pool: Pool, until: float, random: np.random.Generator) -> None:
    """Follow the gradient of the largest difference from the windows that show most, where both networks have one."""
    if not pool.pair.differentiable:
        return
    inputs = pool.pair.interface.inputs
    logits = inputs.logits(torch.from_numpy(pool.inputs[: KEPT // 2])).requires_grad_()
    optimizer = AdamW([logits])
    while pool.read < until:
        questions = inputs.questions(logits)
        apart = pool.pair.apart_through(questions).amax(1)
        pool.count(questions.shape[0] * questions.shape[1])
        pool.offer(questions.detach().cpu().numpy(), apart.detach().cpu().numpy(), "gradient")
        optimizer.zero_grad()
        (-apart.sum()).backward()
        assert logits.grad is not None
        logits.grad.nan_to_num_(0.0, 0.0, 0.0)  # of a root at 0, where networks do not differ
        optimizer.step(RATE)


def evolve(pool: Pool, until: float, random: np.random.Generator) -> None:
    """Edit the inputs that show most, and keep the edits that show more."""
    inputs = pool.pair.interface.inputs
    edit = EDITS[inputs.kind]
    while (left := int(until - pool.read) // pool.steps) > 0:
        count = min(left, OFFSPRING)
        parents = pool.inputs[random.integers(0, len(pool.inputs), (count, 2))]
        pool.ask(np.stack([edit(one, other, inputs, random) for one, other in parents]), "edits")
