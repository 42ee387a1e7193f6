"""The atlas: what the page holds, and what it does in a real Chromium."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import zlib
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from conftest import Command
from rnn2vec import Collection, RNN2VecError, Zoo, atlas, import_zoo
from rnn2vec.library.atlas import columns_of, placed
from rnn2vec.report.atlas import Column, Drawn, far_apart, render_atlas
from test_checkpoints import guitarml, written

HOSTILE = [
    "</script><script>window.broken=1</script>",
    "a\"b'c",
    "naïve 🎸 amp",
    "<img src=x onerror=alert(1)>",
    "\u2028&amp;",
]


def unpacked(page: str) -> dict[str, Any]:
    found = re.search(r'id="data">([^<]*)</script>', page)
    assert found
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def page(names: list[str], z: np.ndarray | None = None, **options: Any) -> str:
    z = np.eye(16)[np.arange(len(names)) % 16] if z is None else z
    column = Column("kind", "class", np.array(names))
    return render_atlas("A <b>title</b>", names, placed(z, "pca")[0], z, [column], **options)


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    """The document element's attributes once a page has settled, in Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on the PATH")

    def call(content: str, fragment: str = "") -> dict[str, str]:
        path = tmp_path / "atlas.html"
        path.write_text(content, encoding="utf-8")
        command = [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000",
            "--enable-logging=stderr", "--log-level=0", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
        ]  # fmt: skip
        said = subprocess.run([*command, f"file://{path}{fragment}"], capture_output=True, text=True, timeout=300)
        assert "CONSOLE" not in said.stderr, said.stderr
        tag = re.search(r"<html[^>]*>", said.stdout)
        assert tag, said.stderr
        return {name: unescape(value) for name, value in re.findall(r'data-(\w+)="([^"]*)"', tag[0])}

    return call


def test_the_page_holds_what_networks_are() -> None:
    z = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]])
    columns = [
        Column("amp", "class", np.array(["b", "a", "a"])),
        Column("gain", "number", np.array([0.5, np.nan, 1.5])),
    ]
    values = np.array([[[0.0, 1.0]], [[-1.0, 0.0]], [[3.0, 3.0]]])
    drawn = Drawn("numbers", values, np.ones_like(values))
    content = render_atlas("t", ["x", "y", "z"], z, z, columns, drawn, [[0, 2]], [(1, 2)])
    data = unpacked(content)
    assert data["names"] == ["x", "y", "z"]
    assert np.frombuffer(base64.b64decode(data["z"]), "i1").tolist() == [127, 0, 76, 102, 0, -127]
    amp, gain = data["columns"]
    assert amp["texts"] == ["a", "b"]
    assert np.frombuffer(base64.b64decode(amp["values"]), "<u2").tolist() == [1, 0, 0]
    assert (gain["low"], gain["high"]) == (0.5, 1.5)
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(gain["values"]), "<f4"), [0.5, np.nan, 1.5])
    assert np.frombuffer(base64.b64decode(data["drawn"]["values"]), "u1").tolist() == [64, 128, 0, 64, 255, 255]
    assert data["groups"] == [[0, 2]]
    assert data["edges"] == [[1, 2]]
    positions = np.frombuffer(base64.b64decode(data["positions"]), "<u2").reshape(3, 2) / 65535
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    expected = np.linalg.norm(z[:, None] - z, axis=-1)
    np.testing.assert_allclose(distances / distances.max(), expected / expected.max(), atol=1e-4)


def test_small_numbers_beside_large_ones_are_kept() -> None:
    """A page that tells 1e-5 as 0, or a step as another, would be silently wrong."""
    z, values = np.eye(3), np.array([1e-5, 123_457.0, 1e6])
    (column,) = unpacked(render_atlas("t", ["x", "y", "z"], z[:, :2], z, [Column("rate", "number", values)]))["columns"]
    kept = np.frombuffer(base64.b64decode(column["values"]), "<f4")
    np.testing.assert_array_equal(kept, values.astype(np.float32))


@pytest.mark.parametrize(("highest", "dtype"), [(255, "u1"), (300, "<u2"), (70_000, "<u4")])
def test_classes_are_kept_however_many(highest: int, dtype: str) -> None:
    z, values = np.eye(2), np.array([[[0, highest]], [[44, 1]]])
    drawn = unpacked(render_atlas("t", ["x", "y"], z, z, [], Drawn("classes", values, np.ones(values.shape))))["drawn"]
    assert np.frombuffer(base64.b64decode(drawn["values"]), dtype).tolist() == [0, highest, 44, 1]
    assert drawn["bytes"] == np.dtype(dtype).itemsize


def test_it_asks_for_nothing_and_no_name_is_markup() -> None:
    content = page(HOSTILE)
    assert "A &lt;b&gt;title&lt;/b&gt;" in content
    assert "default-src 'none'" in content
    assert not re.findall(r'(?:src|href)="(?!data:)', content)
    assert "http" not in content.replace('http-equiv="Content-Security-Policy"', "")
    assert all(name not in content for name in HOSTILE)
    assert unpacked(content)["names"] == HOSTILE


