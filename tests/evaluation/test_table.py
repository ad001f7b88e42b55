"""The table that a run prints."""

from __future__ import annotations

from typing import Any

from shortlist.evaluation.runner import evaluate
from shortlist.evaluation.table import cell, headline, results_table
from tests.evaluation.conftest import Make


def measured(value: float, half: float | None) -> dict[str, float | None]:
    return {
        "value": value,
        "low": None if half is None else value - half,
        "high": None if half is None else value + half,
    }


def result() -> dict[str, Any]:
    stage = {"recall@20": measured(0.2, 0.01), "recall@100": measured(0.412, 0.010), "ndcg@20": measured(0.2, 0.1)}
    return {
        "protocol": {
            "split": "test",
            "requests": 1783,
            "requests_for_each": "user",
            "users": 1783,
            "users_are": "users",
            "candidates": 500,
            "exclude_seen": True,
        },
        "stages": {
            "popularity": {**stage, "ndcg@10": measured(0.071, 0.004)},
            "retrieval": {**stage, "ndcg@10": measured(0.102, 0.005)},
            "ranking": {"auc": measured(0.801, 0.002), "log_loss": measured(0.5, 0.1)},
            "funnel": {**stage, "ndcg@10": measured(0.137, 0.006), "coverage@10": measured(0.3, None)},
        },
        "lost": {"not_in_catalogue": 0.0, "not_among_candidates": 0.588, "index": 0.0, "ranked_below_10": 0.241},
        "found@10": 0.171,
    }


def test_the_table_of_a_whole_funnel() -> None:
    assert results_table(result()).splitlines() == [
        "1,783 test users, whole catalogue, seen items left out",
        "              recall@100       ndcg@10          auc",
        "  popularity  .412 ± .010      .071 ± .004      -",
        "  retrieval   .412 ± .010      .102 ± .005      -",
        "  funnel      .412 ± .010      .137 ± .006      .801 ± .002",
        "where truth was lost: 58.8 % not among 500 candidates, 0.0 % to the index, "
        "24.1 % ranked below 10; 17.1 % found",
    ]


def test_a_list_that_nothing_puts_in_order_has_no_candidates() -> None:
    found = result()
    del found["protocol"]["candidates"], found["stages"]["ranking"]
    found["protocol"]["positions"] = 100
    assert results_table(found).splitlines()[-1].startswith("where truth was lost: 58.8 % not among the first 100, ")


def test_requests_of_events_are_not_taken_for_users() -> None:
    found = result()
    found["protocol"] |= {"requests": 70, "requests_for_each": "event", "users": 20, "users_are": "sessions"}
    assert results_table(found).startswith("70 test requests of 20 sessions, whole catalogue, seen items left out\n")


def test_the_headline_is_the_widest_recall_and_the_sharpest_ndcg() -> None:
    assert headline(result()) == ("recall@100", "ndcg@10")
    only_map: dict[str, Any] = {"stages": {"funnel": {"average_precision@12": {}, "coverage@10": {}}}}
    assert headline(only_map) == ("average_precision@12",)


def test_what_is_not_in_the_catalogue_is_named_when_there_is_such() -> None:
    found = result()
    found["lost"]["not_in_catalogue"] = 0.031
    assert "lost: 3.1 % not in the catalogue, 58.8 %" in results_table(found)


def test_a_click_log_has_one_line() -> None:
    found = {
        "protocol": {"split": "test", "ranking_rows": 8000},
        "stages": {"ranking": {"auc": measured(0.801, 0.002)}},
    }
    assert results_table(found) == "8,000 test rows: auc .801 ± .002"
    assert results_table({"protocol": {"split": "test"}, "stages": {}}) == "nothing held out"


def test_several_targets_have_a_line_each_and_groups_one() -> None:
    click = {"auc": measured(0.801, 0.002), "calibration_error": measured(0.01, None)}
    found = {
        "protocol": {"split": "test", "ranking_rows": 8000, "group": "display", "groups": 1200},
        "stages": {"ranking": {**click, "map@12": measured(0.652, 0.001)}},
        "tasks": {"click": click, "seconds_on_page": {"r2": measured(0.25, None)}},
    }
    assert results_table(found).splitlines() == [
        "8,000 test rows",
        "  click            auc .801 ± .002, calibration_error .010",
        "  seconds_on_page  r2 .250",
        "per display, 1,200 of them: map@12 .652 ± .001",
    ]


def test_a_calibration_is_told_with_what_it_was_before() -> None:
    found = result()
    errors = {"calibration_error": measured(0.01, None), "calibration_error_before": measured(0.05, None)}
    found["stages"]["ranking"] |= errors
    assert results_table(found).splitlines()[-2] == "  ranker      calibration_error .010 (.050 before)"
    clicks = {"protocol": {"split": "test", "ranking_rows": 80}, "stages": {"ranking": errors}}
    assert results_table(clicks) == "80 test rows: calibration_error .010 (.050 before)"


def test_cells_without_interval_and_values_of_one() -> None:
    assert cell(measured(0.3, None)) == ".300"
    assert cell(measured(1.0, 0.0)) == "1.000 ± .000"
    assert cell({"value": None, "low": None, "high": None}) == "-"


def test_a_measured_funnel_prints(funnel: Make) -> None:
    text = results_table(evaluate(*funnel()))
    assert text.startswith("2 test users, whole catalogue, seen items left out\n")
    assert "16.7 % not among 12 candidates, 0.0 % to the index, 16.7 % ranked below 10; 66.7 % found" in text
