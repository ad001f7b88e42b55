"""The made-up shop behaves as shops do, and its oracle beats popularity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from shortlist.core.errors import DataError, UserError
from shortlist.data import simulate as simulator
from shortlist.data.shop.behaviour import EXAMINED_L, SLOTS, Shown, react
from shortlist.data.shop.clock import DAY, START, Clock
from shortlist.data.shop.goods import CATEGORIES, CATEGORY_NAMES
from shortlist.data.shop.items import stock
from shortlist.data.shop.shelf import Shelf
from shortlist.data.shop.truth import Truth
from shortlist.data.simulate import Shop, simulate, simulate_to

Numbers = NDArray[np.int64]
Scores = NDArray[np.float32]

EVENTS = ("view", "cart", "purchase")
TABLES = ("events.parquet", "users.parquet", "items.parquet")


class Columns:
    """A shop's events as rows of its own tables."""

    def __init__(self, shop: Shop) -> None:
        events = shop.events
        self.user_E = rows_of(events["user_id"], shop.users["user_id"].combine_chunks())
        self.item_E = rows_of(events["item_id"], shop.items["item_id"].combine_chunks())
        self.event_E = rows_of(events["event"], pa.array(EVENTS))
        self.second_E = events["timestamp"].to_numpy()
        self.session_E = events["session_id"].to_numpy()
        self.position_E = events["position"].to_numpy()
        self.category_I = rows_of(shop.items["category"], pa.array(CATEGORY_NAMES))
        self.category_E = self.category_I[self.item_E]
        self.purchase_E = self.event_E == EVENTS.index("purchase")


def rows_of(values: pa.ChunkedArray, names: pa.Array) -> Numbers:
    rows = pc.index_in(values, names)
    assert rows.null_count == 0
    found: Numbers = rows.to_numpy().astype(np.int64)
    return found


@pytest.fixture(scope="module")
def shop() -> Shop:
    """The shop of the demo: the default sizes."""
    return simulate()


@pytest.fixture(scope="module")
def columns(shop: Shop) -> Columns:
    return Columns(shop)


@pytest.fixture(scope="module")
def year() -> Columns:
    return Columns(simulate(users=800, items=300, days=365, seed=3))


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    sizes = {"users": 300, "items": 100, "days": 60, "seed": 5}
    simulate(**sizes).write(tmp_path / "one")
    simulate(**sizes).write(tmp_path / "two")
    simulate_to(tmp_path / "three", **sizes)
    for name in TABLES:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        assert content == (tmp_path / "three" / name).read_bytes()


def test_another_seed_gives_another_shop() -> None:
    one, other = (simulate(users=300, items=100, days=60, seed=seed) for seed in (0, 1))
    assert not one.events.equals(other.events)
    assert not one.users.equals(other.users)
    assert not one.items.equals(other.items)
    assert not np.array_equal(one.truth.taste_UD, other.truth.taste_UD)


def test_the_tables_show_what_they_should_and_not_the_truth(shop: Shop, tmp_path: Path) -> None:
    shop.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(TABLES)
    read = {name: pq.read_table(tmp_path / name) for name in TABLES}
    assert read["events.parquet"].column_names == [
        "user_id",
        "item_id",
        "timestamp",
        "event",
        "session_id",
        "position",
    ]
    assert read["users.parquet"].column_names == ["user_id", "city", "age", "member_since"]
    assert read["items.parquet"].column_names == [
        "item_id",
        "name",
        "category",
        "brand",
        "price",
        "tags",
        "description",
        "launched",
    ]
    assert read["events.parquet"].equals(shop.events)
    assert all(column.null_count == 0 for table in read.values() for column in table.columns)
    assert shop.users["user_id"][42].as_py() == "u000042"
    assert shop.items["item_id"][42].as_py() == "i00042"


def test_the_demo_is_dense_enough_to_learn_from_and_small_enough_to_wait_for(shop: Shop) -> None:
    assert 100_000 < shop.events.num_rows < 400_000
    assert (shop.users.num_rows, shop.items.num_rows) == (5_000, 1_000)
    assert len(pc.unique(shop.events["user_id"])) > 4_000
    assert len(pc.unique(shop.events["item_id"])) > 900


def test_the_smallest_shop_works() -> None:
    tiny = simulate(users=1, items=1, days=1)
    assert tiny.events.schema.names[0] == "user_id"
    assert tiny.users.num_rows == tiny.items.num_rows == 1


