"""Outbrain's table: a small set of files worked by hand, and NVIDIA's sizes on made-up files."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv

from shortlist.core.errors import DataError
from shortlist.data.outbrain import files
from shortlist.data.outbrain.log import Files, joined, shown_ads
from shortlist.data.outbrain.popularity import aspect_rates, rates_of, with_rates
from shortlist.data.outbrain.read import displays
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.data.published import convert, make
from shortlist.models.ranking.wide_deep import WideDeep
from shortlist.recipe import load_recipe
from shortlist.schema import Kind
from shortlist.tables.duckdb import DuckDB
from shortlist.training.stages import build_ranking

RECIPE = Path(__file__).resolve().parents[3] / "recipes" / "outbrain.toml"
HOUR = 3_600_000
SMALL = {
    files.CLICKS: "display_id,ad_id,clicked\n1,10,1\n1,11,0\n2,10,0\n2,12,1\n",
    files.EVENTS: (
        "display_id,uuid,document_id,timestamp,platform,geo_location\n"
        f"1,ann,1,{9 * HOUR},2,US>CA>803\n"
        f"2,bob,2,{(4 * 24 + 23) * HOUR},\\N,GB\n"
    ),
    files.ADS: "ad_id,document_id,campaign_id,advertiser_id\n10,3,100,7\n11,4,100,7\n12,4,101,8\n",
    files.META: (
        "document_id,source_id,publisher_id,publish_time\n"
        "1,50,500,2016-06-10 00:00:00\n2,51,,\n3,52,501,2001-01-01 00:00:00\n4,53,502,2016-06-14 00:00:00\n5,,,\n"
    ),
    files.TOPICS: "document_id,topic_id,confidence_level\n1,1,0.5\n1,2,0.2\n3,1,0.4\n3,3,0.8\n4,3,1.0\n",
    files.CATEGORIES: "document_id,category_id,confidence_level\n1,9,0.9\n3,9,0.7\n",
    files.ENTITIES: "document_id,entity_id,confidence_level\n4,ab,0.1\n4,cd,0.3\n",
    files.VIEWS: (
        "uuid,document_id,timestamp,platform,geo_location,traffic_source\n"
        f"ann,1,{9 * HOUR},2,US>CA>803,3\n"
        f"ann,3,{2 * HOUR},2,US>CA>803,1\n"
        f"ann,4,{12 * HOUR},2,US>CA>803,1\n"
        f"ann,1,{10 * HOUR},2,US>CA>803,2\n"
        f"bob,2,{HOUR},1,GB,1\n"
        "cleo,3,5,1,GB,1\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("outbrain")
    for name, text in SMALL.items():
        (folder / name).write_text(text)
    with contextlib.closing(DuckDB(threads=1, scratch=folder / "scratch")) as engine:
        table = engine.to_arrow(displays(engine, folder).order_by("display_id", "ad_id"))
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def test_a_row_has_what_is_known_of_display_and_ad(rows: list[dict[str, Any]]) -> None:
    assert [(row["display_id"], row["ad_id"], row["clicked"]) for row in rows] == [
        (1, 10, 1),
        (1, 11, 0),
        (2, 10, 0),
        (2, 12, 1),
    ]
    first = rows[0]
    assert (first["doc_event_id"], first["doc_id"], first["campaign_id"], first["ad_advertiser"]) == (1, 3, 100, 7)
    assert (first["doc_event_source_id"], first["doc_ad_publisher_id"]) == ("50", "501")
    assert rows[2]["doc_event_publisher_id"] == "source 51", "a source without a publisher is one"
    assert (first["event_country"], first["event_country_state"]) == ("US", "US>CA")
    assert (rows[2]["event_country"], rows[2]["event_country_state"]) == ("GB", "GB")


def test_times_are_new_york_s(rows: list[dict[str, Any]]) -> None:
    assert (rows[0]["event_hour"], rows[0]["event_weekend"]) == (1, 0), "Tuesday, nine in the morning"
    assert (rows[2]["event_hour"], rows[2]["event_weekend"]) == (5, 1), "Saturday night"
    assert rows[0]["doc_event_days_since_published"] == 4
    assert rows[0]["doc_ad_days_since_published"] is None, "more than ten years"
    assert rows[1]["doc_ad_days_since_published"] == 0
    assert rows[2]["doc_event_days_since_published"] is None, "no time is given"


def test_what_is_missing_is_missing(rows: list[dict[str, Any]]) -> None:
    assert [row["event_platform"] for row in rows] == ["2", "2", None, None]
    sources = [row["traffic_source"] for row in rows]
    assert sources == ["3", "3", None, None], "ann came again afterwards, and bob had opened the page on another day"


def test_only_pages_before_the_display_tell_of_the_user(rows: list[dict[str, Any]]) -> None:
    assert [row["user_views"] for row in rows] == [1, 1, 1, 1], "not the page that is open, nor a later one"
    assert [row["user_has_already_viewed_doc"] for row in rows] == [1, 0, 0, 0]
    # ann had read document 3: topics 1 (.4) and 3 (.8), each on two of five documents. The ad's is 3 itself, or 4.
    assert rows[0]["user_doc_ad_sim_topics"] == pytest.approx(1.0)
    assert rows[1]["user_doc_ad_sim_topics"] == pytest.approx(0.8 / math.hypot(0.4, 0.8))
    # Three topics there are; two of ann's and one of document 4's, one in common.
    assert rows[1]["user_doc_ad_sim_topics_conf"] == pytest.approx(1 - 1 / 3 * 2 / 3)
    assert rows[0]["user_doc_ad_sim_topics_conf"] == pytest.approx(1 - (2 / 3) ** 4)
    assert rows[2]["user_doc_ad_sim_topics"] is None, "bob had read nothing with a topic"


def test_documents_are_compared_by_rarity_and_confidence(rows: list[dict[str, Any]]) -> None:
    page = {1: 0.5 * math.log(5 / 2), 2: 0.2 * math.log(5 / 1)}
    ad = {1: 0.4 * math.log(5 / 2), 3: 0.8 * math.log(5 / 2)}
    cosine = page[1] * ad[1] / (math.hypot(*page.values()) * math.hypot(*ad.values()))
    assert rows[0]["doc_event_doc_ad_sim_topics"] == pytest.approx(cosine)
    assert rows[1]["doc_event_doc_ad_sim_topics"] == 0, "both have topics, none in common"
    assert rows[2]["doc_event_doc_ad_sim_topics"] is None
    assert rows[0]["doc_event_doc_ad_sim_categories"] == pytest.approx(1.0)


def test_bags_begin_with_the_surest(rows: list[dict[str, Any]]) -> None:
    assert rows[0]["doc_ad_topic_id"] == ["3", "1"]
    assert rows[1]["doc_ad_entity_id"] == ["cd", "ab"]
    assert rows[1]["doc_ad_category_id"] is None


def _shown(engine: DuckDB, of_ad: dict[int, tuple[int, int]]) -> Any:
    """`ad: (views, clicks)` as rows of training; ads 1 and 2 show document 3, ad 9 document 4."""
    rows = [(ad, 4 if ad == 9 else 3, int(n < clicks)) for ad, (views, clicks) in of_ad.items() for n in range(views)]
    ads, documents, clicked = zip(*rows, strict=True)
    return engine.table("train", pa.table({"ad_id": ads, "doc_id": documents, "clicked": clicked}))


def trust(sample: float) -> float:
    return math.log(1 + sample) / math.log2(100_001)


def test_rates_need_enough_views(engine: DuckDB) -> None:
    train = _shown(engine, {1: (6, 3), 2: (10, 1), 9: (5, 5)})
    by_ad = {row["ad_id"]: row for row in engine.to_arrow(rates_of(train, "ad_id", 5)).to_pylist()}
    assert by_ad.keys() == {1, 2}, "five views are not enough"
    assert by_ad[1] == {"ad_id": 1, "rate": 0.5, "trust": pytest.approx(trust(6)), "views": 6}
    (document,) = engine.to_arrow(rates_of(train, "doc_id", 5)).to_pylist()
    assert document == {"doc_id": 3, "rate": 4 / 16, "trust": pytest.approx(trust(16 / 2)), "views": 16}


def test_rates_of_what_a_document_is_about(engine: DuckDB) -> None:
    train = _shown(engine, {1: (6, 3), 2: (10, 1), 9: (20, 5)})
    aspect = engine.table(
        "aspect",
        pa.table({"document_id": [3, 3, 4, 5], "value": ["a", "b", "b", "b"], "confidence": [0.5, 0.2, 1.0, 0.3]}),
    )
    found = engine.to_arrow(aspect_rates(train, aspect, 10, "pop")).to_pylist()
    of_document = {row["doc_id"]: row for row in found}
    a, b = 4 / 16, 9 / 36
    weight_a = trust(16 / 2) * 0.5 * 0.5
    weight_b = trust(36 / 3) * (16 * 0.2 + 20 * 1.0) / 36 * 0.2
    assert of_document[3]["pop"] == pytest.approx((a * weight_a + b * weight_b) / (weight_a + weight_b))
    assert of_document[3]["pop_conf"] == pytest.approx(max(weight_a, weight_b))
    assert of_document[5]["pop"] == pytest.approx(b), "never shown, and about what was"


def _statistics(engine: DuckDB, folder: Path) -> pa.Table:
    of = Files(engine, folder)
    shown = shown_ads(of)
    train = shown.filter(shown["split"] == "train")
    table = with_rates(engine, shown, train)
    for file in (files.TOPICS, files.CATEGORIES, files.ENTITIES):
        table = joined(table, aspect_rates(train, of.aspect(file), 5, f"pop_{file}"), ["doc_id"])
    return engine.to_arrow(table.order_by("display_id", "ad_id"))


def test_statistics_are_those_of_train_alone(tmp_path: Path, engine: DuckDB) -> None:
    """Clicks of other displays than those learned from may be anything: no number changes."""
    make("outbrain", tmp_path, rows=1_500, seed=1)
    before = _statistics(engine, tmp_path)
    held_out = {row["display_id"] for row in before.to_pylist() if row["split"] != "train"}
    lines = (tmp_path / files.CLICKS).read_text().splitlines()
    turned = [line[:-1] + "01"[line[-1] == "0"] if int(line.split(",")[0]) in held_out else line for line in lines[1:]]
    (tmp_path / files.CLICKS).write_text("\n".join([lines[0], *turned]) + "\n")
    after = _statistics(engine, tmp_path)
    assert after["clicked"] != before["clicked"]
    names = [name for name in before.column_names if name.startswith(("pop_", "ad_views", "doc_views"))]
    assert len(names) == 2 * 9 + 3
    for name in names:
        assert after[name].to_pylist() == pytest.approx(before[name].to_pylist()), name
        assert before[name].null_count < len(before), name


def test_displays_are_held_out_whole(tmp_path: Path, engine: DuckDB) -> None:
    make("outbrain", tmp_path, rows=3_000, seed=2)
    shown = engine.to_arrow(shown_ads(Files(engine, tmp_path)))
    parts: dict[int, set[str]] = {}
    for display, part in zip(shown["display_id"].to_pylist(), shown["split"].to_pylist(), strict=True):
        parts.setdefault(display, set()).add(part)
    assert all(len(part) == 1 for part in parts.values())
    late = [row["split"] for row in shown.to_pylist() if row["timestamp"] >= 11 * files.DAY_MS]
    assert set(late) == {"test"}
    counts = [sum(part == {name} for part in parts.values()) / len(parts) for name in ("train", "valid", "test")]
    assert counts == pytest.approx([11 / 13 * 0.72, 11 / 13 * 0.08, 2 / 13 + 11 / 13 * 0.2], abs=0.06)
    clicks = dict.fromkeys(parts, 0)
    for display, clicked in zip(shown["display_id"].to_pylist(), shown["clicked"].to_pylist(), strict=True):
        clicks[display] += clicked
    assert set(clicks.values()) == {1}


@pytest.mark.slow
def test_the_deep_part_is_1328_wide(tmp_path: Path) -> None:
    """NVIDIA's number: 576 + 16 + 192 of the request, 320 + 192 of the ad, and 32 numbers."""
    make("outbrain", tmp_path, rows=4_000, seed=0)
    convert("outbrain", tmp_path)
    recipe = load_recipe(RECIPE, ["compute.threads=2"], tmp_path)
    prepare(recipe, tmp_path / "prepared")
    found = Prepared.open(tmp_path / "prepared")
    assert recipe.ranking is not None
    columns = found.schema.columns
    assert [sum(column.kind == kind for column in columns) for kind in Kind] == [16, 32, 6]
    sizes = sorted(found.schema.column(name).size - 1 for name in recipe.ranking.model.settings()["indicators"])
    assert sizes == [2, 2, 3, 3, 6]
    model = build_ranking(found, recipe.ranking)
    assert isinstance(model, WideDeep)
    assert model.features.width == 1328
    assert model.config.hidden == (1024,) * 5
    offered = model.wide.inputs
    assert {*offered.fields, *offered.bags, *offered.numbers} == set(columns), "every feature is in both parts"


