"""The best of scores in blocks, against a naive loop; and what a request's past is."""

from __future__ import annotations

import copy
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.features.rows import Floats, RaggedBag
from shortlist.funnel.columns import Requests
from shortlist.funnel.scorers import _blocks, _sparse, item_to_item
from shortlist.funnel.scorers._blocks import BlockScorer, pasts
from shortlist.funnel.scorers._sparse import SparseRows, summed_rows
from shortlist.funnel.scorers.item_to_item import ItemToItem
from shortlist.testing.contract_matrix import toy_requests

item_lists = st.lists(st.lists(st.integers(0, 11), max_size=6), min_size=3, max_size=3)


@given(
    seed=st.integers(0, 99),
    k=st.integers(1, 15),
    lowest=st.sampled_from([-2, 0]),
    exclude=item_lists,
    allowed=st.none() | item_lists,
    block=st.sampled_from([1, 24, 2**20]),
)
def test_equals_the_naive_loop(
    seed: int, k: int, lowest: int, exclude: list[list[int]], allowed: list[list[int]] | None, block: int
) -> None:
    score_UI = np.random.default_rng(seed).integers(lowest, 3, (3, 10)).astype(np.float32)
    eligible_I = np.arange(10) != 4

    class Given(BlockScorer):
        def block(self, requests: Requests, rows: slice) -> Floats:
            return np.ascontiguousarray(score_UI[rows].T)

    scorer, requests = Given({}, {}, eligible_I), toy_requests([[]] * 3, exclude=exclude, allowed=allowed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "BLOCK_SCORES", block)
        item_UK, score_UK = scorer.best(requests, k)

    for user in range(3):
        may = set(range(1, 10)) - {4} - set(exclude[user])
        may &= set(allowed[user]) if allowed is not None else may
        # Python's sort is stable: of equal scores the lower item row comes first.
        expected = sorted(sorted(may), key=lambda item: -score_UI[user, item])[:k]
        missing = k - len(expected)
        assert item_UK[user].tolist() == expected + [0] * missing
        assert score_UK[user].tolist() == [score_UI[user, item] for item in expected] + [-np.inf] * missing


def test_a_past_has_each_item_once_with_its_latest_weight() -> None:
    requests = toy_requests([[9], [3, 5, 3, 0, 40], [], [7, 2]])
    past = pasts(requests, slice(1, 4), 10, half_life=1.0)

    assert [list(past.items.values[a:b]) for a, b in ((0, 2), (2, 2), (2, 4))] == [[3, 5], [], [2, 7]]
    assert past.items.offsets_n.tolist() == [0, 2, 2, 4]
    assert past.weights.tolist() == [0.25, 0.125, 1.0, 0.5]
    assert (pasts(requests, slice(0, 4), 10, None).weights == 1).all()


