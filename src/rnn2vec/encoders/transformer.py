"""The transformer encoder: one token for every neuron, self-attention among them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.architecture import Architecture
from rnn2vec.encoders.forms import WeightEncoder
from rnn2vec.encoders.parts import multilayer_perceptron, normal_parameter
from rnn2vec.errors import RNN2VecError
from rnn2vec.networks import Population


class TransformerEncoder(WeightEncoder):
    """z from one token for every hidden and every output unit (section 4.1 of the paper).

    A unit's token is a linear map of all its parameters. Those of a layer are told apart by their columns of the map:
    for each gate in turn the unit's row of ``weight_ih``, of ``weight_hh``, and its two biases. Every layer, and the
    head, has a map of its own, since their rows differ in length and meaning. Position embeddings are learned: column j
    of a recurrent matrix is about the unit at position j, and nothing else could tell. z is read from the mean over all
    tokens, not from an extra one: every unit counts from the first step on, and no parameter is needed.

    Like ``flat`` it is not invariant to the numbering of hidden units, and in training it sees every network in a fresh
    random numbering. The paper leaves the sizes open; three blocks of width 128 with four heads are our reading, which
    has about as many parameters (0.6 million) as the other encoders that it compares.

    Args:
        architecture: of the networks it reads.
        embedding_size: Z.
        hidden_size: D, width of a token; the blocks' MLPs are four times as wide.
        layers: blocks.
        heads: attention heads of a block.

    Raises:
        RNN2VecError: if ``heads`` does not divide ``hidden_size``.
    """

    name = "transformer"

    def __init__(
        self,
        architecture: Architecture,
        embedding_size: int = 16,
        hidden_size: int = 128,
        layers: int = 3,
        heads: int = 4,
    ) -> None:
        super().__init__(architecture, embedding_size, {"hidden_size": hidden_size, "layers": layers, "heads": heads})
        if hidden_size % heads:
            raise RNN2VecError(
                f"the heads of a transformer share its hidden_size equally; got {heads} heads and a hidden_size of "
                f"{hidden_size}: choose a hidden_size that is a multiple of the heads"
            )
        gates, extras = architecture.num_gates, len(architecture.unit_parameters())
        features = [
            gates * (architecture.layer_inputs(layer) + size + 2) + extras
            for layer, size in enumerate(architecture.hidden_sizes)
        ]
        features += [inputs + 1 for _, inputs, _, _ in architecture.head_layers()]
        self.embeddings = nn.ModuleList(nn.Linear(size, hidden_size) for size in features)
        tokens = sum(architecture.hidden_sizes) + sum(size for _, _, size, _ in architecture.head_layers())
        self.positions = normal_parameter(tokens, hidden_size, deviation=0.02)
        self.blocks = nn.Sequential(*(Block(hidden_size, heads) for _ in range(layers)))
        self.readout = nn.Linear(hidden_size, embedding_size)

    def represent(self, population: Population) -> Float[Tensor, "N Z"]:
        embedded = [embed(rows) for embed, rows in zip(self.embeddings, unit_rows(population), strict=True)]
        tokens = self.blocks(torch.cat(embedded, dim=1) + self.positions)
        return self.readout(_normalise(tokens).mean(1))

    def augment(self, population: Population, generator: torch.Generator) -> Population:
        return population.permute_hidden_randomly(generator)


class Block(nn.Module):
    """Self-attention and an MLP, each added to the normalised tokens it reads: ``[N, tokens, D]`` to the same.

    The norms have no scale and shift, nor keys a bias: the next linear layer, or the softmax, makes them redundant.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(size, 3 * size, bias=False)
        self.join = nn.Linear(size, size)
        self.mlp = multilayer_perceptron([size, 4 * size, size])

    def forward(self, tokens: Tensor) -> Tensor:
        projected = self.query_key_value(_normalise(tokens)).unflatten(2, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each [N, heads, tokens, D / heads]
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        tokens = tokens + self.join(attended)
        return tokens + self.mlp(_normalise(tokens))


def unit_rows(population: Population) -> list[Tensor]:
    """The parameters of every unit: of each layer ``[N, H, G * (columns + H + 2)]``, and all else that is a
    unit's; of each layer of the head ``[N, size, inputs + 1]``.
    """
    architecture, weights = population.architecture, population.weights
    found = []
    for layer, size in enumerate(architecture.hidden_sizes):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        parts = [
            weights[f"{name}_l{layer}"].reshape(len(population), architecture.num_gates, size, -1) for name in names
        ]
        own = [weights[f"{name}_l{layer}"][..., None] for name in architecture.unit_parameters()]
        found.append(torch.cat([torch.cat(parts, dim=3).transpose(1, 2).flatten(2), *own], dim=2))
    heads = (name for name, *_ in architecture.head_layers())
    return [*found, *(torch.cat([weights[f"{n}.weight"], weights[f"{n}.bias"][..., None]], dim=2) for n in heads)]


def _normalise(tokens: Tensor) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:])
