"""`run`, `prepare`, `train`, `evaluate`: the main job through the command, on a small shop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Shortlist


def test_a_run_leaves_what_it_should_and_skips_what_is_done(done_shop: Path, shortlist: Shortlist) -> None:
    again = shortlist("run", done_shop / "films.toml", "--runs", done_shop / "runs")

    made = {path.name for path in (done_shop / "runs" / "films").iterdir()}
    assert {"prepared", "retrieval", "ranking", "bundle", "metrics.json", "report.html"} <= made
    assert again.code == 0
    assert again.out == ""
    assert again.err.count("done before") == 5
    assert again.err.count("where truth was lost") == 1
    assert f"shortlist serve {done_shop}/runs/films/bundle" in again.err


def test_what_is_measured_anew_is_printed_once(done_shop: Path, shortlist: Shortlist) -> None:
    (done_shop / "runs" / "films" / "metrics.json").unlink()

    said = shortlist("run", done_shop / "films.toml", "--runs", done_shop / "runs")

    assert said.code == 0
    assert said.err.count("done before") == 4
    assert said.err.count("where truth was lost") == 1


def test_other_metrics_are_measured_when_asked_for(done_shop: Path, shortlist: Shortlist) -> None:
    setting = "evaluation.metrics=['ndcg@5', 'recall@9']"

    said = shortlist("evaluate", done_shop / "films.toml", "--runs", done_shop / "runs", "--set", setting)

    assert said.code == 0
    assert "ndcg@5" in said.err


def test_json_is_alone_on_standard_output(done_shop: Path, shortlist: Shortlist) -> None:
    said = shortlist("evaluate", done_shop / "films.toml", "--runs", done_shop / "runs", "--json")

    result = json.loads(said.out)
    assert said.code == 0
    assert result["metrics"] == json.loads((done_shop / "runs" / "films" / "metrics.json").read_text())
    assert result["bundle"] == str(done_shop / "runs" / "films" / "bundle")
    assert "where truth was lost" in said.err


def test_a_profile_says_where_the_time_of_every_stage_went(done_shop: Path) -> None:
    profile = json.loads((done_shop / "said.json").read_text())["profile"]

    assert list(profile["stages"]) == ["prepare", "retrieval", "ranking", "export", "evaluate"]
    assert sum(profile["total"].values()) == pytest.approx(profile["seconds"], abs=0.02)
    assert profile["stages"]["export"]["export"] > 0
    assert profile["stages"]["evaluate"]["evaluate"] > 0
    assert profile["total"]["other"] < 0.25 * profile["seconds"]


def test_a_profile_of_nothing_says_how_to_have_one(done_shop: Path, shortlist: Shortlist) -> None:
    words = ("train", done_shop / "films.toml", "--runs", done_shop / "runs")

    assert "all stages were done before" in shortlist(*words, "--profile").err
    assert "--force" in shortlist(*words, "--profile").err


def test_a_profile_is_a_table_for_people(shop: Path, shortlist: Shortlist) -> None:
    said = shortlist("prepare", shop / "films.toml", "--runs", shop / "runs", "--profile")
    lines = [line.split() for line in said.err.splitlines()]

    assert ["profile", "seconds", "prepare", "total", "share"] in lines
    assert {line[0] for line in lines} >= {"read", "write", "other", "total"}


def test_quiet_says_nothing(done_shop: Path, shortlist: Shortlist) -> None:
    assert shortlist("run", done_shop / "films.toml", "--runs", done_shop / "runs", "--quiet") == (0, "", "")


def test_prepare_alone_and_its_data_elsewhere(shop: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    recipe = tmp_path / "elsewhere" / "films.toml"
    recipe.parent.mkdir()
    recipe.write_text((shop / "films.toml").read_text())

    said = shortlist("prepare", recipe, "--data", shop, "--runs", tmp_path / "runs")

    assert said.code == 0
    assert "1,500 events" in said.err
    assert "shortlist train" in said.err
    assert {path.name for path in (tmp_path / "runs" / "films").iterdir()} == {".lock", "prepared"}


def test_all_mistakes_of_a_recipe_come_together(shop: Path, shortlist: Shortlist) -> None:
    said = shortlist("run", shop / "films.toml", "--set", "ranking.epoch=3", "--set", "ranking.model.hiden=[3]")

    assert said.code == 2
    assert "ranking.epoch: no such setting. Did you mean `epochs`?" in said.err

    said = shortlist(
        "run", shop / "films.toml", "--set", "ranking.model.hiden=[3]", "--set", "retrieval.model.name=tower"
    )

    assert said.code == 2
    assert "has 2 errors" in said.err
    assert "ranking.model.hiden: no such setting. Did you mean `hidden`?" in said.err
    assert "two_tower" in said.err


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("schema.timestamp=ts", "timestamp"), ("data.interactions=rating.parquet", "ratings.parquet")],
)
def test_what_the_tables_lack_is_said_with_what_they_have(
    setting: str, expected: str, shop: Path, shortlist: Shortlist
) -> None:
    said = shortlist("prepare", shop / "films.toml", "--runs", shop / "runs", "--set", setting)

    assert said.code == 3
    assert expected in said.err
    assert "Traceback" not in said.err
    assert list(shop.rglob("manifest.json")) == []


def test_a_broken_and_an_empty_table_are_named(shop: Path, shortlist: Shortlist) -> None:
    whole = (shop / "ratings.parquet").read_bytes()
    (shop / "ratings.parquet").write_bytes(whole[: len(whole) // 2])
    broken = shortlist("prepare", shop / "films.toml", "--runs", shop / "runs")
    empty = pa.table({"user_id": pa.array([], pa.int64()), "film_id": pa.array([], pa.int64())})
    pq.write_table(
        empty.append_column("rating", pa.array([], pa.int8())).append_column("timestamp", pa.array([], pa.int64())),
        shop / "ratings.parquet",
    )
    nothing = shortlist("prepare", shop / "films.toml", "--runs", shop / "runs")

    assert (broken.code, nothing.code) == (3, 3)
    assert "ratings.parquet: expected a whole Parquet file" in broken.err
    assert "ratings.parquet: expected rows, found an empty table" in nothing.err


def waited_for(path: Path, pattern: str, seconds: float = 100) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not list(path.glob(pattern)):
        time.sleep(0.05)
    return bool(list(path.glob(pattern)))


@pytest.mark.integration
def test_ctrl_c_while_a_model_trains_keeps_what_was_done_and_nothing_half_written(
    shop: Path, shortlist: Shortlist
) -> None:
    words = ["run", str(shop / "films.toml"), "--runs", str(shop / "runs")]
    endless = ["--set", "retrieval.epochs=100000", "--set", "retrieval.patience=100000"]
    command = [sys.executable, "-m", "shortlist.cli", *words, *endless]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        begun = waited_for(shop / "runs" / "films", ".retrieval.*.partial")
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert begun
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: nothing half-written was kept")
    assert "Traceback" not in said
    left = {path.name for path in (shop / "runs" / "films").iterdir()}
    assert "prepared" in left
    assert left <= {".lock", "prepared", ".retrieval.training"}

    again = shortlist(*words)
    assert again.code == 0
    assert again.err.count("done before") == 1


@pytest.fixture
def recording(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shop as the current folder, where commands record their runs."""
    pytest.importorskip("mlflow", reason="mlflow is not here: pip install 'shortlist[mlflow]'")
    monkeypatch.chdir(shop)
    for name in ("SHORTLIST_TRACKING", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return shop


def test_a_command_records_its_run_and_says_where(recording: Path, shortlist: Shortlist) -> None:
    said = shortlist("prepare", "films.toml")
    again = shortlist("prepare", "films.toml")

    assert said.code == 0
    assert "of experiment films   see it with: mlflow ui" in said.err
    assert (recording / "mlflow.db").is_file()
    assert "tracking" not in again.err


@pytest.mark.parametrize("way", ["option", "variable"])
def test_recording_can_be_turned_off(
    way: str, recording: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "variable":
        monkeypatch.setenv("SHORTLIST_TRACKING", "0")
    said = shortlist("prepare", "films.toml", *(["--no-tracking"] if way == "option" else []))

    assert said.code == 0
    assert "tracking" not in said.err
    assert not (recording / "mlflow.db").exists()
    assert not (recording / "runs" / "films" / "tracking.json").exists()
