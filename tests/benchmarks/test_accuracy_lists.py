"""The tables of retrieval: what is chosen on validation and measured once on the test, and the logs they read."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import (
    accuracy_beauty,
    accuracy_diginetica,
    accuracy_gowalla,
    accuracy_lists,
    accuracy_movielens_ncf,
    accuracy_movielens_sasrec,
    command,
)
from benchmarks.accuracy_candidates import candidates_of, drawn
from benchmarks.accuracy_lists import (
    Comparison,
    Entry,
    Published,
    best_on_validation,
    compare,
    goals_of,
    merged,
    recipe_of,
    refitted,
)
from benchmarks.accuracy_logs import BEAUTY, DIGINETICA, GOWALLA, NCF, QUICK_USERS, Log, log_folder
from benchmarks.harness import Options
from shortlist.core.errors import UserError
from shortlist.data.held_out import hold_out
from shortlist.models.catalogue import check_models, config_of
from shortlist.recipe.sections import Recipe
from shortlist.schema import Split
from tests.evaluation import toy

TABLES = {
    "gowalla": accuracy_gowalla,
    "beauty": accuracy_beauty,
    "diginetica": accuracy_diginetica,
    "movielens_ncf": accuracy_movielens_ncf,
    "movielens_sasrec": accuracy_movielens_sasrec,
}
USERS, ITEMS = 40, 30


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Every data set in the form of lists, small: who had an item has the next one after it."""
    folder = tmp_path / "data"
    lists = [[1 + (user + step) % ITEMS for step in range(4 + user % 5)] for user in range(USERS)]
    users = np.arange(USERS)
    owners = np.repeat(users, [len(items) for items in lists])
    items = np.concatenate([np.array(items) for items in lists])
    is_test = np.diff(owners, append=-1) != 0
    negatives = [[1 + (user + 12 + step) % ITEMS for step in range(9)] for user in range(USERS)]
    prefixes = [items[:cut] for items in lists for cut in range(len(items) - 1, 0, -1)]
    targets = [items[cut] for items in lists for cut in range(len(items) - 1, 0, -1)]
    ratings = {"user_id": owners, "movie_id": items, "rating": items % 5, "timestamp": 10**9 + np.arange(len(items))}
    for name, columns in {
        "gowalla/train": {"user": owners[~is_test], "item": items[~is_test]},
        "gowalla/test": {"user": owners[is_test], "item": items[is_test]},
        "amazon-beauty/sequences": {"user": users, "items": lists},
        "ml-1m/sasrec_sequences": {"sasrec_user": users, "sasrec_items": lists},
        "ml-1m/ratings": {**ratings, "sasrec_position": np.arange(len(items))},
        "ml-1m/ncf_leave_one_out": {
            "user_id": users,
            "test_movie_id": items[is_test],
            "negative_movie_ids": negatives,
        },
        "diginetica/train_sessions": {"items": lists},
        "diginetica/test": {"prefix": prefixes, "target": targets},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


@pytest.fixture
def options(data: Path, tmp_path: Path) -> Options:
    return Options(data=data, work=tmp_path / "work")


@pytest.mark.parametrize("name", TABLES)
def test_every_row_is_a_recipe_that_can_be_read(name: str, options: Options) -> None:
    table = TABLES[name].comparison(options)
    assert table.data_set == name
    for entry in table.entries.values():
        assert entry.beside is None or entry.beside in table.published
        assert entry.begins_at_random == (entry.retrieval["model"]["name"] == "als")
        for choice in entry.choices:
            recipe = recipe_of(table, entry, choice, seed=5)
            assert check_models({"retrieval": merged(entry.retrieval, choice)}) == []
            assert (recipe.seed, recipe.ranking, recipe.evaluation.metrics) == (5, None, table.metrics)
            assert recipe.retrieval is not None
            assert refitted(recipe, 7 if table.refit else None).split.valid == 0
    for row in table.published.values():
        assert len(row.values) == len(table.metrics)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("gowalla", "graph_filter+gf-cf"),
        ("beauty", "sasrec"),
        ("diginetica", "sasrec"),
        ("movielens_sasrec", "sasrec"),
    ],
)
def test_the_shipped_recipe_trains_the_model_of_the_published_row(name: str, row: str, options: Options) -> None:
    table = TABLES[name].comparison(options)
    (choice,) = table.entries[row].choices
    trained, shipped = recipe_of(table, table.entries[row], choice, seed=0).retrieval, table.recipe.retrieval
    assert trained is not None
    assert shipped is not None
    assert (config_of(trained), trained.model_copy(update={"model": shipped.model})) == (config_of(shipped), shipped)


