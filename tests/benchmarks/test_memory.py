"""The benchmark of memory: what is counted as what, and training a mapped table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import memory
from benchmarks.harness import Options
from benchmarks.mapped_training import draw, train
from benchmarks.memory import MAPPED_BOUND_GIB, TABLE_ROWS, goals_of, shop_recipe
from benchmarks.resident import Watched, resident
from shortlist.core.errors import EnvironmentFault
from shortlist.data.simulate import simulate_to

MEBI = 2**20


def test_anonymous_memory_of_a_block_is_seen_although_it_was_freed() -> None:
    with Watched() as held:
        block = np.ones(64 * MEBI, np.uint8)
        del block
    facts = held.facts()

    assert facts["peak"] - facts["before"] > 48 * MEBI
    assert facts["peak"] < facts["before"] + 256 * MEBI


def test_pages_of_a_mapped_file_are_not_anonymous(tmp_path: Path) -> None:
    np.full(32 * MEBI, 1, np.uint8).tofile(tmp_path / "file")
    before = resident()
    mapped = np.memmap(tmp_path / "file", np.uint8, "r")
    assert mapped.sum() == 32 * MEBI
    after = resident()

    assert after["file"] - before["file"] > 24 * MEBI
    assert after["anonymous"] - before["anonymous"] < 16 * MEBI


@pytest.mark.parametrize("law", ["zipf", "uniform"])
def test_drawn_numbers_are_below_the_size(law: str) -> None:
    number_n = draw(law, 1000, 50_000, np.random.default_rng(0))

    assert number_n.min() == 0
    assert number_n.max() == 999
    # By Zipf's law the first value has as many as the next ones together that are twice as far.
    assert ((number_n == 0).sum() > 3000) == (law == "zipf")


@pytest.mark.parametrize("law", ["zipf", "uniform"])
def test_a_mapped_table_trains_for_the_time_and_leaves_nothing(law: str, tmp_path: Path) -> None:
    found = train(tmp_path / "table", rows=8000, dim=8, batch=64, law=law, seconds=0.05, seed=0)

    assert found["rows_per_s"] > 0
    assert found["table_bytes"] == 8000 * 8 * 4
    assert len(found["windows"]) == 6
    assert not (tmp_path / "table").exists()


def _mapped(gib: float) -> dict[str, Any]:
    found = {"rows_per_s": 1.0, "anonymous": gib * 2**30, "table_bytes": TABLE_ROWS * 64 * 4}
    return {"zipf": found, "uniform": found}


def test_the_bound_is_of_anonymous_memory_alone() -> None:
    assert goals_of(_mapped(0.3), 8000)["zipf ids: GiB of anonymous memory"] == (MAPPED_BOUND_GIB, 0.3, True)
    assert not goals_of(_mapped(2), 8000)["uniform ids: GiB of anonymous memory"][2]


def test_a_table_that_would_fit_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "GiB of the table, beside the machine's memory"
    monkeypatch.setattr(memory, "machine", lambda: {"memory_gib": 24.0})
    assert goals_of(_mapped(0.5), TABLE_ROWS)[name] == (24.0, 38.1, True)
    monkeypatch.setattr(memory, "machine", lambda: {"memory_gib": 256.0})
    assert not goals_of(_mapped(0.5), TABLE_ROWS)[name][2]


def test_a_disk_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_FREE_GIB", 10**9)
    with pytest.raises(EnvironmentFault, match="Choose another place with --work"):
        memory.train_mapped(TABLE_ROWS, 1.0, Options(work=tmp_path))


def test_the_shop_trains_one_epoch_on_one_thread(tmp_path: Path) -> None:
    simulate_to(tmp_path / "data", users=20, items=20, days=5)
    recipe = shop_recipe(tmp_path)

    assert recipe.retrieval is not None
    assert (recipe.retrieval.epochs, recipe.compute.threads) == (1, 1)
    assert Path(recipe.data.interactions.sources[0]).is_file()
