"""The benchmark of doublings: exponents, goals, and the stages on a tiny log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import growth
from benchmarks.growth import STAGES, Growth, Size, goals_of, growths, table, write_log
from benchmarks.harness import Options
from benchmarks.stage_worker import Stages
from benchmarks.stages import Costs

TINY = Size(600, 40, 30, 4, 64)


def test_exponent_is_one_where_each_doubling_doubles_and_two_where_it_squares() -> None:
    assert Growth([3, 6, 12, 24]).exponent == pytest.approx(1)
    assert Growth([3, 12, 48]).exponent == pytest.approx(2)
    assert Growth([5, 5, 5]).exponent == pytest.approx(0)
    assert Growth([3, 6, 18]).factors == [2, 3]
    assert Growth([2**21, 2**22]).facts("memory") == {"base_mib": 2, "x2": 2, "exponent": pytest.approx(1)}


def test_export_is_shown_but_not_judged() -> None:
    points = [
        {stage: {**cost, "cpu_s": 4.0**n} for stage, cost in point.items() if stage == "export"}
        for n, point in enumerate(_points(1))
    ]
    grown = growths([{**point, **export} for point, export in zip(_points(1), points, strict=True)])

    assert grown["export", "time"].exponent == pytest.approx(2)
    assert goals_of({"rows": grown})["rows: time of every stage, exponent"][2]


def test_a_size_is_doubled_in_one_quantity() -> None:
    assert Size().doubled("items", 3).items == 8 * Size().items
    assert Size().doubled("items", 3).rows == Size().rows


def _points(power: float) -> list[Costs]:
    """What would be measured of a cost that grows by this power."""
    return [
        {stage: {"cpu_s": 1.0 * 2 ** (power * n), "before": 1e9, "peak": 1e9 + 1e8 * 2**n} for stage in STAGES}
        for n in range(4)
    ]


def test_what_is_worse_than_linear_misses_its_goal() -> None:
    goals = goals_of({"rows": growths(_points(1.5))})

    assert goals == {
        "rows: time of every stage, exponent": (growth.LINEAR, 1.5, False),
        "rows: memory of every stage, exponent": (growth.LINEAR, 1.0, True),
    }
    assert len(table({"rows": growths(_points(1.5))})) == 1 + 2 * len(STAGES)


def test_little_memory_is_not_judged_by_its_noise() -> None:
    points: list[Costs] = [
        {stage: {"cpu_s": 1.0, "before": 1e9, "peak": 1e9 + size} for stage in STAGES} for size in (1e5, 1e6, 9e6)
    ]

    assert growths(points)["load", "memory"].exponent == pytest.approx(0)


def test_run_measures_the_base_once_and_every_doubling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Size] = []

    def measured(size: Size, options: Options) -> Costs:
        asked.append(size)
        return {stage: {"cpu_s": size.rows / 1e5, "before": 0.0, "peak": size.rows * 1e3} for stage in STAGES}

    monkeypatch.setattr(growth, "measure", measured)
    result = growth.run(Options(work=tmp_path))

    assert len(asked) == len(set(asked)) == 1 + 3 * len(growth.QUANTITIES)
    assert result.passed
    assert result.ours == pytest.approx(1)


def test_stages_of_a_tiny_log_are_done_in_turn(tmp_path: Path) -> None:
    write_log(tmp_path / "data", TINY, seed=0)
    recipe = growth.recipe(tmp_path / "data", TINY)
    stages = Stages({"recipe": recipe.model_dump(mode="json", by_alias=True), "folder": str(tmp_path / "run")})
    for name in ("prepare", "load"):
        found = getattr(stages, name)()
        assert found["cpu_s"] > 0
        assert found["peak"] >= found["before"] > 2**20
        assert found["anonymous"] > 2**20
    assert (tmp_path / "run" / "prepared" / "manifest.json").is_file()


def test_a_few_items_have_most_of_the_events(tmp_path: Path) -> None:
    write_log(tmp_path / "data", Size(20_000, 100, 1000), seed=0)
    counts = np.unique(pq.read_table(tmp_path / "data" / "events.parquet")["item"].to_numpy(), return_counts=True)[1]

    assert np.sort(counts)[-100:].sum() > 0.4 * 20_000
    assert pq.read_table(tmp_path / "data" / "items.parquet").num_rows == 1000
