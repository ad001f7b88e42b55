"""The stacked embedding against naive loops over one table a column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from shortlist.core.errors import UserError
from shortlist.nn.batch import Bag, Batch
from shortlist.nn.embedding import StackedEmbedding, summed
from shortlist.nn.featuriser import EmbeddingSettings, Featuriser, MixedEmbeddingSettings
from shortlist.nn.history import RecencyWeights
from shortlist.schema import Column, Kind, Side
from shortlist.testing.inputs import HISTORY, query_inputs, random_rows, ranking_inputs, toy_schema, unknown_rows

DIM = 3


def column(name: str, size: int, offset: int, kind: Kind = Kind.FIELD) -> Column:
    return Column(name=name, side=Side.ITEM, kind=kind, size=size, offset=offset)


# Some columns of a larger stacked space, in another order than there, with rows of others between them.
A, B, TAGS = column("a", 4, 10), column("b", 3, 2), column("tags", 5, 20, Kind.BAG)


@pytest.fixture
def table() -> StackedEmbedding:
    torch.manual_seed(0)
    return StackedEmbedding([A, B, TAGS], DIM)


def rows_of(table: StackedEmbedding, which: Column) -> torch.Tensor:
    """The part of the table that belongs to a column: they lie in the order given."""
    start = {"a": 0, "b": 4, "tags": 7}[which.name]
    return table.table.weight[start : start + which.size]


def test_keeps_only_the_rows_of_its_columns(table: StackedEmbedding) -> None:
    assert table.table.weight.shape == (4 + 3 + 5, DIM)


def test_shifted_ids_equal_a_table_for_each_column(table: StackedEmbedding) -> None:
    ids_BF = torch.tensor([[2, 10], [4, 13], [3, 11]], dtype=torch.int32)
    vectors_BFD = table(ids_BF, [B, A])

    for row in range(3):
        for place, which in enumerate([B, A]):
            local = int(ids_BF[row, place]) - which.offset
            assert torch.equal(vectors_BFD[row, place], rows_of(table, which)[local])


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("exporting", [True, False])
def test_pooled_equals_a_loop(
    table: StackedEmbedding, mean: bool, exporting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: exporting)
    # After each length stands padding that must not count: 0, which is no row of the column, and a real row.
    bag = Bag(torch.tensor([[20, 24, 0], [0, 0, 0], [21, 21, 23], [22, 23, 24]]), torch.tensor([2, 0, 3, 1]))
    pooled_BD = table.pooled(bag, TAGS, mean)

    for row, values in enumerate([[0, 4], [], [1, 1, 3], [2]]):
        total = sum((rows_of(table, TAGS)[value] for value in values), start=torch.zeros(DIM))
        expected = total / max(len(values), 1) if mean else total
        torch.testing.assert_close(pooled_BD[row], expected)


def test_padding_gets_no_gradient(table: StackedEmbedding) -> None:
    bag = Bag(torch.tensor([[20, 24], [0, 0]]), torch.tensor([1, 0]))
    table.pooled(bag, TAGS).sum().backward()

    assert table.table.weight.grad is not None
    touched = table.table.weight.grad.abs().sum(1).nonzero().flatten().tolist()
    assert touched == [7]


@pytest.mark.parametrize("lengths", [[1, 0], [0, 2]])
def test_padding_touches_no_row_that_the_batch_has_not(table: StackedEmbedding, lengths: list[int]) -> None:
    """An optimiser of the batch's rows would move it: with moments also by a gradient of zero."""
    table.table.sparse = True
    bag = Bag(torch.tensor([[21, 24], [23, 24]]), torch.tensor(lengths))
    table.pooled(bag, TAGS).sum().backward()

    assert table.table.weight.grad is not None
    touched = set(table.table.weight.grad.coalesce().indices()[0].tolist())
    assert touched == ({7 + 1} if lengths == [1, 0] else {7 + 3, 7 + 4})


