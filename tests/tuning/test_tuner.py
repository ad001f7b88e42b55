"""A whole search on a small shop: chosen on validation, kept in a journal, written down, measured on the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("optuna")
pytest.importorskip("tomlkit")

from shortlist.core.errors import DataError, RecipeError, UserError
from shortlist.core.lock import only_one
from shortlist.core.progress import Silent
from shortlist.evaluation.paired import Contender, Measure, value_of
from shortlist.pipeline import Run
from shortlist.pipeline.api import load_recipe
from shortlist.schema import Split
from shortlist.tuning import Found, tune
from shortlist.tuning.outcome import as_json, table
from shortlist.tuning.page import write_page
from shortlist.tuning.space import distributions
from shortlist.tuning.storage import open_storage, open_study
from shortlist.tuning.trial import attempt

RECIPE = """\
# A small shop.
[data]
interactions = "events.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "time"
[features.context]
[split]
kind = "leave_one_out"
[funnel]
candidates = 20
[retrieval]
model = {name = "item_knn", neighbours = 1}  # too few
[compute]
threads = 1
[tune]
trials = 4
retrieval.model.neighbours = {log_int = [2, 40]}
retrieval.model.asymmetry = {linear = [0, 1]}
"""


class Written(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, stage: str, message: str) -> None:
        self.lines.append(f"{stage} {message}")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and its events: users of four tastes."""
    folder = tmp_path_factory.mktemp("shop")
    random = np.random.default_rng(0)
    users, items, each = 120, 60, 10
    taste = np.arange(items) % 4
    wish = np.where(taste == np.arange(4)[:, None], 8.0, 1.0)
    wish /= wish.sum(axis=1, keepdims=True)
    chosen = [random.choice(items, each, replace=False, p=wish[user % 4]) for user in range(users)]
    table_ = {
        "user": np.repeat(np.arange(users), each),
        "item": np.concatenate(chosen),
        "time": 1_600_000_000 + 60 * random.permutation(users * each),
    }
    pq.write_table(pa.table(table_), folder / "events.parquet")
    (folder / "shop.toml").write_text(RECIPE)
    return folder


def searched(shop: Path, said: Written, *given: str) -> Found:
    return tune(shop / "shop.toml", given, None, shop / "runs", said)


@pytest.fixture(scope="module")
def found(shop: Path) -> tuple[Found, Written]:
    """A search with two workers."""
    said = Written()
    return searched(shop, said, "tune.workers=2"), said


def test_the_best_of_validation_is_a_recipe_that_gives_the_same(
    shop: Path, found: tuple[Found, Written], tmp_path: Path
) -> None:
    tuned = found[0].tuned
    assert tuned is not None
    assert tuned.file == shop / "shop-tuned.toml"
    text = tuned.file.read_text()
    assert text.startswith("# The best of shortlist tune shop.toml, by funnel.ndcg@10")
    assert "# too few" in text
    assert "tune]" not in text

    again = Run(load_recipe(tuned.file), tmp_path / "again")
    again.walk("export")
    score = value_of(Contender(again.recommender(), again.prepared), Measure.of("funnel.ndcg@10"), Split.VALID)
    best = max(trial.value or 0 for trial in found[0].trials)
    assert score == best > found[0].own_score
    assert again.recipe.name == "shop-tuned"


def test_the_test_is_measured_for_both_and_the_search_has_not_seen_it(found: tuple[Found, Written]) -> None:
    tuned = found[0].tuned
    assert tuned is not None
    first, second = (
        Run(run.recipe, run.folder).metrics()["stages"]["funnel"] for run in (own_run(found[0]), tuned.run)
    )
    for comparison in tuned.comparisons:
        metric = comparison.measure.metric
        assert (comparison.first, comparison.second) == pytest.approx((first[metric]["value"], second[metric]["value"]))
        assert comparison.difference.value == pytest.approx(comparison.second - comparison.first)
    assert tuned.comparisons[0].measure.name == "funnel.ndcg@10"


def own_run(found: Found) -> Run:
    return Run(found.plan.recipe(), found.plan.base)


def test_stages_that_no_range_changes_are_not_done_again(found: tuple[Found, Written]) -> None:
    tuned = found[0].tuned
    assert tuned is not None
    manifests = [run.folder / "prepared" / "manifest.json" for run in (tuned.run, own_run(found[0]))]
    assert manifests[0].stat().st_ino == manifests[1].stat().st_ino  # one file, of two names


def test_only_the_best_trials_files_are_kept(found: tuple[Found, Written]) -> None:
    assert list((found[0].plan.folder / "trials").glob("[0-9a-f]*")) == []  # it has become the tuned run


