"""Stages with sharded tables beside the same in memory: `python -m tests.training.sharding.stages FOLDER CASE...`.

Prints what differs. As `together`, one interpreter imports everything and forks.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from torch import nn

from shortlist.data.prepared import Prepared
from shortlist.recipe.sections import Recipe, Sharding, sources_of
from shortlist.training.sharding.package import torchrec
from shortlist.training.stages import load_ranking, load_retrieval
from tests.training.together import SGD, figures, in_processes, prepared, recipe_of, train

CASES = ("wide_deep", "list_softmax", "several_targets", "two_tower", "two_tower_for_each", "sasrec", "gru4rec")
WAYS: tuple[tuple[int, Sharding], ...] = ((1, "row_wise"), (2, "row_wise"), (2, "table_wise"), (3, "row_wise"))
TABLES = {"name": "rowwise_adagrad", "lr": 0.05}
SETTINGS = {"embedding": TABLES, "dense": SGD, "clip_norm": None}


def trained(recipe: Recipe, data: Prepared, folder: Path) -> nn.Module:
    """The model as export loads it."""
    if recipe.ranking is not None:
        return load_ranking(data, recipe, folder)
    return load_retrieval(data, sources_of(recipe)["retrieval"], folder)


def main(place: str, cases: list[str]) -> None:
    """Print as JSON of each case and way the largest difference of the weights, and that of losses and metrics."""
    torchrec("torchrec")
    root = Path(place)
    data = prepared(root / "prepared")
    recipes: dict[str, dict[tuple[int, str], Recipe]] = {case: {} for case in cases}
    for case in cases:
        for world, way in WAYS:
            recipes[case][world, "memory"] = recipe_of(case, SETTINGS)
            recipes[case][world, way] = recipe_of(case, SETTINGS, {"embeddings": "torchrec", "sharding": way})
    for case, ways in recipes.items():
        for (world, kind), recipe in ways.items():
            assert in_processes(world, partial(train, recipe, data, root / case / f"{world} {kind}")), (
                case,
                world,
                kind,
            )
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for case, ways in recipes.items():
        models = {key: trained(recipe, data, root / case / "{} {}".format(*key)) for key, recipe in ways.items()}
        curves = {key: figures(root / case / "{} {}".format(*key)) for key in ways}
        found[case] = {}
        for (world, kind), model in models.items():
            state, expected = model.state_dict(), models[world, "memory"].state_dict()
            assert state.keys() == expected.keys()
            weights = max(float((state[name] - expected[name]).abs().max()) for name in state if state[name].numel())
            off = float(abs(curves[world, kind] - curves[world, "memory"]).max())
            found[case][f"{world} {kind}"] = (weights, off)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
