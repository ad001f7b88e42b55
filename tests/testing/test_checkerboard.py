"""The checkerboard proves its answer: one item of the user's colour is left, and nothing else tells items apart."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shortlist.recipe import load_recipe
from shortlist.testing import Checkerboard


@pytest.mark.parametrize("size", [6, 20])
def test_one_item_of_each_users_colour_is_left(size: int) -> None:
    board = Checkerboard(size)
    seen: dict[int, set[int]] = defaultdict(set)
    for event in board.events().to_pylist():
        seen[event["user_id"]].add(event["item_id"])

    assert len(board.answers()) == size
    for user, answer in board.answers().items():
        assert len({item % 2 for item in seen[user]}) == 1
        left = set(range(size)) - seen[user]
        assert {item for item in left if item % 2 == min(seen[user]) % 2} == {answer}


def test_all_items_are_liked_equally_often() -> None:
    train = [event for event in Checkerboard(20).events().to_pylist() if event["split"] == "train"]

    assert len(set(Counter(event["item_id"] for event in train).values())) == 1
    assert len(set(Counter(event["user_id"] for event in train).values())) == 1


def test_the_other_boards_meet_their_item_after_everything_else() -> None:
    events = Checkerboard(20).events().to_pylist()
    last = max(event["timestamp"] for event in events if event["split"] == "train")
    held_out = [event for event in events if event["split"] != "train"]

    assert Counter(event["split"] for event in held_out) == {"valid": 20, "test": 20}
    assert all(event["item_id"] == event["user_id"] % 20 for event in held_out)
    assert all(event["timestamp"] > last for event in held_out)


def test_no_event_comes_twice() -> None:
    events = Checkerboard(20).events()

    assert len({(event["user_id"], event["item_id"]) for event in events.to_pylist()}) == len(events)


def test_the_written_recipe_can_be_read(tmp_path: Path) -> None:
    path = Checkerboard(6).write(tmp_path / "board", "[retrieval]\nepochs = 3\n")
    recipe = load_recipe(path)

    assert recipe.split.kind == "column"
    assert recipe.retrieval is not None
    assert recipe.retrieval.epochs == 3
    assert recipe.ranking is None
    assert pq.read_table(recipe.data.interactions.table).equals(Checkerboard(6).events())


@pytest.mark.parametrize("size", [0, 4, 7])
def test_a_board_has_two_equal_colours(size: int) -> None:
    with pytest.raises(ValueError, match="even size of at least 6"):
        Checkerboard(size)


def test_toy_data_needs_neither_pytest_nor_torch() -> None:
    code = (
        "import sys; from shortlist.testing import Checkerboard; print(sorted({'pytest', 'torch'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ran.stdout.strip() == "[]", ran.stderr
