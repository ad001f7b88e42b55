"""Prefetching: the same items in the same order, errors where they belong, and no thread left behind."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest

from shortlist.data.prefetch import prefetch


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


def wait_until_ended() -> None:
    for _ in range(500):
        if not threads():
            return
        time.sleep(0.01)
    raise AssertionError("a thread is left")


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_the_items_come_in_their_order(depth: int) -> None:
    assert list(prefetch(iter(range(100)), depth)) == list(range(100))
    assert threads() == []


def test_no_depth_needs_no_thread() -> None:
    items = prefetch(iter([1, 2]), 0)

    assert next(items) == 1
    assert threads() == []


def test_no_more_is_made_ahead_than_was_asked_for() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    items = prefetch(source(), 3)
    for taken in range(1, 11):
        assert next(items) == taken - 1
        time.sleep(0.005)
        assert len(made) <= taken + 3
    del items
    wait_until_ended()


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_comes_where_its_item_would_have(depth: int) -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    items = prefetch(source(), depth)

    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(items)
    with pytest.raises(StopIteration):
        next(items)
    assert threads() == []


def test_an_iterator_that_is_forgotten_ends_its_thread_and_its_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    items = prefetch(source(), 2)
    assert next(items) == 1
    assert threads() == ["prefetch"]
    del items
    gc.collect()

    wait_until_ended()
    assert closed.wait(5)


def test_breaking_off_a_loop_leaves_no_thread() -> None:
    for item in prefetch(iter(range(1000)), 2):
        if item == 3:
            break

    wait_until_ended()


def test_the_source_runs_in_the_background() -> None:
    names = list(prefetch((threading.current_thread().name for _ in range(3)), 1))

    assert names == ["prefetch"] * 3
