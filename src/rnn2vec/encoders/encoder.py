"""The contract of an encoder: a population of RNNs in, one unit vector each out; saved the way model hubs expect."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import safetensors.torch
import torch
from huggingface_hub import ModelHubMixin, snapshot_download
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_json, read_tensors, write_atomically, write_json
from rnn2vec.population import Population
from rnn2vec.spec import RNNSpec

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class Encoder(nn.Module, ModelHubMixin, library_name="rnn2vec", tags=["rnn2vec", "weight-space-learning"]):
    """Maps N recurrent networks to N representations z of unit length.

    A subclass implements :meth:`represent`. ``save_pretrained(DIR)`` writes ``config.json`` and ``model.safetensors``;
    ``push_to_hub("user/name")`` publishes them; :func:`rnn2vec.load_encoder` reads them back.

    Attributes:
        name: how the command line calls it.
        spec: shape of the networks it was built for.
        embedding_size: Z, length of z; the paper's is 16.
        options: the other arguments it was built with.
    """

    name: ClassVar[str]
    reads_weights: ClassVar[bool] = True

    def __init__(self, spec: RNNSpec, embedding_size: int, options: dict[str, Any]) -> None:
        super().__init__()
        for name, value in {"embedding_size": embedding_size, **options}.items():
            if not isinstance(value, str) and (not isinstance(value, int) or value < 1):
                raise RNN2VecError(f"{name} of an encoder is a whole number of at least 1; got {value!r}")
        self.spec, self.embedding_size, self.options = spec, embedding_size, dict(options)

    def represent(self, population: Population) -> Tensor:
        """Map N networks to ``[N, Z]``, of any length."""
        raise TypeError(f"{type(self).__name__} does not implement represent")

    def forward(self, population: Population) -> Tensor:
        """Map N networks to unit vectors ``[N, Z]``.

        Raises:
            RNN2VecError: if the networks are not of a shape this encoder can read.
        """
        self.check_readable(population.spec)
        return F.normalize(self.represent(population), dim=-1)

    def check_readable(self, spec: RNNSpec) -> None:
        """Raise :class:`RNN2VecError` unless networks of ``spec`` can be read: by default, the encoder's own."""
        if spec != self.spec:
            raise RNN2VecError(
                f"the {self.name} encoder reads the weights of networks like those it was built for, {self.spec}; "
                f"got {spec}: build one for them, or use a probing encoder, which reads any hidden size and cell"
            )

    def augment(self, population: Population, generator: torch.Generator) -> Population:
        """The population as it is shown to the encoder in training; the same one, unless a subclass says otherwise."""
        return population

    def start_probes(self, sequences: Tensor) -> None:
        """Take inputs ``[K, T]`` or ``[K, T, X]`` of a zoo's rollouts as a start; only some probing encoders do."""

    @property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds."""
        return {
            "encoder": self.name,
            "spec": self.spec.to_dict(),
            "embedding_size": self.embedding_size,
            "options": self.options,
        }

    def _save_pretrained(self, save_directory: Path) -> None:
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        write_atomically(Path(save_directory) / WEIGHTS, safetensors.torch.save(tensors))
        write_json(Path(save_directory) / CONFIG, self.config)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, revision: str | None = None, **download: Any) -> Encoder:
        from rnn2vec.encoders import load_encoder  # the registry knows the subclasses, which import this module

        if Path(model_id).is_dir():
            return load_encoder(model_id)
        kept = {name: value for name, value in download.items() if name in ("cache_dir", "token", "local_files_only")}
        return load_encoder(snapshot_download(model_id, revision=revision, allow_patterns=[CONFIG, WEIGHTS], **kept))


def multilayer_perceptron(sizes: list[int]) -> nn.Sequential:
    """Linear layers of the given sizes with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def read_encoder_directory(directory: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the configuration and the tensors of an encoder directory.

    Raises:
        RNN2VecError: if either file is missing or damaged.
    """
    if not (directory / CONFIG).is_file():
        raise RNN2VecError(
            f"an encoder is a directory with {CONFIG} and {WEIGHTS}; {directory} has no {CONFIG}: make one with "
            "`rnn2vec pretrain ZOO --encoder NAME --out DIR`"
        )
    config = read_json(directory / CONFIG, "encoder configuration")
    return config, {name: torch.from_numpy(array) for name, array in read_tensors(directory / WEIGHTS).items()}
