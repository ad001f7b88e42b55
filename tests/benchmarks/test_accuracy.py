"""The comparisons of accuracy on a handful of rows: they run whole, keep what is finished, and show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks import accuracy_movielens, command
from benchmarks.accuracy_adult import ALONE
from benchmarks.accuracy_choice import choose
from benchmarks.accuracy_data import FRAPPE_FIELDS, frappe_arrays, frappe_files, movielens_files
from benchmarks.accuracy_frappe import OURS_SETTINGS, PEERS, PUBLISHED, goals_of, recipe_of
from benchmarks.accuracy_ours import open_worker
from benchmarks.accuracy_page import cell
from benchmarks.accuracy_parts import OURS, Part, finish, our_part
from benchmarks.accuracy_table import mean_sd, table
from benchmarks.accuracy_training import Learner, Log, trained
from benchmarks.harness import Options, at_least
from benchmarks.report import write_report
from benchmarks.result import Result
from shortlist.core.progress import Reporter
from shortlist.models.catalogue import RANKING
from shortlist.pipeline.api import prepare
from shortlist.recipe.sections import Recipe


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with all three data sets, each of a few hundred rows."""
    random = np.random.default_rng(0)
    _write_frappe(tmp_path / "data/frappe/nfm", random)
    _write_adult(tmp_path / "data/adult-census", random)
    _write_movielens(tmp_path / "data/ml-1m", random)
    return tmp_path / "data"


