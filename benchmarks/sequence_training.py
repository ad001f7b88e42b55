"""What every worker of `sequence` is told and reads; of NumPy and the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH = 128


@dataclass(frozen=True)
class Task:
    """The model and its data: SASRec, with binary cross entropy and one uniform negative for each position."""

    folder: str
    dim: int
    blocks: int
    length: int
    dropout: float
    seed: int

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Task:
        """Of a worker's settings."""
        return cls(**{name: settings[name] for name in cls.__dataclass_fields__})

    def read(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """The items of all users, one after another, and where each user's begin, with the end of all behind them."""
        return np.load(Path(self.folder) / "item.npy"), np.load(Path(self.folder) / "offsets.npy")
