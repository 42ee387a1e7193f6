"""The emulator: one network that, told z, imitates any network of the zoo (section 4.3 of the paper)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rnn2vec.errors import RNN2VecError

CONDITIONING = ("first", "every")


class Emulator(nn.Module):
    """An LSTM over a network's inputs that predicts the network's outputs, conditioned on its representation z.

    Attributes:
        spread: the unit of each output, ``[Y]``, see :meth:`rnn2vec.interface.Numbers.spread`; ones for classes.

    Args:
        input_size: X, as of the networks.
        output_size: Y, as of the networks.
        embedding_size: Z.
        hidden_size: hidden units of the LSTM; the paper's has 256.
        num_layers: its layers; the paper's has 2.
        conditioning: a projection of z is added to the ``first`` input, as in the paper, or to ``every`` one.

    Raises:
        RNN2VecError: if ``conditioning`` is unknown.
    """

    spread: Tensor
    SIZES: ClassVar[tuple[str, ...]] = ("input_size", "output_size", "embedding_size", "hidden_size", "num_layers")

    def __init__(
        self,
        input_size: int,
        output_size: int,
        embedding_size: int = 16,
        hidden_size: int = 256,
        num_layers: int = 2,
        conditioning: str = "first",
    ) -> None:
        super().__init__()
        if conditioning not in CONDITIONING:
            raise RNN2VecError(f"an emulator's conditioning is one of {', '.join(CONDITIONING)}; got {conditioning!r}")
        self.conditioning = conditioning
        self.embed = nn.Linear(input_size, hidden_size)
        self.condition = nn.Linear(embedding_size, hidden_size)
        self.rnn = nn.LSTM(hidden_size, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, output_size)
        self.register_buffer("spread", torch.ones(output_size))

    @property
    def config(self) -> dict[str, Any]:
        """Its arguments."""
        sizes = (
            self.embed.in_features, self.head.out_features, self.condition.in_features, self.rnn.hidden_size,
            self.rnn.num_layers,
        )  # fmt: skip
        return {**dict(zip(self.SIZES, sizes, strict=True)), "conditioning": self.conditioning}

    def forward(self, z: Tensor, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Imitate N networks on B sequences each.

        Args:
            z: representations ``[N, Z]``.
            inputs: tokens ``[N, B, T]`` or floats ``[N, B, T, X]``.
            state: what an earlier call returned, to go on from there.

        Returns:
            Logits or numbers ``[N, B, T, Y]`` and the state after the last step.
        """
        models, batch = inputs.shape[:2]
        if inputs.is_floating_point():
            x = self.embed(inputs)
        else:
            x = nn.functional.embedding(inputs, self.embed.weight.T) + self.embed.bias
        told = self.condition(z)[:, None, None]
        if self.conditioning == "every":
            x = x + told
        elif state is None:
            x = torch.cat([x[:, :, :1] + told, x[:, :, 1:]], dim=2)
        hidden, state = self.rnn(x.flatten(0, 1), state)
        return self.head(hidden).unflatten(0, (models, batch)) * self.spread, state
