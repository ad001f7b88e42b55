"""What a process fails of is raised where the work was begun."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

import pytest

from shortlist.core.errors import DataError, EnvironmentFault, Problem, RecipeError, UserError
from shortlist.core.files import write_json
from shortlist.nn.ranks import RankLost
from shortlist.training.launch.failures import (
    UNSEEN,
    ProcessFailure,
    first_failure,
    leave_failure,
    reserve_failures,
)
from shortlist.training.launch.spark import _cause, on_gpus
from shortlist.training.launch.work import Work
from tests.evaluation import toy


@pytest.mark.parametrize("error", [DataError("a hole"), EnvironmentFault("no disk"), UserError("no")])
def test_a_users_mistake_stays_one(error: UserError, tmp_path: Path) -> None:
    leave_failure(tmp_path, 1, error)

    found = first_failure(tmp_path)
    assert type(found) is type(error)
    assert str(found) == str(error)


def test_a_recipes_problems_stay_a_text(tmp_path: Path) -> None:
    leave_failure(tmp_path, 0, RecipeError([Problem("ranking.epochs", "too few")], "r.toml"))

    found = first_failure(tmp_path)
    assert isinstance(found, UserError)
    assert found.exit_code == 2
    assert "ranking.epochs: too few" in str(found)


def test_a_bug_comes_with_its_process_and_traceback(tmp_path: Path) -> None:
    try:
        _ = {"here": 1}["absent"]
    except KeyError as error:
        leave_failure(tmp_path, 1, error)

    found = first_failure(tmp_path)
    assert isinstance(found, ProcessFailure)
    assert str(found).startswith("process 2: KeyError: 'absent'\n")
    assert "test_failures.py" in str(found)


def test_memory_that_ran_out_is_told_apart(tmp_path: Path) -> None:
    leave_failure(tmp_path, 0, MemoryError("8 GiB"))

    assert isinstance(first_failure(tmp_path), MemoryError)


def test_a_disk_that_is_full_for_a_line_of_progress_is_no_bug(tmp_path: Path) -> None:
    leave_failure(tmp_path, 0, OSError(errno.ENOSPC, "No space left on device", "progress.jsonl"))

    found = first_failure(tmp_path)
    assert isinstance(found, EnvironmentFault)
    assert str(found).startswith("process 1: the disk is full: OSError:")


def test_the_cause_comes_before_what_follows_from_it(tmp_path: Path) -> None:
    """A lost connection may be written down first by a host whose clock is slow."""
    leave_failure(tmp_path, 0, RankLost("connection closed by peer"))
    leave_failure(tmp_path, 1, RuntimeError("a bug"))
    assert str(first_failure(tmp_path)).startswith("process 2: RuntimeError: a bug")
    leave_failure(tmp_path, 2, DataError("a hole"))
    assert str(first_failure(tmp_path)) == "a hole"


def test_who_was_killed_leaves_no_word_of_its_own(tmp_path: Path) -> None:
    leave_failure(tmp_path, 0, RankLost("connection closed by peer"))

    found = first_failure(tmp_path)
    assert isinstance(found, EnvironmentFault)
    assert str(found).startswith("process 1: connection closed by peer. One that was killed, or whose host has gone")
    assert "run the same command again" in str(found)


def test_nothing_left_is_nothing(tmp_path: Path) -> None:
    assert first_failure(tmp_path) is None
    reserve_failures(tmp_path, 2)
    assert first_failure(tmp_path) is None


def test_what_a_process_wrote_as_it_was_ended_hides_no_other(tmp_path: Path) -> None:
    leave_failure(tmp_path, 0, DataError("a hole"))
    (tmp_path / "failure-1.json").write_text('{"rank": 1, "wh')

    assert str(first_failure(tmp_path)) == "a hole"


def test_a_full_disk_is_told_through_the_full_disk(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reserve_failures(small_disk, 2)
    fill(small_disk)
    with pytest.raises(EnvironmentFault) as raised:
        write_json(small_disk / "more.json", list(range(10_000)))
    leave_failure(small_disk, 1, raised.value)

    found = first_failure(small_disk)
    assert isinstance(found, EnvironmentFault)
    assert str(found).startswith(f"the disk is full: writing {small_disk}/more.json failed")
    assert capsys.readouterr().err == ""


def test_a_bug_on_a_full_disk_keeps_the_end_of_its_traceback(small_disk: Path) -> None:
    reserve_failures(small_disk, 1)
    fill(small_disk)

    def deeper(times: int) -> None:
        if times == 0:
            raise KeyError('"the "end"')
        # Two lines by turns: of the same one again and again Python says how often.
        if times % 2:
            deeper(times - 1)
        else:
            deeper(times - 1)

    try:
        deeper(200)
    except KeyError as error:
        leave_failure(small_disk, 0, error)

    found = first_failure(small_disk)
    assert isinstance(found, ProcessFailure)
    assert str(found).endswith('KeyError: \'"the "end"\'\n')


def test_a_failure_that_finds_no_space_is_said_where_it_can_be(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(small_disk)
    leave_failure(small_disk, 0, DataError("a hole"))

    written = capsys.readouterr().err
    assert written.startswith(UNSEEN)
    assert "a hole" in written
    assert first_failure(small_disk) is None


def test_a_disk_that_is_full_before_anything_begins_is_said_at_once(small_disk: Path) -> None:
    fill(small_disk)

    with pytest.raises(EnvironmentFault, match="the disk is full"):
        reserve_failures(small_disk, 2)


def fill(disk: Path) -> None:
    """Leave no block of it free."""
    with contextlib.suppress(OSError), (disk / "filled").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_folder_that_only_the_driver_sees_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it comes back from a Spark task: among everything else that the task wrote."""
    place, compute = tmp_path / "absent", toy.recipe().compute
    with pytest.raises(EnvironmentFault, match=r"does not see .*absent") as raised:
        Work.read(place)
    leave_failure(place, 1, raised.value)
    written = capsys.readouterr().err
    assert written.startswith(UNSEEN)

    failed = RuntimeError(f"Exception: ... task output is: \n{written}\tat org.apache.spark")
    cause = _cause(place, failed, compute)
    assert isinstance(cause, EnvironmentFault)
    assert str(cause) == str(raised.value)


