"""Fitting the ranker: log loss on observed rows and sampled negatives, AUC on the same kind of rows of validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, RankingRows, ranking_rows
from shortlist.data.negatives import NegativeSampler
from shortlist.data.prefetch import prefetch
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Floats, Ints
from shortlist.losses.log_loss import log_loss
from shortlist.metrics.auc import auc
from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch, Labels, tensor
from shortlist.nn.resident import collect_on
from shortlist.recipe.sections import Ranking, Recipe
from shortlist.schema import Split
from shortlist.training.device import batches_ahead


@dataclass(frozen=True, slots=True)
class RankingStep:
    """One batch on the model's device."""

    batch: Batch
    labels: Labels


class RankingTask:
    """A ranking model with the rows it learns from."""

    name = "ranking"
    metric = "auc"

    def __init__(
        self,
        model: RankingModel,
        prepared: Prepared,
        recipe: Recipe,
        settings: Ranking,
        device: torch.device,
        candidates_UK: Ints | None = None,
    ) -> None:
        """`candidates_UK` are each user's retrieved items, where negatives of the source `candidates` come from."""
        self.model = model.to(device)
        self.settings = settings
        self.seed = recipe.seed
        self.device = device
        self.prefetch = batches_ahead(recipe.compute, device)
        own_item = not recipe.funnel.exclude_seen
        self.gather = Gather(prepared, settings.history, own_item=own_item, trim=True, collect=collect_on(device))
        _check_probabilities(prepared)
        observed = settings.negatives.observed or settings.negatives.sampled == 0
        self.train_rows = EventRows(prepared, Split.TRAIN, relevant_only=not observed)
        self.valid_rows = EventRows(prepared, Split.VALID, relevant_only=not observed)
        self.train_sampler = sampler_for(prepared, settings, (Split.TRAIN,), candidates_UK)
        self.valid_sampler = sampler_for(prepared, settings, (Split.TRAIN, Split.VALID), candidates_UK)

    def rows_per_epoch(self) -> int:
        """Observed rows of an epoch; their negatives are not counted."""
        return len(self.train_rows)

    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.train_rows.count_batches(self.settings.batch_size)

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, RankingStep]]:
        """Batches of training rows with their negatives, from number `start` on."""
        rows = self._rows(self.train_rows, self.train_sampler, epoch, start=start)
        return prefetch(((batch.observed, self._step(batch)) for batch in rows), self.prefetch)

    def loss(self, step: RankingStep) -> Tensor:
        """Log loss of a batch."""
        return log_loss(self.model(step.batch), step.labels)

    def validate(self) -> dict[str, float]:
        """AUC of the first target over validation rows and their negatives, which are the same in every epoch."""
        score_N, label_N = self.scores()
        if label_N.min() == label_N.max():
            raise DataError(
                f"the validation rows of the ranker all have target {label_N[0]:g}: there is no order to learn from. "
                "Sample negatives (ranking.negatives.sampled = 4), or choose another target or split."
            )
        return {"auc": float(auc(score_N, label_N))}

    def scores(self) -> tuple[Floats, Floats]:
        """Logit and label of the first target for every validation row."""
        scores, labels = [], []
        rows = self._rows(self.valid_rows, self.valid_sampler, 0, shuffle=False)
        for step in prefetch((self._step(batch) for batch in rows), self.prefetch):
            scores.append(self.model(step.batch)[:, 0].cpu().numpy())
            labels.append((step.labels.targets_BT[:, 0] > 0).float().cpu().numpy())
        if not scores:
            raise DataError("no validation rows for the ranker: make split.valid larger")
        return np.concatenate(scores), np.concatenate(labels)

    def _step(self, rows: RankingRows[Batch]) -> RankingStep:
        labels = Labels(tensor(rows.targets_BT, self.device), tensor(rows.weight_B, self.device))
        return RankingStep(rows.features, labels)

    def _rows(
        self,
        events: EventRows,
        sampler: NegativeSampler | None,
        epoch: int,
        *,
        start: int = 0,
        shuffle: bool = True,
    ) -> Iterator[RankingRows[Batch]]:
        return ranking_rows(
            events,
            self.gather,
            self.settings.batch_size,
            self.seed,
            epoch,
            sampler=sampler,
            sampled=self.settings.negatives.sampled,
            start=start,
            shuffle=shuffle,
            buckets=self.settings.buckets,
        )


def _check_probabilities(prepared: Prepared) -> None:
    """DataError when a target is more or less than a probability, which log loss would chase without end."""
    for facts in prepared.facts:
        for name, low, high in zip(prepared.schema.targets, facts.lowest_T, facts.highest_T, strict=True):
            if low < 0 or high > 1:
                raise DataError(
                    f"schema.targets.{name} is {low if low < 0 else high:g} in some row, and a ranker learns "
                    f"probabilities: expected true or false, or a number from 0 to 1. Write a comparison, such as "
                    f'{name} = "rating >= 4".'
                )


def sampler_for(
    prepared: Prepared, settings: Ranking, known: tuple[Split, ...], candidates_UK: Ints | None = None
) -> NegativeSampler | None:
    """The recipe's negative sampler, told of the users' events in the splits `known`; None when it samples nothing."""
    if settings.negatives.sampled == 0:
        return None
    if not (prepared.schema.has_users and prepared.schema.has_items):
        raise DataError(
            f"ranking.negatives.sampled = {settings.negatives.sampled} needs users and items to sample from, and the "
            "recipe's [schema] names no user_id or no item_id. "
            "Set ranking.negatives.sampled = 0 for a log with real negatives."
        )
    source = settings.negatives.source
    if source == "candidates" and candidates_UK is None:
        source = "popularity"
    return NegativeSampler(source, prepared.item_train_count, prepared.items_of_users(*known), candidates_UK)
