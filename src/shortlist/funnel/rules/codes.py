"""The values of an item column as numbers. Legend: I item rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shortlist.core.errors import UserError
from shortlist.core.suggest import did_you_mean
from shortlist.features.rows import Ints
from shortlist.funnel.filters.columns import kind_of

_KINDS = ("text", "number", "truth value")


@dataclass(frozen=True, slots=True)
class Codes:
    """Which of the values each item has."""

    code_I: Ints
    """-1 where it is missing."""
    values: list[str | int | float | bool]

    @classmethod
    def of(cls, columns: pa.RecordBatch | None, name: str, rule: str) -> Codes:
        """Those of one stored column. UserError where there is no such one, or it has several values a row."""
        known = [] if columns is None else columns.schema.names
        if columns is None or name not in known:
            raise UserError(f"{rule}: the items have no column `{name}`.{did_you_mean(name, known)}")
        column = columns.column(name)
        if kind_of(column.type) not in _KINDS:
            raise UserError(f"{rule}: expected a column with one value for each item, found `{name}`: {column.type}")
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        code_I = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        return cls(code_I, coded.dictionary.to_pylist())
