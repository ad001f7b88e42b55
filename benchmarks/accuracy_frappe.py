"""`accuracy frappe`: test AUC of every ranking model on NFM's split of Frappe, beside peers and the published table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.accuracy_choice import choose
from benchmarks.accuracy_data import FRAPPE_FIELDS, RECIPES, contents, frappe_arrays, frappe_files
from benchmarks.accuracy_parts import OURS, Finished, Part, finish, our_part
from benchmarks.accuracy_table import mean, mean_sd, table
from benchmarks.accuracy_training import Task
from benchmarks.harness import Goal, Options, all_met, at_least, say
from benchmarks.result import Result
from shortlist.pipeline.api import load_recipe, prepare
from shortlist.recipe.sections import Recipe

UNIT = "test AUC, mean over seeds"
SEEDS = 3
MARGIN = 0.001
"""How far below a peer's AUC ours of the same model may be, chosen before anything was measured."""

DIM = 10
BATCH = 4096
EPOCHS = 40
PATIENCE = 3
HIDDEN = (400, 400, 400)
DROPOUT = 0.2
CROSS_LAYERS = 3
NETWORK: Mapping[str, Any] = {"hidden": HIDDEN, "dropout": DROPOUT, "batch_norm": True}
OURS_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "logistic_regression": {},
    "factorization_machine": {"embedding_dim": DIM},
    "mlp": {"embedding_dim": DIM, **NETWORK},
    "wide_deep": {"embedding_dim": DIM, **NETWORK},
    "deepfm": {"embedding_dim": DIM, **NETWORK},
    "dcn_v2": {"embedding_dim": DIM, "cross_layers": CROSS_LAYERS, **NETWORK},
    "dlrm": {"embedding_dim": DIM, "bottom": (DIM,), **NETWORK},
    "neumf": {"embedding_dim": DIM, **NETWORK},
    "final_mlp": {"embedding_dim": DIM, "second": (400,), **NETWORK},
}
"""Settings of each of our models."""
WITH_SIDES = ("neumf",)
"""Models that multiply the user's side with the item's: for them these two fields are sides, not context."""
TRAINING: Mapping[str, Any] = {
    "batch_size": BATCH,
    "epochs": EPOCHS,
    "patience": PATIENCE,
    "history": 0,
    "embedding": {"name": "adam", "lr": 1e-3, "l2": 0.1},
    "dense": {"name": "adam", "lr": 1e-3},
    "wide": {"name": "adam", "lr": 1e-3},
    "schedule": {"decay": "plateau", "factor": 0.1, "patience": 1},
    "negatives": {"sampled": 0},
}
"""Settings of [ranking]: those of BARS, with the L2 penalty on whole tables that gave `mlp` the better validation AUC
with seed 0: .98500, against .98470 with 0.05. The dropout is BARS' for most models, and was not searched."""
OWN_TRAINING: Mapping[str, Mapping[str, Any]] = {
    "logistic_regression": {"wide": {"name": "adam", "lr": 1e-2}},
    "factorization_machine": {"embedding": {"name": "adam", "lr": 1e-2, "l2": 1e-5}},
}
"""What is different for the two models without a network. At a rate of 1e-3 they are not done after so many epochs, and
the penalty that a network needs leaves a factorisation machine nothing. Validation AUC with seed 0: logistic regression
.93344 at 1e-3, .93633 at 1e-2; factorisation machine at 1e-3 and penalties of 0, 1e-5, 1e-4, 1e-3, 5e-2 .9534, .9545,
.9459, .9360, .7076, at 1e-2 and penalties of 1e-5, 1e-4 .9777, .9677."""
QUICK: Mapping[str, Any] = {"epochs": 1}

_DEEP = ("mlp", "wide_deep", "deepfm", "dcn_v2")
PEERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "DeepCTR-Torch": ("deepctr_torch", ("logistic_regression", "factorization_machine", *_DEEP)),
    "Torch-RecHub": ("torch_rechub", _DEEP[1:]),
    "pytorch-widedeep": ("pytorch_widedeep", ("logistic_regression", "factorization_machine", *_DEEP[:3])),
}
"""Name -> its worker and environment, and the models that are trained."""

