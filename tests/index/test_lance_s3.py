"""A table of vectors on S3: written and searched, against moto's server on this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shortlist.features.rows import Floats
from shortlist.index.exact import ExactIndex
from shortlist.index.folder import build_index, open_index, save_index
from shortlist.recipe.index import Index as Settings

pytestmark = pytest.mark.integration


def test_a_table_on_s3_is_written_searched_and_shared(tmp_path: Path, bucket: str) -> None:
    pytest.importorskip("lancedb")
    fsspec = pytest.importorskip("fsspec")
    vectors_ID: Floats = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    query_QD, later_1D = vectors_ID[:5], 9 * vectors_ID[:1]
    settings = Settings(kind="lancedb", place=f"s3://{bucket}/vectors")
    facts = build_index(vectors_ID, None, settings, query_QD, tmp_path / "first")
    index = open_index(tmp_path / "first", vectors_ID, None)
    found = index.search(query_QD, 10)
    index.put(np.array([300], np.int32), later_1D)
    save_index(index, tmp_path / "second")
    longer_ID = np.concatenate([vectors_ID, later_1D])
    more = open_index(tmp_path / "second", longer_ID, None).search(query_QD, 10)

    assert facts["kind"] == "lancedb"
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == ["index.json", "table.json"]
    assert len(fsspec.filesystem("s3").ls(f"{bucket}/vectors", refresh=True)) == 1
    assert found[0].tolist() == ExactIndex(vectors_ID).search(query_QD, 10)[0].tolist()
    assert more[0].tolist() == ExactIndex(longer_ID).search(query_QD, 10)[0].tolist()


def test_the_lists_of_a_large_table_stand_on_s3_too(tmp_path: Path, bucket: str) -> None:
    pytest.importorskip("lancedb")
    fsspec = pytest.importorskip("fsspec")
    random = np.random.default_rng(0)
    vectors_ID: Floats = random.standard_normal((12_000, 8)).astype(np.float32)
    query_QD: Floats = random.standard_normal((64, 8)).astype(np.float32)
    settings = Settings(kind="lancedb", place=f"s3://{bucket}/lists")
    build_index(vectors_ID, None, settings, query_QD, tmp_path / "index")
    item_QK, score_QK = open_index(tmp_path / "index", vectors_ID, None).search(query_QD, 100)
    expected_QK, _ = ExactIndex(vectors_ID).search(query_QD, 100)

    written = fsspec.filesystem("s3").find(f"{bucket}/lists", refresh=True)
    assert any("/_indices/" in path for path in written), written
    found = np.mean(
        [np.isin(expected_K, item_K).mean() for expected_K, item_K in zip(expected_QK, item_QK, strict=True)]
    )
    assert found >= 0.95
    scores = (vectors_ID[item_QK] @ query_QD[:, :, None])[:, :, 0]
    np.testing.assert_allclose(score_QK, scores, rtol=1e-4)
