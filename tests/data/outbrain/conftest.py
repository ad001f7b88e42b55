"""An engine for every test of the tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.tables.duckdb import DuckDB


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDB]:
    with contextlib.closing(DuckDB(threads=1, scratch=tmp_path / "scratch")) as made:
        yield made
