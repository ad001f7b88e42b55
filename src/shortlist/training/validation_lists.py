"""The lists that retrieval is validated by: over the whole catalogue, for some validation users.

Where a ranker comes after it, retrieval is to have found what the ranker may put first: recall of a long list decides.
Where none does, its list is what people see: NDCG@10 decides. The two need not agree: with more training, or less of a
penalty, the first places of lists may get better while their ends get worse.

Legend: U held-out users, B of them, I item rows, K candidates, D dim.
"""

from __future__ import annotations

import numpy as np
import torch

from shortlist.data.event_shard import trimmed_width
from shortlist.data.held_out import HeldOut, check_validation, hold_out
from shortlist.data.loader import Gather
from shortlist.data.order import Share
from shortlist.data.prepared import Prepared
from shortlist.features.past import Events
from shortlist.features.rows import Floats, HistoryRows, Ints, Longs
from shortlist.funnel.columns import latest
from shortlist.funnel.sources.folder import eligible_items
from shortlist.index.exact import ExactIndex
from shortlist.metrics.ndcg import ndcg
from shortlist.metrics.recall import recall
from shortlist.models.base import RetrievalModel
from shortlist.nn.batch import Batch
from shortlist.nn.ranks import added, all_gathered, rank, world
from shortlist.recipe.sections import Recipe
from shortlist.schema import Split

LONGEST, SHOWN = 100, 10
"""Length of the lists that are looked at, and of what people see of them; in a small catalogue at most a tenth of it,
or every list would be perfect."""
USERS = 10_000
"""Most users that are asked for."""
CHUNK = 1024
"""Rows encoded at once outside of training."""


class ValidationLists:
    """The held-out users of validation, and how good lists for them are."""

    def __init__(self, prepared: Prepared, recipe: Recipe) -> None:
        """DataError if a validation split that there is to be has nobody to ask for."""
        self.cutoff = min(LONGEST, max(1, len(prepared.items) // 10))
        self.shown = min(SHOWN, self.cutoff)
        names = (f"recall@{self.cutoff}", f"ndcg@{self.shown}")
        self.names = names if recipe.ranking is not None else names[::-1]
        self.metric = self.names[0] if recipe.split.valid else None
        self.eligible_I = eligible_items(recipe, prepared.item_train_count)
        seen, asked = recipe.funnel.exclude_seen, recipe.split.requests
        self.held_out: HeldOut = hold_out(prepared, Split.VALID, seen, USERS, recipe.seed, asked)
        if self.metric is not None:
            check_validation(self.held_out, recipe)

    def of(self, item_UK: Ints) -> dict[str, float]:
        """The metrics of lists for the held-out users, in their order; the one that decides is the first."""
        hits_UK, relevant_U = self.held_out.hits(item_UK), self.held_out.relevant_U
        found = {
            f"recall@{self.cutoff}": float(recall(hits_UK, relevant_U, self.cutoff).mean()),
            f"ndcg@{self.shown}": float(ndcg(hits_UK, relevant_U, self.shown).mean()),
        }
        return {name: found[name] for name in self.names}

    def lists(self, model: RetrievalModel, gather: Gather[Batch]) -> Ints:
        """item_UK that a model finds for the held-out users, asked and answered as its source will be in the funnel.

        `gather` looks features up as in the model's training. Histories are not its own: those that a training row may
        see are other ones, where splits are not by time and where seen items are never recommended.
        """
        index = ExactIndex(_vectors(model, gather), self.eligible_I)
        item_UK = np.zeros((len(self.held_out), self.cutoff), np.int32)
        share = Share(rank(), world())
        for shard, rows_G, place_G in self.held_out.requests(CHUNK * share.world):
            mine, counts = share.of(len(rows_G))
            rows_B, place_B = rows_G[mine], place_G[mine]
            history = _latest(gather, self.held_out.history.rows(place_B), shard.time.take(rows_B))
            # Also where no row counts: of sharded tables another process may need what lies here.
            query_BD = model.query(gather.request(shard, rows_B, history)).cpu().numpy()
            if counts:
                item_UK[place_B] = index.search(query_BD, self.cutoff, self.held_out.seen.rows(place_B))[0]
        return _of_all(item_UK)


def _vectors(model: RetrievalModel, gather: Gather[Batch]) -> Floats:
    """vectors_ID of the whole item table."""
    items = len(gather.prepared.items)
    mine = Share(rank(), world()).evenly(items)
    parts = [mine[start : start + CHUNK] for start in range(0, len(mine), CHUNK)]
    found = torch.cat([model.candidate(gather.item(part)).cpu() for part in parts])
    vectors_ID: Floats = torch.cat(all_gathered(found))[:items].cpu().numpy()
    return vectors_ID


def _of_all(item_UK: Ints) -> Ints:
    """What every process has found, each for others of the users, and 0 for the rest."""
    found: Ints = added(torch.from_numpy(item_UK)).numpy()
    return found


def _latest(gather: Gather[Batch], events: Events, time_B: Longs) -> HistoryRows | None:
    """What a model reads of the events, as wide as the longest of them needs; None where it reads none."""
    if gather.history_length == 0:
        return None
    width = trimmed_width(events.counts(), gather.history_length)
    return latest(events, time_B, width, gather.prepared.id_of_item, gather.past)
