"""Clones: the emulator, told only z, does the network's task; how well it does is compared with the network itself."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch

from rnn2vec.emulation.emulator import Emulator
from rnn2vec.randomness import generator
from rnn2vec.tasks.formal_language import BOS, FormalLanguage
from rnn2vec.zoo.rollouts import sample_strings
from rnn2vec.zoo.store import Zoo

SAMPLES = 100
"""Strings that the emulator writes for each network."""


@torch.no_grad()
def clone_scores(zoo: Zoo, emulator: Emulator, z: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """How well the emulator does what each network does.

    Languages: the share of strings that it writes which are in the network's language, comparable with the network's
    accuracy. Digits: the share of the zoo's traces on which it names the same class as the network at the last step.

    Args:
        zoo: the networks.
        emulator: told z.
        z: representations ``[rows, Z]``.
        rows: of the zoo's table.
        seed: of the strings.

    Returns:
        ``[rows]``.
    """
    tasks, told = [zoo.task(int(row)) for row in rows], torch.from_numpy(z)
    if isinstance(tasks[0], FormalLanguage):
        shape = (SAMPLES, tasks[0].length - 1)
        uniforms = np.stack([generator(seed, int(row), "clone").random(shape) for row in rows])
        strings, _ = sample_strings(
            lambda tokens, state: emulator(told, tokens, state), torch.from_numpy(uniforms), BOS, keep=0
        )
        judged = zip(cast(list[FormalLanguage], tasks), strings, strict=True)
        return np.array([language.accept(own.numpy()).mean() for language, own in judged])
    traces, scores = zoo.traces(rows), []
    for start in range(0, len(rows), 64):
        part = slice(start, start + 64)
        inputs = zoo.interface.inputs.tensor(traces.inputs[part])
        outputs = torch.from_numpy(traces.outputs[part])
        logits, _ = emulator(told[part], inputs)
        same = logits[:, :, -1].argmax(-1) == outputs[:, :, -1].float().argmax(-1)
        scores.append(same.double().mean(1).numpy())
    return np.concatenate(scores)
