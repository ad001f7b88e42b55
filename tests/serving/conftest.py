"""Two real bundles, made by the whole pipeline from tables of some hundreds of rows."""

from __future__ import annotations

import csv
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI

from shortlist.bundle.recommender import Recommender
from shortlist.core.progress import Silent
from shortlist.pipeline.run import run_stages
from shortlist.recipe.read import parse_recipe
from shortlist.serving import create_app
from shortlist.serving.orders import RunFolder

USERS = 40
ITEMS = 30

SMALL = """
[{stage}]
epochs = 1
batch_size = 64
history = 8
model = {{ name = "{model}", {settings} }}
"""

SHOP = """
name = "corner-shop"
[data]
interactions = "events.csv"
users = "people.csv"
items = "goods.csv"
[schema]
user_id = "person"
item_id = "good"
timestamp = "time"
event = "event"
targets.bought = 'event == "purchase"'
title = "name"
[features.user]
city = "categorical"
[features.item]
category = "categorical"
price = "numeric"
[features.context]
device = "categorical"
[compute]
threads = 1
"""

CLICKS = """
name = "clicks"
[data]
interactions = "clicks.csv"
[schema]
targets.clicked = "clicked == 1"
[features.context]
banner = "categorical"
hour = "numeric"
[split]
kind = "random"
[compute]
threads = 1
"""

TWO_TOWER = SMALL.format(stage="retrieval", model="two_tower", settings="dim = 8, embedding_dim = 8, hidden = [16]")
WIDE_DEEP = SMALL.format(stage="ranking", model="wide_deep", settings="embedding_dim = 4, hidden = [16]")
READS_EVENTS = WIDE_DEEP.replace("hidden = [16]", 'hidden = [16], history = "gru"')


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_bundle(folder: Path, recipe: str) -> Path:
    run_stages(parse_recipe(recipe, data_dir=folder), folder / "run", Silent(), upto="export")
    return folder / "run" / "bundle"


@pytest.fixture(scope="session")
def shop_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People with integer ids, goods with text ids: both stages, features on all three sides."""
    folder = tmp_path_factory.mktemp("shop")
    random = np.random.default_rng(7)
    goods = [f"good-{number:02}" for number in range(ITEMS)]
    write_csv(folder / "people.csv", ({"person": 100 + u, "city": ("Bonn", "Graz")[u % 2]} for u in range(USERS)))
    write_csv(
        folder / "goods.csv",
        (
            {"good": good, "name": f"Good no. {i}", "category": ("tea", "coffee")[i % 2], "price": 1 + i}
            for i, good in enumerate(goods)
        ),
    )
    write_csv(
        folder / "events.csv",
        (
            {
                "person": 100 + u,
                "good": goods[2 * int(random.integers(ITEMS // 2)) + u % 2],
                "time": 1_700_000_000 + 3600 * step + u,
                "event": ("view", "purchase")[int(random.integers(2))],
                "device": ("phone", "laptop")[int(random.integers(2))],
            }
            for step in range(12)
            for u in range(USERS)
        ),
    )
    return make_bundle(folder, SHOP + TWO_TOWER + READS_EVENTS)


@pytest.fixture(scope="session")
def clicks_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A click log without users, items and times: a ranker alone."""
    folder = tmp_path_factory.mktemp("clicks")
    random = np.random.default_rng(7)
    write_csv(
        folder / "clicks.csv",
        (
            {"clicked": int(row % 2), "banner": ("red", "blue")[row % 2], "hour": int(random.integers(24))}
            for row in range(400)
        ),
    )
    return make_bundle(folder, CLICKS + WIDE_DEEP + "negatives = { sampled = 0 }\n")


@pytest.fixture(scope="session")
def shop(shop_bundle: Path) -> Recommender:
    return Recommender.load(shop_bundle)


@pytest.fixture(scope="session")
def clicks(clicks_bundle: Path) -> Recommender:
    return Recommender.load(clicks_bundle)


@contextmanager
def served(app: FastAPI) -> Iterator[httpx.Client]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        thread = threading.Thread(target=server.run, args=([taken],))
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.01)
            port = taken.getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable[[FastAPI], AbstractContextManager[httpx.Client]]:
    """`with serve(app) as client`: the application on a port, in a thread of this process."""
    return served


@pytest.fixture(scope="session")
def client(shop: Recommender) -> Iterator[httpx.Client]:
    """Asks the shop's application."""
    with served(create_app(shop)) as client:
        yield client


@pytest.fixture(scope="session")
def clicks_client(clicks: Recommender) -> Iterator[httpx.Client]:
    """Asks the click log's application."""
    with served(create_app(clicks)) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    path = tmp_path / "run"
    path.mkdir()
    return RunFolder(path)


@pytest.fixture
def old(shop_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shop_bundle, tmp_path / "old")


@pytest.fixture
def new(shop: Recommender, tmp_path: Path) -> Path:
    shop.with_items({"good": ["good-new"], "category": ["tea"], "price": [3]}).save(tmp_path / "new")
    return tmp_path / "new"
