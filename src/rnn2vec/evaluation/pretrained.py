"""Encoders with what they know: those that come with the package, those of a directory, those of a model hub."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from rnn2vec.emulation.store import load_trained
from rnn2vec.encoders import Encoder, read_encoder
from rnn2vec.encoders.directory import CONFIG, encoder_directory
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.knowledge import Knowledge
from rnn2vec.evaluation.predictors import fit_predictors
from rnn2vec.zoo.store import Zoo

SHIPPED = Path(str(resources.files("rnn2vec"))) / "shipped"
"""Encoders that come with the package, a directory each."""

HUB = re.compile(r"[\w.-]+/[\w.-]+")
"""Names of repositories of a model hub."""


def shipped() -> list[str]:
    """Names of the encoders that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}"))


def load_encoder(place: str | Path) -> Encoder:
    """Read an encoder, and what it knows of its zoo's labels if that is beside it.

    Args:
        place: a directory that ``pretrain`` or :meth:`Encoder.save_pretrained` wrote; or the name of an encoder that
            comes with the package, see :func:`shipped`; or ``user/name`` on a model hub. A directory comes first.

    Raises:
        RNN2VecError: if there is no encoder, or its files are damaged or do not fit together.
    """
    directory = Path(place)
    if not directory.exists() and str(place) in shipped():
        directory = SHIPPED / str(place)
    elif not directory.parent.exists() and HUB.fullmatch(str(place)):  # else it is a directory that is not there
        directory = encoder_directory(place)
    elif not directory.exists() and directory.name == str(place):
        raise RNN2VecError(
            f"an encoder is a directory, one of {', '.join(shipped())}, or user/name on a model hub; got {place}"
        )
    encoder = read_encoder(directory)
    encoder.knowledge = Knowledge.read(directory)
    return encoder


def learn_labels(zoo_directory: Path, directory: Path) -> Knowledge:
    """Write what the labels of a zoo teach of an encoder's z beside the encoder that ``pretrain`` wrote; returns it.

    Raises:
        RNN2VecError: if the directory holds no encoder that was pretrained on tasks of this zoo.
    """
    zoo = Zoo.open(zoo_directory)
    trained = load_trained(directory, zoo)
    z, seed = trained.encoder.encode(zoo.stored_networks()), int(trained.record["seed"])
    knowledge = Knowledge.of_zoo(zoo, z, fit_predictors(zoo, z, seed), seed, trained.emulator)
    knowledge.write(directory)
    return knowledge
