"""Commands that torchrun must not begin several times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Shortlist


@pytest.mark.parametrize(("verb", "package"), [("demo", "ibis"), ("tune", "optuna"), ("reproduce", "mlflow")])
def test_what_each_process_would_do_by_itself_is_refused(
    verb: str, package: str, tmp_path: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", "2")

    said = shortlist(*((verb, "0123") if verb == "reproduce" else (verb,)))

    assert said.code == 2
    assert f"torchrun has begun 2 processes, and `shortlist {verb}` is the work of one" in said.err
    assert list(tmp_path.iterdir()) == []
