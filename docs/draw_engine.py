"""Draw the growth in docs/engine.md from the output of benchmarks/engine.py: ``python docs/draw_engine.py OUTPUT``."""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

report = json.loads(Path(sys.argv[1]).read_text().splitlines()[-1])
models, times = zip(*((point["models"], point["ms"]) for point in report["growth"]), strict=True)
figure = Figure(figsize=(6, 3.6), layout="constrained")
axes = figure.subplots()
axes.loglog(models, times, "o-", label="one training step of all networks")
axes.loglog(models, [times[-1] / models[-1] * count for count in models], "--", color="grey", label="linear")
axes.set(xlabel="networks (LSTM 2x32, batch 32, 41 steps)", ylabel="ms")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(Path(__file__).with_name("engine-growth.png"), dpi=110)
