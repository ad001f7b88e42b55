"""Fitting the ranker: its losses on observed rows and sampled negatives, its metrics on such rows of validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, RankingRows, ranking_rows
from shortlist.data.negatives import NegativeSampler
from shortlist.data.order import Share
from shortlist.data.prefetch import prefetch
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Floats, Ints
from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch, Labels, tensor
from shortlist.nn.ranks import gathered, rank, world
from shortlist.nn.resident import collect_on
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.sections import Recipe
from shortlist.schema import Split
from shortlist.schema.columns import ANY_EVENT
from shortlist.training.device import batches_ahead
from shortlist.training.ranking_data import check_rows, check_values, without_metric
from shortlist.training.ranking_loss import RankingLoss
from shortlist.training.ranking_metrics import metric_names, metrics, predicted


@dataclass(frozen=True, slots=True)
class RankingStep:
    """One batch on the model's device."""

    batch: Batch
    labels: Labels


class RankingTask:
    """A ranking model with the rows it learns from."""

    name = "ranking"

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
        self.gather = Gather(
            prepared,
            settings.history,
            own_item=own_item,
            past=bool(model.inputs.past),
            trim=True,
            collect=collect_on(device),
        )
        self.share = Share(rank(), world())
        check_values(prepared, settings)
        self.targets = model.inputs.targets or (ANY_EVENT,)
        check_rows(prepared, settings, self.targets)
        told = prepared.schema.targets or (ANY_EVENT,)
        self.metric = metric_names(self.targets)[0]
        self.of_outputs = RankingLoss(self.targets, settings, told)
        observed = settings.negatives.with_observed(told)
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
        """This process's part of batches of training rows with their negatives, from number `start` on."""
        keep = self.settings.negatives.keep
        rows = self._rows(self.train_rows, self.train_sampler, epoch, start=start, keep=keep)
        return prefetch(((batch.observed, self._step(batch)) for batch in rows), self.prefetch)

    def loss(self, step: RankingStep) -> Tensor:
        """Of all targets together."""
        return self.of_outputs(self.model(step.batch), step.labels)

    def validate(self) -> dict[str, float]:
        """Metrics of every target over validation rows and their negatives, which are the same in every epoch.

        A later target whose rows are all alike has none.
        """
        found = metrics(self.targets, *self.predictions())
        if self.metric not in found:
            raise without_metric(self.targets[0], self.metric, self.valid_rows.prepared, self.settings)
        return found

    def predictions(self) -> tuple[Floats, Floats, Floats]:
        """predicted_NT, targets_NT and weight_N of every validation row; those of the first process first."""
        parts = []
        rows = self._rows(self.valid_rows, self.valid_sampler, 0, shuffle=False)
        for step in prefetch((self._step(batch) for batch in rows), self.prefetch):
            predicted_BT = predicted(self.model(step.batch), self.targets)
            labels = step.labels
            parts.append([part.cpu() for part in (predicted_BT, labels.targets_BT, labels.weight_B)])
        if not parts:
            raise DataError("no validation rows for the ranker: make split.valid larger")
        columns = [torch.cat(gathered(torch.cat(part))) for part in zip(*parts, strict=True)]
        predicted_NT, targets_NT, weight_N = (column.numpy() for column in columns)
        return predicted_NT, targets_NT[:, self.of_outputs.places], weight_N

    def _step(self, rows: RankingRows[Batch]) -> RankingStep:
        list_B = None if rows.list_B is None else tensor(rows.list_B, self.device)
        labels = Labels(tensor(rows.targets_BT, self.device), tensor(rows.weight_B, self.device), list_B)
        return RankingStep(rows.features, labels)

    def _rows(
        self,
        events: EventRows,
        sampler: NegativeSampler | None,
        epoch: int,
        *,
        keep: float = 1.0,
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
            keep=keep,
            start=start,
            shuffle=shuffle,
            share=self.share,
            buckets=self.settings.buckets,
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
