"""A pseudo-random number of integer columns, the same in every engine: arithmetic that no engine overflows."""

from __future__ import annotations

import ibis

PRIME = 2**31 - 1
_FACTORS = (1_103_515_245, 742_938_285)
_ROUNDS = ((630_360_016, 12_345), (950_706_376, 7_654_321), (16_807, 1_234_567))


def pseudo_random(*columns: ibis.Value, seed: int) -> ibis.Value:
    """int64 in [0, PRIME), fixed by the values of one or two columns (not negative) and the seed.

    A congruential step alone would shift all users' orders by a constant. Each round's product mixes them; of fewer
    rounds a trace is left between neighbouring users. Every product is below 2^62.
    """
    state = ibis.literal((seed * 7_919 + 12_345) % PRIME, type="int64")
    for column, factor in zip(columns, _FACTORS[: len(columns)], strict=True):
        state = (state + column.cast("int64") % PRIME * factor) % PRIME
    for factor, shift in _ROUNDS:
        state = (state * factor + shift) % PRIME
        state = (state * ((state + shift) % PRIME)) % PRIME
    return state
