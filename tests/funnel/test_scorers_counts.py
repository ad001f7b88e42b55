"""Counts by segment: which list a request gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shortlist.features.rows import FeatureRows
from shortlist.funnel.scorers.counts import Counts
from shortlist.testing.contract_matrix import toy_requests


def test_each_request_gets_the_list_of_its_segment() -> None:
    shares_GI = np.array([[0, 0.5, 0.3, 0.2], [0, 0.1, 0.2, 0.7], [0, 0.2, 0.6, 0.2]], np.float32)
    scorer = Counts({"shares": shares_GI}, {"field": 1, "offset": 10}, np.arange(4) > 0)
    ids_UF = np.array([[0, 10], [0, 12], [0, 11], [0, 99]], np.int32)
    asked = toy_requests([[]] * 4, exclude=[[], [2], [], []])
    requests = replace(asked, query=FeatureRows(ids_UF, np.zeros((4, 0), np.float32)))

    item_UK, score_UK = scorer.best(requests, 2)

    assert item_UK.tolist() == [[1, 2], [1, 3], [3, 2], [1, 2]]
    np.testing.assert_allclose(score_UK[2], [0.7, 0.2], rtol=1e-6)
    np.testing.assert_allclose(scorer.scores(requests, item_UK), score_UK)
