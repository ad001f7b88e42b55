"""What somebody who means ill sends: each request is refused in words, and the service goes on answering."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from itertools import repeat

import httpx
import pytest

HUNDRED_MB = 100 * 2**20
DEEP = 100_000


def address(client: httpx.Client) -> tuple[str, int]:
    return client.base_url.host, client.base_url.port or 80


@pytest.fixture(autouse=True)
def goes_on(client: httpx.Client) -> Iterator[None]:
    """After each of these requests the next one is answered as ever, and soon."""
    yield
    started = time.monotonic()
    response = client.post("/v1/recommend", json={"user_id": 117, "n": 3})
    assert (response.status_code, len(response.json()["items"])) == (200, 3)
    assert time.monotonic() - started < 30


def test_a_body_that_says_it_has_100_mb_is_refused_before_it_is_read(client: httpx.Client) -> None:
    connection = http.client.HTTPConnection(*address(client), timeout=30)
    connection.putrequest("POST", "/v1/recommend")
    connection.putheader("Content-Length", str(HUNDRED_MB))
    connection.endheaders(b"{")

    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_of_100_mb_that_does_not_say_so_is_refused(client: httpx.Client) -> None:
    chunk = b" " * 2**16

    assert client.post("/v1/recommend", content=repeat(chunk, HUNDRED_MB // len(chunk))).status_code == 413


@pytest.mark.parametrize("n", ["1000000000", "-1", "0", "1e400", "NaN", "Infinity", '"10"', "10.5", "true", "[]"])
def test_n_is_a_small_whole_number(client: httpx.Client, n: str) -> None:
    response = client.post("/v1/recommend", content=f'{{"user_id": 117, "n": {n}}}')

    assert response.status_code in {400, 422}
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "u" * 900_000},
        {"user_id": 10**400},
        {"user_id": 117, "candidates": ["i" * 900_000]},
        {"history": [{"item": "i" * 900_000}]},
        {"candidates": ["good-01"] * 60_000},
        {"context": {"device": "d" * 900_000, "time": "9" * 5000}},
        {"c" * 900_000: 1},
        {"context": {"c" * 900_000: 1}},
    ],
    ids=lambda body: next(iter(body))[:9],
)
def test_what_is_huge_is_refused_in_few_words(client: httpx.Client, body: dict[str, object]) -> None:
    response = client.post("/v1/recommend", content=json.dumps(body))

    assert response.status_code in {200, 400, 422}
    assert len(response.content) < 20_000


@pytest.mark.parametrize("opened", ["[", '{"a":', '{"context":{"device":['])
def test_json_that_is_deep_is_refused(client: httpx.Client, opened: str) -> None:
    closed = "".join({"[": "]", "{": "}"}.get(mark, "") for mark in reversed(opened))
    depth = DEEP // len(opened)
    response = client.post("/v1/recommend", content=opened * depth + "1" + closed * depth)

    assert response.status_code in {400, 422}


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff\xfe{}", b'{"user_id": 117', b"null", b'{"n": "\\ud800"}'])
def test_what_is_no_object_is_refused(client: httpx.Client, body: bytes) -> None:
    assert client.post("/v1/recommend", content=body).status_code in {400, 422}


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/../../etc/passwd",
        "/..%5c..%5cetc%5cpasswd",
        "//etc/passwd",
        "/v1/recommend/..%00",
        "/docs/../../../etc/passwd",
        "/" + "a" * 20_000,
    ],
    ids=lambda path: path[:20],
)
def test_no_path_leads_to_a_file(client: httpx.Client, path: str) -> None:
    connection = http.client.HTTPConnection(*address(client), timeout=30)
    connection.putrequest("GET", path, skip_host=False)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()

    assert response.status in {400, 404, 414}
    assert b"root:" not in body


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 200\r\n\r\n{}",
        b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
    ids=["negative length", "two lengths", "no chunk", "TLS", "HTTP/9.9"],
)
def test_what_is_no_http_ends_the_connection_or_is_refused(client: httpx.Client, raw: bytes) -> None:
    with socket.create_connection(address(client), timeout=30) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))

    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 3"))
