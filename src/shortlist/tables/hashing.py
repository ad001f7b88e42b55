"""Hashes of columns: a pseudo-random number that is the same in every engine, and each engine's own hash of a row."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import ibis
import ibis.expr.datatypes as dt

PRIME = 2**31 - 1
_FACTORS = (1_103_515_245, 742_938_285)
_ROUNDS = ((630_360_016, 12_345), (950_706_376, 7_654_321), (16_807, 1_234_567))


def pseudo_random(*columns: ibis.Value, seed: int) -> ibis.Value:
    """int64 in [0, PRIME), fixed by the values of one or two columns (not negative) and the seed.

    A congruential step alone would shift all users' orders by a constant. Each round's product mixes them; of fewer
    rounds a trace is left between neighbouring users. No engine overflows: every product is below 2^62.
    """
    state = ibis.literal((seed * 7_919 + 12_345) % PRIME, type="int64")
    for column, factor in zip(columns, _FACTORS[: len(columns)], strict=True):
        state = (state + column.cast("int64") % PRIME * factor) % PRIME
    for factor, shift in _ROUNDS:
        state = (state * factor + shift) % PRIME
        state = (state * ((state + shift) % PRIME)) % PRIME
    return state


def one_in(step: int, positions: ibis.Value) -> ibis.Value:
    """Whether a row is among about one in `step`, by its position: evenly spread, also over what repeats in the log."""
    return positions % PRIME * _FACTORS[0] % PRIME < PRIME // step


def row_hash(table: ibis.Table, columns: Sequence[str], function: str) -> ibis.Value:
    """An integer, never null, that rows with equal values in these columns share: the engine's `hash_function`.

    It says which rows may be equal, and nothing that is kept may depend on it: engines differ. ibis has a hash of one
    column, but for DuckDB it goes by way of text.
    """
    values = {f"c{place}": table[name] for place, name in enumerate(columns)}

    def hashed() -> None:
        """The engine has it."""

    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in values]
    hashed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # where ibis looks for names
    types = tuple(value.type() for value in values.values())
    return ibis.udf.scalar.builtin(hashed, name=function, signature=(types, dt.int64))(*values.values())
