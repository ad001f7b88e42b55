"""The ranking stage: the ranker's logit, blended with the retrieval score.

Legend: U requests, K candidates.
"""

from __future__ import annotations

import numpy as np

from shortlist.features.rows import FeatureRows, FeatureTable, Floats, Ints, side_by_side
from shortlist.funnel.columns import Bools, Candidates, Requests
from shortlist.funnel.session import Session


class Rank:
    """Orders candidates by logit + weight x standardised retrieval score.

    The ranker learns what tells a chosen item from other candidates, not how likely an item is to be a candidate; the
    retrieval score knows the latter. The weight between the two is chosen on validation.
    """

    def __init__(self, model: Session, items: FeatureTable, id_of_item: Ints, history: int, weight: float) -> None:
        self.model = model
        self.items = items
        self.id_of_item = id_of_item
        self.history = history
        self.weight = weight

    def logits(self, requests: Requests, item_UK: Ints) -> Floats:
        """The ranker's logit of the first target for each request and item."""
        rows = requests.query
        if self.history:
            latest = requests.latest(self.history, self.id_of_item)
            rows = FeatureRows(rows.ids_BF, rows.numbers_BN, rows.bags, latest)
        flat = side_by_side([rows.repeat(item_UK.shape[1]), self.items.take(item_UK.ravel())])
        logits: Floats = self.model(flat)[:, 0].reshape(item_UK.shape)
        return logits

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """The candidates in their final order, with the column `ranking`: the logit."""
        logit_UK = self.logits(requests, candidates.item_UK)
        retrieval_UK = standardised(candidates.columns["retrieval"], candidates.valid_UK)
        return candidates.ordered(logit_UK + self.weight * retrieval_UK, ranking=logit_UK)


def standardised(score_UK: Floats, valid_UK: Bools) -> Floats:
    """Each request's scores with mean 0 and deviation 1 over its valid candidates; 0 where they are all equal."""
    count_U = np.maximum(valid_UK.sum(1, keepdims=True), 1)
    # In float32 the mean of equal scores is one rounding away from them, and that would be the deviation.
    filled_UK = np.where(valid_UK, score_UK, 0.0).astype(np.float64)
    centred_UK = np.where(valid_UK, filled_UK - filled_UK.sum(1, keepdims=True) / count_U, 0.0)
    deviation_U = np.sqrt((centred_UK**2).sum(1, keepdims=True) / count_U)
    return np.asarray(centred_UK / np.maximum(deviation_U, 1e-9), np.float32)
