"""Optional packages: what is missing is said with the extra that brings it."""

from __future__ import annotations

import json

import pytest

from shortlist.core.errors import EnvironmentFault
from shortlist.core.extras import need


def test_an_installed_package_is_given() -> None:
    assert need("json", "train", "Reading") is json


def test_a_missing_one_says_which_extra_brings_it() -> None:
    with pytest.raises(EnvironmentFault, match=r"Training needs the package 'no_such_package'.*'shortlist\[train\]'"):
        need("no_such_package", "train", "Training")
