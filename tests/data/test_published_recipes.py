"""The recipes of published settings, on the files they are for: read, held out and laid out as they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from shortlist.core.errors import DataError
from shortlist.data.diginetica import sessions_of_prefixes, write_sessions
from shortlist.data.held_out import hold_out
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.data.published import convert, make
from shortlist.models.base import RankingModel
from shortlist.models.ranking.deepfm import DeepFM
from shortlist.models.ranking.dlrm import DLRM
from shortlist.recipe import load_recipe
from shortlist.schema import Kind, Split
from shortlist.training.stages import build_ranking

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def prepared(name: str, data: Path, folder: Path, *overrides: str) -> Prepared:
    recipe = load_recipe(RECIPES / f"{name}.toml", ["compute.threads=2", *overrides], data)
    prepare(recipe, folder / "prepared")
    return Prepared.open(folder / "prepared")


def untrained(name: str, found: Prepared) -> RankingModel:
    settings = load_recipe(RECIPES / f"{name}.toml").ranking
    assert settings is not None
    return build_ranking(found, settings)


def some_of(source: Path, target: Path, rows: int) -> None:
    pq.write_table(pq.read_table(source).slice(0, rows), target)


def test_frappe_in_three_files(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    nfm = real_data("frappe") / "nfm"
    for part, file, rows in (
        ("train", "train_redrawn_negatives", 3_000),
        ("valid", "valid", 700),
        ("test", "test", 300),
    ):
        some_of(nfm / f"{file}.parquet", tmp_path / f"{part}.parquet", rows)
    found = prepared("frappe", tmp_path, tmp_path)
    assert found.manifest["rows"] == {"train": 3_000, "valid": 700, "test": 300}
    assert len(found.schema.columns) == 10, "not `item_redrawn`, which train alone has"
    model = untrained("frappe", found)
    assert isinstance(model, DeepFM)
    assert (model.dim, model.features.count) == (10, 10)


def test_adult_has_two_targets_and_a_validation_cut_from_train(
    real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    people = pq.read_table(real_data("adult-census") / "people.parquet")
    pq.write_table(pa.concat_tables([people.slice(0, 3_000), people.slice(40_000, 1_000)]), tmp_path / "people.parquet")
    found = prepared("adult", tmp_path, tmp_path)
    rows = found.manifest["rows"]
    assert (rows["train"] + rows["valid"], rows["test"]) == (3_000, 1_000)
    assert rows["valid"] == pytest.approx(300, rel=0.3)
    assert [target.name for target in found.schema.targets] == ["income", "never_married"]
    names = {column.name for column in found.schema.columns}
    assert "context.relationship" in names
    assert not names & {"context.income", "context.marital_status"}


def test_criteo_as_it_is_published(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    sample = pq.read_table(real_data("ctr-samples") / "criteo.parquet").drop_columns(["split"])
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    csv.write_csv(sample, tmp_path / "train.txt", options)
    found = prepared("criteo", tmp_path, tmp_path)
    assert sum(found.manifest["rows"].values()) == 8_000
    columns = found.schema.columns
    assert [column.kind for column in columns] == [Kind.NUMBER] * 13 + [Kind.FIELD] * 26
    targets = np.concatenate([shard.targets_nT[:, 0] for shard in found.shards])
    assert targets.sum() == sample["label"].to_numpy().sum()
    often = sum(entry["counts"] >= 10 for entry in sample["C14"].value_counts().to_pylist())
    assert found.schema.column("context.C14").size <= 1 + often
    model = untrained("criteo", found)
    assert isinstance(model, DLRM)
    assert model.features.count == 26
    assert model.top.layers[0].in_features == 16 + 27 * 26 // 2, "as the authors' bottom and dot products give"


def test_the_synthetic_log_has_the_original_s_form_and_something_to_learn(tmp_path: Path) -> None:
    (path,) = make("criteo", tmp_path, rows=4_000, seed=3)
    lines = path.read_text().splitlines()
    assert len(lines) == 4_000
    assert {line.count("\t") for line in lines} == {39}
    assert 0.2 < np.mean([line[0] == "1" for line in lines]) < 0.32
    often = np.sort(np.unique([line.split("\t")[16] for line in lines], return_counts=True)[1])[::-1]
    assert often[0] > 100
    assert np.median(often) == 1, "few values are frequent, most are rare"
    again = make("criteo", tmp_path / "again", rows=4_000, seed=3)[0]
    assert again.read_bytes() == path.read_bytes()
    found = prepared("dlrm_synthetic", tmp_path, tmp_path)
    assert found.schema.column("context.C3").size == 10_001
    model = untrained("dlrm_synthetic", found)
    assert sum(parameter.numel() for parameter in model.parameters()) > 26 * 10_000 * 16


def test_frappe_s_own_files_are_converted(tmp_path: Path) -> None:
    line = " ".join(f"{number}:1" for number in range(10, 20))
    for part in ("train", "validation", "test"):
        (tmp_path / f"frappe.{part}.libfm").write_text(f"-1 {line}\n1.0 {line}\n")
    written = convert("frappe", tmp_path)
    assert [path.name for path in written] == ["train.parquet", "valid.parquet", "test.parquet"]
    rows = pq.read_table(written[0]).to_pylist()
    assert [row["label"] for row in rows] == [0, 1]
    assert (rows[0]["user"], rows[0]["item"], rows[0]["city"]) == (10, 11, 19)
    (tmp_path / "frappe.test.libfm").write_text(f"-1 {line}\n1 3:1\n")
    with pytest.raises(DataError, match=r"frappe\.test\.libfm, line 2: expected a label and ten features"):
        convert("frappe", tmp_path)


ADULT = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, "
    "United-States, <=50K{dot}\n"
    "52, ?, 209642, HS-grad, 9, Married-civ-spouse, ?, Husband, White, Male, 0, 0, 45, ?, >50K{dot}\n"
)


def test_adult_s_own_files_are_converted(tmp_path: Path) -> None:
    (tmp_path / "adult.data").write_text(ADULT.format(dot="") + "\n")
    (tmp_path / "adult.test").write_text("|1x3 Cross validator\n" + ADULT.format(dot="."))
    (path,) = convert("adult", tmp_path)
    people = pq.read_table(path).to_pydict()
    assert people["split"] == ["train", "train", "test", "test"]
    assert people["label_income"] == [0, 1, 0, 1]
    assert people["label_never_married"] == [1, 0, 1, 0]
    assert people["workclass"] == ["State-gov", None, "State-gov", None]
    assert people["age"] == [39, 52, 39, 52]


def test_gowalla_s_own_files_are_converted(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 5 3 4\n1 3 5\n2\n")
    (tmp_path / "test.txt").write_text("0 6\n")
    train, test = (pq.read_table(path).to_pydict() for path in convert("gowalla", tmp_path))
    assert train == {"user": [0, 0, 0, 1, 1], "item": [5, 3, 4, 3, 5]}
    assert test == {"user": [0], "item": [6]}
    (tmp_path / "test.txt").write_text("0 6\n1 x\n")
    with pytest.raises(DataError, match=r"test\.txt, line 2: expected whole numbers"):
        convert("gowalla", tmp_path)


def test_sequences_become_events_with_their_positions(tmp_path: Path) -> None:
    (tmp_path / "Beauty.txt").write_text("1 9 7 9\n2 8\n")
    (tmp_path / "ml-1m.txt").write_text("1 9\n2 8\n1 7\n1 9\n")
    (beauty,) = convert("amazon-beauty", tmp_path)
    assert pq.read_table(beauty).to_pydict() == {"user": [1, 1, 1, 2], "item": [9, 7, 9, 8], "position": [1, 2, 3, 1]}
    (movielens,) = convert("movielens-1m-sequences", tmp_path)
    assert pq.read_table(movielens).to_pydict() == {
        "user": [1, 2, 1, 1],
        "item": [9, 8, 7, 9],
        "position": [1, 1, 2, 3],
    }
    (tmp_path / "ml-1m.txt").write_text("1 9\n2 8 3\n")
    with pytest.raises(DataError, match=r"ml-1m\.txt, line 2: expected a user and an item"):
        convert("movielens-1m-sequences", tmp_path)


def test_ncf_s_own_files_are_converted(tmp_path: Path) -> None:
    (tmp_path / "ml-1m.train.rating").write_text("0\t5\t4\t30\n0\t6\t3\t20\n1\t5\t5\t7\n1\t8\t5\t7\n")
    (tmp_path / "ml-1m.test.rating").write_text("0\t7\t4\t40\n1\t6\t2\t9\n")
    (tmp_path / "ml-1m.test.negative").write_text("(0,7)\t8\t9\n(1,6)\t7\t9\n")
    train, valid, test, negatives = (pq.read_table(path).to_pydict() for path in convert("movielens-1m-ncf", tmp_path))
    assert (train["movie_id"], valid["movie_id"], test["movie_id"]) == ([6, 5], [5, 8], [7, 6])
    assert valid["timestamp"] == [30, 7]
    assert negatives == {"user_id": [0, 1], "movie_ids": [[8, 9], [7, 9]]}
    (tmp_path / "ml-1m.test.negative").write_text("(0,7)\t8\n(1 6)\t7\n")
    with pytest.raises(DataError, match=r"ml-1m\.test\.negative, line 2: expected a pair such as \(0,25\)"):
        convert("movielens-1m-ncf", tmp_path)


def test_diginetica_s_own_files_are_converted(tmp_path: Path) -> None:
    """Pickles: twenty training sessions [1, 2], and the prefixes of the test sessions [3, 4, 3] and [5, 6]."""
    (tmp_path / "all_train_seq.txt").write_bytes(b"\x80\x02](" + 20 * b"](K\x01K\x02e" + b"e.")
    (tmp_path / "test.txt").write_bytes(b"\x80\x02](](K\x03K\x04e]K\x03a]K\x05ae](K\x03K\x04K\x06e\x86.")
    train, valid, test = (pq.read_table(path).to_pydict() for path in convert("diginetica", tmp_path))
    assert train["session"] == [session for session in range(18) for _ in range(2)]
    assert valid == {"session": [18, 18, 19, 19], "item": [1, 2, 1, 2], "position": [1, 2, 1, 2]}
    assert test == {"session": [20, 20, 20, 21, 21], "item": [3, 4, 3, 5, 6], "position": [1, 2, 3, 1, 2]}
    (tmp_path / "test.txt").write_bytes(b"\x80\x02](](K\x03K\x04e]K\x05ae](K\x03K\x06e\x86.")
    with pytest.raises(DataError, match="test row 1: expected a session's prefixes"):
        convert("diginetica", tmp_path)
    (tmp_path / "test.txt").write_bytes(b"\x80\x02].")
    with pytest.raises(DataError, match=r"test\.txt: expected two lists"):
        convert("diginetica", tmp_path)


@pytest.mark.parametrize(
    ("prefixes", "targets"), [([[1, 2]], [3]), ([[5], [1, 2, 3], [1, 2]], [6, 4, 3]), ([[1, 2], [7]], [3, 8])]
)
def test_a_missing_prefix_is_noticed_wherever_it_is_missing(prefixes: list[list[int]], targets: list[int]) -> None:
    with pytest.raises(DataError, match="expected a session's prefixes, each shorter by one than the last"):
        sessions_of_prefixes(prefixes, targets)
    assert sessions_of_prefixes([[1, 2], [1], [7]], [3, 2, 8]) == [[1, 2, 3], [7, 8]]


def test_gowalla_is_prepared_without_times(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    for part in ("train", "test"):
        rows = pq.read_table(real_data("gowalla") / f"{part}.parquet")
        pq.write_table(rows.filter(pa.compute.less(rows["user"], 50)), tmp_path / f"{part}.parquet")
    found = prepared("gowalla", tmp_path, tmp_path, "split.valid=0.2")
    rows = found.manifest["rows"]
    assert rows["valid"] == pytest.approx((rows["train"] + rows["valid"]) / 5, rel=0.2)
    assert not found.schema.has_time
    again = prepared("gowalla", tmp_path, tmp_path / "all", "split.valid=0")
    assert again.manifest["rows"] == {"train": rows["train"] + rows["valid"], "valid": 0, "test": rows["test"]}


@pytest.mark.parametrize("name", ["amazon_beauty", "movielens_1m_sequences"])
def test_the_last_two_of_a_sequence_are_held_out(name: str, tmp_path: Path) -> None:
    (tmp_path / "Beauty.txt").write_text("".join(f"{user} 1 2 3 {4 + user % 3} 9\n" for user in range(20)))
    convert("amazon-beauty", tmp_path)
    found = prepared(name, tmp_path, tmp_path)
    assert found.manifest["rows"] == {"train": 60, "valid": 20, "test": 20}
    held_out = hold_out(found, Split.TEST, exclude_seen=True)
    assert set(held_out.history.counts().tolist()) == {4}, "validation is part of the history"


def test_each_click_of_a_session_is_asked_for(tmp_path: Path) -> None:
    write_sessions(tmp_path, [[1, 2, 3]] * 20, [[1, 2, 1], [3, 2]])
    found = prepared("diginetica", tmp_path, tmp_path)
    recipe = load_recipe(RECIPES / "diginetica.toml")
    held_out = hold_out(found, Split.TEST, recipe.funnel.exclude_seen, requests=recipe.split.requests)
    asked = [
        (
            held_out.history.rows(np.array([place])).items.values.tolist(),
            held_out.truth.rows(np.array([place])).values[0],
        )
        for place in range(len(held_out))
    ]
    one, two, three = (found.item_keys.to_pylist().index(key) for key in (1, 2, 3))
    assert asked == [([one], two), ([one, two], one), ([three], two)]


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"adult\.data, adult\.test is not there\. They are published at https"):
        convert("adult", tmp_path)
