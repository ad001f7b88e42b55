"""A run recorded by a real MLflow in a database of its own: what is there afterwards, and what goes on where."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from shortlist.core.files import read_json
from shortlist.core.progress import Epoch
from shortlist.pipeline import Run
from shortlist.pipeline.stages import depends, stages_upto
from shortlist.pipeline.watch import Watched
from shortlist.recipe.sections import Recipe
from shortlist.tracking import watch as tracking
from shortlist.tracking.record import Record
from shortlist.tracking.watch import MlflowWatch
from tests.pipeline.test_redo import RANKING, RECIPE, Written, run, tables

mlflow = pytest.importorskip("mlflow", reason="mlflow is not here: pip install 'shortlist[mlflow]'")

__all__ = ["tables"]

TEXT = RECIPE + RANKING
RANKER = RECIPE.partition("[retrieval]")[0] + RANKING + "[compute]\nthreads = 1\n"
"""Training a ranker alone exports nothing, and is sooner done."""
TWO = ("retrieval.epochs=2", "ranking.epochs=2")
STAGES = ["prepare", "retrieval", "ranking", "export", "evaluate"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, with MLflow's default store in it once something is recorded."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        yield folder


@pytest.fixture(autouse=True)
def _here(place: Path) -> None:
    """Every test records there."""


@pytest.fixture(scope="module")
def done(place: Path, tables: Path) -> Run:
    """A whole run, recorded."""
    begun, _ = run(tables, place / "runs" / "done", *TWO, text=TEXT)
    (place / "redo.toml").write_text(TEXT)
    watched = replace(begun, watch=MlflowWatch(place / "redo.toml"))
    watched.walk()
    return watched


def client() -> Any:
    return mlflow.MlflowClient()


def recorded(folder: Path) -> Record:
    found = Record.read(folder)
    assert found is not None
    return found


def run_of(folder: Path, stage: str | None = None) -> Any:
    """The MLflow run of a folder, or of one stage of it."""
    record = recorded(folder)
    return client().get_run(record.run_id if stage is None else record.stages[stage].run_id)


def steps(folder: Path, stage: str, metric: str = "train_loss") -> list[int]:
    """The epochs at which a stage has a metric, in the order of their recording."""
    return [entry.step for entry in client().get_metric_history(recorded(folder).stages[stage].run_id, metric)]


def prepared(tables: Path, folder: Path, *overrides: str, force: bool = False) -> str:
    """Prepare alone, recorded; the id of the MLflow run."""
    begun, _ = run(tables, folder, *overrides, force=force)
    watch = MlflowWatch()
    watched = replace(begun, watch=watch)
    watched.walk("prepare")
    watch.catch_up(watched)
    return recorded(folder).run_id


def test_the_store_is_where_mlflow_looks_for_it(done: Run, place: Path) -> None:
    assert (place / "mlflow.db").is_file()
    assert run_of(done.folder).info.artifact_uri.startswith(str(place / "mlruns"))
    assert client().get_experiment_by_name("redo") is not None


def test_a_run_has_its_recipe_and_where_it_comes_from(done: Run, place: Path) -> None:
    found = run_of(done.folder)
    kept = Path(found.info.artifact_uri)
    again = Recipe.model_validate(read_json(kept / "recipe.json"))

    assert found.info.status == "FINISHED"
    assert found.data.params["retrieval.model.dim"] == "4"
    assert found.data.params["retrieval.model.name"] == "two_tower"
    assert found.data.params["ranking.model.dropout"] == "0.0"  # a default of the model
    assert found.data.params["ranking.epochs"] == "2"
    assert "evaluation.max_users" not in found.data.params
    assert found.data.tags["shortlist.data"] == read_json(done.folder / "prepared" / "manifest.json")["fingerprint"]
    assert found.data.tags["mlflow.source.name"] == str(place / "redo.toml")
    assert {"shortlist.version", "shortlist.recipe", "machine.cpu", "machine.threads"} <= set(found.data.tags)
    assert again == done.recipe
    assert (kept / "recipe.toml").read_text() == TEXT
    (data,) = found.inputs.dataset_inputs
    assert json.loads(data.dataset.source)["files"] == [str(done.recipe.data.interactions.sources[0])]


def test_each_stage_is_a_run_below_it_with_its_figures(done: Run) -> None:
    found = {stage: run_of(done.folder, stage) for stage in STAGES}

    for stage, child in found.items():
        assert child.info.status == "FINISHED"
        assert child.info.run_name == stage
        assert child.data.tags["mlflow.parentRunId"] == recorded(done.folder).run_id
        assert child.data.metrics["stage_seconds"] >= 0
    assert found["prepare"].data.metrics["rows/train"] > 0
    assert found["export"].data.metrics["parity/ranking"] < 1e-4


@pytest.mark.parametrize("stage", ["retrieval", "ranking"])
def test_every_epoch_is_there_once_with_what_the_curve_says(done: Run, stage: str) -> None:
    curve = read_json(done.folder / stage / "history.json")
    last = run_of(done.folder, stage).data.metrics

    assert steps(done.folder, stage) == [entry["epoch"] for entry in curve]
    assert last["train_loss"] == curve[-1]["train_loss"]
    assert last["rows_per_s"] == curve[-1]["rows_per_s"]
    for metric, value in curve[-1]["valid"].items():
        assert last[f"valid/{metric.replace('@', '_at_')}"] == value


def test_the_results_are_those_of_metrics_json(done: Run) -> None:
    found, metrics = run_of(done.folder).data.metrics, done.metrics()

    for stage, measured in metrics["stages"].items():
        for metric, estimate in measured.items():
            name = f"{stage}/{metric.replace('@', '_at_')}"
            assert found[name] == estimate["value"]
            assert found.get(f"{name}/low") == estimate["low"]
    assert {f"seconds/{stage}" for stage in STAGES} <= set(found)


def test_report_and_charts_are_kept_as_pictures_that_stand_alone(done: Run) -> None:
    kept = Path(run_of(done.folder).info.artifact_uri)
    charts = {path.name: path for path in (kept / "charts").iterdir()}

    assert (kept / "report.html").read_bytes() == (done.folder / "report.html").read_bytes()
    assert (kept / "metrics.json").read_bytes() == (done.folder / "metrics.json").read_bytes()
    assert {"retrieval_training_loss.svg", "ranking_training_loss.svg"} <= set(charts)
    for path in charts.values():
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_bundle_is_a_model_of_the_run_that_answers_as_the_bundle_does(done: Run) -> None:
    (model,) = run_of(done.folder).outputs.model_outputs
    users = list(range(20))
    found = mlflow.pyfunc.load_model(f"models:/{model.model_id}").predict({"user": users})
    expected = done.recommender().recommend(users)

    assert [list(items) for items in found["items"]] == [[item.item_id for item in items] for items in expected]
    assert mlflow.models.get_model_info(f"runs:/{recorded(done.folder).run_id}/bundle").model_id == model.model_id
    assert not list(done.folder.glob(".bundle.*"))


def test_a_later_command_of_the_same_recipe_goes_on_with_the_run(tables: Path, tmp_path: Path) -> None:
    first = prepared(tables, tmp_path / "run")
    (tmp_path / "run" / "prepared" / "manifest.json").unlink()

    assert prepared(tables, tmp_path / "run") == first
    assert prepared(tables, tmp_path / "run", "tracking.bundle=false") == first
    assert client().get_run(first).info.status == "FINISHED"


def test_another_recipe_a_forced_run_a_deleted_one_and_another_store_begin_another(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    ids = [prepared(tables, folder), prepared(tables, folder, "seed=1"), prepared(tables, folder, "seed=1", force=True)]
    client().delete_run(ids[-1])
    (folder / "prepared" / "manifest.json").unlink()
    ids.append(prepared(tables, folder, "seed=1"))
    (folder / "prepared" / "manifest.json").unlink()
    replace(recorded(folder), tracking_uri="https://elsewhere.example").write(folder)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    ids.append(prepared(tables, folder, "seed=1"))

    assert len(set(ids)) == 5
    assert client().get_experiment(client().get_run(ids[-1]).info.experiment_id).name == "mine"


class Interrupted(MlflowWatch):
    """Ctrl-C after the first epoch."""

    def epoch(self, run: Watched, stage: str, entry: Epoch) -> None:
        super().epoch(run, stage, entry)
        raise KeyboardInterrupt


class Broken(MlflowWatch):
    """An error after the first epoch, which nobody has recorded."""

    def epoch(self, run: Watched, stage: str, entry: Epoch) -> None:
        raise ValueError


@pytest.mark.parametrize(
    ("first", "error", "status"), [(Interrupted, KeyboardInterrupt, "KILLED"), (Broken, ValueError, "FAILED")]
)
def test_a_run_that_was_broken_off_says_so_and_goes_on_with_no_epoch_lost_or_twice(
    tables: Path, tmp_path: Path, first: type[MlflowWatch], error: type[BaseException], status: str
) -> None:
    begun, _ = run(tables, tmp_path / "run", "ranking.epochs=2", text=RANKER)
    with pytest.raises(error):
        replace(begun, watch=first()).walk("train")
    child = run_of(tmp_path / "run", "ranking")
    replace(begun, watch=MlflowWatch()).walk("train")

    assert child.info.status == status
    assert run_of(tmp_path / "run", "ranking").info.run_id == child.info.run_id
    assert run_of(tmp_path / "run", "ranking").info.status == run_of(tmp_path / "run").info.status == "FINISHED"
    assert sorted(steps(tmp_path / "run", "ranking")) == [1, 2]


def test_what_was_done_unrecorded_is_recorded_by_the_next_command(tables: Path, tmp_path: Path) -> None:
    run(tables, tmp_path / "run", text=RANKER)[0].walk("train")
    again, _ = run(tables, tmp_path / "run", text=RANKER)
    MlflowWatch().catch_up(again)

    assert set(recorded(tmp_path / "run").stages) == {"prepare", "ranking"}
    assert steps(tmp_path / "run", "ranking") == [1]


def test_a_server_that_is_down_costs_one_line_and_no_training(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, reporter = run(tables, tmp_path / "run", text=RANKER)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        replace(begun, watch=MlflowWatch()).walk("train")

    assert (tmp_path / "run" / "ranking" / "stage.json").is_file()
    assert reporter.done.count("tracking") == 1
    assert sum("the run goes on" in line for line in reporter.lines) == 1


def test_without_mlflow_a_run_says_what_it_goes_without(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    begun, reporter = run(tables, tmp_path / "run")
    replace(begun, watch=MlflowWatch()).walk("prepare")

    assert [line for line in reporter.lines if "shortlist[mlflow]" in line] == [tracking.ABSENT]
    assert not (tmp_path / "run" / "tracking.json").exists()


@pytest.mark.slow
def test_several_processes_may_make_the_store_at_once(tmp_path: Path) -> None:
    code = "from shortlist.tracking.store import Store; print(Store.open().experiment('x'))"
    begun = [
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    said = [process.communicate() for process in begun]

    assert [process.returncode for process in begun] == [0, 0, 0], said
    assert len({out for out, _ in said}) == 1


def test_how_a_run_is_recorded_changes_no_stage(tables: Path, tmp_path: Path) -> None:
    plain = run(tables, tmp_path, text=TEXT)[0].recipe
    other = run(tables, tmp_path, "tracking.experiment=x", "tracking.bundle=false", text=TEXT)[0].recipe

    assert plain != other
    for stage in stages_upto(plain, "evaluate"):
        assert depends(plain, stage) == depends(other, stage)


def test_a_run_may_belong_to_another(tables: Path, tmp_path: Path) -> None:
    begun, _ = run(tables, tmp_path / "run")
    replace(begun, watch=MlflowWatch(parent="search")).walk("prepare")

    assert run_of(tmp_path / "run").data.tags["mlflow.parentRunId"] == "search"


def test_a_reporter_hears_where_the_record_is(tables: Path, tmp_path: Path) -> None:
    begun, reporter = run(tables, tmp_path / "run")
    replace(begun, watch=MlflowWatch()).walk("prepare")

    assert isinstance(reporter, Written)
    assert reporter.lines[-1].endswith("of experiment redo   see it with: mlflow ui")
