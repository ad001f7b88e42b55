"""Inference: which features a table offers, with the reason for each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shortlist.recipe.features import Categorical, Feature, Hashed, MultiHot, Numeric, Timestamp
from shortlist.tables.profile import ColumnProfile

_FEW = 50
"""Up to this many different values are categories, be they numbers or text."""
_RETURNS = 10
"""Text whose values come back this often on average is worth a vocabulary; else it is hashed."""
_LARGEST_VOCABULARY = 100_000
_ALMOST_ALL = 0.9
_PROSE_WORDS = 3.0
_MOST_BUCKETS = 2**20


@dataclass(frozen=True, slots=True)
class Inferred:
    """What a column is taken for."""

    feature: Feature | None
    """None: it is left out."""
    reason: str

    def line(self, name: str) -> str:
        """For a person: `genres -> multi_hot: parted by "|", 18 values`."""
        return f"{name} -> {self.feature.kind if self.feature else 'left out'}: {self.reason}"


def infer_features(profiles: Iterable[ColumnProfile]) -> dict[str, Inferred]:
    """A feature, or a reason against one, for each column.

    Leave out beforehand what plays another part: ids, timestamp, weight, and whatever a target is computed from.
    """
    return {column.name: _infer(column) for column in profiles}


def time_feature(column: str) -> Inferred:
    """The context feature of the log's timestamp."""
    return Inferred(Timestamp(column=column), "hour, weekday and month of the event")


def _infer(column: ColumnProfile) -> Inferred:
    if column.present == 0:
        return Inferred(None, "it is empty")
    if column.type == "list":
        return _infer_list(column)
    if column.distinct == 1:
        return Inferred(None, "it has one value only")
    if column.type == "text":
        return _infer_text(column)
    if column.type in ("integer", "float"):
        return _infer_number(column)
    if column.type == "boolean":
        return Inferred(Categorical(), "yes or no")
    if column.type in ("date", "timestamp"):
        return Inferred(None, 'a time; kind = "timestamp" takes its hour, weekday and month')
    return Inferred(None, "no feature is made of its type")


def _infer_list(column: ColumnProfile) -> Inferred:
    if any(isinstance(value, float) for values in column.examples for value in values):
        return Inferred(None, "lists of numbers with fractions, such as embeddings")
    return Inferred(MultiHot(), "it holds lists")


def _infer_number(column: ColumnProfile) -> Inferred:
    if column.is_integer and column.distinct <= _FEW:
        return Inferred(Categorical(), f"{column.distinct} different whole numbers")
    if column.is_integer and column.distinct >= column.rows and _is_dense(column):
        return Inferred(None, "it numbers the rows")
    if column.mean and column.deviation and column.minimum >= 0 and column.deviation > column.mean:
        return Inferred(
            Numeric(transform="log"),
            f"skewed: from {column.minimum:g} to {column.maximum:g}, {column.mean:.3g} on average",
        )
    return Inferred(Numeric(), f"from {column.minimum:g} to {column.maximum:g}")


def _is_dense(column: ColumnProfile) -> bool:
    """Whether whole numbers fill at least half of their range, as ids and positions do."""
    return bool(column.maximum - column.minimum < 2 * column.distinct)


_OTHER_DATE = re.compile(r"\s*\d{1,2}([./-])\d{1,2}\1\d{2,4}\b")
"""Day and month in either order: which of the two comes first cannot be told from the form."""


def _infer_text(column: ColumnProfile) -> Inferred:
    look = column.text
    if look is None:
        raise ValueError(f"the profile of the text column {column.name!r} lacks a look at its text")
    if look.addresses > 0.5:
        return Inferred(None, "web or mail addresses")
    if column.examples and all(_OTHER_DATE.match(str(example)) for example in column.examples):
        return Inferred(None, f"dates that are not in ISO form ({column.examples[0]}): write them as 2024-05-31 06:53")
    if look.separator:
        return Inferred(MultiHot(separator=look.separator), f'parted by "{look.separator}", {look.values:,} values')
    if column.distinct > _FEW and column.distinct >= _ALMOST_ALL * column.present:
        return Inferred(None, "another text in almost every row")
    if look.words > _PROSE_WORDS and column.distinct > _FEW:
        return Inferred(None, f"prose, {look.words:.0f} words on average")
    returns = column.present / column.distinct
    if column.distinct <= _FEW or (returns >= _RETURNS and column.distinct <= _LARGEST_VOCABULARY):
        return Inferred(Categorical(), f"{column.distinct:,} values")
    buckets = min(1 << (column.distinct - 1).bit_length(), _MOST_BUCKETS)
    return Inferred(Hashed(buckets=buckets), f"{column.distinct:,} values, each in {returns:.1f} rows on average")
