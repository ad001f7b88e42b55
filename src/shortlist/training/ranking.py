"""Fitting the ranker: log loss on observed rows and sampled negatives, AUC on the same kind of rows of validation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.data.loader import EventRows, Gather, RankingRows, ranking_rows
from shortlist.data.negatives import NegativeSampler
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Floats, Ints
from shortlist.losses.log_loss import log_loss
from shortlist.metrics.auc import auc
from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch, Labels, tensor
from shortlist.recipe.sections import Ranking, Recipe
from shortlist.schema import Split


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
        self.gather = Gather(prepared, settings.history, own_item=not recipe.funnel.exclude_seen)
        _check_probabilities(prepared)
        observed = settings.negatives.observed or settings.negatives.sampled == 0
        self.train_rows = EventRows(prepared, Split.TRAIN, relevant_only=not observed)
        self.valid_rows = EventRows(prepared, Split.VALID, relevant_only=not observed)
        self.train_sampler = sampler_for(prepared, settings, (Split.TRAIN,), candidates_UK)
        self.valid_sampler = sampler_for(prepared, settings, (Split.TRAIN, Split.VALID), candidates_UK)

    def rows_per_epoch(self) -> int:
        """Observed rows of an epoch; their negatives are not counted."""
        return len(self.train_rows)

    def steps(self, epoch: int) -> Iterator[tuple[int, RankingRows]]:
        """Batches of training rows with their negatives."""
        for rows in self._rows(self.train_rows, self.train_sampler, epoch):
            yield min(self.settings.batch_size, len(rows.weight_B)), rows

    def loss(self, step: RankingRows) -> Tensor:
        """Log loss of a batch."""
        logits_BT = self.model(Batch.of(step.features, self.device))
        labels = Labels(tensor(step.targets_BT, self.device), tensor(step.weight_B, self.device))
        return log_loss(logits_BT, labels)

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
        for rows in self._rows(self.valid_rows, self.valid_sampler, 0, shuffle=False):
            scores.append(self.model(Batch.of(rows.features, self.device))[:, 0].cpu().numpy())
            labels.append((rows.targets_BT[:, 0] > 0).astype(np.float32))
        if not scores:
            raise DataError("no validation rows for the ranker: make split.valid larger")
        return np.concatenate(scores), np.concatenate(labels)

    def _rows(
        self, events: EventRows, sampler: NegativeSampler | None, epoch: int, shuffle: bool = True
    ) -> Iterator[RankingRows]:
        choice = self.settings.negatives
        return ranking_rows(
            events,
            self.gather,
            self.settings.batch_size,
            self.seed,
            epoch,
            sampler=sampler,
            sampled=choice.sampled,
            observed=choice.observed or choice.sampled == 0,
            shuffle=shuffle,
        )


def _check_probabilities(prepared: Prepared) -> None:
    """DataError when a target is more or less than a probability, which log loss would chase without end."""
    for shard in prepared.shards:
        outside_nT = (shard.targets_nT < 0) | (shard.targets_nT > 1)
        if outside_nT.any():
            row, place = np.argwhere(outside_nT)[0]
            name = prepared.schema.targets[place]
            raise DataError(
                f"schema.targets.{name} is {shard.targets_nT[row, place]:g} in some row, and a ranker learns "
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
