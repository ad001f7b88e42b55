"""Bundles that several tests ask."""

from __future__ import annotations

import pytest

from shortlist.bundle.recommender import Recommender
from tests.bundle.shop import RECIPE, SESSIONS, untrained, write_tables


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """The shop of `tests.bundle.shop`."""
    folder = tmp_path_factory.mktemp("shop")
    write_tables(folder)
    return untrained(folder, RECIPE)


@pytest.fixture(scope="session")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """The same log as anonymous sessions."""
    folder = tmp_path_factory.mktemp("sessions")
    write_tables(folder)
    return untrained(folder, SESSIONS)
