"""The benchmarks of the service: what they make of answers, without a server."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest

from benchmarks.command import main
from benchmarks.load import LOST, UNANSWERED, Outcome, Target
from benchmarks.serve import LIMIT_MS, highest_rate
from benchmarks.serve_parity import same
from benchmarks.serve_soak import EVENTS, RECOMMEND, Findings, Sent, goals_of


def outcome(rate: float, latency_ms: float, codes: dict[str, int] | None = None) -> Outcome:
    return Outcome(rate, latency_ms=[latency_ms] * 100, codes=Counter(codes or {"200": 100}))


@pytest.mark.parametrize("holds_up_to", [30.0, 200.0, 390.0])
def test_bisection_finds_the_highest_rate_in_time(holds_up_to: float) -> None:
    asked = []

    def measure(rate: float) -> Outcome:
        asked.append(rate)
        return outcome(rate, LIMIT_MS / 2 if rate <= holds_up_to else 4 * LIMIT_MS)

    found = highest_rate(measure, 400.0, steps=8)

    assert holds_up_to - 400 / 2**8 <= found.rate <= holds_up_to
    assert len(asked) == 8


def test_a_rate_with_errors_is_not_held() -> None:
    found = highest_rate(lambda rate: outcome(rate, 1.0, {"200": 99, "503": 1} if rate > 10 else None), 80.0, steps=6)

    assert found.rate <= 10
    assert found.errors == 0


def test_a_server_that_is_never_in_time_says_so() -> None:
    found = highest_rate(lambda rate: outcome(rate, 100.0), 80.0, steps=3)

    assert (found.rate, found.percentile(99)) == (10.0, 100.0)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ([("a", 3.0), ("b", 2.0), ("c", 1.0)], True),
        ([("a", 3.00001), ("b", 2.0), ("c", 1.0)], True),
        ([("a", 3.0), ("c", 2.0), ("b", 1.0)], False),
        ([("a", 3.0), ("b", 2.0), ("d", 1.0)], True),
        ([("a", 3.0), ("d", 2.0), ("c", 1.0)], False),
        ([("a", 3.0), ("b", 2.0), ("c", 0.9)], False),
        ([("a", 3.0), ("b", 2.0)], False),
    ],
)
def test_lists_are_the_same_but_for_ties(other: list[tuple[str, float]], is_same: bool) -> None:
    assert same([("a", 3.0), ("b", 2.0), ("c", 1.0)], other) is is_same


def test_items_of_one_score_may_change_places() -> None:
    assert same([("a", 1.0), ("b", 1.0)], [("b", 1.0), ("a", 1.0)])


def test_what_goes_wrong_in_a_soak_is_told_apart() -> None:
    findings = Findings()
    asked, brought = Sent(RECOMMEND, b"{}", ["a", "b"]), Sent(EVENTS, b"an event")
    right, wrong = (orjson.dumps({"items": [{"item_id": item} for item in items]}) for items in ("ab", "ba"))
    for sent, code, body in [
        (asked, "200", right),
        (asked, "200", wrong),
        (asked, "503", b""),
        (asked, LOST, b""),
        (asked, "500", b"oh"),
        (brought, "200", b"{}"),
        (brought, "503", b""),
    ]:
        findings.take(sent, code, body)
    findings.codes[UNANSWERED] += 1

    assert len(findings.wrong) == 2
    assert findings.server_errors == 1
    assert findings.acknowledged == [b"an event"]
    assert [goal[1] for goal in goals_of(findings, lost=3).values()] == [2, 1, 3, 1]


def test_a_request_has_the_key_and_says_its_length() -> None:
    raw = Target("127.0.0.1", 80, "secret").post("/v1/recommend", b"{}")

    assert raw.startswith(b"POST /v1/recommend HTTP/1.1\r\nHost: 127.0.0.1:80\r\n")
    assert b"\r\nAuthorization: Bearer secret\r\n" in raw
    assert raw.endswith(b"\r\nContent-Length: 2\r\n\r\n{}")


def test_options_of_serving_are_for_serving_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--bundle", "somewhere"]) == 2
    assert "--bundle is for `serve` alone" in capsys.readouterr().err
