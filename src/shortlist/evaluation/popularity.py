"""What is recommended against what is popular: the catalogue in ten parts, the most popular first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.evaluation.lists import Bools
from shortlist.features.rows import Longs

PARTS = 10


def by_popularity(train_count_I: Longs, catalogue_I: Bools, shown: Mapping[str, Longs]) -> list[dict[str, Any]]:
    """Ten parts of the catalogue with equally many items, by training events, the most popular first.

    Each says how many items it has, its share of the training events, and its share of each of the counts
    `shown` (by name, a number for each item row), such as how often each item was recommended.
    """
    rows = np.flatnonzero(catalogue_I)
    rows = rows[np.argsort(-train_count_I[rows], kind="stable")]
    columns = {"train": train_count_I, **shown}
    return [
        {"items": len(part), **{name: _share(count_I, part, rows) for name, count_I in columns.items()}}
        for part in np.array_split(rows, PARTS)
    ]


def _share(count_I: Longs, part: npt.NDArray[Any], rows: npt.NDArray[Any]) -> float:
    return float(count_I[part].sum() / max(int(count_I[rows].sum()), 1))
