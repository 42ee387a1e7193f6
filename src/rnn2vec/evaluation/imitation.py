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
from rnn2vec.encoders.parts import float32_on, initial_parameters, size_of_part
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number, whole
from rnn2vec.files import read_tensors, write_atomically
from rnn2vec.interface import Interface
from rnn2vec.networks import Networks
from rnn2vec.networks.sampling import sample_strings
from rnn2vec.randomness import generator
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.store import Zoo

STRINGS = 32
"""That each network writes."""
AT_ONCE = 64
"""Networks that write at once."""
MOST = 4096
"""Strings, and tokens of a string, that are read from a file; it may be anyone's."""


@dataclasses.dataclass(frozen=True)
class Imitation:
    """How an emulator imitates networks that predict their next token.

    Attributes:
        emulator: trained with the encoder.
        interface: of the zoo's networks.
        starts: the first token of each string, ``[K]``.
        steps: tokens of a string.
        limit: the largest error of a network like those of the zoo.
    """

    emulator: Emulator
    interface: Interface
    starts: Int64[np.ndarray, " K"]
    steps: int
    limit: float = float("inf")

    @classmethod
    def of_zoo(cls, zoo: Zoo, emulator: Emulator) -> Imitation | None:
        """Strings begin, and are as long, as those in the zoo's traces; None where its networks write none."""
        if not zoo.interface.writes:
            return None
        read = questions_of(zoo)
        return cls(emulator, zoo.interface, np.resize(read[:, 0], STRINGS).astype(np.int64), read.shape[1])

    def within(self, errors: Float[np.ndarray, " N"], share: float, margin: float) -> Imitation | None:
        """With a limit: so many times the error that this share of known networks do not exceed, among those with
        finite answers; None where there are none.
        """
        errors = errors[np.isfinite(errors)]
        if not len(errors):
            return None
        return dataclasses.replace(self, limit=margin * float(np.quantile(errors, share, method="higher")))

    def reads(self, networks: Networks) -> bool:
        """Whether networks write what those of the zoo do, so that there is something to imitate."""
        return networks.interface.writes and networks.interface.fits(self.interface)

    @torch.no_grad()
    @float32_on("cpu")
    def errors(self, networks: Networks, z: Float[np.ndarray, "N Z"]) -> Float64[np.ndarray, " N"]:
        """The mean total variation ``[N]`` between what networks and the emulator say, on what the networks write.

        Args:
            networks: N of them, see :meth:`reads`.
            z: their representations.

        Raises:
            RNN2VecError: if the networks cannot write, such as modules that read no tokens.
        """
        outputs, found = self.interface.outputs, np.empty(len(networks))
        uniforms = generator(0, "imitation").random((1, len(self.starts), self.steps - 1))
        for start in range(0, len(networks), AT_ONCE):
            rows = slice(start, min(start + AT_ONCE, len(networks)))
            own, told = networks[rows], torch.from_numpy(np.ascontiguousarray(z[rows], dtype=np.float32))
            drawn = torch.from_numpy(uniforms).expand(len(own), -1, -1).to(networks.device)
            strings, said = sample_strings(own.run, drawn, torch.from_numpy(self.starts).to(networks.device))
            expected = outputs.answers(self.emulator(told, strings[:, :, :-1].cpu())[0])
            apart = outputs.difference(said.exp().to(expected), expected, torch.ones(expected.shape[-1]))
            found[rows] = apart.double().mean((1, 2)).numpy()
        return found

    def write(self, directory: Path) -> tuple[dict[str, Any], str]:
        """Write the emulator; returns what else :meth:`read` needs, and the checksum of the file."""
        content = safetensors.torch.save(self.emulator.state_dict())
        own = {"interface": self.interface.to_dict(), "starts": self.starts.tolist(), "steps": self.steps}
        own |= {"limit": self.limit, **self.emulator.config}
        return own, write_atomically(directory / EMULATOR, content)

    @classmethod
    def read(cls, directory: Path, own: dict[str, Any], checksum: str | None) -> Imitation:
        """Read what :meth:`write` wrote.

        Raises:
            KeyError, TypeError, RNN2VecError: if it is damaged or something else.
        """
        sizes = {name: size_of_part(name, own[name]) for name in Emulator.SIZES}
        interface = Interface.from_dict(own["interface"])
        if not interface.writes or {sizes["input_size"], sizes["output_size"]} != {interface.inputs.size}:
            raise RNN2VecError(f"an emulator imitates networks that write what it reads; got {interface}")
        starts = [whole("a start", token, 0, sizes["input_size"] - 1) for token in own["starts"][: MOST + 1]]
        if not 1 <= len(starts) <= MOST:
            raise RNN2VecError(f"strings are 1 to {MOST}; got {len(own['starts'])}")
        arrays = read_tensors(directory / EMULATOR, checksum)
        try:
            with initial_parameters(0, "meta"):
                emulator = Emulator(**sizes, conditioning=own["conditioning"])
        except (RuntimeError, OverflowError) as error:  # more than torch can count
            raise RNN2VecError(f"its sizes are those of no emulator ({error})") from error
        fill(emulator, {name: torch.from_numpy(array) for name, array in arrays.items()}, directory / EMULATOR)
        steps, limit = whole("steps", own["steps"], 2, MOST), number("limit", own["limit"])
        return cls(emulator.eval(), interface, np.array(starts, dtype=np.int64), steps, limit)
