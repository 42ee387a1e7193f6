"""The two kinds of encoders by what they must know of networks: those that read weights, and those that ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnn2vec.architecture import Architecture
from rnn2vec.encoders.encoder import Described, Encoder
from rnn2vec.encoders.parts import size_of_part
from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Interface


class WeightEncoder(Encoder):
    """An encoder that reads the weights of a :class:`~rnn2vec.networks.Population` of the architecture it is built for.

    It cannot read modules or black boxes, whose weights are not known, nor networks of several architectures.
    """

    form: Architecture
    reads = Architecture

    def __init__(
        self, architecture: Architecture, embedding_size: int, sizes: Mapping[str, int], **others: Any
    ) -> None:
        super().__init__(architecture, embedding_size, sizes, **others)
        size_of_part("an encoder reads networks whose num_layers", architecture.num_layers)

    @property
    def architecture(self) -> Architecture:
        """Of the networks that it reads."""
        return self.form

    @classmethod
    def form_of(cls, networks: Described) -> Architecture:
        found = getattr(networks, "architecture", None)
        if not isinstance(found, Architecture):
            raise RNN2VecError(
                f"the {cls.name} encoder reads the weights of a Population, networks of one architecture; got "
                f"{type(networks).__name__}: take its parts one by one, or a probing encoder, which only asks"
            )
        return found

    def check_readable(self, networks: Described) -> None:
        architecture = self.form_of(networks)
        if architecture != self.architecture:
            raise RNN2VecError(
                f"the {self.name} encoder reads the weights of networks like those it was built for, "
                f"{self.architecture}; got {architecture}: build one for them, or use a probing encoder, which reads "
                "any hidden size and cell"
            )


class AskingEncoder(Encoder):
    """An encoder that asks, and so reads all networks whose inputs and outputs are of the kinds and sizes it knows.

    It never looks at a weight.
    """

    form: Interface
    reads = Interface

    @property
    def interface(self) -> Interface:
        """What it asks and hears."""
        return self.form

    @classmethod
    def form_of(cls, networks: Described) -> Interface:
        return networks.interface

    def check_readable(self, networks: Described) -> None:
        if not self.interface.fits(networks.interface):
            raise RNN2VecError(
                f"this {self.name} encoder reads networks with {self.interface}; got networks with "
                f"{networks.interface}: build one for their interface"
            )
