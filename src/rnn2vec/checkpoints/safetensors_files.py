"""``.safetensors``: tensors by name."""

from __future__ import annotations

import safetensors
import safetensors.torch

from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.pytorch.storages import exact
from rnn2vec.errors import RNN2VecError

NAME = "safetensors"


def recognised(content: bytes) -> bool:
    """Whether a file's content is of this format: the length of a header, then JSON."""
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") < 2**32


def read(content: bytes) -> dict[str, Array]:
    """Tensors by name, in alphabetical order, which is that of files that the library wrote.

    Raises:
        RNN2VecError: if the file is damaged.
    """
    try:
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise RNN2VecError(f"it is no whole safetensors file ({error}): it was truncated or altered") from error
    return {name: exact(tensors[name]) for name in sorted(tensors)}  # the library's own order is random