def test_recency_weights_equal_a_loop() -> None:
    recency = RecencyWeights(4)
    with torch.no_grad():
        recency.log_weight_L.copy_(torch.tensor([0.5, 0.0, -1.0, 2.0]))
    weight_BL = recency(Bag(torch.zeros(3, 4), torch.tensor([2, 0, 4])))

    for row, length in enumerate([2, 0, 4]):
        by_place = recency.log_weight_L.detach().exp()
        weights = [by_place[length - 1 - place] for place in range(length)]
        expected = [float(weight / sum(weights)) for weight in weights] + [0.0] * (4 - length)
        assert weight_BL[row].tolist() == pytest.approx(expected)


def test_recency_weights_begin_as_a_mean() -> None:
    weight_BL = RecencyWeights(3)(Bag(torch.zeros(1, 3), torch.tensor([2])))

    assert weight_BL.tolist() == [[0.5, 0.5, 0.0]]


def test_rows_may_share_a_history() -> None:
    inputs = ranking_inputs()
    features = Featuriser(inputs, EmbeddingSettings(embedding_dim=2))
    rows = random_rows(inputs, 4)
    order = np.array([2, 2, 0, 3, 2])

    own = features(Batch.of(rows))[torch.from_numpy(order)]
    assert torch.equal(features(Batch.of(rows.take(order))), own)


def test_a_dim_of_its_own_for_a_column() -> None:
    inputs = ranking_inputs()
    settings = MixedEmbeddingSettings(embedding_dim=4, embedding_dims={"user.gender": 2, "item.genres": 3})
    features = Featuriser(inputs, settings)
    rows = random_rows(inputs, 5)
    batch = Batch.of(rows)

    # 4 fields and the history at 4 each, a field at 2, a bag at 3, and 2 numbers.
    assert features.width == 4 * (4 + 1) + 2 + 3 + 2
    assert features(batch).shape == (5, features.width)
    assert [table.shape[1] for table in features.embeddings.parameters()] == [4, 2, 3]
    gender = inputs.fields[inputs.field("user.gender")]
    alone = features.embeddings.of(gender)(batch.ids_BF[:, [inputs.field("user.gender")]], [gender])
    wide, narrow = features.embeddings.fields(batch.ids_BF, inputs.fields)
    assert (wide.shape[1:], narrow.shape[1:]) == ((4, 4), (1, 2))
    assert torch.equal(narrow, alone)


@pytest.mark.parametrize("setting", ["embedding_dims", "compress"])
def test_a_column_that_is_not_there_is_named(setting: str) -> None:
    with pytest.raises(UserError, match=f"{setting} names 'user.gendre'.*Did you mean `user.gender`"):
        Featuriser(ranking_inputs(), MixedEmbeddingSettings.model_validate({setting: {"user.gendre": 2}}))


LARGE = column("large", 100, 30)


