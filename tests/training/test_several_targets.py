"""A click, a number and a class of one row, learned together from tables to the best epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.recipe import parse_recipe
from shortlist.training.stages import load_ranking, train_ranking

RECIPE = """
[data]
interactions = "log.parquet"
[schema]
targets.click = "click"
targets.seconds = {value = "seconds", kind = "regression"}
targets.shelf = {value = "shelf", kind = "multiclass"}
[features]
context = {device = "categorical", price = "numeric"}
[split]
kind = "random"
[ranking]
negatives = {sampled = 0}
loss_weights = "uncertainty"
epochs = 8
batch_size = 256
dense = {lr = 0.01}
embedding = {lr = 0.2}
[ranking.model]
name = "wide_deep"
hidden = [16]
[compute]
threads = 1
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The device says which shelf and how likely a click is, the price how many seconds; a third of each is missing."""
    random, rows = np.random.default_rng(0), 6_000
    device, price = random.integers(0, 4, rows), random.normal(size=rows)
    told = random.random((3, rows)) < 2 / 3
    shelves = np.array(["tea", "cup", "pot", "pot"])[device].tolist()
    log: dict[str, Any] = {
        "device": [f"d{number}" for number in device],
        "price": price,
        "click": np.where(told[0], random.random(rows) < np.array([0.1, 0.3, 0.7, 0.9])[device], np.nan),
        "seconds": np.where(told[1], 9_000 + 400 * price + 200 * random.normal(size=rows), np.nan),
        "shelf": [shelf if known else None for shelf, known in zip(shelves, told[2], strict=True)],
    }
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    return tmp_path


@pytest.mark.parametrize("tasks", ["shared_bottom", "mmoe"])
def test_all_are_learned(data: Path, tasks: str) -> None:
    recipe = parse_recipe(RECIPE, data_dir=data, overrides=[f"ranking.model.tasks={tasks}"])
    prepare(recipe, data / "prepared")
    prepared = Prepared.open(data / "prepared")
    (data / "ranking").mkdir()
    train_ranking(prepared, recipe, data / "ranking", data / "checkpoints", Silent(), None)

    best = max((entry["valid"] for entry in read_json(data / "ranking" / "history.json")), key=lambda v: v["auc"])
    # The best that can be known: .806, .8 and 1.
    assert best["auc"] > 0.75
    assert best["seconds.r2"] > 0.5
    assert best["shelf.accuracy"] > 0.9
    assert load_ranking(prepared, recipe, data / "ranking").outputs == 1 + 1 + 3
