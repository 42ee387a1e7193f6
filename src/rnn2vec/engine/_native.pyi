"""The compiled kernels. Every tensor is checked when it comes: dtype, device, shape; what is written is in one piece.

What is only read may lie in memory as it likes: a copy is made where it has to be. None stands for a tensor that nobody
gives or wants.
"""

from collections.abc import Sequence

from torch import Tensor

class Architecture:
    """What networks are made of.

    Args:
        cell: its number.
        nonlinearity: of an Elman or leaky cell, its number among the activations.
        input_size: X.
        hidden: units of each layer.
        head: size and number of the activation of each linear map; none for the hidden states of the last layer.
        skip: whether inputs are added to outputs.
        own_state: whether the weights hold initial states.
    """

    def __init__(
        self,
        cell: int,
        nonlinearity: int,
        input_size: int,
        hidden: list[int],
        head: list[tuple[int, int]],
        skip: bool,
        own_state: bool,
        /,
    ) -> None: ...

class Call:
    """What the kernels read, kept alive as long as it, and which kernels these are, chosen when it is made.

    Args:
        architecture: of the networks.
        threads: to compute with.
        inputs: ``[N, B, T, X]``, or tokens ``[N, B, T]``.
        state: h (of a leak outside, v) and, LSTM, c, ``[N, L, B, H]``; empty for the networks' own, or zeros.
        weights: in the architecture's order.

    Raises:
        RNN2VecError: if a tensor is not as it has to be.
    """

    def __init__(
        self, architecture: Architecture, threads: int, inputs: Tensor, state: list[Tensor], weights: list[Tensor], /
    ) -> None: ...
    @property
    def instruction_set(self) -> str: ...

def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def use_instruction_set(name: str) -> None: ...
def tape_size(call: Call) -> int: ...
def forward(call: Call, tape: Tensor | None, written: list[Tensor], /) -> None:
    """Written: outputs and the parts of the state."""

def backward(
    call: Call,
    tape: Tensor | None,
    incoming: list[Tensor | None],
    found: list[Tensor | None],
    found_weights: list[Tensor | None],
    /,
) -> None:
    """Incoming: gradients of outputs and the final state. Found: of inputs and, if it was given, the state."""

def train(
    call: Call,
    weights: list[Tensor],
    targets: Tensor,
    mask: Tensor | None,
    first: list[Tensor],
    second: list[Tensor],
    fixed: list[bool],
    steps: Sequence[Sequence[float]],
    losses: Tensor,
    /,
) -> None: ...
