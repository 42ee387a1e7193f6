"""The documentation as a site: built strictly, whole, and without a request to anywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import rnn2vec

ROOT = Path(__file__).parents[1]
pytest.importorskip("mkdocstrings")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; a broken link, a page in no menu or a name that cannot be found fails."""
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(directory)]
    built = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert built.returncode == 0, built.stderr
    return directory


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = (site / "reference.html").read_text()
    shown = {own.rsplit(".", 1)[-1] for own in re.findall(r'id="(rnn2vec\.[\w.]+)"', text)}
    assert set(rnn2vec.__all__) - shown == set()


class Resources(HTMLParser):
    """What a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.found.append(own.get("src") or "")
        if tag == "link" and own.get("rel") in ("stylesheet", "preload", "icon"):
            self.found.append(own.get("href") or "")


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        parser = Resources()
        parser.feed(page.read_text())
        assert [own for own in parser.found if "//" in own] == [], page


@pytest.mark.parametrize("name", rnn2vec.__all__)
def test_what_is_public_is_documented(name: str) -> None:
    thing = getattr(rnn2vec, name)
    if isinstance(thing, type):
        methods = [own for own in vars(thing) if not own.startswith("_") and callable(getattr(thing, own))]
        undocumented = [own for own in methods if not getattr(thing, own).__doc__]
        assert undocumented == []
    if callable(thing):
        assert (thing.__doc__ or "").strip()
