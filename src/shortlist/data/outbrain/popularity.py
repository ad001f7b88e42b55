"""How often ads, and what they belong to, were clicked: of training rows alone.

A rate is given where there are enough views, and beside it how far to trust it: log(1 + n) / log2(1 + 100,000), at most
1, of n views an ad. As in NVIDIA/DeepLearningExamples, TensorFlow/Recommendation/WideAndDeep/preproc/preproc3.py.
A training row counts in its own statistics, there as here.
"""

from __future__ import annotations

import math
from typing import Any

import ibis

from shortlist.data.outbrain.log import joined
from shortlist.tables.engine import Engine

_ENOUGH_FOR_1 = 100_000
RATES = {
    "pop_ad_id": ("ad_id", 5),
    "pop_document_id": ("doc_id", 5),
    "pop_publisher_id": ("doc_ad_publisher_id", 10),
    "pop_source_id": ("doc_ad_source_id", 10),
    "pop_advertiser_id": ("ad_advertiser", 10),
    "pop_campain_id": ("campaign_id", 10),
}
"""Feature -> column, and the views that are not yet enough. The names, misspelt ones too, are NVIDIA's."""
ASPECT_RATES = {"pop_category_id": 10, "pop_topic_id": 10, "pop_entity_id": 5}
"""Feature -> views that are not yet enough."""


def with_rates(engine: Engine, shown: ibis.Table, train: ibis.Table) -> ibis.Table:
    """`shown` with `pop_...`, `pop_..._conf`, and how often ad and document were shown."""
    for name, (column, too_few) in RATES.items():
        rates = engine.cache("rates", rates_of(train, column, too_few))
        renamed = rates.select(column, **{name: "rate", f"{name}_conf": "trust", f"#{name}.views": "views"})
        shown = joined(shown, renamed, [column])
    return shown.mutate(
        ad_views=shown["#pop_ad_id.views"],
        doc_views=shown["#pop_document_id.views"],
        pop_campain_id_conf_multipl=shown["pop_campain_id"] * shown["pop_campain_id_conf"],
    )


def rates_of(train: ibis.Table, column: str, too_few: int) -> ibis.Table:
    """`column`, rate, trust and views of each value with more views than `too_few`."""
    found = train.filter(train[column].notnull()).group_by(column)
    counted = found.aggregate(clicks=ibis._["clicked"].sum(), views=ibis._.count(), ads=ibis._["ad_id"].nunique())
    return _rated(counted, too_few).select(column, "rate", "trust", "views")


def aspect_rates(train: ibis.Table, aspect: ibis.Table, too_few: int, name: str) -> ibis.Table:
    """`doc_id` with `name`: its values' mean rate by trust times confidence; and `name`_conf, the largest of these."""
    ads = train.group_by(["doc_id", "ad_id"]).aggregate(clicks=ibis._["clicked"].sum(), views=ibis._.count())
    each = ads.inner_join(aspect, ads["doc_id"] == aspect["document_id"])
    counted = each.group_by("value").aggregate(
        clicks=each["clicks"].sum(),
        views=each["views"].sum(),
        ads=each["ad_id"].nunique(),
        meant=(each["confidence"] * each["views"]).sum(),
    )
    rated = _rated(counted, too_few)
    rated = rated.select("value", "rate", trust=rated["trust"] * rated["meant"] / rated["views"])
    known = aspect.inner_join(rated, "value")
    weight: Any = known["trust"] * known["confidence"]
    known = known.mutate(weight=weight, weighted=known["rate"] * weight)
    return (
        known.group_by("document_id")
        .aggregate(
            **{name: known["weighted"].sum() / known["weight"].sum().nullif(0), f"{name}_conf": known["weight"].max()}
        )
        .rename(doc_id="document_id")
    )


def _rated(counted: ibis.Table, too_few: int) -> ibis.Table:
    """With rate and trust, of the values with more views than `too_few`."""
    sample = counted["views"] / counted["ads"]
    trust = (sample >= _ENOUGH_FOR_1).ifelse(1.0, (sample + 1).ln() / math.log2(1 + _ENOUGH_FOR_1))
    rated = counted.mutate(rate=counted["clicks"] / counted["views"], trust=trust)
    return rated.filter(rated["views"] > too_few)
