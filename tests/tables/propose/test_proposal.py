"""Proposals for small made tables: who plays which part, what is predicted, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.recipe import Recipe, parse_recipe
from shortlist.tables.propose import Hints, Proposal, propose

Table = Mapping[str, Sequence[Any]]

HOUR = 3_600
START = 1_600_000_000


def write(folder: Path, **tables: Table) -> list[str]:
    paths = []
    for name, columns in tables.items():
        path = folder / f"{name}.parquet"
        pq.write_table(pa.table({key: pa.array(values) for key, values in columns.items()}), path)
        paths.append(str(path))
    return paths


def proposed(
    folder: Path, hints: Hints | None = None, **tables: Mapping[str, Sequence[Any]]
) -> tuple[Proposal, Recipe]:
    proposal = propose(write(folder, **tables), folder, hints)
    return proposal, parse_recipe(proposal.text)


def _texts(recipe: Recipe) -> dict[str, str]:
    """Name -> expression of the targets."""
    return {name: target.value for name, target in recipe.schema_.targets.items()}


def said(proposal: Proposal) -> str:
    return "\n".join(line for finding in proposal.findings for line in finding.lines)


def events(rows: int = 200, **more: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Ten users, twenty items, one event an hour."""
    return {
        "user_id": [i % 10 for i in range(rows)],
        "item_id": [i * 7 % 20 for i in range(rows)],
        "ts": [START + i * HOUR for i in range(rows)],
        **more,
    }


def test_a_log_alone_has_both_stages_and_a_split_by_time(tmp_path: Path) -> None:
    proposal, recipe = proposed(tmp_path, visits=events())

    assert (recipe.schema_.user_id, recipe.schema_.item_id, recipe.schema_.timestamp) == ("user_id", "item_id", "ts")
    assert recipe.schema_.targets == {}
    assert recipe.data.interactions.table == "visits.parquet"
    assert recipe.retrieval is not None
    assert recipe.ranking is not None
    assert recipe.split.kind == "time"
    # 200 hours from 2020-09-13 12:26; the last 40 and the last 20 are held out: 160 and 180 hours later.
    assert proposal.split == "at 2020-09-20 04:26 / 2020-09-21 00:26 (80/10/10 by time)"
    assert "every row counts as wanted" in said(proposal)
    assert "id_dropout" not in proposal.text, "items without features are known by their ids alone"


@pytest.mark.parametrize(
    ("scale", "expression"),
    [
        ([1, 2, 3, 4, 5], "rating >= 4"),
        ([0.5, 1.0, 3.5, 4.0, 5.0], "rating >= 4"),
        ([1, 4, 7, 8, 10], "rating >= 8"),
        ([0, 50, 69, 70, 100], "rating >= 70"),
    ],
)
def test_a_rating_becomes_praise_from_the_upper_part_of_its_scale_on(
    scale: list[float], expression: str, tmp_path: Path
) -> None:
    proposal, recipe = proposed(tmp_path, ratings=events(rating=[scale[i % 5] for i in range(200)]))

    assert _texts(recipe) == {"liked": expression}
    assert "(40.0% positive)" in said(proposal)


def test_the_tables_beside_the_log_are_told_apart_by_their_keys(tmp_path: Path) -> None:
    users: Table = {"user_id": list(range(10)), "town": ["Ulm", "Bonn"] * 5}
    items: Table = {
        "item_id": list(range(20)),
        "title": [f"Item {i}" for i in range(20)],
        "tags": [["a"], ["b", "c"]] * 10,
    }

    proposal, recipe = proposed(tmp_path, a=items, b=events(rating=[i % 5 + 1 for i in range(200)]), c=users)

    assert (recipe.data.interactions.table, recipe.data.users, recipe.data.items) == (
        "b.parquet",
        "c.parquet",
        "a.parquet",
    )
    assert recipe.schema_.title == "title"
    assert recipe.features.user is not None
    assert recipe.features.item is not None
    assert {name: feature.kind for name, feature in recipe.features.user.items()} == {"town": "categorical"}
    assert {name: feature.kind for name, feature in recipe.features.item.items()} == {"tags": "multi_hot"}
    assert "the items: `item_id` is unique in it" in said(proposal)
    assert "id_dropout = 0.1" in proposal.text


