"""Clones: the emulator, told only z, does the network's task; how well it does is compared with the network itself."""

from __future__ import annotations

import numpy as np
import torch

from rnn2vec.emulation.emulator import Emulator
from rnn2vec.families import family_of
from rnn2vec.zoo.store import Zoo


@torch.no_grad()
def clone_scores(zoo: Zoo, emulator: Emulator, z: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """How well the emulator does what each network does, in the way of the zoo's family.

    Args:
        zoo: the networks.
        emulator: told z.
        z: representations ``[rows, Z]``.
        rows: of the zoo's table.
        seed: of what is drawn.

    Returns:
        ``[rows]``.
    """
    tasks, told, traces = [zoo.task(int(row)) for row in rows], torch.from_numpy(z), zoo.traces(rows)
    return family_of(zoo.family).clone_scores(
        tasks,
        lambda part, inputs, state: emulator(told[part], inputs, state),
        zoo.interface,
        traces.inputs,
        traces.outputs,
        [(seed, int(row)) for row in rows],
    )