PUBLISHED: Mapping[str, float] = {
    "mlp": 0.9840,
    "wide_deep": 0.9831,
    "deepfm": 0.9839,
    "dcn_v2": 0.9838,
    "dlrm": 0.9840,
    "final_mlp": 0.9861,
}
"""Means of 5 seeds on NFM's files: Mao et al., FinalMLP, AAAI 2023, whose settings and splits are those of the open
benchmark BARS (Zhu et al., SIGIR 2022)."""

HOW = (
    f"{len(FRAPPE_FIELDS)} fields, split as He and Chua did (NFM, SIGIR 2017). Validation and test are the published "
    "files; a part of the training negatives is drawn again, so the published figures are near, and not of the same "
    "experiment. A value that train lacks counts as unknown to everybody. Every training is a process of its own on "
    "one core; the epoch with the best validation AUC is kept, and the test is scored once with it.",
    "Everybody has the same embedding dim, hidden layers, dropout, cross layers, batch size, most epochs and patience. "
    "Peers keep their own optimiser and penalties, Adam at 1e-3 with each; DeepCTR-Torch and pytorch-widedeep train "
    "without batch normalisation and Torch-RecHub with it, as they do by default. Ours train with Adam at 1e-3 too, an "
    "L2 penalty on whole tables, batch normalisation, and a tenth of the rates where validation stalls; the two "
    "without a network at 1e-2. At the peers' 1e-3 these two may still be rising when the epochs end. The "
    "embeddings of pytorch-widedeep begin as torch's do, with values from N(0, 1), whose products add up to tens: "
    "neither its factorisation machine nor its DeepFM leaves chance before its patience ends. Its DCNv2 is left out: "
    "an epoch of it takes some three minutes, and after 22 of 40, which had taken 70 minutes of a core, its validation "
    "AUC was .9591 and still rising.",
    "Our settings were chosen with one seed on validation AUC: the penalty of two values for `mlp`, then taken for "
    "every network, the two models without one by themselves. The comments in benchmarks/accuracy_frappe.py have the "
    "figures.",
)


def run(options: Options) -> Result:
    """Train what is asked for, and compare."""
    files = frappe_files(options)
    models = choose("models", options.models, OURS_SETTINGS)
    peers = [] if options.quick else choose("peers", options.peers, PEERS)
    seeds = 1 if options.quick else options.seeds or SEEDS
    peer_seeds = min(options.peer_seeds or seeds, seeds)
    folder, data = options.folder("accuracy/frappe"), contents(files)
    prepared = _prepared(files, models, folder, options.quick)
    arrays = folder / f"arrays-{data}"
    sizes = frappe_arrays(files, arrays)
    parts: list[Part] = []
    for seed in range(options.seed, options.seed + seeds):
        for model in models:
            recipe = recipe_of(files, model, seed, options.quick)
            parts.append(our_part(model, recipe, prepared[model in WITH_SIDES], data))
        if seed - options.seed < peer_seeds:
            for name in peers:
                parts += peer_parts(name, models, sizes, seed, arrays)
    place = options.folder(f"accuracy/frappe/{'quick' if options.quick else 'parts'}")
    return result_of(finish(parts, place, options), models, peers, (seeds, peer_seeds))


def _prepared(files: Mapping[str, Path], models: Sequence[str], folder: Path, quick: bool) -> dict[bool, Path]:
    """The prepared folder of models that need sides, and of those that do not, where there are such."""
    found: dict[bool, Path] = {}
    for model in models:
        if (with_sides := model in WITH_SIDES) not in found:
            place = folder / ("run-sides" if with_sides else "run")
            say(f"frappe: preparing{' with user and item as sides' if with_sides else ''}")
            prepare(recipe_of(files, model, 0, quick), place, force=True)
            found[with_sides] = place / "prepared"
    return found


def recipe_of(files: Mapping[str, Path], model: str, seed: int, quick: bool = False) -> Recipe:
    """The recipe of one training: recipes/frappe.toml with these files and the settings above."""
    recipe = load_recipe(RECIPES / "frappe.toml", data_dir=files["test"].parent)
    values = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    if model in WITH_SIDES:
        context = {name: kind for name, kind in values["features"]["context"].items() if name not in ("user", "item")}
        values["schema"] |= {"user_id": "user", "item_id": "item"}
        values["features"] = {"user": {}, "item": {}, "context": context}
    own = {**OWN_TRAINING.get(model, {}), **(QUICK if quick else {})}
    ranking = {**TRAINING, **own, "model": {"name": model, **OURS_SETTINGS[model]}}
    return Recipe.model_validate(
        {
            **values,
            "seed": seed,
            "data": {"interactions": {part: str(path) for part, path in files.items()}},
            "ranking": ranking,
            # One thread, so that a seed always gives the same bits; checkpoints are written after each epoch.
            "compute": {"threads": 1, "device": "cpu", "checkpoint_seconds": 1e9},
        }
    )


