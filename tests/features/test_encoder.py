"""Encoder: offsets, joined rows equal looked-up ones, requests, and its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shortlist.core.errors import BundleError
from shortlist.core.files import read_json, sha256, write_json
from shortlist.features.base import Transform
from shortlist.features.encoder import Encoder, stack, vocabulary_path
from shortlist.features.entity_id import EntityId
from shortlist.features.rows import FeatureTable
from shortlist.features.statistics import Counts, Moments, Quantiles, Statistics
from shortlist.features.transforms import fit, from_state
from shortlist.features.vocabulary import Vocabulary
from shortlist.recipe import features as recipe
from shortlist.schema import Kind, Side


def counts(*values: Any) -> Counts:
    return Counts(pa.array(values), np.arange(len(values), 0, -1))


def item_transforms() -> list[Transform]:
    features: list[tuple[str, recipe.Feature, Statistics]] = [
        ("brand", recipe.Categorical(), counts("acme", "zed", "Zoë")),
        ("price", recipe.Numeric(), Moments(4, 0, 10.0, 4.0)),
        ("genres", recipe.MultiHot(), counts("Drama", "Comedy")),
        ("year", recipe.Numeric(transform="bucketise"), Quantiles((1990.0, 2000.0))),
        ("code", recipe.Categorical(column="code number"), counts(7, 3)),
        ("zip", recipe.Hashed(buckets=5), None),
        ("weight", recipe.Numeric(transform="none"), Moments(4, 0, 2.0, 1.0)),
        ("released", recipe.Timestamp(parts=("month",)), None),
    ]
    return [EntityId.of(Side.ITEM, 4), *(fit(Side.ITEM, *feature) for feature in features)]


def encoders() -> dict[Side, Encoder]:
    user = [EntityId.of(Side.USER, 3), fit(Side.USER, "city", recipe.Categorical(), counts("Rome"))]
    context = [fit(Side.CONTEXT, "device", recipe.Categorical(), counts("phone", "desk"))]
    return stack({Side.USER: user, Side.ITEM: item_transforms(), Side.CONTEXT: context})


def item_batch() -> pa.RecordBatch:
    return pa.record_batch(
        {
            "released": pa.array([0, 951_827_696, None, None]),
            "#row": pa.array([1, 3, 4, None], pa.int32()),
            "brand": ["zed", "acme", "nobody", None],
            "price": [10.0, 14.0, None, 2.0],
            "genres": ["Comedy|Drama", "x", None, "Drama"],
            "year": [1980, 2000, None, 1995],
            "code number": [3, 7, 8, None],
            "zip": [None, None, None, None],
            "weight": [1.5, None, 3.0, 4.0],
            "title": ["not", "a", "feature", "!"],
        }
    )


def assert_same(one: FeatureTable, other: FeatureTable) -> None:
    np.testing.assert_array_equal(one.ids_nF, other.ids_nF, strict=True)
    np.testing.assert_array_equal(one.numbers_nN, other.numbers_nN, strict=True)
    assert one.bags.keys() == other.bags.keys()
    for name in one.bags:
        np.testing.assert_array_equal(one.bags[name].values, other.bags[name].values, strict=True)
        np.testing.assert_array_equal(one.bags[name].offsets_n, other.bags[name].offsets_n, strict=True)


def test_columns_of_all_sides_lie_one_after_another() -> None:
    columns = [column for encoder in encoders().values() for column in encoder.columns]
    assert [(c.name, c.offset, c.size) for c in columns] == [
        ("user.id", 0, 3),
        ("user.city", 3, 2),
        ("item.id", 5, 4),
        ("item.brand", 9, 4),
        ("item.price", 0, 0),
        ("item.genres", 13, 3),
        ("item.year", 16, 4),
        ("item.code", 20, 3),
        ("item.zip", 23, 6),
        ("item.weight", 0, 0),
        ("item.released.month", 29, 13),
        ("context.device", 42, 3),
    ]


def test_apply_by_hand() -> None:
    table = encoders()[Side.ITEM].apply(item_batch())
    assert table.ids_nF.tolist() == [
        [5 + 1, 9 + 2, 16 + 1, 20 + 2, 23, 29 + 1],
        [5 + 3, 9 + 1, 16 + 3, 20 + 1, 23, 29 + 2],
        [5 + 0, 9 + 0, 16 + 0, 20 + 0, 23, 29 + 0],
        [5 + 0, 9 + 0, 16 + 2, 20 + 0, 23, 29 + 0],
    ]
    assert table.numbers_nN.tolist() == [[0.0, 1.5], [1.0, 2.0], [0.0, 3.0], [-2.0, 4.0]]
    assert table.bags["item.genres"].values.tolist() == [13 + 2, 13 + 1, 13 + 1]
    assert table.bags["item.genres"].offsets_n.tolist() == [0, 2, 2, 2, 3]
    assert table.ids_nF.dtype == np.int32
    assert table.numbers_nN.dtype == np.float32


def joined_by_the_engine(batch: pa.RecordBatch, encoder: Encoder) -> pa.RecordBatch:
    """The left join that an engine does, of every categorical column; the values themselves go."""
    for transform in encoder.transforms:
        if transform.kind != "categorical":
            continue
        vocabulary = transform.vocabulary.to_arrow()  # type: ignore[attr-defined]
        place = pc.index_in(batch.column(transform.column), value_set=vocabulary["value"])
        rows = vocabulary["row"].combine_chunks().take(place)
        batch = batch.drop_columns([transform.column]).append_column(f"{transform.name}#row", rows)
    return batch


def test_joined_rows_equal_looked_up_ones() -> None:
    encoder = encoders()[Side.ITEM]
    joined = joined_by_the_engine(item_batch(), encoder)
    assert "brand" not in joined.schema.names
    assert_same(encoder.apply(joined), encoder.apply(item_batch()))


def test_joined_equals_looked_up_on_many_rows() -> None:
    random = np.random.default_rng(5)
    words = pa.array([f"word-{i}" for i in range(3000)])
    spec = recipe.Categorical(min_count=500)
    encoder = stack({Side.CONTEXT: [fit(Side.CONTEXT, "word", spec, Counts(words, np.arange(3000, 0, -1)))]})[
        Side.CONTEXT
    ]
    batch = pa.record_batch({"word": words.take(pa.array(random.integers(0, 3000, 5000)))})
    looked_up = encoder.apply(batch)
    assert_same(encoder.apply(joined_by_the_engine(batch, encoder)), looked_up)
    assert len(np.unique(looked_up.ids_nF)) > 1000
    one_by_one = [encoder.apply(batch.slice(i, 1)).ids_nF[0, 0] for i in range(200)]
    assert one_by_one == looked_up.ids_nF[:200, 0].tolist()


def test_rows_encode_alone_as_they_do_together() -> None:
    encoder = encoders()[Side.ITEM]
    together = encoder.apply(item_batch()).take(np.arange(4))
    for i in range(4):
        alone = encoder.apply(item_batch().slice(i, 1)).take(np.array([0]))
        assert alone.ids_BF[0].tolist() == together.ids_BF[i].tolist()
        assert alone.numbers_BN[0].tolist() == together.numbers_BN[i].tolist()
        bag, bags = alone.bags["item.genres"], together.bags["item.genres"]
        assert bag.values_BH[0, : bag.length_B[0]].tolist() == bags.values_BH[i, : bags.length_B[i]].tolist()


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_absent_columns_count_as_missing(rows: int) -> None:
    encoder = encoders()[Side.ITEM]
    bare = pa.record_batch({"unrelated": pa.nulls(rows)})
    table = encoder.apply(bare)
    assert table.ids_nF.tolist() == [[5, 9, 16, 20, 23, 29]] * rows
    assert table.numbers_nN.tolist() == [[0.0, 2.0]] * rows
    assert table.bags["item.genres"].offsets_n.tolist() == [0] * (rows + 1)
    nulls = pa.record_batch({name: pa.nulls(rows) for name in item_batch().schema.names})
    assert_same(encoder.apply(nulls), table)


def test_side_without_features_has_no_columns() -> None:
    encoder = stack({Side.CONTEXT: []})[Side.CONTEXT]
    table = encoder.apply(pa.record_batch({"x": [1, 2]}))
    assert (table.ids_nF.shape, table.numbers_nN.shape, dict(table.bags)) == ((2, 0), (2, 0), {})


def test_entity_id_shares_the_oov_row_beyond_its_size() -> None:
    (row_n,) = EntityId.of(Side.USER, 3).apply(pa.array([0, 1, 2, 3, None, -1], pa.int32()))
    assert row_n.tolist() == [0, 1, 2, 0, 0, 0]


def test_request_rows_equal_the_table() -> None:
    encoder = encoders()[Side.ITEM]
    table = item_batch()
    rows = table.drop_columns(["#row"]).to_pylist()
    batch = encoder.batch(rows, np.array([1, 3, 4, 0], np.int32))
    assert "title" not in batch.schema.names
    assert_same(encoder.apply(batch), encoder.apply(table))


def test_request_of_mixed_types_and_absent_keys() -> None:
    encoder = encoders()[Side.ITEM]
    batch = encoder.batch(
        [
            {"brand": "zed", "price": 14, "code number": "7", "genres": ["Drama", "Comedy"]},
            {"brand": 5, "price": "14", "code number": 3.0, "#row": 2},
        ]
    )
    assert set(batch.schema.names) == {"brand", "price", "code number", "genres", "#row"}
    table = encoder.apply(batch)
    assert table.ids_nF.tolist() == [[5, 9 + 2, 16, 20 + 1, 23, 29], [5, 9, 16, 20 + 2, 23, 29]]
    assert table.numbers_nN.tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert table.bags["item.genres"].values.tolist() == [14, 15]
    assert encoder.apply(encoder.batch([{}])).ids_nF.tolist() == [[5, 9, 16, 20, 23, 29]]
    assert len(encoder.apply(encoder.batch([]))) == 0


def test_sources_are_the_columns_read() -> None:
    assert encoders()[Side.ITEM].sources == (
        "brand", "price", "genres", "year", "code number", "zip", "weight", "released",
    )  # fmt: skip


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_saved_encoders_are_the_same_and_saved_again_the_same_bytes(tmp_path: Path) -> None:
    for encoder in encoders().values():
        encoder.save(tmp_path / "first")
    loaded = {side: Encoder.load(tmp_path / "first", side) for side in encoders()}
    for encoder in loaded.values():
        encoder.save(tmp_path / "second")

    assert list(files(tmp_path / "first")) == [
        "context.json",
        "item.json",
        "user.json",
        "vocabulary/context.device.arrow",
        "vocabulary/item.brand.arrow",
        "vocabulary/item.code.arrow",
        "vocabulary/item.genres.arrow",
        "vocabulary/user.city.arrow",
    ]
    assert files(tmp_path / "first") == files(tmp_path / "second")
    for side, encoder in encoders().items():
        assert loaded[side].columns == encoder.columns
    assert_same(loaded[Side.ITEM].apply(item_batch()), encoders()[Side.ITEM].apply(item_batch()))


def test_state_survives_json() -> None:
    empty = Vocabulary.from_counts(counts("a"))
    for transform in item_transforms():
        state = json.loads(json.dumps(transform.state(), allow_nan=False))
        again = from_state(state, lambda name: empty)
        assert type(again) is type(transform)
        assert again.state() == transform.state()


def test_saving_replaces_what_was_there(tmp_path: Path) -> None:
    for values in (("old", "older"), ("new",)):
        device = fit(Side.CONTEXT, "device", recipe.Categorical(), counts(*values))
        stack({Side.CONTEXT: [device]})[Side.CONTEXT].save(tmp_path)
    loaded = Encoder.load(tmp_path, Side.CONTEXT)
    assert loaded.apply(pa.record_batch({"device": ["new", "old"]})).ids_nF.tolist() == [[1], [0]]


def test_feature_names_make_safe_file_names(tmp_path: Path) -> None:
    name = "a/../b ü"
    feature = fit(Side.CONTEXT, name, recipe.Categorical(), counts("x"))
    stack({Side.CONTEXT: [feature]})[Side.CONTEXT].save(tmp_path)
    path = vocabulary_path(tmp_path, f"context.{name}")
    assert path.is_file()
    assert path.parent == tmp_path / "vocabulary"
    loaded = Encoder.load(tmp_path, Side.CONTEXT)
    assert loaded.apply(pa.record_batch({name: ["x"]})).ids_nF.tolist() == [[1]]


def without_state(folder: Path) -> None:
    (folder / "item.json").unlink()


def with_cut_state(folder: Path) -> None:
    path = folder / "item.json"
    path.write_text(path.read_text()[:-20])


def without_vocabulary(folder: Path) -> None:
    vocabulary_path(folder, "item.brand").unlink()


def with_broken_vocabulary(folder: Path) -> None:
    vocabulary_path(folder, "item.brand").write_bytes(b"not arrow")


def with_a_column_less(folder: Path) -> None:
    state = read_json(folder / "item.json")
    state["offsets"].pop()
    write_json(folder / "item.json", state)


@pytest.mark.parametrize(
    "damage", [without_state, with_cut_state, without_vocabulary, with_broken_vocabulary, with_a_column_less]
)
def test_damaged_folder_is_one_clear_error(tmp_path: Path, damage: Any) -> None:
    encoders()[Side.ITEM].save(tmp_path)
    damage(tmp_path)
    with pytest.raises(BundleError, match=r"cannot read the item features in .*prepare and export again"):
        Encoder.load(tmp_path, Side.ITEM)


def test_unknown_kind_says_which_are_known(tmp_path: Path) -> None:
    encoders()[Side.ITEM].save(tmp_path)
    state = read_json(tmp_path / "item.json")
    state["transforms"][1]["kind"] = "image"
    write_json(tmp_path / "item.json", state)
    with pytest.raises(BundleError, match=r"'item\.brand' is of the kind 'image'; .* categorical, entity_id"):
        Encoder.load(tmp_path, Side.ITEM)


STRANGE: dict[str, pa.Array] = {
    "text": pa.array(["", "é", "1e999", "NaN", "2000-02-30", " 7 "]),
    "floats": pa.array([0.0, -0.0, np.nan, np.inf, 1e308, None]),
    "integers": pa.array([0, -1, 2**63 - 1, -(2**63), 7, None]),
    "flags": pa.array([True, False, None] * 2),
    "lists": pa.array([["Drama"], [], None, [""], [None], ["x", "Comedy"]]),
    "structures": pa.array([{"a": 1}] * 6),
    "bytes": pa.array([b"\xff"] * 6),
    "nulls": pa.nulls(6),
}


@pytest.mark.parametrize("values", STRANGE.values(), ids=STRANGE)
def test_no_value_of_any_type_fails_or_leaves_its_column(values: pa.Array) -> None:
    encoder = encoders()[Side.ITEM]
    table = encoder.apply(pa.record_batch(dict.fromkeys(encoder.sources, values)))
    fields = [column for column in encoder.columns if column.kind == Kind.FIELD]
    for column, id_n in zip(fields, table.ids_nF.T, strict=True):
        assert_inside(id_n, column.offset, column.size)
    assert_inside(table.bags["item.genres"].values, 13, 3)
    assert np.isfinite(table.numbers_nN).all()


def assert_inside(ids: npt.NDArray[Any], offset: int, size: int) -> None:
    assert ((ids >= offset) & (ids < offset + size)).all()
