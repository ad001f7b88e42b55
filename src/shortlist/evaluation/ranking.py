"""The ranker alone: its predictions against what happened, on the rows of the held-out split.

Legend: N rows, T targets, O outputs of the ranker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.bundle.recommender import Recommender
from shortlist.core.progress import Reporter
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, ranking_rows
from shortlist.data.negatives import NegativeSampler
from shortlist.data.prepared import Prepared
from shortlist.evaluation.groups import Groups
from shortlist.evaluation.tasks import Task
from shortlist.features.rows import Floats, Longs
from shortlist.funnel.predictions import Predictions
from shortlist.recipe.ranking import Negatives
from shortlist.schema import Split, TargetKind
from shortlist.schema.columns import slices

BATCH = 8192


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The ranker's outputs beside what happened."""

    outputs_NO: Floats
    targets_NT: Floats
    """Not a number where a row does not tell."""
    weight_N: Floats
    observed_N: npt.NDArray[np.bool_]
    """False for sampled negatives."""
    group_N: Longs | None
    """Which of the observed rows were shown together; a negative has that of no row. None where nothing says it."""
    predictions: Predictions
    protocol: str
    """Which rows these are, in words."""

    def tasks(self) -> list[Task]:
        """Each target with the rows that tell it."""
        targets = self.predictions.targets
        predicted = self.predictions(self.outputs_NO)
        return [
            self._task(t, columns, predicted[target.name])
            for t, (target, columns) in enumerate(zip(targets, slices(targets), strict=True))
        ]

    def groups(self, positions: int, seed: int) -> Groups | None:
        """Observed rows of each group by the score that orders candidates, relevant by a binary first target."""
        if self.group_N is None or self.predictions.targets[0].kind != TargetKind.BINARY:
            return None
        kept_N = self.observed_N & (self.weight_N > 0) & ~np.isnan(self.targets_NT[:, 0])
        outputs_NO = self.outputs_NO[kept_N]
        score_N = self.predictions.score(outputs_NO, self.predictions(outputs_NO))
        return Groups.of(self.group_N[kept_N], score_N, self.targets_NT[kept_N, 0] > 0, positions, seed)

    def _task(self, t: int, columns: slice, predicted: Floats) -> Task:
        target = self.predictions.targets[t]
        told_N = ~np.isnan(self.targets_NT[:, t])
        return Task(
            target,
            self.outputs_NO[told_N, columns],
            predicted[told_N],
            self.targets_NT[told_N, t],
            self.weight_N[told_N],
            calibrated=target.name in self.predictions.calibrations,
        )


def score(recommender: Recommender, prepared: Prepared, split: Split, reporter: Reporter) -> ScoredRows:
    """Score the rows of `split` with the bundle's own ranker, the history of each row strictly before it.

    A log with real negatives gives its rows as they are. Where the ranker learns from sampled negatives, each
    relevant row is joined by as many negatives as in training, drawn by popularity from the items that the
    user has no event with up to the end of `split`: in the test a held-out favourite is never counted as a mistake,
    and what is chosen on validation knows nothing of the test. Other rows are there if the ranker learns from them.
    """
    recipe = recommender.bundle.recipe
    choice = recipe.ranking.negatives if recipe.ranking is not None else Negatives(sampled=0)
    sampled = choice.sampled if prepared.schema.has_users and prepared.schema.has_items else 0
    observed_too = not sampled or choice.with_observed(prepared.schema.targets)
    events = EventRows(prepared, split, relevant_only=not observed_too)
    rows = ranking_rows(
        events,
        Gather(
            prepared,
            recommender.bundle.settings.ranking_history,
            own_item=not recommender.bundle.settings.exclude_seen,
            past=recommender.ranker is not None and bool(recommender.ranker.past),
        ),
        BATCH,
        recipe.seed,
        epoch=0,
        sampler=_sampler(prepared, split) if sampled else None,
        sampled=sampled,
        shuffle=False,
    )
    outputs, targets, weights, observed = [], [], [], []
    with reporter.bar("evaluate", events.count_batches(BATCH), "batches of rows") as advance:
        for part in rows:
            outputs.append(recommender.output_rows(part.features))
            targets.append(part.targets_BT)
            weights.append(part.weight_B)
            observed.append(np.arange(len(part.weight_B)) < part.observed)
            advance(1, "ranker")
    predictions = recommender.predictions
    wide = sum(target.outputs for target in predictions.targets)
    observed_N = np.concatenate([np.zeros(0, np.bool_), *observed])
    return ScoredRows(
        np.concatenate([np.zeros((0, wide), np.float32), *outputs]),
        np.concatenate([np.zeros((0, len(predictions.targets)), np.float32), *targets]),
        np.concatenate([np.zeros(0, np.float32), *weights]),
        observed_N,
        _groups(events, recipe.seed, observed_N) if observed_too and prepared.schema.targets else None,
        predictions,
        _words(split, sampled, observed_too),
    )


def _groups(events: EventRows, seed: int, observed_N: npt.NDArray[np.bool_]) -> Longs | None:
    """group_N of the observed rows as `ranking_rows` gives them; None where the log has no groups."""
    parts = []
    for batch in events.batches(BATCH, seed, 0, shuffle=False):
        if batch.shard.group is None:
            return None
        parts.append(batch.shard.group.take(batch.rows_B))
    group_N = np.full(len(observed_N), -1, np.int64)
    group_N[observed_N] = np.concatenate([np.zeros(0, np.int64), *parts])
    return group_N


def _sampler(prepared: Prepared, split: Split) -> NegativeSampler:
    known = prepared.items_of_users(*(part for part in Split if part <= split))
    return NegativeSampler("popularity", prepared.item_train_count, known)


def _words(split: Split, sampled: int, observed: bool) -> str:
    name = split.name.lower()
    if sampled == 0:
        return f"all {name} rows as they are"
    rows = f"all {name} rows" if observed else f"the relevant {name} rows"
    return (
        f"{rows}, and for each relevant one {sampled} negatives drawn by popularity from the items that the "
        f"user has no event with in {'any split' if split == Split.TEST else f'{name} or before'}"
    )
