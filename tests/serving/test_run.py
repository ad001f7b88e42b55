"""Servers in processes of their own: start, stop, and what keeps one from starting."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shortlist.core.errors import BundleError, EnvironmentFault, UserError
from shortlist.serving import run
from shortlist.serving.run import BUNDLE_VARIABLE

SERVE = """
import sys
from shortlist.serving import run
if __name__ == "__main__":
    run(sys.argv[1], port=0, workers=int(sys.argv[2]))
"""

NO_TORCH = """
import asyncio, sys
import httpx
import shortlist.serving
from shortlist.bundle.recommender import Recommender

async def ask(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        for route, body in (("recommend", {"user_id": 117}), ("rank", {"candidates": ["good-01"]})):
            assert (await client.post(f"/v1/{route}", json=body)).json()["items"]

asyncio.run(ask(shortlist.serving.create_app(Recommender.load(sys.argv[1]))))
heavy = {"torch", "onnx", "duckdb", "ibis"} & sys.modules.keys()
assert not heavy, heavy
"""

ONE_THREAD = """
from threadpoolctl import threadpool_info, threadpool_limits
from shortlist.serving.run import application

threadpool_limits(2, "blas")
application()
print([library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"])
"""


@contextmanager
def server(tmp_path: Path, bundle: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and what it said when it was ready."""
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    process = subprocess.Popen(
        [sys.executable, str(script), str(bundle), str(workers)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        yield process, process.stderr.readline() + process.stderr.readline()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def fetch(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize(("workers", "stop"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_server_says_where_it_is_answers_and_stops_when_told(
    tmp_path: Path, shop_bundle: Path, workers: int, stop: signal.Signals
) -> None:
    with server(tmp_path, shop_bundle, workers) as (process, said):
        assert "corner-shop: 30 items, 40 users" in said
        url = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert url is not None
        assert fetch(f"{url[0]}/health/ready") == {"status": "ready"}
        command = shlex.split(said.partition("curl ")[2])
        answer = fetch(command[0], json.loads(command[command.index("-d") + 1]))
        assert answer["known_user"] is True
        assert len(answer["items"]) == 5
        process.send_signal(stop)
        assert process.wait(60) == 0
        with pytest.raises(urllib.error.URLError):
            fetch(f"{url[0]}/health/live")


def test_no_torch_in_the_process(shop_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, str(shop_bundle)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_products_of_a_worker_take_one_thread(shop_bundle: Path) -> None:
    told = {**os.environ, BUNDLE_VARIABLE: str(shop_bundle)}
    done = subprocess.run([sys.executable, "-c", ONE_THREAD], capture_output=True, text=True, check=False, env=told)
    assert done.stdout == "[1]\n", done.stderr


def test_a_taken_port(shop_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFault, match=rf"port {port} of 127.0.0.1 is taken.*--port"):
            run(shop_bundle, port=port)


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 8000), ("127.0.0.1", 70_000), ("192.0.2.1", 0)])
def test_an_address_that_cannot_be_had(shop_bundle: Path, host: str, port: int) -> None:
    with pytest.raises(EnvironmentFault, match=r"cannot listen on .* Choose another"):
        run(shop_bundle, host=host, port=port)


def test_no_workers(shop_bundle: Path) -> None:
    with pytest.raises(UserError, match="at least 1 worker process, found 0"):
        run(shop_bundle, port=0, workers=0)


def test_an_altered_bundle_takes_no_port(shop_bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "bundle"
    shutil.copytree(shop_bundle, broken)
    model = broken / "ranking" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    with pytest.raises(BundleError, match="altered"):
        run(broken, port=0)