def test_each_trial_is_told_and_shown(found: tuple[Found, Written]) -> None:
    result, said = found
    facts = as_json(result)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert [trial["number"] for trial in facts["trials"]] == [0, 1, 2, 3]
    assert [(trial["state"], trial["seconds"] > 0) for trial in facts["trials"]] == [("finished", True)] * 4
    told = [line for line in said.lines if line.startswith("tune trial")]
    assert len(told) == 4
    assert "as it stands" in table(result)
    page = write_page(result).read_text()
    assert "Tuning shop.toml" in page
    assert page.count("<circle") >= 8  # each trial in the course, and by each setting


def test_a_search_goes_on_and_does_nothing_twice(shop: Path, found: tuple[Found, Written]) -> None:
    before = {trial.number: (trial.params, trial.value) for trial in found[0].trials}
    said = Written()
    after = searched(shop, said, "tune.trials=5")

    assert {trial.number: (trial.params, trial.value) for trial in after.trials if trial.number < 4} == before
    assert len(after.trials) == 5
    assert len([line for line in said.lines if line.startswith("tune trial")]) == 1
    assert "tune going on with 4 trials, 0 of which had not ended" in said.lines


@pytest.mark.slow
def test_other_ranges_are_another_search(shop: Path, found: tuple[Found, Written]) -> None:
    after = searched(shop, Written(), "tune.trials=1", "tune.retrieval.model.shrinkage={linear=[0,5]}")

    assert after.plan.folder != found[0].plan.folder
    assert len(after.trials) == 1
    assert after.plan.ranges.keys() == found[0].plan.ranges.keys() | {"retrieval.model.shrinkage"}


def test_a_search_that_finds_nothing_better_says_so(shop: Path) -> None:
    given = ["retrieval.model.neighbours=40", "retrieval.model.asymmetry=0.5"]
    worse = ["tune.retrieval.model.neighbours={int=[1,2]}", "tune.retrieval.model.asymmetry={choice=[1]}"]
    result = searched(shop, Written(), *given, *worse, "tune.trials=2")

    assert result.tuned is None
    assert as_json(result)["tuned"] is None
    assert "none is better on validation than the recipe as it stands" in table(result)
    assert "as it stands" in write_page(result).read_text()


@pytest.mark.slow
def test_values_that_come_again_are_not_run_again_and_a_small_space_ends(shop: Path) -> None:
    said = Written()
    only = ["tune.retrieval.model.neighbours={int=[2,3]}", "tune.retrieval.model.asymmetry={choice=[0.5]}"]
    result = searched(shop, said, *only, "tune.trials=5")

    assert len(result.trials) == 5
    assert len([line for line in said.lines if line.startswith("tune trial")]) <= 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["split.valid=0"], "split.valid: 0 leaves nothing to tell trials apart by"),
        (["tune.metric=funnel.ndgc@10"], "no metric is called `ndgc`"),
        (["tune.metric=ndcg@10"], "expected STAGE.METRIC"),
        (["tune.retrieval.model.neighbours={int=[0,3]}"], "tune.retrieval.model.neighbours: with 0 the recipe"),
        (["tune.metric=ranking.auc"], "the recipe has no [ranking] that it could be measured of"),
        (["tune.split.valid={linear=[0.1,0.2]}"], "tune.split.valid: changes what is measured"),
        (["tune.funnel.exclude_seen={choice=[true,false]}"], "tune.funnel.exclude_seen: changes what is measured"),
        (["tune.ranges=5"], "tune.ranges: no such setting"),
    ],
)
def test_what_cannot_be_searched_is_told_at_once(shop: Path, given: Sequence[str], said: str) -> None:
    with pytest.raises(UserError, match="(?s)" + said.replace("[", r"\[")):
        searched(shop, Written(), *given)


def test_a_fitted_model_without_ranges_has_nothing_to_search(shop: Path, tmp_path: Path) -> None:
    text = RECIPE[: RECIPE.index("[tune]")].replace('"events', f'"{shop}/events')
    (tmp_path / "bare.toml").write_text(text)
    with pytest.raises(RecipeError, match="names no range"):
        tune(tmp_path / "bare.toml", (), None, tmp_path / "runs", Silent())


def test_trials_that_all_fail_end_the_search_with_their_message(shop: Path) -> None:
    """Each range is one that the recipe takes; together they promise a source more places than there are."""
    given = ["sources.near.model=popularity", "sources.near.quota=5"]
    both = ["tune.funnel.candidates={int=[6,8]}", "tune.sources.near.quota={int=[10,15]}"]
    with pytest.raises(DataError, match=r"(?s)the first 3 trials have all failed.*quota"):
        searched(shop, Written(), *given, *both)


