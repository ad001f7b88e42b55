"""Models that are fitted in one go, by their formulas on a log small enough to write out.

Legend: U users, I item rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.core.errors import DataError, RecipeError
from shortlist.features.past import Events
from shortlist.features.rows import FeatureTable, Floats, RaggedBag
from shortlist.funnel.sources.folder import SCORERS
from shortlist.models import matrix as shared
from shortlist.models.base import Fitted, Interactions
from shortlist.models.catalogue import matrix_model
from shortlist.models.strongest import strongest
from shortlist.recipe.training import Model
from shortlist.schema import Column, Inputs, Kind, Side
from shortlist.testing.contract_matrix import toy_requests

LISTS = [[], [1, 2, 3], [1, 2], [1, 4, 1], [2, 3, 5], [1, 2, 3, 4, 5], [5]]
ITEMS = 7
"""Rows: no item, five items, and one that nobody had."""
DAY = 86_400


def log(times: list[int] | None = None, weights: list[float] | None = None) -> Interactions:
    bag = RaggedBag.of(LISTS)
    gender = Column(name="user.gender", side=Side.USER, kind=Kind.FIELD, size=3, offset=0)
    ids_nF = np.array([[0], [1], [1], [2], [2], [2], [1]], np.int32)
    return Interactions(
        events=Events(bag, np.array(times if times is not None else [0] * len(bag.values), np.int64)),
        weights=None if weights is None else np.array(weights, np.float32),
        users=FeatureTable(ids_nF, np.zeros((7, 0), np.float32)),
        user_inputs=Inputs(fields=(gender,)),
        items=ITEMS,
        now=max(times) if times else 0,
    )


def matrix() -> npt.NDArray[np.float64]:
    matrix_UI = np.zeros((len(LISTS), ITEMS))
    for user, items in enumerate(LISTS):
        matrix_UI[user, items] = 1
    return matrix_UI


def fit(name: str, on: Interactions | None = None, seed: int = 0, **settings: Any) -> Fitted:
    return matrix_model(Model.model_validate({"name": name, **settings})).fit(on or log(), threads=1, seed=seed)


def scores(fitted: Fitted, history: list[int], user: int = 0) -> Floats:
    scorer = SCORERS[fitted.scorer](fitted.arrays, fitted.settings, np.arange(ITEMS) > 0)
    found: Floats = scorer.scores(toy_requests([history], [user]), np.arange(ITEMS, dtype=np.int32)[None])
    first: Floats = found[0]
    return first


def operator(fitted: Fitted) -> Floats:
    """Row i: what a history of item i alone gives all items."""
    return np.stack([scores(fitted, [item]) for item in range(ITEMS)])


@pytest.mark.parametrize("dense", [0.0, 2.0])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shrinkage": 3.0},
        {"asymmetry": 0.2},
        {"similarity": "normalised", "asymmetry": 0.6},
        {"similarity": "jaccard"},
        {"similarity": "jaccard", "shrinkage": 1.0},
        {"similarity": "tfidf"},
        {"similarity": "bm25", "k1": 1.5, "b": 0.6},
    ],
    ids=str,
)
def test_item_similarities_are_those_of_the_formulas(
    settings: dict[str, Any], dense: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_DENSE", dense)
    x_UI = matrix()
    count_I, count_U = x_UI.sum(0), x_UI.sum(1)
    kind, shrinkage = settings.get("similarity", "cosine"), settings.get("shrinkage", 0.0)
    if kind in {"tfidf", "bm25"}:
        # Documents are the five items that somebody had, and terms their users.
        x_UI = x_UI * np.maximum(np.log(5) - np.log1p(count_U), 0)[:, None]
    if kind == "normalised":
        x_UI = x_UI / np.sqrt(np.maximum(count_U, 1))[:, None]
    if kind == "bm25":
        x_UI *= 2.5 / (1.5 * (0.4 + 0.6 * count_I / count_I[1:6].mean()) + 1)
    expected_II = np.zeros((ITEMS, ITEMS))
    for i in range(1, 6):
        for j in range(1, 6):
            both, of_i, of_j = x_UI[:, i] @ x_UI[:, j], x_UI[:, i] @ x_UI[:, i], x_UI[:, j] @ x_UI[:, j]
            share = settings.get("asymmetry", 0.5)
            scale = {"jaccard": of_i + of_j - both, "bm25": 1.0}.get(kind, of_i**share * of_j ** (1 - share))
            expected_II[i, j] = both / (scale + shrinkage) if i != j and both else 0

    np.testing.assert_allclose(operator(fit("item_knn", **settings)), expected_II, rtol=1e-5, atol=1e-7)


def many(lists: list[list[int]]) -> Interactions:
    """The log of users who had these items; others have nothing."""
    events = Events(RaggedBag.of(lists), np.zeros(sum(map(len, lists)), np.int64))
    nothing = FeatureTable(np.zeros((len(lists), 0), np.int32), np.zeros((len(lists), 0), np.float32))
    return Interactions(events, None, nothing, Inputs(), ITEMS, 0)


def test_items_of_the_same_many_users_are_wholly_alike() -> None:
    # Added up in single precision, 200,000 shares of it would be 1.001.
    fitted = fit("item_knn", many([[], *([[1, 2]] * 200_000), [3]]))
    np.testing.assert_allclose(operator(fitted)[1, 2], 1, rtol=1e-6)


def test_ease_adds_up_what_many_users_count_in_double_precision() -> None:
    random = np.random.default_rng(0)
    lists = [sorted(random.permutation(5)[: random.integers(1, 5)] + 1) for _ in range(60_000)]
    x_UI = np.zeros((len(lists), ITEMS))
    for user, items in enumerate(lists):
        x_UI[user, items] = 1
    count_U = x_UI.sum(1)
    weight_U = count_U**-0.5 * count_U.sum() / (count_U**0.5).sum()
    inverse_II = np.linalg.inv((weight_U[:, None] * x_UI[:, 1:6]).T @ x_UI[:, 1:6] + 0.5 * np.eye(5))
    expected_II = -inverse_II / inverse_II.diagonal()
    np.fill_diagonal(expected_II, 0)

    found = operator(fit("ease", many(lists), l2=0.5, user_exponent=0.5))
    # Added up in single precision, they differ by 3e-6.
    np.testing.assert_allclose(found[1:6, 1:6], expected_II, rtol=0, atol=5e-7)


def test_only_the_nearest_items_are_kept() -> None:
    everything, nearest = operator(fit("item_knn")), operator(fit("item_knn", neighbours=2))

    for row, kept in zip(everything[1:6], nearest[1:6], strict=True):
        assert np.count_nonzero(kept) == 2
        assert sorted(kept[kept > 0]) == sorted(row)[-2:]


def test_of_equal_weights_the_lower_rows_are_kept() -> None:
    block = np.array([[0.5, 0.5, 0.0, 0.5, 1.0, -0.5], [0, 0, 0, 0, 0, 0]], np.float32)

    assert strongest(block, 3).toarray().tolist() == [[0.5, 0.5, 0, 0, 1, 0], [0] * 6]
    assert strongest(block, 2, first=4).toarray()[0].tolist() == [0.5, 0.5, 0, 0, 0, 0]
    assert strongest(block, 9).toarray()[0].tolist() == block[0].tolist()


def test_an_event_counts_half_after_its_half_life() -> None:
    whole, halved = fit("item_knn"), fit("item_knn", half_life=2.0)
    of_each = operator(whole)

    np.testing.assert_allclose(scores(whole, [1, 4, 2]), of_each[1] + of_each[4] + of_each[2], rtol=1e-6)
    expected = 0.5 * of_each[1] + 0.5**0.5 * of_each[4] + of_each[2]
    np.testing.assert_allclose(scores(halved, [1, 4, 2]), expected, rtol=1e-6)
    # The latest of an item's events counts.
    np.testing.assert_allclose(scores(halved, [2, 1, 4, 2]), expected, rtol=1e-6)


def test_a_saturated_similarity_cannot_be_shrunk() -> None:
    for name in ("item_knn", "user_knn"):
        with pytest.raises(RecipeError, match="nothing to shrink"):
            fit(name, similarity="bm25", shrinkage=1.0)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("item_knn", {"k1": 1.5}, "only bm25 reads k1: leave it out"),
        ("item_knn", {"similarity": "bm25", "asymmetry": 0.5}, "asymmetry is for cosines, and similarity is bm25"),
        (
            "item_knn",
            {"similarity": "jaccard", "asymmetry": 0.3},
            "cosines, and similarity is jaccard",
        ),
        ("user_knn", {"similarity": "tfidf", "k1": 1.5, "b": 0.5}, "only bm25 reads b and k1: leave it out"),
    ],
)
def test_settings_that_a_similarity_does_not_read_are_refused(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        fit(name, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shrinkage": 2.0},
        {"similarity": "jaccard"},
        {"similarity": "tfidf"},
        {"similarity": "bm25"},
        {"neighbours": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("user", [0, 5])
def test_user_neighbours_are_those_of_the_formulas(settings: dict[str, Any], user: int) -> None:
    x_UI, history = matrix(), [2, 3]
    count_I, count_U = x_UI.sum(0), x_UI.sum(1)
    kind, shrinkage = settings.get("similarity", "cosine"), settings.get("shrinkage", 0.0)
    weight_I = np.ones(ITEMS)
    if kind in {"tfidf", "bm25"}:
        weight_I = np.maximum(np.log(6) - np.log1p(count_I), 0)
    asking_I = np.isin(np.arange(ITEMS), history) * weight_I
    near = []
    for other in range(1, len(LISTS)):
        of_other_I = x_UI[other] * weight_I
        both = asking_I @ of_other_I
        scale = np.sqrt(asking_I @ asking_I) * np.sqrt(of_other_I @ of_other_I)
        if kind == "jaccard":
            scale = asking_I @ asking_I + of_other_I @ of_other_I - both
        if kind == "bm25":
            scale = (1.2 * (0.25 + 0.75 * count_U[other] / count_U[1:].mean()) + 1) / 2.2
        if other != user and both:
            near.append((both / (scale + shrinkage), -other))
    expected_I = np.zeros(ITEMS)
    for similarity, other in sorted(near, reverse=True)[: settings.get("neighbours", 200)]:
        expected_I += similarity * x_UI[-other]

    np.testing.assert_allclose(scores(fit("user_knn", **settings), history, user), expected_I, rtol=1e-5)


@pytest.mark.parametrize(("max_items", "fitted"), [(None, [1, 2, 3, 4, 5]), (3, [1, 2, 3])])
@pytest.mark.parametrize("keep", [None, 99])
@pytest.mark.parametrize("exponents", [(0.0, 0.0), (0.7, 0.0), (0.0, 1.0), (0.4, 0.5)])
def test_ease_is_each_items_regression_on_the_others(
    max_items: int | None, fitted: list[int], keep: int | None, exponents: tuple[float, float]
) -> None:
    x_UI = matrix()
    count_U = x_UI.sum(1)
    x_UI[:, [item for item in range(ITEMS) if item not in fitted]] = 0
    weight_U = np.where(count_U > 0, np.maximum(count_U, 1) ** -exponents[0], 0)
    weight_U *= x_UI.sum() / (weight_U[:, None] * x_UI).sum()
    users_I = weight_U @ x_UI
    penalty_I = 0.5 * (users_I / users_I[fitted].mean()) ** exponents[1]
    expected_II = np.zeros((ITEMS, ITEMS))
    for target in fitted:
        others = [item for item in fitted if item != target]
        weighted = weight_U[:, None] * x_UI[:, others]
        gram = weighted.T @ x_UI[:, others] + np.diag(penalty_I[others])
        expected_II[others, target] = np.linalg.solve(gram, weighted.T @ x_UI[:, target])

    by_user, by_item = exponents
    fitted_ease = fit("ease", l2=0.5, user_exponent=by_user, penalty_exponent=by_item, max_items=max_items, keep=keep)
    found = operator(fitted_ease)
    np.testing.assert_allclose(found[:, fitted], expected_II[:, fitted], rtol=1e-4, atol=1e-6)


def test_ease_keeps_the_weights_of_largest_size() -> None:
    everything, kept = operator(fit("ease", l2=0.5)), operator(fit("ease", l2=0.5, keep=2))

    for row, largest in zip(everything[1:6, 1:6], kept[1:6, 1:6], strict=True):
        np.testing.assert_allclose(sorted(np.abs(row))[-2:], sorted(np.abs(largest))[-2:], rtol=1e-5)
        assert np.count_nonzero(largest) == 2


@pytest.mark.parametrize("rank", [0, 2, 99])
@pytest.mark.parametrize("sharpening", [0.0, 1.2])
@pytest.mark.parametrize("keep", [0, 99])
def test_graph_filters_are_those_of_the_papers(rank: int, sharpening: float, keep: int) -> None:
    x_UI = matrix()
    with np.errstate(divide="ignore"):
        user_U, item_I = (np.where(n > 0, n**-0.5, 0) for n in (x_UI.sum(1), x_UI.sum(0)))
    normal_UI = user_U[:, None] * x_UI * item_I
    graph_II = normal_UI.T @ normal_UI
    vectors_RI = np.linalg.svd(normal_UI)[2][: min(rank, 5)]
    root_I = np.where(item_I > 0, 1 / np.where(item_I > 0, item_I, 1), 0)
    expected_II = graph_II + 0.3 * item_I[:, None] * (vectors_RI.T @ vectors_RI) * root_I
    # Of dx/dt = -x G one step of Runge and Kutta's method, of order 4.
    state = expected_II
    k1 = -state @ graph_II
    k2 = -(state + sharpening / 2 * k1) @ graph_II
    k3 = -(state + sharpening / 2 * k2) @ graph_II
    k4 = -(state + sharpening * k3) @ graph_II
    expected_II = state + sharpening / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    found = operator(fit("graph_filter", rank=rank, sharpening=sharpening, keep=keep))
    np.testing.assert_allclose(found[:, 1:6], expected_II[:, 1:6], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("alpha", [1.0, 7.0])
def test_als_solves_for_the_request_as_the_fit_does_for_a_user(alpha: float) -> None:
    fitted = fit("als", dim=3, iterations=4, alpha=alpha, regularization=0.2)
    y_ID = fitted.arrays["factors"].astype(np.float64)
    confidence_I = np.where(np.isin(np.arange(ITEMS), [1, 4]), alpha, 1.0)
    wanted_I = np.isin(np.arange(ITEMS), [1, 4]).astype(float)
    left = y_ID.T @ (confidence_I[:, None] * y_ID) + 0.2 * np.eye(3)
    x_D = np.linalg.solve(left, y_ID.T @ (confidence_I * wanted_I))

    np.testing.assert_allclose(scores(fitted, [4, 1]), y_ID @ x_D, rtol=1e-3, atol=1e-5)
    assert scores(fitted, [4, 1])[[1, 4]].min() > scores(fitted, [4, 1])[5]


def test_als_begins_with_the_factors_of_the_seed() -> None:
    first, again, other = (fit("als", seed=seed, dim=3, iterations=1).arrays["factors"] for seed in (5, 5, 6))

    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_popularity_is_the_share_of_events() -> None:
    weights = [1.0] * 16 + [4.0]
    expected = np.array([0, 5, 4, 3, 2, 3, 0]) / 17

    np.testing.assert_allclose(scores(fit("popularity"), []), expected, rtol=1e-6)
    np.testing.assert_allclose(scores(fit("popularity", log(weights=weights)), [])[5], 6 / 20, rtol=1e-6)


def test_a_window_counts_the_last_days_alone() -> None:
    times = [0] * 15 + [9 * DAY, 10 * DAY]

    assert scores(fit("popularity", log(times), window=2.0), []).tolist() == [0, 0, 0, 0, 0, 1, 0]
    with pytest.raises(DataError, match="window = 2 days needs events of different times"):
        fit("popularity", window=2.0)


def test_a_segment_counts_its_own_and_is_drawn_to_the_overall_shares() -> None:
    own = fit("popularity", segment="gender", smoothing=0.0).arrays["shares"]
    drawn = fit("popularity", segment="gender", smoothing=6.0).arrays["shares"]
    overall = np.array([0, 5, 4, 3, 2, 3, 0]) / 17

    np.testing.assert_allclose(own[0], overall, rtol=1e-6)
    np.testing.assert_allclose(own[1], np.array([0, 2, 2, 1, 0, 1, 0]) / 6, rtol=1e-6)
    np.testing.assert_allclose(drawn[1], (np.array([0, 2, 2, 1, 0, 1, 0]) / 6 + overall) / 2, rtol=1e-6)


def test_shares_are_the_same_however_little_all_events_weigh() -> None:
    little = fit("popularity", log(weights=[0.01] * 17), segment="gender", smoothing=0.06).arrays["shares"]

    np.testing.assert_allclose(little, fit("popularity", segment="gender", smoothing=6.0).arrays["shares"], rtol=1e-5)
