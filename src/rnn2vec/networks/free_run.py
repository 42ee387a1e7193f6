"""Networks that run freely: fed their own likeliest answer once a given start is read."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.networks.protocol import Networks


def free_run(networks: Networks, strings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Let N networks go on with the starts of R strings, each with what itself thinks the likeliest.

    Args:
        networks: N networks that predict their next input.
        strings: ``[R, T]`` tokens.
        lengths: ``[R]``, how many tokens of each string are given, at least 1.

    Returns:
        Tokens ``[N, R, T]`` that were read, and outputs ``[N, R, T, Y]`` to them.

    Raises:
        RNN2VecError: if the networks do not predict tokens.
    """
    if not networks.interface.writes:
        raise RNN2VecError(f"networks run freely if they predict their next token; these have {networks.interface}")
    read, said = [], []
    token, state = strings[:, 0].expand(len(networks), -1), cast(Any, None)
    for step in range(strings.shape[1]):
        outputs, state = networks.run(token[:, :, None], state)
        read.append(token)
        said.append(outputs[:, :, 0])
        if step + 1 < strings.shape[1]:
            token = torch.where(step + 1 < lengths, strings[:, step + 1], outputs[:, :, 0].argmax(-1))
    return torch.stack(read, 2), torch.stack(said, 2)
