"""A bundle with several targets, a score made of them, a calibration, and rows that were shown together."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.progress import Silent
from shortlist.data.loader import Gather
from shortlist.data.prepared import Prepared
from shortlist.evaluation.calibrate import choose_calibrations
from shortlist.evaluation.choose import choose_retrieval_weight
from shortlist.evaluation.report import write_report
from shortlist.evaluation.runner import evaluate
from shortlist.funnel.calibration import Isotonic, Platt, calibration_to_json
from shortlist.schema import Split, Target, TargetKind
from tests.evaluation import toy

TARGETS = (
    Target(name="click"),
    Target(name="stars", kind=TargetKind.REGRESSION),
    Target(name="kind", kind=TargetKind.MULTICLASS, classes=("red", "blue")),
    Target(name="buy"),
)
SCHEMA = {
    "user_id": "user_id",
    "item_id": "item_id",
    "timestamp": "time",
    "group": "display",
    "targets": {
        "click": "c",
        "stars": {"value": "s", "kind": "regression"},
        "kind": {"value": "k", "kind": "multiclass"},
        "buy": "b",
    },
}
NAN = float("nan")
ITEMS = 6
# Per item the logit of a click, the stars, the logits of both classes, the logit of a purchase.
OUTPUTS = np.array([[0, 0, 0, 0, 0], *([i - 3, i, i % 2, 1, 4 - i] for i in range(1, ITEMS + 1))], np.float32)
EVENTS = [
    *(toy.Event(1, item, item, Split.TRAIN, 1.0, (1.0, 0.0, 0.0), 1) for item in range(1, ITEMS + 1)),
    # Display 7: items by logit 6, 5, 4; relevant 5. Display 8: 3, 2; relevant 3 and 2. Display 9: nothing.
    toy.Event(1, 4, 201, Split.TEST, 0.0, (4.0, 1.0, 0.0), 7),
    toy.Event(1, 5, 202, Split.TEST, 1.0, (6.0, 0.0, 1.0), 7),
    toy.Event(1, 6, 203, Split.TEST, 0.0, (NAN, NAN, NAN), 7),
    toy.Event(2, 3, 204, Split.TEST, 1.0, (NAN, 1.0, 0.0), 8),
    toy.Event(2, 2, 205, Split.TEST, 1.0, (3.0, 1.0, NAN), 8),
    toy.Event(2, 1, 206, Split.TEST, 0.0, (NAN, NAN, NAN), 9),
]


class Said(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, stage: str, message: str) -> None:
        self.lines.append(message)


def world(
    folder: Path,
    events: Sequence[toy.Event] = EVENTS,
    calibration: dict[str, Any] | None = None,
    users: int = 2,
    **ranking: Any,
) -> tuple[Recommender, Prepared]:
    folder.mkdir(exist_ok=True)
    data = toy.prepared(folder, events, users=users, items=ITEMS, targets=TARGETS)
    of = toy.recipe(
        schema=SCHEMA,
        ranking={"negatives": {"sampled": 0}, **ranking},
        evaluation={"metrics": ["map@12", "recall@2", "recall@12"]},
    )
    outputs_UIO = np.tile(OUTPUTS, (users + 1, 1, 1))
    rec = toy.recommender(folder / "bundle", data, of, logit_UI=outputs_UIO, calibration=calibration)
    return rec, data


def test_every_target_is_measured_on_the_rows_that_tell_it(tmp_path: Path) -> None:
    metrics = evaluate(*world(tmp_path))
    tasks = metrics["tasks"]
    assert list(tasks) == ["click", "stars", "kind", "buy"]
    assert tasks["click"]["auc"]["value"] == pytest.approx(4 / 9)
    # Stars 4, 5 and 2 were predicted, 4, 6 and 3 given.
    assert tasks["stars"]["rmse"]["value"] == pytest.approx(math.sqrt(2 / 3))
    assert tasks["stars"]["r2"]["value"] == pytest.approx(1 - 2 / (14 / 3))
    # Items 3 and 5 have equal logits, of which the first wins.
    assert tasks["kind"]["accuracy"]["value"] == pytest.approx(3 / 4)
    # Purchase logits 0, -1 and 1 for the labels 0, 1 and 0.
    assert tasks["buy"]["auc"]["value"] == 0.0
    rows = {name: value for name, value in metrics["stages"]["ranking"].items() if "@" not in name}
    assert rows == tasks["click"]
    json.dumps(metrics, allow_nan=False)


def test_an_answer_tells_what_is_predicted_of_every_target(tmp_path: Path) -> None:
    rec, _ = world(tmp_path, calibration={"buy": calibration_to_json(Platt(slope=2.0, offset=-1.0))})
    best, *_ = rec.recommend([None], k=2, exclude_seen=False)[0]
    item = int(str(best.item_id).removeprefix("i"))
    assert best.score == OUTPUTS[item, 0]
    assert best.predictions == {
        "click": pytest.approx(1 / (1 + math.exp(-OUTPUTS[item, 0]))),
        "stars": pytest.approx(item),
        "kind": "red" if item % 2 else "blue",
        "buy": pytest.approx(1 / (1 + math.exp(-(2 * OUTPUTS[item, 4] - 1)))),
    }
    assert json.dumps(best.predictions)
    assert rec.present(rec.run(rec.requests([None]), 1, "retrieval"))[0][0].predictions is None


def test_lists_are_measured_within_what_was_shown_together(tmp_path: Path) -> None:
    metrics = evaluate(*world(tmp_path))
    measured = metrics["stages"]["ranking"]
    assert measured["map@12"]["value"] == pytest.approx((1 / 2 + 1) / 2)
    assert measured["recall@2"]["value"] == 1.0
    assert "recall@12" not in measured
    protocol = metrics["protocol"]
    assert (protocol["group"], protocol["groups"], protocol["groups_without_relevant"]) == ("display", 2, 1)


def test_sampled_negatives_are_in_no_group(tmp_path: Path) -> None:
    plain = evaluate(*world(tmp_path))
    sampled = evaluate(*world(tmp_path / "other", negatives={"sampled": 2, "observed": True}))
    assert sampled["protocol"]["ranking_rows"] > plain["protocol"]["ranking_rows"]
    assert sampled["stages"]["ranking"]["map@12"] == plain["stages"]["ranking"]["map@12"]
    # A row that never happened tells nothing of its stars.
    assert sampled["tasks"]["stars"] == plain["tasks"]["stars"]
    assert evaluate(*world(tmp_path / "default", negatives={"sampled": 2}))["tasks"] == sampled["tasks"]
    relevant = evaluate(*world(tmp_path / "third", negatives={"sampled": 2, "observed": False}))
    assert relevant["protocol"]["ranking_rows"] < sampled["protocol"]["ranking_rows"]
    assert "map@12" not in relevant["stages"]["ranking"]


def test_groups_are_ordered_by_the_score(tmp_path: Path) -> None:
    metrics = evaluate(*world(tmp_path, score="-stars"))
    assert metrics["stages"]["ranking"]["map@12"]["value"] == pytest.approx((1 / 2 + 1) / 2)
    metrics = evaluate(*world(tmp_path / "other", score="-(stars - 5) * (stars - 5)"))
    assert metrics["stages"]["ranking"]["map@12"]["value"] == 1.0


def test_the_table_and_the_report_have_a_line_for_each(tmp_path: Path) -> None:
    said = Said()
    buy = calibration_to_json(Platt(slope=2.0, offset=-1.0))
    rec, data = world(tmp_path, calibration={"buy": buy}, score="0.2 * click + stars")
    metrics = evaluate(rec, data, said)
    (table,) = said.lines
    assert "  click       auc .444" in table
    assert "  stars       r2 .571, rmse .816" in table
    assert "  kind        accuracy .750" in table
    before = metrics["tasks"]["buy"]["calibration_error_before"]["value"]
    assert f"(.{1000 * before:.0f} before)" in table
    assert "per display, 2 of them: map@12 .750 ± .490, recall@2 1.000 ± .000" in table
    assert metrics["protocol"]["score"] == "0.2 * click + stars"
    assert metrics["protocol"]["calibrated"] == ["buy"]
    page = write_report(tmp_path, metrics, rec, data).read_text()
    for text in ("root mean squared error", "accuracy", "per display", "the same before calibration"):
        assert text in page


def test_rows_and_candidates_get_calibrated_probabilities_and_their_order_stays(tmp_path: Path) -> None:
    steps = Isotonic(logits=(-2.0, 3.0), probabilities=(0.1, 0.6))
    calibration = {"click": calibration_to_json(steps), "buy": calibration_to_json(Platt(slope=0.5))}
    rec, data = world(tmp_path, calibration=calibration)
    (shard,) = data.shards
    rows = Gather(data, 0).row(shard, np.arange(ITEMS), shard.item[:ITEMS])
    predicted = rec.predict_rows(rows)
    assert predicted["click"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert rec.score_rows(rows).tolist() == predicted["click"].tolist()
    assert predicted["buy"] == pytest.approx(1 / (1 + np.exp(-0.5 * OUTPUTS[1:, 4])))
    assert predicted["stars"].tolist() == [1, 2, 3, 4, 5, 6]
    assert predicted["kind"].sum(axis=1) == pytest.approx(np.ones(ITEMS))
    found = rec.run(rec.requests([None]), ITEMS)
    assert found.item_UK.tolist() == [[6, 5, 4, 3, 2, 1]]
    assert found.columns["target.click"][0] == pytest.approx([0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    raw = rec.predict_rows({"user_id": ["u1"], "item_id": ["i6"], "time": [3]})
    assert raw["click"] == pytest.approx([0.6])


def test_candidates_are_ordered_by_the_expression(tmp_path: Path) -> None:
    rec, _ = world(tmp_path, score="0.1 * click + buy")
    found = rec.run(rec.requests([None]), ITEMS)
    assert found.item_UK.tolist() == [[1, 2, 3, 4, 5, 6]]
    score = found.columns["ranking"][0]
    assert score[0] == pytest.approx(0.1 / (1 + math.exp(2)) + 1 / (1 + math.exp(-3)))
    assert found.score_UK[0].mean() == pytest.approx(0, abs=1e-6)


def validation(count: int = 400, reverse: bool = False) -> list[toy.Event]:
    """Rows whose rate of clicks is the sigmoid of half the logit, less 1; `buy` never happens."""
    random = np.random.default_rng(0)
    events = list(EVENTS)
    for i in range(count):
        item = 1 + i % ITEMS
        rate = 1 / (1 + math.exp(-(0.5 * (item - 3) - 1)))
        clicked = float((random.random() < rate) != reverse)
        events.append(toy.Event(1 + i % 2, item, 100, Split.VALID, clicked, (1.0, 0.0, 0.0), 5))
    return events


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_calibration_is_fitted_on_validation_rows(tmp_path: Path, method: Any) -> None:
    said = Said()
    rec, data = world(tmp_path, validation(6000))
    found = choose_calibrations(rec, data, method, said)
    assert list(found) == ["click"]
    logit = OUTPUTS[1:, 0]
    assert found["click"](logit) == pytest.approx(1 / (1 + np.exp(-(0.5 * logit - 1))), abs=0.03)
    assert said.lines == [
        "`buy` is not calibrated: all validation rows have label 0, and a rate is learned from rows of both"
    ]


def test_an_order_that_validation_turns_round_is_left_as_it_is(tmp_path: Path) -> None:
    said = Said()
    rec, data = world(tmp_path, validation(reverse=True))
    assert choose_calibrations(rec, data, "platt", said) == {}
    assert said.lines[0].startswith("`click` is not calibrated: on the validation rows a higher logit does not mean")


def test_without_validation_rows_nothing_is_calibrated(tmp_path: Path) -> None:
    said = Said()
    assert choose_calibrations(*world(tmp_path), "isotonic", said) == {}
    assert "`click` is not calibrated: there is no validation row" in said.lines[0]


def test_the_weight_of_retrieval_is_chosen_for_the_expression(tmp_path: Path) -> None:
    """By `-stars` low items are first, by retrieval high ones, of which one is held out."""
    events = [*EVENTS, toy.Event(3, 6, 150, Split.VALID, 1.0, (1.0, 0.0, 0.0), 3)]
    data = toy.prepared(tmp_path, events, users=3, items=ITEMS, targets=TARGETS)
    rec = toy.recommender(
        tmp_path / "bundle",
        data,
        toy.recipe(schema=SCHEMA, ranking={"score": "-stars"}, retrieval={}, funnel={"candidates": ITEMS}),
        query_UD=np.ones((4, 1), np.float32),
        vectors_ID=np.arange(ITEMS + 1, dtype=np.float32)[:, None],
        logit_UI=np.tile(OUTPUTS, (4, 1, 1)),
    )
    weight, table = choose_retrieval_weight(rec, data, (0.0, 0.5, 2.0))
    assert weight == 2.0
    assert table[2.0] == 1.0
    assert table[0.0] == table[0.5] < 0.5
