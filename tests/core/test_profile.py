"""Spans add up to the time that passed, each counted once."""

from __future__ import annotations

import threading
import time

from shortlist.core.profile import recording, span


def test_an_inner_span_is_taken_out_of_the_outer_one() -> None:
    with recording() as profile:
        started = time.perf_counter()
        with span("outer"):
            time.sleep(0.02)
            with span("inner"):
                time.sleep(0.04)
        passed = time.perf_counter() - started

    assert profile.seconds["inner"] >= 0.04
    assert profile.seconds["outer"] >= 0.02
    assert sum(profile.seconds.values()) <= passed


def test_nothing_is_recorded_outside_or_in_another_thread() -> None:
    with span("before"):
        pass
    with recording() as profile:

        def elsewhere() -> None:
            with span("elsewhere"):
                pass

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    assert dict(profile.seconds) == {}
