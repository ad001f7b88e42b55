"""The time of a request is in the unit of the log, and gives the features that a row of training with it has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.bundle.asking import Asking
from shortlist.bundle.read import FunnelSettings
from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import RequestError
from shortlist.data.event_shard import EventShard
from shortlist.data.loader import Gather
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.export.bundle import seal, write_parts
from shortlist.features.rows import FeatureRows, Longs
from shortlist.recipe import parse_recipe

RECIPE = """
name = "times"
[data]
interactions = "log.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "at"
[features.context]
part = {kind = "timestamp", column = "at"}
second = {kind = "numeric", column = "at", transform = "none"}
bucket = {kind = "numeric", column = "at", transform = "bucketise", buckets = 3}
[split]
kind = "column"
column = "part"
[compute]
threads = 1
"""
MS = 1_600_000_000_123
"""2020-09-13 12:26:40.123 UTC."""
HOUR = 3_600_000
KNOWN = [
    (1, "a", MS, "train"),
    (1, "b", MS + 5 * HOUR, "train"),
    (2, "b", MS + 70 * HOUR, "train"),
    (2, "c", MS + 71 * HOUR, "valid"),
    (3, "a", MS + 72 * HOUR, "test"),
]
NEXT = [(1, "c", MS + 100 * HOUR, "test"), (2, "a", MS + 2_000 * HOUR, "test")]
LENGTH = 3


class Shop(NamedTuple):
    data: Prepared
    """With what the two did next."""
    recommender: Recommender
    """Of a bundle made before that."""


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def prepared(folder: Path, rows: list[tuple[int, str, int, str]], form: Any) -> Prepared:
    folder.mkdir()
    user, item, at, part = (list(values) for values in zip(*rows, strict=True))
    table = pa.table({"user": user, "item": item, "at": [form(ms) for ms in at], "part": part})
    pq.write_table(table, folder / "log.parquet")
    prepare(parse_recipe(RECIPE, "times.toml", data_dir=folder), folder / "prepared")
    return Prepared.open(folder / "prepared")


def shop(folder: Path, form: Any) -> Shop:
    """Of a log that has its times in some form, from milliseconds."""
    before, recipe = prepared(folder / "before", KNOWN, form), parse_recipe(RECIPE, "t.toml", data_dir=folder)
    bundle = folder / "bundle"
    bundle.mkdir()
    write_parts(bundle, before, recipe, None)
    seal(bundle, recipe, FunnelSettings(3, False, 0.0, LENGTH), before.schema, {})
    return Shop(prepared(folder / "after", [*KNOWN, *NEXT], form), Recommender.load(bundle))


@pytest.fixture(scope="module")
def milliseconds(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return shop(tmp_path_factory.mktemp("milliseconds"), int)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return shop(tmp_path_factory.mktemp("texts"), lambda ms: moment(ms).isoformat())


def next_rows(data: Prepared) -> tuple[EventShard, Longs]:
    """The rows of what the two did next."""
    (shard,) = data.shards
    return shard, np.flatnonzero(np.isin(shard.time, [ms // 1000 for _, _, ms, _ in NEXT]))


def trained(data: Prepared) -> FeatureRows:
    """The same as a ranker learns from them."""
    shard, rows_B = next_rows(data)
    return Gather(data, LENGTH, past=True).row(shard, rows_B, shard.item[rows_B])


def assert_same(one: FeatureRows, other: FeatureRows) -> None:
    np.testing.assert_array_equal(one.ids_BF, other.ids_BF, strict=True)
    np.testing.assert_array_equal(one.numbers_BN, other.numbers_BN, strict=True)
    histories = [rows.history for rows in (one, other) if rows.history is not None]
    for name in ("ids_UL", "past_ULP"):
        of_one, of_other = (getattr(history, name)[history.of_B] for history in histories)
        np.testing.assert_array_equal(of_one, of_other, strict=True)


@pytest.mark.parametrize(
    "form", [int, float, str, moment, lambda ms: moment(ms).isoformat(), lambda ms: moment(ms).replace(tzinfo=None)]
)
def test_a_scored_row_of_a_log_in_milliseconds_is_a_row_of_training(milliseconds: Shop, form: Any) -> None:
    bundle = milliseconds.recommender.bundle
    assert bundle.schema.time_unit == 1000.0
    times = [form(ms) for _, _, ms, _ in NEXT]
    scored = Asking(bundle).rows({"user": [1, 2], "item": ["c", "a"], "at": times}, LENGTH)

    assert_same(scored, trained(milliseconds.data))
    np.testing.assert_array_equal(scored.numbers_BN[:, 0], np.array([ms // 1000 for _, _, ms, _ in NEXT], np.float32))


@pytest.mark.parametrize("form", [lambda ms: ms / 1000, lambda ms: ms // 1000, lambda ms: moment(ms).isoformat()])
def test_a_log_of_text_has_its_numbers_in_seconds(texts: Shop, form: Any) -> None:
    bundle = texts.recommender.bundle
    assert bundle.schema.time_unit == 1.0
    times = [form(ms) for _, _, ms, _ in NEXT]

    assert_same(Asking(bundle).rows({"user": [1, 2], "item": ["c", "a"], "at": times}, LENGTH), trained(texts.data))


def test_a_request_tells_the_time_as_a_row_does(milliseconds: Shop) -> None:
    users, times = [user for user, *_ in NEXT], [ms for _, _, ms, _ in NEXT]
    requests = milliseconds.recommender.requests(users, context={"at": times})
    query = Gather(milliseconds.data, 0).query(*next_rows(milliseconds.data))

    assert requests.time_U.tolist() == [ms // 1000 for ms in times]
    np.testing.assert_array_equal(requests.query.ids_BF, query.ids_BF, strict=True)
    np.testing.assert_array_equal(requests.query.numbers_BN, query.numbers_BN, strict=True)


@pytest.mark.parametrize("left_out", [{}, {"at": [None]}, {"at": [float("nan")]}])
def test_a_time_that_is_not_told_is_now_for_features_and_history(
    milliseconds: Shop, monkeypatch: pytest.MonkeyPatch, left_out: dict[str, Any]
) -> None:
    now = MS + 300 * HOUR
    monkeypatch.setattr("time.time", lambda: now / 1000)
    rec = milliseconds.recommender
    found, told = rec.requests([1], context=left_out), rec.requests([1], context={"at": [now]})
    row: dict[str, Any] = {"user": [1], "item": ["a"]}

    assert found.time_U.tolist() == told.time_U.tolist() == [now // 1000]
    np.testing.assert_array_equal(found.query.ids_BF, told.query.ids_BF)
    np.testing.assert_array_equal(found.query.numbers_BN, told.query.numbers_BN)
    assert_same(Asking(rec.bundle).rows({**row, **left_out}, 3), Asking(rec.bundle).rows({**row, "at": [now]}, 3))


def test_a_refused_time_says_which_unit_the_log_has(milliseconds: Shop) -> None:
    with pytest.raises(RequestError, match="the log's unit, milliseconds since 1970"):
        milliseconds.recommender.requests([1], context={"at": [10**17]})
