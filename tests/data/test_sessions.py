"""A log of anonymous sessions: prepared like one of users, but that no session has an id of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.data.held_out import check_validation, hold_out
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.recipe import parse_recipe
from shortlist.schema import Side, Split
from shortlist.training.stages import build_retrieval

RECIPE = """
name = "sessions"
[data]
interactions = "log.parquet"
[schema]
session_id = "visit"
item_id = "item"
timestamp = "at"
[features.context]
[split]
valid = 0.1
test = 0.2
[compute]
threads = 1
"""
SESSIONS, LENGTH = 20, 5
LOG: dict[str, Any] = {
    "visit": [f"v{n // LENGTH:02}" for n in range(SESSIONS * LENGTH)],
    "item": [(n * n) % 7 for n in range(SESSIONS * LENGTH)],
    "at": [10_000 * (n // LENGTH) + n for n in range(SESSIONS * LENGTH)],
}


def prepared(folder: Path, log: dict[str, Any] = LOG, recipe: str = RECIPE) -> Prepared:
    pq.write_table(pa.table(log), folder / "log.parquet")
    prepare(parse_recipe(recipe, "sessions.toml", data_dir=folder), folder / "prepared")
    return Prepared.open(folder / "prepared")


def test_everything_but_the_id_is_as_with_users(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "sessions").mkdir()
    of_users = prepared(tmp_path / "users", recipe=RECIPE.replace("session_id", "user_id"))
    data = prepared(tmp_path / "sessions")

    assert data.schema.has_users
    assert data.schema.side(Side.USER) == ()
    assert [column.name for column in of_users.schema.side(Side.USER)] == ["user.id"]
    assert data.users.ids_nF.shape == (SESSIONS + 1, 0)
    assert data.user_keys.equals(of_users.user_keys)
    for ours, theirs in zip(data.shards, of_users.shards, strict=True):
        for name in ("user", "item", "time", "split"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_held_out_sessions_are_asked_for_with_the_events_of_the_session(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    held_out = hold_out(data, Split.TEST, exclude_seen=False, requests="event")
    keys = [data.user_keys[int(user)].as_py() for user in held_out.user_U]

    # The last four sessions are the test: each is asked for at all of its events but the first.
    assert keys == [f"v{visit}" for visit in (16, 17, 18, 19) for _ in range(LENGTH - 1)]
    assert held_out.history.counts().tolist() == [1, 2, 3, 4] * 4
    items = data.item_keys.take(pa.array(held_out.truth.values)).to_pylist()
    assert items == [LOG["item"][n] for n in range(16 * LENGTH, SESSIONS * LENGTH) if n % LENGTH]


def test_a_session_of_one_event_teaches_and_is_asked_nothing(tmp_path: Path) -> None:
    lonely: dict[str, Any] = {"visit": ["alone", "late"], "item": [0, 1], "at": [5, 10**7]}
    data = prepared(tmp_path, {name: LOG[name] + lonely[name] for name in LOG})
    held_out = hold_out(data, Split.TEST, exclude_seen=False, requests="event")

    assert len(data.users) == SESSIONS + 3
    assert "late" not in [data.user_keys[int(user)].as_py() for user in held_out.user_U]
    alone = data.user_keys.to_pylist().index("alone")
    assert data.events_of_users(Split.TRAIN).counts()[alone] == 1


@pytest.mark.parametrize("ranking", ["", "[ranking]\n"])
def test_a_log_of_single_events_is_told_what_can_help(tmp_path: Path, ranking: str) -> None:
    """No share of validation would: before none of its events is there another."""
    visits = {**LOG, "visit": [f"v{n}" for n in range(SESSIONS * LENGTH)]}
    text = RECIPE.replace("[compute]", f"[retrieval]\n{ranking}[compute]")
    data, recipe = prepared(tmp_path, visits, text), parse_recipe(text)
    asked, of_first = (hold_out(data, Split.VALID, exclude_seen=False, requests=kind) for kind in ("event", "user"))

    assert (len(asked), len(of_first)) == (0, 10)
    check_validation(of_first, recipe)
    with pytest.raises(DataError, match="another of the same user or session before it, and ") as raised:
        check_validation(asked, recipe)
    assert 'Set split.requests = "user"' in str(raised.value)
    assert f"split.valid = 0{' and no [ranking]' if ranking else ''} to train" in str(raised.value)
    assert "make split.valid larger" not in str(raised.value)


@pytest.mark.parametrize(("requests", "again"), [("event", 8), ("user", 10)])
def test_where_seen_items_leave_nothing_to_ask_for_they_are_the_remedy(
    requests: Literal["user", "event"], again: int, tmp_path: Path
) -> None:
    """Sessions of one item again and again; and one user who has all of them, and had all seven items in training."""
    visits = {**LOG, "item": [n // LENGTH % 7 for n in range(SESSIONS * LENGTH)]}
    if requests == "user":
        visits["visit"] = ["other" if n < LENGTH else "one" for n in range(SESSIONS * LENGTH)]
    data, recipe = prepared(tmp_path, visits), parse_recipe(RECIPE, overrides=[f'split.requests="{requests}"'])
    held_out, with_seen = (hold_out(data, Split.VALID, seen, requests=requests) for seen in (True, False))

    check_validation(with_seen, recipe)
    with pytest.raises(DataError, match=f"out {again}, of items .* Set funnel.exclude_seen = false to") as raised:
        check_validation(held_out, recipe)
    assert 'requests = "user"' not in str(raised.value)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (
            {"visit": ["v"] * 20, "item": [n % 3 for n in range(20)]},
            "at least two sessions .*Is schema.session_id the right",
        ),
        ({"visit": [f"v{n % 4}" for n in range(20)], "item": [7] * 20}, "at least two items with training events"),
    ],
)
def test_one_session_and_one_item_are_refused(tmp_path: Path, log: dict[str, Any], message: str) -> None:
    """A vocabulary of one item leaves nothing to choose, one session nothing to learn for others."""
    with pytest.raises(DataError, match=message):
        prepared(tmp_path, {**log, "at": list(range(20))})


def test_rows_without_a_session_are_named_so(tmp_path: Path) -> None:
    data = prepared(tmp_path, {**LOG, "visit": [None, *LOG["visit"][1:]]})
    assert [finding["what"] for finding in data.manifest["audit"]["findings"]] == ["rows without a session id"]


def test_without_an_order_of_events_towers_read_a_session_as_a_set(tmp_path: Path) -> None:
    text = RECIPE.replace('timestamp = "at"\n', "").replace("[split]\n", '[split]\nkind = "random"\n')
    recipe = parse_recipe(text, "sessions.toml", data_dir=tmp_path)
    data = prepared(tmp_path, recipe=text)
    assert recipe.retrieval is not None
    model = build_retrieval(data, recipe.retrieval)

    assert model.query_inputs.history is not None
    assert not model.query_inputs.history_in_order
    with pytest.raises(DataError, match=r"retrieval reads 0\. Let history be above 0"):
        build_retrieval(data, recipe.retrieval.model_copy(update={"history": 0}))
