"""The parity gate: the exported model must answer as the trained one does, or nothing is written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.core.errors import ParityError

TOLERANCE = 1e-4
"""Largest allowed |exported - trained|, relative to max(1, |trained|): float32 sums in another order differ by less."""


def check_parity(name: str, trained: npt.NDArray[np.float32], exported: npt.NDArray[np.float32]) -> float:
    """The largest relative difference; ParityError if it is above TOLERANCE, or an answer is no number."""
    if trained.shape != exported.shape:
        raise ParityError(f"{name}: the trained model gives shape {trained.shape}, the exported one {exported.shape}")
    difference = np.abs(exported - trained) / np.maximum(1.0, np.abs(trained))
    largest = float(difference.max(initial=0.0))
    if not largest <= TOLERANCE:
        row = int(np.argmax(np.where(np.isnan(difference), np.inf, difference).reshape(len(trained), -1).max(1)))
        raise ParityError(
            f"{name}: the exported model disagrees with the trained one on {len(trained):,} sampled rows. Expected a "
            f"difference of at most {TOLERANCE:g}, found {largest:g} at row {row}. Nothing was exported. This is a "
            "fault of the export, not of the data: please report it, with the recipe."
        )
    return largest
