"""Fitting a retrieval model: in-batch softmax over relevant events, recall of validation users over all items."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.data.event_rows import EventRows
from shortlist.data.held_out import HeldOut, hold_out
from shortlist.data.loader import Gather, PositivePairs, positive_pairs
from shortlist.data.prefetch import prefetch
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Floats, Ints, Longs
from shortlist.index.exact import ExactIndex
from shortlist.losses.in_batch_softmax import in_batch_softmax
from shortlist.metrics.recall import recall
from shortlist.models.base import RetrievalModel
from shortlist.nn.batch import Batch, tensor
from shortlist.nn.resident import collect_on
from shortlist.recipe.sections import Recipe, Retrieval
from shortlist.schema import Split
from shortlist.training.device import batches_ahead

CUTOFF = 100
"""Length of the lists that validation looks at; in a small catalogue a tenth of it, or every list would be perfect."""
CHUNK = 1024
"""Rows encoded at once outside of training."""


@dataclass(frozen=True, slots=True)
class RetrievalStep:
    """One batch on the model's device."""

    query: Batch
    candidate: Batch
    item_B: Tensor
    user_B: Tensor
    weight_B: Tensor


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
        self.prefetch = batches_ahead(recipe.compute, device)
        own_item = not recipe.funnel.exclude_seen
        self.gather = Gather(prepared, settings.history, own_item=own_item, trim=True, collect=collect_on(device))
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

    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.events.count_batches(self.settings.batch_size)

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, RetrievalStep]]:
        """Batches of relevant events, from number `start` on."""
        size, buckets = self.settings.batch_size, self.settings.buckets
        pairs = positive_pairs(self.events, self.gather, size, self.seed, epoch, start=start, buckets=buckets)
        return prefetch(((len(batch.item_B), self._step(batch)) for batch in pairs), self.prefetch)

    def _step(self, pairs: PositivePairs[Batch]) -> RetrievalStep:
        rows = (tensor(array, self.device) for array in (pairs.item_B, pairs.user_B, pairs.weight_B))
        return RetrievalStep(pairs.query, pairs.candidate, *rows)

    def loss(self, step: RetrievalStep) -> Tensor:
        """In-batch softmax with logQ correction."""
        return in_batch_softmax(
            self.model.query(step.query),
            self.model.candidate(step.candidate),
            step.item_B,
            self.log_q_I[step.item_B],
            self.model.temperature(),
            weight_B=step.weight_B,
            user_B=step.user_B,
        )

    def validate(self) -> dict[str, float]:
        """Recall over the whole catalogue."""
        held_out = self.held_out
        index = ExactIndex(encode_items(self.model, self.prepared, self.device))
        query_UD = encode_rows(self.model, self.gather, held_out)
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


def encode_rows(model: RetrievalModel, gather: Gather[Batch], held_out: HeldOut) -> Floats:
    """query_UD of held-out users, each at the moment of the request."""
    parts = [model.query(gather.query(shard, rows_B)).cpu().numpy() for shard, rows_B in held_out.requests(CHUNK)]
    return np.concatenate(parts)


def candidates_of_users(
    model: RetrievalModel, prepared: Prepared, settings: Retrieval, k: int, device: torch.device
) -> Ints:
    """candidates_UK: for each row of the user table the k items that retrieval proposes at the end of training.

    What the user already had in training is left out. They are the ranker's negatives: what it will meet in the funnel.
    Users without events of training or validation, whom no ranker is trained or chosen on, have none. The rows are in
    a nameless file beside the prepared data, which is as large as they need and ends with the array.
    """
    gather = Gather(prepared, settings.history, trim=True, collect=collect_on(device))
    index = ExactIndex(encode_items(model, prepared, device))
    had = prepared.items_of_users(Split.TRAIN)
    with tempfile.TemporaryFile(dir=prepared.folder.parent) as file:
        candidates_UK: Ints = np.memmap(file, np.int32, "w+", shape=(len(prepared.users), k))
    for shard in prepared.shards:
        last = _last_training_rows(shard.user, shard.split)
        for start in range(0, len(last), CHUNK):
            rows_B = last[start : start + CHUNK]
            query_BD = model.query(gather.query(shard, rows_B)).cpu().numpy()
            user_B = shard.user[rows_B]
            candidates_UK[user_B], _ = index.search(query_BD, k, had.rows(user_B))
    return candidates_UK


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
