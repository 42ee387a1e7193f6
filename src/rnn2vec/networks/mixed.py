"""Networks of several kinds or architectures behind one interface, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import counted
from rnn2vec.interface import Interface
from rnn2vec.networks.protocol import Networks, require_networks
from rnn2vec.rows import Rows, row_numbers


class Mixed:
    """Rows of several networks as one.

    Args:
        parts: networks whose interfaces agree in kinds and sizes; they are run one after the other.
        order: the row that each network of the parts, in their order, has here, ``[N]``; the same by default.

    Attributes:
        parts: as given.
        places: the rows of each part here.

    Raises:
        RNN2VecError: if there are none, their interfaces differ, they have several dtypes or devices, or the order is
            none of N rows.
    """

    def __init__(self, parts: Sequence[Networks], order: Integer[np.ndarray, " N"] | None = None) -> None:
        self.parts = tuple(parts)
        if not self.parts:
            raise RNN2VecError("networks are at least one; got none to mix")
        for part in self.parts:
            require_networks(part)
        first = self.parts[0]
        for part in self.parts:
            if not first.interface.fits(part.interface):
                raise RNN2VecError(f"mixed networks have one interface; got {first.interface} and {part.interface}")
            if (part.dtype, part.device) != (first.dtype, first.device):
                raise RNN2VecError(
                    f"mixed networks have one dtype and device; got {first.dtype} on {first.device} and {part.dtype} "
                    f"on {part.device}"
                )
        count = sum(map(len, self.parts))
        rows = np.arange(count) if order is None else np.asarray(order)
        if not np.array_equal(np.sort(rows), np.arange(count)):
            raise RNN2VecError(f"an order of {count} networks names each row of 0..{count - 1} once; got {order!r}")
        self.places = tuple(np.split(rows, np.cumsum([len(part) for part in self.parts])[:-1]))
        self._back = torch.from_numpy(np.argsort(rows))

    @property
    def interface(self) -> Interface:
        """That of the first part."""
        return self.parts[0].interface

    @property
    def differentiable(self) -> bool:
        """Whether all are."""
        return all(part.differentiable for part in self.parts)

    @property
    def dtype(self) -> torch.dtype:
        """Of all."""
        return self.parts[0].dtype

    @property
    def device(self) -> torch.device:
        """Of all."""
        return self.parts[0].device

    def __repr__(self) -> str:
        return f"Mixed({counted(len(self), 'network')}: {self.interface})"

    def __len__(self) -> int:
        return len(self._back)

    def __getitem__(self, rows: Rows) -> Mixed:
        """Some networks, in the order asked for; parts none is of are left out.

        Raises:
            RNN2VecError: see :func:`rnn2vec.rows.row_numbers`.
        """
        if isinstance(rows, slice) and rows == slice(None):
            return self  # as of a population, a slice shares memory
        chosen = row_numbers(rows, len(self))
        parts, order = [], []
        for part, places in zip(self.parts, self.places, strict=True):
            within = np.full(len(self), -1)
            within[places] = np.arange(len(places))
            wanted = np.flatnonzero(within[chosen] >= 0)
            if len(wanted):
                parts.append(part[within[chosen[wanted]]])
                order.append(wanted)
        return Mixed(parts, np.concatenate(order))

    def run(
        self, inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"], state: Any = None
    ) -> tuple[Float[Tensor, "N B T Y"], tuple[Any, ...]]:
        """Run every network on its own batch of sequences, see :meth:`Networks.run`."""
        if len(inputs) != len(self):
            raise RNN2VecError(f"inputs have a batch for each of {len(self)} networks; got {list(inputs.shape)}")
        states = (None,) * len(self.parts) if state is None else state
        said, final = [], []
        for part, places, own in zip(self.parts, self.places, states, strict=True):
            outputs, after = part.run(inputs[torch.from_numpy(places)], own)
            said.append(outputs)
            final.append(after)
        return torch.cat(said)[self._back], tuple(final)

    def perturbed(self, deviation: float, generator: torch.Generator) -> Mixed:
        """Relatives of the networks, see :meth:`rnn2vec.networks.Population.perturbed`.

        Raises:
            RNN2VecError: if a part has no weights that are known.
        """
        return Mixed([perturbed(part, deviation, generator) for part in self.parts], np.concatenate(self.places))


def perturbed(networks: Networks, deviation: float, generator: torch.Generator) -> Networks:
    """Relatives of networks whose weights are known, see :meth:`rnn2vec.networks.Population.perturbed`.

    Raises:
        RNN2VecError: if they are not.
    """
    make = getattr(networks, "perturbed", None)
    if make is None:
        raise RNN2VecError(
            f"relatives are made of networks whose weights are known; got {type(networks).__name__}: pretrain without "
            "them (relatives=None)"
        )
    return make(deviation, generator)
