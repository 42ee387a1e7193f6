"""Encoders of RNNs: mechanistic ones read the weights, functionalist ones ask questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from rnn2vec.encoders.deep_weight_space import DeepWeightSpaceEncoder
from rnn2vec.encoders.encoder import Encoder, read_encoder_directory
from rnn2vec.encoders.flat import FlatEncoder
from rnn2vec.encoders.probing import InteractiveEncoder, NoninteractiveEncoder, ProbingEncoder
from rnn2vec.encoders.statistics import StatisticsEncoder
from rnn2vec.encoders.transformer import TransformerEncoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.randomness import torch_seed
from rnn2vec.spec import RNNSpec

ENCODERS: dict[str, type[Encoder]] = {
    cls.name: cls
    for cls in (
        InteractiveEncoder,
        NoninteractiveEncoder,
        DeepWeightSpaceEncoder,
        TransformerEncoder,
        FlatEncoder,
        StatisticsEncoder,
    )
}
"""Encoders by name."""

__all__ = ["ENCODERS", "Encoder", "ProbingEncoder", "build_encoder", "load_encoder"]


def build_encoder(name: str, spec: RNNSpec, seed: int = 0, **options: Any) -> Encoder:
    """Make an untrained encoder.

    Args:
        name: one of :data:`ENCODERS`.
        spec: shape of the networks it will read.
        seed: its initial parameters are a function of this and ``name``; torch's own generator is left alone.
        options: arguments of the encoder's class.

    Raises:
        RNN2VecError: if the name or an option is unknown, or an option is out of range.
    """
    if not isinstance(name, str) or name not in ENCODERS:
        raise RNN2VecError(f"encoders are {', '.join(ENCODERS)}; got {name!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "encoder", name))
        try:
            return ENCODERS[name](spec, **options)
        except TypeError as error:
            raise RNN2VecError(f"the {name} encoder does not take these options: {error}") from error


def load_encoder(directory: str | Path) -> Encoder:
    """Read an encoder that ``pretrain`` or :meth:`Encoder.save_pretrained` wrote.

    Raises:
        RNN2VecError: if the directory holds no encoder, or its files are damaged or do not fit together.
    """
    directory = Path(directory)
    config, tensors = read_encoder_directory(directory)
    try:
        name, options = config["encoder"], {"embedding_size": config["embedding_size"], **config["options"]}
        spec = RNNSpec.from_dict(config["spec"])
    except (KeyError, TypeError) as error:
        raise RNN2VecError(f"the configuration in {directory} is not that of an encoder ({error})") from error
    encoder = build_encoder(name, spec, **options)
    try:
        encoder.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise RNN2VecError(f"the weights in {directory} do not fit its configuration: {reason}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise RNN2VecError(f"an encoder's weights are finite numbers; those in {directory} are not")
    return encoder.eval()
