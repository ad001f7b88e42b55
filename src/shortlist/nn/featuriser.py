"""From a batch to vectors: the embeddings of its fields, its bags pooled, its history pooled, its numbers.

Legend: B rows, F fields, N numbers, C vectors of a row (fields, bags, history), U histories, L history length,
D embedding dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from shortlist.core.errors import UserError
from shortlist.core.settings import Settings
from shortlist.core.suggest import did_you_mean
from shortlist.nn.batch import Bag, Batch
from shortlist.nn.embedding import StackedEmbedding
from shortlist.schema import Column, Inputs

Positive = Annotated[int, Field(ge=1)]


class EmbeddingSettings(Settings):
    """Settings of models that look values up in tables."""

    embedding_dim: int = Field(16, ge=1)
    """Width of each feature's embedding."""
    embedding_std: float = Field(0.01, gt=0)
    """Standard deviation of the values that embeddings begin with. Those of rare values stay near it, and are noise."""
    compress: dict[str, Positive] = {}  # noqa: RUF012  # pydantic copies a mutable default
    """Columns that share rows between their values, each with a number of remainders, such as `{"user.id" = 1000}`:
    n values then take n / 1000 + 1000 rows instead of n."""


class MixedEmbeddingSettings(EmbeddingSettings):
    """Settings of models whose columns may differ in width."""

    embedding_dims: dict[str, Positive] = {}  # noqa: RUF012
    """Columns of another width than `embedding_dim`, such as `{"item.genres" = 4}`."""


class Embeddings(nn.Module):
    """The tables of all the given columns: one stacked table for each dim among them."""

    def __init__(self, columns: Sequence[Column], settings: EmbeddingSettings, zeros: int = 0) -> None:
        """The last `zeros` columns of every table begin at 0."""
        super().__init__()
        dims = settings.embedding_dims if isinstance(settings, MixedEmbeddingSettings) else {}
        names = [column.name for column in columns]
        for setting, given in (("embedding_dims", dims), ("compress", settings.compress)):
            for name in given:
                if name not in names:
                    raise UserError(f"{setting} names {name!r}, no such column.{did_you_mean(name, names)}")
        self.dims = {name: dims.get(name, settings.embedding_dim) for name in names}
        by_dim: dict[int, list[Column]] = {}
        for column in columns:
            by_dim.setdefault(self.dims[column.name], []).append(column)
        self.tables = nn.ModuleDict(
            {
                str(dim): StackedEmbedding(of, dim, settings.embedding_std, settings.compress, zeros)
                for dim, of in by_dim.items()
            }
        )

    def of(self, column: Column) -> StackedEmbedding:
        """The table that holds a column."""
        table = self.tables[str(self.dims[column.name])]
        assert isinstance(table, StackedEmbedding)
        return table

    def fields(self, ids_BF: Tensor, columns: Sequence[Column]) -> list[Tensor]:
        """vectors_BFD of each dim among the columns, by one gather each."""
        widths = [self.dims[column.name] for column in columns]
        vectors = []
        for dim in dict.fromkeys(widths):
            places = [i for i, width in enumerate(widths) if width == dim]
            some = ids_BF if len(places) == len(columns) else ids_BF[:, places]
            vectors.append(self.of(columns[places[0]])(some, [columns[i] for i in places]))
        return vectors


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
        weight_BL = self.log_weight_L.exp().index_select(0, from_end_BL.flatten()).view_as(mask_BL) * mask_BL
        share_BL = weight_BL / weight_BL.sum(1, keepdim=True).clamp(min=torch.finfo(weight_BL.dtype).tiny)
        return torch.where(mask_BL, share_BL, 0.0)


class Featuriser(nn.Module):
    """Everything a batch offers as vectors; towers that share `embeddings` mean the same by a value."""

    def __init__(self, inputs: Inputs, settings: EmbeddingSettings, embeddings: Embeddings | None = None) -> None:
        super().__init__()
        self.inputs = inputs
        self.recency = RecencyWeights(inputs.history_length) if inputs.history is not None else None
        self.embeddings = embeddings if embeddings is not None else Embeddings(embedded(inputs), settings)
        looked_up = [*inputs.fields, *inputs.bags, *([inputs.history] if inputs.history is not None else [])]
        self.dim = settings.embedding_dim
        self.count = len(looked_up)
        """C: how many vectors a row has."""
        self.width = sum(self.embeddings.dims[column.name] for column in looked_up) + len(inputs.numbers)
        """Width of `forward`."""

    def forward(self, batch: Batch) -> Tensor:
        """All of it side by side, [B, width]."""
        parts = [vectors_BFD.flatten(1) for vectors_BFD in self._fields(batch)]
        parts += self._pooled(batch)
        if self.inputs.numbers:
            parts.append(batch.numbers_BN)
        return torch.cat(parts, dim=1)

    def vectors(self, batch: Batch) -> Tensor:
        """vectors_BCD of a model whose columns have one dim; the numbers are left to the model."""
        parts = [*self._fields(batch), *(vector_BD[:, None] for vector_BD in self._pooled(batch))]
        if not parts:
            return batch.numbers_BN.new_zeros(len(batch.numbers_BN), 0, self.dim)
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def _fields(self, batch: Batch) -> list[Tensor]:
        return self.embeddings.fields(batch.ids_BF, self.inputs.fields) if self.inputs.fields else []

    def _pooled(self, batch: Batch) -> list[Tensor]:
        """A vector [B, D] for each bag, and one for the history."""
        parts = [self.embeddings.of(column).pooled(batch.bags[column.name], column) for column in self.inputs.bags]
        if self.inputs.history is not None and self.recency is not None and batch.history is not None:
            events, column = batch.history.events, self.inputs.history
            pooled_UD = self.embeddings.of(column).weighted(events.values_BH, self.recency(events), column)
            parts.append(pooled_UD.index_select(0, batch.history.of_B))
        return parts


def embedded(*sides: Inputs) -> list[Column]:
    """Every column that the sides look up, each once."""
    columns = {column.name: column for inputs in sides for column in (*inputs.fields, *inputs.bags)}
    histories = {inputs.history.name: inputs.history for inputs in sides if inputs.history is not None}
    return list({**columns, **histories}.values())
