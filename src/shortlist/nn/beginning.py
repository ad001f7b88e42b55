"""The values that the rows of a table begin with: of a row's number alone, so that it can wait for its first use.

Legend: R rows, P pairs of columns, D embedding dim.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
_VALUES = 2**16
"""Computed at once: what stays in the cache."""
# Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014 (the variant called SplitMix64).
_STEP, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Normal values of mean 0, the same for a row whenever and beside whatever other rows it is asked for.

    SplitMix64 numbers the pairs of columns of all rows, and Box and Muller's transform makes two normal values of each
    of its outcomes.
    """

    seed: int
    """From 0 to 2^64 - 1."""
    std: float
    """Standard deviation; 0 for a table of zeros."""
    zeros: int = 0
    """The last columns, as many as this, have a standard deviation of 0."""
    around_one: tuple[range, ...] = ()
    """Rows whose mean is 1 instead of 0."""

    @property
    def is_zero(self) -> bool:
        """Whether every row begins as zeros."""
        return self.std == 0 and not self.around_one

    def vectors(self, rows_R: Rows, dim: int) -> Vectors:
        """vectors_RD of some rows."""
        vectors_RD = np.empty((len(rows_R), dim), np.float32)
        for part in _parts(len(rows_R), dim):
            vectors_RD[part] = self._normal(rows_R[part], dim)
        vectors_RD[:, dim - self.zeros :] = 0
        for ones in self.around_one:
            vectors_RD[(rows_R >= ones.start) & (rows_R < ones.stop)] += 1
        return vectors_RD

    def fill(self, table_ND: Vectors) -> None:
        """Let every row of a whole table begin."""
        if self.is_zero:
            table_ND[:] = 0
            return
        rows, dim = table_ND.shape
        for part in _parts(rows, dim):
            table_ND[part] = self.vectors(np.arange(part.start, part.stop), dim)

    def _normal(self, rows_R: Rows, dim: int) -> npt.NDArray[Any]:
        pairs = -(-dim // 2)
        mixed_RP = np.empty((len(rows_R), pairs), np.uint64)
        np.multiply(rows_R.astype(np.uint64)[:, None], np.uint64(pairs), out=mixed_RP)
        mixed_RP += np.arange(pairs, dtype=np.uint64)
        mixed_RP *= _STEP
        mixed_RP += np.uint64(self.seed)
        mixed_RP ^= mixed_RP >> np.uint64(30)
        mixed_RP *= _FIRST
        mixed_RP ^= mixed_RP >> np.uint64(27)
        mixed_RP *= _SECOND
        mixed_RP ^= mixed_RP >> np.uint64(31)
        halves_RP2 = mixed_RP.view(np.uint32).reshape(len(rows_R), pairs, 2)
        radius_RP = halves_RP2[:, :, 0].astype(np.float32)
        radius_RP += np.float32(0.5)  # The logarithm of 0 is no number.
        radius_RP *= np.float32(2**-32)
        np.log(radius_RP, out=radius_RP)
        radius_RP *= np.float32(-2 * self.std**2)
        np.sqrt(radius_RP, out=radius_RP)
        angle_RP = halves_RP2[:, :, 1].astype(np.float32)
        angle_RP *= np.float32(2 * math.pi * 2**-32)
        normal_RP2 = np.empty((len(rows_R), pairs, 2), np.float32)
        np.multiply(radius_RP, np.cos(angle_RP), out=normal_RP2[:, :, 0])
        np.multiply(radius_RP, np.sin(angle_RP), out=normal_RP2[:, :, 1])
        return normal_RP2.reshape(len(rows_R), 2 * pairs)[:, :dim]


def _parts(rows: int, dim: int) -> Iterator[slice]:
    """Slices of rows that stay in the cache."""
    size = max(1, _VALUES // max(dim, 1))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
