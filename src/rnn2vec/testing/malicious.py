"""Files that mean harm: they execute when unpickled, fill the memory, or name paths outside their own."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

BOMB = 1 << 28
"""Bytes that some hundred kilobytes unpack to."""


class Exploit:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def malicious_files(touched: Path) -> dict[str, bytes]:
    """Files by name, the suffix of their format included; a reader must refuse every one.

    It must do so without ``touched`` appearing, which is left by whatever executes what it reads, without writing
    anything, and without unpacking all that :data:`BOMB` is.
    """
    exploit = pickle.dumps({"state_dict": Exploit(touched)}, protocol=2)
    recurrent = {"class_name": "GRU", "config": {"name": "gru", "units": 1, "batch_input_shape": [None, None, 1]}}
    code = {"class_name": "Lambda", "config": {"name": "code", "function": ["4wEA", None, None]}}
    sequential = {"class_name": "Sequential", "config": {"layers": [recurrent, code]}}
    archive = {"archive/data.pkl": exploit, "archive/version": b"3\n", "archive/byteorder": b"little"}
    return {
        "pickle.pt": exploit,
        "pickle-in-zip.pt": _zipped(archive),
        "pickle.pkl": exploit,
        "objects.npy": _npy(np.array([Exploit(touched)], dtype=object)),
        "objects.npz": _zipped({"weight_hh_l0.npy": _npy(np.array([Exploit(touched)], dtype=object))}),
        "bomb.npz": _zipped({"weight_hh_l0.npy": _npy_header((BOMB,)) + bytes(BOMB)}, level=9),
        "outside.npz": _zipped({f"../../{touched.name}.npy": _npy(np.zeros(1))}),
        "bomb.keras": _zipped({"config.json": bytes(BOMB), "model.weights.h5": b""}, level=9),
        "lambda.keras": _zipped({"config.json": json.dumps(sequential).encode(), "model.weights.h5": b""}),
        "outside.keras": _zipped({f"../../{touched.name}": b"written", "config.json": b"{}"}),
        "long-header.safetensors": struct.pack("<Q", 2**63) + b"{}",
        "beyond.safetensors": _safetensors({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        "overlap.safetensors": _safetensors(
            {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in ("a", "b")}, bytes(4)
        ),
        "deep.json": b"[" * 100_000 + b"]" * 100_000,
        "deep-object.json": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "huge-number.json": b'{"model_data": {"hidden_size": 1' + b"0" * 10_000 + b'}, "state_dict": {}}',
        "many-units.json": json.dumps(
            {
                "model_data": {
                    "model": "SimpleRNN", "unit_type": "LSTM", "input_size": 1, "output_size": 1,
                    "hidden_size": 10**9, "num_layers": 1, "skip": 0, "bias_fl": True,
                },
                "state_dict": {},
            }
        ).encode(),
        "many-units.nam": json.dumps(
            {"version": "0.5.2", "architecture": "LSTM", "weights": [],
             "config": {"input_size": 1, "hidden_size": 10**9, "num_layers": 1000}}
        ).encode(),
        "not-a-number.nam": json.dumps(
            {"version": "0.5.2", "architecture": "LSTM", "weights": [float("nan")] * 16,
             "config": {"input_size": 1, "hidden_size": 1, "num_layers": 1}}
        ).encode(),
        "empty.onnx": b"",
        "varints.onnx": b"\x3a" + b"\xff" * 9 + b"\x7f" + bytes(64),
    }  # fmt: skip


def _zipped(files: Mapping[str, bytes], level: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED, compresslevel=level or None
    ) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _safetensors(header: Mapping[str, Any], content: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content
