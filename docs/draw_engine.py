"""Draw what docs/engine.md shows of benchmarks/engine.py and sound.py: ``python docs/draw_engine.py OUTPUT...``."""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure


def draw(name: str, counts: list[int], times: list[float], line: str, xlabel: str, ylabel: str) -> None:
    """One curve of times against counts, with what is linear beside it."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.loglog(counts, times, "o-", label=line)
    axes.loglog(counts, [times[-1] / counts[-1] * count for count in counts], "--", color="grey", label="linear")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(__file__).with_name(name), dpi=110)


for output in sys.argv[1:]:
    points = json.loads(Path(output).read_text().splitlines()[-1])["growth"]
    if "models" in points[0]:
        draw(
            "engine-growth.png",
            [point["models"] for point in points],
            [point["ms"] for point in points],
            "one training step of all networks",
            "networks (LSTM 2x32, batch 32, 41 steps)",
            "ms",
        )
    else:
        draw(
            "engine-length.png",
            [point["steps"] for point in points],
            [point["seconds"] for point in points],
            "one call, no gradients",
            "steps (10 LSTMs of 1x40, one sequence each)",
            "seconds",
        )
