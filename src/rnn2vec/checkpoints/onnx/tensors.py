"""Tensors of ONNX as arrays, those in a file of their own beside the model, too."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.checkpoints.onnx.folds import Known
from rnn2vec.checkpoints.optional import library
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown
from rnn2vec.files import read_bytes


class Tensors:
    """The reader of all tensors of one model.

    Args:
        folder: where the model lies; tensors may be in files of that folder.
    """

    def __init__(self, folder: Path) -> None:
        self._onnx = library("onnx", "ONNX")
        self._folder = folder
        self._files: dict[str, bytes] = {}

    @property
    def size(self) -> int:
        """Bytes of the files that were read."""
        return sum(len(content) for content in self._files.values())

    def read(self, tensor: Any) -> Known:
        """The numbers of a ``TensorProto``.

        Raises:
            RNN2VecError: if they are not there, or are none.
        """
        if min(tensor.dims, default=0) < 0:
            raise RNN2VecError(f"the tensor {shown(tensor.name)} is damaged (its shape is {list(tensor.dims)})")
        try:
            if tensor.data_location == self._onnx.TensorProto.EXTERNAL:
                return self._external(tensor)
            return np.asarray(self._onnx.numpy_helper.to_array(tensor))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            if isinstance(error, RNN2VecError):
                raise
            raise RNN2VecError(
                f"the tensor {shown(tensor.name)} is damaged ({error}): the file was truncated or altered"
            ) from error

    def _external(self, tensor: Any) -> Known:
        """Of a file beside the model; ``location``, ``offset`` and ``length`` are texts."""
        said = {entry.key: entry.value for entry in tensor.external_data}
        content = self._file(said.get("location", ""))
        dtype = np.dtype(self._onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
        shape = [int(size) for size in tensor.dims]
        size = math.prod(shape) * dtype.itemsize
        start, length = int(said.get("offset", 0)), int(said.get("length", size))
        if start < 0 or length != size or start + size > len(content):
            raise RNN2VecError(
                f"the tensor {shown(tensor.name)} of shape {shape} is in {said['location']}, of {len(content)} bytes; "
                f"it claims {length} from {start} on: one of the two files was truncated or altered"
            )
        return np.frombuffer(content, dtype, math.prod(shape), start).reshape(shape)

    def _file(self, name: str) -> bytes:
        if name not in self._files:
            place = self._folder / name
            if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name or place.is_symlink():
                raise RNN2VecError(f"tensors are in files beside the model; these are in {shown(name)}")
            try:
                self._files[name] = read_bytes(place)
            except OSError as error:
                raise RNN2VecError(
                    f"cannot read {name}, which has the model's tensors and lies beside it: {error.strerror or error}"
                ) from error
        return self._files[name]
