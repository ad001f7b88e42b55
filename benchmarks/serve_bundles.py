"""The bundles that are served: one that is given, MovieLens-1M, and a shop of a million items and a million users.

Their models are untrained: what a request costs depends on their shapes, not on their weights.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from benchmarks.accuracy_data import RECIPES, movielens_files
from benchmarks.growth import Size, write_log
from benchmarks.growth import recipe as growth_recipe
from benchmarks.harness import Options, say
from shortlist.bundle.manifest import FORMAT
from shortlist.bundle.read import Bundle, FunnelSettings
from shortlist.core.files import whole_folder
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.export.bundle import seal, write_parts
from shortlist.export.towers import export_towers
from shortlist.funnel.sources.folder import Surroundings, add_index
from shortlist.models.base import RetrievalModel
from shortlist.recipe.read import load_recipe
from shortlist.recipe.sections import Recipe
from shortlist.training.stages import build_ranking, build_retrieval

CANDIDATES = 500
"""That the ranker puts in order for one request."""
SHOP = Size(rows=10_000_000, users=1_000_000, items=1_000_000, dim=64)
QUICK = Size(rows=20_000, users=1_000, items=2_000, dim=16)


def movielens(options: Options) -> Path:
    """The recipe of MovieLens-1M."""
    data = movielens_files(options)["ratings"].parent
    recipe = load_recipe(RECIPES / "movielens_1m.toml", [f"funnel.candidates={CANDIDATES}"], data)
    return _kept(options, "movielens", recipe)


def shop(options: Options) -> Path:
    """As many items as users, ids of both are text, and an approximate index."""
    size = QUICK if options.quick else SHOP
    folder = options.folder("serve") / f"shop-{size.items}-{options.seed}"
    if not folder.is_dir():
        say(f"a shop of {size}")
        with whole_folder(folder) as draft:
            # `write_log` makes the folder that it writes to.
            draft.rmdir()
            write_log(draft, size, options.seed)
    values = growth_recipe(folder, size).model_dump(mode="json", by_alias=True, exclude_none=True)
    index = {} if options.quick else {"index": {"kind": "faiss", "structure": "lists", "recall": 0.9}}
    values["funnel"] = {**values["funnel"], "candidates": CANDIDATES, **index}
    # The model that MovieLens is ranked by: what differs is how many there are.
    ranker = load_recipe(RECIPES / "movielens_1m.toml").ranking
    assert ranker is not None
    values["ranking"] = {**values["ranking"], "model": ranker.model.model_dump(mode="json")}
    return _kept(options, f"shop-{size.items}-bundle", Recipe.model_validate({**values, "name": "shop"}))


def _kept(options: Options, name: str, recipe: Recipe) -> Path:
    """The bundle of an earlier run, if this version reads it, or a new one."""
    bundle = options.folder("serve") / f"{name}-{options.seed}-format-{FORMAT}"
    if not bundle.is_dir():
        say(f"{bundle.name}: an untrained bundle")
        with whole_folder(bundle) as draft:
            untrained(recipe, draft, options)
    return bundle


def untrained(recipe: Recipe, bundle: Path, options: Options) -> None:
    """Write the bundle of the recipe's models as they begin into an empty folder."""
    prepared = options.folder("serve") / f"prepared-{recipe.name}"
    shutil.rmtree(prepared, ignore_errors=True)
    prepare(recipe, prepared)
    data = Prepared.open(prepared)
    torch.manual_seed(options.seed)
    assert recipe.retrieval is not None
    assert recipe.ranking is not None
    write_parts(bundle, data, recipe, build_ranking(data, recipe.ranking))
    model = build_retrieval(data, recipe.retrieval)
    assert isinstance(model, RetrievalModel)
    export_towers(model, data, recipe, bundle / "retrieval")
    if recipe.funnel.index.kind != "auto":
        add_index(bundle / "retrieval", recipe.funnel.index, Surroundings.of(data, recipe), [], options.seed)
    weight = recipe.funnel.retrieval_weight
    settings = FunnelSettings(
        CANDIDATES,
        recipe.funnel.exclude_seen,
        weight if isinstance(weight, float) else 1.0,
        recipe.ranking.history,
    )
    seal(bundle, recipe, settings, data.schema, {})
    shutil.rmtree(prepared)


def some_users(bundle: Path, count: int, seed: int) -> list[int | str]:
    """Users drawn by the seed, each at most once."""
    opened = Bundle.open(bundle, verify=False)
    known = len(opened.user_keys) - 1
    rows = 1 + np.random.default_rng(seed).choice(known, min(count, known), replace=False)
    ids: list[int | str] = opened.user_keys.take(rows).to_pylist()
    return ids
