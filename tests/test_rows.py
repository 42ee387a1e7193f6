"""Which rows are meant: every way to name them gives the same numbers, and what names none is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn2vec import RNN2VecError
from rnn2vec.rows import row_numbers

MASK = [False, True, False, True, True]


@pytest.mark.parametrize(
    ("rows", "meant"),
    [
        (2, [2]),
        (-1, [4]),
        (np.int8(3), [3]),
        (torch.tensor(1), [1]),
        ([4, 0, 0], [4, 0, 0]),
        (np.array([-1, -5], dtype=np.int16), [4, 0]),
        (torch.tensor([2, 1]), [2, 1]),
        (range(1, 3), [1, 2]),
        (MASK, [1, 3, 4]),
        (np.array(MASK), [1, 3, 4]),
        (torch.tensor(MASK), [1, 3, 4]),
        (slice(None), [0, 1, 2, 3, 4]),
        (slice(None, None, -1), [4, 3, 2, 1, 0]),
        (slice(-2, None), [3, 4]),
    ],
)
def test_every_way_to_name_rows(rows: Any, meant: list[int]) -> None:
    assert row_numbers(rows, 5).tolist() == meant


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "at least one network of 5 is asked for"),
        (slice(3, 3), "at least one"),
        ([False] * 5, "at least one"),
        ([True, False], "a boolean for each network, 5 in all"),
        (True, "a boolean for each network"),
        (np.ones((5, 1), dtype=bool), "a boolean for each network"),
        (5, "0..4"),
        ([0, -6], "got -6"),
        ([0.0, 1.0], "whole numbers"),
        (np.array([2**63], dtype=np.uint64), "got 9223372036854775808"),
        ([[0, 1]], "one list"),
        ("ab", "whole numbers"),
        ([[0], [1, 2]], "whole numbers"),
        (None, "whole numbers"),
        (slice(None, None, 0), "whole numbers"),
        (slice("a", None), "whole numbers"),
        (torch.tensor([1.0]).bfloat16(), "whole numbers"),
        (torch.tensor([1]).to("meta"), "whole numbers"),
        (torch.tensor([0, 1]).to_sparse(), "whole numbers"),
    ],
)
def test_what_names_no_rows_is_refused(rows: Any, says: str) -> None:
    with pytest.raises(RNN2VecError) as error:
        row_numbers(rows, 5)
    assert says in str(error.value)


@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any))
def test_a_mask_means_the_rows_where_it_is_true(mask: list[bool]) -> None:
    assert row_numbers(mask, len(mask)).tolist() == [row for row, wanted in enumerate(mask) if wanted]
