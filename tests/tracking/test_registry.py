"""Versions in a real registry: registered once, promoted when better, gone back to; and runs done again."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from shortlist.bundle.manifest import check_manifest, version_of
from shortlist.cli.main import main
from shortlist.core.errors import RecipeError, UserError
from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.evaluation.paired import Comparison, Measure
from shortlist.metrics._interval import Estimate
from shortlist.pipeline import Run
from shortlist.pipeline.api import load_recipe
from shortlist.tracking.gate import Verdict, judge, usual_measure
from shortlist.tracking.record import Record
from shortlist.tracking.registry import Registry
from shortlist.tracking.reproduce import reproduce
from shortlist.tracking.watch import MlflowWatch
from tests.tuning.test_tuner import RECIPE, shop

mlflow = pytest.importorskip("mlflow", reason="mlflow is not here: pip install 'shortlist[mlflow]'")

__all__ = ["shop"]

NDCG = Measure.of("funnel.ndcg@10")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, with MLflow's default store."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        yield folder


def ran(shop: Path, folder: Path, *given: str) -> Path:
    """A run, measured and recorded; its folder."""
    recipe = load_recipe(shop / "shop.toml", given)
    Run(recipe, folder, watch=MlflowWatch(shop / "shop.toml")).walk("evaluate")
    return folder


@pytest.fixture(scope="module")
def worse(shop: Path, place: Path) -> Path:
    """Of one neighbour."""
    return ran(shop, place / "runs" / "worse")


@pytest.fixture(scope="module")
def better(shop: Path, place: Path) -> Path:
    """Of forty."""
    return ran(shop, place / "runs" / "better", "retrieval.model.neighbours=40")


@pytest.fixture
def registry(place: Path, request: pytest.FixtureRequest) -> Registry:
    """One of its own for each test."""
    return Registry.open(request.node.name)


def test_a_bundle_is_registered_once_as_the_challenger(registry: Registry, worse: Path, better: Path) -> None:
    first, again, second = (registry.register(run) for run in (worse, worse, better))

    assert (first.number, again.number, second.number) == (1, 1, 2)
    assert first.aliases == second.aliases == ("challenger",)
    assert [(v.number, v.aliases) for v in registry.versions()] == [(2, ("challenger",)), (1, ())]
    assert (second.folder, second.is_here) == (better, True)
    assert registry.metrics(second) == read_json(better / "metrics.json")
    model = mlflow.pyfunc.load_model(f"models:/{registry.name}/2")
    assert model.metadata.run_id == second.run_id


def test_the_better_one_on_the_same_users_takes_the_place_and_can_be_gone_back_from(
    registry: Registry, worse: Path, better: Path
) -> None:
    first, second = registry.register(worse), registry.register(better)
    registry.crown(first)
    up, down = (judge(registry, *pair, NDCG, Silent()) for pair in ((first, second), (second, first)))
    assert up.paired
    assert up.passes
    assert not down.passes
    assert up.comparison.second == read_json(better / "metrics.json")["stages"]["funnel"]["ndcg@10"]["value"]
    assert "on the same test users" in str(up)

    registry.crown(registry.version(2))
    champion = registry.with_alias("champion")
    assert champion is not None
    assert (champion.number, champion.aliases) == (2, ("champion",))
    assert registry.back().number == 1
    with pytest.raises(UserError, match="nothing to go back to"):
        registry.back()


def test_each_step_back_undoes_one_crowning_and_none_twice(registry: Registry, worse: Path, better: Path) -> None:
    first, second = registry.register(worse), registry.register(better)
    for version in (first, second, first, first):
        registry.crown(version)

    assert [registry.back().number, registry.back().number] == [2, 1]
    with pytest.raises(UserError, match="no champion before this one"):
        registry.back()
    registry.crown(second)
    assert registry.back().number == 1


def test_a_recommender_is_not_better_than_itself(registry: Registry, worse: Path, place: Path) -> None:
    first = registry.register(worse)

    assert not judge(registry, first, first, NDCG, Silent()).passes


def test_where_the_runs_are_gone_their_recorded_figures_are_compared(
    registry: Registry, worse: Path, better: Path, place: Path
) -> None:
    moved = Path(shutil.copytree(better, place / "runs" / "moved"))
    first, second = registry.register(worse), registry.register(moved)
    shutil.rmtree(moved)
    up, down = (judge(registry, *pair, NDCG, Silent()) for pair in ((first, second), (second, first)))

    assert not second.is_here
    assert not up.paired
    assert up.passes
    assert not down.passes
    assert "each on the test of its own data" in str(up)
    with pytest.raises(UserError, match=r"no funnel.ndcg@7"):
        judge(registry, first, second, Measure.of("funnel.ndcg@7"), Silent())


def test_what_was_not_recorded_is_not_registered(registry: Registry, worse: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(worse, tmp_path / "other"))
    (other / "tracking.json").unlink()
    with pytest.raises(UserError, match="was not recorded by MLflow"):
        registry.register(other)
    with pytest.raises(UserError, match=r"has no version 9.*promote .* --list"):
        registry.version(9)


def test_the_bundle_that_was_recorded_is_registered_and_no_other(
    registry: Registry, shop: Path, place: Path, tmp_path: Path
) -> None:
    run = ran(shop, place / "runs" / "again", "retrieval.model.neighbours=5")
    changed = load_recipe(shop / "shop.toml", ["retrieval.model.neighbours=6"])
    Run(changed, run).walk("evaluate")
    with pytest.raises(UserError, match=r"another bundle .* evaluate it again without --no-tracking"):
        registry.register(run)

    watch = MlflowWatch(shop / "shop.toml")
    watch.catch_up(Run(changed, run, watch=watch))
    version = registry.register(run)
    model = Path(mlflow.artifacts.download_artifacts(f"models:/{registry.name}/1", dst_path=str(tmp_path)))
    (manifest,) = model.rglob("manifest.json")
    assert version_of(check_manifest(manifest.parent)) == version.bundle == version_of(check_manifest(run / "bundle"))


def test_a_run_without_its_bundle_and_one_that_was_deleted_are_not_registered(
    registry: Registry, worse: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(worse, tmp_path / "run"))
    record = Record.read(run)
    assert record is not None
    replace(record, run_id="0" * 32).write(run)
    with pytest.raises(UserError, match=r"has run 0+ .* no more"):
        registry.register(run)
    replace(record, model=None).write(run)
    with pytest.raises(UserError, match=r"tracking.bundle = true and call `shortlist run --force`"):
        registry.register(run)


def test_a_run_is_registered_where_it_was_recorded(
    worse: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    assert main(["register", str(worse), "--name", "elsewhere"]) == 2
    assert "was recorded at sqlite:" in capsys.readouterr().err


def test_a_server_that_is_not_there_and_a_name_that_cannot_be_are_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote", "o'brien", "--list"]) == 2
    assert "found `o'brien`" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert main(["promote", "shop", "--list"]) == 6
    assert "MLflow at http://127.0.0.1:9 says: " in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "odd://place")
    assert main(["reproduce", "abc"]) == 2
    assert "MLflow at odd://place says: " in capsys.readouterr().err


def test_a_run_whose_data_were_replaced_is_compared_by_its_recorded_figures(
    registry: Registry, shop: Path, worse: Path, better: Path, tmp_path: Path
) -> None:
    fewer = Path(shutil.copytree(shop, tmp_path / "shop", ignore=shutil.ignore_patterns("runs", "killed")))
    (fewer / "shop.toml").write_text(RECIPE)
    events = pq.read_table(fewer / "events.parquet")
    pq.write_table(events.filter(pc.less(events["user"], 60)), fewer / "events.parquet")
    run = Path(shutil.copytree(better, tmp_path / "replaced"))
    first, second = registry.register(worse), registry.register(run)
    Run(load_recipe(fewer / "shop.toml"), run).walk("prepare")
    verdict = judge(registry, first, second, NDCG, Silent())

    assert second.is_here
    assert not verdict.paired
    assert verdict.passes


def test_force_needs_no_figures_and_a_version_that_is_not_here_is_told_by_its_address(
    shop: Path, place: Path, better: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = ran(shop, place / "runs" / "lost", "retrieval.model.neighbours=7")
    registry = Registry.open("lost")
    champion = registry.register(lost)
    registry.crown(champion)
    registry.register(better)
    kept = Path(registry.client.get_run(champion.run_id).info.artifact_uri.removeprefix("file://"))
    (kept / "metrics.json").unlink()
    shutil.rmtree(lost)

    assert main(["promote", "lost"]) == 2
    assert "cannot read metrics.json of version 1 of `lost`" in capsys.readouterr().err
    assert main(["promote", "lost", "--force", "--metric", "funnel.auc"]) == 2
    assert main(["promote", "lost", "--force", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"name": "lost", "champion": 2, "comparison": {}}
    assert "not compared: " in said.err
    assert f"version 2 of lost is the champion   {better / 'bundle'}" in said.err
    assert main(["promote", "lost", "--back"]) == 0
    assert "version 1 of lost is the champion   models:/lost/1" in capsys.readouterr().err


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("second", "passes"), [(0.6, True), (0.5, True), (0.4, False), (math.nan, False)])
def test_without_an_interval_the_value_decides(second: float, passes: bool, paired: bool) -> None:
    found = Comparison(Measure.of("ranking.r2"), 0.5, second, Estimate(second - 0.5, math.nan, math.nan))
    verdict = Verdict(found, paired)

    assert verdict.passes is passes
    assert verdict.expected.startswith("at least as good")
    assert "(no interval)" in str(verdict)


def test_the_command_refuses_by_its_exit_code_and_changes_nothing(
    worse: Path, better: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", str(better), "--name", "shop", "--quiet"]) == 0
    assert main(["promote", "shop", "--quiet"]) == 0
    assert main(["register", str(worse), "--name", "shop", "--quiet"]) == 0
    capsys.readouterr()

    assert main(["promote", "shop"]) == 8
    assert "version 2 stays where it is. Expected: better by more than the interval" in capsys.readouterr().err
    assert main(["promote", "shop", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {version["number"]: version["aliases"] for version in listed} == {2: ["challenger"], 1: ["champion"]}

    assert main(["promote", "shop", "--force", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["champion"], said["comparison"]["verdict"]) == (2, "worse")
    assert main(["promote", "shop", "--back"]) == 0
    assert "version 1 of shop is the champion" in capsys.readouterr().err
    assert main(["promote", "nobody"]) == 2


@pytest.mark.parametrize(
    ("stages", "name"),
    [
        ({"funnel": {"ndcg@10": {}}, "ranking": {"auc": {}}}, "funnel.ndcg@10"),
        ({"ranking": {"auc": {}}}, "ranking.auc"),
        ({"ranking": {"r2": {}, "rmse": {}}}, "ranking.r2"),
    ],
)
def test_versions_are_compared_by_what_they_have(stages: dict[str, dict[str, object]], name: str) -> None:
    assert usual_measure({"stages": stages}).name == name


def test_a_run_is_done_again_to_the_same_figures(worse: Path, tmp_path: Path) -> None:
    record = Record.read(worse)
    assert record is not None
    found = reproduce(record.run_id, tmp_path, Silent())

    assert found.is_same
    assert found.changes == ()
    assert found.run.folder == tmp_path / f"reproduced-{record.run_id[:8]}"
    names = [figure.name for figure in found.figures]
    assert "funnel.ndcg@10" in names
    assert all(figure.before == figure.again for figure in found.figures)


def test_other_tables_and_other_figures_are_told(
    shop: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copytree(shop, tmp_path / "shop", ignore=shutil.ignore_patterns("runs", "killed")))
    (own / "shop.toml").write_text(RECIPE)
    run = ran(own, place / "runs" / "changed")
    record = Record.read(run)
    assert record is not None
    (own / "events.parquet").write_bytes(_shuffled(own / "events.parquet"))
    mlflow.MlflowClient().set_tag(record.run_id, "machine.threads", "64")
    code = main(["reproduce", record.run_id, "--runs", str(tmp_path), "--json"])
    said = capsys.readouterr()

    assert code == 8
    assert "not as it was: the tables, or the version that prepared them" in said.err
    assert "not as it was: threads: 64 then, 1 now" in said.err
    assert "differs" in said.err
    found = json.loads(said.out)
    assert not found["same"]
    assert any(not figure["same"] for figure in found["figures"])


def _shuffled(path: Path) -> bytes:
    """The same events with the items of other users."""
    table = pq.read_table(path)
    order = np.random.default_rng(1).permutation(len(table))
    sink = pa.BufferOutputStream()
    pq.write_table(table.set_column(1, "item", table["item"].take(pa.array(order))), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def test_a_recipe_that_this_version_does_not_read_is_told_by_its_settings(place: Path, tmp_path: Path) -> None:
    client = mlflow.MlflowClient()
    run_id = client.create_run("0", tags={"shortlist.version": "9.0"}).info.run_id
    client.log_text(run_id, json.dumps({"retreival": {}}), "recipe.json")
    client.log_text(run_id, json.dumps({"stages": {}}), "metrics.json")

    with pytest.raises(RecipeError, match=r"by shortlist 9.0 has \d errors(?s:.*)retreival: no such setting"):
        reproduce(run_id, tmp_path, Silent())


@pytest.mark.parametrize("run_id", ["abc", "0" * 32])
def test_a_run_that_is_not_there_is_one_line(run_id: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", run_id]) == 2
    assert "cannot do run" in capsys.readouterr().err
