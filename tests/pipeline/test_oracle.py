"""How close the demo shop's recommender comes to the oracle that knows everybody's true preferences."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from shortlist.core.progress import Silent
from shortlist.data.held_out import HeldOut, hold_out
from shortlist.data.shop.truth import Truth
from shortlist.data.simulate import simulate
from shortlist.features.rows import Ints
from shortlist.metrics.ndcg import ndcg
from shortlist.models.catalogue import check_models
from shortlist.pipeline import Run, run_stages
from shortlist.recipe import parse_recipe
from shortlist.schema import Split

K = 10


@pytest.mark.slow
def test_the_recommender_stands_between_popularity_and_the_oracle(tmp_path: Path) -> None:
    shop = simulate(users=2_000, items=400, seed=3)
    shop.write(tmp_path / "data")
    text = files("shortlist.cli").joinpath("shop.toml").read_text("utf-8")
    bought = ["schema.targets={wanted = 'event == \"purchase\"'}", "compute.threads=1"]
    recipe = parse_recipe(text, "shop.toml", bought, tmp_path, check_models)
    run = run_stages(recipe, tmp_path / "run", Silent())
    users = hold_out(run.prepared, Split.TEST, exclude_seen=True)

    stages = run.metrics()["stages"]
    popularity, funnel = (stages[stage]["ndcg@10"]["value"] for stage in ("popularity", "funnel"))
    hits_UK = users.hits(_oracle(run, users, shop.truth))
    oracle = float(ndcg(hits_UK, users.relevant_U, K).mean())

    # Of the way from popularity to perfect knowledge the recommender goes at least a quarter.
    assert popularity < oracle
    assert funnel > popularity + 0.25 * (oracle - popularity), (popularity, funnel, oracle)


def _oracle(run: Run, users: HeldOut, truth: Truth) -> Ints:
    """item_UK by true preference, seen items left out, as rows of the prepared item table."""
    prepared = run.prepared
    shop_item_I = np.array([int(key[1:]) for key in prepared.item_keys[1:].to_pylist()])
    shop_user_U = np.array([int(key[1:]) for key in prepared.user_keys.take(users.user_U).to_pylist()])
    score_UI = np.full((len(users), len(prepared.items)), -np.inf, np.float32)
    score_UI[:, 1:] = truth.preference(shop_user_U)[:, shop_item_I]
    score_UI[users.seen.rows(np.arange(len(users))).flat()] = -np.inf
    best_UK: Ints = np.argsort(-score_UI, axis=1, kind="stable")[:, :K].astype(np.int32)
    return best_UK