def test_a_compressed_value_is_the_product_of_its_two_rows() -> None:
    torch.manual_seed(0)
    table = StackedEmbedding([A, LARGE], DIM, compress={"large": 10})
    assert table.table.weight.shape == (4 + 10 + 10, DIM)
    ids_BF = torch.tensor([[30, 11], [30 + 99, 10], [30 + 42, 13]], dtype=torch.int32)
    vectors_BFD = table(ids_BF, [LARGE, A])

    weight = table.table.weight
    for row, local in enumerate([0, 99, 42]):
        assert torch.equal(vectors_BFD[row, 0], weight[4 + local // 10] * weight[14 + local % 10])
        assert torch.equal(vectors_BFD[row, 1], weight[int(ids_BF[row, 1]) - 10])


def test_every_compressed_value_has_a_vector_of_its_own() -> None:
    torch.manual_seed(0)
    table = StackedEmbedding([LARGE], DIM, compress={"large": 7})
    vectors_BFD = table(torch.arange(30, 130)[:, None], [LARGE])

    assert len(torch.unique(vectors_BFD.flatten(1), dim=0)) == 100


def test_a_compressed_bag_equals_a_loop() -> None:
    torch.manual_seed(0)
    table = StackedEmbedding([LARGE], DIM, compress={"large": 10})
    bag = Bag(torch.tensor([[35, 129, 0], [0, 0, 0]]), torch.tensor([2, 0]))
    single = table(torch.tensor([[35], [129]]), [LARGE])[:, 0]

    torch.testing.assert_close(table.pooled(bag, LARGE)[0], single.mean(0))
    assert torch.equal(table.pooled(bag, LARGE)[1], torch.zeros(DIM))


def test_a_compression_that_saves_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"large has 100 values, and 99 remainders .* About 10 remainders save most"):
        StackedEmbedding([LARGE], DIM, compress={"large": 99})


def test_the_featuriser_is_as_wide_as_it_says() -> None:
    inputs = ranking_inputs()
    features = Featuriser(inputs, EmbeddingSettings(embedding_dim=4))
    vectors = features(Batch.of(random_rows(inputs, 5)))

    # 5 fields, a bag and the history at 4 each, and 2 numbers as they are.
    assert features.width == 4 * (5 + 1 + 1) + 2
    assert vectors.shape == (5, features.width)


def test_the_featuriser_lays_out_fields_bags_history_numbers() -> None:
    inputs = toy_schema().inputs(Side.USER, Side.CONTEXT, Side.ITEM, history_length=HISTORY)
    torch.manual_seed(0)
    features = Featuriser(inputs, EmbeddingSettings(embedding_dim=2))
    rows = random_rows(inputs, 5)
    batch = Batch.of(rows)
    vectors = features(batch)

    fields = [features.embeddings.of(c)(batch.ids_BF[:, [i]], [c])[:, 0] for i, c in enumerate(inputs.fields)]
    bags = [features.embeddings.of(c).pooled(batch.bags[c.name], c) for c in inputs.bags]
    assert inputs.history is not None
    assert batch.history is not None
    history = features.embeddings.of(inputs.history).pooled(batch.history.events, inputs.history)
    assert torch.equal(vectors, torch.cat([*fields, *bags, history, batch.numbers_BN], dim=1))


def test_a_history_has_its_table_where_the_item_id_is_no_field() -> None:
    inputs = query_inputs()
    assert "item.id" not in [c.name for c in inputs.fields]

    features = Featuriser(inputs, EmbeddingSettings(embedding_dim=2))

    assert "item.id" in features.embeddings.dims
    assert torch.isfinite(features(Batch.of(random_rows(inputs, 5)))).all()


def test_empty_bags_and_histories_are_zeros() -> None:
    inputs = replace(ranking_inputs(), fields=(), numbers=())
    features = Featuriser(inputs, EmbeddingSettings(embedding_dim=2))

    assert features(Batch.of(unknown_rows(inputs, 3))).tolist() == [[0.0] * 4] * 3


def test_an_indicator_is_a_1_among_zeros_and_has_no_table() -> None:
    inputs = toy_schema().inputs(Side.USER, Side.CONTEXT, Side.ITEM)
    features = Featuriser(inputs, MixedEmbeddingSettings(embedding_dim=2, indicators=("user.gender", "item.brand")))
    rows = random_rows(inputs, 30)
    shown = features(Batch.of(rows))

    assert shown.shape[1] == features.width
    rows_of_tables = sum(len(weight) for weight in features.embeddings.parameters())
    assert rows_of_tables == sum(
        column.size for column in (*inputs.fields, *inputs.bags) if column.name not in ("user.gender", "item.brand")
    )
    ones = shown[:, -len(inputs.numbers) - 2 - 6 : -len(inputs.numbers)]
    for b in range(30):
        expected = []
        for name, size in (("user.gender", 3), ("item.brand", 7)):
            value = rows.ids_BF[b, inputs.field(name)] - inputs.fields[inputs.field(name)].offset
            expected += [float(value == v) for v in range(1, size)]
        assert ones[b].tolist() == expected


def test_an_indicator_of_no_field_is_refused() -> None:
    inputs = toy_schema().inputs(Side.USER, Side.CONTEXT, Side.ITEM)
    with pytest.raises(UserError, match=r"indicators names 'user.gander'.*Did you mean `user.gender`"):
        Featuriser(inputs, MixedEmbeddingSettings(indicators=("user.gander",)))


@pytest.mark.parametrize("dim", [1, 2])
def test_sums_are_the_same_when_exported(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors_BHD = torch.arange(2 * 3 * dim, dtype=torch.float32).reshape(2, 3, dim)
    trained = summed(vectors_BHD)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)

    assert trained.shape == (2, dim)
    torch.testing.assert_close(summed(vectors_BHD), trained, rtol=0, atol=0)