def test_ids_with_unusual_names_are_found_by_the_tables_they_are_keys_of(tmp_path: Path) -> None:
    log: Table = {"who": [i % 10 for i in range(200)], "what": [i * 7 % 20 for i in range(200)]}

    _, recipe = proposed(tmp_path, log=log, people={"who": list(range(10))}, products={"what": list(range(20))})

    assert (recipe.schema_.user_id, recipe.schema_.item_id) == ("who", "what")
    assert (recipe.data.users, recipe.data.items) == ("people.parquet", "products.parquet")


def test_a_table_without_a_part_is_named_with_the_reason(tmp_path: Path) -> None:
    people: Table = {"id": list(range(10)), "town": ["Ulm", "Bonn"] * 5}

    proposal, recipe = proposed(tmp_path, views=events(), buys=events(50), people=people)

    assert recipe.data.interactions.table == "views.parquet"
    assert recipe.data.users is None
    assert "another log beside views.parquet" in said(proposal)
    assert "it has no column `user_id` or `item_id`; rename its key" in said(proposal)


def test_a_click_log_with_ids_gets_only_a_ranker_that_learns_from_what_was_seen(tmp_path: Path) -> None:
    clicks = events(click=[int(i % 3 == 0) for i in range(200)], device=["phone", "desk"] * 100)

    proposal, recipe = proposed(tmp_path, clicks=clicks)

    assert recipe.retrieval is None
    assert recipe.ranking is not None
    assert (recipe.ranking.negatives.sampled, recipe.ranking.negatives.observed) == (0, True)
    assert _texts(recipe) == {"click": "click"}
    assert recipe.schema_.user_id == "user_id"
    assert recipe.features.context is not None
    assert {name: feature.kind for name, feature in recipe.features.context.items()} == {
        "device": "categorical",
        "time": "timestamp",
    }
    assert "(33.5% positive)" in said(proposal)


def test_a_click_log_without_users_is_all_context(tmp_path: Path) -> None:
    clicks: Table = {
        "label": [i % 2 for i in range(200)],
        "site": [f"s{i % 7}" for i in range(200)],
        "split": ["train"] * 160 + ["dev"] * 20 + ["test"] * 20,
    }

    proposal, recipe = proposed(tmp_path, clicks=clicks)

    assert (recipe.schema_.user_id, recipe.schema_.item_id, recipe.retrieval) == (None, None, None)
    assert (recipe.split.kind, recipe.split.column) == ("column", "split")
    assert proposal.split == "by the column `split`: dev, test, train"
    assert list(recipe.features.context or {}) == ["site"]


def test_a_split_column_without_validation_rows_is_neither_used_nor_a_feature(tmp_path: Path) -> None:
    clicks: Table = {
        "label": [i % 2 for i in range(200)],
        "x": [i % 7 for i in range(200)],
        "split": ["train", "test"] * 100,
    }

    proposal, recipe = proposed(tmp_path, clicks=clicks)

    assert recipe.split.kind == "random"
    assert "`split` names no validation rows" in proposal.split
    assert list(recipe.features.context or {}) == ["x"]


def test_columns_that_give_the_answer_away_are_left_out(tmp_path: Path) -> None:
    label = [int(i % 4 == 0) for i in range(400)]
    clicks: Table = {
        "click": label,
        "outcome": ["bought" if i % 4 == 0 and i % 8 else "left" if i % 4 else "looked" for i in range(400)],
        "click_position": [i % 6 for i in range(400)],
        "dwell_time": [i % 60 for i in range(400)],
        "place": [f"p{i % 3}" for i in range(400)],
        "clickable": [f"c{i % 5}" for i in range(400)],
    }

    proposal, recipe = proposed(tmp_path, clicks=clicks)

    assert list(recipe.features.context or {}) == ["place", "clickable"]
    assert "outcome -> left out: it tells the target exactly" in said(proposal)
    assert "click_position -> left out: its name says that it goes with the target" in said(proposal)
    assert "dwell_time -> left out: known only after the event" in said(proposal)


