"""Imitation: whether an emulator that is told z answers as the network itself does.

A z near those of known networks is no proof: encoders ask what their own zoo made them ask. What a network answers
shows what it does, and the emulator, which learnt from the same zoo, answers the same where z says it all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, Float64

from rnn2vec.emulation.emulator import Emulator
from rnn2vec.encoders.directory import EMULATOR, fill
from rnn2vec.encoders.parts import float32_on, initial_parameters, size_of_part
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.imitated import IMITATED, Imitated
from rnn2vec.fields import number
from rnn2vec.files import read_tensors, write_atomically
from rnn2vec.interface import Interface
from rnn2vec.networks import Networks
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.store import Zoo

AT_ONCE = 64
"""Networks that answer at once."""


@dataclasses.dataclass(frozen=True)
class Imitation:
    """How an emulator imitates networks.

    Attributes:
        emulator: trained with the encoder.
        interface: of the zoo's networks.
        imitated: what is imitated: strings that networks write, or answers to given questions.
        limit: the largest error of a network like those of the zoo.
    """

    emulator: Emulator
    interface: Interface
    imitated: Imitated
    limit: float = float("inf")

    @classmethod
    def of_zoo(cls, zoo: Zoo, emulator: Emulator) -> Imitation:
        """Of strings that begin, and are as long, as those in the zoo's traces, where its networks write any; else of
        answers to what its traces hold.
        """
        kind = IMITATED[zoo.interface.writes]
        return cls(emulator, zoo.interface, kind.like(questions_of(zoo)))

    def within(self, errors: Float[np.ndarray, " N"], share: float, margin: float) -> Imitation | None:
        """With a limit: so many times the error that this share of known networks, of those with finite answers, do not
        exceed, but at most halfway from it to 1, the error of what knows nothing. None where it is not below 1.
        """
        errors = errors[np.isfinite(errors)]
        most = float(np.quantile(errors, share, method="higher")) if len(errors) else 1.0
        return dataclasses.replace(self, limit=min(margin * most, (1.0 + most) / 2)) if most < 1.0 else None

    def reads(self, networks: Networks) -> bool:
        """Whether networks answer what those of the zoo do, so that there is something to imitate."""
        return networks.interface.fits(self.interface) and networks.interface.writes == self.interface.writes

    @torch.no_grad()
    @float32_on("cpu")
    def errors(self, networks: Networks, z: Float[np.ndarray, "N Z"]) -> Float64[np.ndarray, " N"]:
        """How much of what networks answer the emulator does not: ``[N]``, see ``unexplained`` of the outputs; 0 is all
        the same, 1 as far as what knows nothing of the network.

        Args:
            networks: N of them, see :meth:`reads`.
            z: their representations.

        Raises:
            RNN2VecError: if the networks cannot be asked so, such as modules that read no tokens.
        """
        outputs, found = self.interface.outputs, np.empty(len(networks))
        for start in range(0, len(networks), AT_ONCE):
            rows = slice(start, min(start + AT_ONCE, len(networks)))
            told = torch.from_numpy(np.ascontiguousarray(z[rows], dtype=np.float32))
            inputs, said = (part.cpu() for part in self.imitated.by(networks[rows]))
            expected = outputs.answers(self.emulator(told, inputs)[0])
            found[rows] = outputs.unexplained(said.to(expected), expected, self.emulator.spread).numpy()
        return found

    def write(self, directory: Path) -> tuple[dict[str, Any], dict[str, np.ndarray], str]:
        """Write the emulator; returns what else :meth:`read` needs, as JSON and arrays, and the file's checksum."""
        content = safetensors.torch.save(self.emulator.state_dict())
        plain, arrays = self.imitated.to_plain()
        own = {"interface": self.interface.to_dict(), "limit": self.limit, **plain, **self.emulator.config}
        return own, arrays, write_atomically(directory / EMULATOR, content)

    @classmethod
    def read(
        cls, directory: Path, own: dict[str, Any], arrays: Mapping[str, np.ndarray], checksum: str | None
    ) -> Imitation:
        """Read what :meth:`write` wrote.

        Raises:
            KeyError, TypeError, RNN2VecError: if it is damaged or something else.
        """
        sizes = {name: size_of_part(name, own[name]) for name in Emulator.SIZES}
        interface = Interface.from_dict(own["interface"])
        if (sizes["input_size"], sizes["output_size"]) != (interface.inputs.size, interface.outputs.size):
            raise RNN2VecError(f"an emulator reads and says what the networks do that it imitates, {interface}")
        imitated = IMITATED[interface.writes].of_plain(interface, own, arrays)
        tensors = read_tensors(directory / EMULATOR, checksum)
        try:
            with initial_parameters(0, "meta"):
                emulator = Emulator(**sizes, conditioning=own["conditioning"])
        except (RuntimeError, OverflowError) as error:  # more than torch can count
            raise RNN2VecError(f"its sizes are those of no emulator ({error})") from error
        fill(emulator, {name: torch.from_numpy(array) for name, array in tensors.items()}, directory / EMULATOR)
        return cls(emulator.eval(), interface, imitated, number("limit", own["limit"]))
