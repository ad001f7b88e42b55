"""Markup escapes what is not markup, and numbers read well."""

from __future__ import annotations

from itertools import pairwise

import pytest

from shortlist.evaluation.report.markup import Markup, joined, pairs, table, tag, wrapping
from shortlist.evaluation.report.numbers import day, decimal, duration, estimate, percent, tick_text, ticks


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "a < b & c", tag("b", '"x"')) == "<p>a &lt; b &amp; c<b>&quot;x&quot;</b></p>"
    assert joined(["<", Markup("<br>"), None, 3]) == "&lt;<br>3"
    assert tag("a", href='"><script>', class_="x", title=None) == '<a href="&quot;&gt;&lt;script&gt;" class="x"></a>'
    assert tag("svg", viewBox="0 0 1 1", aria_label="x") == '<svg viewBox="0 0 1 1" aria-label="x"></svg>'


def test_tables_and_pairs_escape_their_cells() -> None:
    assert "<td>&lt;i&gt;</td>" in table(["<h>", "b"], [["row", "<i>"]])
    assert '<th scope="col">&lt;h&gt;</th>' in table(["<h>", "b"], [["row", "<i>"]])
    assert pairs([("<a>", "<b>")]) == "<dl><dt>&lt;a&gt;</dt><dd>&lt;b&gt;</dd></dl>"
    assert wrapping("a_<b>.c") == "a_<wbr>&lt;b&gt;.<wbr>c"


def test_numbers() -> None:
    assert [decimal(value) for value in (0.41249, 0.0, 0.00012, 1.0, None)] == [
        "0.412",
        "0.000",
        "0.00012",
        "1.000",
        "-",
    ]
    assert estimate({"value": 0.412, "low": 0.402, "high": 0.422}) == "0.412 ± 0.010"
    assert estimate({"value": 0.412, "low": None, "high": None}) == "0.412"
    assert percent(0.588) == "58.8 %"
    assert [duration(s) for s in (0.01, 0.44, 12, 200, 7500)] == ["< 0.1 s", "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"]
    assert day(975768738) == "2000-12-02"
    assert day(None) == "-"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.5, 1]),
        (0.271, 0.289, [0.27, 0.275, 0.28, 0.285, 0.29]),
        (5.9, 6.5, [5.8, 6.0, 6.2, 6.4, 6.6]),
        (0.0, 0.0, [0, 0.5]),
    ],
)
def test_ticks_are_round_and_hold_the_range(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_ticks_of_any_range_are_few_even_and_around_it() -> None:
    for low, span in [(0.0, 3e-7), (-5.0, 0.02), (1234.0, 5678.0), (0.0, 1e9)]:
        found = ticks(low, low + span)
        steps = [b - a for a, b in pairwise(found)]
        assert found[0] <= low + span * 1e-6
        assert found[-1] >= low + span * (1 - 1e-6)
        assert 2 <= len(found) <= 7
        assert max(steps) == pytest.approx(min(steps))
    assert tick_text(2500.0) == "2,500"
