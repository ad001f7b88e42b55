"""Figures of the harness against hand-worked ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from benchmarks import harness
from benchmarks.harness import Rounds, at_least, at_most, interleaved


def _counter(calls: list[str], name: str, values: list[float]) -> Callable[[], float]:
    remaining = iter(values)

    def measure() -> float:
        calls.append(name)
        return next(remaining)

    return measure


def test_contestants_take_turns_and_each_round_begins_with_another() -> None:
    calls: list[str] = []
    found = interleaved(
        {"a": _counter(calls, "a", [1, 5, 3]), "b": _counter(calls, "b", [10, 30, 20])},
        rounds=3,
    )
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert found.values == {"a": [1, 5, 3], "b": [10, 30, 20]}
    assert found.medians() == {"a": 3, "b": 20}
    assert found.spread("a") == pytest.approx(4 / 3)


def test_one_that_fails_is_named_and_does_not_stop_the_others() -> None:
    calls: list[str] = []

    def fails() -> float:
        calls.append("bad")
        raise RuntimeError("something happened\nValueError: no such column\nand more")

    found = interleaved({"good": _counter(calls, "good", [1, 2]), "bad": fails}, rounds=2)
    assert found.failed == {"bad": "ValueError: no such column"}
    assert found.values == {"good": [1, 2]}
    assert calls.count("bad") == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Collecting x\nERROR: No matching distribution found for x==9\nhint: see above", "ERROR: No matching"),
        ("Traceback:\n  File y\nModuleNotFoundError: No module named 'z'", "ModuleNotFoundError: No module named 'z'"),
        ("first\nlast", "last"),
        ("", "it ended without a word"),
    ],
)
def test_the_useful_line_names_the_error(text: str, line: str) -> None:
    assert harness.useful_line(text).startswith(line)


def test_goals_are_met_at_their_bound() -> None:
    assert at_least(2, 2.0) == (2, 2.0, True)
    assert at_least(2, 1.99) == (2, 1.99, False)
    assert at_most(2, 2.0) == (2, 2.0, True)
    assert not harness.all_met({"a": at_least(1, 2), "b": at_most(1, 2)})


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.80214, "0.8021"), (21000.4, "21,000"), (8.7e6, "8.70 M"), (-3.2e9, "-3.20 G"), (0, "0")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert harness.number(value) == text


def test_cpu_seconds_count_work_and_not_waiting() -> None:
    before = harness.cpu_seconds()
    time.sleep(0.2)
    waited = harness.cpu_seconds() - before
    while harness.cpu_seconds() - before < 0.1:
        sum(range(1000))
    assert waited < 0.1


def test_cpu_seconds_and_memory_of_another_process() -> None:
    code = "import sys; x = bytearray(60 << 20); [sum(range(1000)) for _ in range(20000)]; print(1); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert harness.cpu_seconds(process.pid) > 0
        assert harness.peak_memory(process.pid) >= harness.memory(process.pid) > 60 << 20
        process.communicate()


def test_peak_memory_begins_again() -> None:
    block = bytearray(64 << 20)
    assert harness.peak_memory() > len(block)
    before = harness.peak_memory()
    del block
    harness.release_memory()
    harness.reset_peak_memory()
    assert harness.peak_memory() < before


def test_the_machine_is_described() -> None:
    facts = harness.machine()
    assert facts["cores"] == os.cpu_count()
    assert facts["memory_gib"] > 0
    assert facts["cpu"]


def test_rates_of_the_machine_are_plausible() -> None:
    assert 1e8 < harness.memory_bandwidth(size=8 << 20, rounds=2) < 1e13
    assert 1e8 < harness.matrix_rate(1, [(64, 64, 64)], rounds=2) < 1e15


def test_medians_need_no_odd_number_of_rounds() -> None:
    assert Rounds({"a": [1.0, 2.0]}).median("a") == 1.5
