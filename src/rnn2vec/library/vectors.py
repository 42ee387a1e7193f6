"""Vectors of networks with their names, in memory and as a parquet file."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32, Shaped

from rnn2vec.encoders import Encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import parse_parquet, read_bytes, write_atomically
from rnn2vec.library.collection import Collection, OnProgress

NAME, VECTOR = "name", "z"
"""Columns of the file."""


@dataclasses.dataclass(frozen=True)
class Vectors:
    """N unit vectors.

    Attributes:
        names: of the networks, ``[N]``.
        z: ``[N, Z]`` float32.
    """

    names: Shaped[np.ndarray, " N"]
    z: Float32[np.ndarray, "N Z"]

    def __repr__(self) -> str:
        return f"Vectors({len(self.z)} of {self.z.shape[1]} numbers)"

    def __post_init__(self) -> None:
        if self.z.ndim != 2 or len(self.names) != len(self.z):
            raise RNN2VecError(
                f"vectors are [N, Z] with N names; got the shape {list(self.z.shape)} and {len(self.names)} names"
            )

    def of(self, names: Shaped[np.ndarray, " N"]) -> Float32[np.ndarray, "N Z"]:
        """``[N, Z]``, of networks with these names and in this order.

        Raises:
            RNN2VecError: if these are vectors of others.
        """
        if self.names.tolist() != names.tolist():
            raise RNN2VecError(
                f"vectors are of the networks that are searched, in their order; got {len(self.names)} vectors for "
                f"{len(names)} networks, or of others: write them again with `rnn2vec embed`"
            )
        return self.z

    def write(self, path: Path) -> None:
        """Write a parquet file: a column ``name`` and a column ``z`` of lists of Z numbers."""
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(self.z.reshape(-1), pa.float32()), self.z.shape[1])
        table = pa.table({NAME: pa.array(self.names.tolist(), pa.string()), VECTOR: vectors})
        content = io.BytesIO()
        pq.write_table(table, content)
        write_atomically(path, content.getvalue())

    @classmethod
    def read(cls, path: Path) -> Vectors:
        """Read what :meth:`write` wrote.

        Raises:
            RNN2VecError: if the file cannot be read, or holds anything else.
        """
        try:
            table = parse_parquet(read_bytes(path))
            names, lists = table[NAME].to_numpy(), table[VECTOR].combine_chunks()
            z = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(names), -1).astype(np.float32)
        except OSError as error:
            raise RNN2VecError(f"cannot read {path}: {error.strerror or error}") from error
        except (KeyError, ValueError, AttributeError, pa.ArrowException) as error:
            raise RNN2VecError(f"{path} holds no vectors that `rnn2vec embed` wrote ({error})") from error
        if not np.isfinite(z).all():
            raise RNN2VecError(f"vectors are finite numbers; those in {path} are not")
        return cls(names, z)


def embed(
    collection: Collection,
    encoder: Encoder | None = None,
    on_progress: OnProgress = lambda amount, note: None,
) -> Vectors:
    """A vector for each network.

    Args:
        collection: N networks.
        encoder: by default, the answers encoder fitted to these networks, which needs no training.
        on_progress: called as ``on_progress(networks, note)``.

    Raises:
        RNN2VecError: if the encoder cannot read the networks.
    """
    encoder = collection.fitted_encoder() if encoder is None else encoder
    return Vectors(collection.names, encoder.encode(collection.networks, on_progress=on_progress))
