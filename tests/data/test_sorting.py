"""Rows sorted by way of buckets, compared with a sort of all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shortlist.data.sorting import cuts_between, sample_step, sorted_buckets

KEYS = ["first", "second", "third"]


def _rows(rows: int, distinct: int) -> pa.RecordBatch:
    random = np.random.default_rng(rows)
    return pa.record_batch(
        {
            "first": random.integers(-distinct, distinct, rows),
            "second": random.normal(size=rows).round(1),
            "third": random.permutation(rows),
            "count": pa.array(random.integers(0, 9, rows).astype(np.int32), mask=random.random(rows) < 0.2),
            "text": [f"é{number}" for number in range(rows)],
            "lists": [[number] * (number % 3) for number in range(rows)],
            "flag": random.random(rows) < 0.5,
        }
    )


def _batches(whole: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    return (whole.slice(start, size) for start in range(0, whole.num_rows, size))


@pytest.mark.parametrize("bucket_rows", [50, 300, 10_000])
@pytest.mark.parametrize("distinct", [1, 3, 10_000])
def test_buckets_together_are_all_rows_in_order(tmp_path: Path, distinct: int, bucket_rows: int) -> None:
    whole = _rows(1_000, distinct)
    first_n = whole.column("first").to_numpy()
    cuts = cuts_between(first_n[::7], len(first_n), bucket_rows)
    buckets = list(sorted_buckets(_batches(whole, 128), KEYS, cuts, tmp_path / "scratch"))
    order_n = np.lexsort([whole.column(key).to_numpy() for key in reversed(KEYS)])
    expected = pa.Table.from_batches([whole.drop_columns(KEYS)]).take(pa.array(order_n))
    assert pa.Table.from_batches(buckets).combine_chunks().equals(expected.combine_chunks())
    assert len(buckets) == (len(np.unique(np.searchsorted(cuts, first_n, side="right"))))
    assert not list(tmp_path.rglob("*.arrow"))


def test_buckets_are_of_about_the_size_asked_for() -> None:
    sample = np.random.default_rng(1).permutation(10_000) ** 2
    cuts = cuts_between(sample, 1_000_000, 100_000)
    sizes = np.bincount(np.searchsorted(cuts, sample, side="right"))
    assert sizes.tolist() == [1_000] * 10


def test_no_rows_make_no_bucket(tmp_path: Path) -> None:
    empty = _rows(1, 1).slice(0, 0)
    assert [bucket.num_rows for bucket in sorted_buckets(iter([empty]), KEYS, np.zeros(0, np.int64), tmp_path)] == [0]
    assert list(sorted_buckets(iter([]), KEYS, np.zeros(0, np.int64), tmp_path)) == []


def test_few_rows_are_all_in_the_sample() -> None:
    assert sample_step(49_999) == 1
    assert sample_step(10_000_000) == 200
