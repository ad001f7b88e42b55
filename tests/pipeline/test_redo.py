"""What a run does again, and what it leaves as it is: settings that change, results that are forced anew."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.bundle import manifest
from shortlist.core.errors import UserError
from shortlist.core.progress import Silent
from shortlist.data import prepared
from shortlist.models.catalogue import check_models
from shortlist.pipeline.run import Run
from shortlist.recipe import parse_recipe

RECIPE = """\
[data]
interactions = "events.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "time"
[features.context]
[funnel]
candidates = 5
[retrieval]
epochs = 1
batch_size = 32
history = 3
model = {name = "two_tower", dim = 4, embedding_dim = 4}
[compute]
threads = 1
"""
RANKING = """\
[ranking]
epochs = 1
batch_size = 32
history = 3
model = {name = "wide_deep", embedding_dim = 4, hidden = []}
"""


class Written(Silent):
    """Keeps the stages that were done, and those that were left as they were."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done: list[str] = []
        self.left: list[str] = []

    def say(self, stage: str, message: str) -> None:
        self.lines.append(message)
        (self.left if message.startswith("done before") else self.done).append(stage)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("tables"))


def write_tables(folder: Path) -> Path:
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(20), 12)
    item = np.concatenate([random.permutation(20)[:12] for _ in range(20)])
    time = 1_600_000_000 + random.permutation(len(user)) * 60
    pq.write_table(pa.table({"user": user, "item": item, "time": time}), folder / "events.parquet")
    return folder


def run(tables: Path, folder: Path, *overrides: str, text: str = RECIPE, force: bool = False) -> tuple[Run, Written]:
    reporter = Written()
    recipe = parse_recipe(text, "redo.toml", overrides, tables, check_models)
    return Run(recipe, folder, reporter, force), reporter


@pytest.fixture(scope="module")
def done(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of retrieval alone."""
    folder = tmp_path_factory.mktemp("runs") / "done"
    run(tables, folder)[0].walk()
    return folder


@pytest.fixture
def folder(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "run"))


def test_what_is_unchanged_is_left_as_it_is(tables: Path, folder: Path) -> None:
    again, reporter = run(tables, folder)
    again.walk()

    assert reporter.left == ["prepare", "retrieval", "export", "evaluate"]
    assert reporter.done == ["report"]  # only where it lies


def test_a_changed_evaluation_is_what_is_measured_and_nothing_else_is_done(tables: Path, folder: Path) -> None:
    other, reporter = run(tables, folder, 'evaluation.metrics=["recall@3"]', "evaluation.max_users=4")
    other.walk()

    assert reporter.left == ["prepare", "retrieval", "export"]
    metrics = other.metrics()
    assert set(metrics["stages"]["funnel"]) == {"recall@3", "coverage@10"}
    assert metrics["protocol"]["users"] == metrics["protocol"]["sample_of_users"] == 4


@pytest.mark.slow
def test_a_model_that_was_forced_anew_is_exported_and_measured_anew(tables: Path, folder: Path) -> None:
    run(tables, folder, force=True)[0].walk("train")
    after, reporter = run(tables, folder)
    after.walk()

    assert reporter.left == ["prepare", "retrieval"]
    assert reporter.done == ["export", "evaluate", "report"]


def test_a_forced_run_does_each_stage_once_however_often_it_walks(tables: Path, tmp_path: Path) -> None:
    forced, reporter = run(tables, tmp_path / "run", force=True)
    forced.walk("prepare")
    forced.walk("train")
    forced.walk("train")

    assert [stage for stage in reporter.done if stage == "retrieval"] == ["retrieval"]
    assert reporter.left == ["prepare", "prepare", "retrieval"]


@pytest.mark.parametrize(
    ("negatives", "redone"),
    [(["ranking.negatives.source=uniform"], False), (["ranking.negatives.source=candidates"], True)],
)
def test_a_ranker_is_trained_anew_only_if_its_negatives_are_candidates(
    tables: Path, tmp_path: Path, negatives: Sequence[str], redone: bool
) -> None:
    run(tables, tmp_path / "run", *negatives, text=RECIPE + RANKING)[0].walk("train")
    more = [*negatives, "retrieval.epochs=2", "funnel.candidates=6"]
    other, reporter = run(tables, tmp_path / "run", *more, text=RECIPE + RANKING)
    other.walk("train")

    assert "retrieval" in reporter.done
    assert ("ranking" in reporter.done) is redone


@pytest.mark.slow
@pytest.mark.parametrize(("module", "left"), [(prepared, []), (manifest, ["prepare", "retrieval"])])
def test_what_another_version_laid_out_is_made_anew(
    tables: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, left: list[str]
) -> None:
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    again, reporter = run(tables, folder)
    again.walk("export")

    assert reporter.left == left
    assert reporter.done[-1] == "export"


def test_a_run_without_its_ranker_tells_no_time_of_it(tables: Path, folder: Path) -> None:
    (folder / "ranking").mkdir()
    (folder / "ranking" / "stage.json").write_text('{"fingerprint": "older", "seconds": 77.0}')
    (folder / "metrics.json").unlink()
    again, _ = run(tables, folder)
    again.walk()

    assert set(again.metrics()["timings_s"]) == {"prepare", "retrieval", "export", "evaluate"}


@pytest.mark.parametrize(("metric", "said"), [("ndgc@10", "Did you mean `ndcg`"), ("coverage@10", "is no mean over")])
def test_a_metric_that_cannot_be_measured_is_told_before_anything_is_done(
    tables: Path, tmp_path: Path, metric: str, said: str
) -> None:
    wrong, _ = run(tables, tmp_path / "run", f'evaluation.metrics=["{metric}"]')

    with pytest.raises(UserError, match=said):
        wrong.walk()
    assert not (tmp_path / "run").exists()


def test_stages_of_the_same_inputs_are_shared_and_left_alone(tables: Path, folder: Path, tmp_path: Path) -> None:
    before = (folder / "retrieval" / "stage.json").read_bytes()
    other, reporter = run(tables, tmp_path / "other", "evaluation.max_users=4")
    other.share(folder)
    other.walk()

    assert reporter.left == ["prepare", "retrieval"]
    shared, own = (run_ / "prepared" / "manifest.json" for run_ in (other.folder, folder))
    assert shared.stat().st_ino == own.stat().st_ino  # one file, of two names

    trained, reporter = run(tables, tmp_path / "other", "retrieval.epochs=2")
    trained.share(folder)
    trained.walk("train")

    assert reporter.left == ["prepare"]
    assert (other.folder / "retrieval" / "stage.json").read_bytes() != before
    assert (folder / "retrieval" / "stage.json").read_bytes() == before
    assert not [path for path in other.folder.iterdir() if path.name.endswith((".old", ".partial"))]


def test_a_stage_that_is_done_is_not_replaced_by_another_runs(tables: Path, folder: Path, tmp_path: Path) -> None:
    other, _ = run(tables, tmp_path / "other")
    other.walk("train")
    before = (other.folder / "retrieval" / "stage.json").stat().st_ino
    other.share(folder)

    assert (other.folder / "retrieval" / "stage.json").stat().st_ino == before
