"""What a request may hold. The same classes validate it and describe it in the OpenAPI page.

Ids are strict: a bundle whose user ids are integers refuses `"42"`, rather than take it for a new user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from shortlist.bundle.past_events import Event
from shortlist.funnel.filters.parse import MOST_CHARACTERS
from shortlist.schema import Schema

MOST_ITEMS = 1000
"""Most items of an answer."""
MOST_GIVEN = 10_000
"""Most ids or rows in one list of a request."""

DOCUMENTED_BODY = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Text = Annotated[str, Field(max_length=1000)]
_Items = Field(max_length=MOST_GIVEN, fail_fast=True)
ID_TYPES: Mapping[str, Any] = {"int": Whole, "text": Text}

ITEM, EVENT = "#item", "#event"
"""What an entry of a history may be, as pydantic's places of errors name it."""

UserId = TypeVar("UserId", bound=int | str)
ItemId = TypeVar("ItemId", bound=int | str)

Values = dict[str, Any]
"""Values by the name of their column in the prepared tables; `serving.columns` checks them."""


class EventBody(BaseModel, Generic[ItemId]):
    """One event of a history."""

    model_config = DOCUMENTED_BODY

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The class's own name."""
        return cls.__name__

    item: ItemId
    """The item."""
    type: Whole | Text | bool | None = None
    """Its type, as the log has it, such as view or cart; left out, or one that the log never had: unknown."""
    time: Whole | float | Text | None = None
    """When it was: in the log's own unit, or text in ISO 8601; at most a day ahead. Left out: at the time of the
    request."""

    def event(self) -> Event:
        """As the recommender takes it."""
        return Event(self.item, self.type, self.time)


def _kind(given: Any) -> str:
    return EVENT if isinstance(given, Mapping | EventBody) else ITEM


class _Body(BaseModel, Generic[UserId, ItemId]):
    model_config = DOCUMENTED_BODY

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The class's own name: which type the ids have stands in their fields."""
        return cls.__name__

    user_id: UserId | None = None
    """Who asks. Left out or unknown: the answer rests on `history`, `context` and `user_features`."""
    history: (
        Annotated[
            list[
                Annotated[
                    Annotated[ItemId, Tag(ITEM)] | Annotated[EventBody[ItemId], Tag(EVENT)],
                    Discriminator(_kind),
                ]
            ],
            _Items,
        ]
        | None
    ) = None
    """Events after those that the bundle knows of, oldest first, or their items alone, which are events of an unknown
    type at the time of the request. Unknown items are passed over."""
    context: Values | None = None
    """What is known of the moment, by column of the log, such as device or time. The time is in the log's own unit, or
    text in ISO 8601; left out, it is now."""
    user_features: Values | None = None
    """Columns of the user table; they take the place of what the bundle knows of the user."""

    def events(self) -> list[Event | int | str] | None:
        """The history as the recommender takes it."""
        if self.history is None:
            return None
        return [given.event() if isinstance(given, EventBody) else given for given in self.history]


class RecommendBody(_Body[UserId, ItemId], Generic[UserId, ItemId]):
    """Whom to recommend to, and from what."""

    n: int = Field(10, ge=1, le=MOST_ITEMS)
    """How many items; fewer come when there are fewer."""
    exclude: Annotated[list[ItemId], _Items] | None = None
    """Items that must not be answered."""
    candidates: Annotated[list[ItemId], _Items, Field(min_length=1)] | None = None
    """Items to choose from; left out: the whole catalogue."""
    exclude_seen: bool | None = None
    """Leave out the items of the user's history; left out: as the recipe says."""
    filter: Annotated[str, Field(max_length=MOST_CHARACTERS)] | None = None
    """Choose from the items that it keeps: conditions on columns of the item table, joined by `and`, `or` and `not`."""
    diversity: float | None = Field(None, ge=0, le=1)
    """How far likeness to the items above counts against an item: 0 not at all, 1 alone; left out: as the rules say."""
    explain: bool = False
    """Say of each item why it is there."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Of the rules' exploration: the same seed draws the same list. Left out: another one every time."""


class RankBody(_Body[UserId, ItemId], Generic[UserId, ItemId]):
    """What to put in order: `candidates` for one user, or `rows` of a click log."""

    candidates: Annotated[list[ItemId], _Items, Field(min_length=1)] | None = None
    """Items to put in order."""
    rows: Annotated[list[Values], _Items, Field(min_length=1)] | None = None
    """Rows of a click log, values by column; each gets its predictions, in the order given. The time is as
    in `context`."""

    @model_validator(mode="after")
    def _one_of_two(self) -> RankBody[UserId, ItemId]:
        if (self.candidates is None) == (self.rows is None):
            raise ValueError("either `candidates` or `rows`")
        beside = [
            name for name in ("user_id", "history", "context", "user_features") if getattr(self, name) is not None
        ]
        if self.rows is not None and beside:
            raise ValueError(f"`rows` alone, without {' and '.join(f'`{name}`' for name in beside)}")
        return self


def bodies(schema: Schema) -> tuple[type[RecommendBody[Any, Any]], type[RankBody[Any, Any]]]:
    """The bodies for the id types of a bundle."""
    user, item = (ID_TYPES[schema.id_types.get(side, "text")] for side in ("user", "item"))
    return RecommendBody[user, item], RankBody[user, item]  # type: ignore[valid-type]
