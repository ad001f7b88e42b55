"""Lists of each user's candidates alone: what is held out, among some others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.data.held_out import HeldOut, hold_out
from shortlist.data.prepared import Prepared
from shortlist.evaluation.lists import Lists, Truth, deepest
from shortlist.evaluation.protocol import questions
from shortlist.evaluation.slices import kinds_of_items
from shortlist.features.rows import RaggedBag
from shortlist.pipeline import Run
from shortlist.schema import Split

NEGATIVES = 99


def among_candidates(negatives: Path, run: Run, split: Split, metrics: tuple[str, ...]) -> dict[str, float]:
    """Each metric of the bundle's lists, of each user's candidates alone: the test's are published, others drawn."""
    recommender, prepared, recipe = run.recommender(), run.prepared, run.recipe
    users = hold_out(prepared, split, recipe.funnel.exclude_seen, seed=recipe.seed)
    published = split == Split.TEST
    candidates = candidates_of(prepared, users, pq.read_table(negatives)) if published else drawn(prepared, users)
    kind_I, longest, parts = kinds_of_items(prepared.item_train_count), deepest(metrics), []
    for batch in questions(prepared, users):
        requests = replace(batch.requests, allowed=candidates.rows(batch.place_U))
        found = recommender.run(requests, longest)
        parts.append(Lists.of(found.item_UK, batch.truth, kind_I, longest))
    measured = Lists.join(parts).measure(metrics, Truth.of(users.truth, kind_I))
    return {metric: measured[metric].value for metric in metrics}


def candidates_of(prepared: Prepared, users: HeldOut, negatives: pa.Table) -> RaggedBag:
    """Item rows for each held-out user: those of the table, and what is held out."""
    row_of_item = {key: row for row, key in enumerate(prepared.item_keys.to_pylist()) if row}
    films = dict(zip(negatives["user_id"].to_pylist(), negatives["movie_ids"].to_pylist(), strict=True))
    lists = []
    for place, user in enumerate(users.user_U):
        drawn = [row_of_item[film] for film in films[prepared.user_keys[int(user)].as_py()] if film in row_of_item]
        truth = users.truth.values[users.truth.offsets_n[place] : users.truth.offsets_n[place + 1]]
        lists.append(np.union1d(drawn, truth).astype(np.int32))
    return RaggedBag.of(lists)


def drawn(prepared: Prepared, users: HeldOut) -> RaggedBag:
    """Item rows for each held-out user: what is held out, and 99 drawn of all that the user had not before."""
    draw, lists = np.random.default_rng(0), []
    for place in range(len(users)):
        at = np.array([place])
        truth, seen = users.truth.rows(at).values, users.seen.rows(at).values
        others = np.setdiff1d(np.arange(1, len(prepared.items)), np.concatenate([truth, seen]))
        chosen = draw.choice(others, min(NEGATIVES, len(others)), replace=False)
        lists.append(np.union1d(chosen, truth).astype(np.int32))
    return RaggedBag.of(lists)
