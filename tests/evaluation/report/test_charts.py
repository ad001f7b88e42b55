"""Charts: points and bars stand where their values say."""

from __future__ import annotations

import re

import pytest

from shortlist.evaluation.report.charts import Axis, Line, interval_bar, line_chart, stacked_bar


def widths(markup: str) -> list[float]:
    return [float(width) for width in re.findall(r"width:([\d.]+)%", markup)]


def test_a_line_runs_from_corner_to_corner_of_its_axes() -> None:
    chart = line_chart("t", [Line("a", "funnel", [(0, 0), (10, 1)])], Axis("x", [0, 5, 10]), Axis("y", [0, 0.5, 1]))
    points = re.search(r'points="([^"]+)"', chart)
    assert points is not None
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in points[1].split())
    grid = [tuple(map(float, place)) for place in re.findall(r'x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)"', chart)]
    assert (x0, x1) == (grid[0][0], grid[0][1])
    assert (y0, y1) == (grid[0][2], grid[-1][2])
    assert y1 < y0


def test_a_legend_only_where_there_is_more_than_one_line() -> None:
    one, other = Line("<one>", "funnel", [(0, 0)]), Line("other", "grey", [(0, 1)], dots=False, dashed=True)
    axis = Axis("x", [0, 1])
    assert "legend" not in line_chart("t", [one], axis, axis)
    both = line_chart("t", [one, other], axis, axis)
    assert both.count("<li>") == 2
    assert "&lt;one&gt;" in both
    assert both.count("<circle") == 1
    assert "dashed" in both


def test_bars_are_as_long_as_their_values_and_intervals_stay_inside() -> None:
    assert widths(interval_bar(0.2, None, None, 0.4, "funnel")) == [50.0]
    bar = interval_bar(0.4, 0.3, 0.5, 0.5, "funnel")
    assert widths(bar) == [80.0, 40.0]
    assert "left:60.00%" in bar
    assert widths(interval_bar(0.0, -0.1, 0.1, 0.0, "funnel")) == [0.0, 0.0]


def test_a_stacked_bar_leaves_out_what_is_nothing() -> None:
    bar = stacked_bar([("a", 0.25, "funnel"), ("b", 0.0, "late"), ("c", 0.75, "early")], "label")
    assert widths(bar) == pytest.approx([25, 75])
    assert "late" not in bar
