"""The page as a whole: every section, the figures of metrics.json, nothing from outside, nothing unescaped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from shortlist.core.files import write_json
from shortlist.evaluation.report import write_report
from shortlist.evaluation.report.examples import Example
from shortlist.evaluation.report.facts import Facts
from shortlist.evaluation.report.numbers import estimate, percent
from shortlist.evaluation.report.page import render
from shortlist.evaluation.runner import evaluate
from tests.evaluation.conftest import Make
from tests.evaluation.report.conftest import curve, measured

SECTIONS = [
    "worth",
    "lost",
    "advice",
    "slices",
    "popularity",
    "examples",
    "learning",
    "calibration",
    "time",
    "data",
    "protocol",
    "recipe",
]
VOID = {"meta", "wbr"}


class Page(HTMLParser):
    """What a page consists of; an element that is not closed, or not open, fails the test."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.sections: dict[str, str] = {}
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.sections[str(dict(attrs)["id"])] = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "section" in self.open:
            self.sections[list(self.sections)[-1]] += data


@pytest.fixture
def run(funnel: Make, tmp_path: Path) -> tuple[Page, dict[str, Any], str]:
    """The report of the funnel worked out by hand: the page, its metrics and its text."""
    rec, data = funnel()
    metrics = evaluate(rec, data)
    for stage, metric in (("retrieval", "recall@100"), ("ranking", "auc")):
        write_json(tmp_path / stage / "history.json", curve(metric, [0.1, 0.3, 0.2]))
    path = write_report(tmp_path, metrics, rec, data)
    assert path == tmp_path / "report.html"
    text = path.read_text(encoding="utf-8")
    return Page(text), metrics, text


def test_the_page_parses_and_has_every_section(run: tuple[Page, dict[str, Any], str]) -> None:
    page, _, text = run
    assert text.startswith("<!DOCTYPE html>")
    assert list(page.sections) == SECTIONS
    assert all(len(content) > 40 for content in page.sections.values())


def test_nothing_comes_from_outside_and_nothing_runs(run: tuple[Page, dict[str, Any], str]) -> None:
    page, _, text = run
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base", "form"})
    assert [name for name, _ in page.attributes if name in {"src", "href", "srcset"} or name.startswith("on")] == []
    assert re.findall(r"https?:|url\(|@import|//", text) == []


def test_the_figures_are_those_of_metrics_json(run: tuple[Page, dict[str, Any], str]) -> None:
    page, metrics, _ = run
    for stage in ("popularity", "retrieval", "funnel", "ranking"):
        for name, found in metrics["stages"][stage].items():
            assert estimate(found) in page.sections["worth"], (stage, name)
    for share in [*metrics["lost"].values(), metrics["found@10"]]:
        assert percent(share) in page.sections["lost"]
    for entry in metrics["slices"].values():
        assert f"{entry['requests']:,} user" in page.sections["slices"]
        assert estimate(entry["stages"]["funnel"]["recall@2"]) in page.sections["slices"]
    assert percent(metrics["stages"]["funnel"]["coverage@10"]["value"]) in page.sections["popularity"]
    for value in metrics["protocol"].values():
        if isinstance(value, str):
            assert value in page.sections["protocol"]


def test_the_sections_say_what_happened(run: tuple[Page, dict[str, Any], str]) -> None:
    page, _, _ = run
    assert "validation recall@100, 0.300 at epoch 2" in page.sections["learning"]
    assert "23 of 24 rows were kept" in page.sections["data"]
    assert "null <ids>" in page.sections["data"]
    assert "row 7" in page.sections["data"]
    assert "User u1" in page.sections["examples"]
    assert "A new user: nothing is known." in page.sections["examples"]
    assert "1 of 10 chosen" in page.sections["examples"]
    assert "Also chosen: i2, i14" in page.sections["examples"]
    assert 'ranking.model.name = "wide_deep"' in page.sections["recipe"]
    assert "ranking.model.hidden = [256, 128]" in page.sections["recipe"]
    assert "retrieval.model.dropout = 0.0" in page.sections["recipe"]


def test_titles_from_the_data_are_escaped(run: tuple[Page, dict[str, Any], str]) -> None:
    page, _, text = run
    assert "Tea & <b>milk</b>" in page.sections["examples"]
    assert "Tea &amp; &lt;b&gt;milk&lt;/b&gt;" in text
    assert "Tea & <b>milk" not in text


