"""Checkpoint: what a file was read as, and what had to be done for it."""

from __future__ import annotations

import dataclasses

from rnn2vec.architecture import Architecture
from rnn2vec.interface import Interface
from rnn2vec.networks import Networks


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The networks of one file.

    Attributes:
        networks: one, or several behind one interface; a :class:`~rnn2vec.Population` where an architecture holds them,
            else :class:`~rnn2vec.Modules`.
        names: of each network.
        format: what the file was recognised as.
        architecture: of all networks; None for modules.
        interface: what goes in and what comes out.
        notes: what was folded and how, what was assumed, what was ignored by name.
    """

    networks: Networks
    names: tuple[str, ...]
    format: str
    architecture: Architecture | None
    interface: Interface
    notes: tuple[str, ...]
