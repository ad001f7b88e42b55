"""A small made-up schema with every kind of column, and rows of it: what the contract suites feed a model.

Legend: B rows, F fields, N numbers, H hotness, L history length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.core.seeding import stream
from shortlist.features.pairs import Pairs
from shortlist.features.rows import FeatureRows, FeatureTable, HistoryRows, Ints, PaddedBag, RaggedBag
from shortlist.schema import Column, Inputs, Kind, Schema, Side, Target
from shortlist.schema.columns import ROW_SIDES, stacked

HISTORY = 6
"""Most events of a history in the made-up inputs."""


def toy_schema(targets: tuple[str, ...] = ("liked", "bought")) -> Schema:
    """Users, context and items in time, with columns of every kind, and binary targets."""
    columns = (
        _column("user.id", Kind.FIELD, size=40),
        _column("user.gender", Kind.FIELD, size=3),
        _column("user.age", Kind.NUMBER),
        _column("context.hour", Kind.FIELD, size=25),
        _column("item.id", Kind.FIELD, size=50),
        _column("item.genres", Kind.BAG, size=8, hotness=4),
        _column("item.brand", Kind.FIELD, size=7),
        _column("item.price", Kind.NUMBER),
        _column("past.type", Kind.FIELD, size=4),
        _column("past.age", Kind.FIELD, size=9),
    )
    binary = tuple(Target(name=name) for name in targets)
    return Schema(columns=stacked(columns), targets=binary, id_types={"user": "int", "item": "int"})


def ranking_inputs() -> Inputs:
    """What a ranking model of the toy schema gets: user, context, item, and history with types and ages."""
    return toy_schema().inputs(*ROW_SIDES, Side.PAST, history_length=HISTORY)


def query_inputs() -> Inputs:
    """What the query side of a retrieval model of the toy schema gets: user, context and history."""
    return toy_schema().inputs(Side.USER, Side.CONTEXT, history_length=HISTORY)


def candidate_inputs() -> Inputs:
    """What the candidate side of a retrieval model of the toy schema gets."""
    return toy_schema().inputs(Side.ITEM)


def random_rows(inputs: Inputs, rows: int, seed: int = 0, hotness: int = 3) -> FeatureRows:
    """`rows` rows with known and unknown values; bags and histories of every length from 0 on, bags `hotness` wide."""
    random = stream(seed, "toy rows")
    ids_BF = np.zeros((rows, len(inputs.fields)), np.int32)
    for i, column in enumerate(inputs.fields):
        ids_BF[:, i] = _values(column, (rows,), random)
    bags = {}
    for column in inputs.bags:
        length_B = random.integers(0, hotness + 1, rows).astype(np.int32)
        bags[column.name] = PaddedBag(_padded(_values(column, (rows, hotness), random), length_B), length_B)
    history = None
    if inputs.history is not None:
        length_B = random.integers(0, inputs.history_length + 1, rows).astype(np.int32)
        values_BL = _values(inputs.history, (rows, inputs.history_length), random)
        history = HistoryRows.each(_padded(values_BL, length_B), length_B, _past(inputs, length_B, random))
    numbers_BN = random.standard_normal((rows, len(inputs.numbers))).astype(np.float32)
    return FeatureRows(ids_BF, numbers_BN, bags, history)


def random_pairs(inputs: Inputs, items: Sequence[int], seed: int = 0, hotness: int = 3) -> Pairs[FeatureRows]:
    """Requests with as many items each as `items` says, made as `random_rows` makes them."""
    apart = Pairs.of_rows(random_rows(inputs, max(sum(items), len(items)), seed, hotness), _no_items(inputs))
    requests = apart.requests.take(np.arange(len(items)))
    request_M = np.repeat(np.arange(len(items), dtype=np.int32), items)
    return Pairs(requests.with_own_histories(), apart.items.take(np.arange(len(request_M))), request_M)


def _no_items(inputs: Inputs) -> FeatureTable:
    """A table of items that has their columns and nothing else."""
    nothing = RaggedBag(np.zeros(0, np.int32), np.zeros(1, np.int64))
    return FeatureTable(
        np.zeros((0, _items(inputs.fields)), np.int32),
        np.zeros((0, _items(inputs.numbers)), np.float32),
        {column.name: nothing for column in inputs.bags if column.side == Side.ITEM},
    )


def _items(columns: Sequence[Column]) -> int:
    return sum(column.side == Side.ITEM for column in columns)


def unknown_rows(inputs: Inputs, rows: int) -> FeatureRows:
    """`rows` rows of which nothing is known: every field out of vocabulary, bags and histories empty, numbers 0."""
    offsets_F = np.array([column.offset for column in inputs.fields], np.int32)
    empty_B = np.zeros(rows, np.int32)
    history = None
    if inputs.history is not None:
        nothing = np.zeros((rows, inputs.history_length), np.int32)
        past = np.zeros((*nothing.shape, len(inputs.past)), np.int32) if inputs.past else None
        history = HistoryRows.each(nothing, empty_B, past)
    return FeatureRows(
        np.tile(offsets_F, (rows, 1)),
        np.zeros((rows, len(inputs.numbers)), np.float32),
        {column.name: PaddedBag(np.zeros((rows, 1), np.int32), empty_B) for column in inputs.bags},
        history,
    )


def _past(inputs: Inputs, length_B: Ints, random: np.random.Generator) -> Ints | None:
    """past_BLP; None where the model is told of items alone."""
    shape = (len(length_B), inputs.history_length)
    told = [_padded(_values(column, shape, random), length_B) for column in inputs.past]
    return np.stack(told, axis=2) if told else None


def _column(name: str, kind: Kind, size: int = 0, hotness: int = 0) -> Column:
    return Column(name=name, side=Side(name.partition(".")[0]), kind=kind, size=size, hotness=hotness)


def _values(column: Column, shape: tuple[int, ...], random: np.random.Generator) -> Ints:
    return random.integers(column.offset, column.offset + column.size, shape).astype(np.int32)


def _padded(values_BH: Ints, length_B: Ints) -> Ints:
    """0 after the first `length_B` values, as in prepared rows."""
    return np.where(np.arange(values_BH.shape[1]) < length_B[:, None], values_BH, 0).astype(np.int32)
