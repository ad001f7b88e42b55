"""Fixtures of the training tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def threads() -> Iterator[None]:
    """The test sets torch's number of threads; the next one finds it as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
