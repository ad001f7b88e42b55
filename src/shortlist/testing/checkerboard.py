"""The checkerboard: a log with one provably right answer for every user.

Users and items are numbered; user u likes the items of its own colour, those whose number is even or odd as u's is. One
of them, item u, it has not met yet. Nothing else tells items apart: all are liked equally often. Of the items that a
user has not seen, exactly one is of its colour, so whoever recommends another one first has not understood the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.core.seeding import stream

RECIPE = """\
name = "checkerboard"

[data]
interactions = "events.parquet"

[schema]
user_id = "user_id"
item_id = "item_id"
timestamp = "timestamp"

[features]
context = {}

[split]
kind = "column"
"""


@dataclass(frozen=True, slots=True)
class Checkerboard:
    """The log of three boards that share their `size` items.

    Users of the first board, 0 to size - 1, are those to ask for: what they should get is nowhere in the log. Users of
    the second and of the third, numbered on from there, meet their item at last: in validation and in the test.
    """

    size: int = 20
    """Number of items, even, at least 6."""

    def __post_init__(self) -> None:
        if self.size < 6 or self.size % 2:
            raise ValueError(f"a checkerboard has an even size of at least 6, found {self.size}")

    def answers(self) -> dict[int, int]:
        """For each user of the first board the one item that must come first."""
        return {user: user for user in range(self.size)}

    def events(self) -> pa.Table:
        """The log: `user_id`, `item_id`, `timestamp` (Unix seconds) and `split`, in random order of time."""
        random = stream(0, "checkerboard")
        user_n, item_n = np.divmod(np.arange(3 * self.size * self.size), self.size)
        board_n = user_n // self.size
        own_n = user_n % self.size == item_n
        liked_n = ((user_n + item_n) % 2 == 0) & ~(own_n & (board_n == 0))
        time_n = np.where(own_n, 2_000, random.permutation(len(user_n)) % 1_000)
        split_n = np.where(own_n, np.array(["", "valid", "test"])[board_n], "train")
        log = {"user_id": user_n, "item_id": item_n, "timestamp": 1_600_000_000 + time_n, "split": split_n}
        return pa.table({name: column[liked_n] for name, column in log.items()})

    def write(self, folder: Path, stages: str = "") -> Path:
        """Write the log and a recipe into `folder`, ending in the TOML text `stages`; returns the recipe's path."""
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.events(), folder / "events.parquet")
        recipe = folder / "checkerboard.toml"
        recipe.write_text(f"{RECIPE}\n{stages}", encoding="utf-8")
        return recipe