def test_users_are_simulated_in_chunks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "_USERS_A_CHUNK", 100)
    shop = simulate(users=250, items=100, days=60)
    columns = Columns(shop)
    assert shop.events.column(0).num_chunks == 3
    assert np.unique(columns.user_E // 100).tolist() == [0, 1, 2]
    assert is_sorted_by_user_and_time(columns)
    assert np.array_equal(np.unique(columns.session_E), np.arange(columns.session_E[-1] + 1))


def test_the_log_is_in_order_and_a_session_is_one_short_visit(columns: Columns) -> None:
    assert is_sorted_by_user_and_time(columns)
    starts = np.flatnonzero(np.diff(columns.session_E, prepend=-1))
    ends = np.append(starts[1:], len(columns.session_E)) - 1
    assert np.array_equal(columns.user_E[starts], columns.user_E[ends])
    assert (columns.second_E[ends] - columns.second_E[starts]).max() < 600
    next_begins, same_user = (
        columns.second_E[starts[1:]],
        columns.user_E[starts[1:]] == columns.user_E[ends[:-1]],
    )
    assert (next_begins - columns.second_E[ends[:-1]])[same_user].min() > 0


def is_sorted_by_user_and_time(columns: Columns) -> bool:
    step = np.diff(columns.user_E) * 10**11 + np.diff(columns.second_E)
    return bool((step >= 0).all())


def test_a_purchase_follows_a_cart_which_follows_a_view(columns: Columns) -> None:
    key_E = columns.session_E * len(columns.category_I) + columns.item_E
    times = []
    for event in range(len(EVENTS)):
        chosen = columns.event_E == event
        assert len(np.unique(key_E[chosen])) == chosen.sum()
        times.append(dict(zip(key_E[chosen].tolist(), columns.second_E[chosen].tolist(), strict=True)))
    views, carts, purchases = times
    assert all(views[key] < moment for key, moment in carts.items())
    assert all(carts[key] < moment for key, moment in purchases.items())
    assert len(views) > 1.5 * len(carts) > 2 * len(purchases)


def test_nothing_happens_before_a_launch_or_before_the_user_joined(shop: Shop, columns: Columns) -> None:
    launched_I, joined_U = shop.items["launched"].to_numpy(), shop.users["member_since"].to_numpy()
    assert (columns.second_E >= launched_I[columns.item_E]).all()
    assert (columns.second_E >= joined_U[columns.user_E]).all()
    assert columns.second_E.min() >= START
    assert columns.second_E.max() < START + 120 * DAY
    assert 0.1 < (launched_I > START).mean() < 0.2
    assert 0.2 < (joined_U > START).mean() < 0.3


def gaps_days(columns: Columns, category: str) -> NDArray[np.float64]:
    """Days between purchases of one category by the same user."""
    chosen = columns.purchase_E & (columns.category_E == CATEGORY_NAMES.index(category))
    user, second = columns.user_E[chosen], columns.second_E[chosen]
    gaps: NDArray[np.float64] = np.diff(second)[user[1:] == user[:-1]] / DAY
    return gaps


@pytest.mark.parametrize("category", ["bread", "coffee beans", "tea", "hot chocolate"])
def test_people_buy_again_when_the_last_pack_is_used_up(year: Columns, category: str) -> None:
    every_days = next(entry.every_days for entry in CATEGORIES if entry.name == category)
    assert every_days is not None
    share = gaps_days(year, category) / every_days
    assert len(share) > 200
    on_time = ((share > 0.7) & (share < 1.3)).mean()
    between = ((share > 1.3) & (share < 1.9)).mean()
    assert on_time > 0.4
    assert on_time > 3 * between


def test_a_grinder_is_never_bought_again(year: Columns) -> None:
    for category in ("coffee grinders", "coffee makers"):
        assert (year.purchase_E & (year.category_E == CATEGORY_NAMES.index(category))).sum() > 50
        assert len(gaps_days(year, category)) == 0


def test_seasons_move_demand(year: Columns) -> None:
    day_E = (year.second_E - START) // DAY
    summer_E = (day_E >= 90) & (day_E < 182)
    winter_E = (day_E >= 273) & (day_E < 365)

    def lift(category: str) -> float:
        chosen = year.category_E == CATEGORY_NAMES.index(category)
        return float(chosen[summer_E].mean() / chosen[winter_E].mean())

    assert lift("iced coffee") > 2
    assert lift("hot chocolate") < 0.6
    assert 0.7 < lift("ground coffee") < 1.3


def test_the_week_and_the_day_have_their_rhythm(year: Columns) -> None:
    start_E = year.second_E[np.flatnonzero(np.diff(year.session_E, prepend=-1))]
    weekday = np.bincount((start_E - START) // DAY % 7, minlength=7)
    hour = np.bincount(start_E % DAY // 3600, minlength=24)
    assert weekday[5] > 1.2 * weekday[1]
    assert hour[18] > 10 * hour[3]
    morning_E = year.second_E % DAY < 11 * 3600
    pastry_E = year.category_E == CATEGORY_NAMES.index("pastries")
    assert pastry_E[morning_E].mean() > 1.15 * pastry_E[~morning_E].mean()


def test_the_clock_inverts_itself() -> None:
    clock = Clock.of(14)
    moment = np.linspace(0.01, 13.99, 500)
    np.testing.assert_allclose(clock.moment(clock.even(moment)), moment, atol=1e-9)
    assert clock.moment(np.array([clock.busy_H[-1] + 1]))[0] == np.inf
    assert clock.busy_H[-1] == pytest.approx(14, rel=0.15)


def test_higher_slots_are_seen_more_for_no_merit_of_the_item() -> None:
    """All slots hold equally liked items: only position can tell them apart."""
    visits = 20_000
    same = np.zeros((visits, SLOTS), dtype=bool)
    shown = Shown(
        item_SL=np.tile(np.arange(SLOTS), (visits, 1)),
        category_SL=np.tile(np.arange(SLOTS), (visits, 1)),
        preference_SL=np.full((visits, SLOTS), 4, dtype=np.float32),
        sought_SL=same,
        habit_SL=same,
        sated_SL=np.zeros((visits, SLOTS), dtype=np.float32),
        owned_SL=same,
        present_SL=~same,
    )
    view_L = react(shown, np.random.default_rng(0)).view_SL.mean(axis=0)
    np.testing.assert_allclose(view_L / view_L[0], EXAMINED_L, rtol=0.12)


def test_the_log_has_position_bias(columns: Columns) -> None:
    views_L = np.bincount(columns.position_E[columns.event_E == 0], minlength=SLOTS + 1)[1:]
    assert len(views_L) == SLOTS
    assert (np.diff(views_L) < 0).all()
    assert views_L[0] > 4 * views_L[-1]


def test_the_shelf_shows_famous_items_more() -> None:
    items = stock(200, 30, seed=0)
    shelf, category = Shelf.of(items), 4
    drawn = shelf.draw(np.full(4_000, category), np.full(4_000, items.tag_I[0]), np.random.default_rng(1))
    of_category = np.flatnonzero(items.category_I == category)
    browsed = drawn[:, 16:26]
    assert set(np.unique(browsed)) <= set(of_category)
    count = np.bincount(browsed.ravel(), minlength=200)[of_category]
    expected = items.fame_I[of_category] / items.fame_I[of_category].sum() * browsed.size
    np.testing.assert_allclose(count, expected, rtol=0.15)


def test_taste_depends_on_what_the_users_table_shows(shop: Shop) -> None:
    tea_U = shop.truth.taste_UD[:, CATEGORY_NAMES.index("tea")]
    assert np.corrcoef(tea_U, shop.users["age"].to_numpy())[0, 1] > 0.15
    city_U = rows_of(shop.users["city"], pc.unique(shop.users["city"]))
    means = [tea_U[city_U == city].mean() for city in range(city_U.max() + 1)]
    assert len(means) == 12
    assert np.std(means) > 0.2


def held_out(columns: Columns, wanted_E: NDArray[np.bool_], cut: int) -> tuple[Scores, Scores]:
    """What each user touched before `cut`, and did of the wanted events after it, as 0/1 matrices [U, I]."""
    shape = columns.user_E.max() + 1, len(columns.category_I)
    seen_UI, relevant_UI = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    early_E = columns.second_E < cut
    seen_UI[columns.user_E[early_E], columns.item_E[early_E]] = 1
    late_E = ~early_E & wanted_E
    relevant_UI[columns.user_E[late_E], columns.item_E[late_E]] = 1
    return seen_UI, relevant_UI


def mean_ndcg(score_UI: Scores, relevant_UI: Scores, k: int = 10) -> float:
    """NDCG@k over the users with anything relevant."""
    asked_U = relevant_UI.any(axis=1)
    score_UI, relevant_UI = score_UI[asked_U], relevant_UI[asked_U]
    top_UK = np.argsort(-score_UI, axis=1, kind="stable")[:, :k]
    discount_K = 1 / np.log2(np.arange(2, k + 2))
    gain_U = (np.take_along_axis(relevant_UI, top_UK, axis=1) * discount_K).sum(axis=1)
    best_U = np.cumsum(discount_K)[np.minimum(relevant_UI.sum(axis=1).astype(int), k) - 1]
    return float((gain_U / best_U).mean())


CUT = START + 106 * DAY


@pytest.fixture(scope="module")
def popular_I(columns: Columns) -> Scores:
    early = columns.purchase_E & (columns.second_E < CUT)
    return np.bincount(columns.item_E[early], minlength=len(columns.category_I)).astype(np.float32)


@pytest.mark.parametrize("repeats", [True, False])
def test_the_oracle_beats_popularity_clearly(shop: Shop, columns: Columns, popular_I: Scores, repeats: bool) -> None:
    seen_UI, relevant_UI = held_out(columns, columns.purchase_E, CUT)
    shut_UI = 0 * seen_UI if repeats else 1e6 * seen_UI
    relevant_UI = relevant_UI * (shut_UI == 0)
    oracle = mean_ndcg(shop.truth.preference(np.arange(len(seen_UI))) - shut_UI, relevant_UI)
    popularity = mean_ndcg(popular_I - shut_UI, relevant_UI)
    assert oracle > 0.1
    assert oracle > 2 * popularity


def test_the_log_teaches_more_than_popularity(columns: Columns, popular_I: Scores) -> None:
    """Ridge regression of each item on the others (EASE, Steck 2019) is enough to find the signal."""
    everything_E = np.ones(len(columns.user_E), dtype=bool)
    seen_UI, relevant_UI = held_out(columns, everything_E, CUT)
    relevant_UI = relevant_UI * (seen_UI == 0)
    gram_II = seen_UI.T @ seen_UI + 200 * np.eye(len(popular_I), dtype=np.float32)
    inverse_II = np.linalg.inv(gram_II)
    weight_II = -inverse_II / np.diag(inverse_II)
    np.fill_diagonal(weight_II, 0)
    learned = mean_ndcg(seen_UI @ weight_II - 1e6 * seen_UI, relevant_UI)
    popularity = mean_ndcg(popular_I - 1e6 * seen_UI, relevant_UI)
    assert learned > 1.8 * popularity


def test_preference_of_some_items_is_a_part_of_the_whole(shop: Shop) -> None:
    users, items_K = np.array([3, 1, 4]), np.array([1, 5, 9, 2])
    whole = shop.truth.preference(users)
    assert whole.shape == (3, shop.items.num_rows)
    np.testing.assert_allclose(shop.truth.preference(users, items_K), whole[:, items_K], atol=1e-4)
    items_BK = np.array([[0, 1], [2, 3], [4, 5]])
    expected = np.take_along_axis(whole, items_BK, axis=1)
    np.testing.assert_allclose(shop.truth.preference(users, items_BK), expected, atol=1e-4)


def test_the_truth_is_kept_in_a_folder_of_its_own(shop: Shop, tmp_path: Path) -> None:
    shop.truth.write(tmp_path / "truth")
    shop.truth.write(tmp_path / "truth")
    read = Truth.read(tmp_path / "truth")
    for name in ("taste_UD", "trait_ID", "appeal_I"):
        np.testing.assert_array_equal(getattr(read, name), getattr(shop.truth, name))

    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "users.parquet").touch()
    with pytest.raises(UserError, match=r"users\.parquet"):
        shop.truth.write(tmp_path / "shop")
    with pytest.raises(DataError, match=r"tastes\.parquet"):
        Truth.read(tmp_path / "shop")


def test_an_interruption_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> Iterator[pa.RecordBatch]:
        yield batch
        raise KeyboardInterrupt

    batch = simulate(users=20, items=20, days=30).events.to_batches()[0]
    monkeypatch.setattr(simulator, "_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate_to(tmp_path, users=20, items=20, days=30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"users": 0}, "users = 0: expected 1 to"),
        ({"items": -3}, "items = -3: expected 1 to"),
        ({"days": -1}, "days = -1: expected 1 to"),
        ({"days": 100_000}, "days = 100,000: expected 1 to 3,650"),
        ({"users": 10**12}, "users = 1,000,000,000,000: expected 1 to"),
        ({"seed": -1}, "seed = -1: expected 0 or more"),
    ],
)
def test_impossible_sizes_are_refused_by_name(wrong: dict[str, int], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        simulate(**wrong)


def test_all_impossible_sizes_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"users = 0.*days = -1"):
        simulate_to(tmp_path / "shop", users=0, days=-1)
    assert not (tmp_path / "shop").exists()
