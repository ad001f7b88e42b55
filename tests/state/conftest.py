"""Every state that there is, empty, by a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shortlist.state import State, open_state
from tests.state.places import redis_server

Opener = Callable[[], State]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["lmdb", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty state lies."""
    if request.param == "lmdb":
        return str(tmp_path / "state")
    redis = pytest.importorskip("redis")
    url: str = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def state(address: str) -> Iterator[State]:
    """An empty state."""
    with ExitStack() as stack:
        opened = open_state(address)
        stack.callback(opened.close)
        yield opened
