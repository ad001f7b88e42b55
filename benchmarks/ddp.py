"""Training in one process and in two: samples a second, and what part of the time the two take to tell each other.

With tables that every process holds, and, where TorchRec is installed, with tables that it parts among them.
"""

from __future__ import annotations

import shutil
import statistics
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.harness import Options
from benchmarks.result import Result
from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.data.simulate import simulate_to
from shortlist.pipeline import Times, run_stages
from shortlist.recipe.sections import Recipe

DESCRIPTION = "training in one process and in two: samples/s, and the share of the time spent in communication"
STAGES = ("retrieval", "ranking")
PROCESSES = (1, 2)
EMBEDDINGS = ("memory", "torchrec")
_STEPS = ("load", "embed", "dense", "communicate", "optimiser")
_NEAR = 1e-3
"""Most that the losses of the last epoch may differ, of themselves."""


def run(options: Options) -> Result:
    """Both stages of a made-up shop, on one thread a process, in turns."""
    folder = options.folder("ddp")
    shutil.rmtree(folder, ignore_errors=True)
    users, items, rounds = (80, 60, 1) if options.quick else (1_000, 1_000, 3)
    simulate_to(folder / "data", users=users, items=items, seed=options.seed)
    kinds = [kind for kind in EMBEDDINGS if kind == "memory" or find_spec(kind) is not None]
    contestants = [(kind, processes) for kind in kinds for processes in PROCESSES]
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        stage: {_called(*contestant): [] for contestant in contestants} for stage in STAGES
    }
    for _ in range(rounds):
        for contestant in contestants:
            for stage, facts in measured(folder, *contestant, options).items():
                found[stage][_called(*contestant)].append(facts)
    rates = _medians(found, "samples_per_s")
    off = max(abs(loss / of["memory 1"] - 1) for of in _medians(found, "loss").values() for loss in of.values())
    return Result(
        name="ddp",
        passed=off <= _NEAR,
        unit="samples per second of the ranker in two processes",
        ours=rates["ranking"]["memory 2"],
        goals={"losses beside those of one process with its tables in memory": (_NEAR, off, off <= _NEAR)},
        details={
            "samples_per_s": rates,
            "two_over_one": {
                stage: {kind: of[_called(kind, 2)] / of[_called(kind, 1)] for kind in kinds}
                for stage, of in rates.items()
            },
            "communication_share": _medians(found, "communication"),
            "rounds": found,
        },
    )


def _called(kind: str, processes: int) -> str:
    return f"{kind} {processes}"


def _medians(found: dict[str, dict[str, list[dict[str, float]]]], what: str) -> dict[str, dict[str, float]]:
    """Over the rounds, of each stage and contestant."""
    return {
        stage: {name: statistics.median(facts[what] for facts in of) for name, of in every.items()}
        for stage, every in found.items()
    }


def measured(folder: Path, kind: str, processes: int, options: Options) -> dict[str, dict[str, float]]:
    """Of each stage the best epoch's rate, the last one's loss, and how much of its steps was communication."""
    place, times = folder / f"run-{kind}-{processes}", Times()
    for stage in STAGES:
        shutil.rmtree(place / stage, ignore_errors=True)
    run_stages(recipe_of(folder, kind, processes, options), place, Silent(), "train", times=times)
    found = {}
    for stage in STAGES:
        curve: list[dict[str, Any]] = read_json(place / stage / "history.json")
        spent = {part: times.stages[stage].get(part, 0.0) for part in _STEPS}
        found[stage] = {
            "samples_per_s": max(float(entry["rows_per_s"]) for entry in curve),
            "loss": float(curve[-1]["train_loss"]),
            "communication": spent["communicate"] / sum(spent.values()),
        }
    return found


def recipe_of(folder: Path, kind: str, processes: int, options: Options) -> Recipe:
    """Layers and batches of usual sizes, on one thread a process; two epochs, of which the first warms up."""
    size = 256 if options.quick else 4096
    few = {"epochs": 2, "patience": 2, "history": 20, "batch_size": size}
    values = {
        "name": "ddp",
        "seed": options.seed,
        "data": {name: str(folder / "data" / f"{file}.parquet") for name, file in _TABLES.items()},
        "schema": {
            "user_id": "user_id",
            "item_id": "item_id",
            "timestamp": "timestamp",
            "targets": {"wanted": 'event in ("cart", "purchase")'},
        },
        "retrieval": {**few, "model": {"name": "two_tower", "hidden": [256, 128]}},
        "ranking": {**few, "model": {"name": "deepfm", "hidden": [256, 128]}, "negatives": {"sampled": 4}},
        "compute": {"threads": 1, "device": "cpu", "processes": processes, "embeddings": kind},
    }
    return Recipe.model_validate(values)


_TABLES = {"interactions": "events", "users": "users", "items": "items"}
