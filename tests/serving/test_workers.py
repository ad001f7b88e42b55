"""Several processes that answer as one: counters, orders, and one of them killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shortlist.bundle.recommender import Recommender

pytestmark = pytest.mark.integration

KEY = "k" * 32
SERVE = """
import sys
from shortlist.serving import ServeSettings, run
if __name__ == "__main__":
    run(sys.argv[1], port=0, workers=2, settings=ServeSettings(log_level="info"))
"""


@pytest.fixture
def link(tmp_path: Path, shop_bundle: Path) -> Path:
    shutil.copytree(shop_bundle, tmp_path / "old")
    (tmp_path / "current").symlink_to(tmp_path / "old")
    return tmp_path / "current"


@pytest.fixture
def parent(tmp_path: Path, link: Path) -> Iterator[subprocess.Popen[str]]:
    script, log = tmp_path / "serve.py", tmp_path / "log"
    script.write_text(SERVE)
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, str(script), str(link)],
            stderr=file,
            text=True,
            env={**os.environ, "SHORTLIST_API_KEY": KEY},
        )
        yield process
        process.kill()
        process.wait()


@pytest.fixture
def client(parent: subprocess.Popen[str], tmp_path: Path) -> Iterator[httpx.Client]:
    """Asks the server, over a new connection each time: any worker may answer."""
    while (found := re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "log").read_text())) is None:
        assert parent.poll() is None
        time.sleep(0.05)
    limits = httpx.Limits(max_keepalive_connections=0)
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=found[0], headers=headers, limits=limits, trust_env=False, timeout=120) as client:
        yield client


def lines(tmp_path: Path) -> list[dict[str, object]]:
    text = (tmp_path / "log").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def workers_of(client: httpx.Client, version: str) -> float:
    found = re.search(rf'bundle_info{{.*version="{version}"}} (\S+)', client.get("/metrics").text)
    return float(found[1]) if found else 0.0


def until(true: object) -> None:
    assert callable(true)
    give_up = time.monotonic() + 120
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def test_two_workers_answer_as_one(
    parent: subprocess.Popen[str], client: httpx.Client, link: Path, tmp_path: Path, shop: Recommender
) -> None:
    first = client.get("/version").json()["bundle"]["version"]
    until(lambda: workers_of(client, first) == 2)
    for _ in range(20):
        assert client.post("/v1/recommend", json={"user_id": 117}).status_code == 200
    text = client.get("/metrics").text
    assert 'shortlist_requests_total{route="/v1/recommend",status="200"} 20.0' in text
    asked = [line for line in lines(tmp_path) if line.get("route") == "/v1/recommend"]
    assert len(asked) == 20

    shop.with_items({"good": ["good-new"], "category": ["tea"], "price": [3]}).save(tmp_path / "new")
    answer = client.post("/v1/admin/reload", json={"bundle": str(tmp_path / "new")})
    assert (answer.status_code, answer.json()["workers"]) == (200, 2)
    assert {client.get("/version").json()["items"] for _ in range(20)} == {31}
    second = answer.json()["bundles"]["main"]["version"]
    assert (workers_of(client, first), workers_of(client, second)) == (0, 2)

    victim = int(str(asked[0]["process"]))
    os.kill(victim, signal.SIGKILL)
    until(lambda: {line["process"] for line in lines(tmp_path)[-1:]} != {victim} and workers_of(client, second) == 2)
    # The new worker begins with what the others serve, not with what the server was started with.
    assert {client.get("/version").json()["items"] for _ in range(20)} == {31}

    parent.send_signal(signal.SIGHUP)
    until(lambda: workers_of(client, first) == 2)
    assert client.post("/v1/admin/rollback").json()["workers"] == 2
    assert workers_of(client, second) == 2
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(60) == 0
    assert not [line for line in lines(tmp_path) if line["level"] == "error"]