def test_ten_thousand_networks_stay_small() -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(10_000, 16))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    names = [f"model-{row}-step-{row % 9}" for row in range(10_000)]
    columns = [Column(name, "number", random.random(10_000)) for name in ("accuracy", "loss", "loudness")]
    positions, _ = placed(z, "pca")
    assert len(render_atlas("t", names, positions, z, columns)) < 500_000
    values = random.normal(size=(10_000, 3, 64))
    assert len(render_atlas("t", names, positions, z, columns, Drawn("numbers", values, values))) < 5_000_000


def test_labels_are_far_apart() -> None:
    points = np.array([[0.0, 0], [0.1, 0], [5, 0], [0, 5], [5.1, 0]])
    assert far_apart(points, 3).tolist()[1:] == [3, 4]
    assert sorted(far_apart(np.zeros((4, 2)), 9)) == [0, 1, 2, 3]


def test_positions_are_principal_components() -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(30, 5)) * [5, 3, 1, 1, 1]
    found, _ = placed(z, "pca")
    left, singular, _ = np.linalg.svd(z - z.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :2] * singular[:2]), rtol=1e-6)
    found, _ = placed(z.astype(np.float32), "tsne")
    assert found.shape == (30, 2)
    np.testing.assert_array_equal(found, placed(z.astype(np.float32), "tsne")[0])


def test_it_opens_and_finds_a_name(tiny_zoo: Zoo, tmp_path: Path, opened: Any) -> None:
    atlas(Collection.of_zoo(tiny_zoo), tmp_path / "a.html", columns=columns_of(tiny_zoo))
    content = (tmp_path / "a.html").read_text()
    assert opened(content) == {"ready": "yes"}
    name = str(tiny_zoo.column("name")[-1])
    assert opened(content, f"#find={name}") == {"ready": "yes", "chosen": name}


def test_hostile_names_are_found(opened: Any) -> None:
    content = page(HOSTILE)
    for name in HOSTILE[:4]:
        assert opened(content, f"#find={quote(name)}") == {"ready": "yes", "chosen": name}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_networks_and_networks_alike(count: int, opened: Any) -> None:
    alike = page([f"n{row}" for row in range(count)], np.eye(16)[[3] * count])
    assert opened(alike, "#find=n0") == {"ready": "yes", "chosen": "n0"}


def test_a_page_that_is_broken_says_so(opened: Any) -> None:
    found = opened(re.sub(r'id="data">[^<]*<', 'id="data">AAAA<', page(["a"])))
    assert "This page failed" in found["error"]
    assert "ready" not in found


def test_the_command(tmp_path: Path, rnn2vec_command: Command) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    for number in range(4):
        written(folder / f"amp{number}.json", guitarml(inputs=1, size=3 + number))
    (tmp_path / "labels.csv").write_text("name,gain,maker\namp0,1,a\namp1,2,a\namp2,3,b\namp3,4,b\n")
    zoo = import_zoo([str(folder)], tmp_path / "zoo", labels=tmp_path / "labels.csv")
    out = tmp_path / "atlas.html"
    status, output, _ = rnn2vec_command("atlas", zoo.directory, "--out", out, "--json")
    assert status == 0
    assert json.loads(output) == {"atlas": str(out), "networks": 4, "bytes": out.stat().st_size}
    data = unpacked(out.read_text())
    assert {column["name"] for column in data["columns"]} == {"gain", "maker", "loudness"}
    assert data["drawn"]["questions"] == 3
    status, _, errors = rnn2vec_command("atlas", zoo.directory, "--out", out)
    assert status == 1
    assert "already exists" in errors
    assert rnn2vec_command("atlas", zoo.directory, "--out", out, "--force", "--no-answers", "--layout", "tsne")[0] == 0
    assert unpacked(out.read_text())["drawn"] is None
    written(folder / "copy.json", guitarml(inputs=1, size=4))
    copies = import_zoo([str(folder)], tmp_path / "copies")
    assert rnn2vec_command("atlas", copies.directory, "--out", out, "--force", "--related")[0] == 0
    (group,) = unpacked(out.read_text())["groups"]
    assert {str(copies.column("name")[row]) for row in group} == {"amp1", "copy"}
    with pytest.raises(RNN2VecError, match="a layout is one of pca, tsne; got 'umap'"):
        atlas(Collection.of_zoo(zoo), out, layout="umap")


def test_files_are_drawn_as_they_are(tmp_path: Path, rnn2vec_command: Command) -> None:
    """Without a zoo, and asked what the user brings."""
    folder = tmp_path / "captures"
    folder.mkdir()
    for number in range(3):
        written(folder / f"amp{number}.json", guitarml(inputs=1, size=3 + number))
    np.save(tmp_path / "riff.npy", np.sin(np.arange(40.0)).reshape(2, 20, 1))
    out = tmp_path / "atlas.html"
    assert rnn2vec_command("atlas", folder, "--inputs", tmp_path / "riff.npy", "--out", out)[0] == 0
    data = unpacked(out.read_text())
    assert data["names"] == ["amp0", "amp1", "amp2"]
    assert [column["name"] for column in data["columns"]] == ["loudness"]
    assert (data["drawn"]["questions"], data["drawn"]["steps"]) == (2, 20)
    status, _, errors = rnn2vec_command("atlas", *folder.iterdir(), "--out", folder / "amp0.json", "--force")
    assert status == 1
    assert "amp0.json" in errors
