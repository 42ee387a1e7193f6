"""What the paper measured, to be set beside what is measured here."""

from __future__ import annotations

EMULATION_LOSS: dict[str, dict[str, float]] = {
    "formal-languages": {
        "statistics": 0.051,
        "flat": 0.045,
        "transformer": 0.043,
        "deep_weight_space": 0.046,
        "noninteractive": 0.023,
        "interactive": 0.015,
    },
    "sequential-digits": {
        "statistics": 0.039,
        "flat": 0.024,
        "transformer": 0.067,
        "deep_weight_space": 0.024,
        "noninteractive": 0.017,
        "interactive": 0.017,
    },
}
"""Validation emulation loss by family and encoder (table 2 of the paper): 1000 LSTMs, 100,000 steps, 15 seeds."""
