"""Every approximate index against a sort of all products: with all its effort it must find the same."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from shortlist.features.rows import Floats, RaggedBag
from shortlist.index import approximate
from shortlist.index.approximate import Approximate, Effort
from shortlist.index.base import Bools, Index
from shortlist.index.exact import ExactIndex
from shortlist.index.folder import open_index, save_index
from shortlist.index.graph import GraphIndex
from shortlist.index.lance import LanceIndex
from shortlist.index.lists import ListIndex

DIM = 8
ITEMS = 600


class Build(Protocol):
    """Builds one index in the test's folder."""

    def __call__(self, vectors_ID: Floats, eligible_I: Bools | None = None) -> Index: ...


def of_lists(vectors_ID: Floats, eligible_I: Bools | None, _: Path) -> Index:
    return ListIndex.build(vectors_ID, eligible_I, seed=0, threads=1)


def of_graph(vectors_ID: Floats, eligible_I: Bools | None, _: Path) -> Index:
    return GraphIndex.build(vectors_ID, eligible_I, threads=1)


def of_table(vectors_ID: Floats, eligible_I: Bools | None, folder: Path) -> Index:
    return LanceIndex.build(vectors_ID, eligible_I, folder)


def of_all(vectors_ID: Floats, eligible_I: Bools | None, _: Path) -> Index:
    return ExactIndex(vectors_ID, eligible_I)


# LanceDB takes seconds to import.
@pytest.fixture(params=[of_all, of_lists, of_graph, pytest.param(of_table, marks=pytest.mark.slow)])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Build:
    """Builds one index in the test's folder."""
    pytest.importorskip("lancedb" if request.param is of_table else "faiss")

    def built(vectors_ID: Floats, eligible_I: Bools | None = None) -> Index:
        index: Index = request.param(vectors_ID, eligible_I, tmp_path)
        return index

    return built


def vectors(rows: int, seed: int = 0) -> Floats:
    """Of lengths that differ by an order of magnitude."""
    random = np.random.default_rng(seed)
    found = random.standard_normal((rows, DIM)) * np.exp(random.standard_normal((rows, 1)) / 2)
    return found.astype(np.float32)


def check(
    index: Index,
    vectors_ID: Floats,
    query_UD: Floats,
    k: int,
    may: Callable[[int], Bools],
    **limits: Any,
) -> None:
    """`may` says which rows each query may find; the naive way sorts all products, the lower row first of equals."""
    item_UK, score_UK = index.search(query_UD, k, **limits)

    assert item_UK.shape == score_UK.shape == (len(query_UD), k)
    for u, query_D in enumerate(query_UD):
        product_I = (vectors_ID @ query_D).astype(np.float32)
        row_M = np.flatnonzero(may(u))
        expected = row_M[np.argsort(-product_I[row_M], kind="stable")][:k]
        missing = k - len(expected)
        np.testing.assert_allclose(score_UK[u, : len(expected)], product_I[expected], rtol=1e-4, atol=1e-5)
        assert item_UK[u, len(expected) :].tolist() == [0] * missing
        assert np.isneginf(score_UK[u, len(expected) :]).all()
        assert len(np.unique(item_UK[u, : len(expected)])) == len(expected)
        assert may(u)[item_UK[u, : len(expected)]].all()


def everything(rows: int) -> Bools:
    return np.arange(rows) > 0


def test_finds_what_a_sort_of_everything_finds(build: Build) -> None:
    vectors_ID = vectors(ITEMS)

    check(build(vectors_ID), vectors_ID, vectors(5, 1), 20, lambda _: everything(ITEMS))


def test_leaves_out_what_is_excluded_or_not_eligible(build: Build) -> None:
    vectors_ID, query_UD = vectors(ITEMS), vectors(4, 1)
    eligible_I = np.arange(ITEMS) % 3 > 0
    best_U = [np.argsort(-(vectors_ID @ query_D)) for query_D in query_UD]
    excluded = [best_I[:count] for best_I, count in zip(best_U, (0, 7, 150, 1), strict=True)]

    def may(u: int) -> Bools:
        return eligible_I & ~np.isin(np.arange(ITEMS), excluded[u])

    check(build(vectors_ID, eligible_I), vectors_ID, query_UD, 20, may, exclude=RaggedBag.of(excluded))


