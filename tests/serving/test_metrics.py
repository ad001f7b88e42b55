"""What Prometheus is told, and the line that each request leaves in the log."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shortlist.serving.logs import JsonLines, log_config

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

TWO_PROCESSES = """
import os, subprocess, sys
from shortlist.serving.exchange import Exchange
from shortlist.serving.metrics import Metrics

metrics = Metrics()
metrics.began()
metrics.answered("/v1/recommend", 200, 0.003, Exchange("id"))
metrics.began()
if len(sys.argv) > 1:
    subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
    print(metrics.exposition().decode())
"""


def samples(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(found: Samples, name: str, /, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_route_stage_and_status(client: httpx.Client) -> None:
    before = samples(client.get("/metrics").text)
    assert client.post("/v1/recommend", json={"user_id": 117}).status_code == 200
    assert client.post("/v1/recommend", json={"n": 0}).status_code == 422
    assert client.get("/v1/no-such-route").status_code == 404
    after = samples(client.get("/metrics").text)

    def rise(name: str, /, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert rise("shortlist_requests_total", route="/v1/recommend", status="200") == 1
    assert rise("shortlist_requests_total", route="/v1/recommend", status="422") == 1
    assert rise("shortlist_requests_total", route="none", status="404") == 1
    assert rise("shortlist_request_seconds_count", route="/v1/recommend") == 2
    for stage in ("queue", "parse", "encode", "candidates", "ranking", "present", "write"):
        assert rise("shortlist_stage_seconds_count", stage=stage) >= 1
    assert rise("shortlist_candidates_found_sum") > 10
    assert value(after, "shortlist_requests_in_flight") == 0
    bundle = client.get("/version").json()["bundle"]
    assert value(after, "shortlist_bundle_info", **bundle, variant="main") == 1


def test_the_stages_of_a_request_add_up_to_it(client: httpx.Client) -> None:
    before = samples(client.get("/metrics").text)
    for _ in range(5):
        client.post("/v1/recommend", json={"user_id": 117})
    after = samples(client.get("/metrics").text)
    stages = sum(v - before.get(key, 0.0) for key, v in after.items() if key[0] == "shortlist_stage_seconds_sum")
    name, labels = "shortlist_request_seconds_sum", {"route": "/v1/recommend"}
    whole = value(after, name, **labels) - value(before, name, **labels)
    assert 0 < stages <= whole


def test_several_processes_are_added_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_PROCESSES, TWO_PROCESSES],
        capture_output=True,
        text=True,
        check=True,
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    found = samples(done.stdout)
    assert value(found, "shortlist_requests_total", route="/v1/recommend", status="200") == 2
    assert value(found, "shortlist_request_seconds_count", route="/v1/recommend") == 2
    assert value(found, "shortlist_requests_in_flight") == 2


def test_a_request_leaves_one_line_that_names_no_person(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "shortlist.requests"):
        answer = client.post("/v1/recommend", json={"user_id": 117, "n": 3}, headers={"X-Request-ID": "abc-1"})
        strange = client.post("/v1/recommend", json={}, headers={"X-Request-ID": '"a b"'})
        # A line is written after its answer: another answer comes after the line.
        client.get("/version")
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "shortlist.requests"]
    first, second = (line for line in lines if line["route"] == "/v1/recommend")
    assert (first["request_id"], answer.headers["x-request-id"]) == ("abc-1", "abc-1")
    assert (first["route"], first["status"], first["items"]) == ("/v1/recommend", 200, 3)
    assert first["bundle"] == answer.json()["bundle"]["version"]
    assert first["ms"] >= first["stages_ms"]["ranking"] > 0
    assert "user_id" not in first
    assert second["request_id"] == strange.headers["x-request-id"]
    assert second["request_id"].isalnum()


def test_a_traceback_stays_within_its_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "failed %s", ("so",), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    said = json.loads(line)
    assert (said["message"], said["level"]) == ("failed so", "error")
    assert "ValueError: two\nlines" in said["traceback"]


def test_both_loggers_write_json_at_the_level_asked_for() -> None:
    config = log_config("info")
    assert {logger["level"] for logger in config["loggers"].values()} == {"INFO"}
    assert config["formatters"]["json"]["()"] == "shortlist.serving.logs.JsonLines"
