"""What a process fails of is raised where the work was begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.core.errors import DataError, EnvironmentFault, Problem, RecipeError, UserError
from shortlist.nn.ranks import RankLost
from shortlist.training.launch.failures import UNSEEN, ProcessFailure, first_failure, leave_failure
from shortlist.training.launch.spark import _cause
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


def test_a_folder_that_only_the_driver_sees_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it comes back from a Spark task: among everything else that the task wrote."""
    place, compute = tmp_path / "absent", toy.recipe().compute
    with pytest.raises(EnvironmentFault, match=r"does not see .*absent") as raised:
        Work.read(place)
    leave_failure(place, 1, raised.value)
    written = capsys.readouterr().err
    assert written.startswith(UNSEEN)

    cause = _cause(place, f"Exception: ... task output is: \n{written}\tat org.apache.spark", compute)
    assert isinstance(cause, EnvironmentFault)
    assert str(cause) == str(raised.value)


def test_executors_without_the_package_are_told() -> None:
    said = "PythonException: Traceback\nModuleNotFoundError: No module named 'shortlist'\n"

    cause = _cause(Path("absent"), said, toy.recipe(compute={"spark_master": "spark://host:7077"}).compute)
    assert isinstance(cause, EnvironmentFault)
    assert "spark://host:7077 have no package 'shortlist'" in str(cause)
