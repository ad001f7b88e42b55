"""`shortlist state`: tables in and out."""

from __future__ import annotations

import json
from pathlib import Path

from shortlist.state import StateEvent, open_state
from tests.cli.conftest import Shortlist


def test_export_and_import(tmp_path: Path, shortlist: Shortlist) -> None:
    state = open_state(tmp_path / "state")
    state.append([StateEvent(7, "a", 5, "view"), StateEvent(8, "b", 6)])
    state.set_features(7, {"town": "Graz"})
    state.close()

    said = shortlist("state", "export", tmp_path / "state", tmp_path / "copy", "--json")
    assert (said.code, json.loads(said.out)) == (0, {"events": 2, "users": 1})
    said = shortlist("state", "import", tmp_path / "other", tmp_path / "copy")
    assert said.code == 0
    assert "2 new events, 1 users" in said.err
    said = shortlist("state", "import", tmp_path / "other", tmp_path / "copy" / "events.parquet", "--json")
    assert json.loads(said.out) == {"events": 0, "users": 0}


def test_what_is_not_there(tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("state", "export", tmp_path / "nothing", tmp_path / "copy")
    assert said.code == 6
    assert "there is no state in" in said.err
    assert not (tmp_path / "nothing").exists()
    said = shortlist("state", "import", tmp_path / "state", tmp_path / "nothing")
    assert said.code == 3
    assert "shortlist state export" in said.err
