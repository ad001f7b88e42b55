"""Items like a given one, as a retrieval model has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.bundle.checks import check_k, check_list
from shortlist.bundle.read import Bundle
from shortlist.core.errors import RequestError
from shortlist.funnel.columns import Candidates, Source
from shortlist.funnel.sources.fitted import FittedSource
from shortlist.funnel.sources.towers import TowerSource

SHOWN = 5
"""Most ids that an error shows."""


def comparing(sources: Sequence[Source]) -> TowerSource | FittedSource | None:
    """The first source that can tell: one with a candidate tower if there is any, as it has vectors of new items."""
    found: list[TowerSource | FittedSource] = [source for source in sources if isinstance(source, TowerSource)]
    found += [source for source in sources if isinstance(source, FittedSource) and source.scorer.compares]
    return next(iter(found), None)


def similar(bundle: Bundle, sources: Sequence[Source], items: Sequence[int | str], k: int) -> Candidates:
    """The `k` items like each of these, by the source that is best at `comparing`.

    Scores are cosines of vectors, where the source has vectors, and otherwise what one item speaks for the other by.
    RequestError for an item that is not known, items that are no list, k below 1, or where no source can tell.
    """
    check_list(items, "items")
    check_k(k)
    source = comparing(sources)
    if source is None:
        raise RequestError(
            "no source of this bundle can tell which items are alike: train one that does, such as "
            'retrieval.model = "two_tower" or "item_knn"'
        )
    item_U = bundle.item_vocabulary.rows_of(items)
    unknown = [item for item, row in zip(items, item_U.tolist(), strict=True) if row == 0]
    if unknown:
        shown = ", ".join(repr(item) for item in unknown[:SHOWN])
        raise RequestError(f"similar: {len(unknown):,} of {len(items):,} items are not known to this bundle: {shown}")
    return source.similar(item_U.astype(np.int32), min(k, len(bundle.items) - 1))
