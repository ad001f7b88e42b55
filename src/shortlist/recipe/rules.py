"""[rules]: what a list must, should and must not hold, whatever the models say. They can be changed in a bundle."""

from __future__ import annotations

from shortlist.core.settings import Settings


class Rules(Settings):
    """Rules of every list."""

    attributes: tuple[str, ...] | None = None
    """Columns of the item table that the bundle carries for filters and rules. Default: all that hold numbers, truth
    values, times, text of at most 100 characters on average, or lists of text or integers."""
