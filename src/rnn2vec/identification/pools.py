"""Pools: what there is to ask, from the traces of a zoo, from encoders that learned what to ask, and at random."""

from __future__ import annotations

import numpy as np
import torch

from rnn2vec.encoders import Encoder
from rnn2vec.encoders.forms import AskingEncoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.identification.asked import Asked
from rnn2vec.networks import Networks

HEARD = 8
"""Networks whose interrogation is listened to: questions of an interactive encoder depend on what was answered."""


def joined(*pools: np.ndarray) -> np.ndarray:
    """Questions of several pools as one, those of the first one first, no two alike.

    Args:
        pools: ``[R, T]`` tokens or ``[R, T, X]`` numbers each. The longest T counts: shorter questions begin again
            where they end.

    Raises:
        RNN2VecError: if there is no pool, or one has other inputs or no question.
    """
    arrays = [np.asarray(own) for own in pools]
    if not arrays or any(not own.size or own.ndim < 2 or own.shape[2:] != arrays[0].shape[2:] for own in arrays):
        raise RNN2VecError(
            "pools to join hold questions with the same inputs, [R, T] or [R, T, X]; got "
            f"{', '.join(str(list(own.shape)) for own in arrays) or 'none'}"
        )
    steps, kind = max(own.shape[1] for own in arrays), arrays[0].dtype
    longer = [own[:, np.arange(steps) % own.shape[1]].astype(kind) for own in arrays]
    if kind.kind != "f" and any(
        (own != other[:, : own.shape[1]]).any() for own, other in zip(arrays, longer, strict=True)
    ):
        raise RNN2VecError(f"pools to join hold tokens that fit in the {kind} of the first one; got others")
    together = np.concatenate(longer)
    return together[np.sort(np.unique(together, axis=0, return_index=True)[1])]


def learned(encoder: Encoder, networks: Networks) -> np.ndarray:
    """What an encoder asks: of a few networks, evenly spread, each as a black box.

    Args:
        encoder: one that asks.
        networks: N that it reads.

    Returns:
        Sequences ``[R, T]`` or ``[R, T, X]``, no two alike; tokens are the likeliest of each mixture.

    Raises:
        RNN2VecError: if the encoder does not ask, or reads no such networks.
    """
    if not isinstance(encoder, AskingEncoder):
        raise RNN2VecError(f"questions are those of an encoder that asks; the {encoder.name} encoder reads weights")
    found = []
    for row in np.linspace(0, len(networks) - 1, min(HEARD, len(networks))).astype(int):
        asked = Asked(networks[[int(row)]], networks.interface)
        with torch.no_grad():
            encoder.encode(asked)
        assert asked.asked is not None
        found.append(asked.asked.inputs[0].numpy())
    return joined(*found)
