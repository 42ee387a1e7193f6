"""Hidden units in another order: other weights, the same functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError


def permuted(
    architecture: Architecture, weights: Mapping[str, Tensor], permutations: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Weights of N networks whose hidden units are renumbered, see
    :meth:`rnn2vec.networks.Population.permute_hidden`.

    Raises:
        RNN2VecError: if there is not one permutation for each layer, or one is none.
    """
    models = len(weights["linear.bias"])
    gates, sizes = architecture.num_gates, architecture.hidden_sizes
    if len(permutations) != len(sizes):
        raise RNN2VecError(f"one permutation for each of {len(sizes)} layers; got {len(permutations)}")
    for order, size in zip(permutations, sizes, strict=True):
        if not isinstance(order, Tensor):
            raise RNN2VecError(f"a permutation of hidden units is an index tensor; got {type(order).__name__}")
        units = torch.arange(size, device=order.device).expand(models, -1)
        if order.is_floating_point() or order.shape != units.shape or not torch.equal(order.sort().values, units):
            raise RNN2VecError(
                f"a permutation of hidden units names each of 0..{size - 1} once, for each of {models} "
                f"networks; got {order.dtype} of shape {list(order.shape)}"
            )
    changed = dict(weights)

    def rows(weight: Tensor, order: Tensor, blocks: int) -> Tensor:
        own = torch.arange(blocks, device=order.device)[:, None] * order.shape[1]
        index = (own + order[:, None, :]).flatten(1)
        return weight[torch.arange(models, device=order.device)[:, None], index]

    def columns(weight: Tensor, order: Tensor) -> Tensor:
        return weight.gather(2, order[:, None, :].expand(-1, weight.shape[1], -1))

    reader = architecture.head_layers()[0][0]
    for layer, order in enumerate(permutations):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            changed[f"{name}_l{layer}"] = rows(changed[f"{name}_l{layer}"], order, gates)
        for name in architecture.unit_parameters():
            changed[f"{name}_l{layer}"] = rows(changed[f"{name}_l{layer}"], order, 1)
        above = f"weight_ih_l{layer + 1}" if layer + 1 < len(sizes) else f"{reader}.weight"
        for name in (f"weight_hh_l{layer}", above):
            changed[name] = columns(changed[name], order)
    return changed
