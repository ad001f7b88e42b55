"""A funnel worked out by hand, for the tests of what is measured on it.

Fifteen items. Retrieval prefers low item rows, the ranker high ones. User 1 knows item 1 and goes on to choose 2, 13
and 14; user 2 is new and chooses 12; user 3 gives every item a training event, and item 14 a second one.

                 candidates (12)   answer           truth 2          13      14              12
    user 1       2 .. 13           13 .. 4 | 3, 2   ranked below 10  shown   no candidate
    user 2       1 .. 12           12 .. 3 | 2, 1                                            shown
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.data.prepared import Prepared
from shortlist.schema import Split
from tests.evaluation import toy

ITEMS = 15
EVENTS = [
    toy.Event(1, 1, 10),
    toy.Event(1, 1, 110, Split.VALID, 0.0),
    toy.Event(1, 3, 201, Split.TEST, 0.0),
    *(toy.Event(1, item, 200 + item, Split.TEST) for item in (2, 13, 14)),
    toy.Event(2, 12, 220, Split.TEST),
    *(toy.Event(3, item, 20 + item) for item in range(1, ITEMS + 1)),
    toy.Event(3, 14, 90),
]

Make = Callable[..., tuple[Recommender, Prepared]]


@pytest.fixture
def funnel(tmp_path: Path) -> Make:
    """Makes the recommender and its data; either stage may be left out, recipe sections replaced."""

    def make(
        with_retrieval: bool = True, with_ranking: bool = True, events: list[toy.Event] | None = None, **sections: Any
    ) -> tuple[Recommender, Prepared]:
        data = toy.prepared(tmp_path, events or EVENTS, users=3, items=ITEMS, shards=2, titles=["Tea & <b>milk</b>"])
        row_I = np.arange(ITEMS + 1, dtype=np.float32)
        given = {"funnel": {"candidates": 12, "retrieval_weight": 0.0}, "retrieval": {}, "ranking": {}, **sections}
        stages = {
            name: given[name] for name, here in (("retrieval", with_retrieval), ("ranking", with_ranking)) if here
        }
        others = {name: section for name, section in given.items() if name not in ("retrieval", "ranking")}
        rec = toy.recommender(
            tmp_path / "bundle",
            data,
            toy.recipe(**stages, **others),
            query_UD=np.ones((4, 1), np.float32) if with_retrieval else None,
            vectors_ID=-row_I[:, None] if with_retrieval else None,
            logit_UI=np.tile(row_I, (4, 1)) if with_ranking else None,
        )
        return rec, data

    return make