def test_sessions_take_the_place_of_users_and_the_strongest_event_is_the_target(tmp_path: Path) -> None:
    log: Table = {
        "session_id": [f"s{i // 8}" for i in range(240)],
        "sku": [f"k{i * 7 % 20}" for i in range(240)],
        "event_type": [["view", "view", "add_to_cart", "Purchase"][i % 4] for i in range(240)],
        "event_time": [(START + i * HOUR) * 1000 for i in range(240)],
        "position": [i % 12 for i in range(240)],
    }

    proposal, recipe = proposed(tmp_path, log=log)

    roles = recipe.schema_
    assert (roles.user_id, roles.session_id, roles.item_id) == (None, "session_id", "sku")
    assert _texts(recipe) == {"purchase": 'event_type == "Purchase"'}
    assert recipe.schema_.event == "event_type"
    assert "event_type -> type of past events (3)" in said(proposal)
    assert """# targets.cart = 'event_type == "add_to_cart"'""" in proposal.text
    assert "# With several targets, ranking.model.tasks says what they share" in proposal.text
    assert '# score = "purchase + 0.2 * cart"' in proposal.text
    # Whether a position is known beforehand only the person knows: it is offered in a comment.
    assert list(recipe.features.context or {}) == ["time"]
    assert '# position = "categorical"' in proposal.text
    assert "session_id -> session, in the place of a user (30)" in said(proposal)


@pytest.mark.parametrize("hints", [None, Hints(target='event == "buy"')])
@pytest.mark.parametrize("timed", [True, False])
def test_one_kind_of_event_among_others_may_be_of_an_item_seen_before(
    hints: Hints | None, timed: bool, tmp_path: Path
) -> None:
    """A purchase comes after a view of the same item: leaving out what was seen would leave nothing relevant."""
    log = events(event=["view", "buy"] * 100)
    proposal, recipe = proposed(tmp_path, hints, log=log if timed else {n: log[n] for n in log if n != "ts"})

    assert not recipe.funnel.exclude_seen
    wanted = "wanted" if hints else "purchase"
    assert f"# Here: before `{wanted}` there are mostly events of other kinds with the same item" in proposal.text


@pytest.mark.parametrize(
    "column", [{}, {"event": ["view", "scroll"] * 100}, {"rating": [1, 5] * 100}, {"click": [0, 1] * 100}]
)
def test_elsewhere_what_was_seen_is_left_out_by_default(column: dict[str, Sequence[Any]], tmp_path: Path) -> None:
    proposal, recipe = proposed(tmp_path, log={**events(), **column})

    assert recipe.funnel.exclude_seen
    assert "# exclude_seen = true" in proposal.text


def test_what_is_offered_in_comments_can_be_taken_up(tmp_path: Path) -> None:
    types = ["view", "view", "add_to_cart", "Purchase"]

    proposal, _ = proposed(tmp_path, log=events(event_type=[types[i % 4] for i in range(200)]))

    marks = ("# targets.", "# score", "# observed")
    lines = [line[2:] if line.startswith(marks) else line for line in proposal.text.splitlines()]
    recipe = parse_recipe("\n".join(lines))
    assert list(recipe.schema_.targets) == ["purchase", "cart"]
    assert recipe.ranking is not None
    assert recipe.ranking.score == "purchase + 0.2 * cart"
    assert recipe.ranking.negatives.observed is True


