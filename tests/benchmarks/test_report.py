"""The page of figures, from made-up results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.chart import bars
from benchmarks.command import stamped
from benchmarks.harness import Options, at_least
from benchmarks.markdown import table
from benchmarks.report import write_report
from benchmarks.result import Result


def _stored(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": name,
        "passed": False,
        "unit": "samples per CPU-second",
        "ours": 21_000.0,
        "peers": {"Keras": 4_800.0, "FuxiCTR": 2_650.0, "Gone": "ERROR: No matching distribution"},
        "ratio": 4.375,
        "limit": 25_600.0,
        "goals": {"times Keras": at_least(2.5, 4.375), "times FuxiCTR": at_least(8, 7.92)},
        "details": {
            "contestants": {"ours": {"rate": 21_000.0, "auc": 0.7512}, "Keras": {"rate": 4_800.0, "auc": 0.7498}},
            "rounds": {"ours": [21_000.0]},
            "cases": {"10k": {"p50_ms": 0.3, "limits": {"batch": 2e6}}, "1M": {"p50_ms": 30.0}},
            "best_possible_auc": 0.8025,
            "how": "By its own fit.",
        },
    }
    facts = stamped(Result(**{**values, **more}), Options(seed=7), [name, "--json"])
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(facts))
    return facts


def test_the_page_shows_every_result_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "performance"
    _stored(folder, "zeta", peers={}, ratio=None, limit=None, goals={}, details={})
    _stored(folder, "train")
    written = write_report(folder)
    assert [path.name for path in written] == ["performance.md", "train.svg", "zeta.svg"]
    page = (tmp_path / "performance.md").read_text()
    overview = [line for line in page.splitlines() if line.startswith("| [")]
    assert overview == [
        "| [train](#train) | **4.38** | 21,000 | 4,800 (Keras) | 25,600 | 82% | 1 of 2 met | samples per CPU-second |",
        "| [zeta](#zeta) |  | 21,000 |  |  |  | none set | samples per CPU-second |",
    ]
    assert "## loader" not in page
    assert "| times FuxiCTR | 8 | 7.92 | **NOT MET** |" in page
    assert "| ours | 21,000 | 0.7512 |" in page
    assert "- Gone could not be measured: ERROR: No matching distribution" in page
    assert "|  | p50 ms | limits batch |" in page
    assert "| 1M | 30 |  |" in page
    assert "seed 7" in page
    assert "`python -m benchmarks train --json`" in page
    assert "(performance/train.svg)" in page


def test_a_detail_leaves_out_its_single_rounds(tmp_path: Path) -> None:
    folder = tmp_path / "performance"
    _stored(folder, "prepare", details={"whole": {"wall_s": 18.25, "rounds": [{"wall_s": 18.0}, {"wall_s": 18.5}]}})
    write_report(folder)

    assert "Whole: wall s 18.25." in (tmp_path / "performance.md").read_text()


def test_bars_grow_with_the_logarithm() -> None:
    root = ElementTree.fromstring(
        bars([("limit", 100.0, "limit"), ("ours", 10.0, "ours"), ("a<b", 1.0, "peer")], "rows")
    )
    rects = [element for element in root.iter() if element.tag.endswith("rect")]
    limit, ours, peer = (float(rect.attrib["width"]) for rect in rects)
    assert limit - ours == pytest.approx(ours - peer, abs=0.2)
    assert peer > 0
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"limit", "ours", "a<b", "100", "10", "1"} <= texts


def test_a_cell_may_hold_the_sign_that_parts_cells() -> None:
    assert table(["a"], [["b|c"]]).splitlines()[-1] == "| b\\|c |"
