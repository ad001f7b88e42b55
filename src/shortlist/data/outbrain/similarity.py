"""How much two documents, or a user and a document, have in common: cosines of their topics, categories and entities.

A document's value weighs its confidence times log(documents / documents with the value); a user's weighs the same,
added up over the pages that were read before the display. As in NVIDIA/DeepLearningExamples,
TensorFlow/Recommendation/WideAndDeep/preproc/preproc2.py and preproc3.py, but for two things: a user's pages there are
those of all days, later ones too, and documents weigh by log(log(...)), which has no value for a frequent one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis

from shortlist.tables.counting import count_rows
from shortlist.tables.engine import Engine


@dataclass(frozen=True)
class Aspect:
    """One sort of what documents are about."""

    weights: ibis.Table
    """document_id, value, weight."""
    values: int
    """How many values there are."""

    @classmethod
    def of(cls, engine: Engine, aspect: ibis.Table, documents: int) -> Aspect:
        """From document_id, value, confidence, in a collection of so many documents."""
        found = aspect.group_by("value").aggregate(having=ibis._["document_id"].nunique())
        rarity = (ibis.literal(float(documents)) / found["having"]).ln()
        rare = found.select("value", rarity=rarity)
        joined = aspect.inner_join(rare, "value")
        weights = joined.group_by(["document_id", "value"]).aggregate(
            weight=(joined["confidence"] * joined["rarity"]).sum()
        )
        return cls(engine.cache("weights", weights), count_rows(engine, found))

    def similar_documents(self, pairs: ibis.Table, name: str) -> ibis.Table:
        """`pairs` of doc_event_id and doc_id, each once, with their cosine; missing where one of them has no value."""
        page = self.weights.rename(doc_event_id="document_id")
        return self._cosines(pairs, page, "doc_event_id", name)

    def similar_to_user(self, pairs: ibis.Table, read: ibis.Table, name: str) -> ibis.Table:
        """`pairs` of display_id and doc_id, each once, with the cosine, and how far to trust it.

        `read`: display_id and document_id, a row for each page that the user had read before.
        """
        pages = read.inner_join(self.weights, "document_id")
        user = pages.group_by(["display_id", "value"]).aggregate(weight=pages["weight"].sum())
        return self._cosines(pairs, user, "display_id", name, trust=True)

    def _cosines(self, pairs: ibis.Table, left: ibis.Table, key: str, name: str, trust: bool = False) -> ibis.Table:
        right = self.weights.rename(doc_id="document_id")
        both = pairs.inner_join(left.select(key, "value", left="weight"), key)
        both = both.inner_join(right.select("doc_id", "value", right="weight"), ["doc_id", "value"])
        common = both.group_by([key, "doc_id"]).aggregate(dot=(both["left"] * both["right"]).sum(), common=both.count())
        found = pairs.inner_join(_lengths(left, key, "left"), key).inner_join(
            _lengths(right, "doc_id", "right"), "doc_id"
        )
        found = found.left_join(common, [key, "doc_id"])
        dot, shared = ibis.coalesce(found["dot"], 0.0), ibis.coalesce(found["common"], 0)
        columns: dict[str, Any] = {name: dot / (found["left_length"] * found["right_length"]).nullif(0)}
        if trust:
            chance = found["left_values"] * found["right_values"] / float(self.values**2)
            columns[f"{name}_conf"] = (shared > 0).ifelse(1 - chance.pow(shared), chance)
        return found.select(key, "doc_id", **columns)


def _lengths(weights: ibis.Table, key: str, name: str) -> ibis.Table:
    """Euclidean length and number of values of each `key`."""
    found = weights.group_by(key)
    return found.aggregate(
        **{f"{name}_length": (weights["weight"] * weights["weight"]).sum().sqrt(), f"{name}_values": weights.count()}
    )
