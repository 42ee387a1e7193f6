"""The compiled kernels. Every tensor is checked when it comes: dtype, device, shape; what is written is in one piece.

What is only read may lie in memory as it likes: a copy is made where it has to be. None stands for a tensor that nobody
gives or wants.
"""

from collections.abc import Sequence

from torch import Tensor

class Call:
    """What the kernels read, kept alive as long as it, and which kernels these are, chosen when it is made.

    Args:
        cell: its number.
        sizes: X, H, L, Y.
        threads: to compute with.
        inputs: ``[N, B, T, X]``, or tokens ``[N, B, T]``.
        state: h and (LSTM) c, ``[N, L, B, H]``; empty for zeros.
        weights: in torch.nn's order.

    Raises:
        RNN2VecError: if a tensor is not as it has to be.
    """

    def __init__(
        self,
        cell: int,
        sizes: tuple[int, int, int, int],
        threads: int,
        inputs: Tensor,
        state: list[Tensor],
        weights: list[Tensor],
        /,
    ) -> None: ...
    @property
    def instruction_set(self) -> str: ...

def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def use_instruction_set(name: str) -> None: ...
def tape_size(call: Call) -> int: ...
def forward(call: Call, tape: Tensor | None, written: list[Tensor], /) -> None:
    """Written: outputs, h and (LSTM) c."""

def backward(
    call: Call,
    tape: Tensor | None,
    incoming: list[Tensor | None],
    found: list[Tensor | None],
    found_weights: list[Tensor | None],
    /,
) -> None:
    """Incoming: gradients of outputs, h and (LSTM) c. Found: of inputs, h and (LSTM) c."""

def train(
    call: Call,
    weights: list[Tensor],
    targets: Tensor,
    first: list[Tensor],
    second: list[Tensor],
    steps: Sequence[Sequence[float]],
    losses: Tensor,
    /,
) -> None: ...
