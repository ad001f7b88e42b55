"""A state to Parquet and back: nothing is lost, and nothing counts twice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.state import State, StateEvent, open_state
from shortlist.state.lmdb_state import LmdbState
from shortlist.state.tables import Counted, export_state, import_state


def everyone(state: State) -> dict[int | str, tuple[object, ...]]:
    with state.snapshot() as users:
        return {
            known.user: (known.items, known.types, known.times_L.tolist(), set(known.older), known.features)
            for known in users()
        }


def test_what_is_exported_is_imported(state: State, tmp_path: Path) -> None:
    state.append([StateEvent(user, f"item {place}", place, "view") for user in range(5) for place in range(30)])
    state.append([StateEvent(9, f"item {place}", place) for place in range(1005)])
    state.append([StateEvent(1, "bought", 50, "buy", "order 7")])
    state.set_features(2, {"city": "Graz"})
    state.set_features(77, {"city": None})
    folder = tmp_path / "copy"

    assert export_state(state, folder) == Counted(5 * 30 + 1000 + 1, 3)
    table = pq.read_table(folder / "events.parquet")
    assert table.schema.field("user_id").type == pa.int64()
    assert table.schema.field("item_id").type == pa.string()
    assert table.filter(pa.compute.field("type") == "buy")["time"].to_pylist() == [datetime.fromtimestamp(50, UTC)]

    other = LmdbState(tmp_path / "other")
    assert import_state(other, folder) == Counted(1151, 3)
    assert everyone(other) == everyone(state)
    assert other.counts("bought") == {"buy": 1}
    # Its own id told the event, and still does.
    assert other.append([StateEvent(1, "bought", 50, "buy", "order 7")]) == [False]
    assert import_state(other, folder) == Counted(0, 3)
    assert everyone(other) == everyone(state)
    other.close()


def test_a_table_of_events_alone(tmp_path: Path) -> None:
    times = pa.array([datetime(2023, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 900_000, tzinfo=UTC)])
    pq.write_table(pa.table({"user_id": ["a", "b"], "item_id": [3, 4], "time": times}), tmp_path / "clicks.parquet")
    state = LmdbState(tmp_path / "state")
    assert import_state(state, tmp_path / "clicks.parquet") == Counted(2, 0)
    assert everyone(state) == {
        "a": ([3], [None], [1_672_531_200], set(), None),
        "b": ([4], [None], [-1], set(), None),
    }
    state.close()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user_id": ["a"], "time": [1]}, "expected the columns user_id, item_id, time, found no item_id"),
        ({"user_id": ["a"], "item_id": ["b"], "time": ["soon"]}, "expected timestamps or Unix seconds in `time`"),
        ({"user_id": ["a"], "item_id": ["b"], "time": pa.array([None], pa.int64())}, "1 events have no time"),
    ],
)
def test_a_table_that_does_not_fit(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "clicks.parquet")
    state = open_state(tmp_path / "state")
    with pytest.raises(DataError, match=message):
        import_state(state, tmp_path / "clicks.parquet")
    state.close()


def test_files_that_are_not_there_or_no_parquet(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    with pytest.raises(DataError, match="no file"):
        import_state(state, tmp_path / "nothing.parquet")
    (tmp_path / "text.parquet").write_text("a,b")
    with pytest.raises(DataError, match="cannot read"):
        import_state(state, tmp_path / "text.parquet")
    state.append([StateEvent(1, "a", 5), StateEvent("1", "a", 5)])
    with pytest.raises(DataError, match="user ids of this state are integers and text"):
        export_state(state, tmp_path / "copy")
    state.close()
