"""Choosing, building, measuring and opening an index."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from shortlist.core import memory
from shortlist.core.errors import EnvironmentFault
from shortlist.features.rows import Floats
from shortlist.index import folder as module
from shortlist.index import lists
from shortlist.index.approximate import Effort
from shortlist.index.exact import ExactIndex
from shortlist.index.folder import build_index, open_index, recall, save_index
from shortlist.index.graph import GraphIndex
from shortlist.index.lists import ListIndex, lists_for
from shortlist.recipe.index import Index as Settings

DIM = 8


def world(items: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Vectors that lie between topics, and queries like them."""
    random = np.random.default_rng(seed)
    topics = random.standard_normal((20, DIM))
    vectors_ID = topics[random.integers(0, 20, items)] + 0.5 * random.standard_normal((items, DIM))
    return vectors_ID.astype(np.float32), (topics[random.integers(0, 20, 60)] + 0.3).astype(np.float32)


def built(folder: Path, settings: Settings, items: int = 1200) -> tuple[dict[str, object], Floats, Floats]:
    pytest.importorskip("faiss")
    vectors_ID, query_QD = world(items)
    return build_index(vectors_ID, None, settings, query_QD, folder, seed=0), vectors_ID, query_QD


@pytest.mark.parametrize(("structure", "kind"), [("lists", ListIndex), ("graph", GraphIndex)])
def test_reaches_the_recall_that_it_says(structure: str, kind: type[object], tmp_path: Path) -> None:
    settings = Settings.model_validate({"kind": "faiss", "structure": structure, "recall": 0.9})
    facts, vectors_ID, query_QD = built(tmp_path / "index", settings)
    index = open_index(tmp_path / "index", vectors_ID, None)

    assert isinstance(index, kind)
    assert facts["kind"] == facts["asked"] == "faiss"
    assert facts["structure"] == structure
    assert facts["items"] == 1199
    assert facts["bytes"] == sum(path.stat().st_size for path in (tmp_path / "index").iterdir())
    # Measured by queries of their own: as good as those it was tuned by, but for chance.
    assert isinstance(facts["recall@100"], float)
    assert facts["recall@100"] > 0.88
    exact = ExactIndex(vectors_ID)
    assert recall(index, exact, query_QD, 100) == pytest.approx(facts["recall@100"], abs=0.05)
    assert isinstance(index, ListIndex | GraphIndex)
    assert index.effort.of(100) < index.effort.most / 2, "it does not look at everything"
    index.effort = Effort({100: 1}, index.effort.most)
    assert isinstance(index, GraphIndex) or recall(index, exact, query_QD, 10) < 0.9, "effort matters"


def test_recall_is_of_the_items_there_are() -> None:
    vectors_ID, query_QD = world(5)

    assert recall(ExactIndex(vectors_ID), ExactIndex(vectors_ID), query_QD, 100) == 1
    half = ExactIndex(vectors_ID, np.array([False, True, True, False, False]))
    assert recall(half, ExactIndex(vectors_ID), query_QD, 4) == 0.5


def test_the_same_seed_gives_the_same_lists(tmp_path: Path) -> None:
    for name in ("first", "second"):
        built(tmp_path / name, Settings(kind="faiss", structure="lists"))

    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "second")]
    assert files[0].keys() == {"index.json", lists.LISTS, "partition.npz"}
    assert files[0][lists.LISTS] == files[1][lists.LISTS]


def test_auto_is_exact_for_few_items_and_lists_for_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, *_ = built(tmp_path / "few", Settings())
    monkeypatch.setattr(module, "EXACT_BELOW", 1000)
    many, *_ = built(tmp_path / "many", Settings(recall=0.8))
    hard, vectors_ID, _ = built(tmp_path / "hard", Settings(recall=0.9999))

    assert few["kind"] == "exact"
    assert many["kind"] == "faiss"
    assert hard["kind"] == "exact", "an index that must look at nearly everything is not taken"
    assert [path.name for path in (tmp_path / "hard").iterdir()] == ["index.json"]
    assert isinstance(open_index(tmp_path / "hard", vectors_ID, None), ExactIndex)


def test_auto_walks_a_graph_of_many_vectors_of_one_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(module, "EXACT_BELOW", 500)
    monkeypatch.setattr(module, "GRAPH_FROM", 1000)
    vectors_ID, query_QD = world(1200)
    vectors_ID /= np.linalg.norm(vectors_ID, axis=1, keepdims=True)

    assert build_index(vectors_ID, None, Settings(), query_QD, tmp_path / "a")["structure"] == "graph"
    vectors_ID[7] *= 2
    assert build_index(vectors_ID, None, Settings(recall=0.8), query_QD, tmp_path / "b")["structure"] == "lists"


