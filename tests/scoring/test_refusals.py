"""What is refused before a cluster is asked."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from shortlist.core.errors import EnvironmentFault
from shortlist.scoring.executor import _recommender
from shortlist.scoring.work import part_name, part_number
from tests.cli.conftest import Shortlist


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--user", "1"], 2, "--engine spark writes lists for many users"),
        (["--state", "redis://host"], 2, "executors do not open a --state"),
        (["--k", "0"], 5, "k: expected an integer of at least 1, found 0"),
        (["--filter", "genre has 'x'"], 5, "genre"),
        (["--part-users", "0"], 5, "--part-users must be at least 1, found 0"),
    ],
)
def test_what_cannot_be_asked(
    words: list[str], code: int, text: str, bundle: Path, tmp_path: Path, shortlist: Shortlist
) -> None:
    said = shortlist("recommend", bundle, "--engine", "spark", "--output", tmp_path / "lists", *words)

    assert said.code == code
    assert text in said.err
    assert list(tmp_path.iterdir()) == []


def test_what_is_of_spark_alone(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("recommend", bundle, "--part-users", 5, "--output", tmp_path / "lists")

    assert said.code == 2
    assert "are for --engine spark" in said.err


def test_a_folder_of_something_else(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch")

    said = shortlist("recommend", bundle, "--engine", "spark", "--output", tmp_path)

    assert said.code == 5
    assert "is there already, and its files, such as thesis.txt, are not lists by Spark" in said.err


def test_a_file_where_the_folder_should_be(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    lists = tmp_path / "recommendations.parquet"
    lists.write_bytes(b"of an earlier run on one machine")

    said = shortlist("recommend", bundle, "--engine", "spark", "--output", lists)

    assert said.code == 5
    assert f"{lists} is a file, and lists by Spark are a folder of files" in said.err
    assert [path.name for path in tmp_path.iterdir()] == [lists.name]


def test_a_millionth_part_is_known_again() -> None:
    assert part_number(part_name(1_000_000)) == 1_000_000
    assert part_number("part-12.parquet") is None


def test_another_bundle_at_the_path_of_the_plans(bundle: Path) -> None:
    with pytest.raises(EnvironmentFault, match="than the driver"):
        _recommender(str(bundle), 1, "another")


@pytest.mark.integration
def test_a_master_that_does_not_answer(
    bundle: Path, tmp_path: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark = pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'shortlist[spark]'")
    # Where another test of this process has a session, that would be taken.
    monkeypatch.setattr(spark.SparkContext, "_active_spark_context", None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound but not listening: who connects is refused.
        master = f"spark://127.0.0.1:{taken.getsockname()[1]}"
        words = ("recommend", bundle, "--engine", "spark", "--output", tmp_path / "lists")

        said = shortlist(*words, "--master", master)
        other = shortlist(*words, "--master", "spark://somewhere")
        third = shortlist(*words, "--master", master, "--k", 3)

    assert (said.code, other.code, third.code) == (6, 6, 5)
    assert f"no Spark master answers at {master} ({master[8:]}: " in said.err
    assert "expected spark://HOST:PORT, found 'somewhere'" in other.err
    assert "holds lists of another run, which differs in: k" in third.err
