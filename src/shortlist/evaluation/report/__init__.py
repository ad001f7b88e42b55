"""The report: one HTML file about one run, with the figures of metrics.json and what they suggest."""

from __future__ import annotations

from pathlib import Path

from shortlist.bundle.recommender import Recommender
from shortlist.core.files import whole_file
from shortlist.data.prepared import Prepared
from shortlist.evaluation.report.facts import Metrics, gather
from shortlist.evaluation.report.page import render

__all__ = ["write_report"]


def write_report(folder: Path, metrics: Metrics, recommender: Recommender, prepared: Prepared) -> Path:
    """Write `folder`/report.html about `metrics`, the content of metrics.json; returns its path.

    Learning curves are read from the stages' folders beside it, where there are such. The page loads nothing:
    no script, no font, no picture from outside.
    """
    path = Path(folder) / "report.html"
    page = render(gather(path.parent, metrics, recommender, prepared))
    with whole_file(path) as draft:
        draft.write_text(page, encoding="utf-8")
    return path
