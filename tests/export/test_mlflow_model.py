"""A bundle as an MLflow model answers as the recommender: in a frame, without torch and in Spark."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import BundleError, RequestError
from shortlist.data.simulate import simulate_to
from shortlist.export.mlflow_model import requirements, save_mlflow_model
from tests.bundle.shop import SESSIONS, untrained, write_tables
from tests.pipeline.killed import RECIPE

mlflow = pytest.importorskip("mlflow", reason="mlflow is not here: pip install 'shortlist[mlflow]'")
pd = pytest.importorskip("pandas")

USERS = 1000
SHOP = RECIPE.partition("[retrieval]")[0] + "[ranking]" + RECIPE.partition("[ranking]")[2]
"""Candidates are the best sellers: one model less is exported, and that is what takes the time."""
CLICKS = """
name = "clicks"
[data]
interactions = "log.parquet"
[schema]
targets.carted = 'what == "cart"'
[features.context]
good = "categorical"
user = "categorical"
[split]
kind = "column"
column = "part"
[ranking]
negatives = { sampled = 0 }
model = { name = "wide_deep", embedding_dim = 4, hidden = [8] }
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """A shop of 1,000 users."""
    folder = tmp_path_factory.mktemp("shop")
    simulate_to(folder, users=USERS, items=200, seed=1)
    return untrained(folder, SHOP)


@pytest.fixture(scope="module")
def model(shop: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlflow") / "model"
    save_mlflow_model(shop.bundle.path, folder)
    return folder


def users_of(recommender: Recommender) -> list[Any]:
    ids: list[Any] = recommender.bundle.user_keys[1:].to_pylist()
    return ids


def lists(recommender: Recommender, users: list[Any], **about: Any) -> list[tuple[list[Any], list[float]]]:
    """What the recommender itself answers."""
    answers = recommender.recommend(users, 10, **about)
    return [([item.item_id for item in items], [item.score for item in items]) for items in answers]


def answered(frame: Any) -> list[tuple[list[Any], list[float]]]:
    return [(list(items), list(scores)) for items, scores in zip(frame["items"], frame["scores"], strict=True)]


def same(one: list[tuple[list[Any], list[float]]], other: list[tuple[list[Any], list[float]]]) -> None:
    assert [items for items, _ in one] == [items for items, _ in other]
    for (_, scores), (_, expected) in zip(one, other, strict=True):
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_a_frame_of_users_gets_what_the_recommender_answers(shop: Recommender, model: Path) -> None:
    users = users_of(shop)
    found = mlflow.pyfunc.load_model(str(model)).predict(pd.DataFrame({"user_id": users}))

    assert len(users) == USERS
    assert list(found.columns) == ["items", "scores"]
    same(answered(found), lists(shop, users))


def test_a_request_may_say_how_many_what_happened_since_and_whether_seen_items_count(
    shop: Recommender, model: Path
) -> None:
    users, items = users_of(shop)[:3], shop.bundle.item_keys[1:3].to_pylist()
    loaded = mlflow.pyfunc.load_model(str(model))
    asked = pd.DataFrame({"user_id": users, "history": [items, [], None]})
    with_history = loaded.predict(asked, params={"exclude_seen": False})
    three = loaded.predict(asked, params={"k": 3})

    same(answered(with_history), lists(shop, users, history=[items, [], []], exclude_seen=False))
    assert [len(found) for found in three["items"]] == [3, 3, 3]


def test_a_history_that_is_text_is_no_list_of_letters(shop: Recommender, model: Path) -> None:
    loaded = mlflow.pyfunc.load_model(str(model))
    with pytest.raises(RequestError, match=r"expected a list for each request, .* found the text 'tea'"):
        loaded.predict(pd.DataFrame({"user_id": users_of(shop)[:1], "history": ["tea"]}))


def test_a_frame_without_the_users_is_refused(model: Path) -> None:
    with pytest.raises(mlflow.exceptions.MlflowException, match="user_id"):
        mlflow.pyfunc.load_model(str(model)).predict(pd.DataFrame({"usr_id": [1]}))


def test_the_model_says_what_it_is_and_needs_no_package_of_training(shop: Recommender, model: Path) -> None:
    about = mlflow.models.Model.load(str(model))
    base = {"mlflow-skinny", "numpy", "onnxruntime", "pandas", "pyarrow", "pydantic", "rich", "threadpoolctl"}

    assert about.metadata["bundle"] == "shop"
    assert len(about.metadata["bundle_sha256"]) == 64
    assert {line.partition("==")[0] for line in requirements()} == base
    assert (model / "requirements.txt").read_text().split() == requirements()
    assert about.load_input_example(str(model))["user_id"].isin(users_of(shop)).all()
    assert not list(model.rglob("*.pkl"))
    assert not list(model.rglob("__pycache__"))


def test_it_answers_where_training_is_not_installed_and_by_the_code_that_it_brings(
    shop: Recommender, model: Path
) -> None:
    users = users_of(shop)[:20]
    code = f"""
import sys
sys.modules.update(dict.fromkeys(["torch", "duckdb", "ibis", "onnx", "onnxscript", "safetensors", "scipy"]))
import json, mlflow, pandas
found = mlflow.pyfunc.load_model({str(model)!r}).predict(pandas.DataFrame({{"user_id": {users}}}))
import shortlist
print(json.dumps([shortlist.__file__, found["items"].tolist()]))
"""
    apart = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=apart)
    assert ran.returncode == 0, ran.stderr
    where, items = json.loads(ran.stdout)

    assert Path(where) == model / "code" / "shortlist" / "__init__.py"
    assert items == [items for items, _ in lists(shop, users)]


