"""What a page is told of the bundle: ids, users, columns, and what may be asked."""

from __future__ import annotations

import httpx
import pyarrow as pa
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.funnel.filters.columns import stored
from shortlist.funnel.filters.masks import Masks
from shortlist.funnel.filters.write import equals, has

STRANGE = ['say "hi"', "back\\slash", 'both \\"', "`tick`", "and", "Größe 3", ""]


def test_a_shop_tells_users_events_and_columns(client: httpx.Client, shop: Recommender) -> None:
    told = client.get("/v1/about").json()

    assert (told["user_ids"], told["item_ids"]) == ("int", "text")
    assert set(told["users"]) <= set(range(100, 140))
    assert len(told["users"]) == 12
    assert sorted(told["event_types"]) == ["purchase", "view"]
    assert [column["name"] for column in told["columns"]] == ["category"]
    assert {choice["value"]: choice["items"] for choice in told["columns"][0]["choices"]} == {"tea": 15, "coffee": 15}
    assert told["can_filter"]
    assert told["has_similar"]
    assert not told["keeps_events"]
    assert told["row"] == []


def test_each_choice_is_a_filter_that_keeps_so_many_items(client: httpx.Client) -> None:
    columns = client.get("/v1/about").json()["columns"]

    for choice in (choice for column in columns for choice in column["choices"]):
        body = {"filter": choice["filter"], "n": 100, "exclude_seen": False}
        assert len(client.post("/v1/recommend", json=body).json()["items"]) == choice["items"]


def test_a_click_log_tells_a_row_that_can_be_predicted(clicks_client: httpx.Client) -> None:
    told = clicks_client.get("/v1/about").json()
    row = {column["name"]: column["value"] for column in told["row"]}

    assert (told["user_ids"], told["item_ids"], told["users"], told["columns"]) == (None, None, [], [])
    assert sorted(next(column["choices"] for column in told["row"] if column["name"] == "banner")) == ["blue", "red"]
    assert len(clicks_client.post("/v1/rank", json={"rows": [row]}).json()["predictions"]["clicked"]) == 1


@pytest.mark.parametrize("column", ["plain", "and", "with space", "Ünï"])
@pytest.mark.parametrize("value", STRANGE)
def test_a_written_filter_keeps_the_items_with_the_value(column: str, value: str) -> None:
    values = pa.array([None, value, "another", value])
    lists = pa.array([None, ["another", value], ["another"], [value]])
    batch = pa.record_batch({column: stored(values), "lists": stored(lists)})

    assert Masks(batch)(equals(column, value)).tolist() == [False, True, False, True]
    assert Masks(batch)(has("lists", value)).tolist() == [False, True, False, True]


def test_a_truth_value_is_written_as_filters_read_it() -> None:
    batch = pa.record_batch({"in_stock": stored(pa.array([None, True, False]))})

    assert Masks(batch)(equals("in_stock", False)).tolist() == [False, False, True]


def test_a_column_that_no_filter_can_name_is_refused() -> None:
    with pytest.raises(ValueError, match="tick`s"):
        equals("tick`s", "value")
