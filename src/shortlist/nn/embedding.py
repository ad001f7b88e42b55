"""Embedding tables: one stacked table for all columns of one dim, one gather for a batch.

Legend: B rows, F fields, H hotness, D embedding dim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist.core.errors import UserError
from shortlist.nn.batch import Bag
from shortlist.nn.beginning import Beginning
from shortlist.nn.mapped import mapped_table, table_weight
from shortlist.nn.sharded import sharded_table, sharded_weight
from shortlist.schema import Column

NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column's rows lie in a stacked table."""

    start: int
    """Its first row; of a compressed column that of its quotients."""
    offset: int
    """Its first row in the schema's whole stacked space."""
    remainders: int = 0
    """How many rows stand for the remainders of a compressed column; 0 for one row a value."""
    remainder_start: int = 0
    """The first of them."""


class StackedEmbedding(nn.Module):
    """One table that holds the rows of all the given columns, one after another.

    Prepared ids are rows of the schema's whole stacked space; a model that uses only some of its columns keeps only
    their rows, and shifts each column's ids to them.

    A column in `compress` has no row for each of its n values, but n / m rows for the quotients and m for the
    remainders of their division by m, and a value's vector is the product of its two: Shi et al., Compositional
    Embeddings Using Complementary Partitions for Memory-Efficient Recommendation Systems, KDD 2020.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        dim: int,
        std: float = 0.01,
        compress: Mapping[str, int] = NONE,
        zeros: int = 0,
    ) -> None:
        """Values begin normal, with the standard deviation `std`; those of the last `zeros` columns begin at 0."""
        super().__init__()
        self.places: dict[str, Place] = {}
        rows = 0
        for column in columns:
            place, size = _place(column, rows, compress.get(column.name, 0))
            self.places[column.name] = place
            rows += size
        # A product of two numbers near 0 is next to nothing: one of the factors begins around 1.
        around_one = tuple(
            range(place.remainder_start, place.remainder_start + place.remainders)
            for place in self.places.values()
            if place.remainders
        )
        seed = int(torch.randint(2**62, ()))
        beginning = Beginning(seed=seed, std=std, zeros=zeros, around_one=around_one)
        weight = sharded_weight(rows, dim, [place.start for place in self.places.values()], beginning)
        if weight is None:
            weight = table_weight(rows, dim, beginning)
        self.table = nn.Embedding(len(weight), dim, _weight=weight)
        self.table.weight = weight

    def forward(self, ids: Tensor, columns: Sequence[Column]) -> Tensor:
        """Vectors [..., F, D] of ids [..., F], the last axis going over `columns`."""
        places = [self.places[column.name] for column in columns]
        if not any(place.remainders for place in places):
            return self._rows(ids + _along(ids, [place.start - place.offset for place in places]))
        local = ids - _along(ids, [place.offset for place in places])
        divisor = _along(ids, [place.remainders or 1 for place in places])
        quotient = local.div(divisor, rounding_mode="floor") + _along(ids, [place.start for place in places])
        factors = self._rows(quotient).unbind(-2)
        remainder = local.remainder(divisor) + _along(ids, [place.remainder_start for place in places])
        return torch.stack(
            [
                factor * self._rows(remainder[..., i]) if place.remainders else factor
                for i, (factor, place) in enumerate(zip(factors, places, strict=True))
            ],
            dim=-2,
        )

    def pooled(self, bag: Bag, column: Column, mean: bool = True) -> Tensor:
        """Mean or sum [B, D] of a bag's vectors; zeros for an empty bag."""
        mask_BH = bag.mask_BH()
        weight_BH = mask_BH.to(self.table.weight.dtype)
        if mean:
            weight_BH = weight_BH / bag.length_B.clamp(min=1)[:, None]
        return self.weighted(bag.values_BH, weight_BH, column)

    def weighted(self, values_BH: Tensor, weight_BH: Tensor, column: Column) -> Tensor:
        """Sum [B, D] of the values' vectors, each by its weight; a value of weight 0 may be anything."""
        place = self.places[column.name]
        known_BH = torch.where(weight_BH != 0, values_BH, self._padding(values_BH, weight_BH, place.offset))
        # ONNX has no bag operator, and a bag operator knows no products: a gather and a weighted sum say the same.
        if place.remainders:
            vectors_BHD: Tensor = self(known_BH[..., None], [column]).squeeze(-2)
            return summed(vectors_BHD * weight_BH[..., None])
        shift = place.start - place.offset
        rows_BH = known_BH + shift if shift else known_BH
        if torch.compiler.is_exporting():
            return _weighted_sum(self._rows(rows_BH), weight_BH)
        table, place_BH = self._held(rows_BH)
        return functional.embedding_bag(
            place_BH,
            table,
            mode="sum",
            per_sample_weights=weight_BH,
            sparse=self.table.sparse,
        )

    def sequence(self, bag: Bag, column: Column, scale: float = 1.0) -> Tensor:
        """Vectors [B, H, D] of a bag's values in their order, each times `scale`; 0 beyond them."""
        mask_BH = bag.mask_BH()
        weight_BH = mask_BH.to(self.table.weight.dtype) * scale
        place = self.places[column.name]
        known_BH = torch.where(mask_BH, bag.values_BH, self._padding(bag.values_BH, weight_BH, place.offset))
        vectors_BHD: Tensor = self(known_BH[..., None], [column]).squeeze(-2)
        return vectors_BHD * weight_BH[..., None]

    def _padding(self, values_BH: Tensor, weight_BH: Tensor, offset: int) -> Tensor | int:
        """What stands for values of weight 0: in training one that the batch has, so that no other row is touched."""
        if not self.training or weight_BH.numel() == 0:
            return offset
        first = (weight_BH != 0).flatten().int().argmax()
        value, weight = values_BH.flatten()[first], weight_BH.flatten()[first]
        return torch.where(weight != 0, value, offset)

    def _rows(self, rows: Tensor) -> Tensor:
        """The table's rows [..., D] of their numbers [...]."""
        table, place = self._held(rows)
        return functional.embedding(place, table, sparse=self.table.sparse)

    def _held(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """A table that has the rows, and where each is in it: the whole one, or where it is sharded the rows alone."""
        weight = self.table.weight
        sharded = sharded_table(weight)
        if sharded is not None:
            return sharded.found(rows, learn=self.training)
        mapped = mapped_table(weight) if self.training else None
        if mapped is not None:
            # Its rows take their initial values when training first meets them.
            mapped.begin(rows)
        return weight, rows


def summed(vectors_BHD: Tensor) -> Tensor:
    """Their sum [B, D]."""
    if torch.compiler.is_exporting() and vectors_BHD.shape[-1] == 1:
        # ONNX Runtime adds up the rows of a matrix many times as fast as the same numbers along a middle axis.
        return vectors_BHD.squeeze(-1).sum(1, keepdim=True)
    return vectors_BHD.sum(1)


def _weighted_sum(vectors_BHD: Tensor, weight_BH: Tensor) -> Tensor:
    """The sum [B, D] of vectors, each by its weight, as ONNX Runtime computes it soonest."""
    if vectors_BHD.shape[-1] == 1:
        return summed(vectors_BHD * weight_BH[..., None])
    # One product a row reads the vectors once; multiplied first and added up then they are written and read again.
    return torch.bmm(weight_BH[:, None], vectors_BHD).squeeze(1)


def _place(column: Column, start: int, remainders: int) -> tuple[Place, int]:
    """Where a column goes that begins at row `start`, and how many rows it takes."""
    if not remainders:
        return Place(start, column.offset), column.size
    quotients = -(-column.size // remainders)
    if quotients + remainders >= column.size:
        raise UserError(
            f"compress: {column.name} has {column.size:,} values, and {remainders:,} remainders with {quotients:,} "
            f"quotients would save nothing. About {round(column.size**0.5):,} remainders save most; leave columns of "
            "few values out."
        )
    return Place(start, column.offset, remainders, start + quotients), quotients + remainders


def _along(ids: Tensor, values: Sequence[int]) -> Tensor:
    """The values as a row beside ids, one for each of its columns."""
    return torch.tensor(values, dtype=ids.dtype, device=ids.device)
