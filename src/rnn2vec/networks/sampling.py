"""Strings that recurrent networks write by sampling their own next token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""One step of N language models: tokens ``[N, B, 1]`` and a state to logits ``[N, B, 1, Y]`` and the next state."""


@torch.no_grad()
def sample_strings(
    step: Step, uniforms: Tensor, first_token: int | Tensor, keep: int | None = None
) -> tuple[Tensor, Tensor]:
    """Let N language models write strings, by inverting the cumulative distribution of the next token at given numbers.

    Args:
        step: the models, one step at a time.
        uniforms: ``[N, B, T - 1]`` numbers in [0, 1), one for every token to write.
        first_token: what every string begins with; or each of the B, ``[B]``.
        keep: of how many strings to return the log-probabilities; of all by default.

    Returns:
        Tokens ``[N, B, T]`` and log-probabilities ``[N, keep, T - 1, Y]`` of every next token.
    """
    models, batch, length = uniforms.shape
    tokens = torch.empty((models, batch, length + 1), dtype=torch.long, device=uniforms.device)
    tokens[:, :, 0] = first_token
    kept, state = [], None
    for t in range(length):
        logits, state = step(tokens[:, :, t : t + 1], state)
        log_probabilities = logits[:, :, 0].log_softmax(-1)
        kept.append(log_probabilities[:, :keep])
        cumulative = log_probabilities.double().exp().cumsum(-1)
        chosen = (cumulative <= uniforms[:, :, t, None]).sum(-1)
        tokens[:, :, t + 1] = chosen.clamp(max=logits.shape[-1] - 1)
    return tokens, torch.stack(kept, dim=2)
