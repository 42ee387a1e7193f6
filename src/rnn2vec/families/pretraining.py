"""What presets of pretraining share, whatever the family: fields of a recipe that learns in minutes."""

from __future__ import annotations

from typing import Any

LEARNS: dict[str, Any] = {
    "steps": 1500,
    "networks": 32,
    "traces": 4,
    "learning_rate": 2e-3,
    "clip": 1.0,
    "warmup": 50,
    "decay": "cosine",
    "emulator_size": 96,
    "emulator_layers": 1,
    "conditioning": "every",
}

_PROBES = {"probe_init": "traces", "readout": "all", "core_size": 128, "core_layers": 1}
_SMALLER = {"deep_weight_space": {"channels": 16, "layers": 3}, "transformer": {"hidden_size": 64, "layers": 2}}
"""Options of encoders of weights that are large by default."""


def asks(probe_length: int, probes: int = 8, **interactive: Any) -> dict[str, dict[str, Any]]:
    """Options of all encoders by name.

    Args:
        probe_length: questions in a sequence of a probing encoder.
        probes: its sequences.
        interactive: options of the interactive one alone.
    """
    probing = _PROBES | {"probes": probes, "probe_length": probe_length}
    return {"noninteractive": probing, "interactive": probing | interactive, **_SMALLER}
