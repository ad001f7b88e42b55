"""Shards on another file system: fetched as they are read, a few ahead, and a clear word when one is not as it was.

The file system is a local folder behind fsspec that is slow, counts, and fails when it is told to.
"""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem

from shortlist.core.errors import DataError, EnvironmentFault, RecipeError
from shortlist.core.files import read_json, write_json
from shortlist.data import event_shards, order, remote
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, ranking_rows
from shortlist.data.prepared import Prepared
from shortlist.data.remote import REMOTE, upload
from shortlist.data.shards import read_batch
from shortlist.schema import Split
from tests.data.shards import log_folder

GIB = 2**30
SHARDS, ROWS = 12, 100


class SlowFiles(LocalFileSystem):  # type: ignore[misc]  # fsspec carries no types
    """`slow://FOLDER`: each download takes `seconds`; the next `faults` of them raise first."""

    protocol = "slow"
    seconds: ClassVar[float] = 0.0
    faults: ClassVar[list[Exception]] = []
    fetched: ClassVar[list[str]] = []
    threads: ClassVar[set[str]] = set()

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        time.sleep(self.seconds)
        if self.faults:
            raise self.faults.pop(0)
        self.fetched.append(Path(rpath).name[: len("events-00000")])
        self.threads.add(threading.current_thread().name)
        super().get_file(rpath, lpath, **options)


@pytest.fixture(autouse=True)
def slow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[SlowFiles]:
    fsspec.register_implementation("slow", SlowFiles, clobber=True)
    monkeypatch.setattr(SlowFiles, "seconds", 0.0)
    monkeypatch.setattr(remote, "BACKOFF_SECONDS", (0.001, 0.001))
    monkeypatch.setenv("SHORTLIST_CACHE", str(tmp_path / "cache"))
    for kept in (SlowFiles.faults, SlowFiles.fetched, SlowFiles.threads):
        kept.clear()
    return SlowFiles


def cached(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "shards").glob("*.arrow"))


@pytest.fixture
def uploaded(tmp_path: Path) -> Path:
    """A prepared folder whose shards are elsewhere."""
    folder = log_folder(tmp_path / "prepared", SHARDS, ROWS)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", {**manifest, **upload(folder, manifest["shards"], f"slow://{tmp_path}/far")})
    return folder


def shard_bytes(folder: Path) -> int:
    return max(int(shard["bytes"]) for shard in read_json(folder / "manifest.json")[REMOTE]["shards"])


def rows(data: Prepared) -> list[list[float]]:
    batches = ranking_rows(EventRows(data, Split.TRAIN), Gather(data, 0), 16, 0, 0)
    return [batch.features.numbers_BN[:, 0].tolist() for batch in batches]


def test_uploading_moves_the_shards_and_names_them(tmp_path: Path) -> None:
    folder = log_folder(tmp_path / "prepared", 2, ROWS)
    names = read_json(folder / "manifest.json")["shards"]
    found = upload(folder, names, f"file://{tmp_path}/far")[REMOTE]

    assert found["url"] == f"file://{tmp_path}/far"
    assert [shard["name"] for shard in found["shards"]] == names
    assert list(folder.glob("events-*")) == []
    for shard in found["shards"]:
        assert (tmp_path / "far" / shard["file"]).stat().st_size == shard["bytes"]
        assert shard["sha256"][:16] in shard["file"]
        assert sum(shard["facts"]["counts"]) == ROWS
    assert upload(folder, names, None) == {}


def test_a_place_that_can_be_no_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = log_folder(tmp_path / "near", 1, ROWS)
    names = read_json(folder / "manifest.json")["shards"]

    with pytest.raises(
        DataError, match=r"cannot upload file://.*/file/far/events-.*: .*Error .*may this machine write"
    ):
        upload(folder, names, f"file://{tmp_path}/file/far")


