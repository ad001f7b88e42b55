"""No JSON whatever makes the server fail: it answers, or it refuses and says why."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(["good-01", "phone", "Graz", "2023-11-14", "red", "3", 117, 0.5, 1e300])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner))
COLUMNS = st.dictionaries(st.sampled_from(["device", "time", "city", "person", "banner", "hour"]), VALUES, max_size=3)
ITEMS = st.lists(st.sampled_from(["good-01", "good-02", "nothing"]), max_size=4)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "user_id": st.sampled_from([117, 5]) | VALUES,
    "history": ITEMS | VALUES,
    "context": COLUMNS | VALUES,
    "user_features": COLUMNS | VALUES,
    "n": st.integers(1, 40) | VALUES,
    "exclude": ITEMS | VALUES,
    "candidates": ITEMS | VALUES,
    "exclude_seen": st.booleans() | VALUES,
}
RANK_FIELDS = {name: FIELDS[name] for name in ("user_id", "history", "context", "user_features", "candidates")}
ROWS = st.fixed_dictionaries({"rows": st.lists(COLUMNS | VALUES, max_size=4)})


def check(client: httpx.Client, route: str, body: Any) -> None:
    response = client.post(route, content=json.dumps(body))
    assert response.status_code in {200, 400, 422}, (body, response.text)
    if response.status_code != 200:
        assert response.json()["error"]["message"]


@pytest.mark.slow
@settings(max_examples=150)
@given(st.fixed_dictionaries({}, optional=FIELDS) | VALUES)
def test_recommend(client: httpx.Client, body: Any) -> None:
    check(client, "/v1/recommend", body)


@pytest.mark.slow
@settings(max_examples=100)
@given(st.fixed_dictionaries({}, optional=RANK_FIELDS) | ROWS | VALUES)
def test_rank(client: httpx.Client, body: Any) -> None:
    check(client, "/v1/rank", body)


@pytest.mark.slow
@settings(max_examples=100)
@given(ROWS | VALUES)
def test_rank_rows_of_a_click_log(clicks_client: httpx.Client, body: Any) -> None:
    check(clicks_client, "/v1/rank", body)
