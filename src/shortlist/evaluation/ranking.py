"""The ranker alone: probabilities against what happened, on the rows of the held-out split.

Legend: N rows, B bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.bundle.recommender import Recommender
from shortlist.core.progress import Reporter
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, ranking_rows
from shortlist.data.negatives import NegativeSampler
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Floats
from shortlist.metrics._binary import probability_rows, ranks, weight_below
from shortlist.metrics._interval import Estimate, auc_interval, log_loss_interval
from shortlist.metrics.calibration_error import calibration_error
from shortlist.recipe.sections import Negatives
from shortlist.schema import Split

BATCH = 8192
BINS = 15


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The ranker's probability of the first target beside what happened."""

    probability_N: Floats
    label_N: npt.NDArray[np.bool_]
    weight_N: Floats
    protocol: str
    """Which rows these are, in words."""


def score(recommender: Recommender, prepared: Prepared, split: Split, reporter: Reporter) -> ScoredRows:
    """Score the rows of `split` with the bundle's own ranker, the history of each row strictly before it.

    A log with real negatives gives its rows as they are. Where the ranker learns from sampled negatives, each
    relevant row is joined by as many negatives as in training, drawn by popularity from the items that the
    user has no event with in any split: a held-out favourite is never counted as a mistake.
    """
    recipe = recommender.bundle.recipe
    choice = recipe.ranking.negatives if recipe.ranking is not None else Negatives(sampled=0)
    sampled = choice.sampled if prepared.schema.has_users and prepared.schema.has_items else 0
    events = EventRows(prepared, split, relevant_only=bool(sampled) and not choice.observed)
    rows = ranking_rows(
        events,
        Gather(
            prepared,
            recommender.bundle.settings.ranking_history,
            own_item=not recommender.bundle.settings.exclude_seen,
        ),
        BATCH,
        recipe.seed,
        epoch=0,
        sampler=_sampler(prepared) if sampled else None,
        sampled=sampled,
        shuffle=False,
    )
    scores, labels, weights = [], [], []
    with reporter.bar("evaluate", events.count_batches(BATCH), "batches of rows") as advance:
        for part in rows:
            scores.append(recommender.score_rows(part.features))
            labels.append(part.targets_BT[:, 0] > 0)
            weights.append(part.weight_B)
            advance(1, "ranker")
    return ScoredRows(
        np.concatenate([np.zeros(0, np.float32), *scores]),
        np.concatenate([np.zeros(0, np.bool_), *labels]),
        np.concatenate([np.zeros(0, np.float32), *weights]),
        _words(split, sampled, choice.observed),
    )


def measure(rows: ScoredRows) -> dict[str, Estimate]:
    """AUC, log loss and calibration error; without AUC where all rows have one label, empty without rows."""
    if not (rows.weight_N > 0).any():
        return {}
    facts = (rows.probability_N, rows.label_N, rows.weight_N)
    found = {}
    if len(np.unique(rows.label_N[rows.weight_N > 0])) == 2:
        found["auc"] = auc_interval(*facts)
    found["log_loss"] = log_loss_interval(*facts)
    error = calibration_error(*facts, bins=BINS)
    found["calibration_error"] = Estimate(error, np.nan, np.nan)
    return found


def calibration(rows: ScoredRows) -> list[dict[str, Any]]:
    """Mean prediction and observed rate in the bins of `calibration_error`, lowest first."""
    if not (rows.weight_N > 0).any():
        return []
    checked = probability_rows(rows.probability_N, rows.label_N, rows.weight_N)
    quantile_N = weight_below(ranks(checked.value_N), checked.weight_N) / checked.weight_N.sum()
    bin_N = (quantile_N * BINS).astype(np.int64)
    weight_B = np.bincount(bin_N, weights=checked.weight_N)
    predicted_B = np.bincount(bin_N, weights=checked.weight_N * checked.value_N)
    observed_B = np.bincount(bin_N, weights=checked.weight_N * checked.positive_N)
    return [
        {
            "predicted": float(predicted_B[b] / weight_B[b]),
            "observed": float(observed_B[b] / weight_B[b]),
            "share": float(weight_B[b] / weight_B.sum()),
        }
        for b in np.flatnonzero(weight_B)
    ]


def _sampler(prepared: Prepared) -> NegativeSampler:
    return NegativeSampler("popularity", prepared.item_train_count, prepared.items_of_users(*Split))


def _words(split: Split, sampled: int, observed: bool) -> str:
    name = split.name.lower()
    if sampled == 0:
        return f"all {name} rows as they are"
    rows = f"all {name} rows" if observed else f"the relevant {name} rows"
    return (
        f"{rows}, and for each relevant one {sampled} negatives drawn by popularity from the items that the "
        "user has no event with in any split"
    )
