"""The cache of fetched files: bounded, whole files alone, shared by processes that know nothing of one another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shortlist.data.shard_cache import ShardCache, default_folder

SIZE = 1000


def fetch(path: Path) -> None:
    path.write_bytes(path.name[:1].encode() * SIZE)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("[!.]*"))


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 3 * SIZE)
    for age, key in enumerate("abc"):
        os.utime(cache.get(key, SIZE, fetch), ns=(age, age))
    cache.get("a", SIZE, lambda _: pytest.fail("it is here"))
    cache.get("d", SIZE, fetch)

    assert files(tmp_path) == ["a", "c", "d"]


def test_a_file_that_is_mapped_stays_readable_when_it_makes_room(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, SIZE)
    with cache.get("a", SIZE, fetch).open("rb") as held:
        cache.get("b", SIZE, fetch)

        assert files(tmp_path) == ["b"]
        assert held.read() == b"a" * SIZE


def test_a_fetch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        path.write_bytes(b"half")
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        ShardCache(tmp_path, 9 * SIZE).get("a", SIZE, broken)
    assert files(tmp_path) == []


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / f"a.{SIZE}.partial").write_bytes(b"x" * 400)
    path = ShardCache(tmp_path, SIZE).get("a", SIZE, fetch)

    assert path.read_bytes() == b"a" * SIZE
    assert files(tmp_path) == ["a"]


def test_a_file_is_not_seen_before_it_is_whole_and_fetched_once(tmp_path: Path) -> None:
    cache, begun, go_on = ShardCache(tmp_path, 9 * SIZE), threading.Event(), threading.Event()
    fetched: list[str] = []

    def slowly(path: Path) -> None:
        fetched.append(path.name)
        path.write_bytes(b"half")
        begun.set()
        assert go_on.wait(10)
        fetch(path)

    threads = [threading.Thread(target=cache.get, args=("a", SIZE, slowly)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    assert "a" not in files(tmp_path)
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert fetched == [f"a.{SIZE}.partial"]
    assert files(tmp_path) == ["a"]


def test_what_a_killed_process_left_makes_room_first(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 2 * SIZE)
    cache.get("a", SIZE, fetch)
    (tmp_path / f"b.{SIZE}.partial").write_bytes(b"x" * 400)
    cache.get("c", SIZE, fetch)

    assert files(tmp_path) == ["a", "c"]


def test_fetches_at_the_same_time_keep_the_bound(tmp_path: Path) -> None:
    cache, begun, go_on = ShardCache(tmp_path, 3 * SIZE), threading.Barrier(3), threading.Event()
    for age, key in enumerate("abc"):
        os.utime(cache.get(key, SIZE, fetch), ns=(age, age))

    def slowly(path: Path) -> None:
        begun.wait(10)
        assert go_on.wait(10)
        fetch(path)

    threads = [threading.Thread(target=cache.get, args=(key, SIZE, slowly)) for key in "de"]
    for thread in threads:
        thread.start()
    begun.wait(10)
    during = [name for name in files(tmp_path) if not name.endswith(".partial")]
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert during == ["c"]
    assert files(tmp_path) == ["c", "d", "e"]


_PROCESS = """
import random, sys, time
from pathlib import Path
from shortlist.data.shard_cache import ShardCache

folder, seed = Path(sys.argv[1]), int(sys.argv[2])
cache, choice = ShardCache(folder, 4 * 1000), random.Random(seed)

def fetch(path):
    with path.open("wb") as file:
        for _ in range(10):
            file.write(path.name[:1].encode() * 100)
            file.flush()
            time.sleep(0.0002)

for _ in range(150):
    key = choice.choice("abcdefgh")
    try:
        content = cache.get(key, 1000, fetch).read_bytes()
    except FileNotFoundError:
        continue  # the other process needed the room
    assert content == key.encode() * 1000, (key, content)
"""


def test_processes_share_a_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PROCESS, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(seed)], stderr=subprocess.PIPE, text=True) for seed in range(3)]
    errors = [process.communicate(timeout=60)[1] for process in processes]

    assert errors == ["", "", ""]
    assert [process.returncode for process in processes] == [0, 0, 0]
    left = files(tmp_path)
    assert not [name for name in left if name.endswith(".partial")]
    assert 0 < len(left) <= 4


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SHORTLIST_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "shortlist" / "shards"
    monkeypatch.setenv("SHORTLIST_CACHE", str(tmp_path / "fast"))
    assert default_folder() == tmp_path / "fast" / "shards"