@pytest.mark.parametrize(("hints", "name"), [(None, "label_1"), (Hints(target="_click"), "wanted")])
def test_a_column_whose_name_no_target_can_have(hints: Hints | None, name: str, tmp_path: Path) -> None:
    clicks: Table = {"_click": [int(i % 4 == 0) for i in range(400)], "x": [i % 7 for i in range(400)]}

    _, recipe = proposed(tmp_path, hints, clicks=clicks)

    assert _texts(recipe) == {name: "_click"}


def test_only_views_are_no_target(tmp_path: Path) -> None:
    _, recipe = proposed(tmp_path, log=events(event=["view", "scroll"] * 100))

    assert recipe.schema_.targets == {}


def test_hints_overrule(tmp_path: Path) -> None:
    log: Table = {
        "a": [i % 10 for i in range(200)],
        "b": [i * 7 % 20 for i in range(200)],
        "c": list(range(200)),
        "d": [i % 6 for i in range(200)],
    }
    hints = Hints(user_id="a", item_id="b", timestamp="c", target="d > 2")

    proposal, recipe = proposed(tmp_path, hints, log=log)

    roles = recipe.schema_
    assert (roles.user_id, roles.item_id, roles.timestamp) == ("a", "b", "c")
    assert _texts(recipe) == {"wanted": "d > 2"}
    # These are no dates: an order to split by, whose hours mean nothing.
    assert proposal.split == "at 160 / 180 (80/10/10 by time)"
    assert recipe.features.context == {}


def test_a_target_alone_makes_a_click_log(tmp_path: Path) -> None:
    log: Table = {"x": [i % 5 for i in range(200)], "won": [i % 2 for i in range(200)]}

    _, recipe = proposed(tmp_path, Hints(target="won"), log=log)

    assert _texts(recipe) == {"won": "won"}
    assert recipe.retrieval is None


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        (Hints(user_id="usr"), "--user-id usr: no table has a column `usr`. Did you mean `user`?"),
        (Hints(user_id="user", item_id="thing", target="rating >= 4"), "has no column `rating`"),
        (Hints(user_id="user", item_id="thing", target="user + "), "cannot read the expression"),
    ],
)
def test_hints_that_name_nothing(hints: Hints, expected: str, tmp_path: Path) -> None:
    sources = write(tmp_path, log={"user": [1, 2, 1], "thing": [4, 5, 6]})

    with pytest.raises(Exception, match=expected.replace("+", r"\+")):
        propose(sources, tmp_path, hints)


def test_nothing_recognisable_lists_the_columns_and_asks(tmp_path: Path) -> None:
    sources = write(tmp_path, numbers={"x": [1, 2, 3], "y": ["a", "b", "c"]})

    with pytest.raises(DataError) as caught:
        propose(sources, tmp_path)

    text = str(caught.value)
    assert "numbers.parquet: x (integer, 3 values), y (text, 3 values)" in text
    assert "--user-id COLUMN --item-id COLUMN" in text


def test_an_empty_table_and_the_same_one_twice(tmp_path: Path) -> None:
    empty = pa.table({"user_id": pa.array([], pa.int64()), "item_id": pa.array([], pa.int64())})
    pq.write_table(empty, tmp_path / "log.parquet")

    with pytest.raises(DataError, match="expected rows, found an empty table with the columns user_id, item_id"):
        propose([str(tmp_path / "log.parquet")], tmp_path)
    with pytest.raises(DataError, match="the same table twice"):
        propose(["a.csv", "a.csv"], tmp_path)


def test_rows_without_an_id_are_counted(tmp_path: Path) -> None:
    log = events(user_id=[None if i < 3 else i % 10 for i in range(200)])

    proposal, _ = proposed(tmp_path, log=log)

    assert "user_id -> user (10); 3 rows without it will be dropped" in said(proposal)


def test_times_that_leave_nothing_to_train_on_are_not_split_by(tmp_path: Path) -> None:
    proposal, recipe = proposed(tmp_path, log=events(ts=[START] * 198 + [START + 1, START + 2]))

    assert recipe.split.kind == "random"
    assert "leaves no row for train" in proposal.split
