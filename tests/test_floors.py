"""The floors of CONTRIBUTING.md: a module imports only from those below its own, and no two files import each other."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ABOVE = ("rnn2vec", "__main__")
"""What hands the package to its users, from above all floors."""


def floors() -> dict[str, int]:
    """The number of each module's or package's floor, from the top, as CONTRIBUTING.md lists them."""
    listed = re.search(r"only from the floors below it:([^.]*)\.", (ROOT / "CONTRIBUTING.md").read_text())
    assert listed
    return {name: number for number, floor in enumerate(listed[1].split(";")) for name in re.findall(r"`(\w+)`", floor)}


def imports(root: Path, files: list[Path]) -> dict[str, set[str]]:
    """The files among these that each of them imports, anywhere in it, by their names as modules."""

    def name_of(path: Path) -> str:
        return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")

    known = {name_of(path) for path in files}
    found: dict[str, set[str]] = {}
    for path in files:
        named: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports {'.' * node.level}{node.module or ''}: name it in full"
                assert node.module
                parts = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= (parts & known) | ({node.module} if parts - known else set())
        found[name_of(path)] = named & known - {name_of(path)}
    return found


def package() -> dict[str, set[str]]:
    found = imports(ROOT / "src", sorted((ROOT / "src" / "rnn2vec").rglob("*.py")))
    assert len(found) > 90
    return found


def place(module: str) -> str:
    """The part of a module's name that has a floor."""
    return module.split(".")[1] if "." in module else module


def test_every_module_has_a_floor_and_every_floor_its_modules() -> None:
    assert {place(module) for module in package()} - set(ABOVE) == set(floors())


def test_modules_import_from_the_floors_below() -> None:
    numbers = dict.fromkeys(ABOVE, -1) | floors()
    wrong = [
        f"{module} imports {other}"
        for module, others in package().items()
        for other in sorted(others)
        if {place(module), place(other)} <= numbers.keys()
        and place(module) != place(other)
        and numbers[place(module)] >= numbers[place(other)]
    ]
    assert wrong == []


def test_nothing_imports_from_the_package_itself() -> None:
    assert [module for module, others in package().items() if "rnn2vec" in others] == []


@pytest.mark.parametrize("folder", ["src", "benchmarks"])
def test_no_files_import_each_other(folder: str) -> None:
    graph = package() if folder == "src" else imports(ROOT / folder, sorted((ROOT / folder).glob("*.py")))
    assert any(graph.values())
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_what_the_test_sees(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def later():\n    from p import b, thing\n    import json\n")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "__init__.py").write_text("import a\n")
    (tmp_path / "p" / "b.py").write_text("from p.b import c\n")
    found = imports(tmp_path, sorted(tmp_path.rglob("*.py")))
    assert found == {"a": {"p", "p.b"}, "p": {"a"}, "p.b": set()}
