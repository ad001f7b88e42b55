"""`recommend --engine spark`: what two executors write is what one machine writes, part by part."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import USERS, Said, Shortlist

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PARTS = [f"part-{number:06d}.parquet" for number in range(4)]
"""Of sixty users, sixteen each."""


def on_spark(shortlist: Shortlist, bundle: Path, output: object, *words: object) -> Said:
    return shortlist("recommend", bundle, "--engine", "spark", "--part-users", 16, "--output", output, *words)


def written(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")}


def assert_same_lists(found: pa.Table, expected: pa.Table) -> None:
    """A product of matrices rounds a row differently in a batch of another size."""
    assert found.schema.names == expected.schema.names
    assert found.drop("score").to_pylist() == expected.drop("score").to_pylist()
    assert found["score"].to_pylist() == pytest.approx(expected["score"].to_pylist(), abs=1e-5)


def test_the_lists_are_those_of_one_machine(
    spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist
) -> None:
    question = ("--k", 7, "--filter", "genres has 'drama'", "--diversity", 0.3, "--include-seen")

    said = on_spark(shortlist, bundle, tmp_path / "lists", *question, "--json")
    shortlist("recommend", bundle, "--output", tmp_path / "here.parquet", *question)

    found, expected = pq.read_table(tmp_path / "lists"), pq.read_table(tmp_path / "here.parquet")
    assert said.code == 0, said.err
    assert json.loads(said.out) == {
        "output": str(tmp_path / "lists"),
        "users": USERS,
        "rows": len(expected),
        "parts": 4,
        "earlier": 0,
    }
    assert sorted(written(tmp_path / "lists")) == PARTS
    assert_same_lists(found, expected)
    assert len(expected) == 7 * USERS


def test_what_is_written_whole_is_not_made_again(
    spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist
) -> None:
    folder = tmp_path / "lists"
    on_spark(shortlist, bundle, folder, "--shared-bundle", "--quiet")
    before, whole = written(folder), pq.read_table(folder)
    (folder / PARTS[2]).unlink()
    (folder / "_SUCCESS").unlink()
    (folder / f".{PARTS[2]}.0123abcd.partial").write_text("half")

    said = on_spark(shortlist, bundle, folder, "--shared-bundle", "--json")

    after = written(folder)
    assert json.loads(said.out)["earlier"] == 3
    assert json.loads(said.out)["rows"] == len(whole)
    assert [name for name in PARTS if after[name] != before[name]] == [PARTS[2]]
    assert pq.read_table(folder).equals(whole)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "_SUCCESS", "_plan.json", *PARTS]


def test_users_of_a_file_into_an_addressed_folder(
    spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist
) -> None:
    (tmp_path / "some.txt").write_text("".join(f"{user}\n" for user in (5, 3, 999, *range(10, 40))))
    users = ("--users", tmp_path / "some.txt", "--k", 2)

    said = on_spark(shortlist, bundle, f"file://{tmp_path}/far/lists", *users)
    shortlist("recommend", bundle, "--output", tmp_path / "here.parquet", *users)

    assert said.code == 0, said.err
    found, expected = pq.read_table(tmp_path / "far" / "lists"), pq.read_table(tmp_path / "here.parquet")
    assert_same_lists(found, expected)
    assert found["user_id"].to_pylist()[:6] == [5, 5, 3, 3, 999, 999]


def test_a_folder_that_only_the_driver_sees(spark_session: Any, bundle: Path, shortlist: Shortlist) -> None:
    said = on_spark(shortlist, bundle, "memory://only-in-this-process")

    assert said.code == 6
    assert "does not see memory://only-in-this-process, into which the driver has written _plan.json" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_bundle_that_only_the_driver_sees(
    spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.parent)

    said = on_spark(shortlist, Path("/proc/self/cwd/bundle"), tmp_path / "lists", "--shared-bundle")

    assert said.code == 6
    assert "does not see the bundle at /proc/self/cwd/bundle" in said.err
    assert "leave --shared-bundle out" in said.err
    assert len(said.err.splitlines()) == 1


def test_executors_with_another_version(
    spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shortlist.cluster.executors.__version__", "9.9.9")

    said = on_spark(shortlist, bundle, tmp_path / "lists")

    assert said.code == 6
    assert "expected the driver's 9.9.9. Install it on every host" in said.err
    assert len(said.err.splitlines()) == 1


def test_executors_without_the_package(
    spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their Python has what Spark needs and nothing else."""
    (tmp_path / "site").mkdir()
    packages = next(Path(path) for path in sys.path if (Path(path) / "pyarrow").is_dir())
    for package in packages.glob("[!_]*"):
        if not package.name.startswith("shortlist"):
            (tmp_path / "site" / package.name).symlink_to(package)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}/site:$PYTHONPATH" exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(spark_session.sparkContext, "pythonExec", str(python))

    said = on_spark(shortlist, bundle, tmp_path / "lists")

    assert said.code == 6
    assert "has no package shortlist. Install it on every host" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_python_that_is_not_there(
    spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_session.sparkContext, "pythonExec", "/no/such/python")

    said = on_spark(shortlist, bundle, tmp_path / "lists")

    assert said.code == 6
    assert "/no/such/python" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_folder_is_not_whole_while_a_part_of_it_is_made_again(
    spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lists"
    on_spark(shortlist, bundle, folder, "--quiet")
    whole = (folder / "_SUCCESS").is_file()
    (folder / PARTS[1]).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(spark_session.sparkContext, "pythonExec", "/no/such/python")
        failed = on_spark(shortlist, bundle, folder)
    there = sorted(path.name for path in folder.iterdir())

    said = on_spark(shortlist, bundle, folder, "--json")

    assert (whole, failed.code) == (True, 6)
    assert there == [".lock", "_plan.json", *(PARTS[place] for place in (0, 2, 3))]
    assert json.loads(said.out)["earlier"] == 3
    assert (folder / "_SUCCESS").is_file()


def test_a_disk_of_the_executors_that_is_full(
    spark_session: Any, bundle: Path, small_disk: Path, shortlist: Shortlist
) -> None:
    said = on_spark(shortlist, bundle, small_disk / "lists", "--shared-bundle", "--k", 50, "--part-users", 2)
    left = list((small_disk / "lists").glob("part-*.parquet"))

    assert said.code == 6
    assert f"the disk is full: writing {small_disk}/lists/part-" in said.err
    assert "--output for lists" in said.err
    assert len(said.err.splitlines()) == 1
    # What was written before is whole.
    assert 0 < len(left) < USERS / 2
    assert all(len(pq.read_table(path)) > 0 for path in left)


def test_the_session_is_left_as_it_was(spark_session: Any, bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    """What is added to a session, all its later executors have to fetch."""
    (tmp_path / "some.txt").write_text("5\n3\n")
    context = spark_session.sparkContext
    before = context.listFiles, context.listArchives

    said = on_spark(shortlist, bundle, tmp_path / "lists", "--users", tmp_path / "some.txt")

    assert said.code == 0, said.err
    assert (context.listFiles, context.listArchives) == before
    assert sorted(path.name for path in (tmp_path / "lists").iterdir()) == [".lock", "_SUCCESS", "_plan.json", PARTS[0]]
