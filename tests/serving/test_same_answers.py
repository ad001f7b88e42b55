"""A trained bundle answers the same through MLflow's server, through `shortlist serve` and in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.load import closed_loop
from benchmarks.serve_bundles import some_users
from benchmarks.serve_mlflow import serve_model
from benchmarks.serve_parity import List, same
from benchmarks.served import ask, serve
from shortlist.bundle.recommender import Recommender
from shortlist.core.progress import Silent
from shortlist.data.simulate import simulate_to
from shortlist.export.mlflow_model import save_mlflow_model
from shortlist.pipeline.run import run_stages
from shortlist.recipe import load_recipe, parse_recipe
from shortlist.recipe.sections import Recipe
from tests.pipeline.killed import RECIPE

pytest.importorskip("mlflow", reason="mlflow is not here: pip install 'shortlist[mlflow]'")
pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(900)]

USERS, K = 1000, 10
A_REQUEST = 250
"""Users that MLflow's server is asked for at once: it reads every request through a data frame."""
NOW = 1_046_454_590
"""When everybody asks: features read the hour, which must not strike between two answers. The last of MovieLens-1M."""
MOVIELENS = Path(__file__).resolve().parents[2] / "recipes" / "movielens_1m.toml"


@dataclass(frozen=True)
class Trained:
    """A bundle and who asks it."""

    bundle: Path
    user: str
    """The user's column."""
    users: list[Any]

    def expected(self) -> Mapping[Any, List]:
        """By user what the recommender answers in this process."""
        answers = Recommender.load(self.bundle).recommend(self.users, K, context={"timestamp": [NOW] * len(self.users)})
        assert {len(items) for items in answers} == {K}
        return {
            user: [(item.item_id, item.score) for item in items]
            for user, items in zip(self.users, answers, strict=True)
        }


def simulated(folder: Path) -> Recipe:
    simulate_to(folder, users=USERS, items=200, seed=1)
    return parse_recipe(RECIPE, "shop.toml", data_dir=folder)


@pytest.fixture(scope="module", params=["the demo's shop", "MovieLens-1M"])
def trained(
    request: pytest.FixtureRequest, real_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A bundle whose models are trained, those of MovieLens-1M for one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    if request.param == "MovieLens-1M":
        once = ["retrieval.epochs=1", "ranking.epochs=1", "compute.threads=1"]
        recipe = load_recipe(MOVIELENS, once, real_data("ml-1m"))
    else:
        recipe = simulated(folder)
    run_stages(recipe, folder / "run", Silent(), upto="export")
    bundle = folder / "run" / "bundle"
    users = some_users(bundle, USERS, seed=0)
    assert len(users) == USERS
    return Trained(bundle, recipe.schema_.user_column or "", users)


def differing(found: Mapping[Any, List], expected: Mapping[Any, List]) -> list[Any]:
    """Users with another list; items of one score may stand in any order."""
    assert found.keys() == expected.keys()
    return [user for user, items in expected.items() if not same(items, found[user])]


def test_mlflow_models_serve_answers_the_same_lists(trained: Trained, tmp_path: Path) -> None:
    save_mlflow_model(trained.bundle, tmp_path / "model")
    found: dict[Any, List] = {}
    with serve_model(tmp_path / "model", tmp_path / "mlflow.log") as server:
        for start in range(0, USERS, A_REQUEST):
            users = trained.users[start : start + A_REQUEST]
            rows = [[user, NOW] for user in users]
            body = {"dataframe_split": {"columns": [trained.user, "timestamp"], "data": rows}, "params": {"k": K}}
            status, answer = ask(server.target, "POST", "/invocations", orjson.dumps(body))
            assert status == 200, answer[:500]
            lists = orjson.loads(answer)["predictions"]
            found |= {
                user: list(zip(row["items"], row["scores"], strict=True))
                for user, row in zip(users, lists, strict=True)
            }

    assert not differing(found, trained.expected())


def test_shortlist_serve_answers_the_same_lists(trained: Trained, tmp_path: Path) -> None:
    found: dict[Any, List] = {}

    def keep(number: int, code: str, body: bytes) -> None:
        assert code == "200", body[:500]
        items = orjson.loads(body)["items"]
        found[trained.users[number]] = [(item["item_id"], item["score"]) for item in items]

    with serve(trained.bundle, tmp_path / "serve.log", state="none") as server:
        bodies = [{"user_id": user, "n": K, "context": {"timestamp": NOW}} for user in trained.users]
        requests = [server.target.post("/v1/recommend", orjson.dumps(body)) for body in bodies]
        closed_loop(server.target, requests, USERS, connections=4, answered=keep)

    assert not differing(found, trained.expected())
    assert not (trained.bundle.parent / "state").exists()