def test_rows_of_a_click_log_get_their_predictions(tmp_path: Path) -> None:
    write_tables(tmp_path)
    clicks = untrained(tmp_path, CLICKS)
    save_mlflow_model(clicks.bundle.path, tmp_path / "model")
    rows: dict[str, Any] = {"good": ["tea", "mocha", None], "user": [1, 2, 3]}
    found = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(pd.DataFrame(rows))

    expected = clicks.predict_rows(rows)["carted"]
    np.testing.assert_allclose(found["carted"].to_numpy(), expected.astype(float), rtol=1e-6)


@pytest.mark.slow
def test_sessions_are_asked_for_by_what_happened_in_them(tmp_path: Path) -> None:
    write_tables(tmp_path)
    sessions = untrained(tmp_path, SESSIONS)
    save_mlflow_model(sessions.bundle.path, tmp_path / "model")
    asked = pd.DataFrame({"history": [["tea"], ["mocha", "mug"]]})
    found = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(asked)

    same(answered(found), lists(sessions, [None, None], history=[["tea"], ["mocha", "mug"]]))


def test_an_altered_bundle_becomes_no_model(shop: Recommender, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(shop.bundle.path, tmp_path / "bundle"))
    with (bundle / "funnel.json").open("a") as file:
        file.write(" ")

    with pytest.raises(BundleError, match=r"funnel\.json"):
        save_mlflow_model(bundle, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")
def test_a_spark_column_of_users_gets_a_column_of_lists(
    shop: Recommender, model: Path, spark_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.sql.functions import struct

    # Python processes of executors are told apart by their environment: these import the code that the model brings.
    monkeypatch.setitem(spark_session.sparkContext.environment, "SHORTLIST_TEST", "mlflow")
    users = users_of(shop)[:100]
    recommend = mlflow.pyfunc.spark_udf(spark_session, str(model), env_manager="local")
    asked = spark_session.createDataFrame([(user,) for user in users], ["user_id"])
    rows = asked.withColumn("found", recommend("user_id")).collect()
    by_name = asked.withColumn("found", recommend(struct("user_id"))).collect()

    expected = dict(zip(users, lists(shop, users), strict=True))
    for found in (rows, by_name):
        answers = [(row["found"]["items"], row["found"]["scores"]) for row in found]
        same(answers, [expected[row["user_id"]] for row in found])
