"""What is wrong with a request is said in one form; what is wrong with the server is said in its log."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import RequestError


def refused(client: httpx.Client, status: int, content: bytes | str, route: str = "/v1/recommend") -> Any:
    response = client.post(route, content=content)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error.keys() == {"message", "where", "found", "expected"}
    assert "Traceback" not in response.text
    return error


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "an empty body"),
        ("[1]", "not an object"),
        ("{", "not JSON"),
        ('{"n": NaN}', "not JSON"),
        ('{"context": {"device": 1e999}}', "infinity"),
        (b'{"n": "\xff"}', "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_json_object(client: httpx.Client, content: bytes | str, said: str) -> None:
    assert said in json.dumps(refused(client, 400, content))


@pytest.mark.parametrize(
    ("body", "where", "expected"),
    [
        ({"n": 0}, "n", "at least 1"),
        ({"n": 1001}, "n", "at most 1000"),
        ({"n": True}, "n", "an integer"),
        ({"n": "10"}, "n", "an integer"),
        ({"n": None}, "n", "an integer"),
        ({"user_id": "117"}, "user_id", "an integer"),
        ({"user_id": 2**63}, "user_id", f"at most {2**63 - 1}"),
        ({"user_id": 10**30}, "user_id", "an integer"),
        ({"history": "good-01"}, "history", "a list"),
        ({"history": ["good-01", 2]}, "history[1]", "text"),
        ({"history": [{"item": 2}]}, "history[0].item", "text"),
        ({"history": ["good-01", {"type": "view"}]}, "history[1].item", "a value"),
        ({"history": [{"item": "good-01", "time": {"a": 1}}]}, "history[0].time", "an integer or a number or text"),
        ({"history": [{"item": "good-01", "type": []}]}, "history[0].type", "an integer or text or true or false"),
        ({"history": [{"item": "good-01", "float": 1}]}, "history[0].float", "item, type, time"),
        ({"history": [{"item": "good-01", "kind": "view"}]}, "history[0].kind", "item, type, time"),
        ({"history": ["x"] * 10_001}, "history", "at most 10000 of them"),
        ({"exclude": ["x" * 1001]}, "exclude[0]", "text of at most 1000 characters"),
        ({"candidates": []}, "candidates", "at least 1"),
        ({"exclude_seen": 1}, "exclude_seen", "true or false"),
        ({"context": []}, "context", "an object"),
        ({"context": {"device": {"name": "phone"}}}, "context.device", "a number, text, true, false, null"),
        ({"context": {"device": [["phone"]]}}, "context.device", "a number, text, true, false, null"),
        ({"context": {"device": 2**63}}, "context.device", "an integer of 64 bits, or text"),
        ({"history": ["good-01", {"item": "good-02", "time": "soon"}]}, "history[1].time", "a number in the log"),
        ({"history": [{"item": "good-01", "time": 1_700_000_000_000}]}, "history[0].time", "a number in the log"),
        ({"history": [{"item": "good-01", "time": 9e9}]}, "history[0].time", "a number in the log"),
        ({"context": {"time": "soon"}}, "context.time", "a number in the log's unit, seconds since 1970"),
        ({"context": {"time": True}}, "context.time", "a number in the log's unit, seconds since 1970"),
        ({"usr_id": 117}, "usr_id", "user_id, history"),
        ({"context": {"divice": "phone"}}, "context.divice", "device"),
        ({"user_features": {"town": "Graz"}}, "user_features.town", "city"),
    ],
)
def test_a_wrong_value_is_named(client: httpx.Client, body: dict[str, Any], where: str, expected: str) -> None:
    error = refused(client, 422, json.dumps(body))
    assert error["where"] == where
    assert error["expected"].startswith(expected)
    assert where.rpartition(".")[2] in error["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"history": [{}]}, "history[0].item is missing"),
        ({"history": [{"item": 2, "time": {}}]}, "history[0].item: expected text, found 2 (1 more like it)"),
    ],
)
def test_the_first_problem_is_said_and_the_others_are_counted(
    client: httpx.Client, body: dict[str, Any], message: str
) -> None:
    assert refused(client, 422, json.dumps(body))["message"] == message


def test_a_field_that_is_missing_was_not_found(client: httpx.Client) -> None:
    assert refused(client, 422, '{"history": [{"type": "view"}]}')["found"] is None


def test_what_was_found_comes_back_short(client: httpx.Client) -> None:
    assert refused(client, 422, json.dumps({"n": 0}))["found"] == 0
    assert refused(client, 422, json.dumps({"history": ["x"] * 10_001}))["found"] == "a list of 10001"
    assert len(refused(client, 422, json.dumps({"user_id": "x" * 50_000}))["found"]) < 300


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ({"usr_id": 117}, "user_id"),
        ({"context": {"divice": "phone"}}, "device"),
        ({"user_features": {"citty": "Graz"}}, "city"),
    ],
)
def test_a_near_miss_is_asked_back(client: httpx.Client, body: dict[str, Any], meant: str) -> None:
    assert f"Did you mean `{meant}`?" in refused(client, 422, json.dumps(body))["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"user_id": 117}, "either `candidates` or `rows`"),
        ({"candidates": ["good-01"], "rows": [{}]}, "either `candidates` or `rows`"),
        ({"rows": [{"device": "phone"}], "user_id": 117}, "without `user_id`"),
        ({"rows": [{"device": "phone"}]}, "reads the user's history"),
    ],
)
def test_rank_takes_candidates_or_rows(client: httpx.Client, body: dict[str, Any], said: str) -> None:
    assert said in refused(client, 422, json.dumps(body), "/v1/rank")["message"]


def test_a_large_body_is_not_read(client: httpx.Client) -> None:
    assert refused(client, 413, b" " * (1 << 20) + b"{}")["found"] == (1 << 20) + 2


def test_a_large_body_without_a_length_is_not_read(client: httpx.Client) -> None:
    response = client.post("/v1/recommend", content=(b" " * 65536 for _ in range(17)))
    assert "content-length" not in response.request.headers
    assert response.status_code == 413


def test_a_body_of_the_largest_size_is_read(client: httpx.Client) -> None:
    assert client.post("/v1/recommend", content=b"{}".ljust(1 << 20)).status_code == 200


def test_an_unknown_route_and_a_wrong_method(client: httpx.Client) -> None:
    missing = client.post("/v1/recomend")
    assert missing.status_code == 404
    assert "Did you mean `/v1/recommend`?" in missing.json()["error"]["message"]
    wrong = client.get("/v1/recommend")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"


def test_a_request_the_recommender_refuses_is_no_fault(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RequestError("not like this")

    monkeypatch.setattr(Recommender, "recommend", refuse)
    assert refused(client, 422, "{}")["message"] == "not like this"


def test_a_fault_is_a_plain_500_whose_id_is_in_the_log(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a secret of the machine room")

    monkeypatch.setattr(Recommender, "recommend", fail)
    with caplog.at_level(logging.ERROR, "shortlist"):
        response = client.post("/v1/recommend", content="{}")
    assert response.status_code == 500
    assert "secret" not in response.text
    (record,) = caplog.records
    assert response.json()["error"]["id"] in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("depth", [2, 900, 1000, 100_000])
def test_a_deep_body_is_refused(client: httpx.Client, depth: int) -> None:
    for opened, closed in (('{"a":', "}"), ("[", "]")):
        deep = opened * depth + "1" + closed * depth
        for body in (
            deep,
            f'{{"context": {{"device": {deep}}}}}',
            f'{{"user_id": {deep}}}',
            f'{{"history": [{deep}]}}',
        ):
            answer = client.post("/v1/recommend", content=body)
            assert answer.status_code in {400, 422}
            assert answer.json()["error"]["message"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_refused(client: httpx.Client, value: str) -> None:
    assert client.post("/v1/recommend", content=f'{{"n": {value}}}').status_code in {400, 422}
    assert client.post("/v1/recommend", content=f'{{"user_id": {value}}}').status_code in {400, 422}


def test_an_id_of_a_megabyte_is_refused(client: httpx.Client) -> None:
    long = "x" * 1_000_000
    for body in ({"candidates": [long]}, {"history": [long]}, {"exclude": [long]}):
        assert client.post("/v1/recommend", json=body).status_code == 422
    assert client.post("/v1/recommend", json={"candidates": [long, long]}).status_code == 413
