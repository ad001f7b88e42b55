"""The worker of `prepare` for this project: its own `prepare`, of all interactions or of clicks without users."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.interactions import LABEL, NUMBERS
from benchmarks.worker import Answer, cpu_seconds, serve
from shortlist.data.prepare import prepare
from shortlist.recipe.sections import Recipe

_NOW = 1_800_000_000.0
_NUMBERS = dict.fromkeys(NUMBERS, "numeric")


def whole_recipe(log: Path, threads: int) -> Recipe:
    """Users, items and times, one category and two numbers; the latest tenths are held out."""
    roles = {"user_id": "user", "item_id": "item", "timestamp": "time"}
    return _recipe(log, threads, roles, {"category": "categorical", **_NUMBERS}, "time")


def clicks_recipe(log: Path) -> Recipe:
    """Three categories and two numbers; a tenth each is held out at random."""
    return _recipe(log, 1, {}, {**dict.fromkeys(("user", "item", "category"), "categorical"), **_NUMBERS}, "random")


def _recipe(log: Path, threads: int, roles: dict[str, str], context: dict[str, str], split: str) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "prepare",
            "data": {"interactions": str(log)},
            "schema": {**roles, "targets": {LABEL: LABEL}},
            "features": {"context": context},
            "split": {"kind": split},
            "ranking": {"negatives": {"sampled": 0}},
            "compute": {"threads": threads},
        }
    )


def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
    """`whole` may use several cores, `clicks` has one."""
    log, folder, rows = Path(settings["log"]), Path(settings["folder"]) / "ours", settings["rows"]

    def measured(recipe: Recipe) -> dict[str, Any]:
        shutil.rmtree(folder, ignore_errors=True)
        cpu, wall = cpu_seconds(), time.perf_counter()
        prepare(recipe, folder, now=_NOW)
        spent = {"cpu_s": cpu_seconds() - cpu, "wall_s": time.perf_counter() - wall}
        written = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder)
        return {"rows": rows, "bytes": written, **spent}

    def whole(threads: int) -> dict[str, Any]:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        return measured(whole_recipe(log, threads))

    return {"whole": whole, "encode": lambda: measured(clicks_recipe(log))}


if __name__ == "__main__":
    serve(open_worker, ("shortlist", "duckdb", "pyarrow"))
