"""The linear part of Wide & Deep: one weight for each value, and for each hashed cross of values.

Legend: B rows, F fields, N numbers, H hotness, C values of a crossed column, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from shortlist.core.errors import UserError
from shortlist.core.settings import Settings
from shortlist.core.suggest import did_you_mean
from shortlist.nn.batch import Bag, Batch
from shortlist.nn.embedding import StackedEmbedding, summed
from shortlist.nn.groups import Wide
from shortlist.schema import Column, Inputs, Kind, Side

HISTORY = "history"
# Odd primes below 2**31: a product of one with an int32 id stays below 2**62, so no engine has to agree on overflow.
_PRIMES = (1_000_000_007, 998_244_353, 1_999_999_973, 1_610_612_741)


class CrossSettings(Settings):
    """Settings of models with a linear part."""

    crosses: tuple[tuple[str, ...], ...] = ()
    """Columns whose values are crossed in the linear part, such as `["user.gender", "item.genres"]`; `history` stands
    for the items of the user's history."""
    cross_buckets: int = Field(2**18, ge=1)
    """Rows that the values of each cross are hashed to."""


class LinearPart(Wide):
    """Sum of the weights of every field, bag value (summed), number, and cross; logits_BO."""

    def __init__(self, inputs: Inputs, settings: CrossSettings, outputs: int) -> None:
        super().__init__()
        crosses, buckets = settings.crosses, settings.cross_buckets
        self.inputs = inputs
        self.table = StackedEmbedding([*inputs.fields, *inputs.bags], outputs, std=0.0)
        # Not nn.Linear, which warns of a schema without numbers.
        self.weight_NO = nn.Parameter(torch.zeros(len(inputs.numbers), outputs))
        self.bias_O = nn.Parameter(torch.zeros(outputs))
        columns = [
            Column(name=" x ".join(cross), side=Side.CONTEXT, kind=Kind.BAG, size=buckets, offset=i * buckets)
            for i, cross in enumerate(crosses)
        ]
        self.crosses = [(Cross(cross, inputs, buckets), column) for cross, column in zip(crosses, columns, strict=True)]
        self.cross_table = StackedEmbedding(columns, outputs, std=0.0) if columns else None

    def forward(self, batch: Batch) -> Tensor:
        """logits_BO."""
        logits_BO = batch.numbers_BN @ self.weight_NO + self.bias_O
        if self.inputs.fields:
            logits_BO = logits_BO + summed(self.table(batch.ids_BF, self.inputs.fields))
        for column in self.inputs.bags:
            logits_BO = logits_BO + self.table.pooled(batch.bags[column.name], column, mean=False)
        if self.cross_table is not None:
            for cross, column in self.crosses:
                bag = cross(batch)
                moved = Bag(bag.values_BH + column.offset, bag.length_B)
                # Divided by the root of the count so that a long history does not drown the other weights.
                scale_B = bag.length_B.clamp(min=1).sqrt()
                logits_BO = logits_BO + self.cross_table.pooled(moved, column, mean=False) / scale_B[:, None]
        return logits_BO


class Cross:
    """The hashed cross product of two or more columns; one of them may be a bag, or the history."""

    def __init__(self, names: Sequence[str], inputs: Inputs, buckets: int) -> None:
        fields = {column.name: i for i, column in enumerate(inputs.fields)}
        bags = [column.name for column in inputs.bags] + ([HISTORY] if inputs.history is not None else [])
        for name in names:
            if name not in fields and name not in bags:
                raise UserError(
                    f"the cross of {list(names)} names {name!r}, no such column.{did_you_mean(name, [*fields, *bags])}"
                )
        several = [name for name in names if name in bags]
        if not 2 <= len(names) <= len(_PRIMES) or len(several) > 1:
            raise UserError(
                f"a cross takes 2 to {len(_PRIMES)} columns, at most one of them a bag or the history; "
                f"found {list(names)}"
            )
        self.fields = [fields[name] for name in names if name in fields]
        self.bag = several[0] if several else None
        self.buckets = buckets

    def __call__(self, batch: Batch) -> Bag:
        """Rows 0 … buckets - 1 of each crossed value, as a bag of hotness 1 where no column is a bag."""
        if self.bag is None:
            bag = Bag(batch.ids_BF[:, self.fields[:1]], torch.ones_like(batch.ids_BF[:, 0]))
            rest = self.fields[1:]
        else:
            bag, rest = self._bag(batch, self.bag), self.fields
        mixed_BC = bag.values_BH.long() * _PRIMES[0]
        for prime, place in zip(_PRIMES[1:], rest, strict=False):
            mixed_BC = (mixed_BC + batch.ids_BF[:, place, None].long() * prime) % _PRIMES[3]
        # A second multiplication spreads ids that are close to one another over distant buckets.
        spread_BC = mixed_BC * _PRIMES[0] % _PRIMES[1]
        return Bag((spread_BC % self.buckets).int(), bag.length_B)

    @staticmethod
    def _bag(batch: Batch, name: str) -> Bag:
        if name != HISTORY:
            return batch.bags[name]
        assert batch.history is not None, "the model was built for histories, the batch has none"
        return batch.history.per_row()
