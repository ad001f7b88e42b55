"""`accuracy movielens`: every ranking model behind the same retrieval on MovieLens-1M, as `shortlist run` does it."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.accuracy_choice import choose, refuse
from benchmarks.accuracy_data import RECIPES, contents, movielens_files
from benchmarks.accuracy_parts import code
from benchmarks.accuracy_table import table
from benchmarks.harness import Options, say
from benchmarks.result import Result
from shortlist.bundle.recommender import Recommender
from shortlist.core.files import fingerprint, read_json, write_json
from shortlist.core.progress import Terminal
from shortlist.pipeline import Run
from shortlist.pipeline.api import load_recipe
from shortlist.pipeline.stages import marker
from shortlist.recipe.sections import Recipe
from shortlist.training.stages import load_ranking

UNIT = "NDCG@10 of the funnel"
CALLS = 200
CANDIDATES = 500
EMBEDDED: Mapping[str, Any] = {"embedding_dim": 16}
NETWORK: Mapping[str, Any] = {**EMBEDDED, "hidden": (256, 128)}
MODELS: Mapping[str, Mapping[str, Any]] = {
    "logistic_regression": {"name": "logistic_regression"},
    "factorization_machine": {"name": "factorization_machine", **EMBEDDED},
    "mlp": {"name": "mlp", **NETWORK},
    "wide_deep": {"name": "wide_deep", **NETWORK},
    "deepfm": {"name": "deepfm", **NETWORK},
    "dcn_v2": {"name": "dcn_v2", **NETWORK},
    "dlrm": {"name": "dlrm", "bottom": (64, 16), **NETWORK},
    "neumf": {"name": "neumf", **NETWORK},
    "final_mlp": {"name": "final_mlp", "second": (256,), **NETWORK},
    "mlp+target_attention": {"name": "mlp", "history": "target_attention", **NETWORK},
    "mlp+gru": {"name": "mlp", "history": "gru", **NETWORK},
    "mlp+transformer": {"name": "mlp", "history": "transformer", **NETWORK},
}
"""Settings of each row's model; what else [ranking] says is the recipe's. Dim and layers are the recipe's too."""
QUICK: Mapping[str, Any] = {"epochs": 1, "batch_size": 64}
HOW = (
    "recipes/movielens_1m.toml with another [ranking.model] in each row: each user's last rating is the test, the one "
    "before it the validation. The retrieval model is trained once; its candidates are the negatives that every ranker "
    f"learns from, and the {CANDIDATES} that it orders. Every row went through the whole run: trained, exported, the "
    "weight between the stages chosen on validation users, the exported bundle's funnel measured on the test users. "
    "One seed; intervals are 95 %, over users (AUC: DeLong).",
    f"Latency is the exported ranker's, ordering {CANDIDATES} candidates of one request on one thread, the median of "
    f"{CALLS} requests; the request is encoded and its candidates are found before. Training uses all cores.",
)


def run(options: Options) -> Result:
    """Train and measure what is asked for, one model after the other."""
    refuse(options.peers, "--peers", "movielens has no peers")
    refuse(options.peer_seeds, "--peer-seeds", "movielens has no peers")
    refuse(options.seeds, "--seeds", "movielens trains each model once; --seed says with which seed")
    files = movielens_files(options)
    names = choose("models", options.models, MODELS)
    base = options.folder("accuracy/movielens" + ("/quick" if options.quick else ""))
    mark = fingerprint([contents(files), options.seed, code("evaluation", "export", "funnel", "index", "metrics")])
    for other in base.glob("run-*"):
        if other.name != f"run-{mark}":
            shutil.rmtree(other)
    rows = {name: row(name, recipe_of(files, name, options), base, mark) for name in names}
    shown = {**_baselines(next(iter(rows.values()))), **{name: found["shown"] for name, found in rows.items()}}
    return Result(
        name="accuracy",
        passed=True,
        unit=UNIT,
        ours=max(found["shown"]["funnel ndcg@10"]["value"] for found in rows.values()),
        details={
            "data_set": "movielens",
            "tables": [table("Lists of the whole funnel, the ranker alone, and what it costs", shown)],
            "settings": {"models": MODELS},
            "how": HOW,
        },
    )


def recipe_of(files: Mapping[str, Path], name: str, options: Options) -> Recipe:
    """recipes/movielens_1m.toml with a row's model."""
    recipe = load_recipe(RECIPES / "movielens_1m.toml", data_dir=files["ratings"].parent)
    values = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    small = QUICK if options.quick else {}
    return Recipe.model_validate(
        {
            **values,
            "seed": options.seed,
            "retrieval": {**values["retrieval"], **small},
            "ranking": {**values["ranking"], **small, "model": MODELS[name]},
        }
    )


def row(name: str, recipe: Recipe, base: Path, mark: str) -> dict[str, Any]:
    """A model's figures: what is kept of them from before, or measured now."""
    values = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    depends = fingerprint([mark, {section: value for section, value in values.items() if section != "data"}])
    kept = base / f"{name}.json"
    if kept.is_file() and (before := read_json(kept))["fingerprint"] == depends:
        say(f"{name}: kept from before")
        found: dict[str, Any] = before["result"]
        return found
    say(f"{name}:")
    run = Run(recipe, base / f"run-{mark}", Terminal())
    run.walk("evaluate")
    found = measured(run)
    write_json(kept, {"fingerprint": depends, "result": found})
    return found


def measured(run: Run) -> dict[str, Any]:
    """The figures of a finished run."""
    stages = run.metrics()["stages"]
    model = load_ranking(run.prepared, run.recipe, run.folder / "ranking")
    return {
        "stages": stages,
        "shown": {
            "funnel ndcg@10": stages["funnel"]["ndcg@10"],
            "funnel recall@100": stages["funnel"]["recall@100"],
            "ranker AUC": stages["ranking"]["auc"],
            "parameters": sum(value.numel() for value in model.parameters()),
            "training, s": float(read_json(run.folder / marker("ranking"))["seconds"]),
            f"{CANDIDATES} candidates, ms": round(latency_ms(run.folder / "bundle"), 2),
            "weight of retrieval": run.recommender().bundle.settings.retrieval_weight,
        },
    }


def latency_ms(bundle: Path) -> float:
    """Median time in which the bundle's ranker orders one request's candidates, on one thread."""
    recommender = Recommender.load(bundle, threads=1)
    rank, retrieval = recommender.ranker, recommender.retrieval
    assert rank is not None
    assert retrieval is not None
    times = []
    k = min(CANDIDATES, len(recommender.bundle.items) - 1)
    users = recommender.bundle.user_keys.slice(1, CALLS).to_pylist()
    for call in range(CALLS):
        request = recommender.requests([users[call % len(users)]])
        found = retrieval(request, k)
        started = time.perf_counter()
        rank(request, found)
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def _baselines(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Popularity and retrieval alone, which are the same in every row."""
    return {
        f"{stage} alone": {
            "funnel ndcg@10": found["stages"][stage]["ndcg@10"],
            "funnel recall@100": found["stages"][stage]["recall@100"],
        }
        for stage in ("popularity", "retrieval")
    }
