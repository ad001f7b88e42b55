"""Array types of the metrics.

Shape letters: U users, K list positions, T the first k of them, N rows, G groups of equal value, B bins, I
items.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]
LabelArray = NDArray[np.bool_ | np.integer[Any] | np.floating[Any]]
