"""What a scorer is: the arrays of a fitted model, and the best items for a history.

Legend: U requests, K candidates, I item rows, D dim.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints
from shortlist.funnel.columns import Bools, Requests


class Scorer(ABC):
    """Answers from arrays that a `MatrixModel` left; needs no torch. Safe to use from several threads."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any], eligible_I: Bools) -> None:
        """`eligible_I` marks the item rows that may be found; row 0, no item, is never one of them."""
        self.arrays = arrays
        self.settings = settings
        self.eligible_I = eligible_I

    @property
    def compares(self) -> bool:
        """Whether it can say which items are like one."""
        return False

    @abstractmethod
    def best(self, requests: Requests, k: int) -> tuple[Ints, Floats]:
        """item_UK and score_UK, best first, equal scores by the lower row; 0 and -inf where there are fewer than k.

        Items that the requests exclude, that they do not allow, or that are not eligible are never found. Of items
        that nothing speaks for there may be as many as are needed to make k, or none.
        """

    @abstractmethod
    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items; 0 where nothing speaks for one, or less where all that it knows are to come first."""

    def similar(self, item_U: Ints, k: int) -> tuple[Ints, Floats]:
        """item_UK and score_UK of the items that are most like each of these, itself left out; 0 and -inf for none."""
        shape = (len(item_U), k)
        return np.zeros(shape, np.int32), np.full(shape, -np.inf, np.float32)