def test_a_fault_of_the_machine_leaves_the_trial_to_be_run_again(shop: Path, found: tuple[Found, Written]) -> None:
    plan, values = found[0].plan, {"retrieval.model.neighbours": 7, "retrieval.model.asymmetry": 0.25}
    with only_one(plan.trial_folder(values)):
        outcome = attempt(plan, 0, values, None)

    assert outcome.state == "broken off"
    assert "is in use" in outcome.message
    assert attempt(plan, 0, values, None).state == "finished"


def test_a_recipe_that_names_itself_and_the_best_of_it_are_two_runs(shop: Path, tmp_path: Path) -> None:
    text = 'name = "films"\n' + RECIPE.replace('interactions = "events.parquet"', 'interactions = "none.parquet"')
    (tmp_path / "own.toml").write_text(text)
    given = [f"data.interactions={shop / 'events.parquet'}", "tune.trials=2"]
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "best.toml"
    result = tune(tmp_path / "own.toml", given, None, tmp_path / "runs", Silent(), out=out)

    assert result.tuned is not None
    written = load_recipe(out)
    assert written.name == "films-tuned"
    assert written.data.interactions.sources == (str(shop / "events.parquet"),)
    assert result.tuned.run.folder == tmp_path / "runs" / "films-tuned"
    Run(written, tmp_path / "runs" / written.name).walk("evaluate")
    with pytest.raises(UserError, match="is the recipe itself"):
        tune(out, (), None, tmp_path / "runs", Silent(), out=out)


def test_a_search_is_recorded_with_a_run_below_it_for_each_trial(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not here: pip install 'shortlist[mlflow]'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    tune(shop / "shop.toml", ["tune.trials=2"], None, tmp_path / "runs", Silent(), out=tmp_path / "t.toml", record=True)

    client = mlflow.MlflowClient()
    (experiment,) = (found for found in client.search_experiments() if found.name == "shop")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    parent = runs["tune shop"]
    assert parent.info.status == runs["trial 0"].info.status == "FINISHED"
    assert {"shop", "shop-tuned", "trial 0", "trial 1"} <= runs.keys()
    assert {runs[f"trial {n}"].data.tags["mlflow.parentRunId"] for n in (0, 1)} == {parent.info.run_id}
    best = max(runs[f"trial {n}"].data.metrics["tuned/funnel.ndcg_at_10"] for n in (0, 1))
    assert parent.data.metrics["valid/tuned/funnel.ndcg_at_10"] == best
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["tune.html"]


KILLED = """\
import sys
from pathlib import Path
from shortlist.core.progress import Terminal
from shortlist.tuning import tune
if __name__ == "__main__":
    tune(Path("shop.toml"), ["tune.workers=2", "tune.trials=6"], None, Path("killed"), Terminal())
"""


@pytest.mark.slow
def test_after_kill_nine_no_trial_is_lost_and_none_is_done_twice(shop: Path) -> None:
    (shop / "killed.py").write_text(KILLED)
    with subprocess.Popen([sys.executable, "killed.py"], cwd=shop, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = next(line for line in process.stderr if line.startswith("tune       trial"))
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(process.pid, signal.SIGKILL)
    assert len(workers) >= 2
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)  # they end with it

    said = Written()
    after = tune(shop / "shop.toml", ["tune.workers=2", "tune.trials=6"], None, shop / "killed", said)

    # One may have been asked for just then, without all of its values: it never was a trial.
    drawn = [trial for trial in after.trials if trial.params.keys() == after.plan.ranges.keys()]
    assert [(trial.state.name, trial.user_attrs["message"]) for trial in drawn] == [("COMPLETE", "")] * 6
    again = [line.split()[2] for line in said.lines if line.startswith("tune trial")]
    assert told.split()[2] not in again
    assert 1 <= len(set(again)) == len(again) <= 5


@pytest.mark.slow
def test_a_trial_whose_process_was_killed_while_its_values_were_drawn_takes_nobodys_place(
    shop: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    first = tune(shop / "shop.toml", ["tune.trials=1"], None, runs, Silent(), out=tmp_path / "best.toml")
    asymmetry = "retrieval.model.asymmetry"
    drawn = distributions({asymmetry: first.plan.ranges[asymmetry]})
    open_study(open_storage(first.plan.folder)).ask(drawn)  # of two values one
    after = tune(shop / "shop.toml", ["tune.trials=2"], None, runs, Silent(), out=tmp_path / "best.toml")

    assert [trial.state.name for trial in after.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert [trial["state"] for trial in as_json(after)["trials"]] == ["finished", "not run", "finished"]