def test_an_upload_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    def uploaded_files(folder: Path) -> list[Path]:
        names = read_json(log_folder(folder, 3, ROWS) / "manifest.json")["shards"]
        shards = upload(folder, names, f"file://{tmp_path}/far")[REMOTE]["shards"]
        return [tmp_path / "far" / shard["file"] for shard in shards]

    files = uploaded_files(tmp_path / "first")
    times = [path.stat().st_mtime_ns for path in files]
    files[2].write_bytes(b"cut off")

    assert uploaded_files(tmp_path / "again") == files
    assert [path.stat().st_mtime_ns for path in files[:2]] == times[:2]
    assert files[2].stat().st_size > 100


def test_an_epoch_is_the_same_from_far_and_near(tmp_path: Path, uploaded: Path) -> None:
    near = Prepared.open(log_folder(tmp_path / "near", SHARDS, ROWS))
    far = Prepared.open(uploaded)

    # How many rows there are is known without fetching one of them.
    assert len(EventRows(far, Split.TRAIN)) == len(EventRows(near, Split.TRAIN))
    assert SlowFiles.fetched == []
    assert rows(far) == rows(near)
    assert sorted(SlowFiles.fetched) == [f"events-{i:05d}" for i in range(SHARDS)]
    # A second epoch finds them all in the cache.
    assert rows(Prepared.open(uploaded)) == rows(near)
    assert len(SlowFiles.fetched) == SHARDS == len(cached(tmp_path))


