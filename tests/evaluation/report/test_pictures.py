"""Charts of the report as files of their own."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from shortlist.evaluation.report.pictures import pictures

SVG = "{http://www.w3.org/2000/svg}"
CURVES: dict[str, Any] = {
    "retrieval": [{"epoch": e, "train_loss": 3.0 - e, "valid": {"recall@20": 0.1 * e}} for e in (1, 2)],
    "ranking": [{"epoch": 1, "train_loss": 0.5, "valid": {"auc": 0.7}}],
}
METRICS: dict[str, Any] = {
    "stages": {"ranking": {"calibration_error": {"value": 0.1, "low": None, "high": None}}},
    "calibration": [{"predicted": 0.1, "observed": 0.2}, {"predicted": 0.5, "observed": 0.4}],
    "protocol": {"ranking": "held-out rows <all>"},
}


def words(svg: str) -> list[str]:
    """Every text of a picture."""
    return ["".join(text.itertext()).strip() for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_every_chart_with_lines_is_a_picture_with_its_title() -> None:
    found = pictures(METRICS, CURVES)

    assert set(found) == {
        "retrieval_training_loss",
        "retrieval_validation_recall_at_20",
        "predicted_and_observed_rates",
    }
    assert "retrieval: training loss" in words(found["retrieval_training_loss"])


def test_several_lines_are_told_apart_by_a_legend() -> None:
    found = pictures(METRICS, CURVES)

    assert "● perfect  ● ranker" in words(found["predicted_and_observed_rates"])
    assert not any("●" in word for word in words(found["retrieval_training_loss"]))