def test_a_host_with_another_version_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "work.json", {"version": "0.0.9"})
    with pytest.raises(EnvironmentFault, match=r"expected the version that began the work, 0\.0\.9\."):
        Work.read(tmp_path)


def test_executors_without_the_package_are_told() -> None:
    said = RuntimeError("PythonException: Traceback\nModuleNotFoundError: No module named 'shortlist'\n")

    cause = _cause(Path("absent"), said, toy.recipe(compute={"spark_master": "spark://host:7077"}).compute)
    assert isinstance(cause, EnvironmentFault)
    assert "spark://host:7077 have no package 'shortlist'" in str(cause)


def test_a_task_that_was_killed_is_told() -> None:
    """It leaves nothing, and torchrun says so in a table below a stack of its own."""
    said = RuntimeError(
        "Job aborted: PythonException: Traceback (most recent call last):\n  File run.py\nRuntimeError: Command failed "
        "with return code 1. The task output is included below: Traceback (most recent call last):\n  File api.py\n"
        "ChildFailedError: \n=====\n  exitcode  : -9 (pid: 71)\n  traceback : Signal 9 (SIGKILL) received by PID 71\n"
    )

    cause = _cause(Path("absent"), said, toy.recipe().compute)
    assert "failed: one of its processes ended by itself: Signal 9 (SIGKILL) received by PID 71. The newest" in str(
        cause
    )


def test_an_error_that_nobody_has_left_is_told_in_a_line() -> None:
    said = RuntimeError(
        "Job aborted due to stage failure: Could not recover from a failed barrier ResultStage.\n\tat org"
    )

    cause = _cause(Path("absent"), said, toy.recipe().compute)
    assert "Could not recover from a failed barrier ResultStage. The newest checkpoint is kept" in str(cause)


@pytest.mark.parametrize(
    ("device", "gives", "found"),
    [("auto", None, False), ("auto", "0", False), ("auto", "1", True), ("cuda", "1", True), ("cpu", "1", False)],
)
def test_gpus_are_taken_where_spark_gives_them_to_tasks(device: str, gives: str | None, found: bool) -> None:
    """This machine, which is the driver, has none."""
    assert on_gpus(toy.recipe(compute={"device": device}).compute, gives) is found


def test_gpus_that_spark_does_not_give_out_are_asked_for_in_vain() -> None:
    with pytest.raises(EnvironmentFault, match=r"spark\.task\.resource\.gpu\.amount = unset"):
        on_gpus(toy.recipe(compute={"device": "cuda"}).compute, None)
