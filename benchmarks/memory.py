"""Memory: what each stage holds at its peak beside the size of its data, and training a table larger than memory."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from benchmarks.contestant import Contestant
from benchmarks.harness import Goal, Options, all_met, at_least, at_most, machine, mebibytes, say
from benchmarks.result import Result
from benchmarks.stages import Costs, costs
from shortlist.core.errors import EnvironmentFault
from shortlist.data.simulate import simulate_to
from shortlist.recipe.read import load_recipe
from shortlist.recipe.sections import Recipe

DESCRIPTION = "peak memory of each stage at two sizes of the demo shop, and a 40 GiB table training in bounded memory"
UNIT = "samples per second by the clock on the wall, 40 GiB table, Zipf ids"
STAGES = ("prepare", "retrieval", "ranking", "export", "evaluate")
SHOPS = ((10_000, 2_000), (40_000, 8_000))
"""Users and items of each."""
TABLE_ROWS, TABLE_DIM, BATCH = 160_000_000, 64, 4096
LAWS = ("zipf", "uniform")
MAPPED_BOUND_GIB = 0.5
"""Most anonymous memory, which is all that the kernel cannot take back, of training the table: no more for a larger
one. The process without a table holds half of it."""
BY_HAND = {"zipf": 16_600.0, "uniform": 6_100.0}
"""What a loop written for this case alone reached on a machine of 2 cores and 24 GiB, without checkpoints; 44 where
the kernel reads ahead."""
SECONDS = 20.0
_FREE_GIB = 40
"""The rows that are touched take place on the disk, and so do their journals."""


def run(options: Options) -> Result:
    """The stages, then the table.

    The seconds that each law trains may be given as an argument. Removing the table takes far longer than they do on a
    file system that discards freed blocks one by one (mount option `discard`): a millisecond for each page touched.
    """
    seconds = 2.0 if options.quick else float(options.arguments[0]) if options.arguments else SECONDS
    shops = {f"{users:,} users": _shop(users, items, options) for users, items in _sizes(options)}
    rows = 800_000 if options.quick else TABLE_ROWS
    mapped = train_mapped(rows, seconds, options)
    goals = goals_of(mapped, rows)
    return Result(
        name="memory",
        passed=all_met(goals),
        unit=UNIT,
        ours=mapped["zipf"]["rows_per_s"],
        goals=goals,
        details={
            "stages_mib": {f"{shop}: {stage}": row for shop, found in shops.items() for stage, row in found[0].items()},
            "data_mib": {shop: found[1] for shop, found in shops.items()},
            "mapped": {law: _figures(found) for law, found in mapped.items()},
            "written_by_hand_rows_per_s": BY_HAND,
            "sizes": {"rows": rows, "dim": TABLE_DIM, "batch": BATCH, "look_ups_a_row": 8, "seconds": seconds},
            "how": "Peaks are what the kernel counted for a process that does one stage. Anonymous memory can only be "
            "swapped; pages of files are a cache that the kernel drops when another process needs the place. "
            "The table trains by `fit` with row-wise Adagrad and a checkpoint a minute.",
        },
    )


def goals_of(mapped: Mapping[str, Mapping[str, Any]], rows: int) -> dict[str, Goal]:
    """A table that does not fit, and the memory that training it cannot do without."""
    goals = {
        f"{law} ids: GiB of anonymous memory": at_most(MAPPED_BOUND_GIB, round(found["anonymous"] / 2**30, 3))
        for law, found in mapped.items()
    }
    if rows == TABLE_ROWS:
        size = mapped["zipf"]["table_bytes"] / 2**30
        goals["GiB of the table, beside the machine's memory"] = at_least(machine()["memory_gib"], round(size, 1))
    return goals


def train_mapped(rows: int, seconds: float, options: Options) -> dict[str, dict[str, Any]]:
    """Train the table by each law in a process of its own.

    Raises:
        EnvironmentFault: the disk has too little space.
    """
    folder = options.folder("mapped")
    free = shutil.disk_usage(folder).free / 2**30
    if rows == TABLE_ROWS and free < _FREE_GIB:
        raise EnvironmentFault(
            f"the table's touched rows need up to {_FREE_GIB} GiB, and {folder} has {free:.0f} GiB free. "
            "Choose another place with --work DIR."
        )
    sizes = {"rows": rows, "dim": TABLE_DIM, "batch": BATCH, "seconds": seconds, "seed": options.seed}
    found = {}
    for law in LAWS:
        say(f"a table of {rows:,} rows, {law} ids, {seconds:g} s")
        log = options.folder("logs") / f"mapped-{law}.log"
        given = {"folder": str(folder / law), **sizes}
        with Contestant(law, Path(sys.executable), "benchmarks.mapped_training", given, log) as worker:
            found[law] = worker.ask("train", law=law)
    return found


def shop_recipe(folder: Path) -> Recipe:
    """The demo's recipe for one epoch of each stage."""
    changes = ["retrieval.epochs=1", "ranking.epochs=1", "compute.threads=1", 'compute.device="cpu"']
    with as_file(files("shortlist.cli").joinpath("shop.toml")) as path:
        return load_recipe(path, changes, folder)


def _sizes(options: Options) -> tuple[tuple[int, int], ...]:
    return ((200, 100),) if options.quick else SHOPS


def _shop(users: int, items: int, options: Options) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Peaks of a shop's stages, and the size of what they read and make, all in MiB."""
    say(f"a shop of {users:,} users and {items:,} items")
    folder = options.folder("shops") / f"{users}-{items}-{options.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        simulate_to(folder / "data", users=users, items=items, seed=options.seed)
        recipe = shop_recipe(folder)
        found = costs(recipe, folder / "run", STAGES, options)
        return _peaks(found), _data_sizes(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _peaks(found: Costs) -> dict[str, dict[str, float]]:
    kinds = ("before", "peak", "anonymous", "file")
    return {stage: {kind: mebibytes(cost[kind]) for kind in kinds} for stage, cost in found.items()}


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    """With bytes as MiB."""
    sizes = ("before", "peak", "anonymous", "file", "table_bytes", "bytes_on_disk")
    return {name: mebibytes(value) if name in sizes else value for name, value in found.items()}


def _data_sizes(folder: Path) -> dict[str, float]:
    """Of the source tables, the prepared data and the models' weights."""
    return {
        "tables": mebibytes(sum(path.stat().st_size for path in (folder / "data").rglob("*.parquet"))),
        "prepared": mebibytes(sum(path.stat().st_size for path in (folder / "run" / "prepared").rglob("*.arrow"))),
        "weights": mebibytes(sum(path.stat().st_size for path in (folder / "run").rglob("model.safetensors"))),
        "bundle": mebibytes(sum(p.stat().st_size for p in (folder / "run" / "bundle").rglob("*") if p.is_file())),
    }
