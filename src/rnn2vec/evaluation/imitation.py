"""Imitation: whether an emulator that is told z goes on as the network itself does, on strings that the network writes.

A z near those of known networks is no proof: encoders ask what their own zoo made them ask. What a network writes shows
what it does, and the emulator, which learnt from the same zoo, writes the same where z says it all.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, Float64, Int64

from rnn2vec.emulation.emulator import Emulator
from rnn2vec.encoders.directory import EMULATOR, fill
from rnn2vec.encoders.parts import float32_on, initial_parameters
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.sampling import sample_strings
from rnn2vec.fields import number, whole
from rnn2vec.files import read_tensors, write_atomically
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import batches
from rnn2vec.randomness import generator
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.store import Zoo

STRINGS = 32
"""That each network writes."""


@dataclasses.dataclass(frozen=True)
class Imitation:
    """How an emulator imitates networks that predict their next token.

    Attributes:
        emulator: trained with the encoder.
        starts: the first token of each string, ``[K]``.
        steps: tokens of a string.
        limit: the largest error of a network like those of the zoo.
    """

    emulator: Emulator
    starts: Int64[np.ndarray, " K"]
    steps: int
    limit: float = float("inf")

    @classmethod
    def of_zoo(cls, zoo: Zoo, emulator: Emulator) -> Imitation | None:
        """Strings begin, and are as long, as those in the zoo's traces; None where its networks write none."""
        if not zoo.interface.writes:
            return None
        read = questions_of(zoo)
        return cls(emulator, np.resize(read[:, 0], STRINGS).astype(np.int64), read.shape[1])

    def within(self, errors: Float[np.ndarray, " N"], share: float, margin: float) -> Imitation:
        """With a limit: so many times the error that this share of known networks do not exceed."""
        return dataclasses.replace(self, limit=margin * float(np.quantile(errors, share, method="higher")))

    @torch.no_grad()
    @float32_on("cpu")
    def errors(self, networks: Networks, z: Float[np.ndarray, "N Z"]) -> Float64[np.ndarray, " N"]:
        """The mean total variation ``[N]`` between what networks and the emulator say, on what the networks write.

        Args:
            networks: N of them.
            z: their representations.
        """
        outputs, found = networks.interface.outputs, np.empty(len(networks))
        uniforms = generator(0, "imitation").random((1, len(self.starts), self.steps - 1))
        starts = torch.from_numpy(self.starts)
        for rows in batches(networks, np.empty((len(self.starts), self.steps))):
            own, told = networks[rows], torch.from_numpy(np.ascontiguousarray(z[rows], dtype=np.float32))
            drawn = torch.from_numpy(uniforms).expand(len(own), -1, -1)
            strings, said = sample_strings(own.run, drawn, starts)
            expected = outputs.answers(self.emulator(told, strings[:, :, :-1])[0])
            apart = outputs.difference(said.exp().to(expected), expected, torch.ones(expected.shape[-1]))
            found[rows] = apart.double().mean((1, 2)).numpy()
        return found

    def write(self, directory: Path) -> tuple[dict[str, Any], str]:
        """Write the emulator; returns what else :meth:`read` needs, and the checksum of the file."""
        content = safetensors.torch.save(self.emulator.state_dict())
        own = {"starts": self.starts.tolist(), "steps": self.steps, "limit": self.limit, **self.emulator.config}
        return own, write_atomically(directory / EMULATOR, content)

    @classmethod
    def read(cls, directory: Path, own: dict[str, Any], checksum: str | None) -> Imitation:
        """Read what :meth:`write` wrote.

        Raises:
            KeyError, TypeError, RNN2VecError: if it is damaged or something else.
        """
        sizes = {name: whole(name, own[name]) for name in Emulator.SIZES}
        starts = [whole("a start", token, 0, sizes["input_size"] - 1) for token in own["starts"]]
        if not starts:
            raise RNN2VecError("strings have starts; got none")
        arrays = read_tensors(directory / EMULATOR, checksum)
        try:
            with initial_parameters(0, "meta"):
                emulator = Emulator(**sizes, conditioning=own["conditioning"])
        except (RuntimeError, OverflowError) as error:  # more than torch can count
            raise RNN2VecError(f"its sizes are those of no emulator ({error})") from error
        fill(emulator, {name: torch.from_numpy(array) for name, array in arrays.items()}, directory / EMULATOR)
        steps, limit = whole("steps", own["steps"], 2), number("limit", own["limit"])
        return cls(emulator.eval(), np.array(starts, dtype=np.int64), steps, limit)
