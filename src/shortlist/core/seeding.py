"""Random streams that do not disturb one another: every use names its own."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator fixed by the seed and the names of its use, for instance `stream(0, "negatives", epoch)`."""
    keys = [name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names]
    return np.random.default_rng([seed, *keys])