@pytest.mark.slow
def test_auto_leaves_vectors_on_disk_that_memory_can_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lancedb")
    vectors_ID, query_QD = world(1200)
    monkeypatch.setattr(module, "EXACT_BELOW", 1000)
    monkeypatch.setattr(module, "machine_memory", lambda: 2 * vectors_ID.nbytes - 1)
    facts = build_index(vectors_ID, None, Settings(), query_QD, tmp_path / "index")

    assert (facts["kind"], facts["asked"]) == ("lancedb", "auto")
    few = build_index(vectors_ID[:900], None, Settings(), query_QD, tmp_path / "few")
    assert few["kind"] == "exact"


def test_vectors_that_memory_can_not_hold_need_lancedb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors_ID, query_QD = world(1200)
    monkeypatch.setattr(module, "EXACT_BELOW", 1000)
    monkeypatch.setattr(memory, "machine_memory", lambda: 2 * vectors_ID.nbytes - 1)
    monkeypatch.setitem(sys.modules, "lancedb", None)

    with pytest.raises(EnvironmentFault, match=r"an index over 1,199 items needs .*shortlist\[lancedb\]"):
        build_index(vectors_ID, None, Settings(), query_QD, tmp_path / "index")


@pytest.mark.parametrize("kind", ["auto", "exact", "faiss", pytest.param("lancedb", marks=pytest.mark.slow)])
@pytest.mark.parametrize("items", [1, 2, 3])
def test_tiny_catalogues_and_no_queries(kind: str, items: int, tmp_path: Path) -> None:
    pytest.importorskip("lancedb" if kind == "lancedb" else "faiss")
    vectors_ID, _ = world(items)
    settings = Settings.model_validate({"kind": kind})
    build_index(vectors_ID, None, settings, np.zeros((0, DIM), np.float32), tmp_path / "index")
    item_UK, _ = open_index(tmp_path / "index", vectors_ID, None).search(vectors_ID[-1:], 5)

    assert sorted(item_UK[0].tolist()) == sorted([*range(1, items), *[0] * (6 - items)])


@pytest.mark.slow
def test_a_table_may_lie_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    vectors_ID, query_QD = world(300)
    settings = Settings(kind="lancedb", place=str(tmp_path / "far"))
    for name in ("first", "second"):
        build_index(vectors_ID, None, settings, query_QD, tmp_path / name)
    found = open_index(tmp_path / "first", vectors_ID, None).search(query_QD, 10)

    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == ["index.json", "table.json"]
    assert len(list((tmp_path / "far").iterdir())) == 2, "every build has a table of its own"
    assert found[0].tolist() == ExactIndex(vectors_ID).search(query_QD, 10)[0].tolist()


@pytest.mark.slow
def test_items_that_come_later_leave_a_table_elsewhere_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    vectors_ID, query_QD = world(300)
    settings = Settings(kind="lancedb", place=str(tmp_path / "far"))
    build_index(vectors_ID, None, settings, query_QD, tmp_path / "first")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "far").rglob("*")}
    index = open_index(tmp_path / "first", vectors_ID, None)
    index.put(np.array([300], np.int32), 9 * query_QD[:1])
    save_index(index, tmp_path / "second")
    longer_ID = np.concatenate([vectors_ID, 9 * query_QD[:1]])
    found = open_index(tmp_path / "second", longer_ID, None).search(query_QD, 10)

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "far").rglob("*")} == before
    assert found[0][0, 0] == 300
    assert found[0].tolist() == ExactIndex(longer_ID).search(query_QD, 10)[0].tolist()
    assert 300 not in open_index(tmp_path / "first", vectors_ID, None).search(query_QD, 10)[0]


def test_says_which_extra_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    vectors_ID, query_QD = world(300)

    with pytest.raises(EnvironmentFault, match=r"shortlist\[faiss\]"):
        build_index(vectors_ID, None, Settings(kind="faiss"), query_QD, tmp_path / "index")


def test_effort_follows_a_power_law_between_what_was_measured() -> None:
    effort = Effort({100: 10, 1000: 40}, 64)

    assert [effort.of(depth) for depth in (1, 100, 1000, 10_000)] == [10, 10, 40, 64]
    assert effort.of(316) == 20
    assert Effort({100: 10, 1000: 5}, 64).of(1000) == 10
    assert Effort.from_json(effort.to_json()) == effort


@pytest.mark.parametrize(("items", "count"), [(0, 1), (1, 1), (500, 12), (10_000, 256), (100_000, 1024), (10**6, 4096)])
def test_lists_grow_as_the_root_of_the_items(items: int, count: int) -> None:
    assert lists_for(items) == count
