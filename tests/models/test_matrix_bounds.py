"""What models that are fitted in one go take of memory, and where they put items that they know nothing of.

Legend: U users, I item rows, K candidates, R rank.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from shortlist.core.errors import EnvironmentFault
from shortlist.features.past import Events
from shortlist.features.rows import Floats, Ints, RaggedBag
from shortlist.funnel.scorers import _blocks
from shortlist.funnel.scorers._blocks import Pasts
from shortlist.funnel.scorers.user_to_user import UserToUser
from shortlist.funnel.sources.folder import SCORERS
from shortlist.models import matrix as shared
from shortlist.models.base import Fitted, Interactions
from shortlist.models.catalogue import matrix_model
from shortlist.models.retrieval import graph_filter, item_knn
from shortlist.recipe.training import Model
from shortlist.testing.contract_matrix import ITEMS, USERS, toy_log, toy_requests


def log(lists: Sequence[Sequence[int]], items: int) -> Interactions:
    bag = RaggedBag.of([[], *lists])
    return replace(toy_log(), events=Events(bag, np.zeros(len(bag.values), np.int64)), items=items)


def fit(name: str, on: Interactions, **settings: Any) -> Fitted:
    return matrix_model(Model.model_validate({"name": name, **settings})).fit(on, threads=1, seed=0)


def best(fitted: Fitted, items: int, *histories: list[int]) -> tuple[Ints, Floats]:
    """All items for each history."""
    scorer, requests = (
        SCORERS[fitted.scorer](fitted.arrays, fitted.settings, np.arange(items) > 0),
        toy_requests(histories),
    )
    item_UK, score_UK = scorer.best(requests, items - 1)
    np.testing.assert_allclose(scorer.scores(requests, item_UK), score_UK, rtol=1e-5)
    return item_UK, score_UK


def peak(work: Callable[[], object]) -> int:
    """Bytes that it holds at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("settings", [{"max_items": 3}, {"max_items": 3, "keep": 99}], ids=str)
