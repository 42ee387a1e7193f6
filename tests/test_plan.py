"""Plans: begun, gone on with, or refused by what differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn2vec import RNN2VecError
from rnn2vec.outputs import sole_writer
from rnn2vec.plan import begin, differences, require_same

PLAN = {"seed": 0, "zoo": "0123456789abcdef" * 4, "versions": {"torch": "2.12", "numpy": "2.0"}}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=3), parts, max_size=3),
    max_leaves=8,
)
plans = st.dictionaries(st.text(max_size=3), values, max_size=4)


@given(plans)
def test_any_plan_is_begun_once_and_gone_on_with(plan: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "out" / "plan.json"
        assert not begin(path, "work", plan)
        before = path.read_bytes()
        assert begin(path, "work", plan)
        assert begin(path, "work", dict(reversed(plan.items())))
        assert path.read_bytes() == before


@given(plans, plans)
def test_any_difference_is_named(there: dict[str, Any], here: dict[str, Any]) -> None:
    read = [json.loads(json.dumps(plan), parse_constant=lambda constant: None) for plan in (there, here)]
    named = differences(there, here)
    assert bool(named) == (read[0] != read[1])
    changed = {name for name in read[0] | read[1] if name not in read[0] or name not in read[1]}
    changed |= {name for name in read[0].keys() & read[1].keys() if read[0][name] != read[1][name]}
    for name in changed:
        assert any(text.startswith(name) for text in named)
    if named:
        with pytest.raises(RNN2VecError, match="or choose another directory") as error:
            require_same(Path("out"), "work", there, here)
        assert "\n" not in str(error.value)
    else:
        require_same(Path("out"), "work", there, here)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed 0 there, 1 here"),
        ({"zoo": "f" * 64}, "zoo"),
        ({"versions": {"torch": "2.13", "numpy": "2.0"}}, "versions.torch 2.12 there, 2.13 here"),
        ({"versions": {"torch": "2.12"}}, "versions.numpy 2.0 there, nothing here"),
        ({"steps": 3}, "steps nothing there, 3 here"),
        ({"seed": None}, "seed 0 there, null here"),
        ({"seed": 1, "zoo": ""}, "seed 0 there, 1 here; zoo"),
    ],
)
def test_another_plan_is_refused_by_what_differs(changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    begin(path, "work", PLAN)
    before = path.read_bytes()
    with pytest.raises(RNN2VecError) as error:
        begin(path, "work", PLAN | changes)
    assert str(error.value) == (
        f"one directory holds one work; {tmp_path} was begun with another ({named}): keep to what it was begun with, "
        "or choose another directory"
    )
    assert path.read_bytes() == before


def test_what_differs_alike_in_a_list_is_said_once() -> None:
    jobs = [["a", {"steps": steps}] for steps in (1, 1, 1)]
    assert differences({"jobs": jobs}, {"jobs": [["a", {"steps": 2}]] * 3}) == ["jobs.steps 1 there, 2 here"]
    assert differences({"jobs": [1, 2]}, {"jobs": [1]}) == ["jobs [1, 2] there, [1] here"]


def test_the_remedy_is_read_however_much_differs(tmp_path: Path) -> None:
    with pytest.raises(RNN2VecError, match=r"n0 0 there, 1 here; .* \.\.\.\): .*or choose another directory$"):
        require_same(tmp_path, "work", {f"n{i}": 0 for i in range(999)}, {f"n{i}": 1 for i in range(999)})


def test_an_entry_that_earlier_versions_lack(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    begin(path, "work", {"seed": 0})
    assert begin(path, "work", {"seed": 0, "sums": 1}, added=["sums"])
    with pytest.raises(RNN2VecError, match=r"\(seed 0 there, 1 here\)"):
        begin(path, "work", {"seed": 1, "sums": 1}, added=["sums"])
    with pytest.raises(RNN2VecError, match=r"\(sums nothing there, 1 here\)"):
        begin(path, "work", {"seed": 0, "sums": 1})
    path.write_text('{"seed": 0, "sums": 2}')
    with pytest.raises(RNN2VecError, match=r"\(sums 2 there, 1 here\)"):
        begin(path, "work", {"seed": 0, "sums": 1}, added=["sums"])


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 10**5, b"[]", b"null", b"{}", b'{"seed": NaN}'])
def test_a_damaged_plan_is_refused_and_kept(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(RNN2VecError, match=r"plan of the work .*plan\.json|begun with another \(seed"):
        begin(path, "work", PLAN)
    assert path.read_bytes() == content


def test_a_folder_in_place_of_a_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(RNN2VecError, match="cannot read plan of the work"):
        begin(tmp_path / "plan.json", "work", PLAN)


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("of the user")
    with pytest.raises(RNN2VecError, match=r"new or empty; .* already exists"):
        begin(tmp_path / "plan.json", "work", PLAN)
    assert os.listdir(tmp_path) == ["letter.txt"]
    with pytest.raises(RNN2VecError, match="already exists"):
        begin(tmp_path / "letter.txt" / "plan.json", "work", PLAN)


def test_what_a_killed_process_left_of_a_plan_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".plan.json.partial").write_text('{"seed"')
    assert not begin(tmp_path / "plan.json", "work", PLAN)
    assert os.listdir(tmp_path) == ["plan.json"]


@pytest.mark.skipif(os.name != "posix", reason="flock")
def test_of_two_processes_one_begins(tmp_path: Path) -> None:
    other = """
import sys
from pathlib import Path
from rnn2vec.errors import RNN2VecError
from rnn2vec.outputs import sole_writer
from rnn2vec.plan import begin

place = Path(sys.argv[1])
for turn in sys.stdin:
    try:
        with sole_writer(place):
            print("goes on" if begin(place / "plan.json", "work", {"seed": int(turn)}) else "began", flush=True)
    except RNN2VecError as error:
        print(error, flush=True)
"""
    command = [sys.executable, "-c", other, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def answer(seed: int) -> str:
            print(seed, file=process.stdin, flush=True)
            return process.stdout.readline()  # type: ignore[union-attr]

        with sole_writer(tmp_path):
            assert "another is writing" in answer(1)
            assert not begin(tmp_path / "plan.json", "work", {"seed": 0})
            assert "another is writing" in answer(0)
        assert "seed 0 there, 1 here" in answer(1)
        assert answer(0) == "goes on\n"
        process.stdin.close()
