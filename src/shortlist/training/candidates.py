"""What the funnel's sources propose to each user at the end of training: the ranker's negatives.

Legend: U rows of the user table, K candidates, B users of a batch.
"""

from __future__ import annotations

import tempfile

import numpy as np
import numpy.typing as npt

from shortlist.core.progress import Reporter
from shortlist.data.loader import Gather
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Ints, Longs
from shortlist.funnel.columns import Source
from shortlist.funnel.moments import requests_at
from shortlist.recipe.sections import Recipe, ranks_against_candidates
from shortlist.schema import Split

BATCH = 1024
"""Users asked for at once."""


def negatives_of_users(prepared: Prepared, recipe: Recipe, source: Source | None, reporter: Reporter) -> Ints | None:
    """candidates_UK of `source`, the funnel's own, where the recipe's ranker takes its negatives from there."""
    if source is None or not ranks_against_candidates(recipe):
        return None
    k = min(recipe.funnel.candidates, len(prepared.items) - 1)
    return candidates_of_users(source, prepared, k, reporter)


def candidates_of_users(source: Source, prepared: Prepared, k: int, reporter: Reporter) -> Ints:
    """candidates_UK: for each row of the user table the k items that are proposed at the user's last training event.

    What the user already had in training is left out. They are what the ranker will meet in the funnel. Users without
    events of training or validation, whom no ranker is trained or chosen on, have none. The rows are in a nameless file
    beside the prepared data, which is as large as they need and ends with the array.
    """
    gather = Gather(prepared, history_length=0)
    had = prepared.items_of_users(Split.TRAIN)
    with tempfile.TemporaryFile(dir=prepared.folder.parent) as file:
        candidates_UK: Ints = np.memmap(file, np.int32, "w+", shape=(len(prepared.users), k))
    with reporter.bar("candidates", len(prepared.users) - 1, "users") as advance:
        for shard in prepared.shards:
            last = _last_training_rows(shard.user, shard.split)
            for start in range(0, len(last), BATCH):
                rows_B = last[start : start + BATCH]
                user_B = shard.user[rows_B]
                requests = requests_at(gather, shard, rows_B, shard.before(rows_B), had.rows(user_B))
                candidates_UK[user_B] = _as_wide(source(requests, k).item_UK, k)
                advance(len(rows_B), source.name)
    return candidates_UK


def _as_wide(item_UK: Ints, k: int) -> Ints:
    """Padded with 0, no item, where a source has found fewer for everybody."""
    return np.pad(item_UK, ((0, 0), (0, k - item_UK.shape[1])))


def _last_training_rows(user: Ints, split: npt.NDArray[np.int8]) -> Longs:
    """For each user of a shard the last training row; where there is none, the first of all if one is of validation."""
    order = np.arange(len(user))
    users, starts = np.unique(user, return_index=True)
    if users.size == 0:
        return np.zeros(0, np.int64)
    last = np.maximum.reduceat(np.where(split == Split.TRAIN, order, -1), starts)
    needed = np.minimum.reduceat(split, starts) < Split.TEST
    rows: Longs = np.where(last >= 0, last, starts)[(users > 0) & needed]
    return rows
