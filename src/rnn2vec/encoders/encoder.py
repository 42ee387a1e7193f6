"""The contract of an encoder: a population of RNNs in, one unit vector each out; saved the way model hubs expect."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import safetensors.torch
import torch
from huggingface_hub import ModelHubMixin
from jaxtyping import Float, Float32, Integer, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.architecture import Architecture
from rnn2vec.checksums import CHECKSUMS, sealed
from rnn2vec.encoders.directory import CONFIG, WEIGHTS, encoder_directory, fill, read_encoder_directory
from rnn2vec.encoders.parts import initial_parameters, size_of_part
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import whole
from rnn2vec.files import write_atomically, write_json
from rnn2vec.interface import Interface
from rnn2vec.networks import Networks
from rnn2vec.networks.protocol import require_networks
from rnn2vec.threads import on_threads, threads_for

CARD = """---
{{ card_data }}
---

# An encoder of recurrent networks

```python
import rnn2vec

encoder = rnn2vec.load_encoder("path/to/this/folder")
z = encoder.encode(networks)  # a vector for each network
```
"""
"""What hubs show of an encoder; jinja's template."""


class Encoder(
    nn.Module,
    ModelHubMixin,
    library_name="rnn2vec",
    tags=["rnn2vec", "weight-space-learning", "recurrent-neural-networks"],
    model_card_template=CARD,
):
    """Maps N recurrent networks to N representations z of unit length.

    A subclass implements :meth:`represent`, and is a :class:`WeightEncoder` or a
    :class:`~rnn2vec.encoders.probing.ProbingEncoder`. ``save_pretrained(DIR)`` writes ``config.json`` and
    ``model.safetensors``; ``push_to_hub("user/name")`` publishes them; :func:`rnn2vec.load_encoder` reads them back.

    Attributes:
        name: how the command line calls it.
        learns: whether it has parameters that training changes.
        form: what it must know of the networks that it reads, an interface or an architecture.
        embedding_size: Z, length of z; the paper's is 16.
        options: the other arguments it was built with.
        knowledge: what :meth:`predict` reads z by; None where there is none.
    """

    name: ClassVar[str]
    learns: ClassVar[bool] = True
    knowledge: Knowledge | None = None
    reads: ClassVar[type[Interface] | type[Architecture]]

    def __init__(
        self, form: Interface | Architecture, embedding_size: int, sizes: Mapping[str, int], **others: Any
    ) -> None:
        super().__init__()
        if not isinstance(form, self.reads):
            raise RNN2VecError(
                f"the {self.name} encoder is built for an {self.reads.__name__}, what it knows of the networks that it "
                f"reads; got {form!s:.100}"
            )
        plain = {
            name: size_of_part(f"the {self.name} encoder's {name}", value)
            for name, value in {"embedding_size": embedding_size, **sizes}.items()
        }
        self.form, self.embedding_size, self.options = form, plain.pop("embedding_size"), {**plain, **others}

    @classmethod
    def form_of(cls, networks: Described) -> Interface | Architecture:
        """What an encoder of this class must know of networks, or of a zoo, to be built for them.

        Raises:
            RNN2VecError: if they do not tell.
        """
        raise TypeError(f"{cls.__name__} does not implement form_of")

    def represent(self, networks: Any) -> Float[Tensor, "N Z"]:
        """Map N networks to ``[N, Z]``, of any length."""
        raise TypeError(f"{type(self).__name__} does not implement represent")

    def forward(self, networks: Networks) -> Float[Tensor, "N Z"]:
        """Map N networks to unit vectors ``[N, Z]``.

        Raises:
            RNN2VecError: if this encoder cannot read the networks, or they are of another dtype or device.
        """
        require_networks(networks)
        self.check_networks(networks)
        networks = networks[:]  # those on disk are read, once
        with on_threads(threads_for(self.work(len(networks)))):
            return F.normalize(self.represent(networks), dim=-1)

    def work(self, networks: int) -> float:
        """Multiplications to read so many networks, from one wait for all threads to the next; no limit by default."""
        return math.inf

    def check_readable(self, networks: Described) -> None:
        """Raise :class:`RNN2VecError` unless these networks, or those of a zoo, can be read."""
        raise TypeError(f"{type(self).__name__} does not implement check_readable")

    def check_networks(self, networks: Networks) -> None:
        """Raise :class:`RNN2VecError` unless these networks can be read: what they are, their dtype and device."""
        self.check_readable(networks)
        own = next(itertools.chain(self.parameters(), self.buffers()))
        if networks.dtype != own.dtype:
            raise RNN2VecError(
                f"an encoder and the networks it reads have one dtype; the {self.name} encoder has {own.dtype}, the "
                f"networks {networks.dtype}: use population.to({own.dtype}) or encoder.to({networks.dtype})"
            )
        if networks.device != own.device:
            raise RNN2VecError(
                f"an encoder and the networks it reads are on one device; the {self.name} encoder is on {own.device}, "
                f"the networks on {networks.device}: use population.to('{own.device}') or "
                f"encoder.to('{networks.device}')"
            )

    def augment(self, networks: Any, generator: torch.Generator) -> Any:
        """The networks as they are shown to the encoder in training; the same, unless a subclass says otherwise."""
        return networks

    def start(self, networks: Networks, sequences: Integer[np.ndarray, "K T"] | Float[np.ndarray, "K T X"]) -> None:
        """Take what stands before any training from networks, and inputs ``[K, T]`` or ``[K, T, X]`` that such read.

        Nothing, unless a subclass says otherwise.
        """

    def encode(
        self,
        networks: Networks,
        batch_size: int = 64,
        on_progress: Callable[[int, str], None] = lambda amount, note: None,
    ) -> Float32[np.ndarray, "N Z"]:
        """Map N networks to unit vectors ``[N, Z]``, float32, a batch of them at a time and without gradients.

        Args:
            networks: N of them.
            batch_size: how many are read at once; memory grows with it, vectors do not depend on it.
            on_progress: called as ``on_progress(networks, note)`` after each batch.

        Raises:
            RNN2VecError: if this encoder cannot read the networks.
        """
        require_networks(networks)
        size, training = whole("batch_size", batch_size), self.training
        found = np.empty((len(networks), self.embedding_size), dtype=np.float32)
        self.eval()
        try:
            with torch.no_grad():
                for start in range(0, len(networks), size):
                    rows = slice(start, min(start + size, len(networks)))
                    found[rows] = self(networks[rows]).cpu().numpy()
                    on_progress(rows.stop - rows.start, "")
        finally:
            self.train(training)
        return found

    def predict(self, networks: Networks, batch_size: int = 64) -> dict[str, Shaped[np.ndarray, " N"]]:
        """What networks are, as far as this encoder's own zoo taught it.

        Args:
            networks: N of them, of any cell and size that this encoder reads.
            batch_size: how many are read at once.

        Returns:
            Arrays ``[N]`` by name, see :class:`rnn2vec.evaluation.knowledge.Knowledge`: each property with how sure it
            is, and ``known``, whether a network is like those of that zoo at all.

        Raises:
            RNN2VecError: if this encoder cannot read the networks, or was saved without knowledge.
        """
        if self.knowledge is None:
            raise RNN2VecError(
                f"an encoder predicts what the labels of its zoo taught it; this {self.name} encoder has learnt none: "
                "`rnn2vec pretrain` writes them beside it if the zoo has any, and rnn2vec.load_encoder reads both"
            )
        return self.knowledge(self.encode(networks, batch_size), networks)

    @property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds."""
        return {
            "encoder": self.name,
            FORMS[self.reads]: self.form.to_dict(),
            "embedding_size": self.embedding_size,
            "options": self.options,
        }

    def _save_pretrained(self, save_directory: Path) -> None:
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        dtypes = {tensor.dtype for tensor in tensors.values()} - {torch.float32}
        if dtypes:
            raise RNN2VecError(f"an encoder is saved as float32; this one is {dtypes.pop()}: encoder.float() first")
        checksum = write_atomically(Path(save_directory) / WEIGHTS, safetensors.torch.save(tensors))
        write_json(Path(save_directory) / CONFIG, sealed({**self.config, CHECKSUMS: {WEIGHTS: checksum}}))
        if self.knowledge is not None:
            self.knowledge.write(Path(save_directory))

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **unknown: Any,
    ) -> Self:
        """Read an encoder from a directory, or from a model hub.

        Args:
            pretrained_model_name_or_path: a directory, or a repository's ``user/name``.
            force_download: download it even if it is cached.
            token: of the hub.
            cache_dir: where downloads are cached.
            local_files_only: only look there.
            revision: branch, tag or commit.
            unknown: none.

        Raises:
            RNN2VecError: if there is no encoder, it is damaged, or, asked for by the name of one class, is of another.
        """
        if unknown:
            raise RNN2VecError(f"an encoder is read as it was saved; from_pretrained takes no {', '.join(unknown)}")
        place = encoder_directory(
            pretrained_model_name_or_path,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            token=token,
            local_files_only=local_files_only,
        )
        encoder = read_encoder(place)
        if not isinstance(encoder, cls):
            raise RNN2VecError(
                f"{cls.__name__} reads encoders of its own kind; {pretrained_model_name_or_path} holds a "
                f"{type(encoder).__name__}: use Encoder.from_pretrained, which reads any"
            )
        return encoder


class Described(Protocol):
    """Networks, or a zoo of them: what tells its interface, and its architecture if there is one."""

    @property
    def interface(self) -> Interface:
        """What goes in and what comes out."""
        ...


class Knowledge(Protocol):
    """What is read from z: the labels of a zoo, learnt."""

    def __call__(
        self, z: Float[np.ndarray, "N Z"], networks: Networks | None = None
    ) -> dict[str, Shaped[np.ndarray, " N"]]:
        """Arrays ``[N]`` by name from representations ``[N, Z]``, and from what the networks themselves do."""
        ...

    def classes(self, name: str) -> list[Any]:
        """The classes of one property."""
        ...

    def chances(self, name: str, z: Float[np.ndarray, "N Z"]) -> dict[Any, Float[np.ndarray, " N"]]:
        """The probability ``[N]`` of each class of one property."""
        ...

    def write(self, directory: Path) -> None:
        """Write it beside its encoder."""
        ...


FORMS: dict[type[Interface] | type[Architecture], str] = {Interface: "interface", Architecture: "architecture"}
"""What the two are called in ``config.json``."""

ENCODERS: dict[str, type[Encoder]] = {}
"""Encoders by name; :mod:`rnn2vec.encoders` enters its own, so that whoever imports one of them can read all."""


def kind_of(name: Any) -> type[Encoder]:
    """The class of encoders of this name.

    Raises:
        RNN2VecError: if there is none.
    """
    if not isinstance(name, str) or name not in ENCODERS:
        raise RNN2VecError(f"encoders are {', '.join(ENCODERS)}; got {name!r}")
    return ENCODERS[name]


def of_name(name: Any, form: Interface | Architecture, options: Mapping[str, Any]) -> Encoder:
    """An encoder of a class in :data:`ENCODERS`; see :func:`rnn2vec.build_encoder`."""
    kind = kind_of(name)
    try:
        return kind(form, **options)
    except TypeError as error:
        raise RNN2VecError(f"the {name} encoder does not take these options: {error}") from error


def read_encoder(directory: str | Path) -> Encoder:
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
        (form,) = (kind.from_dict(config[key]) for kind, key in FORMS.items() if key in config)
    except (KeyError, TypeError, ValueError) as error:
        raise RNN2VecError(f"the configuration in {directory} is not that of an encoder ({error})") from error
    try:
        with initial_parameters(0, "meta"):
            encoder = of_name(name, form, options)
    except (RuntimeError, OverflowError) as error:  # more than torch can count
        raise RNN2VecError(f"the configuration in {directory} is not that of an encoder ({error})") from error
    fill(encoder, tensors, directory)
    return encoder.eval()
