"""A bundle that ranks rows alone: a click log without users, items and times."""

from __future__ import annotations

import httpx
import pytest

from shortlist.bundle.recommender import Recommender


def test_rows_get_their_probabilities(clicks_client: httpx.Client, clicks: Recommender) -> None:
    rows = [{"banner": "red", "hour": 3}, {"hour": 20}, {"banner": "blue", "hour": None}]
    answer = clicks_client.post("/v1/rank", json={"rows": rows}).json()
    expected = clicks.score_rows({"banner": ["red", None, "blue"], "hour": [3, 20, None]})
    assert answer["predictions"]["clicked"] == pytest.approx(expected.tolist())
    assert answer["predictions"]["clicked"][2] > answer["predictions"]["clicked"][0]
    assert answer["bundle"]["name"] == "clicks"


def test_a_row_may_leave_everything_out_but_not_all_rows(clicks_client: httpx.Client) -> None:
    answer = clicks_client.post("/v1/rank", json={"rows": [{}, {"hour": 3}]}).json()
    assert all(0 < probability < 1 for probability in answer["predictions"]["clicked"])
    assert len(answer["predictions"]["clicked"]) == 2
    refused = clicks_client.post("/v1/rank", json={"rows": [{}]})
    assert refused.status_code == 422
    assert refused.json()["error"]["expected"] == "banner, hour"


def test_a_wrong_column_is_named_with_its_row(clicks_client: httpx.Client) -> None:
    error = clicks_client.post("/v1/rank", json={"rows": [{"hour": 3}, {"huor": 3}]}).json()["error"]
    assert error["where"] == "rows[1].huor"
    assert "Did you mean `hour`?" in error["message"]


def test_values_of_mixed_types_are_scored_or_refused(clicks_client: httpx.Client) -> None:
    response = clicks_client.post("/v1/rank", json={"rows": [{"banner": "red"}, {"banner": 3}, {"banner": True}]})
    assert response.status_code in {200, 422}


@pytest.mark.parametrize(("route", "body"), [("/v1/recommend", {}), ("/v1/rank", {"candidates": [1]})])
def test_items_cannot_be_asked_for(clicks_client: httpx.Client, route: str, body: dict[str, object]) -> None:
    response = clicks_client.post(route, json=body)
    assert response.status_code == 422
    assert "rows" in response.json()["error"]["message"]


def test_the_example_works(clicks_client: httpx.Client) -> None:
    paths = clicks_client.get("/openapi.json").json()["paths"]
    assert "examples" not in paths["/v1/recommend"]["post"]["requestBody"]["content"]["application/json"]
    examples = paths["/v1/rank"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        assert example["value"]["rows"][0].keys() == {"banner", "hour"}
        assert clicks_client.post("/v1/rank", json=example["value"]).status_code == 200
