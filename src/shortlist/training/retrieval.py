"""Fitting a retrieval model: in-batch softmax over relevant events, recall of validation users over all items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.data.held_out import HeldOut, hold_out
from shortlist.data.loader import EventRows, Gather, PositivePairs, positive_pairs
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Floats, Ints
from shortlist.index.exact import ExactIndex
from shortlist.losses.in_batch_softmax import in_batch_softmax
from shortlist.metrics.recall import recall
from shortlist.models.base import RetrievalModel
from shortlist.nn.batch import Batch, tensor
from shortlist.recipe.sections import Recipe, Retrieval
from shortlist.schema import Split

CUTOFF = 100
"""Length of the lists that validation looks at; in a small catalogue a tenth of it, or every list would be perfect."""
CHUNK = 1024
"""Rows encoded at once outside of training."""


class RetrievalTask:
    """A retrieval model with the relevant events it learns from."""

    name = "retrieval"

    def __init__(
        self,
        model: RetrievalModel,
        prepared: Prepared,
        recipe: Recipe,
        settings: Retrieval,
        device: torch.device,
    ) -> None:
        self.model = model.to(device)
        self.cutoff = min(CUTOFF, max(1, len(prepared.items) // 10))
        self.metric = f"recall@{self.cutoff}"
        self.prepared = prepared
        self.settings = settings
        self.seed = recipe.seed
        self.device = device
        self.gather = Gather(prepared, settings.history, own_item=not recipe.funnel.exclude_seen)
        self.events = EventRows(prepared, Split.TRAIN, relevant_only=True, with_item=True)
        if len(self.events) < 2:
            raise DataError(
                f"retrieval has {len(self.events)} relevant training events, and needs at least 2: "
                "look at the first of [schema] targets, which says what is relevant, and at [split]"
            )
        self.held_out = hold_out(prepared, Split.VALID, recipe.funnel.exclude_seen, 10_000, recipe.seed)
        if len(self.held_out) == 0:
            raise DataError("no user has a relevant event in the validation split: make split.valid larger")
        count_I = np.maximum(prepared.item_positive_count, 1)
        self.log_q_I = torch.from_numpy(np.log(count_I / count_I.sum()).astype(np.float32)).to(device)

    def rows_per_epoch(self) -> int:
        """Relevant events of an epoch."""
        return len(self.events)

    def steps(self, epoch: int) -> Iterator[tuple[int, PositivePairs]]:
        """Batches of relevant events."""
        for pairs in positive_pairs(self.events, self.gather, self.settings.batch_size, self.seed, epoch):
            yield len(pairs.item_B), pairs

    def loss(self, step: PositivePairs) -> Tensor:
        """In-batch softmax with logQ correction."""
        query_BD = self.model.query(Batch.of(step.query, self.device))
        candidate_BD = self.model.candidate(Batch.of(step.candidate, self.device))
        item_B = tensor(step.item_B, self.device).long()
        weight_B = tensor(step.weight_B, self.device)
        log_q_B, temperature = self.log_q_I[item_B], self.model.temperature()
        user_B = tensor(step.user_B, self.device)
        return in_batch_softmax(query_BD, candidate_BD, item_B, log_q_B, temperature, weight_B=weight_B, user_B=user_B)

    def validate(self) -> dict[str, float]:
        """Recall over the whole catalogue."""
        held_out = self.held_out
        index = ExactIndex(encode_items(self.model, self.prepared, self.device))
        query_UD = encode_rows(self.model, self.gather, held_out, self.device)
        item_UK, _ = index.search(query_UD, self.cutoff, held_out.seen)
        return {self.metric: float(recall(held_out.hits(item_UK), held_out.relevant_U, self.cutoff).mean())}


def encode_items(model: RetrievalModel, prepared: Prepared, device: torch.device) -> Floats:
    """vectors_ID of the whole item table; row 0, no item, is zero."""
    parts = []
    for start in range(0, len(prepared.items), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(prepared.items)))
        parts.append(model.candidate(Batch.of(prepared.items.take(rows), device)).cpu().numpy())
    vectors_ID = np.concatenate(parts)
    vectors_ID[0] = 0
    return vectors_ID


def encode_rows(model: RetrievalModel, gather: Gather, held_out: HeldOut, device: torch.device) -> Floats:
    """query_UD of held-out users, each at the moment of the request."""
    parts = [
        model.query(Batch.of(gather.query(shard, rows_B), device)).cpu().numpy()
        for shard, rows_B in held_out.requests(CHUNK)
    ]
    return np.concatenate(parts)


def candidates_of_users(
    model: RetrievalModel, prepared: Prepared, settings: Retrieval, k: int, device: torch.device
) -> Ints:
    """candidates_UK: for each row of the user table the k items that retrieval proposes at the end of training.

    What the user already had in training is left out. They are the ranker's negatives: what it will meet in the funnel.
    """
    gather = Gather(prepared, settings.history)
    index = ExactIndex(encode_items(model, prepared, device))
    had = prepared.items_of_users(Split.TRAIN)
    candidates_UK = np.zeros((len(prepared.users), k), np.int32)
    for shard in prepared.shards:
        last = _last_training_rows(shard.user, shard.split)
        for start in range(0, len(last), CHUNK):
            rows_B = last[start : start + CHUNK]
            query_BD = model.query(Batch.of(gather.query(shard, rows_B), device)).cpu().numpy()
            user_B = shard.user[rows_B]
            candidates_UK[user_B], _ = index.search(query_BD, k, had.rows(user_B))
    return candidates_UK


def _last_training_rows(
    user: Ints, split: np.ndarray[tuple[int], np.dtype[np.int8]]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For each user of a shard the last training row, or the first row of all where there is none."""
    order = np.arange(len(user))
    known = user > 0
    place = np.where(split == Split.TRAIN, order, -1)
    users, first = np.unique(user[known], return_index=True)
    if users.size == 0:
        return np.zeros(0, np.int64)
    starts = order[known][first]
    last = np.maximum.reduceat(place, starts)
    return np.where(last >= starts, last, starts).astype(np.int64)
