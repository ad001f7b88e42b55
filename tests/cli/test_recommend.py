"""`recommend`: a few users on the screen, all of them into Parquet, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.bundle.recommender import Recommender
from tests.cli.conftest import USERS, Shortlist
from tests.evaluation.test_several_targets import world


@pytest.fixture
def bundle(done_shop: Path) -> Path:
    return done_shop / "runs" / "films" / "bundle"


def test_every_user_goes_into_parquet(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("recommend", bundle, "--output", tmp_path / "all.parquet", "--k", 3, "--json")

    found = pq.read_table(tmp_path / "all.parquet")
    assert said.code == 0
    assert json.loads(said.out) == {"output": str(tmp_path / "all.parquet"), "users": USERS, "rows": 3 * USERS}
    assert found.column_names == ["user_id", "item_id", "rank", "score", "source"]
    assert sorted(set(found["user_id"].to_pylist())) == list(range(1, USERS + 1))
    assert set(found["source"].to_pylist()) == {"two_tower"}
    expected = Recommender.load(bundle).recommend([7], k=3)[0]
    rows = found.filter(pa.compute.equal(found["user_id"], 7)).to_pylist()
    assert [(row["rank"], row["item_id"]) for row in rows] == [(i, e.item_id) for i, e in enumerate(expected, 1)]
    assert [row["score"] for row in rows] == pytest.approx([e.score for e in expected], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "text"), [("u.csv", "user_id\n3\n5\n"), ("u.tsv", "x\tuser_id\na\t3\nb\t5\n"), ("u.txt", "3\n\n5\n")]
)
def test_users_of_a_file_in_their_order(
    name: str, text: str, bundle: Path, tmp_path: Path, shortlist: Shortlist
) -> None:
    (tmp_path / name).write_text(text)

    said = shortlist("recommend", bundle, "--users", tmp_path / name, "--output", tmp_path / "o.parquet", "--k", 2)

    assert said.code == 0
    assert pq.read_table(tmp_path / "o.parquet")["user_id"].to_pylist() == [3, 3, 5, 5]


def test_seen_items_come_back_when_asked_for(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    everything = ["recommend", bundle, "--k", 1000, "--output", tmp_path / "o.parquet", "--quiet"]
    shortlist(*everything)
    unseen = pq.read_metadata(tmp_path / "o.parquet").num_rows
    shortlist(*everything, "--include-seen")

    assert unseen == USERS * (40 - 25)
    assert pq.read_metadata(tmp_path / "o.parquet").num_rows == USERS * 40


def test_a_user_is_shown_with_titles(bundle: Path, shortlist: Shortlist) -> None:
    said = shortlist("recommend", bundle, "--user", "7", "--user", "999", "--k", 2)

    lines = said.out.splitlines()
    assert said.code == 0
    assert lines[0] == "user 7"
    assert lines[1].split()[0] == "1"
    assert "Film 1" in lines[1]
    assert lines[3].startswith("user 999   (never seen")
    assert len(lines) == 6


def test_a_user_for_a_program(bundle: Path, shortlist: Shortlist) -> None:
    said = shortlist("recommend", bundle, "--user", "7", "--user", "999", "--k", 2, "--json")

    users = json.loads(said.out)
    assert [(user["user_id"], user["known"], len(user["items"])) for user in users] == [(7, True, 2), (999, False, 2)]
    assert set(users[0]["items"][0]) == {"rank", "item_id", "score", "source", "title"}


def test_somebody_new_is_shown_by_what_was_done(bundle: Path, shortlist: Shortlist) -> None:
    first = json.loads(shortlist("recommend", bundle, "--history", "[]", "--k", 40, "--json").out)
    liked = first[0]["items"][0]["item_id"]
    history = json.dumps([liked, {"item": liked, "time": "2001-01-01"}])
    then = json.loads(shortlist("recommend", bundle, "--history", history, "--k", 40, "--json").out)

    assert (then[0]["user_id"], then[0]["known"]) == (None, False)
    assert liked not in [item["item_id"] for item in then[0]["items"]]
    assert shortlist("recommend", bundle, "--history", history).out.splitlines()[0] == "somebody"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--history", "12"], 5, "history: expected JSON such as"),
        (["--history", "[]", "--users", "u.csv"], 2, "--history is that of one user"),
        (["--k", "0"], 5, "k: expected an integer of at least 1, found 0"),
        (["--user", "bob"], 5, "users of this bundle are integers"),
        (["--users", "no-such.csv"], 3, "no file no-such.csv"),
    ],
)
def test_what_cannot_be_answered(
    words: list[str], code: int, text: str, bundle: Path, tmp_path: Path, shortlist: Shortlist
) -> None:
    said = shortlist("recommend", bundle, "--output", tmp_path / "o.parquet", *words)

    assert said.code == code
    assert text in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_the_user_column_is_told_what_it_has(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    (tmp_path / "u.csv").write_text("userid\n3\n")

    said = shortlist("recommend", bundle, "--users", tmp_path / "u.csv", "--output", tmp_path / "o.parquet")

    assert said.code == 3
    assert "has no column `user_id`. Did you mean `userid`?" in said.err


def test_an_altered_bundle_is_refused(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("recommend", tmp_path)

    assert said.code == 4
    assert "Traceback" not in said.err


def test_a_full_disk_leaves_the_older_file(
    bundle: Path, tmp_path: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "o.parquet").write_text("older")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    said = shortlist("recommend", bundle, "--output", tmp_path / "o.parquet")

    assert said.code == 6
    assert "the disk is full" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["o.parquet"]
    assert (tmp_path / "o.parquet").read_text() == "older"


def partial(folder: Path) -> list[Path]:
    return list(folder.glob(".*.partial"))


def waited_for(condition: Iterator[bool], seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if next(condition):
            return True
        time.sleep(0.02)
    return False


def test_ctrl_c_in_the_middle_leaves_nothing(bundle: Path, tmp_path: Path) -> None:
    many = pa.table({"user_id": pa.array([i % USERS + 1 for i in range(3_000_000)])})
    pq.write_table(many, tmp_path / "many.parquet")
    words = ["recommend", bundle, "--users", tmp_path / "many.parquet", "--output", tmp_path / "out" / "o.parquet"]
    command = [sys.executable, "-m", "shortlist.cli", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        begun = waited_for(iter(lambda: bool(partial(tmp_path / "out")), None))
        os.kill(process.pid, signal.SIGINT)
        said = process.stderr.read()

    assert begun
    assert process.returncode == 130
    assert said == "interrupted: nothing half-written was kept; run the same command again to go on\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_of_several_targets_each_item_has_its_predictions(tmp_path: Path, shortlist: Shortlist) -> None:
    world(tmp_path)

    said = shortlist("recommend", tmp_path / "bundle", "--user", "u1", "--include-seen", "--json")

    items = json.loads(said.out)[0]["items"]
    assert list(items[0]["predictions"]) == ["click", "stars", "kind", "buy"]
    assert [item["predictions"]["stars"] for item in items] == [float(item["item_id"][1:]) for item in items]