@pytest.mark.parametrize("few", [0, 2**14])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_filter_leaves_exactly_k(build: Build, share: float, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "FEW", few)
    vectors_ID, query_UD = vectors(ITEMS), vectors(3, 1)
    random = np.random.default_rng(2)
    allowed = [random.choice(np.arange(1, ITEMS), int(share * ITEMS), replace=False) for _ in query_UD]
    excluded = [allowed[0][:1], allowed[1][:0], allowed[2][-1:]]

    def may(u: int) -> Bools:
        return np.isin(np.arange(ITEMS), allowed[u]) & ~np.isin(np.arange(ITEMS), excluded[u])

    bags = {"exclude": RaggedBag.of(excluded), "allowed": RaggedBag.of(allowed)}
    check(build(vectors_ID), vectors_ID, query_UD, 5, may, **bags)


@pytest.mark.parametrize("few", [0, 2**14])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 1.0])
def test_a_mask_for_all_leaves_exactly_k(build: Build, share: float, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "FEW", few)
    vectors_ID, query_UD = vectors(ITEMS), vectors(3, 1)
    random = np.random.default_rng(2)
    within_I = random.random(ITEMS) < share
    eligible_I = np.arange(ITEMS) % 7 > 0
    kept = np.flatnonzero(within_I & eligible_I)
    excluded = [kept[:1], kept[:0], np.array([1, 2, 3])]
    allowed = [random.choice(np.arange(1, ITEMS), ITEMS // 2, replace=False) for _ in query_UD]

    def may(u: int) -> Bools:
        return within_I & eligible_I & ~np.isin(np.arange(ITEMS), excluded[u])

    index = build(vectors_ID, eligible_I)
    check(index, vectors_ID, query_UD, 5, may, exclude=RaggedBag.of(excluded), within_I=within_I)
    limits = {"exclude": RaggedBag.of(excluded), "allowed": RaggedBag.of(allowed), "within_I": within_I}
    check(index, vectors_ID, query_UD, 5, lambda u: may(u) & np.isin(np.arange(ITEMS), allowed[u]), **limits)
    check(index, vectors_ID, query_UD, 5, lambda _: within_I & eligible_I, within_I=within_I)


def test_a_filter_that_the_nearest_are_not_in_leaves_exactly_k(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "FEW", 0)
    vectors_ID, query_UD = vectors(ITEMS), vectors(1, 1)
    index = build(vectors_ID)
    if isinstance(index, Approximate):
        index.effort = Effort({1: 1}, index.effort.most)
    worst = np.argsort(vectors_ID @ query_UD[0])[: ITEMS // 2]
    worst = worst[worst > 0]

    check(index, vectors_ID, query_UD, 30, lambda _: np.isin(np.arange(ITEMS), worst), allowed=RaggedBag.of([worst]))


def test_a_filter_that_leaves_nothing_finds_nothing(build: Build) -> None:
    item_UK, score_UK = build(vectors(ITEMS)).search(vectors(2, 1), 3, allowed=RaggedBag.of([[], [0]]))

    assert item_UK.tolist() == [[0, 0, 0]] * 2
    assert np.isneginf(score_UK).all()


def test_more_are_asked_for_than_there_are(build: Build) -> None:
    vectors_ID = vectors(30)

    check(build(vectors_ID), vectors_ID, vectors(2, 1), 50, lambda _: everything(30))


def test_little_effort_still_finds_k(build: Build) -> None:
    index = build(vectors(ITEMS))
    if isinstance(index, Approximate):
        index.effort = Effort({1: 1}, index.effort.most)
    item_UK, _ = index.search(vectors(3, 1), 400)

    assert (item_UK > 0).all()


def test_an_answer_is_the_same_whoever_else_asks(build: Build) -> None:
    """Alone, among others, and with a query that leaves out half of the catalogue and must look far for that."""
    index, query_UD, random = build(vectors(ITEMS)), vectors(40, 1), np.random.default_rng(2)
    if isinstance(index, Approximate):
        index.effort = Effort({10: 1, 500: index.effort.most}, index.effort.most)
    excluded = [random.choice(np.arange(1, ITEMS), u % 3, replace=False) for u in range(39)] + [np.arange(1, 301)]
    together, _ = index.search(query_UD, 10, RaggedBag.of(excluded))
    others, _ = index.search(query_UD[:39], 10, RaggedBag.of(excluded[:39]))
    alone = [index.search(query_UD[u : u + 1], 10, RaggedBag.of(excluded[u : u + 1]))[0][0] for u in range(40)]

    assert others.tolist() == together[:39].tolist()
    assert np.stack(alone).tolist() == together.tolist()


def test_effort_falls_no_further_than_where_it_was_measured() -> None:
    effort = Effort({100: 12, 1000: 30}, 64)

    assert [effort.of(depth) for depth in (1, 10, 100, 1000, 10**5)] == [12, 12, 12, 30, 64]
    assert 12 < effort.of(128) <= 14


def test_a_catalogue_of_one_item(build: Build) -> None:
    vectors_ID = vectors(2)

    check(build(vectors_ID), vectors_ID, vectors(2, 1), 3, lambda _: everything(2))


def test_none_is_eligible(build: Build) -> None:
    index = build(vectors(20), np.zeros(20, bool))

    assert index.search(vectors(2, 1), 3)[0].tolist() == [[0, 0, 0]] * 2
    index.put(np.array([4], np.int32), vectors(1))
    assert index.search(vectors(2, 1), 3)[0].tolist() == [[4, 0, 0]] * 2


def test_equal_vectors_and_empty_ones_are_all_found(build: Build) -> None:
    vectors_ID = np.zeros((200, DIM), np.float32)
    vectors_ID[1:50] = 1
    vectors_ID[50:100] = vectors(50, 3)
    item_UK, _ = build(vectors_ID).search(vectors(2, 1), 199)

    assert [sorted(items) for items in item_UK.tolist()] == [list(range(1, 200))] * 2
    check(ExactIndex(vectors_ID), vectors_ID, np.zeros((1, DIM), np.float32), 10, lambda _: everything(200))


def test_of_equal_scores_the_lower_row_comes_first(build: Build) -> None:
    vectors_ID = np.tile(np.eye(DIM, dtype=np.float32), (5, 1))
    item_UK, _ = build(vectors_ID).search(vectors_ID[1:2] * 2, 5)

    assert item_UK[0, :5].tolist() == [1, 1 + DIM, 1 + 2 * DIM, 1 + 3 * DIM, 1 + 4 * DIM]


def changed(index: Index, vectors_ID: Floats) -> tuple[Floats, Bools]:
    """Add two items, one of them longer than any, change two, remove three, bring one of these back."""
    rows = np.array([ITEMS, ITEMS + 3, 5, 6], np.int32)
    new_MD = vectors(4, 9)
    new_MD[0] *= 50
    index.put(rows, new_MD)
    index.remove(np.array([6, 7, 8], np.int32))
    index.put(np.array([8], np.int32), -vectors_ID[8:9])
    after_ID = np.concatenate([vectors_ID, np.zeros((4, DIM), np.float32)])
    after_ID[rows] = new_MD
    after_ID[8] *= -1
    return after_ID, (np.arange(ITEMS + 4) > 0) & ~np.isin(np.arange(ITEMS + 4), [6, 7, ITEMS + 1, ITEMS + 2])


def test_items_come_change_and_go(build: Build) -> None:
    vectors_ID, query_UD = vectors(ITEMS), vectors(4, 1)
    index = build(vectors_ID)
    after_ID, may_I = changed(index, vectors_ID)

    check(index, after_ID, query_UD, 20, lambda _: may_I)
    check(index, after_ID, query_UD, ITEMS, lambda _: may_I)
    assert index.eligible_I.tolist() == may_I.tolist()


def test_row_0_can_not_be_put(build: Build) -> None:
    with pytest.raises(ValueError, match="row 0 stands for no item"):
        build(vectors(30)).put(np.zeros(1, np.int32), vectors(1))


def test_opens_as_it_was_saved_and_changes_then(build: Build, tmp_path: Path) -> None:
    vectors_ID, query_UD = vectors(ITEMS), vectors(4, 1)
    index = build(vectors_ID, np.arange(ITEMS) != 9)
    if isinstance(index, Approximate):
        index.effort = Effort({100: 1, 1000: 2}, index.effort.most)
    save_index(index, tmp_path)
    opened = open_index(tmp_path, vectors_ID, index.eligible_I)

    assert type(opened) is type(index)
    for before, after in zip(index.search(query_UD, 20), opened.search(query_UD, 20), strict=True):
        np.testing.assert_array_equal(before, after)
    if isinstance(opened, Approximate) and isinstance(index, Approximate):
        assert opened.effort == index.effort
        opened.effort = Effort({1: opened.effort.most}, opened.effort.most)
    after_ID, may_I = changed(opened, vectors_ID)
    may_I[9] = False
    check(opened, after_ID, query_UD, 20, lambda _: may_I)


def test_several_threads_search_at_once(build: Build) -> None:
    vectors_ID, query_UD = vectors(ITEMS), vectors(40, 1)
    index = build(vectors_ID)

    def search(u: int) -> list[int]:
        found: list[int] = index.search(query_UD[u : u + 1], 10 + u)[0][0].tolist()
        return found

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(search, range(len(query_UD))))

    assert all(found == search(u) for u, found in enumerate(together))
