"""New items of a bundle: encoded like those that were there from the start, and known wherever items are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import BundleError, RequestError
from shortlist.features.rows import Floats, Ints
from shortlist.funnel.columns import Requests
from shortlist.funnel.scorers._base import Scorer
from shortlist.funnel.sources.fitted import FittedSource
from shortlist.funnel.sources.towers import TowerSource
from shortlist.schema import Side
from tests.bundle.shop import GOODS, RECIPE, untrained, write_tables

TWIN: dict[str, list[Any]] = {
    "good": ["mug 2"],
    "name": ["A second mug"],
    "kind": ["pots"],
    "price": [6.0],
    "tags": [["gift"]],
}
"""The mug was never bought in training, so nothing but its features is known of it either."""


def vectors(recommender: Recommender) -> np.ndarray[Any, Any]:
    (source,) = recommender.sources
    assert isinstance(source, TowerSource)
    return source.vectors_ID


def ids(recommender: Recommender, **about: Any) -> list[list[int | str]]:
    return [[item.item_id for item in items] for items in recommender.recommend([1, None], 10, **about)]


def test_a_new_item_is_what_one_of_the_same_features_is(shop: Recommender) -> None:
    more = shop.with_items(TWIN)
    row, twin = more.bundle.item_rows(pa.array(["mug", "mug 2"]))

    assert twin == len(shop.bundle.items) == len(more.bundle.items) - 1
    assert np.array_equal(vectors(more)[twin], vectors(more)[row])
    assert np.array_equal(vectors(more)[: len(shop.bundle.items)], vectors(shop))
    scores = {item.item_id: item.score for item in more.recommend([1], 10, exclude_seen=False)[0]}
    assert scores["mug 2"] == pytest.approx(scores["mug"])
    assert more.recommend([1], 10, candidates=[["mug 2"]])[0][0].title == "A second mug"
    assert len(vectors(shop)) == len(shop.bundle.items), "the first one stays as it was"


def test_a_sequence_model_recommends_it_by_its_features(tmp_path: Path) -> None:
    towers = 'name = "two_tower", dim = 8, embedding_dim = 8, embedding_std = 1.0'
    text = RECIPE.replace(towers, 'name = "sasrec", embedding_dim = 8, embedding_std = 1.0, item_features = true')
    write_tables(tmp_path)
    shop = untrained(tmp_path, text)
    more = shop.with_items(
        {name: [*values, *values] for name, values in TWIN.items()} | {"good": ["a", "b"], "price": [6.0, 1.0]}
    )
    mug, same, cheap = more.bundle.item_rows(pa.array(["mug", "a", "b"]))

    assert np.array_equal(vectors(more)[same], vectors(more)[mug])
    assert (vectors(more)[cheap] != vectors(more)[mug]).any()


def test_its_features_matter(shop: Recommender) -> None:
    cheap, dear = ({**TWIN, "price": [price], "tags": [tags]} for price, tags in ((1.0, []), (6.0, ["hot", "black"])))
    first, second = (shop.with_items(columns) for columns in (cheap, dear))

    assert (vectors(first)[-1] != vectors(second)[-1]).any()
    assert ids(first)[0].count("mug 2") == ids(second)[0].count("mug 2") == 1


def test_a_table_in_arrow_and_one_item_after_the_other_are_the_same(shop: Recommender) -> None:
    two = {name: [*values, *values] for name, values in TWIN.items()} | {"good": ["x", "y"], "price": [1.0, 2.0]}
    at_once = shop.with_items(pa.table(two))
    one, other = ({name: [values[i]] for name, values in two.items()} for i in (0, 1))
    in_turn = shop.with_items(one).with_items(other)

    assert at_once.bundle.item_keys.equals(in_turn.bundle.item_keys)
    assert np.array_equal(vectors(at_once), vectors(in_turn))
    assert ids(at_once) == ids(in_turn)


def test_an_item_that_is_there_is_altered(shop: Recommender) -> None:
    change = {"good": ["tea", "mug"], "kind": ["coffee", "pots"], "price": [9.0, 6.0], "tags": [["black"], ["gift"]]}
    more = shop.with_items(change)
    tea, mug = more.bundle.item_rows(pa.array(["tea", "mug"]))

    assert len(more.bundle.items) == len(shop.bundle.items)
    assert (vectors(more)[tea] != vectors(shop)[tea]).any()
    assert np.array_equal(vectors(more)[mug], vectors(shop)[mug])
    others = np.setdiff1d(np.arange(len(shop.bundle.items)), [tea])
    assert np.array_equal(vectors(more)[others], vectors(shop)[others])
    assert more.bundle.items.ids_nF[tea, 0] == shop.bundle.items.ids_nF[tea, 0], "its own id stays"
    assert more.bundle.titles.equals(shop.bundle.titles)


def test_new_items_may_be_excluded_allowed_and_seen(shop: Recommender) -> None:
    more = shop.with_items(TWIN)

    assert "mug 2" in ids(more)[1]
    assert "mug 2" not in ids(more, exclude=[[], ["mug 2"]])[1]
    assert set(ids(more, candidates=[["mug 2", "cocoa"]] * 2, exclude_seen=False)[1]) == {"mug 2", "cocoa"}
    assert "mug 2" not in ids(more, history=[[], ["mug 2"]])[1]


def test_popularity_knows_nothing_of_them_and_does_not_stumble(shop: Recommender) -> None:
    more = shop.with_items(TWIN)
    found = more.run(more.requests([None]), 10, "popularity")
    names = more.bundle.item_keys.take(pa.array(found.item_UK[0])).to_pylist()

    assert names[-2:] == ["mug", "mug 2"], "neither was ever bought"
    assert found.score_UK[0, -2:].tolist() == [0, 0]


def test_what_is_saved_has_them(shop: Recommender, tmp_path: Path) -> None:
    more = shop.with_items(TWIN).with_items({"good": ["tea"], "price": [9.0]})
    more.save(tmp_path / "saved")
    again = Recommender.load(tmp_path / "saved")

    assert np.array_equal(vectors(again), vectors(more))
    assert again.bundle.item_keys.equals(more.bundle.item_keys)
    assert again.bundle.titles.equals(more.bundle.titles)
    assert ids(again) == ids(more)
    (tmp_path / "saved" / "items.arrow").write_bytes(b"")
    with pytest.raises(BundleError):
        Recommender.load(tmp_path / "saved")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": ["tea"]}, "expected the column `good` with their ids, found kind"),
        ({"good": ["x"], "cind": ["tea"]}, "no feature reads the column 'cind'. Did you mean `kind`?"),
        ({"good": ["x", "y", "x"]}, "found several for 1 ids: 'x'"),
        ({"good": ["x", None]}, "1 of 2 rows have no id"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(shop: Recommender, table: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        shop.with_items(table)
    assert message in str(caught.value)


def test_items_without_features_have_nothing_to_be_known_by(shop: Recommender) -> None:
    encoder = shop.bundle.encoders[Side.ITEM]
    bare = replace(encoder, transforms=encoder.transforms[:1], columns=encoder.columns[:1])
    bundle = replace(shop.bundle, encoders={**shop.bundle.encoders, Side.ITEM: bare})
    with pytest.raises(RequestError, match="no features, so nothing would tell a new one from any other"):
        Recommender(bundle).with_items({"good": ["x"]})


def test_an_item_with_no_features_at_all_is_an_answer(shop: Recommender) -> None:
    more = shop.with_items({"good": ["blank"]})
    assert np.isfinite(vectors(more)[-1]).all()
    assert "blank" in ids(more)[1]


def test_the_table_of_the_shop_is_encoded_as_in_preparation(shop: Recommender) -> None:
    again = shop.with_items(GOODS)
    assert np.array_equal(again.bundle.items.ids_nF, shop.bundle.items.ids_nF)
    assert np.array_equal(again.bundle.items.numbers_nN, shop.bundle.items.numbers_nN)
    assert np.array_equal(vectors(again), vectors(shop))
    assert len(again.bundle.changed_A) == len(GOODS["good"])
    assert again.bundle.item_keys.equals(shop.bundle.item_keys)


def test_the_ranker_orders_a_new_item_that_no_source_would_propose(shop: Recommender) -> None:
    """Whatever proposes candidates: neighbours know nothing of it, and are asked for no more than a score."""
    more = shop.with_items(TWIN)
    nobody = FittedSource("neighbours", _Silent({}, {}, more.bundle.eligible_I), len(shop.bundle.items))
    more.__dict__["sources"] = (nobody,)

    assert [item.item_id for item in more.rank(1, ["mug 2"])] == ["mug 2"]
    assert {item.item_id for item in more.rank(1, ["tea", "mug 2", "mug", "tea", "never heard of"])} == {
        "tea",
        "mug 2",
        "mug",
    }
    assert more.rank(1, ["never heard of"]) == []
    assert [item.item_id for item in more.rank(1, ["tea", "mug 2"], exclude=[["tea"]])] == ["mug 2"]


class _Silent(Scorer):
    """Knows nothing."""

    def best(self, requests: Requests, k: int) -> tuple[Ints, Floats]:
        return np.zeros((len(requests), k), np.int32), np.full((len(requests), k), -np.inf, np.float32)

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        return np.zeros(item_UK.shape, np.float32)
