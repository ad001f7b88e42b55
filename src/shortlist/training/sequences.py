"""Fitting a model that reads sequences: one pass over a batch of them asks for what follows each of their events.

Legend: U sequences, L their width, P questions, D dim.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.data.loader import Gather
from shortlist.data.order import Share
from shortlist.data.prefetch import prefetch
from shortlist.data.prepared import Prepared
from shortlist.data.sequences import EventSequences, SequenceRows
from shortlist.features.rows import FeatureRows, HistoryRows
from shortlist.models.base import SequenceModel
from shortlist.nn.batch import Batch, tensor
from shortlist.nn.ranks import rank, world
from shortlist.nn.resident import collect_on
from shortlist.recipe.retrieval import Retrieval
from shortlist.recipe.sections import Recipe
from shortlist.training.contrast import Contrast, Drawn
from shortlist.training.device import batches_ahead
from shortlist.training.validation_lists import ValidationLists


@dataclass(frozen=True, slots=True)
class SequenceStep:
    """One batch on the model's device."""

    events: Batch
    place_P: Tensor
    """After which of the U x L events each question is asked; only of those that follow an event."""
    unprompted: int
    """Questions that follow nothing, the last of them all."""
    drawn: Drawn


class SequenceTask:
    """A sequence model with the users whose events it learns from."""

    name = "retrieval"

    def __init__(
        self,
        model: SequenceModel,
        prepared: Prepared,
        recipe: Recipe,
        settings: Retrieval,
        device: torch.device,
    ) -> None:
        """DataError where too little happened in training to learn from."""
        self.model = model.to(device)
        self.settings = settings
        self.seed = recipe.seed
        self.device = device
        self.prefetch = batches_ahead(recipe.compute, device)
        self.share = Share(rank(), world())
        own_item, past = not recipe.funnel.exclude_seen, bool(model.query_inputs.past)
        self.sequences = EventSequences(prepared, model.query_inputs.history_length, own_item=own_item, past=past)
        if len(self.sequences) < 2:
            raise DataError(
                f"retrieval has {len(self.sequences)} relevant training events to ask for, and needs at least 2: "
                "look at the first of [schema] targets, which says what is relevant, and at [split]"
            )
        self.gather = Gather(prepared, settings.history, past=past, trim=True, collect=collect_on(device))
        self.contrast = Contrast(model, self.sequences.count_I, settings, self.gather, recipe.seed, device)
        self.validation = ValidationLists(prepared, recipe)
        self.metric = self.validation.metric
        self.nothing = Batch.of(_rows(_no_history(len(model.query_inputs.past))), device)

    def rows_per_epoch(self) -> int:
        """Questions of an epoch: after each event that a relevant one follows, and before each user's first."""
        return len(self.sequences)

    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.sequences.count_batches(self.settings.batch_size)

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, SequenceStep]]:
        """This process's part of batches of sequences, from number `start` on."""
        size, buckets = self.settings.batch_size, self.settings.buckets
        batches = self.sequences.batches(size, self.seed, epoch, start=start, buckets=buckets, share=self.share)
        return prefetch(((len(rows.item_G), self._step(rows, epoch)) for rows in batches), self.prefetch)

    def _step(self, rows: SequenceRows, epoch: int) -> SequenceStep:
        return SequenceStep(
            events=Batch.of(_rows(rows.history), self.device),
            place_P=tensor(rows.place_P, self.device),
            unprompted=rows.unprompted,
            drawn=self.contrast.draw(
                rows.item_G, rows.user_G, rows.mine_P, rows.weight_P, epoch=epoch, batch=rows.number
            ),
        )

    def loss(self, step: SequenceStep) -> Tensor:
        """The recipe's loss of the states that ask: those of padding are left out before it is computed."""
        state_PD = self.model.states(step.events).flatten(0, 1).index_select(0, step.place_P)
        # Where tables are sharded every process asks for the same: what another needs may lie here.
        nothing_1D = self.model.query(self.nothing) if step.unprompted or world() > 1 else None
        # A state that nobody asked for has no gradient, which to Adam is another thing than a gradient of 0.
        if nothing_1D is not None and step.unprompted:
            state_PD = torch.cat([state_PD, nothing_1D.expand(step.unprompted, -1)])
        return self.contrast.loss(state_PD, step.drawn)

    def validate(self) -> dict[str, float]:
        """Metrics of lists over the whole catalogue."""
        return self.validation.of(self.validation.lists(self.model, self.gather))


def _rows(history: HistoryRows) -> FeatureRows:
    """Rows of which nothing is known but their histories."""
    rows = len(history.of_B)
    return FeatureRows(np.zeros((rows, 0), np.int32), np.zeros((rows, 0), np.float32), history=history)


def _no_history(planes: int) -> HistoryRows:
    """One history without events."""
    past_ULP = np.zeros((1, 1, planes), np.int32) if planes else None
    return HistoryRows.each(np.zeros((1, 1), np.int32), np.zeros(1, np.int32), past_ULP)
