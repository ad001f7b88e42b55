"""Fitting a retrieval model on pairs of a request and an item; validated by lists over all items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, RetrievalPairs, retrieval_pairs
from shortlist.data.order import Share
from shortlist.data.prefetch import prefetch
from shortlist.data.prepared import Prepared
from shortlist.models.base import RetrievalModel
from shortlist.nn.batch import Batch
from shortlist.nn.ranks import rank, world
from shortlist.nn.resident import collect_on
from shortlist.recipe.retrieval import Retrieval
from shortlist.recipe.sections import Recipe
from shortlist.schema import Split
from shortlist.training.contrast import Contrast, Drawn
from shortlist.training.device import batches_ahead
from shortlist.training.labelled import Labelled, labelled_rows
from shortlist.training.validation_lists import ValidationLists


@dataclass(frozen=True, slots=True)
class RetrievalStep:
    """One batch on the model's device."""

    query: Batch
    beside: Drawn | Labelled
    """The items that requests are compared with."""


class RetrievalTask:
    """A retrieval model with the events it learns from: relevant ones, or with log loss all that have a label."""

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
        self.settings = settings
        self.seed = recipe.seed
        self.device = device
        self.prefetch = batches_ahead(recipe.compute, device)
        own_item = not recipe.funnel.exclude_seen
        length, past = model.query_inputs.history_length, bool(model.query_inputs.past)
        self.gather = Gather(prepared, length, own_item=own_item, past=past, trim=True, collect=collect_on(device))
        self.share = Share(rank(), world())
        self.events = EventRows(prepared, Split.TRAIN, relevant_only=True, with_item=True)
        self.contrast: Contrast | None = None
        if settings.loss == "log_loss":
            self.events = labelled_rows(prepared)
        else:
            self.contrast = Contrast(model, prepared.item_positive_count, settings, self.gather, recipe.seed, device)
        if len(self.events) < 2:
            raise DataError(
                f"retrieval has {len(self.events)} relevant training events, and needs at least 2: "
                "look at the first of [schema] targets, which says what is relevant, and at [split]"
            )
        self.validation = ValidationLists(prepared, recipe)
        self.metric = self.validation.metric

    def rows_per_epoch(self) -> int:
        """Events of an epoch."""
        return len(self.events)

    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.events.count_batches(self.settings.batch_size)

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, RetrievalStep]]:
        """This process's part of batches of events, from number `start` on."""
        pairs = retrieval_pairs(
            self.events,
            self.gather,
            self.settings.batch_size,
            self.seed,
            epoch,
            start=start,
            share=self.share,
            buckets=self.settings.buckets,
        )
        return prefetch(((len(batch.item_G), self._step(batch, epoch)) for batch in pairs), self.prefetch)

    def _step(self, pairs: RetrievalPairs[Batch], epoch: int) -> RetrievalStep:
        if self.contrast is None:
            return RetrievalStep(pairs.query, Labelled.of(pairs, self.gather, self.device))
        rows = (pairs.item_G, pairs.user_G, pairs.mine_B, pairs.weight_B)
        return RetrievalStep(pairs.query, self.contrast.draw(*rows, epoch=epoch, batch=pairs.number))

    def loss(self, step: RetrievalStep) -> Tensor:
        """Of the pairs and what they are contrasted with, or of their labels."""
        query_BD = self.model.query(step.query)
        if isinstance(step.beside, Labelled):
            return step.beside.loss(self.model, query_BD)
        assert self.contrast is not None
        return self.contrast.loss(query_BD, step.beside)

    def validate(self) -> dict[str, float]:
        """Metrics of lists over the whole catalogue."""
        return self.validation.of(self.validation.lists(self.model, self.gather))
