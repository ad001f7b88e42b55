"""`compare-tasks`: each target of a ranker beside its twin that learned alone."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Shortlist

TARGETS = 'schema.targets={liked = "rating >= 4", stars = {value = "rating / 5", kind = "regression"}}'


def test_it_trains_what_is_missing_and_prints_one_table(shop: Path, shortlist: Shortlist) -> None:
    words = ("compare-tasks", shop / "films.toml", "--runs", shop / "runs", "--set", TARGETS)

    said = shortlist(*words, "--json")

    assert said.code == 0
    tasks = json.loads(said.out)["tasks"]
    assert [(task["target"], task["metric"]) for task in tasks] == [("liked", "auc"), ("stars", "r2")]
    assert "target  metric      together     alone  difference" in said.err
    assert (shop / "runs" / "films" / "twins" / "liked" / "model.safetensors").is_file()
    assert not (shop / "runs" / "films" / "bundle").exists()

    again = shortlist(*words, "--profile")

    assert (again.code, again.out) == (0, "")
    assert "alone      liked: done before" in again.err
    assert "all stages were done before" in again.err


def test_one_target_is_an_error(shop: Path, shortlist: Shortlist) -> None:
    said = shortlist("compare-tasks", shop / "films.toml", "--runs", shop / "runs")

    assert said.code == 2
    assert "schema.targets: comparing tasks takes two targets or more, and there is only `liked`" in said.err
    assert not (shop / "runs").exists()
