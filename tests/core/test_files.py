"""Files that are whole or absent, whatever goes wrong while they are written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from shortlist.core.errors import EnvironmentFault
from shortlist.core.files import (
    clear_unfinished,
    copy_with_holes,
    disk_errors,
    file_facts,
    fingerprint,
    link_or_copy,
    read_json,
    remove_folder,
    sha256,
    whole_file,
    whole_folder,
    write_json,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(draft: Path, error: BaseException) -> None:
    """Begin to write a file or a folder, and fail."""
    (draft / "half.txt" if draft.is_dir() else draft).write_text("half")
    raise error


@pytest.fixture
def older(tmp_path: Path) -> Path:
    target = tmp_path / "runs" / "prepared"
    with whole_folder(target) as draft:
        (draft / "old.txt").write_text("old")
    return target


def test_a_folder_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "down" / "folder"
    with whole_folder(target) as draft:
        (draft / "a.txt").write_text("a")
        assert not target.exists()

    assert names(target) == ["a.txt"]
    assert names(target.parent) == ["folder"]


def test_a_new_folder_replaces_all_of_the_older_one(older: Path) -> None:
    with whole_folder(older) as draft:
        (draft / "new.txt").write_text("new")
        assert names(older) == ["old.txt"]

    assert names(older) == ["new.txt"]
    assert names(older.parent) == ["prepared"]


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit(1)])
def test_an_interrupted_folder_leaves_the_older_one(older: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), whole_folder(older) as draft:
        write_half(draft, error)

    assert names(older) == ["old.txt"]
    assert names(older.parent) == ["prepared"]


def test_an_interrupted_file_leaves_the_older_one(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(target) as draft:
        write_half(draft, KeyboardInterrupt())

    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        # As DuckDB reports it: an error of its own, without a number.
        RuntimeError('IO Error: Could not write file "x": No space left on device'),
    ],
)
def test_a_full_disk_is_one_clear_error(older: Path, error: Exception) -> None:
    with pytest.raises(EnvironmentFault) as fault, whole_folder(older) as draft:
        write_half(draft, error)

    assert str(fault.value).startswith(f"the disk is full: writing {older} failed with ")
    assert fault.value.__cause__ is error
    assert names(older) == ["old.txt"]
    assert names(older.parent) == ["prepared"]


def test_a_fault_that_was_told_of_another_disk_stays_as_it_is(older: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"^the executors have no space left$"), whole_folder(older):
        raise EnvironmentFault("the executors have no space left")


def test_a_full_disk_is_noticed_by_a_real_write(tmp_path: Path) -> None:
    """/dev/full is a disk that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    with pytest.raises(EnvironmentFault, match="the disk is full"), disk_errors(tmp_path / "a"):
        Path("/dev/full").write_text("a")


def test_a_place_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="may not write") as fault, disk_errors(tmp_path / "a"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    assert str(tmp_path / "a") in str(fault.value)


def test_other_errors_pass_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), disk_errors(tmp_path / "a"):
        1 / 0  # noqa: B018


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None], "ü": "ß"}
    write_json(tmp_path / "a.json", value)

    assert read_json(tmp_path / "a.json") == value
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert read_json(tmp_path / "a.json") == value


def test_sha256_is_the_standards(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")

    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_equal_values_have_equal_fingerprints() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("a")
    os.utime(path, ns=(1, 1))
    before = file_facts(path)
    os.utime(path, ns=(2, 2))
    touched = file_facts(path)
    path.write_text("ab")
    os.utime(path, ns=(1, 1))

    assert touched != before
    assert file_facts(path) != before


def test_what_a_killed_process_left_is_cleared_away(older: Path) -> None:
    runs = older.parent
    for name in (".prepared.01234567.partial", ".prepared.89abcdef.old", ".bundle.01234567.partial"):
        (runs / name).mkdir()
        (runs / name / "a.txt").write_text("a")
    (runs / ".metrics.json.01234567.partial").write_text("{")
    kept = (".lock", ".retrieval.training", ".prepared.mine.old", "prepared.01234567.partial")
    for name in kept:
        (runs / name).mkdir()
    clear_unfinished(runs)

    assert names(runs) == sorted([*kept, "prepared"])
    assert names(older) == ["old.txt"]


def test_an_older_result_whose_replacement_never_came_takes_its_place_again(older: Path) -> None:
    """As a process leaves them that is killed between the two renames."""
    runs = older.parent
    older.rename(runs / ".prepared.89abcdef.old")
    (runs / ".prepared.01234567.partial").mkdir()
    clear_unfinished(runs)

    assert names(runs) == ["prepared"]
    assert names(older) == ["old.txt"]


def test_there_is_nothing_to_clear_where_there_is_no_folder(tmp_path: Path) -> None:
    clear_unfinished(tmp_path / "none")

    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_has_its_second_name_with_or_without_hard_links(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2**24)
        file.write(b"a")
    link_or_copy(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert (tmp_path / "b").stat().st_blocks <= (tmp_path / "a").stat().st_blocks
    assert (tmp_path / "a").samefile(tmp_path / "b") is links


@pytest.mark.parametrize("places", [[], [0], [5], [2, 5, 9], [9], range(10)])
def test_a_copy_has_the_bytes_and_the_holes(places: list[int], tmp_path: Path) -> None:
    block = 2**16
    with (tmp_path / "old").open("wb") as file:
        file.truncate(10 * block - 3)
        for place in places:
            os.pwrite(file.fileno(), b"content", place * block)
    copy_with_holes(tmp_path / "old", tmp_path / "new")
    old, new = (tmp_path / "old").stat(), (tmp_path / "new").stat()

    assert (tmp_path / "new").read_bytes() == (tmp_path / "old").read_bytes()
    assert new.st_size == old.st_size
    assert new.st_blocks <= old.st_blocks


def test_a_folder_is_removed_as_a_whole(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(folder: Path, ignore_errors: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_folder(older)
    assert not older.exists()
    clear_unfinished(older.parent)
    assert names(older.parent) == []
    remove_folder(older)
