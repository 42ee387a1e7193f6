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

SMALLER_ENCODERS: dict[str, dict[str, Any]] = {
    "deep_weight_space": {"channels": 16, "layers": 3},
    "transformer": {"hidden_size": 64, "layers": 2},
}
"""Options of encoders of weights that are large by default."""
