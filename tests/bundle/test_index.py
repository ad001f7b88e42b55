"""The index of a source: built into its folder, opened with it, kept up with new items."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.recommender import Recommender
from shortlist.core.files import read_json
from shortlist.features.rows import Floats
from shortlist.funnel.sources.folder import Surroundings, add_index, open_source, save_items, write_fitted
from shortlist.funnel.sources.towers import TowerSource
from shortlist.index.base import Index
from shortlist.index.exact import ExactIndex
from shortlist.index.graph import GraphIndex
from shortlist.index.lance import LanceIndex
from shortlist.index.lists import ListIndex
from shortlist.recipe.index import Index as Settings


@pytest.fixture
def around(shop: Recommender) -> Surroundings:
    (source,) = shop.sources
    assert isinstance(source, TowerSource)
    return Surroundings(shop.bundle.schema, shop.bundle.eligible_I, source.id_of_item)


@pytest.fixture
def folder(shop: Recommender, tmp_path: Path) -> Path:
    """A copy of the bundle's source."""
    return Path(shutil.copytree(shop.bundle.path / "retrieval", tmp_path / "source"))


def towers(folder: Path, around: Surroundings) -> TowerSource:
    source = open_source(folder, "towers", around)
    assert isinstance(source, TowerSource)
    return source


@pytest.mark.parametrize("structure", ["lists", "graph"])
def test_a_source_finds_with_its_index_what_it_finds_without(
    structure: str, shop: Recommender, folder: Path, around: Surroundings
) -> None:
    pytest.importorskip("faiss")
    requests = shop.requests([1, None], exclude_seen=False)
    before = towers(folder, around)
    settings = Settings.model_validate({"kind": "faiss", "structure": structure})
    facts = add_index(folder, settings, around, [requests], seed=0)
    source = towers(folder, around)

    assert facts is not None
    assert read_json(folder / "source.json")["index"] == facts
    assert facts["structure"] == structure
    assert isinstance(before.index, ExactIndex)
    assert source.index.kind == "faiss"
    assert isinstance(source.exact().index, ExactIndex)
    for found in (source(requests, 5), source.exact()(requests, 5)):
        assert found.item_UK.tolist() == before(requests, 5).item_UK.tolist()
        assert found.score_UK.ravel().tolist() == pytest.approx(before(requests, 5).score_UK.ravel().tolist(), abs=1e-5)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (Settings(kind="faiss", structure="lists"), ListIndex),
        (Settings(kind="faiss", structure="graph"), GraphIndex),
        # LanceDB takes seconds to import.
        pytest.param(Settings(kind="lancedb"), LanceIndex, marks=pytest.mark.slow),
    ],
)
def test_new_items_are_in_the_index_and_in_what_is_saved(
    settings: Settings, kind: type[Index], shop: Recommender, folder: Path, around: Surroundings, tmp_path: Path
) -> None:
    pytest.importorskip(settings.kind)
    requests = shop.requests([1], exclude_seen=False)
    built = add_index(folder, settings, around, [requests], seed=0)
    last = len(around.eligible_I)
    wider = replace(around, eligible_I=np.append(around.eligible_I, [True, False]))
    vectors_AD: Floats = np.repeat(towers(folder, around).encode(requests) * 9, 2, axis=0)
    # Opened with what is eligible now, as a bundle with more items is.
    source = replace(towers(folder, around), eligible_I=wider.eligible_I)
    more = source.with_items(np.array([last, last + 1], np.int32), vectors_AD)
    before = bytes_of(folder)
    target = Path(shutil.copytree(folder, tmp_path / "more"))
    facts = save_items(more, target)
    again = towers(target, wider)

    assert bytes_of(folder) == before, "the source that it was opened from stays as it was"
    assert built is not None
    assert facts == read_json(target / "source.json")["index"]
    size = sum(len(content) for content in bytes_of(target / "index").values())
    assert facts == {**built, "items": built["items"] + 1, "bytes": size}
    assert type(more.index) is type(again.index) is kind
    for found in (more, again):
        assert found(requests, 3).item_UK[0, 0] == last, "the eligible one, which is what the request asks for"
        assert last + 1 not in found(requests, 99).item_UK
        assert np.array_equal(found.vectors_ID[last:], vectors_AD)


def test_a_bundle_with_new_items_says_what_its_index_is(
    shop: Recommender, around: Surroundings, tmp_path: Path
) -> None:
    pytest.importorskip("faiss")
    bundle = Path(shutil.copytree(shop.bundle.path, tmp_path / "bundle"))
    built = add_index(bundle / "retrieval", Settings(kind="faiss"), around, [], seed=0)
    assert built is not None
    kept = {name: fact for name, fact in shop.bundle.manifest.items() if name not in ("format", "files")}
    write_manifest(bundle, {**kept, "index": {"retrieval": built}})
    twin = {"good": ["mug 2"], "name": ["A second mug"], "kind": ["pots"], "price": [6.0], "tags": [["gift"]]}
    Recommender.load(bundle).with_items(twin).save(tmp_path / "more")
    told = Recommender.load(tmp_path / "more").bundle.manifest["index"]["retrieval"]

    assert told == read_json(tmp_path / "more" / "retrieval" / "source.json")["index"]
    assert told["items"] == built["items"] + 1


def test_a_popularity_source_has_none(shop: Recommender, around: Surroundings, tmp_path: Path) -> None:
    requests = shop.requests([1])
    shares = np.ones((1, len(around.eligible_I)), np.float32)
    write_fitted(tmp_path, "counts", {"shares": shares}, {}, len(around.eligible_I))

    assert add_index(tmp_path, Settings(kind="faiss"), around, [requests], seed=0) is None
