"""Saving a recommender takes the place of an older bundle, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import RequestError
from tests.evaluation import toy


@pytest.fixture
def rec(tmp_path: Path) -> Recommender:
    data = toy.prepared(tmp_path, [toy.Event(1, item, item) for item in (1, 2, 3)], users=1, items=3)
    return toy.recommender(tmp_path / "bundle", data, toy.recipe(ranking={}))


def test_a_new_name_an_empty_folder_and_an_older_bundle_are_free(rec: Recommender, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "new", tmp_path / "empty", tmp_path / "new"):
        rec.save(target)
        again = Recommender.load(target)
        assert again.recommend(["u1"], k=3, exclude_seen=False) == rec.recommend(["u1"], k=3, exclude_seen=False)


def test_a_folder_of_other_things_is_kept(rec: Recommender, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "precious").write_text("kept")
    (tmp_path / "file").write_text("kept")

    for target in (tmp_path / "models", tmp_path / "file"):
        with pytest.raises(RequestError, match="is there already and is no bundle"):
            rec.save(target)
    assert (tmp_path / "models" / "precious").read_text() == (tmp_path / "file").read_text() == "kept"
