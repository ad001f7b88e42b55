"""A small shop as a real bundle whose models are untrained: its answers mean nothing, but all its parts are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from shortlist.bundle.read import FunnelSettings
from shortlist.bundle.recommender import Recommender
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.export.bundle import seal, write_parts
from shortlist.export.towers import export_towers
from shortlist.models.base import RetrievalModel
from shortlist.recipe import parse_recipe
from shortlist.training.stages import build_ranking, build_retrieval

LENGTH = 6
"""Events of a history that the models read."""
RECIPE = f"""
name = "shop"
[data]
interactions = "log.parquet"
users = "people.parquet"
items = "goods.parquet"
[schema]
user_id = "user"
item_id = "good"
timestamp = "at"
event = "what"
title = "name"
[features.user]
city = "categorical"
[features.item]
kind = "categorical"
price = "numeric"
tags = "multi_hot"
[features.context]
[split]
kind = "column"
column = "part"
[retrieval]
history = {LENGTH}
model = {{ name = "two_tower", dim = 8, embedding_dim = 8, embedding_std = 1.0 }}
[ranking]
history = {LENGTH}
model = {{ name = "mlp", embedding_dim = 4, embedding_std = 1.0, hidden = [8], history = "target_attention" }}
[compute]
threads = 1
"""
GOODS: dict[str, list[Any]] = {
    "good": ["tea", "oolong", "coffee", "mocha", "cocoa", "mug"],
    "name": ["Tea", "Oolong", "Coffee", "Mocha", "Cocoa", "A mug"],
    "kind": ["tea", "tea", "coffee", "coffee", None, "pots"],
    "price": [1.0, 2.0, 3.0, 4.0, None, 6.0],
    "tags": [["hot"], ["hot", "green"], ["hot", "black"], ["black"], [], ["gift"]],
}
PEOPLE: dict[str, list[Any]] = {"user": [1, 2, 3, 4], "city": ["Bonn", "Graz", "Bonn", "Linz"]}
EVENTS = [
    (user, good, "cart" if (user + step) % 2 else "view", 1000 * step + user, "train")
    for user in (1, 2, 3)
    for step, good in enumerate(GOODS["good"][user - 1 : user + 2])
]
"""The mug is bought by nobody in training."""
SESSIONS = RECIPE.replace('user_id = "user"', 'session_id = "user"').replace('users = "people.parquet"\n', "")
SESSIONS = SESSIONS.replace('[features.user]\ncity = "categorical"\n', "")
"""The same log as anonymous sessions: nothing is known of who they are."""


def write_tables(folder: Path) -> None:
    """The three tables of the recipe."""
    rows = [*EVENTS, (1, "mocha", "view", 9000, "valid"), (2, "tea", "cart", 9500, "test")]
    columns = zip(("user", "good", "what", "at", "part"), zip(*rows, strict=True), strict=True)
    pq.write_table(pa.table({name: list(values) for name, values in columns}), folder / "log.parquet")
    pq.write_table(pa.table(PEOPLE), folder / "people.parquet")
    pq.write_table(pa.table(GOODS), folder / "goods.parquet")


def untrained(folder: Path, text: str, seed: int = 0) -> Recommender:
    """The bundle of a recipe whose tables lie in `folder`, its models as they begin."""
    recipe = parse_recipe(text, "shop.toml", data_dir=folder)
    prepare(recipe, folder / "prepared")
    data, bundle = Prepared.open(folder / "prepared"), folder / "bundle"
    bundle.mkdir()
    torch.manual_seed(seed)
    ranking = None if recipe.ranking is None else build_ranking(data, recipe.ranking)
    write_parts(bundle, data, recipe, ranking)
    if recipe.retrieval is not None:
        model = build_retrieval(data, recipe.retrieval)
        assert isinstance(model, RetrievalModel)
        export_towers(model, data, recipe, bundle / "retrieval")
    history = recipe.ranking.history if recipe.ranking else 0
    settings = FunnelSettings(recipe.funnel.candidates, recipe.funnel.exclude_seen, 0.5, history)
    seal(bundle, recipe, settings, data.schema, {})
    return Recommender.load(bundle)
