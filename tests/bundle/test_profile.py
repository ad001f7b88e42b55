"""Bins of what a bundle was measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist.bundle.profile import Binned, profile_of, profile_to_json, read_profile
from shortlist.core.files import write_json


def test_bins_of_numbers_hold_as_many_each() -> None:
    binned = Binned.of_numbers(np.arange(100, dtype=np.float32))
    assert len(binned.edges) == 9
    np.testing.assert_allclose(binned.shares_B, 0.1)
    assert binned.bins(np.array([-5.0, 0.0, 9.8, 9.9, 10.0, 500.0])).tolist() == [0, 0, 0, 1, 1, 9]


def test_a_number_that_hardly_varies_has_few_bins() -> None:
    binned = Binned.of_numbers(np.array([0.0] * 95 + [1.0] * 5))
    assert binned.edges == (0.0,)
    assert binned.bins(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 1, 1]


def test_frequent_ids_have_bins_and_the_others_share_one() -> None:
    values = np.repeat(np.arange(30), np.arange(1, 31))
    binned = Binned.of_ids(values)
    assert binned.edges == tuple(range(10, 30))
    assert binned.bins(np.array([10, 29, 9, 99])).tolist() == [0, 19, 20, 20]
    assert binned.shares_B[-1] == sum(range(1, 11)) / len(values)


def test_a_profile_is_read_as_it_was_written(tmp_path: Path) -> None:
    parts = [{"score": (np.array([0.5, 1.5]), False), "user.city": (np.array([3, 4]), True)}] * 2
    profile = profile_of(parts)
    assert profile["user.city"].shares_B == (0.5, 0.5, 0.0)
    write_json(tmp_path / "profile.json", profile_to_json(profile))
    assert read_profile(tmp_path) == profile
    assert read_profile(tmp_path / "elsewhere") is None
