"""Vectors with further rows, in memory and beside it."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.index import base
from shortlist.index.base import with_rows


@pytest.mark.parametrize(("memory", "kind"), [(5 * 2 * 4, np.ndarray), (5 * 2 * 4 - 1, np.memmap)])
def test_rows_are_added_in_a_file_where_memory_can_not_hold_them(
    memory: int, kind: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "machine_memory", lambda: memory)
    vectors_ID = np.arange(6, dtype=np.float32).reshape(3, 2)
    longer_ID, eligible_I = with_rows(
        vectors_ID, np.array([False, True, False]), np.array([4, 1], np.int32), np.array([[7, 8], [9, 10]], np.float32)
    )

    assert type(longer_ID) is kind
    assert longer_ID.tolist() == [[0, 1], [9, 10], [4, 5], [0, 0], [7, 8]]
    assert eligible_I.tolist() == [False, True, False, False, True]
