"""[rules]: what a list must, should and must not hold, whatever the models say. Those of a bundle can be changed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shortlist.core.settings import Settings


class Pin(Settings):
    """An item that stands at a place, whether or not a source proposes it."""

    item: int | str
    """Its id."""
    place: int = Field(1, ge=1, le=1000)
    """Counted from 1."""
    when: str | None = None
    """Only where this filter holds for the columns of context and user that the request itself brings."""


class Boost(Settings):
    """Items that are worth more or less than the models say."""

    filter: str
    """Which items."""
    factor: float = Field(allow_inf_nan=False)
    """Added to their score, in standard deviations of the scores of the request's candidates."""


class Satisfied(Settings):
    """No second Allen wrench, but coffee again next week: what nobody buys again so soon is left out.

    For each value of a column, the time between two purchases is learned from the training events.
    """

    column: str
    """Of the items, such as category."""
    events: tuple[str | int, ...] | None = None
    """Types of event that satisfy, such as purchase; default: all."""
    again: float = Field(0.05, ge=0, le=1)
    """Where fewer of those who bought it ever came back, a value counts as bought once."""
    days: float | None = Field(None, gt=0)
    """How long what is bought once is left out; default: for good."""
    least_users: int = Field(10, ge=1)
    """Of a value with fewer buyers nothing can be said: it is never left out."""


class Explore(Settings):
    """Chance in the list, so that there is something to learn from about items that would never be shown."""

    kind: Literal["plackett_luce", "epsilon"] = "plackett_luce"
    """plackett_luce: every place is drawn by the scores. epsilon: it is drawn from all with probability `epsilon`."""
    temperature: float = Field(0.1, gt=0, allow_inf_nan=False)
    """Of plackett_luce, in standard deviations of the candidates' scores: how far down chance reaches."""
    epsilon: float = Field(0.05, ge=0, le=1)
    """Of epsilon."""


class Rules(Settings):
    """Rules of every list. They are applied in the order in which they stand here, pins last."""

    attributes: tuple[str, ...] | None = None
    """Columns of the item table that the bundle carries for filters and rules. Default: all that hold numbers, truth
    values, times, text of at most 100 characters on average, or lists of text or integers."""
    filter: str | None = None
    """Only items that it keeps are recommended, such as `in_stock and not adult`."""
    pin: tuple[Pin, ...] = ()
    """Items at places: `[[rules.pin]]` with `item`, `place` and `when`."""
    satisfied: Satisfied | None = None
    """What the user has had enough of."""
    boost: tuple[Boost, ...] = ()
    """Items that are worth more or less: `[[rules.boost]]` with `filter` and `factor`."""
    cap: dict[str, Annotated[int, Field(ge=1)]] = {}
    """At most so many items of each value of a column: `cap = {category = 3}`."""
    diversity: float = Field(0.0, ge=0, le=1)
    """How much likeness to the items above counts against an item, in place of its score: 0 not at all, 1 alone."""
    explore: Explore | None = None
    """How much is left to chance."""
