"""Training in one process and in two: samples a second, and what part of the time the two take to tell each other."""

from __future__ import annotations

import shutil
import statistics
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
_STEPS = ("load", "embed", "dense", "communicate", "optimiser")
_NEAR = 1e-3
"""Most that the losses of the last epoch may differ, of themselves."""


def run(options: Options) -> Result:
    """Both stages of a made-up shop, on one thread a process, in turns."""
    folder = options.folder("ddp")
    shutil.rmtree(folder, ignore_errors=True)
    users, items, rounds = (80, 60, 1) if options.quick else (1_000, 1_000, 3)
    simulate_to(folder / "data", users=users, items=items, seed=options.seed)
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        stage: {str(processes): [] for processes in PROCESSES} for stage in STAGES
    }
    for _ in range(rounds):
        for processes in PROCESSES:
            for stage, facts in measured(folder, processes, options).items():
                found[stage][str(processes)].append(facts)
    rates = {
        stage: {processes: statistics.median(facts["samples_per_s"] for facts in of) for processes, of in every.items()}
        for stage, every in found.items()
    }
    off = max(
        abs(one["loss"] - two["loss"]) / abs(one["loss"])
        for every in found.values()
        for one, two in zip(*every.values(), strict=True)
    )
    shares = {stage: statistics.median(facts["communication"] for facts in found[stage]["2"]) for stage in STAGES}
    return Result(
        name="ddp",
        passed=off <= _NEAR,
        unit="samples per second of the ranker in two processes",
        ours=rates["ranking"]["2"],
        goals={"losses of one process and of two": (_NEAR, off, off <= _NEAR)},
        details={
            "samples_per_s": rates,
            "two_over_one": {stage: of["2"] / of["1"] for stage, of in rates.items()},
            "communication_share_of_two": shares,
            "rounds": found,
        },
    )


def measured(folder: Path, processes: int, options: Options) -> dict[str, dict[str, float]]:
    """Of each stage the best epoch's rate, the last one's loss, and how much of its steps was communication."""
    place, times = folder / f"run-{processes}", Times()
    for stage in STAGES:
        shutil.rmtree(place / stage, ignore_errors=True)
    run_stages(recipe_of(folder, processes, options), place, Silent(), "train", times=times)
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


def recipe_of(folder: Path, processes: int, options: Options) -> Recipe:
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
        "compute": {"threads": 1, "device": "cpu", "processes": processes},
    }
    return Recipe.model_validate(values)


_TABLES = {"interactions": "events", "users": "users", "items": "items"}