def _write_frappe(folder: Path, random: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    for name, rows in {"train_redrawn_negatives": 300, "valid": 100, "test": 100}.items():
        columns = {field: 10 * place + random.integers(0, 8, rows) for place, field in enumerate(FRAPPE_FIELDS)}
        pq.write_table(pa.table({"label": columns["user"] % 2, **columns}), folder / f"{name}.parquet")


def _write_adult(folder: Path, random: np.random.Generator) -> None:
    rows = 400
    words = ["workclass", "education", "occupation", "relationship", "race", "sex", "native_country"]
    numbers = ["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
    people: dict[str, Any] = {name: random.choice(["a", "b", "c"], rows) for name in words}
    people |= {name: random.integers(0, 90, rows) for name in numbers}
    people |= {
        "label_income": (people["age"] > 40).astype(int),
        "label_never_married": (people["race"] == "a").astype(int),
    }
    people["split"] = np.where(np.arange(rows) < 300, "train", "test")
    folder.mkdir(parents=True)
    pq.write_table(pa.table(people), folder / "people.parquet")


def _write_movielens(folder: Path, random: np.random.Generator) -> None:
    users, movies, events = 30, 40, 600
    ratings = {
        "user_id": np.arange(events) % users,
        "movie_id": random.integers(0, movies, events),
        "rating": random.integers(3, 6, events),
        "timestamp": 1_000_000_000 + 3600 * np.arange(events),
    }
    people = {
        "user_id": np.arange(users),
        "gender": random.choice(["F", "M"], users),
        "age": random.integers(18, 60, users),
        "occupation": random.integers(0, 5, users),
        "zip_code": [f"{n:05}" for n in range(users)],
    }
    films = {
        "movie_id": np.arange(movies),
        "title": [f"Film {n}" for n in range(movies)],
        "year": 1980 + np.arange(movies) % 20,
        "genres": random.choice(["Drama|War", "Comedy", "Horror"], movies),
    }
    folder.mkdir(parents=True)
    for name, columns in {"ratings": ratings, "users": people, "movies": films}.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our trainings without a process for each."""

    class Worker:
        def __init__(self, name: str, python: Path, module: str, settings: dict[str, Any], log: Path) -> None:
            self._answers = open_worker(json.loads(json.dumps(settings)))

        def ask(self, do: str) -> Any:
            return {} if do == "versions" else self._answers[do]()

        def __enter__(self) -> Worker:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("benchmarks.accuracy_parts.Contestant", Worker)


def _run(capfd: pytest.CaptureFixture[str], data: Path, *asked: str) -> dict[str, Any]:
    given = ["accuracy", *asked, "--quick", "--json", "--data", str(data), "--work", str(data.parent / "work")]
    assert command.main(given) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert found["details"].get("failed", {}) == {}
    return found


@pytest.mark.slow
def test_frappe_compares_every_model_that_is_asked_for(
    data: Path, in_process: None, capfd: pytest.CaptureFixture[str]
) -> None:
    found = _run(capfd, data, "frappe", "--models", "neumf,mlp,logistic_regression")
    aucs, costs = found["details"]["tables"]
    assert list(aucs["rows"]) == ["logistic_regression", "mlp", "neumf"]
    assert found["ours"] == max(row["ours"]["mean"] for row in aucs["rows"].values())
    assert found["ours"] > 0.5
    assert aucs["rows"]["mlp"]["published"] == PUBLISHED["mlp"]
    assert costs["rows"]["mlp, ours"]["epochs"] == 1


@pytest.mark.slow
def test_adult_tells_every_task_of_every_head(data: Path, in_process: None, capfd: pytest.CaptureFixture[str]) -> None:
    found = _run(capfd, data, "adult")
    (shown,) = found["details"]["tables"]
    assert list(shown["rows"]) == [ALONE, "shared_bottom", "mmoe", "ple"]
    for row in shown["rows"].values():
        assert {"income", "never_married"} <= row.keys()
        assert 0 <= row["never_married"]["mean"] <= 1
    # Two networks of their own, against one for both and two small towers.
    assert shown["rows"][ALONE]["parameters"] > 1.5 * shown["rows"]["shared_bottom"]["parameters"]


@pytest.mark.slow
def test_movielens_measures_the_funnel_of_a_ranker(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = _run(capfd, data, "movielens", "--models", "mlp")
    (shown,) = found["details"]["tables"]
    assert list(shown["rows"]) == ["popularity alone", "retrieval alone", "mlp"]
    row = shown["rows"]["mlp"]
    assert row["500 candidates, ms"] > 0
    assert row["funnel ndcg@10"]["low"] <= row["funnel ndcg@10"]["value"] <= row["funnel ndcg@10"]["high"]


def test_movielens_trains_a_row_anew_only_when_something_has_changed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[str] = []

    class Walked:
        def __init__(self, recipe: Recipe, folder: Path, reporter: Reporter) -> None:
            assert recipe.ranking is not None
            self.encoding = recipe.ranking.model.settings().get("history", "mean")

        def walk(self, upto: str) -> None:
            walked.append(self.encoding)

    monkeypatch.setattr("benchmarks.accuracy_movielens.Run", Walked)
    monkeypatch.setattr("benchmarks.accuracy_movielens.measured", lambda run: {"shown": {"of": run.encoding}})
    files = movielens_files(Options(data=data))
    for name, mark in [("mlp", "a"), ("mlp+gru", "a"), ("mlp", "a"), ("mlp", "b")]:
        recipe = accuracy_movielens.recipe_of(files, name, Options())
        found = accuracy_movielens.row(name, recipe, tmp_path, mark)
        assert found == {"shown": {"of": accuracy_movielens.MODELS[name].get("history", "mean")}}
    assert walked == ["mean", "gru", "mean"]


@pytest.mark.slow
def test_a_finished_training_is_kept_and_a_failed_one_is_named(data: Path, tmp_path: Path) -> None:
    """`peer` is the worker of the tests of contestants: it can add and fail, and it has no `train`."""
    options = Options(work=tmp_path / "work")
    recipe = recipe_of(frappe_files(Options(data=data)), "mlp", 0, quick=True)
    prepare(recipe, tmp_path / "run")
    part = our_part("mlp", recipe, tmp_path / "run/prepared", "these rows")
    broken = Part(OURS, "gone", 0, "tests.benchmarks.peer", {}, depends=None)
    first = finish([part, broken], tmp_path / "parts", options)
    assert list(first.results) == [(OURS, "mlp", 0)]
    assert "KeyError: 'train'" in first.failed[OURS, "gone"]
    result = first.of(OURS, "mlp")[0]
    assert result["test"] == result["tests"]["used"]
    assert result["parameters"] > 100 * 400
    kept = tmp_path / "parts/ours-mlp-seed-0.json"
    written = kept.stat().st_mtime_ns
    assert finish([part], tmp_path / "parts", options).results == first.results
    assert kept.stat().st_mtime_ns == written
    other = our_part("mlp", recipe, tmp_path / "run/prepared", "other rows")
    assert other.fingerprint() != part.fingerprint()


def test_the_best_epoch_by_validation_is_the_one_that_is_tested(tmp_path: Path) -> None:
    """A model that knows the labels after its second epoch, and forgets them again."""
    ids_nF, label_n = np.array([[0], [1], [0], [1]]), np.array([0, 1, 0, 1], np.float32)
    for part in ("train", "valid", "test"):
        np.save(tmp_path / f"{part}_ids.npy", ids_nF)
        np.save(tmp_path / f"{part}_label.npy", label_n)
    module = torch.nn.Linear(1, 1)
    weights = iter([0.0, 1.0, -1.0, -2.0, -3.0])

    def fit(ids_nF: Any, label_n: Any) -> None:
        torch.nn.init.constant_(module.weight, next(weights))

    learner = Learner(module, fit, lambda ids_nF: ids_nF[:, 0] * module.weight.item())
    found = trained(learner, Log(tmp_path), epochs=9, patience=3)
    assert (found["valid"], found["test"]) == (1.0, 1.0)
    assert (found["epochs"], found["best_epoch"], found["parameters"]) == (5, 2, 2)


def test_what_train_lacks_is_unknown_to_the_peers(data: Path, tmp_path: Path) -> None:
    files = frappe_files(Options(data=data))
    table = pq.read_table(files["test"])
    strange = table.set_column(table.column_names.index("item"), "item", pa.array([5] * table.num_rows))
    pq.write_table(strange, files["test"])
    sizes = frappe_arrays(files, tmp_path / "arrays")
    train_nF, test_nF = (np.load(tmp_path / f"arrays/{part}_ids.npy") for part in ("train", "test"))
    assert train_nF.min() == 1
    assert (train_nF.max(axis=0) + 1).tolist() == sizes
    assert (test_nF[:, 1] == 0).all()
    values = pq.read_table(files["train"])["user"].to_numpy()
    assert np.array_equal(np.unique(values)[train_nF[:, 0] - 1], values)


def test_goals_compare_models_that_both_have(data: Path) -> None:
    means = {(OURS, "mlp"): 0.981, (OURS, "dlrm"): 0.99, ("Peer", "mlp"): 0.9825, ("Peer", "deepfm"): 0.985}
    assert goals_of(means) == {
        "mlp: at least Peer's less 0.001": (0.9815, 0.981, False),
        "best of ours: at least the best of the peers'": (0.985, 0.99, True),
    }
    assert goals_of({(OURS, "mlp"): 0.981}) == {}


def test_every_model_of_the_tables_is_in_the_catalogue() -> None:
    assert OURS_SETTINGS.keys() <= set(RANKING)
    assert {settings["name"] for settings in accuracy_movielens.MODELS.values()} <= set(RANKING)
    assert {model for _, models in PEERS.values() for model in models} | PUBLISHED.keys() <= OURS_SETTINGS.keys()


def test_names_are_checked(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert choose("peers", None, ["A", "B"]) == ["A", "B"]
    assert choose("peers", ("b",), ["A", "B"]) == ["B"]
    assert choose("peers", ("none",), ["A", "B"]) == []
    for asked, said in {
        ("accuracy", "frape"): "Did you mean `frappe`?",
        ("accuracy",): "found none",
        ("accuracy", "frappe", "--data", str(data), "--models", "deepmf"): "Did you mean `deepfm`?",
        ("accuracy", "adult", "--data", str(data), "--peers", "none"): "adult has no peers",
        ("accuracy", "adult", "--data", str(data / "frappe")): "people.parquet in DATA/adult",
        ("train", "--seeds", "3"): "--seeds is for `accuracy` alone",
    }.items():
        assert command.main(asked) == 2
        assert said in capfd.readouterr().err


def test_without_a_folder_of_data_it_says_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SHORTLIST_DATA", raising=False)
    assert command.main(["accuracy", "frappe"]) == 2
    said = capfd.readouterr().err
    assert "train*.parquet, valid.parquet, test.parquet" in said
    assert "--data DATA" in said


def test_the_page_shows_what_was_measured(tmp_path: Path) -> None:
    shown = {"deepfm": {"ours": mean_sd([0.98, 0.982]), "published": 0.9839, "Peer": None, "parameters": 410_001}}
    details = {"data_set": "frappe", "tables": [table("AUC", shown)], "how": ["On validation."]}
    result = Result(name="accuracy", passed=False, unit="AUC", ours=0.981, goals={"g": at_least(1, 0.981)})
    facts = {**command.stamped(result, Options(seed=3), ["accuracy", "frappe", "--json"]), "details": details}
    (tmp_path / "performance").mkdir()
    (tmp_path / "performance/accuracy-frappe.json").write_text(json.dumps(facts))
    assert [path.name for path in write_report(tmp_path / "performance")] == ["performance.md", "accuracy.md"]
    page = (tmp_path / "accuracy.md").read_text()
    assert "| deepfm | .9810 ± .0014 | .9839 |  | 410,001 |" in page
    assert "**NOT MET**" in page
    assert "`python -m benchmarks accuracy frappe --json`" in page
    assert "frappe" not in (tmp_path / "performance.md").read_text()


def test_cells() -> None:
    estimate = {"value": 0.1424, "low": 0.133, "high": 0.151}
    assert [cell(value) for value in (None, "a", estimate, 0.5, 12.25, 1_000)] == [
        "",
        "a",
        ".142 ± .009",
        ".5000",
        "12.25",
        "1,000",
    ]