def peer_parts(name: str, models: Sequence[str], sizes: Sequence[int], seed: int, arrays: Path) -> list[Part]:
    """One training of each of a peer's models that are asked for."""
    worker, has = PEERS[name]
    parts = []
    for model in (model for model in models if model in has):
        task = asdict(Task(model, tuple(sizes), DIM, HIDDEN, DROPOUT, CROSS_LAYERS, BATCH, seed))
        given = {"task": task, "epochs": EPOCHS, "patience": PATIENCE}
        module = f"benchmarks.peers.accuracy_{worker}"
        settings = {**given, "folder": str(arrays)}
        parts.append(Part(name, model, seed, module, settings, depends=[given, arrays.name], peer=worker))
    return parts


def result_of(found: Finished, models: Sequence[str], peers: Sequence[str], seeds: tuple[int, int]) -> Result:
    """The comparison of what was found; `seeds` of ours and of the peers."""
    means = {
        (contestant, model): statistics.fmean(result["test"] for result in results)
        for contestant in (OURS, *peers)
        for model in models
        if (results := found.of(contestant, model))
    }
    goals = goals_of(means)
    best = {
        contestant: max((value for (name, _), value in means.items() if name == contestant), default=None)
        for contestant in (OURS, *peers)
    }
    failed = {name: why for (name, _), why in found.failed.items()}
    versions = {name: result["versions"] for (name, _, _), result in found.results.items()}
    return Result(
        name="accuracy",
        passed=all_met(goals) and not any(name == OURS for name, _ in found.failed),
        unit=UNIT,
        ours=best[OURS] or 0.0,
        peers={name: value if (value := best[name]) is not None else failed.get(name, "not asked") for name in peers},
        goals=goals,
        details={
            "data_set": "frappe",
            "seeds": seeds[0],
            "seeds_of_peers": seeds[1],
            "tables": [_auc_table(found, models, peers), _cost_table(found, models, peers)],
            "failed": {f"{name}, {model}": why for (name, model), why in found.failed.items()},
            "peers_versions": versions,
            "settings": {"ours": TRAINING, "own": OWN_TRAINING, "models": OURS_SETTINGS},
            "how": HOW,
        },
    )


def goals_of(means: Mapping[tuple[str, str], float]) -> dict[str, Goal]:
    """No model of ours below a peer's by more than the margin, and our best above theirs."""
    goals: dict[str, Goal] = {}
    ours = {model: value for (name, model), value in means.items() if name == OURS}
    theirs = {key: value for key, value in means.items() if key[0] != OURS}
    for (name, model), value in theirs.items():
        if model in ours:
            goals[f"{model}: at least {name}'s less {MARGIN}"] = at_least(round(value - MARGIN, 6), ours[model])
    if ours and theirs:
        goals["best of ours: at least the best of the peers'"] = at_least(max(theirs.values()), max(ours.values()))
    return goals


def _auc_table(found: Finished, models: Sequence[str], peers: Sequence[str]) -> dict[str, Any]:
    rows = {
        model: {
            "ours": mean_sd([result["test"] for result in found.of(OURS, model)]),
            **{name: mean_sd([result["test"] for result in found.of(name, model)]) for name in peers},
            "published": PUBLISHED.get(model),
            "ours, validation": mean_sd([result["valid"] for result in found.of(OURS, model)]),
        }
        for model in models
    }
    return table("Test AUC, mean ± standard deviation over seeds", rows)


def _cost_table(found: Finished, models: Sequence[str], peers: Sequence[str]) -> dict[str, Any]:
    rows = {}
    for model in models:
        for name in (OURS, *peers):
            if results := found.of(name, model):
                rows[f"{model}, {name}"] = {
                    "epochs": mean([result["epochs"] for result in results]),
                    "best epoch": mean([result["best_epoch"] for result in results]),
                    "seconds": mean([result["seconds"] for result in results]),
                    "parameters": results[0]["parameters"],
                }
    return table("Epochs, seconds of training on one core, and parameters", rows)