@pytest.mark.parametrize("dense", [0.0, 2.0])
def test_items_that_are_not_fitted_come_after_those_with_negative_scores(
    settings: dict[str, Any], dense: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_DENSE", dense)
    on = log([[2, 4], [2, 4], [2, 4], [2, 5], [2, 5], [1], [3]], items=7)
    item_UK, score_UK = best(fit("ease", on, l2=0.5, **settings), 7, [4], [1])

    # Of a history that nothing is known of all scores are 0, and the lower rows come first.
    assert item_UK.tolist() == [[2, 4, 5, 1, 3, 6], [1, 2, 3, 4, 5, 6]]
    assert score_UK[0, 2] < 0
    assert (score_UK[0, 3:] < score_UK[0, 2]).all()
    assert score_UK[1].tolist() == [0] * 6


@pytest.mark.parametrize("keep", [0, 99])
def test_items_that_nobody_had_come_after_those_with_negative_scores(keep: int) -> None:
    on = log([[2, 3, 4], [2, 3], [2, 5], [3, 4, 6], [2, 3, 4, 5, 6], [6]], items=7)
    item_UK, score_UK = best(fit("graph_filter", on, rank=2, alpha=3.0, keep=keep), 7, [5])

    assert item_UK[0, -1] == 1
    assert score_UK[0, -1] < score_UK[0, -2] < 0


def test_a_block_of_items_is_bounded_by_what_its_product_may_store() -> None:
    matrix = np.array([[0, 1, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]], np.float32)
    found = {most: [*shared.row_blocks(sparse.csr_array(matrix), most)] for most in (1, 5, 9, 99)}

    # Rows of the product have at most 0, 5, 5, 4 and 0 values.
    assert found[1] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert found[5] == [(0, 2), (2, 3), (3, 5)]
    assert found[9] == [(0, 2), (2, 5)]
    assert found[99] == [(0, 5)]


@pytest.mark.parametrize("stored", [1, 300])
def test_blocks_of_few_stored_values_find_the_same_neighbours(stored: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit("item_knn", toy_log()).arrays
    monkeypatch.setattr(item_knn, "_STORED", stored)
    found = fit("item_knn", toy_log()).arrays

    assert all(np.array_equal(found[name], whole[name]) for name in whole)


def test_neighbours_of_items_that_all_go_together_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    on = log([list(range(1, 600))], items=600)
    whole = peak(lambda: fit("item_knn", on, neighbours=2))
    monkeypatch.setattr(item_knn, "_STORED", 30_000)

    assert peak(lambda: fit("item_knn", on, neighbours=2)) < whole / 4


def test_a_block_of_requests_is_bounded_by_the_users_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = fit("user_knn", toy_log(), neighbours=3)
    requests, sizes = toy_requests([[1], [2, 3], [30]] * 7), []

    class Recorded(UserToUser):
        def _similarity(self, past: Pasts) -> Floats:
            similarity_UQ = super()._similarity(past)
            sizes.append(similarity_UQ.shape)
            return similarity_UQ

    scorer = Recorded(fitted.arrays, fitted.settings, np.arange(ITEMS) > 0)
    together = scorer.best(requests, 3)
    monkeypatch.setattr(_blocks, "BLOCK_SCORES", 5 * USERS)
    apart = scorer.best(requests, 3)

    assert sizes == [(USERS, 21), *[(USERS, 5)] * 4, (USERS, 1)]
    assert all(np.array_equal(*both) for both in zip(together, apart, strict=True))


@pytest.mark.parametrize(("rank", "found"), [(99, 7), (5, 5), (3, 3)])
@pytest.mark.parametrize("tall", [False, True])
def test_singular_vectors_are_those_of_the_dense_decomposition(tall: bool, rank: int, found: int) -> None:
    dense = (np.random.default_rng(0).random((40, 9)) < 0.3).astype(np.float32)
    # The same users had two of the items, so that one singular value is 0; and one item nobody had.
    dense[:, 3], dense[:, 5] = dense[:, 2], 0
    matrix_UI = sparse.csr_array(dense if tall else np.ascontiguousarray(dense.T))
    found_IR = graph_filter._right_vectors(matrix_UI, rank)
    _, size_R, vectors_RI = np.linalg.svd(matrix_UI.toarray().astype(np.float64), full_matrices=False)
    kept_RI = vectors_RI[size_R > 1e-6][:rank]

    assert found_IR.shape == (matrix_UI.shape[1], found)
    np.testing.assert_allclose(found_IR @ found_IR.T, kept_RI.T @ kept_RI, atol=1e-5)


def test_a_filter_of_few_items_and_many_users_takes_no_matrix_of_both() -> None:
    users, items = 20_000, 200
    random = np.random.default_rng(0)
    columns = random.integers(1, items, 2 * users)
    matrix_UI = sparse.csr_array(
        (np.ones(2 * users, np.float32), columns, np.arange(0, 2 * users + 1, 2)), (users, items)
    )

    assert peak(lambda: graph_filter._right_vectors(matrix_UI, 256)) < 4 * users * items / 2


def test_a_filter_with_all_weights_is_made_in_its_place() -> None:
    items = 1500
    on = log([list(range(1, items)), [1, 2]], items)

    assert peak(lambda: fit("graph_filter", on, rank=0, keep=0)) < 1.5 * 4 * items**2


def test_segments_that_memory_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    on = toy_log()
    size = next(column.size for column in on.user_inputs.fields if column.name == "user.gender")
    monkeypatch.setattr("os.sysconf", lambda name: 1 if name == "SC_PHYS_PAGES" else 12 * size * on.items - 1)

    with pytest.raises(EnvironmentFault, match=f"popularity of {on.items} items in {size} segments"):
        fit("popularity", on, segment="gender")