@pytest.mark.parametrize("full", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_sums_of_sparse_rows_are_those_of_the_dense_matrix(full: float, weighted: bool) -> None:
    random = np.random.default_rng(0)
    # Of six columns a full row has three, and the others fewer or none.
    lists = [random.permutation(6)[: 3 if random.random() < full else random.integers(0, 3)] for _ in range(10)]
    bag = RaggedBag.of(lists)
    weight_M = random.random(len(bag.values)).astype(np.float32)
    matrix_IJ = np.zeros((10, 6), np.float32)
    matrix_IJ[bag.flat()] = weight_M if weighted else 1
    past = pasts(toy_requests([[1, 2], [], [9, 3, 4]]), slice(0, 3), 10, half_life=2.0)
    history_UI = np.zeros((3, 10), np.float32)
    history_UI[past.items.flat()] = past.weights

    found = summed_rows(SparseRows(bag, weight_M if weighted else None), past.items, past.weights, 6)
    np.testing.assert_allclose(found, (history_UI @ matrix_IJ).T, rtol=1e-6)


def test_weights_have_numpys_own_type() -> None:
    weights = np.ones(3, np.dtype(np.float32, copy=True))
    rows = SparseRows(RaggedBag.of([[0, 1], [2]]), weights)

    # np.add.at has a fast way for this one object alone.
    assert weights.dtype is not np.dtype(np.float32)
    assert all(rows.named(np.array([row], np.int32), None)[1].dtype is np.dtype(np.float32) for row in (0, 1))


def test_a_copy_holds_each_value_once() -> None:
    for weights in (np.ones(3, np.float32), None):
        rows = copy.deepcopy(SparseRows(RaggedBag.of([[0, 1], [2]]), weights))
        assert np.shares_memory(rows._column_windows, rows._columns.values)
        assert [rows.named(np.array([row], np.int32), None)[0].tolist() for row in (0, 1)] == [[0, 1], [2]]


def test_the_whole_catalogue_is_asked_for_in_little_memory() -> None:
    random, items, asked = np.random.default_rng(0), 4000, 512
    arrays = {
        "offsets": np.arange(0, 10 * items + 1, 10),
        "columns": np.sort(random.integers(1, items, (items, 10), np.int32)).reshape(-1),
        "weights": np.ones(10 * items, np.float32),
        "items": np.arange(1, items, dtype=np.int32),
    }
    scorer = ItemToItem(arrays, {"half_life": None}, np.arange(items) > 0)
    requests = toy_requests(random.integers(1, items, (asked, 20)).tolist())
    tracemalloc.start()
    answers = scorer.best(requests, items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * sum(answer.nbytes for answer in answers)


def test_rows_without_a_value_sum_to_nothing() -> None:
    nothing = SparseRows(RaggedBag.of([[], []]), np.zeros(0, np.float32))
    assert not summed_rows(nothing, RaggedBag.of([[0, 1], []]), np.ones(2, np.float32), 3).any()


@given(
    seed=st.integers(0, 999),
    k=st.integers(1, 15),
    lowest=st.sampled_from([-1, 0]),
    histories=item_lists,
    exclude=item_lists,
    within=st.none() | st.sets(st.integers(0, 9)),
)
def test_sums_kept_sparse_give_the_lists_of_all_scores(
    seed: int,
    k: int,
    lowest: int,
    histories: list[list[int]],
    exclude: list[list[int]],
    within: set[int] | None,
) -> None:
    random = np.random.default_rng(seed)
    # Small whole numbers: many sums are equal, and with -1 among them some are 0 or below.
    matrix_II = random.integers(lowest, 3, (10, 10)) * (random.random((10, 10)) < 0.3)
    matrix_II[[0, 7]] = matrix_II[:, [0, 7]] = 0
    arrays = {
        "offsets": np.concatenate([[0], np.cumsum((matrix_II != 0).sum(1))]),
        "columns": np.nonzero(matrix_II)[1].astype(np.int32),
        "weights": matrix_II[matrix_II != 0].astype(np.float32),
        "items": np.array([1, 2, 3, 4, 5, 6, 8, 9], np.int32),
    }
    eligible_I = np.arange(10) != (4 if seed % 3 else 0)
    scorer = ItemToItem(arrays, {"half_life": 2.0 if seed % 2 else None}, eligible_I)
    requests = toy_requests(histories, exclude=exclude)
    if within is not None:
        requests = replace(requests, within_I=np.isin(np.arange(10), list(within)))
    # The lists of all scores, which are those of the naive loop above.
    item_UK, score_UK = BlockScorer.best(scorer, requests, k)

    for few, at_once, most in ((0, 512, 2**17), (2**40, 2, 2**17), (0, 512, 1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_sparse, "_FEW", few)
            patch.setattr(item_to_item, "_REQUESTS", at_once)
            patch.setattr(item_to_item, "_MOST_FOUND", most)
            found_UK, by_UK = scorer.best(requests, k)
        np.testing.assert_array_equal(found_UK, item_UK)
        np.testing.assert_array_equal(by_UK, score_UK)


def test_an_operator_may_be_dense_sparse_or_thin() -> None:
    random = np.random.default_rng(1)
    dense, left, right = random.random((4, 4)), random.random((6, 2)), random.random((6, 2))
    arrays = {
        "dense": dense.astype(np.float32),
        "items": np.array([1, 2, 4, 5], np.int32),
        "left": left.astype(np.float32),
        "right": right.astype(np.float32),
    }
    scorer = ItemToItem(arrays, {"half_life": None}, np.arange(6) > 0)
    found = scorer.scores(toy_requests([[3, 2, 4]]), np.arange(6, dtype=np.int32)[None])

    expected = left[[2, 3, 4]].sum(0) @ right.T
    expected[[1, 2, 4, 5]] += dense[[1, 2]].sum(0)
    # It is not among the items.
    expected[3] = 0
    np.testing.assert_allclose(found[0, 1:], expected[1:], rtol=1e-5)


@pytest.mark.parametrize("form", ["sparse", "dense", "thin"])
def test_alike_is_what_an_item_alone_speaks_for(form: str) -> None:
    random = np.random.default_rng(2)
    matrix_II = (random.integers(-1, 4, (9, 9)) * (random.random((9, 9)) < 0.5)).astype(np.float32)
    # Nothing is known of row 7, and row 8 may not be recommended.
    matrix_II[[0, 7]] = matrix_II[:, [0, 7]] = 0
    items = np.array([1, 2, 3, 4, 5, 6, 8], np.int32)
    nothing = {"offsets": np.zeros(10, np.int64), "columns": np.zeros(0, np.int32), "weights": np.zeros(0, np.float32)}
    arrays = {
        "sparse": {
            "offsets": np.concatenate([[0], np.cumsum((matrix_II != 0).sum(1))]),
            "columns": np.nonzero(matrix_II)[1].astype(np.int32),
            "weights": matrix_II[matrix_II != 0],
        },
        "dense": {"dense": matrix_II[np.ix_(items, items)]},
        "thin": {**nothing, "left": matrix_II, "right": np.eye(9, dtype=np.float32)},
    }[form]
    scorer = ItemToItem({**arrays, "items": items}, {"half_life": 3.0}, np.arange(9) != 8)
    item_UK, score_UK = scorer.similar(np.array([1, 7, 4, 0], np.int32), 4)

    assert scorer.compares
    for asked, found, scores in zip((1, 7, 4, 0), item_UK, score_UK, strict=True):
        speaks = [
            (-matrix_II[asked, item], item) for item in range(1, 8) if item != asked and matrix_II[asked, item] > 0
        ]
        expected = [item for _, item in sorted(speaks)][:4]
        assert found.tolist() == expected + [0] * (4 - len(expected))
        assert scores.tolist() == [float(matrix_II[asked, item]) for item in expected] + [-np.inf] * (4 - len(expected))
