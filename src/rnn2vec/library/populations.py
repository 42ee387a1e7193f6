"""The networks whose weights are known, architecture by architecture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnn2vec.architecture import Architecture
from rnn2vec.networks import Mixed, Networks, Population, concatenate

Placed = tuple[np.ndarray, Population]
"""Rows and their networks."""


def populations(networks: Networks) -> list[Placed]:
    """One population for each architecture, with its rows; networks whose weights are not known are left out."""
    found: dict[Architecture, list[Placed]] = {}
    for rows, population in _parts(networks[:]):  # those on disk are read
        found.setdefault(population.architecture, []).append((rows, population))
    return [
        parts[0] if len(parts) == 1 else (np.concatenate([rows for rows, _ in parts]), concatenate(
            population for _, population in parts
        ))
        for parts in found.values()
    ]  # fmt: skip


def _parts(networks: Networks) -> Iterator[Placed]:
    if isinstance(networks, Population):
        yield np.arange(len(networks)), networks
    elif isinstance(networks, Mixed):
        for places, part in zip(networks.places, networks.parts, strict=True):
            for rows, population in _parts(part):
                yield places[rows], population