def test_a_file_without_its_columns_is_named(folder: Path, engine: DuckDB) -> None:
    (folder / files.ADS).write_text("ad_id,document_id\n1,2\n")
    with pytest.raises(DataError, match=r"promoted_content\.csv: .* campaign_id, advertiser_id is not among"):
        displays(engine, folder)
    (folder / files.META).unlink()
    with pytest.raises(DataError, match=r"documents_meta\.csv is not there"):
        convert("outbrain", folder)


def test_the_whole_log_of_page_views_is_read_where_it_is_there(folder: Path, engine: DuckDB) -> None:
    (folder / files.ALL_VIEWS).write_text(SMALL[files.VIEWS] + f"bob,3,{2 * HOUR},1,GB,1\n")
    assert engine.to_arrow(Files(engine, folder).views).num_rows == 7
    (folder / files.VIEWS).unlink()
    assert engine.to_arrow(Files(engine, folder).views).num_rows == 7, "which needs no sample"
    (folder / files.ALL_VIEWS).unlink()
    missing = (
        r"expected .*documents_categories\.csv, page_views_sample\.csv or page_views\.csv; page_views_sample\.csv or"
    )
    with pytest.raises(DataError, match=rf"{missing} page_views\.csv is not there\. They are published at"):
        convert("outbrain", folder)


def test_made_up_files_repeat_and_are_skewed(tmp_path: Path) -> None:
    written = make("outbrain", tmp_path / "a", rows=2_000, seed=5)
    again = make("outbrain", tmp_path / "b", rows=2_000, seed=5)
    assert {path.name for path in written} == {*files.REQUIRED, files.VIEWS}
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]
    clicks = csv.read_csv(written[0])
    assert clicks.num_rows == pytest.approx(2_000, rel=0.1)
    often = sorted((entry["counts"] for entry in clicks["ad_id"].value_counts().to_pylist()), reverse=True)
    assert sum(often[: len(often) // 10]) > 0.3 * clicks.num_rows