def test_tables_are_merged_and_values_replaced() -> None:
    first = {"epochs": 3, "model": {"name": "ease", "l2": 1}}
    assert merged(first, {"model": {"l2": 5}, "loss": "bpr"}) == {
        "epochs": 3,
        "model": {"name": "ease", "l2": 5},
        "loss": "bpr",
    }
    assert first["model"] == {"name": "ease", "l2": 1}


class Scripted:
    """Runs whose lists are as good as their settings say: better with more l2 on validation, with less on the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.walked: list[tuple[str, int, float, int, float]] = []
        outer = self

        class Walked:
            def __init__(self, recipe: Recipe, folder: Path, reporter: Any) -> None:
                assert recipe.retrieval is not None
                self.recipe, self.retrieval, self.folder = recipe, recipe.retrieval, folder

            def walk(self, upto: str) -> None:
                settings = self.retrieval
                lr = settings.dense.lr
                outer.walked.append(
                    (settings.model.name, self.recipe.seed, self.recipe.split.valid, settings.epochs, lr)
                )

        monkeypatch.setattr(accuracy_lists, "Run", Walked)
        monkeypatch.setattr(accuracy_lists, "_facts", lambda run: {"epochs": 4, "seconds": 1.0, "cores": 2, "mib": 1})

    @staticmethod
    def measure(run: Any, split: Split, metrics: tuple[str, ...]) -> dict[str, float]:
        lr = run.retrieval.dense.lr
        value = lr if split == Split.VALID else 0.5 - lr + run.recipe.seed / 100
        return dict.fromkeys(metrics, value)


def scripted(refit: bool) -> Comparison:
    choices = ({"dense": {"lr": 0.1}}, {"dense": {"lr": 0.3}}, {"dense": {"lr": 0.2}})
    recipe = {"data": {"interactions": "log.csv"}, "schema": {"user_id": "u", "item_id": "i"}, "retrieval": {}}
    return Comparison(
        data_set="toy",
        recipe=Recipe.model_validate(recipe),
        data="these rows",
        entries={
            "towers": Entry(retrieval={"epochs": 9, "model": "two_tower"}, choices=choices, beside="theirs", within=2)
        },
        metrics=("recall@5", "ndcg@5"),
        refit=refit,
        published={"theirs": Published(values=(0.2, 0.4), source="A paper")},
        goals={"the best": (0.1, 0.9)},
        how=(),
        measure=Scripted.measure,
    )


@pytest.mark.parametrize(
    ("model", "about", "seeds"),
    [
        ("ease", {}, [3]),
        ("als", {"begins_at_random": True}, [3, 4]),
        ("two_tower", {}, [3, 4]),
        ("two_tower", {"most_seeds": 1}, [3]),
    ],
)
def test_a_row_is_measured_with_as_many_seeds_as_tell_something(
    model: str, about: dict[str, Any], seeds: list[int], options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Scripted(monkeypatch)
    entries = {"fitted": Entry(retrieval={"model": model}, **about)}
    result = compare(replace(scripted(True), entries=entries, goals={}), replace(options, seeds=2, seed=3))
    assert [(seed, valid) for _, seed, valid, _, _ in runs.walked] == [(3, 0.1), *((seed, 0.0) for seed in seeds)]
    assert result.details["tables"][0]["rows"]["fitted"]["seeds"] == len(seeds)


@pytest.mark.parametrize("refit", [True, False])
def test_what_is_best_on_validation_is_measured_on_the_test(
    refit: bool, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Scripted(monkeypatch)
    result = compare(scripted(refit), replace(options, seeds=2, seed=3))
    chosen = [("two_tower", 3, 0.1, 9, lr) for lr in (0.1, 0.3, 0.2)]
    tested = [("two_tower", seed, 0.0 if refit else 0.1, 4 if refit else 9, 0.3) for seed in (3, 4)]
    assert runs.walked == [*chosen, *tested]
    ours, published, tried = result.details["tables"]
    row = ours["rows"]["towers"]
    assert row["ndcg@5"]["mean"] == pytest.approx(0.5 - 0.3 + 0.035)
    assert row["ndcg@5"]["sd"] == pytest.approx(0.01 / np.sqrt(2))
    assert (row["published recall@5"], row["ndcg@5 of validation"]) == (0.2, 0.3)
    assert published["rows"]["theirs"] == {"recall@5": 0.2, "ndcg@5": 0.4, "by": "A paper"}
    assert tried["rows"]['towers {"dense": {"lr": 0.2}}'] == {"ndcg@5 of validation": 0.2}
    assert result.details["settings"]["towers"]["dense"] == {"lr": 0.3}
    assert row["seeds"] == 2
    met = {name: met for name, (_, _, met) in result.goals.items()}
    assert met == {
        "towers: recall@5, at least the published theirs's": True,
        "towers: ndcg@5, at least the published theirs's": False,
        "towers: seconds of training, at most": True,
        "best on validation, towers: recall@5, at least the best": True,
        "best on validation, towers: ndcg@5, at least the best": False,
    }
    before = list(runs.walked)
    assert compare(scripted(refit), replace(options, seeds=2, seed=3)).details == result.details
    assert runs.walked == before, "what is finished is kept"
    compare(replace(scripted(refit), data="other rows"), replace(options, seeds=2, seed=3))
    assert len(runs.walked) == 2 * len(before)


def test_what_was_measured_in_another_way_is_not_kept(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Scripted(monkeypatch)
    compare(scripted(True), options)
    walked = len(runs.walked)
    way = tmp_path / "another_way.py"
    way.write_text("def measure(run, split, metrics):\n    return dict.fromkeys(metrics, 0.75)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    other = partial(importlib.import_module(way.stem).measure)

    result = compare(replace(scripted(True), measure=other), options)
    assert result.details["tables"][0]["rows"]["towers"]["ndcg@5 of validation"] == 0.75
    assert len(runs.walked) == 2 * walked


def test_goals_are_held_against_four_digits_of_the_rows_that_there_are() -> None:
    table = replace(scripted(True), goals={})
    assert goals_of(table, {}) == {}
    test = {"recall@5": {"mean": 0.19996}, "ndcg@5": {"mean": 0.39994}}
    assert list(goals_of(table, {"towers": {"test": test, "seconds": 3}}).values()) == [
        (0.2, 0.2, True),
        (0.4, 0.3999, False),
        (2, 3, False),
    ]


def test_goals_are_held_against_the_one_row_that_is_best_on_validation() -> None:
    table = scripted(True)
    found = [("a", 0.5, (0.3, 0.1)), ("b", 0.7, (0.2, 0.2)), ("c", 0.6, (0.1, 0.95))]
    rows = {
        name: {"valid": valid, "test": {m: {"mean": v} for m, v in zip(table.metrics, values, strict=True)}}
        for name, valid, values in found
    }
    entries = {name: Entry(retrieval={"model": "two_tower"}) for name in rows}
    assert goals_of(replace(table, entries=entries), rows) == {
        "best on validation, b: recall@5, at least the best": (0.1, 0.2, True),
        "best on validation, b: ndcg@5, at least the best": (0.9, 0.2, False),
    }
    assert best_on_validation(rows) == "b", "not the best of the test, by which nothing is chosen"


@pytest.mark.parametrize("name", ["gowalla", "beauty", "diginetica", "movielens_sasrec"])
def test_a_position_gives_no_hour(name: str, options: Options) -> None:
    table = TABLES[name].comparison(options)
    for entry in table.entries.values():
        recipe = recipe_of(table, entry, {}, seed=5)
        assert recipe.schema_.timestamp is None or recipe.features.context == {}


def test_sequences_become_a_log_once(options: Options) -> None:
    folder = log_folder(BEAUTY, options)
    rows = pq.read_table(folder / "interactions.parquet")
    assert rows.filter(pa.compute.equal(rows["user"], 1)).to_pydict() == {
        "user": [1] * 5,
        "item": [2, 3, 4, 5, 6],
        "position": [1, 2, 3, 4, 5],
    }
    written = (folder / "interactions.parquet").stat().st_mtime_ns
    assert log_folder(BEAUTY, options) == folder
    assert (folder / "interactions.parquet").stat().st_mtime_ns == written


def test_sessions_are_put_together_again(options: Options) -> None:
    folder = log_folder(DIGINETICA, options)
    train, valid, test = (pq.read_table(folder / f"{part}.parquet") for part in ("train", "valid", "test"))
    assert [len(np.unique(part["session"])) for part in (train, valid, test)] == [36, 4, USERS]
    assert test["item"].to_pylist() == train["item"].to_pylist() + valid["item"].to_pylist()
    assert min(test["session"].to_pylist()) == USERS


def test_ncf_s_validation_is_the_last_of_train(options: Options) -> None:
    folder = log_folder(NCF, options)
    train, valid, test = (pq.read_table(folder / f"{part}.parquet").to_pydict() for part in ("train", "valid", "test"))
    assert valid["user_id"] == test["user_id"] == list(range(USERS))
    assert [late - early for late, early in zip(test["timestamp"], valid["timestamp"], strict=True)] == [1] * USERS
    assert max(time for time, user in zip(train["timestamp"], train["user_id"], strict=True) if user == 7) == (
        valid["timestamp"][7] - 1
    )


def test_quick_looks_at_few_users(options: Options) -> None:
    folder = options.folder("many/long")
    many = pa.table({"user": np.arange(5 * QUICK_USERS) // 2, "item": np.zeros(5 * QUICK_USERS, int)})
    pq.write_table(many, folder / "log.parquet")
    log = Log(name="long", tables=("log.parquet",), owner="user")
    few = pq.read_table(log_folder(log, replace(options, data=folder.parent, quick=True)) / "log.parquet")
    assert few["user"].to_pylist() == [row // 2 for row in range(2 * QUICK_USERS)]


def test_what_is_missing_is_named_with_the_way_to_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"test\.parquet is not there\. .*shortlist data convert gowalla"):
        log_folder(GOWALLA, Options(data=tmp_path))
    with pytest.raises(UserError, match=r"amazon-beauty, or DATA/amazon-beauty/sequences\.parquet\. Say where DATA"):
        log_folder(BEAUTY, Options())


def test_candidates_are_the_negatives_and_what_is_held_out(tmp_path: Path) -> None:
    events = [toy.Event(user, item, 10 * item) for user in (1, 2) for item in (1, 2)]
    events += [toy.Event(1, 3, 250, Split.TEST), toy.Event(2, 4, 260, Split.TEST)]
    data = toy.prepared(tmp_path, events, 2, 6)
    negatives = pa.table({"user_id": ["u2", "u1"], "movie_ids": [["i6", "i4"], ["i5", "unknown", "i6"]]})
    found = candidates_of(data, hold_out(data, Split.TEST, True), negatives)
    assert found.rows(np.array([0])).values.tolist() == [3, 5, 6]
    assert found.rows(np.array([1])).values.tolist() == [4, 6], "the test film is among its negatives: it counts once"


def test_validation_draws_what_the_user_had_not_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.accuracy_candidates.NEGATIVES", 2)
    events = [toy.Event(user, item, 10 * item) for user in (1, 2) for item in (1, 2)]
    events += [toy.Event(1, 3, 250, Split.VALID), toy.Event(2, 4, 260, Split.VALID), toy.Event(1, 5, 270, Split.TEST)]
    data = toy.prepared(tmp_path, events, 2, 6)
    users = hold_out(data, Split.VALID, True)
    found = [set(drawn(data, users).rows(np.array([place])).values.tolist()) for place in (0, 1)]
    assert [len(items) for items in found] == [3, 3], "what is held out, and two drawn"
    assert {3} < found[0] < {3, 4, 5, 6}, "the test's film may be among them: validation does not know it"
    assert {4} < found[1] < {3, 4, 5, 6}
    monkeypatch.setattr("benchmarks.accuracy_candidates.NEGATIVES", 99)
    assert drawn(data, users).rows(np.array([1])).values.tolist() == [3, 4, 5, 6], "fewer are left"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("gowalla", "popularity,matrix_factorization+ccl"),
        ("beauty", "item_knn,sasrec"),
        ("diginetica", "popularity,gru4rec"),
        ("movielens_ncf", "ease,matrix_factorization"),
        ("movielens_sasrec", "sasrec"),
    ],
)
def test_it_runs(name: str, models: str, options: Options, capfd: pytest.CaptureFixture[str]) -> None:
    given = ["accuracy", name, "--quick", "--json", "--models", models]
    command.main([*given, "--data", str(options.data), "--work", str(options.work)])
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    rows: Mapping[str, Any] = found["details"]["tables"][0]["rows"]
    assert list(rows) == models.split(",")
    for row in rows.values():
        assert 0 <= row[TABLES[name].METRICS[0]]["mean"] <= 1
        assert row["exported, MiB"] >= 1
    assert [row["epochs"] for row in rows.values()][-1] == 1
