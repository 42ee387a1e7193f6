"""Reading a file: its format is recognised by its content, and everything that is wrong names the file."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn2vec.checkpoints import (
    guitarml,
    keras,
    nam,
    npz_files,
    onnx,
    pytorch,
    rtneural,
    safetensors_files,
    state_dict,
)
from rnn2vec.checkpoints.archives import entries
from rnn2vec.checkpoints.arrays import Array, array
from rnn2vec.checkpoints.assemble import assemble
from rnn2vec.checkpoints.checkpoint import Checkpoint
from rnn2vec.checkpoints.declaration import DTYPES, KNOB, NESTED, TENSORS, Declaration, declaration_of
from rnn2vec.checkpoints.layers import Described
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown
from rnn2vec.files import read_bytes

JSON = (guitarml, rtneural, nam)
"""Formats of JSON with a shape of their own."""

FORMATS = tuple(one.NAME for one in (guitarml, rtneural, nam, keras, onnx, pytorch, safetensors_files, npz_files))
"""What is read."""

BESIDE = (".toml", ".json")
"""Suffixes of declarations beside files whose format has no JSON of its own."""

REFUSED = {
    b"\x80": "it is a bare pickle, which is never unpickled",
}
"""Files of known formats that are not read, by how they begin."""

TESTED = 1e-4
"""How far a network may be from a file's own test, relative to the largest output."""


def read_checkpoint(path: str | os.PathLike[str], **declared: Any) -> Checkpoint:
    """The networks of a file that others trained. Nothing of the file is ever executed.

    Args:
        path: JSON of GuitarML, RTNeural, AIDA-X or NAM, Keras' ``.h5`` and ``.keras``, ONNX, safetensors, npz, or
            what torch.save wrote, whatever its suffix. What is declared in a ``.toml`` of the same name beside it
            counts, too, and in a ``.json`` beside safetensors and npz; ``declared`` goes before it.
        **declared: what the file does not say, see :class:`~rnn2vec.checkpoints.declaration.Declaration`.

    Raises:
        RNN2VecError: if the file cannot be read, is damaged, is no recurrent network that can be represented, or has
            several readings; the message says which and what would help.
    """
    place = Path(path)
    try:
        return _read(place, declared)
    except RNN2VecError as error:
        raise RNN2VecError(f"{place}: {error}") from error
    except MemoryError as error:
        raise RNN2VecError(f"{place}: there is no memory for what it holds") from error


def _read(path: Path, declared: Mapping[str, Any]) -> Checkpoint:
    try:
        content = read_bytes(path)
    except OSError as error:
        raise RNN2VecError(f"cannot read it: {error.strerror or error}") from error
    if not content:
        raise RNN2VecError("a file of a network holds something; it is empty")
    if safetensors_files.recognised(content):
        said = declaration_of(path, declared, BESIDE)
        return _tensors(path, safetensors_files.read(content), safetensors_files.NAME, said, ordered=False)
    if content.lstrip()[:1] == b"{":
        return _json(path, content, declaration_of(path, declared))
    if content.startswith(pytorch.LEGACY):
        said = declaration_of(path, declared)
        return _pytorch(path, pytorch.read(content, None, said), said)
    if content.startswith(keras.SIGNATURE):
        return _described(path, keras.describe_h5(content), keras.NAME, declaration_of(path, declared))
    if content.startswith(b"PK"):
        return _archive(path, content, declared)
    if onnx.recognised(content):
        return _described(path, onnx.describe(path, content), onnx.NAME, declaration_of(path, declared))
    known = [why for start, why in REFUSED.items() if content.startswith(start)]
    raise RNN2VecError(
        f"{known[0] if known else 'it is of no format that is read'}: those are JSON of GuitarML, RTNeural, AIDA-X and "
        "NAM, Keras, ONNX, safetensors, npz, and files of torch.save"
    )


