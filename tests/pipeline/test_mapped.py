"""A run whose tables are files, from tables to an answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shortlist.core.errors import UserError
from shortlist.pipeline.run import Run
from tests.pipeline.test_redo import RANKING, RECIPE, run, write_tables

MAPPED = 'compute.embeddings="mapped"'
TEXT = RECIPE.replace("[compute]", f"{RANKING}[compute]")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def done(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    done, _ = run(tables, tmp_path_factory.mktemp("runs") / "mapped", MAPPED, text=TEXT)
    done.walk()
    return done


@pytest.mark.slow
def test_the_tables_of_a_stage_are_the_bundles(done: Run) -> None:
    for stage, count in (("retrieval", 1), ("ranking", 2)):
        trained = sorted((done.folder / stage / "tables").glob("*/weight.f32"))
        bundled = sorted((done.folder / "bundle" / stage).glob("table-*.f32"))
        assert len(trained) == count
        assert [path.read_bytes() for path in bundled] == [path.read_bytes() for path in trained]
        assert any(np.fromfile(path, np.float32).any() for path in trained)
        assert not (done.folder / f".{stage}.training").exists()


@pytest.mark.slow
def test_it_answers_and_is_measured(done: Run) -> None:
    assert {"retrieval", "ranking", "funnel"} <= set(done.metrics()["stages"])


@pytest.mark.slow
def test_what_is_done_stays_done(done: Run, tables: Path) -> None:
    again, reporter = run(tables, done.folder, MAPPED, text=TEXT)
    again.walk()

    assert reporter.left == ["prepare", "retrieval", "ranking", "export", "evaluate"]


def test_an_optimiser_of_whole_tables_is_refused(tables: Path, tmp_path: Path) -> None:
    refused, _ = run(tables, tmp_path / "run", MAPPED, 'retrieval.embedding={name="adamw"}', text=TEXT)

    with pytest.raises(UserError, match=r'compute\.embeddings = "mapped" needs an optimiser for the group `embedding`'):
        refused.walk("train")
