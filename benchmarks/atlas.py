"""The atlas of many networks: bytes of the page, and frames a second while a headless Chromium pans it.

    python benchmarks/atlas.py [--networks 10000]

Chromium is asked to render in software, on this machine's processor. JSON is printed last.
"""

from __future__ import annotations

import argparse
import html
import http.server
import json
import re
import shutil
import subprocess
import threading
import time

import numpy as np

from rnn2vec.library.atlas import placed
from rnn2vec.report.atlas import Column, Drawn, render_atlas

FRAMES, SECONDS = 240, 15
PAN = """<img src="/slow" alt=""><script>
const wait = setInterval(() => {
  if (!window.atlas) return;
  clearInterval(wait);
  const times = [], begun = performance.now();
  const frame = () => {
    const start = performance.now();
    window.atlas.pan(times.length % 2 ? 5 : -4, 1);
    window.atlas.draw();
    times.push(performance.now() - start);
    if (times.length < FRAMES) return requestAnimationFrame(frame);
    const seconds = (performance.now() - begun) / 1000;
    times.sort((a, b) => a - b);
    const result = {
      frames_per_second: times.length / seconds,
      draw_median_ms: times[times.length / 2],
      draw_p95_ms: times[Math.floor(0.95 * times.length)],
    };
    document.documentElement.dataset.measured = JSON.stringify(result);
  };
  requestAnimationFrame(frame);
}, 50);
</script></body>"""


def page_of(count: int, answers: bool) -> str:
    """Clustered vectors of 16 numbers, six columns, curves of three questions."""
    random = np.random.default_rng(0)
    label = random.integers(0, 40, count)
    z = random.normal(size=(40, 16))[label] + 0.35 * random.normal(size=(count, 16))
    z = (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)
    step = np.array([0, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000])[np.arange(count) % 9]
    columns = [Column("task", "class", np.array([f"task {each}" for each in label])), Column("step", "number", step)]
    columns += [Column(name, "number", random.random(count)) for name in ("accuracy", "loss", "loudness")]
    columns.append(Column("angle", "angle", 360 * random.random(count)))
    names = [f"model-{row // 9}-step-{own}" for row, own in enumerate(step)]
    time_axis = np.linspace(0, 20, 64) * (1 + label[:, None, None] / 20) + np.arange(3)[None, :, None]
    curves = np.sin(time_axis) * (1 + 0.2 * random.normal(size=(count, 3, 1))) + 0.05 * random.normal(
        size=(count, 3, 64)
    )
    drawn = Drawn("numbers", curves, np.ones_like(curves)) if answers else None
    positions, layout = placed(z, "pca")
    return render_atlas(f"{count} networks", names, positions, z, columns, drawn, layout=layout)


def frames(page: str) -> dict[str, float] | str:
    """Pan the page in Chromium, which waits for an image that comes late, and only then says what it shows."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return "no chromium on the PATH"
    moving = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    moving = moving.replace("</body>", PAN.replace("FRAMES", str(FRAMES)))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is the library's
            if self.path == "/slow":
                time.sleep(SECONDS)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"" if self.path == "/slow" else moving.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,800", "--dump-dom"]
    try:
        said = subprocess.run(
            [*command, f"http://127.0.0.1:{server.server_port}/"], capture_output=True, text=True, timeout=90
        )
    finally:
        server.shutdown()
    measured = re.search(r'data-measured="([^"]*)"', said.stdout)
    if measured is None or "data-error" in said.stdout:
        raise SystemExit(f"the page did not pan {FRAMES} frames in {SECONDS} s, or failed")
    found: dict[str, float] = json.loads(html.unescape(measured[1]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=10_000)
    count = parser.parse_args().networks
    plain, whole = page_of(count, answers=False), page_of(count, answers=True)
    sizes = {"bytes": len(plain.encode()), "bytes_with_answers": len(whole.encode())}
    print(json.dumps({"networks": count, **sizes, "panning": frames(whole)}, indent=2))


if __name__ == "__main__":
    main()
