"""Filters, diversity and reasons over HTTP: what Python and the command line answer, and refusals that point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from shortlist.bundle.change_rules import change_rules
from shortlist.bundle.recommender import Recommender
from shortlist.cli.main import main
from shortlist.recipe.rules import Explore, Rules
from shortlist.serving.service import Service

KNOWN = 117
FILTER = 'category = "coffee" and price < 20'


def test_a_filtered_list_is_the_same_over_http_in_python_and_on_the_command_line(
    client: httpx.Client, shop: Recommender, shop_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {"filter": FILTER, "diversity": 0.4, "explain": True}
    body = {"user_id": KNOWN, "n": 5, "exclude_seen": False, **asked}
    answer = client.post("/v1/recommend", json=body).json()["items"]
    items = shop.recommend([KNOWN], 5, False, **asked)[0]
    command = ["recommend", str(shop_bundle), "--user", str(KNOWN), "--k", "5", "--include-seen", "--json"]
    assert main([*command, "--filter", FILTER, "--diversity", "0.4", "--explain"]) == 0
    printed = json.loads(capsys.readouterr().out)[0]["items"]

    ids = [item.item_id for item in items]
    assert len(ids) == 5
    assert set(ids) <= {f"good-{i:02}" for i in range(1, 19, 2)}
    assert [item["item_id"] for item in answer] == [item["item_id"] for item in printed] == ids
    for item, over_http, on_screen in zip(items, answer, printed, strict=True):
        assert item.reasons is not None
        for reasons in (over_http["reasons"], on_screen["reasons"]):
            assert reasons["sources"] == list(item.reasons.sources) == ["two_tower"]
            assert [near["item_id"] for near in reasons["history"]] == [near.item_id for near in item.reasons.history]
            assert reasons["rules"] == list(item.reasons.rules)


def test_a_mistake_in_a_filter_is_refused_with_its_place(client: httpx.Client) -> None:
    for text, said in (("prise < 3", "Did you mean `price`?"), ("price <", "found the end"), ("x" * 2001, "2000")):
        response = client.post("/v1/recommend", json={"user_id": KNOWN, "filter": text})
        assert response.status_code == 422
        error = response.json()["error"]
        assert said in error["message"]
        assert (error["where"], error["found"][:6]) == ("filter", text[:6])
    for field, value in (("diversity", 1.1), ("diversity", "much"), ("explain", 1), ("seed", -1)):
        response = client.post("/v1/recommend", json={"user_id": KNOWN, field: value})
        assert response.status_code == 422
        assert response.json()["error"]["where"] == field


def test_exploration_is_told_with_its_propensities(shop: Recommender, tmp_path: Path) -> None:
    shop.save(tmp_path / "shop")
    change_rules(tmp_path / "shop", Rules(explore=Explore(temperature=2.0)))
    service = Service(Recommender.load(tmp_path / "shop"))

    def answer(**body: Any) -> Any:
        return service.recommend([service.recommend_body.model_validate({"user_id": KNOWN, "n": 3, **body})])[0]

    first, second = answer(seed=5), answer(seed=5)
    chances = [item.propensity for item in first.items]
    assert [item.item_id for item in first.items] == [item.item_id for item in second.items]
    assert first.propensity == pytest.approx(chances[0] * chances[1] * chances[2])
    assert len({tuple(item.item_id for item in answer().items) for _ in range(8)}) > 1
