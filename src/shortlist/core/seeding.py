"""Random streams that do not disturb one another: every use names its own."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator fixed by the seed and the names of its use, for instance `stream(0, "negatives", epoch)`."""
    return np.random.default_rng(_keys(seed, *names))


def uniform_rows(first: int, rows: int, columns: int, seed: int, *names: str | int) -> npt.NDArray[np.float64]:
    """Rows `first` and following of an endless table of numbers from 0 to below 1, fixed as `stream` is.

    So each process that has a part of a batch's rows draws for its part alone, and draws what one process would.
    """
    # One number a step of PCG64 (O'Neill 2014), which can go any number of steps at once.
    bits = np.random.PCG64(_keys(seed, *names)).advance(first * columns)
    return np.random.Generator(bits).random((rows, columns))


def _keys(seed: int, *names: str | int) -> list[int]:
    return [seed, *(name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names)]
