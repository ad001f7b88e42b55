"""Several targets from the recipe to the bundle: calibration, score, and each target's twin."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import RecipeError
from shortlist.core.files import read_json
from shortlist.models.catalogue import check_models
from shortlist.pipeline.run import Run
from shortlist.pipeline.twins import Comparison, compare_tasks, comparison_table
from shortlist.recipe import parse_recipe
from shortlist.serving.answers import PredictionsAnswer
from shortlist.serving.service import Service
from tests.pipeline.test_redo import Written

RECIPE = """\
[data]
interactions = "log.parquet"
[schema]
group = "display"
[schema.targets]
click = "click"
seconds = {value = "seconds", kind = "regression"}
colour = {value = "colour", kind = "multiclass"}
buy = "bought"
[features.context]
banner = "categorical"
hour = "numeric"
[split]
kind = "column"
[evaluation]
metrics = ["map@12"]
[ranking]
epochs = 4
batch_size = 32
dense = {lr = 0.01}
embedding = {lr = 0.1}
calibration = "platt"
score = "0.2 * click + buy"
negatives = {sampled = 0}
model = {name = "mlp", embedding_dim = 4, hidden = [8]}
[compute]
threads = 1
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A click log: the banner says how likely a click is, and a click what else happens."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    banner = random.integers(0, 3, 900)
    click = random.random(900) < np.array([0.2, 0.5, 0.8])[banner]
    bought = np.where(click, random.random(900) < 0.4, False)
    columns = {
        "banner": np.array(["red", "green", "blue"])[banner],
        "hour": random.random(900),
        "click": click,
        "seconds": pa.array(np.where(click, 1.0, 0.2) + 0.1 * random.random(900), mask=random.random(900) < 0.1),
        "colour": np.where(random.random(900) < 0.5, "warm", "cold"),
        "bought": bought,
        "display": np.arange(900) // 3,
        "split": np.repeat(["train", "valid", "test"], [500, 200, 200]),
    }
    pq.write_table(pa.table(columns), folder / "log.parquet")
    return folder


def run(tables: Path, folder: Path, *overrides: str) -> tuple[Run, Written]:
    reporter = Written()
    return Run(parse_recipe(RECIPE, "log.toml", overrides, tables, check_models), folder, reporter), reporter


@pytest.fixture(scope="module")
def done(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "done"
    run(tables, folder)[0].walk()
    return folder


@pytest.fixture
def folder(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "run"))


def test_the_bundle_holds_the_calibration_as_plain_numbers(tables: Path, done: Path) -> None:
    settings = read_json(done / "bundle" / "funnel.json")
    assert {name: values["kind"] for name, values in settings["calibration"].items()} == {
        "click": "platt",
        "buy": "platt",
    }
    rec = run(tables, done)[0].recommender()
    predicted = rec.predict_rows({"banner": ["red", "blue"], "hour": [0.5, 0.5]})
    assert list(predicted) == ["click", "seconds", "colour", "buy"]
    assert predicted["colour"].shape == (2, 2)
    assert 0 < predicted["click"][0] < predicted["click"][1] < 1


def test_rows_are_answered_with_every_target(tables: Path, done: Path) -> None:
    service = Service(run(tables, done)[0].recommender())
    body = service.rank_body.model_validate({"rows": [{"banner": "red"}, {"banner": "blue", "hour": 0.2}]})
    answer = service.rank(body)
    assert isinstance(answer, PredictionsAnswer)
    assert list(answer.predictions) == ["click", "seconds", "colour", "buy"]
    for chances in answer.predictions["colour"]:
        assert isinstance(chances, dict)
        assert sorted(chances) == ["cold", "warm"]
        assert sum(chances.values()) == pytest.approx(1)


def test_every_target_is_measured_and_so_are_displays(tables: Path, done: Path) -> None:
    metrics = run(tables, done)[0].metrics()
    assert list(metrics["tasks"]) == ["click", "seconds", "colour", "buy"]
    assert metrics["tasks"]["click"]["auc"]["value"] > 0.6
    assert {"calibration_error", "calibration_error_before"} <= metrics["stages"]["ranking"].keys()
    assert set(metrics["tasks"]["seconds"]) == {"r2", "rmse"}
    assert set(metrics["tasks"]["colour"]) == {"accuracy", "log_loss"}
    assert 0.3 < metrics["stages"]["ranking"]["map@12"]["value"] <= 1
    assert len(metrics["calibration_before"]) > 1
    page = (done / "report.html").read_text()
    assert "before calibration" in page
    assert "per display" in page


def test_another_score_or_calibration_exports_anew_and_trains_nothing(tables: Path, folder: Path) -> None:
    other, reporter = run(tables, folder, "ranking.calibration=isotonic", "ranking.score=buy")
    other.walk()
    assert reporter.left == ["prepare", "ranking"]
    assert read_json(folder / "bundle" / "funnel.json")["calibration"]["buy"]["kind"] == "isotonic"


def test_each_target_is_compared_with_its_twin(tables: Path, folder: Path) -> None:
    first, reporter = run(tables, folder)
    found = compare_tasks(first)
    assert [(row.target, row.metric) for row in found] == [
        ("click", "auc"),
        ("seconds", "r2"),
        ("colour", "accuracy"),
        ("buy", "auc"),
    ]
    table = reporter.lines[-1].splitlines()
    assert table[0].split() == ["target", "metric", "together", "alone", "difference"]
    assert [line.split()[0] for line in table[1:5]] == ["click", "seconds", "colour", "buy"]
    assert all(row.margin is not None and 0 < row.margin < 0.3 for row in found)
    best = read_json(folder / "ranking" / "history.json")
    assert found[0].together == max(entry["valid"]["auc"] for entry in best)
    assert sum("alone" in line or "best epoch" in line for line in reporter.lines) >= 4

    again, reporter = run(tables, folder)
    assert compare_tasks(again) == found
    assert sum("done before" in line for line in reporter.lines) == 2 + 4
    assert not list((folder / "twins").glob(".*"))


