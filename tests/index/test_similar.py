"""The nearest items by cosine, against a naive loop."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.index import similar
from shortlist.index.similar import Cosines


@pytest.mark.parametrize("block", [2, 2**20])
def test_equals_the_naive_loop(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "BLOCK_FLOATS", block)
    random = np.random.default_rng(0)
    vectors_ID = (random.standard_normal((40, 3)) * random.uniform(0.1, 9, (40, 1))).astype(np.float32)
    eligible_I = np.arange(40) % 7 > 0
    item_UK, cosine_UK = Cosines(vectors_ID, eligible_I).nearest(np.array([3, 7, 39], np.int32), 5)

    for u, item in enumerate((3, 7, 39)):
        expected = sorted(
            (
                (-float(a @ vectors_ID[item] / np.linalg.norm(a) / np.linalg.norm(vectors_ID[item])), row)
                for row, a in enumerate(vectors_ID)
                if eligible_I[row] and row != item
            ),
        )[:5]
        assert item_UK[u].tolist() == [row for _, row in expected]
        np.testing.assert_allclose(cosine_UK[u], [-negative for negative, _ in expected], rtol=1e-5)


def test_an_item_alone_has_none_and_an_empty_vector_is_like_none() -> None:
    vectors_ID = np.array([[0, 0], [2, 0], [0, 0], [9, 9]], np.float32)
    alone, cosine_UK = Cosines(vectors_ID[:2], np.array([False, True])).nearest(np.array([1], np.int32), 3)
    item_UK, like_UK = Cosines(vectors_ID, np.arange(4) > 0).nearest(np.array([1, 2], np.int32), 2)

    assert alone.tolist() == [[0, 0, 0]]
    assert np.isneginf(cosine_UK).all()
    assert item_UK.tolist() == [[3, 2], [1, 3]]
    assert like_UK[0].tolist() == pytest.approx([np.sqrt(0.5), 0])
    assert like_UK[1].tolist() == [0, 0]
