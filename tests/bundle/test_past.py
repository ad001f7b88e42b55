"""What a ranker is told of past events is the same in training, in evaluation and on the server, figure for figure."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.bundle.asking import Asking
from shortlist.bundle.past_events import Event
from shortlist.bundle.read import Bundle, FunnelSettings
from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import RequestError
from shortlist.data.held_out import hold_out
from shortlist.data.loader import Gather
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared, item_id_column
from shortlist.evaluation.protocol import questions
from shortlist.export.bundle import seal, write_parts
from shortlist.features.rows import HistoryRows
from shortlist.recipe import parse_recipe
from shortlist.schema import Side, Split

RECIPE = """
name = "past"
[data]
interactions = "log.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "at"
event = "what"
[features.context]
[split]
kind = "column"
column = "part"
[compute]
threads = 1
"""
NOW = {1: 91_063, 2: 100_000_000}
"""When each of the two asks."""
KNOWN = [
    (1, "a", "view", 1000, "train"),
    (1, "b", "cart", 1003, "train"),
    (1, "b", "buy", 1063, "train"),
    (1, "c", None, 4663, "valid"),
    (2, "c", "view", 500, "train"),
    (2, "a", "gift", 502, "valid"),
    (3, "a", "view", 900, "test"),
]
NEXT = [(1, "a", "view", NOW[1], "test"), (2, "b", "view", NOW[2], "test")]
VIEW, BUY, CART, UNKNOWN = 1, 2, 3, 0
BY_HAND = {1: [(VIEW, 17), (CART, 17), (BUY, 17), (UNKNOWN, 17)], 2: [(VIEW, 27), (UNKNOWN, 27)]}
"""Types, and ages: a day is row 17, three years row 27. `gift` never occurs in training."""
LENGTH = 6


class Shop(NamedTuple):
    data: Prepared
    """With what the two did next."""
    recommender: Recommender
    """Of a bundle made before that."""


def prepared(folder: Path, rows: list[tuple[int, str, str | None, int, str]]) -> Prepared:
    folder.mkdir()
    columns = zip(("user", "item", "what", "at", "part"), zip(*rows, strict=True), strict=True)
    pq.write_table(pa.table({name: list(values) for name, values in columns}), folder / "log.parquet")
    prepare(parse_recipe(RECIPE, "past.toml", data_dir=folder), folder / "prepared")
    return Prepared.open(folder / "prepared")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    before, recipe = prepared(folder / "before", KNOWN), parse_recipe(RECIPE, "past.toml", data_dir=folder / "before")
    bundle = folder / "bundle"
    bundle.mkdir()
    write_parts(bundle, before, recipe, None)
    seal(bundle, recipe, FunnelSettings(3, False, 0.0, LENGTH), before.schema, {})
    return Shop(prepared(folder / "after", [*KNOWN, *NEXT]), Recommender.load(bundle))


def told(data: Prepared, history: HistoryRows) -> dict[str, list[list[tuple[int, ...]]]]:
    """Items, and types with ages, of every history; all that lies beyond it is 0."""
    assert history.past_ULP is not None
    offsets = [column.offset for column in data.schema.side(Side.PAST)]
    lengths = history.length_U.tolist()
    assert all((history.past_ULP[u, length:] == 0).all() for u, length in enumerate(lengths))
    return {
        "items": [[(int(item),) for item in history.ids_UL[u, :length]] for u, length in enumerate(lengths)],
        "past": [
            [tuple(row) for row in (history.past_ULP[u, :length] - offsets).tolist()]
            for u, length in enumerate(lengths)
        ],
    }


def test_training_evaluation_and_server_tell_the_same(shop: Shop) -> None:
    data, bundle = shop.data, shop.recommender.bundle
    past, ids = bundle.schema.side(Side.PAST), item_id_column(bundle.items, bundle.schema)
    assert bundle.schema == data.schema
    (shard,) = data.shards
    rows_B = np.flatnonzero(np.isin(shard.time, list(NOW.values())))
    trained = Gather(data, LENGTH, past=True).history(shard, rows_B)
    assert trained is not None
    users = [data.user_keys[int(user)].as_py() for user in shard.user[rows_B]]
    # User 3 is asked about too, and has no history.
    asked = [part.requests for part in questions(data, hold_out(data, Split.TEST, exclude_seen=False))]
    measured = asked[0].latest(LENGTH, ids, past)
    served = shop.recommender.requests(users, context={"at": [NOW[user] for user in users]}).latest(LENGTH, ids, past)
    columns = {"user": users, "item": ["b"] * 2, "at": [NOW[user] for user in users]}
    scored = Asking(bundle).rows(columns, LENGTH).history
    assert scored is not None

    assert told(data, trained)["past"] == [BY_HAND[user] for user in users]
    assert told(data, served) == told(data, scored) == told(data, trained)
    others = [u for u, user in enumerate(asked[0].user_U) if data.user_keys[int(user)].as_py() != 3]
    everyone = told(data, measured)
    assert {name: [values[u] for u in others] for name, values in everyone.items()} == told(data, trained)


def test_events_of_the_request_are_of_unknown_type_and_just_now(shop: Shop) -> None:
    bundle = shop.recommender.bundle
    ids = item_id_column(bundle.items, bundle.schema)
    requests = shop.recommender.requests(
        [2, None], history=[["b", "no such item"], ["c", "a"]], context={"at": [700, 800]}
    )
    found = told(shop.data, requests.latest(LENGTH, ids, bundle.schema.side(Side.PAST)))

    assert found["past"] == [[(VIEW, 8), (UNKNOWN, 8), (UNKNOWN, 1)], [(UNKNOWN, 1), (UNKNOWN, 1)]]
    assert requests.history.times.tolist() == [500, 502, 700, 800, 800]


def test_events_of_the_request_say_their_type_and_their_time(shop: Shop) -> None:
    bundle = shop.recommender.bundle
    given: list[Event | int | str] = [
        Event("b", "cart", 100),
        Event("no such item", "buy", 100),
        Event("c", "gift", "1970-01-01T00:05:00Z"),
        "a",
    ]
    requests = shop.recommender.requests([None, 2], history=[given, [Event("a", "buy")]], context={"at": [700, 800]})
    found = told(
        shop.data, requests.latest(LENGTH, item_id_column(bundle.items, bundle.schema), bundle.schema.side(Side.PAST))
    )

    # 600 s, 400 s and 0 s ago; a gift is of no type that training knows, and the third event says nothing of itself.
    assert found["past"] == [[(CART, 10), (UNKNOWN, 9), (UNKNOWN, 1)], [(VIEW, 9), (UNKNOWN, 9), (BUY, 1)]]
    assert requests.history.times.tolist() == [100, 300, 700, 500, 502, 800]
    assert bundle.item_keys.take(pa.array(requests.history.items.values)).to_pylist() == ["b", "c", "a", "c", "a", "a"]


def test_a_history_of_nothing_known_is_no_history(shop: Shop) -> None:
    empty = shop.recommender.requests([None, None, None], history=[[], ["no such item"], [Event("neither", "buy", 5)]])
    assert empty.history.counts().tolist() == [0, 0, 0]


@pytest.mark.parametrize("what", ["history", "exclude", "candidates"])
def test_text_in_the_place_of_a_list_is_no_list_of_its_letters(shop: Shop, what: str) -> None:
    for given in ([["a"], "ab"], "ab"):
        lists: dict[str, Any] = {what: given}
        with pytest.raises(RequestError, match=rf"`{what}`: expected a list for each request, .* found the text 'ab'"):
            shop.recommender.requests([None, None], **lists)


@pytest.mark.parametrize("what", ["history", "exclude", "candidates"])
@pytest.mark.parametrize("given", [{"item": "a"}, Event("a"), None, 7])
def test_what_is_no_list_is_refused(shop: Shop, what: str, given: object) -> None:
    for lists in (given, [["a"], given]):
        if lists is not None:
            about: dict[str, Any] = {what: lists}
            with pytest.raises(RequestError, match=f"`{what}`: expected a list for each request"):
                shop.recommender.requests([None, None], **about)


@pytest.mark.parametrize("given", [{"item": "a", "type": "cart"}, ("a", "cart"), 10, 1.5, True, None, b"a", ["a"]])
def test_an_entry_that_is_no_id_is_refused_with_its_place(shop: Shop, given: Any) -> None:
    for what in ("history", "exclude", "candidates"):
        about: dict[str, Any] = {what: [[], ["a", given]]}
        with pytest.raises(RequestError, match=rf"{what}\[1\]\[1\]: expected an item's id, which is text in this"):
            shop.recommender.requests([None, None], **about)
    with pytest.raises(RequestError, match=r"history\[0\]\[0\]: .* or a shortlist\.Event\(item, type, time\), found"):
        shop.recommender.requests([None], history=[[Event(given)]])


@pytest.mark.parametrize("users", ["ab", b"ab", {"user": 1}, None, 7])
def test_users_are_a_list(shop: Shop, users: Any) -> None:
    with pytest.raises(RequestError, match="`users`: expected a list of ids"):
        shop.recommender.recommend(users)


@pytest.mark.parametrize("user", [[1], {"user": 1}, True, b"1"])
def test_a_user_is_an_id_or_none(shop: Shop, user: Any) -> None:
    with pytest.raises(RequestError, match=r"users\[1\]: expected an id, or None for somebody new"):
        shop.recommender.requests([None, user])


def test_users_may_be_the_numbers_of_an_array_or_of_a_data_frame(shop: Shop) -> None:
    forms: list[Any] = [[1, 2], np.array([1, 2]), [1.0, 2.0]]
    same = [shop.recommender.requests(users).user_U.tolist() for users in forms]
    assert same[0] == same[1] == same[2]
    assert 0 not in same[0]


@pytest.mark.parametrize("items", ["ab", {"a": 1}, None, 7])
def test_the_items_of_one_user_are_a_list(shop: Shop, items: Any) -> None:
    with pytest.raises(RequestError, match="`items`: expected a list of ids"):
        shop.recommender.rank(None, items)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", True, None])
def test_k_is_a_number_of_items(shop: Shop, k: Any) -> None:
    with pytest.raises(RequestError, match="k: expected an integer of at least 1, found"):
        shop.recommender.recommend([None], k)


def test_types_are_refused_where_the_log_has_none(tmp_path: Path) -> None:
    plain = parse_recipe(RECIPE.replace('event = "what"\n', ""), "past.toml", data_dir=tmp_path)
    (tmp_path / "bundle").mkdir()
    columns = zip(("user", "item", "what", "at", "part"), zip(*KNOWN, strict=True), strict=True)
    pq.write_table(pa.table({name: list(values) for name, values in columns}), tmp_path / "log.parquet")
    prepare(plain, tmp_path / "prepared")
    data = Prepared.open(tmp_path / "prepared")
    write_parts(tmp_path / "bundle", data, plain, None)
    seal(tmp_path / "bundle", plain, FunnelSettings(3, False, 0.0, LENGTH), data.schema, {})
    recommender = Recommender.load(tmp_path / "bundle")

    assert recommender.requests([None], history=[[Event("a", time=3)]]).history.times.tolist() == [3]
    with pytest.raises(RequestError, match=r"type 'buy', and this bundle's recipe names no schema\.event"):
        recommender.requests([None], history=[[Event("a", "buy")]])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["1970-01-01T00:10:00Z"], 600),
        ([600.9], 600),
        (["600"], 600),
        ([None], None),
        ([np.nan], None),
        (None, None),
    ],
)
def test_a_request_is_made_when_its_context_says_or_now(
    shop: Shop, given: list[object] | None, expected: int | None
) -> None:
    before = int(time.time())
    found = shop.recommender.requests([1], context=None if given is None else {"at": given}).time_U

    assert found.dtype == np.int64
    if expected is None:
        assert before <= found[0] <= time.time()
    else:
        assert found.tolist() == [expected]


NO_TIMES = ["soon", "", True, [600], 1_700_000_000_000, 1e300, "1700000000000"]


@pytest.mark.parametrize("given", NO_TIMES)
def test_what_is_no_time_is_refused_and_not_taken_for_now(shop: Shop, given: Any) -> None:
    expected = r"expected a number in the log's unit, seconds since 1970, or text in ISO 8601 such as .*, found "
    for context in ({"at": [given, None]}, {"at": [given, given]}):
        with pytest.raises(RequestError, match=rf"^at\[0\]: {expected}"):
            shop.recommender.requests([None, None], context=context)
    with pytest.raises(RequestError, match=rf"^at\[1\]: {expected}"):
        Asking(shop.recommender.bundle).rows({"at": [None, given]}, LENGTH)
    for others in ([], [Event("no such item", time=5)]):
        history: list[list[Event | int | str]] = [["a"], [*others, Event("a", time=given)]]
        with pytest.raises(RequestError, match=rf"^history\[1\]\[{len(others)}\]\.time: {expected}"):
            shop.recommender.requests([None, None], history=history)


@pytest.mark.parametrize("given", [1_700_000_000_000, "1700000000000"])
def test_a_number_in_another_unit_is_asked_about(shop: Shop, given: Any) -> None:
    with pytest.raises(RequestError, match=r"outside of the years 1 to 9999\. Is it in another unit\?$"):
        shop.recommender.requests([None], context={"at": [given]})


def test_what_has_happened_does_not_lie_ahead(shop: Shop) -> None:
    """A day is for clocks that are wrong; a list may be asked for ahead of its moment."""
    day, now = 86_400, int(time.time())
    ahead, much = now + day - 60, now + day + 60
    found = shop.recommender.requests([None], history=[[Event("a", time=ahead)]], context={"at": [much]})
    assert (found.history.times.tolist(), found.time_U.tolist()) == ([ahead], [much])
    with pytest.raises(RequestError, match=f"at most a day ahead of this .* found {much}, which lies in the future"):
        shop.recommender.requests([None], history=[[Event("a", time=much)]])


def test_a_row_may_not_say_its_own_type(shop: Shop) -> None:
    with pytest.raises(Exception, match="no feature reads 'what'"):
        Asking(shop.recommender.bundle).rows({"user": [1], "item": ["a"], "what": ["buy"]}, LENGTH)


def test_a_bundle_keeps_each_event_whole(shop: Shop) -> None:
    bundle = Bundle.open(shop.recommender.bundle.path)
    offset = bundle.schema.column("past.type").offset
    events, keys = bundle.histories.events, bundle.user_keys.to_pylist()
    of_one = events.rows(np.array([keys.index(1)]))

    assert bundle.item_keys.take(pa.array(of_one.items.values)).to_pylist() == ["a", "b", "b", "c"]
    assert of_one.times.tolist() == [1000, 1003, 1063, 4663]
    assert of_one.types is not None
    assert (of_one.types - offset).tolist() == [VIEW, CART, BUY, UNKNOWN]
    assert len(bundle.histories.split) == len(events.times) == len(KNOWN)
