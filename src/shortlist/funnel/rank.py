"""The ranking stage: the ranker's score, blended with the retrieval score.

Legend: U requests, K candidates, M = U x K rows of the ranker, O its outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shortlist.features.pairs import Pairs
from shortlist.features.rows import FeatureRows, Floats, Ints
from shortlist.funnel.columns import Bools, Candidates, Requests
from shortlist.funnel.predictions import Predictions
from shortlist.funnel.rank_model import Catalogue
from shortlist.schema import Column


class Rank:
    """Orders candidates by score + weight x standardised retrieval score.

    The ranker learns what tells a chosen item from other candidates, not how likely an item is to be a candidate; the
    retrieval score knows the latter. The weight between the two is chosen on validation.

    The score is the first target's logit as it is. Where the recipe scores by an expression, it is the expression's
    value standardised within the request: unlike logits, rates and amounts have no scale of their own, and one weight
    beside them would mean all for one request and nothing for another.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        id_of_item: Ints,
        history: int,
        weight: float,
        *,
        predictions: Predictions,
        past: Sequence[Column] = (),
    ) -> None:
        """`past` says what the model is told of a history's events beside their items."""
        self.catalogue = catalogue
        self.id_of_item = id_of_item
        self.history = history
        self.weight = weight
        self.predictions = predictions
        self.past = past

    def outputs(self, requests: Requests, item_UK: Ints) -> Floats:
        """outputs_MO of each request with each of its items."""
        rows = requests.query
        if self.history:
            latest = requests.latest(self.history, self.id_of_item, self.past)
            rows = replace(rows, history=latest)
        request_M = np.repeat(np.arange(len(rows), dtype=np.int32), item_UK.shape[1])
        return self.catalogue.model(self.catalogue.pairs(rows, item_UK.ravel(), request_M))

    def outputs_of_rows(self, rows: FeatureRows) -> Floats:
        """outputs_BO of whole rows: user, context and item side by side."""
        return self.catalogue.model(Pairs.of_rows(rows, self.catalogue.items))

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """The candidates in their final order, with the columns `ranking`, the score, and `target.NAME`.

        The latter is what is predicted of each target: a probability, a value, or the number of the likeliest class.
        """
        outputs_MO = self.outputs(requests, candidates.item_UK)
        predicted = self.predictions(outputs_MO)
        flat = {"ranking": self.predictions.score(outputs_MO, predicted)}
        for name, value in predicted.items():
            flat[f"target.{name}"] = value.argmax(axis=1) if value.ndim == 2 else value
        columns = {name: value.reshape(candidates.item_UK.shape) for name, value in flat.items()}
        return self.blended(replace(candidates, columns={**candidates.columns, **columns}), self.weight)

    def blended(self, ranked: Candidates, weight: float) -> Candidates:
        """Candidates that have their column `ranking`, in the order that another weight gives."""
        ranking_UK = ranked.columns["ranking"]
        if self.predictions.expression is not None:
            ranking_UK = standardised(ranking_UK, ranked.valid_UK)
        retrieval_UK = standardised(ranked.columns["retrieval"], ranked.valid_UK)
        return ranked.ordered(ranking_UK + weight * retrieval_UK)


def standardised(score_UK: Floats, valid_UK: Bools) -> Floats:
    """Each request's scores with mean 0 and deviation 1 over its valid candidates; 0 where they are all equal."""
    count_U = np.maximum(valid_UK.sum(1, keepdims=True), 1)
    # In float32 the mean of equal scores is one rounding away from them, and that would be the deviation.
    filled_UK = np.where(valid_UK, score_UK, 0.0).astype(np.float64)
    centred_UK = np.where(valid_UK, filled_UK - filled_UK.sum(1, keepdims=True) / count_U, 0.0)
    deviation_U = np.sqrt((centred_UK**2).sum(1, keepdims=True) / count_U)
    return np.asarray(centred_UK / np.maximum(deviation_U, 1e-9), np.float32)
