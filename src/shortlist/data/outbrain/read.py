"""From Outbrain's files to the one table of recipes/outbrain.toml: a row an ad of a display.

The features are those of NVIDIA/DeepLearningExamples, TensorFlow/Recommendation/WideAndDeep/trainer/features.py, under
the same names. No row tells of what came after it: click rates are those of training rows alone, and a user's pages are
those that were opened before the display, its own page by the time of it.
"""

from __future__ import annotations

from pathlib import Path

import ibis
import pyarrow.parquet as pq

from shortlist.core.files import whole_file
from shortlist.data.outbrain import files
from shortlist.data.outbrain.log import Files, joined, shown_ads
from shortlist.data.outbrain.popularity import ASPECT_RATES, aspect_rates, with_rates
from shortlist.data.outbrain.similarity import Aspect
from shortlist.recipe.sections import Compute
from shortlist.tables.counting import count_rows
from shortlist.tables.engine import Engine, open_engine

TABLE = "displays.parquet"
_ASPECTS = {
    "category": (files.CATEGORIES, "categories", 3),
    "topic": (files.TOPICS, "topics", 3),
    "entity": (files.ENTITIES, "entities", 6),
}
"""Name -> file, name of several, most values of a document."""
_BATCH_ROWS = 65_536


def convert_outbrain(folder: Path) -> list[Path]:
    """Write `folder`/displays.parquet, in the order of the displays."""
    path = folder / TABLE
    with open_engine(Compute(), folder) as engine:
        table = displays(engine, folder)
        batches = engine.batches(table.order_by("display_id", "ad_id"), _BATCH_ROWS)
        first = next(batches)
        with whole_file(path) as draft, pq.ParquetWriter(draft, first.schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
    return [path]


def displays(engine: Engine, folder: Path) -> ibis.Table:
    """The table, of the files in `folder`."""
    of = Files(engine, folder)
    shown = shown_ads(of)
    train = shown.filter(shown["split"] == "train")
    pages = engine.cache("pages", shown.select("doc_event_id", "doc_id").distinct())
    users = engine.cache("users", shown.select("display_id", "doc_id").distinct())
    read = _read_before(of)
    table = _with_reading(with_rates(engine, shown, train), of, read)
    total = count_rows(engine, of.documents)
    for name, (file, several, most) in _ASPECTS.items():
        values = engine.cache(name, of.aspect(file))
        rates = aspect_rates(train, values, ASPECT_RATES[f"pop_{name}_id"], f"pop_{name}_id")
        table = joined(table, engine.cache("rates", rates), ["doc_id"])
        aspect = Aspect.of(engine, values, total)
        alike = aspect.similar_documents(pages, f"doc_event_doc_ad_sim_{several}")
        table = joined(table, engine.cache("alike", alike), ["doc_event_id", "doc_id"])
        liked = aspect.similar_to_user(users, read, f"user_doc_ad_sim_{several}")
        table = joined(table, engine.cache("liked", liked), ["display_id", "doc_id"])
        main = engine.cache("main", _main_values(values, most))
        for place, key in (("doc_event", "doc_event_id"), ("doc_ad", "doc_id")):
            table = joined(table, main.select(**{key: "document_id", f"{place}_{name}_id": "values"}), [key])
    hidden = {"uuid", "timestamp", "day", "platform", "geo", "doc_event_published", "doc_ad_published"}
    return table.select(*(name for name in table.columns if not name.startswith("#") and name not in hidden))


def _read_before(of: Files) -> ibis.Table:
    """display_id and document_id: a row for each page view of the display's user before it."""
    events, views = of.events, of.views
    earlier = [events["uuid"] == views["uuid"], views["timestamp"] < events["timestamp"]]
    found = events.inner_join(views, earlier).select(display_id=events["display_id"], document_id=views["page"])
    return of.engine.cache("read", found)


def _with_reading(table: ibis.Table, of: Files, read: ibis.Table) -> ibis.Table:
    """How many pages the user had read, whether the ad's was among them, and where the display's page was come from."""
    count = read.group_by("display_id").aggregate(user_views=read.count())
    table = joined(table, count, ["display_id"])
    before = read.distinct().select(display_id="display_id", doc_id="document_id", read_it=ibis.literal(1))
    table = joined(table, before, ["display_id", "doc_id"])
    table = joined(table, _come_from(of), ["display_id"])
    return table.mutate(
        user_views=ibis.coalesce(table["user_views"], 0),
        user_has_already_viewed_doc=ibis.coalesce(table["read_it"], 0),
    ).drop("read_it")


def _come_from(of: Files) -> ibis.Table:
    """display_id and traffic_source: from where its user had come to its page that day, by then."""
    events, views = of.events, of.views
    same = [events[name] == views[name] for name in ("uuid", "page", "day")]
    found = events.inner_join(views, [*same, views["timestamp"] <= events["timestamp"]])
    chosen = found.select(display_id=events["display_id"], traffic_source=views["traffic_source"])
    sources = chosen.group_by("display_id").aggregate(traffic_source=chosen["traffic_source"].min())
    return of.engine.cache("sources", sources)


def _main_values(aspect: ibis.Table, most: int) -> ibis.Table:
    """document_id and `values`: its values of most confidence, in that order."""
    place = ibis.row_number().over(
        group_by=aspect["document_id"], order_by=[ibis.desc(aspect["confidence"]), aspect["value"]]
    )
    placed = aspect.mutate(place=place)
    kept = placed.filter(placed["place"] < most)
    return kept.group_by("document_id").aggregate(values=kept["value"].collect(order_by=kept["place"]))