def test_the_ranker_and_its_twins_are_compared_on_the_rows_they_were_validated_on(tables: Path, folder: Path) -> None:
    from shortlist.training.ranking_metrics import difference, metrics
    from shortlist.training.validation_rows import ValidationRows

    some, _ = run(tables, folder)
    found = compare_tasks(some)
    rows = ValidationRows(some.prepared, some.recipe, None)
    predicted_NT, targets_NT, weight_N = rows.predicted(folder / "ranking")
    together = metrics(some.prepared.schema.targets, predicted_NT, targets_NT, weight_N)
    for place, (target, row) in enumerate(zip(some.prepared.schema.targets, found, strict=True)):
        alone_N1, happened_N1, _ = rows.predicted(folder / "twins" / target.name, target)
        apart = difference(target, predicted_NT[:, place], alone_N1[:, 0], targets_NT[:, place], weight_N)
        assert np.array_equal(happened_N1[:, 0], targets_NT[:, place], equal_nan=True)
        assert list(together.values())[place] == pytest.approx(row.together)
        assert apart.value == pytest.approx(row.together - row.alone, abs=1e-6)
        assert row.margin == pytest.approx((apart.high - apart.low) / 2)


def test_a_twin_has_outputs_of_its_own_target_alone(tables: Path, folder: Path) -> None:
    from safetensors.numpy import load_file

    compare_tasks(run(tables, folder)[0])
    outputs = {}
    for name in ("ranking", "twins/click", "twins/colour"):
        weights = load_file(folder / name / "model.safetensors")
        outputs[name] = [value.shape[0] for key, value in weights.items() if key.endswith("bias")][-1]
    assert outputs == {"ranking": 5, "twins/click": 1, "twins/colour": 2}


@pytest.mark.parametrize(
    ("tasks", "remedy"),
    [("mmoe", 'ranking.model.tasks = "ple"'), ("ple", 'ranking.loss_weights = "uncertainty"')],
)
def test_a_target_that_is_better_alone_gets_a_warning(tasks: str, remedy: str) -> None:
    recipe = parse_recipe(RECIPE, overrides=[f"ranking.model.tasks={tasks}"])
    assert recipe.ranking is not None
    rows = [
        Comparison("click", "auc", 0.8, 0.809, 0.0091),
        Comparison("seconds", "r2", -0.05, 0.012, 0.0619),
        Comparison("buy", "auc", 0.5, 0.9, None),
    ]
    assert comparison_table(rows, recipe.ranking).splitlines() == [
        "target   metric      together     alone  difference",
        "click    auc            .8000     .8090     -0.0090 ± .0091",
        "seconds  r2            -.0500     .0120     -0.0620 ± .0619",
        "buy      auc            .5000     .9000     -0.4000",
        "On validation rows: together at the epoch that is best for the first target, alone each at its own best; "
        "± the 95 % interval of the difference.",
        "warning: `seconds` is better alone (.0120 against -.0500): the targets hurt each other; try " + remedy,
    ]


@pytest.mark.parametrize(
    "model", ['{name = "mlp", tasks = "ple"}', '"logistic_regression"', '{name = "mlp", tasks = {kind = "ple"}}']
)
def test_no_remedy_is_offered_that_is_in_force_or_that_the_model_has_not(model: str) -> None:
    recipe = parse_recipe(RECIPE, overrides=[f"ranking.model={model}", "ranking.loss_weights=uncertainty"])
    assert recipe.ranking is not None
    table = comparison_table([Comparison("buy", "auc", 0.5, 0.9, 0.1)], recipe.ranking)
    assert table.endswith("the targets hurt each other")


def test_a_table_of_no_target_says_so() -> None:
    recipe = parse_recipe(RECIPE)
    assert recipe.ranking is not None
    assert comparison_table([], recipe.ranking).startswith("nothing to compare")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RECIPE.split("seconds =", maxsplit=1)[0] + "[ranking]\nnegatives = {sampled = 0}\n", "there is only `click`"),
        ('[data]\ninteractions = "log.parquet"\n[schema]\nuser_id = "u"\nitem_id = "i"\n', "there is none"),
        (
            '[data]\ninteractions = "l"\n[schema]\nuser_id = "u"\nitem_id = "i"\n[retrieval]\n',
            "no ranker whose targets",
        ),
    ],
)
def test_fewer_than_two_targets_is_an_error_before_anything_is_done(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        compare_tasks(Run(parse_recipe(text), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_label_that_validation_lacks_leaves_its_target_uncalibrated(tables: Path, tmp_path: Path) -> None:
    """`buy` happens in training alone: no rate can be learned of it, and there is nothing to compare."""
    log = pq.read_table(tables / "log.parquet").to_pydict()
    log["bought"] = [bought and split == "train" for bought, split in zip(log["bought"], log["split"], strict=True)]
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    some, reporter = run(tmp_path, tmp_path / "run", "ranking.epochs=1")
    some.walk("export")
    assert list(read_json(tmp_path / "run" / "bundle" / "funnel.json")["calibration"]) == ["click"]
    assert _line(reporter.lines, "`buy` is not calibrated: all validation rows have label 0")
    assert [row.target for row in compare_tasks(some)] == ["click", "seconds", "colour"]
    assert _line(reporter.lines, "`buy` is left out: its validation rows are all alike")


def _line(lines: Sequence[str], start: str) -> str:
    return next(line for line in lines if line.startswith(start))
