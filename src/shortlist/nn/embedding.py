"""Embeddings: one stacked table for all columns of one dim, one gather for a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist.nn.batch import Bag, Batch
from shortlist.schema import Column, Inputs


class StackedEmbedding(nn.Module):
    """One table that holds the rows of all the given columns, one after another.

    Prepared ids are rows of the schema's whole stacked space; a model that uses only some of its columns keeps only
    their rows, and shifts each column's ids to them.
    """

    def __init__(self, columns: Sequence[Column], dim: int, std: float = 0.05) -> None:
        super().__init__()
        shifts: dict[str, int] = {}
        rows = 0
        for column in columns:
            shifts[column.name] = rows - column.offset
            rows += column.size
        self.shifts = shifts
        self.table = nn.Embedding(rows, dim)
        nn.init.normal_(self.table.weight, std=std)

    def forward(self, ids: Tensor, columns: Sequence[Column]) -> Tensor:
        """Vectors [..., F, D] of ids [..., F], the last axis going over `columns`."""
        shift_F = torch.tensor([self.shifts[c.name] for c in columns], dtype=ids.dtype, device=ids.device)
        vectors: Tensor = self.table(ids + shift_F)
        return vectors

    def pooled(self, bag: Bag, column: Column, mean: bool = True) -> Tensor:
        """Mean or sum [B, D] of a bag's vectors; zeros for an empty bag."""
        mask_BH = bag.mask_BH()
        weight_BH = mask_BH.to(self.table.weight.dtype)
        if mean:
            weight_BH = weight_BH / bag.length_B.clamp(min=1)[:, None]
        return self.weighted(bag.values_BH, weight_BH, column)

    def weighted(self, values_BH: Tensor, weight_BH: Tensor, column: Column) -> Tensor:
        """Sum [B, D] of the values' vectors, each by its weight; a value of weight 0 may be anything."""
        row_BH = torch.where(weight_BH != 0, values_BH + self.shifts[column.name], 0)
        if torch.compiler.is_exporting():
            # ONNX has no bag operator: a gather and a weighted sum say the same.
            vectors_BHD: Tensor = self.table(row_BH)
            return (vectors_BHD * weight_BH[..., None]).sum(1)
        return functional.embedding_bag(
            row_BH, self.table.weight, mode="sum", per_sample_weights=weight_BH, sparse=self.table.sparse
        )


class RecencyWeights(nn.Module):
    """How much each event of a history counts by its place from the end; learned, and a plain mean to begin with."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.log_weight_L = nn.Parameter(torch.zeros(length))

    def forward(self, history: Bag) -> Tensor:
        """weight_BL: sums to 1 over each history's events; 0 beyond them, even of a model that has diverged."""
        place_L = torch.arange(history.values_BH.shape[1], device=history.length_B.device)
        from_end_BL = (history.length_B[:, None] - 1 - place_L).clamp(min=0)
        mask_BL = history.mask_BH()
        weight_BL = self.log_weight_L.exp()[from_end_BL] * mask_BL
        share_BL = weight_BL / weight_BL.sum(1, keepdim=True).clamp(min=torch.finfo(weight_BL.dtype).tiny)
        return torch.where(mask_BL, share_BL, 0.0)


class Featuriser(nn.Module):
    """Everything a batch offers as one vector a row: field embeddings, bag means, pooled history, numbers."""

    def __init__(self, inputs: Inputs, dim: int, table: StackedEmbedding | None = None) -> None:
        super().__init__()
        self.inputs = inputs
        columns = [*inputs.fields, *inputs.bags]
        known = {column.name for column in columns}
        if inputs.history is not None and inputs.history.name not in known:
            columns.append(inputs.history)
        self.recency = RecencyWeights(inputs.history_length) if inputs.history is not None else None
        self.embedding = table if table is not None else StackedEmbedding(columns, dim)
        pooled = len(inputs.bags) + (inputs.history is not None)
        self.width = dim * (len(inputs.fields) + pooled) + len(inputs.numbers)

    def forward(self, batch: Batch) -> Tensor:
        """[B, width]."""
        parts = []
        if self.inputs.fields:
            parts.append(self.embedding(batch.ids_BF, self.inputs.fields).flatten(1))
        parts += [self.embedding.pooled(batch.bags[column.name], column) for column in self.inputs.bags]
        if self.inputs.history is not None and self.recency is not None and batch.history is not None:
            events = batch.history.events
            pooled_UD = self.embedding.weighted(events.values_BH, self.recency(events), self.inputs.history)
            parts.append(pooled_UD.index_select(0, batch.history.of_B))
        if self.inputs.numbers:
            parts.append(batch.numbers_BN)
        return torch.cat(parts, dim=1)
