"""The statistics encoder: seven numbers about every gate's parameters, then an MLP (Unterthiner et al., 2020)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.encoders.forms import WeightEncoder
from rnn2vec.encoders.parts import multilayer_perceptron
from rnn2vec.networks import Population

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def weight_statistics(population: Population) -> Tensor:
    """Mean, standard deviation and the quantiles 0, .25, .5, .75, 1 of every gate's input weights, recurrent weights
    and biases, and of all else, such as the head: ``[N, 7 * (4 * G * L + 2)]`` for a linear head.

    They do not change when hidden units are renumbered.
    """
    columns = []
    for name, weight in population.weights.items():
        gates = _gates(name, population.architecture)
        values = weight.reshape(len(population), gates, -1)
        quantiles = torch.quantile(values, values.new_tensor(QUANTILES), dim=-1)  # [5, N, gates]
        columns += [values.mean(-1), values.std(-1, correction=0), *quantiles]
    return torch.cat(columns, dim=1)


def _gates(name: str, architecture: Architecture) -> int:
    """How many gates' parameters one tensor holds."""
    return architecture.num_gates if name.startswith(("weight_", "bias_")) else 1


class StatisticsEncoder(WeightEncoder):
    """z from simple statistics of the weights (section 4.1 of the paper).

    The paper's text has an MLP of three layers; its code silently builds one hidden layer of 128. We follow the text.

    Args:
        architecture: of the networks it reads.
        embedding_size: Z.
        hidden_size: width of the MLP.
        layers: hidden layers of the MLP.
    """

    name = "statistics"

    def __init__(
        self, architecture: Architecture, embedding_size: int = 16, hidden_size: int = 128, layers: int = 3
    ) -> None:
        super().__init__(architecture, embedding_size, {"hidden_size": hidden_size, "layers": layers})
        features = 7 * sum(_gates(name, architecture) for name in architecture.parameter_shapes())
        self.mlp = multilayer_perceptron([features, *[hidden_size] * layers, embedding_size])

    def represent(self, population: Population) -> Float[Tensor, "N Z"]:
        return self.mlp(weight_statistics(population))
