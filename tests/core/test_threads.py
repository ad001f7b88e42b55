"""How many threads the work takes."""

from __future__ import annotations

import os

import pytest

from shortlist.core.threads import cpu_threads


def test_as_many_as_asked_for() -> None:
    assert cpu_threads(7) == 7


def test_else_one_for_each_cpu_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 8}, raising=False)
    assert cpu_threads(None) == 3

    monkeypatch.delattr(os, "sched_getaffinity")
    assert cpu_threads(None) == (os.cpu_count() or 1)
