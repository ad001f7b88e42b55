"""Items like a given one: by the bundle's own vectors, and plain answers to what cannot be asked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.bundle.similar import comparing, similar
from shortlist.core.errors import RequestError
from shortlist.funnel.scorers.counts import Counts
from shortlist.funnel.scorers.factors import Factors
from shortlist.funnel.scorers.item_to_item import ItemToItem
from shortlist.funnel.sources.fitted import FittedSource
from shortlist.funnel.sources.towers import TowerSource


def test_is_by_cosine_and_never_the_item_itself(shop: Recommender) -> None:
    (source,) = shop.sources
    assert isinstance(source, TowerSource)
    good = "tea"
    (answers,) = shop.similar([good], 3)

    rows = shop.bundle.item_rows(pa.array([good, *(answer.item_id for answer in answers)]))
    vector_MD = source.vectors_ID[rows] / np.linalg.norm(source.vectors_ID[rows], axis=1, keepdims=True)
    cosine_I = (source.vectors_ID @ vector_MD[0]) / np.maximum(np.linalg.norm(source.vectors_ID, axis=1), 1e-12)
    others = [row for row in range(1, len(cosine_I)) if row != rows[0]]
    assert [answer.score for answer in answers] == pytest.approx(sorted(cosine_I[others])[::-1][:3], abs=1e-5)
    assert good not in [answer.item_id for answer in answers]
    assert [len(found) for found in shop.similar(["tea", "mug"], 1000)] == [len(shop.bundle.items) - 2] * 2
    assert shop.similar([]) == []


def test_a_new_item_has_similar_ones_too(shop: Recommender) -> None:
    twin = {"good": ["mug 2"], "name": ["A second mug"], "kind": ["pots"], "price": [6.0], "tags": [["gift"]]}

    assert shop.with_items(twin).similar(["mug 2"], 1)[0][0].item_id == "mug"


def test_is_by_the_factors_of_a_fitted_model_where_there_is_no_tower(shop: Recommender) -> None:
    items = len(shop.bundle.items)
    factors_ID = np.random.default_rng(0).standard_normal((items, 4)).astype(np.float32)
    tea, mug = shop.bundle.item_rows(pa.array(["tea", "mug"]))
    factors_ID[mug] = 3 * factors_ID[tea]
    arrays = {"factors": factors_ID, "gram": np.eye(4, dtype=np.float32)}
    als = FittedSource("als", Factors(arrays, {"alpha": 1.0}, shop.bundle.eligible_I), items)
    counts = FittedSource(
        "popularity", Counts({"shares": np.ones((1, items), np.float32)}, {}, shop.bundle.eligible_I), items
    )

    found = similar(shop.bundle, (counts, als), ["tea"], 2)
    assert found.sources == ("als",)
    assert found.item_UK[0, 0] == mug
    assert found.score_UK[0, 0] == pytest.approx(1)
    assert comparing((als, *shop.sources)) is shop.sources[0], "a tower knows new items too"


def test_is_by_its_neighbours_where_there_are_no_vectors(shop: Recommender) -> None:
    items = len(shop.bundle.items)
    tea, mug = shop.bundle.item_rows(pa.array(["tea", "mug"]))
    arrays = {
        "offsets": (np.arange(items + 1) > tea).astype(np.int64),
        "columns": np.array([mug], np.int32),
        "weights": np.array([0.5], np.float32),
        "items": np.array(sorted([tea, mug]), np.int32),
    }
    knn = FittedSource("item_knn", ItemToItem(arrays, {"half_life": None}, shop.bundle.eligible_I), items)
    told = similar(shop.bundle, (shop.popularity, knn), ["tea", "mug"], 3)

    assert told.sources == ("item_knn",)
    assert told.item_UK.tolist() == [[mug, 0, 0], [0, 0, 0]], "what is like nothing is not told the most popular"
    assert told.score_UK[0, 0] == 0.5


def test_what_cannot_be_asked_is_said(shop: Recommender) -> None:
    with pytest.raises(RequestError, match="1 of 2 items are not known to this bundle: 'nothing'"):
        shop.similar(["tea", "nothing"])
    with pytest.raises(RequestError, match="k: expected an integer of at least 1"):
        shop.similar(["tea"], 0)
    with pytest.raises(RequestError, match=r"`items`: expected a list of ids, such as \['tea'\], found the text 'tea'"):
        shop.similar("tea")
    with pytest.raises(RequestError, match="no source of this bundle can tell which items are alike"):
        similar(shop.bundle, (shop.popularity,), ["tea"], 3)
