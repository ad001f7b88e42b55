"""The ranking stage: the logit of each candidate beside its request, blended with the standardised retrieval score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.features.pairs import ItemParts, Pairs
from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, FeatureTable, RaggedBag
from shortlist.funnel.columns import Candidates, Requests
from shortlist.funnel.predictions import Predictions
from shortlist.funnel.rank import Rank, standardised
from shortlist.funnel.rank_model import Catalogue, RankModel
from shortlist.schema import Target, TargetKind

Parted: TypeAlias = Pairs[ItemParts]

ITEMS = FeatureTable(np.arange(50, 56, dtype=np.int32)[:, None], np.zeros((6, 0), np.float32))
ID_OF_ITEM = ITEMS.ids_nF[:, 0]
FIRST = Predictions([Target(name="click")])
REQUESTS = Requests(
    user_U=np.array([1, 2], np.int32),
    query=FeatureRows(np.array([[1], [2]], np.int32), np.zeros((2, 0), np.float32)),
    time_U=np.array([40, 40]),
    history=Events(RaggedBag.of([[3, 4, 5], []]), np.array([10, 20, 30])),
    exclude=RaggedBag.of([[], []]),
)


def candidates(score_UK: list[list[float]]) -> Candidates:
    scores = np.array(score_UK, np.float32)
    item_UK = np.where(np.isfinite(scores), [[1, 2, 3]] * len(scores), 0).astype(np.int32)
    return Candidates(item_UK, scores, np.zeros(scores.shape, np.int32), ("two_tower",), {"retrieval": scores})


class Function:
    """What a ranking model is asked for."""

    def __init__(self, model: Callable[[Parted], npt.NDArray[Any]]) -> None:
        self.model = model

    def parts(self, items: FeatureRows) -> ItemParts:
        return ItemParts({"id": items.ids_BF})

    def __call__(self, pairs: Pairs[FeatureRows] | Parted) -> npt.NDArray[Any]:
        items = self.parts(pairs.items) if isinstance(pairs.items, FeatureRows) else pairs.items
        return self.model(Pairs(pairs.requests, items, pairs.request_M))


def ids(pairs: Parted) -> npt.NDArray[np.int32]:
    """Of each row the item's id."""
    id_M: npt.NDArray[np.int32] = pairs.items.arrays["id"].reshape(-1)
    return id_M


def rank(
    model: Callable[[Parted], npt.NDArray[Any]],
    history: int = 0,
    weight: float = 0.0,
    predictions: Predictions = FIRST,
) -> Rank:
    """With a function in the place of the ONNX models, to which an item's part is its id."""
    catalogue = Catalogue(cast("RankModel", Function(model)), ITEMS)
    return Rank(catalogue, ID_OF_ITEM, history, weight, predictions=predictions)


def test_each_request_is_scored_with_each_of_its_candidates() -> None:
    def model(pairs: Parted) -> npt.NDArray[Any]:
        query = pairs.requests.ids_BF[pairs.request_M, 0]
        return np.array(100 * query + ids(pairs), np.float32)[:, None]

    ranked = rank(model)(REQUESTS, candidates([[3, 2, 1], [1, 1, 1]]))

    assert ranked.item_UK.tolist() == [[3, 2, 1], [3, 2, 1]]
    assert ranked.columns["ranking"].tolist() == [[153, 152, 151], [253, 252, 251]]
    assert ranked.score_UK.tolist() == ranked.columns["ranking"].tolist()
    assert ranked.columns["retrieval"].tolist() == [[1, 2, 3], [1, 1, 1]]


def test_the_ranker_sees_the_latest_events_once_a_request() -> None:
    seen: list[Parted] = []

    def model(pairs: Parted) -> npt.NDArray[Any]:
        seen.append(pairs)
        return np.zeros((len(pairs), 1), np.float32)

    rank(model, history=2)(REQUESTS, candidates([[3, 2, 1], [1, 1, 1]]))
    history = seen[0].requests.history

    assert history is not None
    assert history.ids_UL.tolist() == [[54, 55], [0, 0]]
    assert history.of_B.tolist() == [0, 1]
    assert seen[0].request_M.tolist() == [0, 0, 0, 1, 1, 1]


def test_whole_rows_are_requests_of_their_own() -> None:
    """The items' columns are the last ones."""

    def model(pairs: Parted) -> npt.NDArray[Any]:
        assert pairs.request_M.tolist() == [0, 1]
        return np.hstack([pairs.requests.ids_BF, ids(pairs)[:, None]]).astype(np.float32)

    rows = FeatureRows(np.array([[1, 7, 51], [2, 8, 52]], np.int32), np.zeros((2, 0), np.float32))

    assert rank(model).outputs_of_rows(rows).tolist() == rows.ids_BF.tolist()