def test_every_text_from_outside_is_escaped(facts: Callable[..., Facts]) -> None:
    evil = "</section><script>alert(1)</script>"
    example = Example(user=evil, known=1, history=[evil], recommended=[(evil, True)], missed=[evil])
    manifest = facts().manifest
    finding = {"what": evil, "count": 1, "done": evil, "examples": [evil]}
    audit = {"rows_read": 1, "rows_kept": 1, "findings": [finding]}
    text = render(
        facts(
            {"recipe": evil, "protocol": {**facts().protocol, "truth": evil, "ranking": evil}},
            recipe={"schema": {"user_id": evil, evil: "x"}},
            manifest={**manifest, "audit": audit, "split": {"kind": evil}},
            examples=(example,),
            curves={evil: curve(evil, [0.1, 0.2])},
        )
    )
    page = Page(text)
    assert "script" not in page.tags
    assert text.count("<script") == 0
    assert page.sections["examples"].count(evil) == 4


def test_a_click_log_has_the_sections_of_its_ranker_alone(facts: Callable[..., Facts]) -> None:
    whole = facts()
    protocol = {name: whole.protocol[name] for name in ("split", "ranking_rows", "ranking")}
    metrics = {
        "recipe": "clicks",
        "protocol": protocol,
        "stages": {"ranking": whole.stages["ranking"]},
        "calibration": whole.metrics["calibration"],
        "timings_s": {"evaluate": 0.1},
    }
    manifest = {**whole.manifest, "users": 0, "items": 0, "split": {"kind": "column", "test_from": None}}
    page = Page(render(replace(whole, metrics=metrics, manifest=manifest, curves={})))
    assert list(page.sections) == ["worth", "advice", "calibration", "time", "data", "protocol", "recipe"]
    assert "0.800 ± 0.002" in page.sections["worth"]
    assert "users" not in page.sections["data"]


def test_several_targets_stand_side_by_side_with_what_was_shown_together(facts: Callable[..., Facts]) -> None:
    whole = facts()
    click = {
        "auc": measured(0.8, 0.002),
        "calibration_error": measured(0.01),
        "calibration_error_before": measured(0.2),
    }
    metrics = {
        **whole.metrics,
        "protocol": {**whole.protocol, "group": "display", "groups": 1200, "groups_without_relevant": 34},
        "stages": {**whole.stages, "ranking": {**click, "map@12": measured(0.652, 0.001)}},
        "tasks": {"click": click, "stars": {"r2": measured(0.25), "rmse": measured(0.9, 0.1)}},
        "calibration_before": [{"predicted": 0.4, "observed": 0.12, "share": 1.0}],
    }
    page = Page(render(replace(whole, metrics=metrics)))
    worth = page.sections["worth"]
    assert "metricclickstars" in worth
    assert "root mean squared error-0.900 ± 0.100" in worth
    assert "the same before calibration0.200-" in worth
    assert "map@120.652 ± 0.001" in worth
    assert "1,200 groups of rows that were shown together" in worth
    assert "34 groups without a relevant row" in worth
    calibration = page.sections["calibration"]
    assert "calibration error 0.010, 0.200 before it was calibrated" in calibration
    assert "before calibration: 0.4, 0.12" in calibration


@pytest.mark.parametrize(
    ("index", "written"),
    [
        ({}, "none"),
        ({"retrieval": {"kind": "exact", "asked": "auto"}}, "retrieval: exact"),
        (
            {
                "retrieval": {"kind": "faiss", "structure": "lists", "recall@100": 0.98714, "effort": {"100": 12}},
                "sources.more": {"kind": "lancedb", "structure": "table", "recall@100": 0.99},
            },
            "retrieval: faiss lists, recall@100 0.987 of an exact search's; "
            "sources.more: lancedb table, recall@100 0.990 of an exact search's",
        ),
    ],
)
def test_an_index_has_its_kind_and_what_it_finds(
    index: dict[str, Any], written: str, facts: Callable[..., Facts]
) -> None:
    whole = facts()
    page = Page(render(facts({"protocol": {**whole.protocol, "index": index}})))
    assert f"index{written}" in page.sections["protocol"]


def test_nothing_measured_still_makes_a_page(facts: Callable[..., Facts]) -> None:
    metrics = {"recipe": "r", "protocol": {"split": "test"}, "stages": {}, "timings_s": {}}
    page = Page(render(replace(facts(), metrics=metrics)))
    assert "nothing to measure" in page.sections["worth"]


def test_one_epoch_is_a_sentence_and_not_a_chart(facts: Callable[..., Facts]) -> None:
    page = Page(render(facts(curves={"ranking": curve("auc", [0.7])})))
    assert "ranking: one epoch, training loss 1.000, validation auc 0.700." in page.sections["learning"]


def test_the_report_is_made_from_what_the_file_says(funnel: Make, tmp_path: Path) -> None:
    rec, data = funnel()
    metrics = json.loads(json.dumps(evaluate(rec, data)))
    path = write_report(tmp_path, metrics, rec, data)
    assert list(Page(path.read_text(encoding="utf-8")).sections) == [name for name in SECTIONS if name != "learning"]
