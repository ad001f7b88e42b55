"""Facts of an invented run in which nothing is wrong; tests change what they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shortlist.evaluation.report.facts import Facts


def measured(value: float, half: float | None = None) -> dict[str, float | None]:
    """One entry of metrics.json."""
    return {
        "value": value,
        "low": None if half is None else value - half,
        "high": None if half is None else value + half,
    }


def stage(recall: float, ndcg: float, coverage: float) -> dict[str, Any]:
    return {
        "recall@100": measured(recall, 0.01),
        "ndcg@10": measured(ndcg, 0.004),
        "coverage@10": measured(coverage),
    }


def curve(metric: str, values: list[float]) -> list[dict[str, Any]]:
    """A learning curve with these validation values and a loss that falls."""
    return [
        {"epoch": i + 1, "train_loss": 1 / (i + 1), "seconds": 1.0, "rows_per_s": 1000, "valid": {metric: value}}
        for i, value in enumerate(values)
    ]


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """Makes the facts; `metrics` replaces parts of metrics.json, other keywords parts of the facts."""

    def make(metrics: dict[str, Any] | None = None, **parts: Any) -> Facts:
        slice_ = {"what": "w", "requests": 500, "stages": {s: stage(0.5, 0.15, 0.3) for s in ("popularity", "funnel")}}
        values: dict[str, Any] = {
            "recipe": "toy",
            "fingerprint": "abc",
            "protocol": {
                "split": "test",
                "requests": 2000,
                "requests_for_each": "user",
                "users": 2000,
                "users_are": "users",
                "candidates": 500,
                "catalogue": 3000,
                "truth_items": 9000,
                "truth_seen_before": 0,
                "ranking_rows": 5000,
                "ranking": "all test rows as they are",
            },
            "stages": {
                "popularity": stage(0.3, 0.07, 0.05),
                "retrieval": stage(0.5, 0.1, 0.4),
                "ranking": {
                    "auc": measured(0.8, 0.002),
                    "log_loss": measured(0.4, 0.01),
                    "calibration_error": measured(0.01),
                },
                "funnel": stage(0.5, 0.15, 0.4),
            },
            "slices": {"new users": slice_, "new items": slice_},
            "lost": {"not_in_catalogue": 0.0, "not_among_candidates": 0.1, "index": 0.0, "ranked_below_10": 0.15},
            "found@10": 0.75,
            "popularity": [
                {"items": 300, "train": 0.5, "truth": 0.4, "funnel": 0.5, "retrieval": 0.4, "popularity": 1.0},
                {"items": 300, "train": 0.5, "truth": 0.6, "funnel": 0.5, "retrieval": 0.6, "popularity": 0.0},
            ],
            "calibration": [{"predicted": 0.1, "observed": 0.12, "share": 0.5}],
            "timings_s": {"prepare": 1.0, "evaluate": 2.0},
            "rows": {"train": 80, "valid": 10, "test": 10},
            **(metrics or {}),
        }
        given: dict[str, Any] = {
            "recipe": {"retrieval": {"epochs": 10}, "ranking": {"epochs": 10, "negatives": {"sampled": 4}}},
            "manifest": {
                "rows": values["rows"],
                "users": 20,
                "items": 30,
                "split": {"kind": "time", "valid_from": 0, "test_from": 86400},
                "audit": {"rows_read": 100, "rows_kept": 100, "findings": []},
            },
            "curves": {"retrieval": curve("recall@100", [0.1, 0.2, 0.3, 0.298]), "ranking": []},
            "examples": (),
            "created": "2026-01-02T03:04:05+00:00",
            **parts,
        }
        return Facts(metrics=values, **given)

    return make
