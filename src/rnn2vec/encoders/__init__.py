"""Encoders of RNNs: mechanistic ones read the weights, functionalist ones ask questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn2vec.encoders.deep_weight_space import DeepWeightSpaceEncoder
from rnn2vec.encoders.encoder import Encoder, fill, initial_parameters, read_encoder_directory
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
    with initial_parameters(torch_seed(seed, "encoder", str(name))):
        return _built(name, spec, options)


def _built(name: Any, spec: RNNSpec, options: Mapping[str, Any]) -> Encoder:
    if not isinstance(name, str) or name not in ENCODERS:
        raise RNN2VecError(f"encoders are {', '.join(ENCODERS)}; got {name!r}")
    try:
        return ENCODERS[name](spec, **options)
    except TypeError as error:
        raise RNN2VecError(f"the {name} encoder does not take these options: {error}") from error


def load_encoder(directory: str | Path) -> Encoder:
    """Read an encoder that ``pretrain`` or :meth:`Encoder.save_pretrained` wrote.

    Its tensors are checked against their checksum in ``config.json``, unless an earlier version wrote that, and against
    the names and shapes that follow from the configuration before memory is taken for them.

    Raises:
        RNN2VecError: if the directory holds no encoder, or its files are damaged or do not fit together.
    """
    directory = Path(directory)
    config, tensors = read_encoder_directory(directory)
    try:
        name, options = config["encoder"], {**config["options"], "embedding_size": config["embedding_size"]}
        spec = RNNSpec.from_dict(config["spec"])
    except (KeyError, TypeError) as error:
        raise RNN2VecError(f"the configuration in {directory} is not that of an encoder ({error})") from error
    try:
        with initial_parameters(0, "meta"):
            encoder = _built(name, spec, options)
    except (RuntimeError, OverflowError) as error:  # more than torch can count
        raise RNN2VecError(f"the configuration in {directory} is not that of an encoder ({error})") from error
    fill(encoder, tensors, directory)
    return encoder.eval()
