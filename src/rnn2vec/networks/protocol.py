"""The protocol of networks: everything that asking them takes."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Interface
from rnn2vec.rows import Rows


def require_networks(thing: Any) -> None:
    """Refuse what is no networks.

    Raises:
        RNN2VecError: if it cannot be run, or is one module.
    """
    if not callable(getattr(thing, "run", None)) or isinstance(thing, torch.nn.Module):
        raise RNN2VecError(
            f"networks are a Population, Modules or others of rnn2vec; got {type(thing).__name__}: "
            "Zoo.open(DIRECTORY).networks() and read_checkpoint(FILE).networks read them, Modules and "
            "Population.from_modules take a list of modules"
        )


class Networks(Protocol):
    """N recurrent networks with one interface."""

    @property
    def interface(self) -> Interface:
        """What goes in and what comes out."""
        ...

    @property
    def differentiable(self) -> bool:
        """Whether gradients pass from outputs to inputs."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of the numbers that they read and say."""
        ...

    @property
    def device(self) -> torch.device:
        """Where these are."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def __getitem__(self, rows: Rows) -> Networks:
        """Some of them, always as networks, see :func:`rnn2vec.rows.row_numbers`."""
        ...

    def run(
        self, inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"], state: Any = None
    ) -> tuple[Float[Tensor, "N B T Y"], Any]:
        """Run every network on its own batch of sequences.

        Args:
            inputs: ``[N, B, T, X]`` floats, or ``[N, B, T]`` tokens.
            state: what an earlier call returned, to go on from there; their initial state by default.

        Returns:
            Outputs ``[N, B, T, Y]`` and the state after the last step, whose type is the networks' own affair.
        """
        ...
