"""What a worker process that starts later than the others answers from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shortlist.core.errors import BundleError
from shortlist.serving import ServeSettings
from shortlist.serving.loading import Loader
from shortlist.serving.orders import Order, Placed
from shortlist.serving.settings import MAIN


def test_another_bundle_in_the_place_of_the_ordered_one_is_not_served(old: Path, new: Path, tmp_path: Path) -> None:
    ordered, before = {MAIN: Placed.at(new)}, {MAIN: Placed.at(old)}
    shutil.rmtree(new)
    shutil.copytree(old, new)
    with pytest.raises(BundleError, match=r"another bundle lies at .* Order it"):
        Loader(ServeSettings()).first(Order(1, ordered))
    lineup, report = Loader(ServeSettings()).first(Order(1, ordered, (before,)))
    assert lineup.first.recommender.bundle.path == old
    assert (report.generation, report.problem is None) == (1, False)
