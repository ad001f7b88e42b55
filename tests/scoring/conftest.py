"""A bundle of sixty users."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bundle.shop import untrained
from tests.cli.conftest import RECIPE, shortlist, write_tables

__all__ = ["shortlist"]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop of the command's tests, its models untrained."""
    folder = tmp_path_factory.mktemp("shop")
    write_tables(folder)
    return untrained(folder, RECIPE).bundle.path