def _archive(path: Path, content: bytes, declared: Mapping[str, Any]) -> Checkpoint:
    archive = entries(content)
    if pytorch.recognised(archive):
        said = declaration_of(path, declared)
        return _pytorch(path, pytorch.read(content, archive, said), said)
    if keras.recognised(archive):
        return _described(path, keras.describe_archive(archive), keras.NAME, declaration_of(path, declared))
    if npz_files.recognised(archive):
        said = declaration_of(path, declared, BESIDE)
        tensors, ignored = npz_files.read(archive, said)
        made = _tensors(path, tensors, npz_files.NAME, said)
        notes = [f"ignored, as declared: {', '.join(ignored)}"] if ignored else []
        return dataclasses.replace(made, notes=(*notes, *made.notes))
    raise RNN2VecError(
        f"an archive is npz, of Keras or of torch.save; this one has {', '.join(list(archive)[:8]) or 'no entries'}"
    )


def _described(path: Path, described: Described, format_name: str, said: Declaration) -> Checkpoint:
    said.require_within(KNOB, format_name)
    return _made(path, described, format_name, said)


def _tensors(
    path: Path,
    tensors: dict[str, Array],
    format_name: str,
    said: Declaration,
    allowed: tuple[str, ...] = TENSORS,
    ordered: bool = True,
) -> Checkpoint:
    said.require_within(allowed, format_name)
    described = state_dict.describe(tensors, said, ordered)
    described.notes.append("not proven: names and shapes do not say what its forward did")
    return _made(path, described, format_name, said)


def _pytorch(path: Path, saved: pytorch.Saved, said: Declaration) -> Checkpoint:
    if saved.module is None:
        return _tensors(path, saved.tensors, pytorch.NAME, said, NESTED)
    plain = f"assumed, as declared: the layers of {saved.module.name} one after the other"
    made = _tensors(path, saved.tensors, f"{pytorch.NAME}, a whole module", saved.module.plain(said), NESTED)
    return dataclasses.replace(made, notes=(plain, *made.notes))


def _json(path: Path, content: bytes, said: Declaration) -> Checkpoint:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RNN2VecError(f"it is not valid JSON ({error}): it was truncated or altered") from error
    for one in JSON:
        if one.recognised(values):
            said.require_within(KNOB, one.NAME)
            described = one.describe(values)
            test = rtneural.self_test(values, described.inputs, described.outputs) if one is rtneural else None
            if test is not None:
                described.notes.append(_tested(described, *test))
            return _made(path, described, one.NAME, said)
    if any("weight_hh" in name for name in values):
        return _tensors(path, {name: _tensor(name, own) for name, own in values.items()}, "JSON of tensors", said)
    raise RNN2VecError(
        f"JSON of a network is of GuitarML, RTNeural, AIDA-X or NAM; this has {shown(sorted(values)[:10])}"
    )


def _tensor(name: str, values: object) -> Any:
    try:
        dimensions = np.ndim(values)  # type: ignore[arg-type]
    except (ValueError, RecursionError) as error:
        raise RNN2VecError(f"{name} holds numbers in rows of one length; got others ({error})") from error
    return array(name, values, *[None] * dimensions)


def _made(path: Path, described: Described, format_name: str, said: Declaration) -> Checkpoint:
    return assemble(described, said.name or path.stem, format_name, said.interface, DTYPES[said.dtype], said.knob)


def _tested(described: Described, inputs: Any, outputs: Any) -> str:
    """Run a file's own test, in float64.

    Raises:
        RNN2VecError: if the network answers otherwise.
    """
    network = assemble(described, "", "", dtype=torch.float64).networks
    with torch.no_grad():
        said, _ = network.run(torch.from_numpy(inputs)[None, None])
    apart, largest = float(np.abs(said[0, 0].numpy() - outputs).max()), float(np.abs(outputs).max())
    if not apart <= TESTED * max(largest, 1e-3):
        raise RNN2VecError(
            f"the file has a test of its own, input_batch and output_batch, and fails it: by {apart:.2g}, where the "
            f"largest output is {largest:.2g}: the weights or the order of the test are not what the format says"
        )
    return f"passed its own test of {len(inputs)} steps, to {apart:.1g}"