def size_now(path: Path) -> int:
    """0 for a file that was evicted since it was listed: the next shards are fetched meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_the_cache_keeps_its_bound(tmp_path: Path, uploaded: Path) -> None:
    limit = (event_shards.OPEN + 1) * shard_bytes(uploaded)
    data = Prepared.open(uploaded, cache_gib=limit / GIB)
    for _ in ranking_rows(EventRows(data, Split.TRAIN), Gather(data, 0), 16, 0, 0):
        assert sum(size_now(path) for path in cached(tmp_path)) <= limit
    assert len(SlowFiles.fetched) == SHARDS
    # What was used last is still there, what was used first is not.
    kept = len(cached(tmp_path))
    assert kept == event_shards.OPEN + 1
    assert len(list(data.shards)) == SHARDS


def test_the_next_shards_are_fetched_while_this_one_is_read(uploaded: Path, slow: type[SlowFiles]) -> None:
    slow.seconds = 0.02
    data = Prepared.open(uploaded)
    batches = iter(ranking_rows(EventRows(data, Split.TRAIN), Gather(data, 0), 16, 0, 0))
    next(batches)
    for _ in range(500):
        if len(slow.fetched) > order.TOGETHER:
            break
        time.sleep(0.01)

    assert len(slow.fetched) > order.TOGETHER
    assert len(list(batches)) == EventRows(data, Split.TRAIN).count_batches(16) - 1
    assert any(name.startswith("shards") for name in slow.threads)


def test_faults_that_pass_are_tried_again(uploaded: Path, slow: type[SlowFiles]) -> None:
    slow.faults += [ConnectionResetError("reset"), TimeoutError("slow")]

    assert len(Prepared.open(uploaded).shards[3]) == ROWS


def test_faults_that_stay_are_one_clear_error(tmp_path: Path, uploaded: Path, slow: type[SlowFiles]) -> None:
    slow.faults += [ConnectionResetError("reset by peer")] * 3

    with pytest.raises(DataError, match=r"cannot fetch slow://.*events-00003.*ConnectionResetError reset by peer"):
        Prepared.open(uploaded).shards[3]
    assert list((tmp_path / "cache" / "shards").glob("[!.]*")) == []


def test_a_full_disk_is_not_tried_again(uploaded: Path, slow: type[SlowFiles]) -> None:
    slow.faults += [OSError(errno.ENOSPC, "No space left on device")] * 3

    with pytest.raises(
        EnvironmentFault, match=r"the disk is full: .*SHORTLIST_CACHE, or .*compute\.cache_gib"
    ) as fault:
        Prepared.open(uploaded).shards[3]
    assert "--runs" not in str(fault.value)
    assert len(slow.faults) == 2


def test_a_shard_that_made_room_before_it_was_read_is_fetched_again(
    uploaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Prepared.open(uploaded)

    def too_late(path: Path) -> pa.RecordBatch:
        if len(SlowFiles.fetched) == 1:
            path.unlink()
        return read_batch(path)

    monkeypatch.setattr(remote, "read_batch", too_late)
    assert len(data.shards[3]) == ROWS
    assert SlowFiles.fetched == ["events-00003"] * 2


def far_file(tmp_path: Path, name: str) -> Path:
    (found,) = (tmp_path / "far").glob(f"{name}-*")
    return found


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", r"FileNotFoundError"),
        ("truncated", r"it has 100 bytes, and had [\d,]+ when it was prepared"),
        ("changed", r"its content is not what was prepared \(SHA-256 differs\)"),
    ],
)
def test_a_shard_that_is_not_as_it_was_is_one_clear_error(tmp_path: Path, uploaded: Path, what: str, said: str) -> None:
    path = far_file(tmp_path, "events-00005")
    content = path.read_bytes()
    if what == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:100] if what == "truncated" else content[:-8] + b"changed!")
    data = Prepared.open(uploaded)

    with pytest.raises(DataError, match=f"cannot fetch slow://.*events-00005.*{said}.*prepare --force"):
        data.shards[5]
    assert len(data.shards[4]) == ROWS
    assert len(cached(tmp_path)) == 1


def test_a_cached_file_that_is_cut_is_fetched_again(tmp_path: Path, uploaded: Path) -> None:
    assert len(Prepared.open(uploaded).shards[0]) == ROWS
    (path,) = cached(tmp_path)
    path.write_bytes(path.read_bytes()[:50])

    assert len(Prepared.open(uploaded).shards[0]) == ROWS
    assert SlowFiles.fetched == ["events-00000"] * 2


def test_a_cache_that_is_too_small_says_what_it_needs(uploaded: Path) -> None:
    with pytest.raises(RecipeError, match=r"compute\.cache_gib: 1e-06 is too little.*at least 0\.001") as refused:
        Prepared.open(uploaded, cache_gib=1e-6)
    assert refused.value.exit_code == 2


def test_a_place_that_nobody_knows(tmp_path: Path) -> None:
    folder = log_folder(tmp_path / "prepared", 1, ROWS)

    with pytest.raises(RecipeError, match=r"compute\.shards: 'nowhere://x' is no place that fsspec knows"):
        upload(folder, ["events-00000.arrow"], "nowhere://x")
    assert (folder / "events-00000.arrow").is_file()


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "url_to_fs", absent)
    with pytest.raises(EnvironmentFault, match=r"s3://bucket/x.*Install s3fs.*shortlist\[remote\]"):
        upload(tmp_path, [], "s3://bucket/x")


def test_memory_is_a_file_system_too(tmp_path: Path) -> None:
    folder = log_folder(tmp_path / "prepared", 2, ROWS)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", {**manifest, **upload(folder, manifest["shards"], "memory://run/1")})

    assert [len(shard) for shard in Prepared.open(folder).shards] == [ROWS, ROWS]


def test_few_shards_are_open_at_once(tmp_path: Path) -> None:
    shards = Prepared.open(log_folder(tmp_path / "prepared", SHARDS, ROWS)).shards
    first = shards[0]
    assert shards[0] is first
    assert [int(shard.time[0]) for shard in shards] == list(range(SHARDS))
    assert shards[0] is not first
    assert shards[-1] is shards[SHARDS - 1]
    assert len(shards[2:4]) == 2
    with pytest.raises(IndexError):
        shards[SHARDS]


def test_a_local_shard_that_is_missing_is_a_clear_error(tmp_path: Path) -> None:
    folder = log_folder(tmp_path / "prepared", 2, ROWS)
    (folder / "events-00001.arrow").unlink()

    with pytest.raises(DataError, match=r"cannot read .*events-00001\.arrow.*prepare --force"):
        list(Prepared.open(folder).shards)
