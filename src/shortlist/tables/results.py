"""Types of results."""

from __future__ import annotations

import ibis
import pyarrow as pa


def arrow_schema(expression: ibis.Table) -> pa.Schema:
    """The types that ibis says a result has. Engines stray: DuckDB adds up integers to decimals of 38 digits."""
    return expression.schema().to_pyarrow()
