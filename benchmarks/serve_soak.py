"""The service under mixed load while its bundle is loaded anew and its workers are killed."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness import Goal, Options, all_met, at_most, say
from benchmarks.load import LOST, UNANSWERED, Outcome, closed_loop, open_loop
from benchmarks.result import Result
from benchmarks.serve_bundles import movielens, some_users
from benchmarks.served import Served, ask, serve
from shortlist.bundle.read import Bundle
from shortlist.bundle.sample import popular_items

DESCRIPTION = "ten minutes of recommend and events while bundles are reloaded and workers killed: what goes wrong"
UNIT = "requests answered per second under mixed load, 2 workers"
SECONDS, RATE, WORKERS = 600.0, 50.0, 2
RELOAD_S, KILL_S = 30.0, 60.0
READERS, WRITERS = 200, 100
"""Users who are asked for and send no events, and users who send some."""
EVENTS_SHARE = 0.2
"""Of the requests, those that bring an event."""
N = 10
KEY = "the-key-of-this-measurement"
RECOMMEND, EVENTS, RELOAD = "/v1/recommend", "/v1/events", "/v1/admin/reload"


@dataclass(frozen=True)
class Sent:
    """One request of the load, and what must come back."""

    path: str
    body: bytes
    items: list[Any] | None = None
    """The list of a reader, which nothing may change."""


@dataclass
class Findings:
    """What came back."""

    wrong: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    acknowledged: list[bytes] = field(default_factory=list)
    """Bodies of the events that the service has said to keep."""

    def take(self, sent: Sent, code: str, body: bytes) -> None:
        """One answer."""
        self.codes[code] += 1
        if code != "200":
            if code not in ("503", LOST, UNANSWERED):
                self.wrong.append(f"{sent.path} {code}: {body[:200]!r}")
        elif sent.path == EVENTS:
            self.acknowledged.append(sent.body)
        elif (items := items_of(body)) != sent.items:
            self.wrong.append(f"{sent.body!r}: expected {sent.items}, found {items}")

    @property
    def server_errors(self) -> int:
        """Answers of 500 and above but the documented 503."""
        return sum(count for code, count in self.codes.items() if code.startswith("5") and code != "503")


def run(options: Options) -> Result:
    """--seconds of load on --bundle, by default MovieLens-1M. What the service has no route for is left out."""
    seconds = 3.0 if options.quick else options.seconds or SECONDS
    bundle = options.bundle or movielens(options)
    log = options.folder("logs") / "serve-soak.log"
    with serve(bundle, log, workers=WORKERS, key=KEY) as served:
        routes = orjson.loads(ask(served.target, "GET", "/openapi.json")[1])["paths"]
        skipped = [path for path in (EVENTS, RELOAD) if path not in routes]
        for path in skipped:
            say(f"the service has no {path}: that part is left out")
        plan = planned(bundle, served, EVENTS in routes, int(RATE * seconds * 1.2) + 50, options.seed)
        findings = Findings()
        done = {"reloads": 0, "kills": 0}
        with _Disturbance(_every(served, RELOAD in routes, done)):
            found = open_loop(
                served.target,
                [served.target.post(sent.path, sent.body) for sent in plan],
                RATE,
                seconds,
                seed=options.seed,
                answered=lambda number, code, body: findings.take(plan[number % len(plan)], code, body),
                patience_s=60.0,
            )
        lost = lost_events(served, findings.acknowledged)
    for line in findings.wrong[:10]:
        say(line)
    goals = goals_of(findings, lost)
    return Result(
        name="serve_soak",
        passed=all_met(goals),
        unit=UNIT,
        ours=findings.codes["200"] / found.seconds,
        goals=goals,
        details=_details(found, findings, done, skipped, seconds),
    )


def goals_of(findings: Findings, lost: int) -> dict[str, Goal]:
    """None of what must not happen."""
    return {
        "wrong answers": at_most(0, len(findings.wrong)),
        "answers of 500 and above but 503": at_most(0, findings.server_errors),
        "events acknowledged and lost": at_most(0, lost),
        "requests without any answer": at_most(0, findings.codes[UNANSWERED]),
    }


def planned(bundle: Path, served: Served, has_events: bool, count: int, seed: int) -> list[Sent]:
    """Requests of readers, each with the list that it has before anything happens, and events of writers."""
    users = some_users(bundle, READERS + WRITERS, seed)
    writers = users[: min(WRITERS, len(users) // 3)]
    asked = [_question(bundle, user) for user in users[len(writers) :]]
    answers: dict[int, list[Any]] = {}
    closed_loop(
        served.target,
        [served.target.post(RECOMMEND, body) for body in asked],
        len(asked),
        answered=lambda number, _, body: answers.__setitem__(number, items_of(body)),
    )
    readers = [Sent(RECOMMEND, body, answers[number]) for number, body in enumerate(asked)]
    items = popular_items(Bundle.open(bundle, verify=False), 50)
    drawn = random.Random(seed)
    return [
        Sent(EVENTS, _event(drawn.choice(writers), drawn.choice(items), f"soak-{seed}-{number}"))
        if has_events and drawn.random() < EVENTS_SHARE
        else drawn.choice(readers)
        for number in range(count)
    ]


def _question(bundle: Path, user: int | str) -> bytes:
    """At a moment that stands still: a list may depend on the hour."""
    opened = Bundle.open(bundle, verify=False)
    clock = opened.recipe.schema_.timestamp
    last = int(opened.histories.events.times.max(initial=0))
    moment = {} if clock is None else {"context": {clock: last * opened.schema.time_unit}}
    return orjson.dumps({"user_id": user, "n": N, **moment})


def _event(user: int | str, item: int | str, mark: str) -> bytes:
    return orjson.dumps({"events": [{"user_id": user, "item": item, "event_id": mark}]})


def items_of(body: bytes) -> list[Any]:
    """The items of an answer; none where it has none."""
    return [item["item_id"] for item in orjson.loads(body).get("items", [])]


def lost_events(served: Served, acknowledged: Sequence[bytes]) -> int:
    """Acknowledged events that the service does not know when they are sent once more."""
    lost = 0
    for body in acknowledged:
        status, answer = ask(served.target, "POST", EVENTS, body)
        lost += status != 200 or orjson.loads(answer)["duplicates"] != 1
    return lost


def _every(served: Served, has_reload: bool, done: dict[str, int]) -> list[tuple[float, Callable[[], None]]]:
    def reload() -> None:
        status, answer = ask(served.target, "POST", RELOAD, b"{}")
        done["reloads"] += status == 200
        if status != 200:
            say(f"{RELOAD} answered {status}: {answer[:300]!r}")

    def kill() -> None:
        workers = [pid for pid in served.workers() if pid != served.process.pid]
        if workers:
            os.kill(workers[done["kills"] % len(workers)], signal.SIGKILL)
            done["kills"] += 1

    return [*([(RELOAD_S, reload)] if has_reload else []), (KILL_S, kill)]


class _Disturbance:
    """Does things every so many seconds while the block runs."""

    def __init__(self, every: Sequence[tuple[float, Callable[[], None]]]) -> None:
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=pair) for pair in every]

    def _repeat(self, seconds: float, do: Callable[[], None]) -> None:
        while not self._stopped.wait(seconds):
            do()

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


def _details(
    found: Outcome, findings: Findings, done: dict[str, int], skipped: Sequence[str], seconds: float
) -> dict[str, Any]:
    return {
        "load": {"seconds": seconds, **found.figures(), **done, "events acknowledged": len(findings.acknowledged)},
        "codes": dict(findings.codes),
        **({"left_out": ", ".join(skipped)} if skipped else {}),
        "how": f"An open loop of {RATE:g} requests a second on {WORKERS} workers; a reload every {RELOAD_S:g} s and a "
        f"kill -9 of a worker every {KILL_S:g} s. A request that a killed worker was answering loses its connection. "
        "Readers' lists are compared with those before the load; an event that was acknowledged must be a duplicate "
        "when it comes again.",
    }
