"""The flat encoder: all weights in one long vector, then an MLP."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.encoders.forms import WeightEncoder
from rnn2vec.encoders.parts import multilayer_perceptron
from rnn2vec.networks import Population


class FlatEncoder(WeightEncoder):
    """z from the flattened weights (section 4.1 of the paper).

    It is not invariant to the numbering of hidden units; in training it sees every network in a fresh random numbering.

    Args:
        architecture: of the networks it reads.
        embedding_size: Z.
        hidden_size: width of the MLP.
        layers: hidden layers of the MLP.
    """

    name = "flat"

    def __init__(
        self, architecture: Architecture, embedding_size: int = 16, hidden_size: int = 128, layers: int = 3
    ) -> None:
        super().__init__(architecture, embedding_size, {"hidden_size": hidden_size, "layers": layers})
        self.mlp = multilayer_perceptron([architecture.num_parameters, *[hidden_size] * layers, embedding_size])

    def represent(self, population: Population) -> Float[Tensor, "N Z"]:
        return self.mlp(population.flatten())

    def augment(self, population: Population, generator: torch.Generator) -> Population:
        return population.permute_hidden_randomly(generator)
