"""The compiled kernels. Numbers called addresses are those of contiguous tensors' data; 0 is none."""

from collections.abc import Sequence

class Call:
    """What the kernels read, and which kernels these are, chosen when it is made. Sizes are N, B, T, X, H, L, Y."""

    @property
    def instruction_set(self) -> str: ...
    def __init__(
        self,
        cell: int,
        tokens: bool,
        sizes: Sequence[int],
        threads: int,
        weights: Sequence[int],
        inputs: int,
        h: int,
        c: int,
    ) -> None: ...

def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def use_instruction_set(name: str) -> None: ...
def tape_size(call: Call) -> int: ...
def forward(call: Call, tape: int, outputs: int, h: int, c: int) -> None: ...
def backward(
    call: Call,
    tape: int,
    outputs: int,
    final_h: int,
    final_c: int,
    inputs: int,
    h: int,
    c: int,
    weights: Sequence[int],
) -> None: ...
def train(
    call: Call,
    targets: int,
    first: Sequence[int],
    second: Sequence[int],
    steps: Sequence[Sequence[float]],
    losses: int,
) -> None: ...
