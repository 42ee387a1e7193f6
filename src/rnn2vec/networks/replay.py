"""Going on with networks that have no state to hand over: everything they have read is put to them again.

That is exact for a function of the past; whether it is one is seen from what it says again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from rnn2vec.errors import RNN2VecError

TOLERANCE = 1e-4
"""How far an answer may be from the same answer before, relative to the largest: what rounding does in other orders."""


@dataclasses.dataclass(frozen=True)
class History:
    """What networks have read and said so far.

    Attributes:
        inputs: ``[N, B, T, X]`` or ``[N, B, T]``.
        outputs: ``[N, B, T, Y]``.
    """

    inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"]
    outputs: Float[Tensor, "N B T Y"]


def replay(
    run: Callable[[Tensor], Tensor], inputs: Tensor, history: History | None, what: str
) -> tuple[Tensor, History]:
    """Run networks on what they have read before and on ``inputs``, and return what they say to these.

    Args:
        run: whole sequences ``[N, B, T, ...]`` to outputs ``[N, B, T, Y]``.
        inputs: ``[N, B, T, ...]``.
        history: what an earlier call returned, or None to start.
        what: the networks, for messages.

    Raises:
        RNN2VecError: if their answers to what they had read before are others now.
    """
    if history is None:
        outputs = run(inputs)
        return outputs, History(inputs, outputs)
    steps = history.inputs.shape[2]
    read = torch.cat([history.inputs, inputs], dim=2)
    outputs = run(read)
    before, again = history.outputs.detach(), outputs[:, :, :steps].detach()
    scale = float(before.abs().amax().clamp(min=torch.finfo(before.dtype).tiny))
    apart = float((before - again).abs().amax())
    if not apart <= TOLERANCE * scale:
        raise RNN2VecError(
            f"what a network says depends on what it has read so far, and on nothing else; {what} answered the first "
            f"{steps} steps otherwise once more followed, by {apart:.2g}: are they bidirectional, or random (dropout: "
            "module.eval())?"
        )
    return outputs[:, :, steps:], History(read, outputs)
