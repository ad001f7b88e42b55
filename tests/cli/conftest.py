"""A small shop of tables on disk, run once for real through the command, and a way to call the command."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.cli.main import main

USERS, ITEMS, EVENTS_A_USER = 60, 40, 25

RECIPE = """\
[data]
interactions = "ratings.parquet"
users = "people.parquet"
items = "films.parquet"
[schema]
user_id = "user_id"
item_id = "film_id"
timestamp = "timestamp"
title = "title"
targets.liked = "rating >= 4"
[features.user]
town = "categorical"
[features.item]
genres = "multi_hot"
[features.context]
[funnel]
candidates = 20
retrieval_weight = 0.1
[retrieval]
epochs = 1
batch_size = 256
history = 5
model = {name = "two_tower", dim = 8, embedding_dim = 8}
[ranking]
epochs = 1
batch_size = 256
history = 5
model = {name = "wide_deep", embedding_dim = 4, hidden = [8]}
[compute]
threads = 1
"""


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Shortlist = Callable[..., Said]


@pytest.fixture
def shortlist(capsys: pytest.CaptureFixture[str]) -> Shortlist:
    """Call the command in this process."""

    def call(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Said(code, *capsys.readouterr())

    return call


def write_tables(folder: Path) -> None:
    """Users of two towns who like films of their own parity: 1,500 ratings in order of time."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(1, USERS + 1), EVENTS_A_USER)
    films = np.concatenate([rng.permutation(ITEMS)[:EVENTS_A_USER] + 100 for _ in range(USERS)])
    liked = (users + films) % 2 == 0
    ratings = {
        "user_id": users,
        "film_id": films,
        "rating": np.where(liked, rng.integers(4, 6, len(users)), rng.integers(1, 4, len(users))).astype(np.int8),
        "timestamp": 1_600_000_000 + rng.permutation(len(users)) * 3_600,
    }
    ids = range(1, USERS + 1)
    people = {"user_id": list(ids), "town": ["Ulm" if i % 2 else "Bonn" for i in ids]}
    numbers = range(100, 100 + ITEMS)
    films_table = {
        "film_id": list(numbers),
        "title": [f"Film {i}" for i in numbers],
        "genres": ["drama|war" if i % 2 else "comedy" for i in numbers],
    }
    for name, columns in (("ratings", ratings), ("people", people), ("films", films_table)):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the tables and a recipe, not yet run."""
    write_tables(tmp_path)
    (tmp_path / "films.toml").write_text(RECIPE)
    return tmp_path


@pytest.fixture(scope="session")
def done_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after `shortlist run --profile --json`; its run is in `runs/films`, what it printed in `said.json`."""
    folder = tmp_path_factory.mktemp("shop")
    write_tables(folder)
    (folder / "films.toml").write_text(RECIPE)
    words = ["run", str(folder / "films.toml"), "--runs", str(folder / "runs"), "--quiet", "--profile", "--json"]
    with (folder / "said.json").open("w", encoding="utf-8") as said, contextlib.redirect_stdout(said):
        assert main(words) == 0
    return folder
