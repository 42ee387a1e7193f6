"""Black boxes as networks: functions of sequences, asked and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Integer, Real
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import counted
from rnn2vec.interface import Interface, Tokens
from rnn2vec.networks.replay import History, replay
from rnn2vec.rows import Rows, row_numbers

BlackBox = Callable[[Float32[np.ndarray, "B T X"] | Int64[np.ndarray, "B T"]], Real[np.ndarray, "B T Y"]]
"""Sequences ``[B, T, X]`` float32, or tokens ``[B, T]`` int64, to outputs ``[B, T, Y]``; each sequence starts anew."""


class Callables:
    """Functions of which nothing is known but what they answer.

    Args:
        functions: N of them, see :data:`BlackBox`.
        interface: what goes in and what comes out.

    Attributes:
        functions: as given.
        interface: as given.
        differentiable: never.
        asked: steps that each function has read since this object was made, ``[N]``; networks chosen from it by rows
            count for themselves.

    Raises:
        RNN2VecError: if there are none, or one cannot be called.
    """

    differentiable = False
    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(self, functions: Iterable[BlackBox], interface: Interface) -> None:
        if callable(functions):
            raise RNN2VecError("networks are a list of functions; got one function: [function]")
        self.functions = tuple(functions)
        if not self.functions:
            raise RNN2VecError("networks are at least one; got no functions")
        for function in self.functions:
            if not callable(function):
                raise RNN2VecError(f"each of the networks is a function; got {type(function).__name__}")
        if not isinstance(interface, Interface):
            raise RNN2VecError(f"black boxes need an Interface, since nothing is known of them; got {interface!r}")
        self.interface = interface
        self.asked = np.zeros(len(self.functions), dtype=np.int64)

    def __repr__(self) -> str:
        return f"Callables({counted(len(self), 'network')}: {self.interface})"

    def __len__(self) -> int:
        return len(self.functions)

    def __getitem__(self, rows: Rows) -> Callables:
        """Some functions, the very same objects."""
        return Callables([self.functions[row] for row in row_numbers(rows, len(self))], self.interface)

    def run(
        self, inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"], state: History | None = None
    ) -> tuple[Float[Tensor, "N B T Y"], History]:
        """Ask every function its own batch of sequences, see :meth:`Networks.run`. No gradient passes.

        Raises:
            RNN2VecError: if a function returns anything but numbers ``[B, T, Y]``, or is no function of the past.
        """
        if len(inputs) != len(self):
            raise RNN2VecError(f"inputs have a batch for each of {len(self)} networks; got {list(inputs.shape)}")
        return replay(self._run, inputs, state, "functions")

    def _said(self, index: int, function: BlackBox, asked: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(function(asked))
        except RNN2VecError:
            raise
        except Exception as error:  # whatever it raises
            mixtures = self.interface.inputs.drawn and asked.ndim == 3
            hint = ": it is asked mixtures of tokens, as a probing encoder does; a box takes single ones" * mixtures
            raise RNN2VecError(
                f"a black box answers {asked.dtype} inputs of the shape {list(asked.shape)}; function {index} failed "
                f"at them ({type(error).__name__}: {error}){hint}"
            ) from error

    def _run(self, inputs: Tensor) -> Tensor:
        tokens = isinstance(self.interface.inputs, Tokens) and not inputs.is_floating_point()
        read = inputs.detach().cpu().numpy().astype(np.int64 if tokens else np.float32)
        expected, said = (*read.shape[1:3], self.interface.outputs.size), []
        for index, (function, own) in enumerate(zip(self.functions, read, strict=True)):
            self.asked[index] += own.shape[0] * own.shape[1]
            outputs = self._said(index, function, own.copy())
            if outputs.shape != expected or outputs.dtype.kind not in "fiu":
                raise RNN2VecError(
                    f"a black box answers numbers of the shape {list(expected)}; function {index} returned "
                    f"{outputs.dtype} of {list(outputs.shape)}"
                )
            said.append(torch.from_numpy(outputs.astype(np.float32)))
        return torch.stack(said)
