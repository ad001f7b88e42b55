"""The displays with their ads: Outbrain's files joined, and who is learned from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis

from shortlist.core.errors import DataError
from shortlist.data.outbrain import files
from shortlist.tables.engine import Engine
from shortlist.tables.hashing import PRIME, pseudo_random
from shortlist.tables.times import seconds

_TEST, _VALID = 0.2, 0.1
_LAST_DAYS = 11
"""Displays from this day on are all for the test."""
_COLUMNS = {
    files.CLICKS: ("display_id", "ad_id", "clicked"),
    files.EVENTS: ("display_id", "uuid", "document_id", "timestamp", "platform", "geo_location"),
    files.ADS: ("ad_id", "document_id", "campaign_id", "advertiser_id"),
    files.META: ("document_id", "source_id", "publisher_id", "publish_time"),
    files.TOPICS: ("document_id", "topic_id", "confidence_level"),
    files.ENTITIES: ("document_id", "entity_id", "confidence_level"),
    files.CATEGORIES: ("document_id", "category_id", "confidence_level"),
    files.VIEWS: ("uuid", "document_id", "timestamp", "traffic_source"),
}


@dataclass(frozen=True)
class Files:
    r"""The original files in an engine; `\N` and empty fields are missing."""

    engine: Engine
    folder: Path

    @cached_property
    def events(self) -> ibis.Table:
        """A row a display: display_id, uuid, page, timestamp, day, platform, geo."""
        found = self.read(files.EVENTS)
        return found.select(
            display_id=found["display_id"],
            uuid=found["uuid"],
            page=found["document_id"],
            timestamp=found["timestamp"],
            day=_day(found),
            platform=_value(found["platform"]),
            geo=_value(found["geo_location"]),
        )

    @cached_property
    def views(self) -> ibis.Table:
        """A row a page view: uuid, page, timestamp, day, traffic_source."""
        found = self.read(files.VIEWS)
        return found.select(
            uuid=found["uuid"],
            page=found["document_id"],
            timestamp=found["timestamp"],
            day=_day(found),
            traffic_source=_value(found["traffic_source"]),
        )

    @cached_property
    def documents(self) -> ibis.Table:
        """document_id, source, publisher, published (Unix seconds). A source without a publisher is one itself."""
        found = self.read(files.META)
        source, publisher = _value(found["source_id"]), _value(found["publisher_id"])
        return found.select(
            document_id=found["document_id"],
            source=source,
            publisher=ibis.coalesce(publisher, ibis.literal("source ") + source),
            published=seconds(found["publish_time"], 1.0),
        )

    def aspect(self, file: str) -> ibis.Table:
        """document_id, value, confidence of the topics, categories or entities."""
        found = self.read(file)
        value = found[_COLUMNS[file][1]].cast("string")
        confidence = found["confidence_level"].cast("float64")
        return found.select(document_id=found["document_id"], value=value, confidence=confidence)

    def read(self, file: str) -> ibis.Table:
        """A file as it is. DataError when it lacks a column."""
        path = self.folder / file
        if file == files.VIEWS and (self.folder / files.ALL_VIEWS).is_file():
            path = self.folder / files.ALL_VIEWS
        table = self.engine.read(str(path))
        if missing := [name for name in _COLUMNS[file] if name not in table.columns]:
            raise DataError(
                f"{path}: expected the columns {', '.join(_COLUMNS[file])}; {', '.join(missing)} is not among "
                f"{', '.join(table.columns)}. Fetch the file again."
            )
        return table


def shown_ads(of: Files) -> ibis.Table:
    """A row an ad of a display, with all that is known of both by look-up, and `split`.

    As NVIDIA holds out, all displays of the last two days and a fifth of the others are the test; a tenth of the rest
    is for validation. A display is never parted: exactly one of its ads was clicked, so one row would tell of another.
    """
    clicks, ads = of.read(files.CLICKS), of.read(files.ADS)
    ads = ads.select("ad_id", "campaign_id", doc_id="document_id", ad_advertiser="advertiser_id")
    found = joined(clicks.inner_join(of.events, "display_id"), ads, ["ad_id"])
    found = _with_document(found.rename(doc_event_id="page"), of.documents, "doc_event")
    found = _with_document(found, of.documents, "doc_ad", key="doc_id")
    return of.engine.cache("shown", found.mutate(**_moment(found), split=_split(found)))


def joined(table: ibis.Table, more: ibis.Table, keys: list[str]) -> ibis.Table:
    """Left join on columns of the same names, which are there once afterwards."""
    found = table.left_join(more, keys)
    return found.select(*(name for name in found.columns if not name.endswith("_right")))


def _with_document(table: ibis.Table, documents: ibis.Table, prefix: str, key: str = "doc_event_id") -> ibis.Table:
    renamed = documents.select(
        **{
            "#document": "document_id",
            f"{prefix}_source_id": "source",
            f"{prefix}_publisher_id": "publisher",
            f"{prefix}_published": "published",
        }
    )
    return table.left_join(renamed, table[key] == renamed["#document"]).drop("#document")


def _moment(table: ibis.Table) -> dict[str, Any]:
    """Time and place of a display. The log begins at midnight of a Tuesday in New York, whose time stands for all."""
    hour = (table["timestamp"] % files.DAY_MS) // (files.DAY_MS // 24)
    since = (table["timestamp"] + files.FIRST_DAY_MS) // 1000
    part = ibis.cases(
        *((hour.between(first, last), number) for number, (first, last) in enumerate(_HOURS)), else_=len(_HOURS)
    )
    return {
        "event_hour": part,
        "doc_event_hour": part,
        "event_weekend": ((table["day"] + 1) % 7 >= 5).ifelse(1, 0),
        "event_platform": table["platform"],
        "event_geo_location": table["geo"],
        "event_country": table["geo"].substr(0, 2),
        "event_country_state": table["geo"].substr(0, 5),
        "doc_event_days_since_published": _days(since, table["doc_event_published"]),
        "doc_ad_days_since_published": _days(since, table["doc_ad_published"]),
    }


_HOURS = ((5, 7), (8, 10), (11, 13), (14, 18), (19, 21))
"""Early morning, morning, midday, afternoon, evening; the rest is night."""


def _days(since: ibis.Value, published: ibis.Value) -> ibis.Value:
    """Whole days; missing where they are negative or more than ten years."""
    days = (since - published) // 86_400
    return days.between(0, 3_650).ifelse(days, None)


def _split(table: ibis.Table) -> ibis.Value:
    test = pseudo_random(table["display_id"], seed=1) < int(_TEST * PRIME)
    valid = pseudo_random(table["display_id"], seed=2) < int(_VALID * PRIME)
    return ibis.cases(((table["day"] >= _LAST_DAYS) | test, "test"), (valid, "valid"), else_="train")


def _day(table: ibis.Table) -> ibis.Value:
    return (table["timestamp"] // files.DAY_MS).cast("int64")


def _value(column: ibis.Value) -> ibis.Value:
    """As text, null where it is missing."""
    text = column.cast("string")
    return text.nullif("\\N").nullif("")
