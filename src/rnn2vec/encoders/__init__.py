"""Encoders of RNNs: mechanistic ones read the weights, functionalist ones ask questions."""

from __future__ import annotations

from typing import Any

from rnn2vec.architecture import Architecture
from rnn2vec.encoders.answers import AnswersEncoder
from rnn2vec.encoders.deep_weight_space import DeepWeightSpaceEncoder
from rnn2vec.encoders.encoder import ENCODERS, Encoder, of_name, read_encoder
from rnn2vec.encoders.flat import FlatEncoder
from rnn2vec.encoders.forms import WeightEncoder
from rnn2vec.encoders.parts import initial_parameters
from rnn2vec.encoders.probing import InteractiveEncoder, NoninteractiveEncoder, ProbingEncoder
from rnn2vec.encoders.statistics import StatisticsEncoder
from rnn2vec.encoders.transformer import TransformerEncoder
from rnn2vec.interface import Interface
from rnn2vec.randomness import torch_seed

ENCODERS |= {
    cls.name: cls
    for cls in (
        InteractiveEncoder,
        NoninteractiveEncoder,
        DeepWeightSpaceEncoder,
        TransformerEncoder,
        FlatEncoder,
        StatisticsEncoder,
        AnswersEncoder,
    )
}

__all__ = ["ENCODERS", "AnswersEncoder", "Encoder", "ProbingEncoder", "WeightEncoder", "build_encoder", "read_encoder"]


def build_encoder(name: str, form: Interface | Architecture, seed: int = 0, **options: Any) -> Encoder:
    """Make an untrained encoder.

    Args:
        name: one of :data:`ENCODERS`.
        form: of the networks it will read: the interface for a probing encoder, which asks; the architecture for one of
            weights. ``ENCODERS[name].form_of(networks)`` tells.
        seed: its initial parameters are a function of this and ``name``; torch's own generator is left alone.
        options: arguments of the encoder's class.

    Raises:
        RNN2VecError: if the name or an option is unknown, an option is out of range, or the form is the other one.
    """
    with initial_parameters(torch_seed(seed, "encoder", str(name))):
        return of_name(name, form, options)
