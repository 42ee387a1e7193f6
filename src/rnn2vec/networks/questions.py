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

MOST_HEARD = 64
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
        networks: N of them.
        seed: of all that is random.
        sequences: R.

    Raises:
        RNN2VecError: if they read numbers without a range.
    """
    found = stimuli(networks.interface.inputs, seed, sequences)
    if not networks.interface.writes:
        return found
    starts = start_tokens([networks], seed)
    found = beginning(found, starts)
    drawn = int(RANDOM * sequences)
    writers = np.linspace(0, len(networks) - 1, sequences - drawn).astype(int)
    for place, row in enumerate(writers, start=drawn):
        found[place] = written(networks[row : row + 1], found[place : place + 1, 0], seed, place)[0]
    return found


def start_tokens(parts: Sequence[Networks], seed: int = 0) -> Int64[np.ndarray, " K"]:
    """The tokens that strings of networks begin with: those that most of them never write; all, in random order, where
    there are none.

    Args:
        parts: networks that predict their next token, of one interface.
        seed: of the order, and of what they write.
    """
    size, sizes = parts[0].interface.inputs.size, [len(part) for part in parts]
    first = generator(seed, "starts").permutation(size)
    chosen = np.unique(np.linspace(0, sum(sizes) - 1, min(sum(sizes), MOST_HEARD)).astype(int))
    said = []
    for part, begin in zip(parts, np.cumsum([0, *sizes[:-1]]), strict=True):
        rows = chosen[(chosen >= begin) & (chosen < begin + len(part))] - begin
        if len(rows):
            uniforms = generator(seed, "heard").random((1, SEQUENCES, STEPS["tokens"] - 1))
            drawn = torch.from_numpy(np.repeat(uniforms, len(rows), 0)).to(part.device)
            opening = torch.from_numpy(np.resize(first, SEQUENCES)).to(part.device)
            said.append(sample_strings(part[rows].run, drawn, opening)[1].exp().mean((1, 2)).cpu().double().numpy())
    shares = np.concatenate(said)
    shares = shares[np.isfinite(shares).all(1)]
    never = np.flatnonzero(np.median(shares, 0) < RARELY / size) if len(shares) else np.array([], dtype=np.int64)
    return never if len(never) else first


def beginning(strings: Integer[np.ndarray, "R T"], starts: Int64[np.ndarray, " K"]) -> Integer[np.ndarray, "R T"]:
    """The same strings, but for the first token: each of ``starts`` in turn."""
    found = strings.copy()
    found[:, 0] = np.resize(starts, len(found))
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
