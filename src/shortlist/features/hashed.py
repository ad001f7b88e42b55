"""Hashed: one value of very many, without a vocabulary.

Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009; without the sign,
for rows are embedded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from shortlist.features.base import FeatureTransform
from shortlist.features.rows import Ints
from shortlist.features.statistics import Need, Statistics
from shortlist.features.values import as_text
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


@dataclass(frozen=True)
class Hashed(FeatureTransform):
    """1 + BLAKE2b-64 of the value's text (UTF-8, digest read as little-endian) modulo `buckets`; missing: 0.

    Equal on every machine and in every version of Python. Empty text is a value like any other.
    """

    buckets: int

    kind: ClassVar[str] = "hashed"

    @classmethod
    def need(cls, spec: recipe.Hashed) -> Need:
        """Nothing: the state is the number of buckets."""
        return Need("nothing")

    @classmethod
    def fit(cls, side: Side, name: str, spec: recipe.Hashed, statistics: Statistics) -> Self:
        """As the recipe says."""
        return cls(f"{side}.{name}", spec.column or name, spec.buckets)

    def columns(self) -> tuple[Column, ...]:
        """One field of `buckets` rows and the one for missing values."""
        return (Column(name=self.name, side=self.side, kind=Kind.FIELD, size=1 + self.buckets),)

    def apply(self, values: pa.Array) -> list[Ints]:
        """Hash each distinct value once."""
        return [bucket_rows(as_text(values), self.buckets)]


def bucket_rows(texts: pa.Array, buckets: int) -> Ints:
    """Row of each text (n,), from 1 on; 0 for null."""
    coded = texts.dictionary_encode(null_encoding="encode")
    row_of_code = np.array([_row(text, buckets) for text in coded.dictionary.to_pylist()], np.int32)
    rows_n: Ints = row_of_code[coded.indices.to_numpy()]
    return rows_n


def _row(text: str | None, buckets: int) -> int:
    return 0 if text is None else 1 + text_hash(text) % buckets


def text_hash(text: str) -> int:
    """BLAKE2b-64 of the text in UTF-8, its digest read as little-endian: from 0 to 2^64 - 1."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
