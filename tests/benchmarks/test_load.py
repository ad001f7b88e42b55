"""The load generator, on a server that answers as it is told to."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks.load import LOST, UNANSWERED, Outcome, Target, answer_of, arrivals, closed_loop, open_loop


@contextmanager
def served(seconds: float = 0.0, status: int = 200, cuts: bool = False) -> Iterator[Target]:
    """A server that works on one request at a time for so long; with `cuts` it hangs up instead of answering."""
    one_at_a_time = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with one_at_a_time:
                time.sleep(seconds)
            if cuts:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Target("127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


def test_gaps_between_arrivals_are_exponential() -> None:
    due_n = arrivals(1000.0, 20.0, seed=1)
    gap_n = np.diff(due_n)

    assert abs(len(due_n) - 20_000) < 5 * 20_000**0.5
    assert due_n[-1] < 20.0
    # Of an exponential law the deviation is the mean.
    assert gap_n.std() == pytest.approx(gap_n.mean(), rel=0.05)


def test_a_closed_loop_sends_each_request_once_in_turn() -> None:
    answers: dict[int, bytes] = {}
    with served() as target:
        requests = [target.post("/", f"body {i}".encode()) for i in range(3)]
        found = closed_loop(
            target, requests, 10, connections=2, answered=lambda number, _, body: answers.__setitem__(number, body)
        )

    assert found.codes == {"200": 10}
    assert answers == {number: f"body {number % 3}".encode() for number in range(10)}
    assert found.rate > 0


def test_waiting_in_line_counts_as_latency() -> None:
    # 20 ms for each, one at a time, asked for at 100 a second: the line grows by 10 ms with every request.
    with served(seconds=0.02) as target:
        found = open_loop(target, [target.post("/", b"x")], 100.0, 0.5, connections=1)

    assert found.errors == 0
    assert found.percentile(100) > 200


def test_a_server_that_hangs_up_is_asked_again_and_counted() -> None:
    with served(cuts=True) as target:
        found = open_loop(target, [target.post("/", b"x")], 50.0, 0.2, connections=2, patience_s=2.0)

    assert found.codes[LOST] == sum(found.codes.values()) > 0
    assert found.percentile(99) == float("inf")


def test_what_is_never_answered_is_counted() -> None:
    with served(seconds=0.5) as target:
        found = open_loop(target, [target.post("/", b"x")], 40.0, 0.2, connections=1, patience_s=0.1)

    assert found.codes[UNANSWERED] > 0
    assert found.errors == found.codes[UNANSWERED]


def test_other_codes_are_errors_with_a_latency() -> None:
    with served(status=503) as target:
        found = closed_loop(target, [target.post("/", b"x")], 4)

    assert found.codes == {"503": 4}
    assert found.errors == 4
    assert len(found.latency_ms) == 4


@pytest.mark.parametrize("cut", [5, 30, -1])
def test_half_an_answer_is_none(cut: int) -> None:
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd"

    assert answer_of(whole) == ("200", b"abcd")
    assert answer_of(whole[:cut]) is None


def test_what_was_never_answered_took_for_ever_and_is_shown_as_nothing() -> None:
    assert Outcome(1.0).percentile(50) == float("inf")
    assert Outcome(1.0).figures()["p99_ms"] is None
