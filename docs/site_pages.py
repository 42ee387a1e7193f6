"""Pages of the site that are written elsewhere: README, LOG and CHANGELOG, and the reference of all public names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import rnn2vec

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"README.md": "index.md", "LOG.md": "log.md", "CHANGELOG.md": "changelog.md"}
"""Files beside docs/, and the pages that they become."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for name, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=_moved((ROOT / name).read_text(), "docs/")))
    files.append(File.generated(config, "reference.md", content=reference()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links of pages in docs/ to files beside it lead to their pages."""
    up = "../" * page.file.src_uri.count("/")
    for name, place in ELSEWHERE.items():
        markdown = markdown.replace(f"]({up}../{name}", f"]({up}{place}")
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """Names in docstrings that say what they are (``:class:`Zoo` ``) as plain code."""
    return re.sub(r":(?:class|meth|func|data|attr|mod|exc):<code>~?([\w.]+)</code>", r"<code>\1</code>", html)


def _moved(markdown: str, folder: str) -> str:
    """A file beside docs/ as a page in it: its links into docs/ lose the folder, those to other files name the file."""
    markdown = markdown.replace(f"]({folder}", "](")
    for name, page in ELSEWHERE.items():
        markdown = markdown.replace(f"]({name}", f"]({page}")
    return re.sub(
        r"\[([^]]+)\]\((?!https?:|#)([A-Z][\w.]*|tests/[^)]*|benchmarks/[^)]*|runs/[^)]*)\)", r"`\2`", markdown
    )


def reference() -> str:
    """Every public name, in the order of the modules that hold them."""
    lines = ["# Reference", "", "All that `import rnn2vec` offers. Everything else is private, and may change.", ""]
    for module, names in rnn2vec._PLACES.items():
        for name in sorted(names.split()):
            lines += [f"::: {module}.{name}", ""]
    return "\n".join(lines)
