"""How long it takes until people buy something of a kind again, learned from a log.

Legend: I item rows, V values of a column, P purchases, G gaps between two of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shortlist.features.past import Events
from shortlist.funnel.columns import Bools
from shortlist.funnel.rules.codes import Codes

ONE_PURCHASE_S = 86_400
"""Two events less than a day apart are one purchase: two mugs in a basket say nothing of when the next one is due."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Of one value of a column."""

    value: str | int | float | bool
    users: int
    """How many bought it."""
    again: float
    """The share of them who bought it again."""
    seconds: float | None
    """Median time between two purchases of one user; None where nobody bought it again."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def learn_intervals(events: Events, bought_P: Bools, codes: Codes) -> list[Interval]:
    """One for each value that somebody bought.

    `bought_P` says which of the events are purchases. Who bought lately had less time to come back: with a short log
    the share of those who did is too low.
    """
    user_P, item_P = events.items.flat()
    code_P = codes.code_I[item_P]
    kept_P = bought_P & (item_P > 0) & (code_P >= 0)
    user_P, code_P, time_P = user_P[kept_P].astype(np.int64), code_P[kept_P], events.times[kept_P]
    order_P = np.lexsort((time_P, code_P, user_P))
    user_P, code_P, time_P = user_P[order_P], code_P[order_P], time_P[order_P]
    is_next_P = (np.diff(user_P, prepend=-1) == 0) & (np.diff(code_P, prepend=-1) == 0)
    gap_P = np.diff(time_P, prepend=0)
    is_again_P = is_next_P & (gap_P >= ONE_PURCHASE_S)
    users_V = np.bincount(code_P[~is_next_P], minlength=len(codes.values))
    pair_P = np.cumsum(~is_next_P)
    _, first_G = np.unique(pair_P[is_again_P], return_index=True)
    again_V = np.bincount(code_P[is_again_P][first_G], minlength=len(codes.values))
    found = []
    for code in np.flatnonzero(users_V).tolist():
        gap_G = gap_P[is_again_P & (code_P == code)]
        seconds = float(np.median(gap_G)) if len(gap_G) else None
        found.append(Interval(codes.values[code], int(users_V[code]), float(again_V[code] / users_V[code]), seconds))
    return found
