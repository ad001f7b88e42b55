"""The command line of the benchmarks: what it prints, keeps, and exits with."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import command
from benchmarks.harness import Options, at_least
from benchmarks.result import Result


def _result(measured: float) -> Result:
    return Result(
        name="made_up",
        passed=measured >= 2,
        unit="rows per CPU-second",
        ours=2000.0,
        peers={"slow": 500.0, "fast": 1000.0, "gone": "ERROR: No matching distribution found for gone"},
        ratio=measured,
        limit=4000.0,
        goals={"times the best": at_least(2, measured)},
        details={"rounds": {"ours": [2000.0]}},
    )


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, object]:
    """A benchmark called made_up, and docs/performance in a folder of its own; holds what it was asked and answers."""
    state: dict[str, object] = {"measured": 2.0, "performance": tmp_path / "performance"}

    def run(options: Options) -> Result:
        state["options"] = options
        print("a library prints")
        os.write(1, b"and one in C too\n")
        measured = state["measured"]
        assert isinstance(measured, float)
        return _result(measured)

    monkeypatch.setattr(command, "descriptions", lambda: {"made_up": "Made up", "train": "Trains"})
    monkeypatch.setitem(sys.modules, "benchmarks.made_up", SimpleNamespace(run=run))
    monkeypatch.setattr(command, "PERFORMANCE", state["performance"])
    return state


def test_for_people_the_ratio_comes_first(made_up: dict[str, object], capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["made_up", "--quick", "--seed", "3", "--work", "~/w"]) == 0
    lines = [line.split(None, 1) for line in capfd.readouterr().out.splitlines()]
    assert lines[0] == ["made_up:", "every goal met"]
    assert [line[0] for line in lines[1:6]] == ["ratio", "ours", "fast", "slow", "gone"]
    assert lines[6] == ["limit", "4,000, of which ours is 50%"]
    assert lines[7][1].endswith("2 for 2: met")
    assert made_up["options"] == Options(quick=True, seed=3, work=Path.home() / "w")


def test_a_goal_that_was_not_met_is_exit_code_1(made_up: dict[str, object], capfd: pytest.CaptureFixture[str]) -> None:
    made_up["measured"] = 1.5
    assert command.main(["made_up"]) == 1
    assert "1.5 for 2: NOT MET" in capfd.readouterr().out


def test_json_is_one_line_and_is_kept(made_up: dict[str, object], capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["made_up", "--json", "more"]) == 0
    captured = capfd.readouterr()
    assert captured.out.count("\n") == 1
    assert "a library prints" in captured.err
    assert "and one in C too" in captured.err
    found = json.loads(captured.out)
    assert {"passed", "ours", "peers", "ratio", "limit", "of_limit", "goals", "details"} <= found.keys()
    assert found["of_limit"] == 0.5
    assert found["machine"]["cores"] >= 1
    assert found["versions"]["torch"]
    assert found["command"] == "python -m benchmarks made_up --json more"
    assert found["seed"] == 0
    assert len(found["date"]) == 10
    performance = made_up["performance"]
    assert isinstance(performance, Path)
    assert json.loads((performance / "made_up-more.json").read_text()) == found


@pytest.mark.parametrize("given", [["--data", "/home/ann/sets"], ["--data=/home/ann/sets"]])
def test_the_command_that_is_kept_names_no_folder_of_the_machine(given: list[str]) -> None:
    kept = command._for_anyone(["accuracy", "adult", *given, "--seeds", "2"])

    assert " ".join(kept).replace("=", " ") == "accuracy adult --data DATA --seeds 2"


def test_a_part_of_a_comparison_does_not_take_the_place_of_one(
    made_up: dict[str, object], capfd: pytest.CaptureFixture[str]
) -> None:
    performance = made_up["performance"]
    assert isinstance(performance, Path)
    for rows, whole in ((1, False), (2, False), (3, True), (4, False)):
        command._keep({"rows": rows}, "accuracy-some", whole=whole)
        kept = json.loads((performance / "accuracy-some.json").read_text())
        assert kept["rows"] == (1 if rows < 3 else 3)
    assert "accuracy-some.json stays: it may have more" in capfd.readouterr().err


def test_nothing_of_a_quick_run_is_kept(made_up: dict[str, object], capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["made_up", "--json", "--quick"]) == 0
    assert json.loads(capfd.readouterr().out)["quick"] is True
    performance = made_up["performance"]
    assert isinstance(performance, Path)
    assert not performance.exists()


def test_misuse_is_exit_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["trian"]) == 2
    assert "Did you mean `train`?" in capfd.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        command.main(["train", "--sead", "1"])
    assert stopped.value.code == 2
    assert "--help" in capfd.readouterr().err


def test_without_a_name_the_benchmarks_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    listed = capfd.readouterr().out
    assert "train" in listed
    assert "loader" in listed
    assert "harness" not in listed


def test_help_shows_examples(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--help"])
    assert stopped.value.code == 0
    assert "python -m benchmarks train --quick" in capfd.readouterr().out


def test_every_command_of_the_readme_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as its options go: what it names is not run."""
    readme = (Path(command.__file__).parent / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^python -m benchmarks +([a-z_]+.*?)(?: +#.*)?$", readme, re.MULTILINE)
    asked = [shlex.split(line.replace("--json", "--quick")) for line in lines if not line.startswith("report")]

    assert len(asked) > 10
    for given in asked:
        monkeypatch.setitem(sys.modules, f"benchmarks.{given[0]}", SimpleNamespace(run=lambda _: _result(2.0)))
        assert command.main(given) == 0, given
