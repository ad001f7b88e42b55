"""Satisfied needs: what the user bought lately, and is not due to buy again, is left out.

Legend: U requests, K candidates, I item rows, V values of a column, P events of all histories.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Ints
from shortlist.funnel.columns import Candidates, Requests, pinned
from shortlist.funnel.rules.codes import Codes


class SatisfiedNeeds:
    """Leaves out items of values whose waiting time has not passed since the user's last purchase of one."""

    def __init__(self, codes: Codes, wait_V: npt.NDArray[np.float64], types: Ints | None) -> None:
        """Take the items' values, and how long each is left out.

        wait_V: seconds after a purchase for which a value is left out; infinite for good, 0 never.
        types: rows of the column of event types that count as purchases; None for every event.
        """
        self._codes = codes
        self._wait_V = np.append(wait_V, 0.0)  # the last one for an item without a value, whose code is -1
        self._types = types

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """Those that are due, in their order. Pinned items stay."""
        values = len(self._wait_V)
        user_P, item_P = requests.history.items.flat()
        code_P = np.where(item_P < len(self._codes.code_I), self._codes.code_I[item_P], -1)
        since_P = requests.time_U[user_P] - requests.history.times
        waits_P = (item_P > 0) & (since_P < self._wait_V[code_P])
        if self._types is not None and requests.history.types is not None:
            waits_P &= np.isin(requests.history.types, self._types)
        code_UK = self._codes.code_I[candidates.item_UK].astype(np.int64)
        start_U1 = np.arange(len(requests), dtype=np.int64)[:, None] * values
        is_left_out_UK = np.isin(start_U1 + code_UK, user_P[waits_P] * values + code_P[waits_P]) & (code_UK >= 0)
        return candidates.only(~is_left_out_UK | pinned(candidates))
