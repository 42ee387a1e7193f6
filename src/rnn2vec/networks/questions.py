"""Questions that networks are asked where nobody brought any: stimuli, and strings that networks write themselves.

A network that predicts its next token says little to random strings, and less to strings without the token that it
expects at the beginning. What it was trained on begins with that token and holds it nowhere else, so that no network
ever writes it: this is how it is found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer

from rnn2vec.networks.protocol import Networks
from rnn2vec.networks.sampling import sample_strings
from rnn2vec.networks.stimuli import SEQUENCES, STEPS, stimuli
from rnn2vec.randomness import generator

MOST_HEARD = 16
"""Networks by whose strings the first token is found; evenly spread, if there are more."""
RANDOM = 1 / 4
"""Of the strings: the others are written by networks."""
RARELY = 0.01
"""Of the probability of a token where all are as likely: what most networks give to one that they never write."""


def made_questions(
    networks: Networks, seed: int = 0, sequences: int = SEQUENCES
) -> Integer[np.ndarray, "R T"] | Float[np.ndarray, "R T X"]:
    """Sequences that all networks can be asked: see :func:`rnn2vec.networks.stimuli.stimuli`; of networks that predict
    their next token, only :data:`RANDOM` of them are random, and some of the networks write one each of the others.

    Args:
        networks: N of them; those that cannot go on from a state, such as black boxes, are asked all that was written
            so far for every token.
        seed: of all that is random.
        sequences: R.

    Raises:
        RNN2VecError: if they read numbers without a range.
    """
    found = stimuli(networks.interface.inputs, seed, sequences)
    if not networks.interface.writes:
        return found
    first, drawn = first_tokens(start_tokens([networks], seed), sequences), int(RANDOM * sequences)
    found = beginning(found, first)
    writers = np.linspace(0, len(networks) - 1, sequences - drawn).astype(int)
    for place, row in enumerate(writers, start=drawn):
        found[place] = written(networks[row : row + 1], first[place : place + 1], seed, place)[0]
    return found


def start_tokens(parts: Sequence[Networks], seed: int = 0) -> Int64[np.ndarray, " K"]:
    """The tokens that strings of networks begin with: those that most of them never write, or all where there are none;
    in random order.

    Args:
        parts: networks that predict their next token, of one interface.
        seed: of the order, and of what they write.
    """
    size, sizes = parts[0].interface.inputs.size, [len(part) for part in parts]
    order = generator(seed, "starts").permutation(size)
    opening = first_tokens(order, SEQUENCES)
    uniforms = torch.from_numpy(generator(seed, "heard").random((1, SEQUENCES, STEPS["tokens"] - 1)))
    chosen = np.unique(np.linspace(0, sum(sizes) - 1, min(sum(sizes), MOST_HEARD)).astype(int))
    shares = []
    for part, begin in zip(parts, np.cumsum([0, *sizes[:-1]]), strict=True):
        for row in chosen[(chosen >= begin) & (chosen < begin + len(part))] - begin:
            own = part[int(row) : int(row) + 1]  # one by one, since a vocabulary may be large
            said = sample_strings(own.run, uniforms.to(own.device), torch.from_numpy(opening).to(own.device))[1]
            shares.append(said.exp().mean((0, 1, 2)).double().cpu().numpy())
    heard = np.stack(shares)
    heard = heard[np.isfinite(heard).all(1)]
    rare = np.median(heard, 0) < RARELY / size if len(heard) else np.zeros(size, dtype=bool)
    return order[rare[order]] if rare.any() else order


def first_tokens(starts: Int64[np.ndarray, " K"], sequences: int) -> Int64[np.ndarray, " R"]:
    """What each of R strings begins with: each of the starts in turn, as far as there are strings."""
    return np.resize(starts, sequences)


def beginning(strings: Integer[np.ndarray, "R T"], first: Int64[np.ndarray, " R"]) -> Integer[np.ndarray, "R T"]:
    """The same strings, but for the first tokens."""
    found = strings.copy()
    found[:, 0] = first
    return found


def written(networks: Networks, first: Integer[np.ndarray, " R"], *seed: int) -> Integer[np.ndarray, "N R T"]:
    """Strings that networks write: the given first tokens, and then what each says comes next.

    Args:
        networks: N networks that predict their next token.
        first: tokens.
        *seed: of what is drawn.
    """
    uniforms = generator(seed[0], "written", *seed[1:]).random((len(networks), len(first), STEPS["tokens"] - 1))
    opening = torch.from_numpy(np.asarray(first, dtype=np.int64)).to(networks.device)
    strings, _ = sample_strings(networks.run, torch.from_numpy(uniforms).to(networks.device), opening, 1)
    return strings.cpu().numpy().astype(networks.interface.inputs.stored)
