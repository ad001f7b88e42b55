"""Names that people give to columns and files, by the part they play."""

from __future__ import annotations

import re
from enum import Enum


def _ids(*nouns: str) -> frozenset[str]:
    """Each noun, alone and as an id."""
    return frozenset(noun + ending for noun in nouns for ending in ("", "id", "key", "code", "no", "number"))


class Part(Enum):
    """A part that a column may play; the value holds the plain names it goes by."""

    USER = _ids(
        "user", "customer", "client", "member", "visitor", "account", "buyer", "reviewer", "person", "profile",
        "subscriber", "shopper", "listener", "reader", "player", "household",
    ) | {"uid", "fullvisitorid"}  # fmt: skip
    SESSION = _ids("session", "sess", "visit", "basket", "order", "invoice") | {"sid"}
    ITEM = _ids(
        "item", "movie", "film", "product", "article", "track", "song", "artist", "book", "video", "app", "news", "poi",
        "venue", "business", "recipe", "game", "listing", "document", "content", "offer", "good", "restaurant", "hotel",
        "course", "post", "photo", "show", "story", "podcast", "anime", "wine", "beer", "ad", "advert", "job",
    ) | {"iid", "asin", "parentasin", "sku", "isbn"}  # fmt: skip
    TIME = frozenset({
        "timestamp", "time", "ts", "datetime", "date", "createdat", "created", "eventtime", "eventtimestamp",
        "eventdate", "unixtime", "unixtimestamp", "unixreviewtime", "reviewtime", "ratedat", "viewedat", "purchasedat",
        "orderedat", "occurredat", "timestampms", "timeframe", "day",
    })  # fmt: skip
    EVENT = frozenset({
        "event", "eventtype", "eventname", "action", "actiontype", "behavior", "behaviour", "behaviortype",
        "behaviourtype", "interaction", "interactiontype", "activity", "activitytype", "type",
    })  # fmt: skip
    LABEL = frozenset({
        "label", "click", "clicked", "isclick", "isclicked", "target", "y", "conversion", "converted", "isconversion",
        "bought", "purchased", "liked", "response", "installed", "watched", "subscribed",
    })  # fmt: skip
    RATING = frozenset(
        {"rating", "ratings", "stars", "star", "score", "overall", "userrating", "bookrating", "ratingvalue"}
    )
    SPLIT = frozenset({"split", "subset", "partition", "fold", "set", "part"})
    TITLE = frozenset({"title", "name", "label", "headline"})
    OUTCOME = frozenset({
        "cnt", "count", "counts", "quantity", "qty", "amount", "revenue", "duration", "dwell", "dwelltime", "watchtime",
        "playtime", "plays", "playcount", "listens", "watchratio", "progress", "review", "reviewtext", "summary",
        "comment", "total", "pricepaid",
    })  # fmt: skip
    """What is known only after the event, not when a request is made."""


USER_TABLES = re.compile(r"user|customer|client|member|people|person|visitor|account|subscriber", re.IGNORECASE)
ITEM_TABLES = re.compile(
    r"item|movie|film|product|article|track|song|book|video|app|news|catalog|good|venue|listing|offer|recipe",
    re.IGNORECASE,
)

STRONGEST_EVENTS = (
    (
        "purchase",
        (
            "purchase",
            "buy",
            "transaction",
            "order",
            "checkout",
            "paid",
            "pay",
            "bought",
            "purchased",
            "conversion",
            "sale",
        ),
    ),
    ("cart", ("cart", "addtocart", "basket", "addtobasket")),
    ("liked", ("like", "liked", "favorite", "favourite", "fav", "save", "wishlist", "collect", "share", "follow")),
    ("finished", ("complete", "completed", "finish", "finished", "install", "subscribe", "read", "watched")),
    ("clicked", ("click", "clicked", "open")),
)
"""Kinds of events, the one that says most first, with the plain values they go by."""


def plain(name: object) -> str:
    """`User-ID`, `userId` and `user_id` are `userid`."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def plays(name: str, part: Part) -> bool:
    """Whether a column of this name looks like the part."""
    return plain(name) in part.value


def is_title(name: str) -> bool:
    """`title`, `movie_title`, `productName`."""
    return plain(name) in Part.TITLE.value or plain(name).endswith(("title", "itemname", "productname", "moviename"))


def is_label(name: str) -> bool:
    """`click`, `is_click`, `label_income`."""
    return plays(name, Part.LABEL) or name.lower().startswith(("label_", "target_"))


def kind_of_event(value: object) -> str | None:
    """`purchase` for "Buy", `cart` for "add_to_cart"; None for what says little, such as a view."""
    said = plain(value)
    return next((kind for kind, words in STRONGEST_EVENTS if said.removesuffix("s") in words), None)
