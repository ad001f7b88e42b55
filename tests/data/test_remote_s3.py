"""Shards on S3: prepared, trained from and evaluated, against moto's server on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from shortlist.core.errors import DataError
from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.data.remote import REMOTE
from shortlist.recipe import parse_recipe
from tests.data.test_prepare import ITEMS, LOG, RECIPE, USERS, _write

pytestmark = pytest.mark.integration


def prepared(folder: Path, place: str | None) -> Prepared:
    folder.mkdir()
    _write(folder, log=LOG, users=USERS, items=ITEMS)
    recipe = RECIPE + (f'shards = "{place}"\n' if place else "")
    prepare(parse_recipe(recipe, "shop.toml", data_dir=folder), folder / "prepared", Silent())
    return Prepared.open(folder / "prepared")


def test_prepared_data_on_s3_is_the_same_as_here(tmp_path: Path, bucket: str) -> None:
    here, far = prepared(tmp_path / "here", None), prepared(tmp_path / "far", f"s3://{bucket}/run")

    assert list((tmp_path / "far" / "prepared").glob("events-*")) == []
    (shard,) = read_json(tmp_path / "far" / "prepared" / "manifest.json")[REMOTE]["shards"]
    assert fsspec.filesystem("s3").ls(f"{bucket}/run", refresh=True) == [f"{bucket}/run/{shard['file']}"]
    for one, other in zip(here.shards, far.shards, strict=True):
        assert one.item.tolist() == other.item.tolist()
        assert one.time.tolist() == other.time.tolist()
        assert one.targets_nT.tolist() == other.targets_nT.tolist()
    assert here.facts == far.facts
    (cached,) = (Path(os.environ["SHORTLIST_CACHE"]) / "shards").glob("*.arrow")
    assert cached.stat().st_size == shard["bytes"]


def test_a_shard_that_was_removed_from_s3_is_named(tmp_path: Path, bucket: str) -> None:
    far = prepared(tmp_path / "far", f"s3://{bucket}/run")
    fsspec.filesystem("s3").rm(f"s3://{bucket}/run", recursive=True)

    with pytest.raises(DataError, match=r"cannot fetch s3://bucket-.*/run/events-00000-.*FileNotFoundError"):
        far.shards[0]


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shortlist.data.remote.BACKOFF_SECONDS", ())

    with pytest.raises(DataError, match=r"cannot upload s3://nobody/run/events-00000-.*Is the place there"):
        prepared(tmp_path / "far", "s3://nobody/run")
