"""Traces: sequences that networks read, and what they said to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Integer

from rnn2vec.errors import RNN2VecError
from rnn2vec.networks import Networks
from rnn2vec.rows import Rows, row_numbers


@dataclasses.dataclass(frozen=True)
class Traces:
    """What S networks read and said.

    Attributes:
        inputs: tokens ``[S, R, T]``, BOS first where networks wrote them, or numbers ``[S, R, T, X]``.
        outputs: log-probabilities or logits of classes, or numbers, ``[S, R, T, Y]``; one step less where the last
            token was written and not read.
    """

    inputs: Integer[np.ndarray, "S R T"] | Float[np.ndarray, "S R T X"]
    outputs: Float[np.ndarray, "S R _ Y"]

    @classmethod
    @torch.no_grad()
    def of(cls, networks: Networks, inputs: Integer[np.ndarray, "S R T"] | Float[np.ndarray, "S R T X"]) -> Traces:
        """Let networks read inputs ``[S, R, T]`` or ``[S, R, T, X]``.

        Raises:
            RNN2VecError: if they cannot.
        """
        if len(inputs) != len(networks):
            raise RNN2VecError(f"traces are inputs for each of {len(networks)} networks; got {list(inputs.shape)}")
        outputs, _ = networks.run(networks.interface.inputs.tensor(inputs).to(networks.device))
        return cls(inputs, outputs.float().cpu().numpy())

    def __repr__(self) -> str:
        return f"Traces(inputs {list(self.inputs.shape)}, outputs {list(self.outputs.shape)})"

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Rows) -> Traces:
        """The traces of some networks, always as traces (of one, for a single number)."""
        chosen = row_numbers(rows, len(self), "network")
        return Traces(self.inputs[chosen], self.outputs[chosen])

    def blocks(self) -> Iterator[Traces]:
        """All of them, some networks at a time, in order."""
        yield self
