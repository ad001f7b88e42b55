"""From a batch to vectors: the embeddings of its fields, its bags pooled, its history pooled, its numbers.

Legend: B rows, F fields, N numbers, C vectors of a row (fields, bags, history), U histories, L history length,
D embedding dim.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from shortlist.core.errors import UserError
from shortlist.core.settings import Settings
from shortlist.core.suggest import did_you_mean
from shortlist.nn.batch import Bag, Batch, History
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.history import ORDERED, Encoding, RecencyWeights, history_encoder
from shortlist.schema import Column, Inputs, Side
from shortlist.schema.columns import ITEM_ID

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
    indicators: tuple[str, ...] = ()
    """Columns of few values that have no embedding: the network is told which value it is, by a 1 among zeros."""


class Embeddings(nn.Module):
    """The tables of all the given columns: one stacked table for each dim among them."""

    def __init__(self, columns: Sequence[Column], settings: EmbeddingSettings, zeros: int = 0) -> None:
        """The last `zeros` columns of every table begin at 0."""
        super().__init__()
        dims = settings.embedding_dims if isinstance(settings, MixedEmbeddingSettings) else {}
        columns = [column for column in columns if column.name not in _indicators(settings)]
        names = [column.name for column in columns]
        for setting, given in (("embedding_dims", dims), ("compress", settings.compress)):
            for name in given:
                if name in _indicators(settings):
                    raise UserError(f"{setting} names {name!r}, which indicators names too, and so has no embedding")
                if name not in names:
                    raise UserError(f"{setting} names {name!r}, no such column.{did_you_mean(name, names)}")
        self.dims = {name: dims.get(name, settings.embedding_dim) for name in names}
        for column in columns:
            if column.side == Side.PAST and column.name in dims:
                raise UserError(
                    f"embedding_dims names {column.name!r}, whose width is that of the items it is added to"
                )
        # An event is the sum of what is known of it.
        past = {column.name: self.dims[ITEM_ID] for column in columns if column.side == Side.PAST}
        self.dims |= past
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


class Featuriser(nn.Module):
    """Everything a batch offers as vectors; towers that share `embeddings` mean the same by a value."""

    def __init__(
        self,
        inputs: Inputs,
        settings: EmbeddingSettings,
        embeddings: Embeddings | None = None,
        *,
        history: Encoding = "mean",
        without: Collection[str] = (),
    ) -> None:
        """`history` says how the history is read; `without` names fields that are passed over."""
        super().__init__()
        self.inputs = inputs
        self.embeddings = embeddings if embeddings is not None else Embeddings(embedded(inputs), settings)
        self.history = _Past(inputs, history, self.embeddings) if inputs.history is not None else None
        self.indicators = _Indicators(inputs, _indicators(settings))
        passed = {*self.indicators.places, *(i for i, column in enumerate(inputs.fields) if column.name in without)}
        self.fields = [place for place in range(len(inputs.fields)) if place not in passed]
        fields = [inputs.fields[place] for place in self.fields]
        looked_up = [*fields, *inputs.bags, *([inputs.history] if inputs.history is not None else [])]
        self.dim = settings.embedding_dim
        self.sides = [column.side for column in (*fields, *inputs.bags)] + [Side.USER] * (self.history is not None)
        """Whose each of the C vectors of a row is."""
        self.count = len(looked_up)
        """C: how many vectors a row has."""
        embedded_width = sum(self.embeddings.dims[column.name] for column in looked_up)
        self.width = embedded_width + self.indicators.width + len(inputs.numbers)
        """Width of `forward`."""

    def forward(self, batch: Batch) -> Tensor:
        """All of it side by side, [B, width]."""
        parts = [vectors_BFD.flatten(1) for vectors_BFD in self._fields(batch)]
        parts += self._pooled(batch)
        parts += self.indicators(batch)
        if self.inputs.numbers:
            parts.append(batch.numbers_BN)
        return torch.cat(parts, dim=1)

    def vectors(self, batch: Batch) -> Tensor:
        """vectors_BCD of a model whose columns have one dim; the numbers are left to the model."""
        parts = [*self._fields(batch), *(vector_BD[:, None] for vector_BD in self._pooled(batch))]
        if not parts:
            # Not len(): a traced model would take rows of that number alone.
            return batch.numbers_BN.new_zeros(batch.numbers_BN.shape[0], 0, self.dim)
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def _fields(self, batch: Batch) -> list[Tensor]:
        if not self.fields:
            return []
        ids_BF = batch.ids_BF if len(self.fields) == len(self.inputs.fields) else batch.ids_BF[:, self.fields]
        return self.embeddings.fields(ids_BF, [self.inputs.fields[place] for place in self.fields])

    def _pooled(self, batch: Batch) -> list[Tensor]:
        """A vector [B, D] for each bag, and one for the history."""
        parts = [self.embeddings.of(column).pooled(batch.bags[column.name], column) for column in self.inputs.bags]
        if self.history is not None and batch.history is not None:
            parts.append(self.history(batch, batch.history, self.embeddings))
        return parts


class _Indicators:
    """Fields as a 1 among zeros, as wide as they have values; a value out of vocabulary is all zeros."""

    def __init__(self, inputs: Inputs, names: Sequence[str]) -> None:
        fields = [column.name for column in inputs.fields]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise UserError(f"indicators names {name!r} twice")
            if inputs.history is not None and name == inputs.history.name:
                raise UserError(f"indicators names {name!r}, which the history embeds. Leave it out of indicators.")
            if name not in fields:
                raise UserError(
                    f"indicators names {name!r}, no column with one value of several.{did_you_mean(name, fields)}"
                )
        self.places = [fields.index(name) for name in names]
        self.columns = [inputs.fields[place] for place in self.places]
        self.width = sum(column.size - 1 for column in self.columns)

    def __call__(self, batch: Batch) -> list[Tensor]:
        """[B, size - 1] of each."""
        return [
            (batch.ids_BF[:, place, None] == _values(column, batch.ids_BF)).to(batch.numbers_BN.dtype)
            for place, column in zip(self.places, self.columns, strict=True)
        ]


def _values(column: Column, like: Tensor) -> Tensor:
    """Rows of the stacked space of every value of a column that is in its vocabulary."""
    return torch.arange(column.offset + 1, column.offset + column.size, dtype=like.dtype, device=like.device)


def _indicators(settings: EmbeddingSettings) -> tuple[str, ...]:
    return settings.indicators if isinstance(settings, MixedEmbeddingSettings) else ()


class _Past(nn.Module):
    """The history as one vector a row. The tables are handed in at each call: they are the featuriser's."""

    def __init__(self, inputs: Inputs, encoding: Encoding, embeddings: Embeddings) -> None:
        super().__init__()
        assert inputs.history is not None
        self.item = inputs.history
        self.past = inputs.past
        names = [column.name for column in inputs.fields]
        self.own_item = names.index(self.item.name) if self.item.name in names else None
        if encoding == "target_attention" and self.own_item is None:
            raise UserError(
                'history = "target_attention" compares events with the row\'s item, and rows have none here'
            )
        if encoding in ORDERED and not inputs.history_in_order:
            raise UserError(
                f'history = "{encoding}" goes by the order of events, and the log has no times: name a timestamp in '
                '[schema], or leave it at "mean"'
            )
        self.encoder = history_encoder(encoding, embeddings.dims[self.item.name], inputs.history_length)
        is_recent = self.encoder is None and inputs.history_in_order
        self.recency = RecencyWeights(inputs.history_length) if is_recent else None

    def forward(self, batch: Batch, history: History, embeddings: Embeddings) -> Tensor:
        """history_BD."""
        if self.recency is not None:
            weight_UL = self.recency(history.events)
            pooled_UD = embeddings.of(self.item).weighted(history.events.values_BH, weight_UL, self.item)
            return pooled_UD.index_select(0, history.of_B)
        if self.encoder is None:
            return embeddings.of(self.item).pooled(history.events, self.item).index_select(0, history.of_B)
        bags = [(Bag(ids_UL, history.events.length_B), column) for ids_UL, column in self._ids(history)]
        event_ULD = torch.stack([embeddings.of(column).sequence(bag, column) for bag, column in bags]).sum(0)
        encoded_BD: Tensor = self.encoder(event_ULD, history, self._candidate(batch, event_ULD, embeddings))
        return encoded_BD

    def _ids(self, history: History) -> list[tuple[Tensor, Column]]:
        """ids_UL of every column that tells of the events."""
        return [(history.events.values_BH, self.item), *zip(history.past(), self.past, strict=True)]

    def _candidate(self, batch: Batch, event_ULD: Tensor, embeddings: Embeddings) -> Tensor:
        """candidate_BD; nothing where rows have no item, and then no encoder asks for it."""
        if self.own_item is None:
            return event_ULD.new_zeros(0, event_ULD.shape[2])
        ids_B1 = batch.ids_BF[:, self.own_item, None]
        candidate_B1D: Tensor = embeddings.of(self.item)(ids_B1, [self.item])
        return candidate_B1D.squeeze(1)


def embedded(*sides: Inputs) -> list[Column]:
    """Every column that the sides look up, each once."""
    columns = {column.name: column for inputs in sides for column in (*inputs.fields, *inputs.bags, *inputs.past)}
    histories = {inputs.history.name: inputs.history for inputs in sides if inputs.history is not None}
    return list({**columns, **histories}.values())


def with_weights(inputs: Inputs, settings: EmbeddingSettings, outputs: int, history: Encoding) -> Featuriser:
    """A featuriser whose vectors are `outputs` columns wider than the settings say, which begin at 0.

    They hold the weights of a value by itself, for models that add those up: one gather brings both.
    """
    row = settings.model_copy(update={"embedding_dim": settings.embedding_dim + outputs})
    return Featuriser(inputs, row, Embeddings(embedded(inputs), row, zeros=outputs), history=history)