@pytest.mark.parametrize(("weight", "order"), [(0.0, [3, 2, 1]), (1.0, [2, 1, 3]), (100.0, [1, 2, 3])])
def test_the_weight_blends_logit_and_retrieval(weight: float, order: list[int]) -> None:
    """Logits 0, 1, 1.5; retrieval 5, 4, 0 standardised is 0.926, 0.463, -1.389."""

    def model(pairs: Parted) -> npt.NDArray[Any]:
        return np.array([[0.0], [1.0], [1.5]], np.float32)[ids(pairs) - 51]

    ranked = rank(model, weight=weight)(REQUESTS, candidates([[5, 4, 0], [5, 4, 0]]))

    assert ranked.item_UK[0].tolist() == order
    if weight == 1:
        assert ranked.score_UK[0].tolist() == pytest.approx([1.463, 0.926, 0.111], abs=1e-3)


def three_targets(pairs: Parted) -> npt.NDArray[Any]:
    """A click's logit, a price and the logits of two classes, for the items 1, 2 and 3."""
    outputs = [[2.0, 1.0, 0.0, 1.0], [0.0, 3.0, 1.0, 0.0], [-2.0, 4.0, 0.0, 9.0]]
    return np.array(outputs, np.float32)[ids(pairs) - 51]


TARGETS = (
    Target(name="click"),
    Target(name="price", kind=TargetKind.REGRESSION),
    Target(name="kind", kind=TargetKind.MULTICLASS, classes=("a", "b")),
)


def test_candidates_carry_what_is_predicted_of_every_target() -> None:
    ranked = rank(three_targets, predictions=Predictions(TARGETS))(REQUESTS, candidates([[1, 2, 3], [1, 2, 3]]))

    assert ranked.item_UK[0].tolist() == [1, 2, 3]
    assert ranked.columns["ranking"][0].tolist() == [2, 0, -2]
    assert ranked.columns["target.click"][0].tolist() == pytest.approx([0.880797, 0.5, 0.119203])
    assert ranked.columns["target.price"][0].tolist() == [1, 3, 4]
    assert ranked.columns["target.kind"][0].tolist() == [1, 0, 1]


@pytest.mark.parametrize(("weight", "order"), [(0.0, [2, 1, 3]), (2.0, [3, 2, 1])])
def test_an_expression_is_standardised_before_it_is_blended(weight: float, order: list[int]) -> None:
    """The expected price is 0.881, 1.5, 0.477: standardised -0.170, 1.301, -1.131. Retrieval is -1.225, 0, 1.225."""
    by_price = Predictions(TARGETS, score="click * price")
    ranked = rank(three_targets, weight=weight, predictions=by_price)(REQUESTS, candidates([[1, 2, 3], [1, 2, 3]]))

    standardised_K = {1: -0.170 - 1.225 * weight, 2: 1.301, 3: -1.131 + 1.225 * weight}
    assert ranked.item_UK[0].tolist() == order
    assert ranked.score_UK[0].tolist() == pytest.approx([standardised_K[item] for item in order], abs=2e-3)
    scores = {1: 0.880797, 2: 1.5, 3: 0.476812}
    assert ranked.columns["ranking"][0].tolist() == pytest.approx([scores[item] for item in order])


def test_scores_are_standardised_over_valid_candidates() -> None:
    """Mean 4 and deviation sqrt(8/3) of 2, 4, 6."""
    score_UK = np.array([[2, 4, 6, -np.inf], [-np.inf] * 4, [7, -np.inf, 7, 7]], np.float32)
    found_UK = standardised(score_UK, np.isfinite(score_UK))
    one = 2 / np.sqrt(8 / 3)

    assert found_UK.dtype == np.float32
    assert found_UK.tolist() == [pytest.approx([-one, 0, one, 0]), [0.0] * 4, [0.0] * 4]


@pytest.mark.parametrize("score", [0.1, 1 / 3, -7.77, 1e6 + 0.1])
def test_equal_scores_say_nothing(score: float) -> None:
    """A rounding of their mean must not be taken for a deviation."""
    score_UK = np.full((1, 7), score, np.float32)

    assert standardised(score_UK, np.ones((1, 7), bool)).tolist() == [pytest.approx([0] * 7, abs=1e-3)]
