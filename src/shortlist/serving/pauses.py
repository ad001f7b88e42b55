"""Keeps Python's garbage collector from stopping a server in the middle of its requests.

A full collection looks at every object that is reachable, models, vocabularies and imported modules among them: some
hundred thousand, for a tenth of a second, in which nobody is answered. They all stay, so it finds nothing. What is
frozen (`gc.freeze`) is no longer looked at, and a collection is over in less than a millisecond.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def set_aside() -> None:
    """Collect what is garbage now, and look no more at what is left. Takes a full collection's time."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def without_pauses() -> Iterator[None]:
    """Nothing that is there at the beginning is looked at within the block."""
    set_aside()
    try:
        yield
    finally:
        gc.unfreeze()
