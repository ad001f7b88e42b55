"""The cost of a doubling: time and memory of the stages as one quantity after the other is doubled."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Goal, Options, all_met, at_most, say
from benchmarks.result import Result
from benchmarks.stages import Costs, costs
from shortlist.recipe.sections import Recipe

DESCRIPTION = "rows, users, items, dim and batch doubled three times: how time and memory of each stage grow"
UNIT = "exponent of the steepest growth; 1 is linear"
LINEAR = 1.1
"""Most that an exponent fitted to three doublings may be, for a cost that is linear but for noise and caches."""
STAGES = ("prepare", "load", "retrieval", "ranking", "export", "evaluate")
JUDGED = tuple(stage for stage in STAGES if stage != "export")
"""Export's time is torch's own, for tracing, whatever the sizes."""
QUANTITIES = ("rows", "users", "items", "dim", "batch")
_MEBI = 2.0**20
_LEAST_BYTES = 16 * _MEBI
"""Memory beyond that of an idle process counts from here: below it, it is the allocator's."""


@dataclass(frozen=True)
class Size:
    """One size of everything."""

    rows: int = 400_000
    users: int = 20_000
    items: int = 10_000
    dim: int = 16
    batch: int = 1_024

    def doubled(self, quantity: str, times: int) -> Size:
        """With one quantity doubled so many times."""
        changed: dict[str, Any] = {quantity: getattr(self, quantity) * 2**times}
        return replace(self, **changed)


@dataclass(frozen=True)
class Growth:
    """What one measure of one stage was after 0, 1, 2... doublings."""

    values: Sequence[float]

    @property
    def factors(self) -> list[float]:
        """Of each doubling."""
        return [after / before for before, after in zip(self.values, self.values[1:], strict=False)]

    @property
    def exponent(self) -> float:
        """Slope of the line through the logarithms: 0 constant, 1 linear, 2 quadratic."""
        steps = np.arange(len(self.values))
        return float(np.polyfit(steps, np.log2(np.array(self.values)), 1)[0])

    def facts(self, measure: str) -> dict[str, float]:
        """What it began with, by its unit, the factor of each doubling, and the exponent."""
        base = {"base_s": self.values[0]} if measure == "time" else {"base_mib": self.values[0] / _MEBI}
        factors = {f"x{2**place}": factor for place, factor in enumerate(self.factors, start=1)}
        return {**base, **factors, "exponent": self.exponent}


def run(options: Options) -> Result:
    """Measure the base once, and each quantity's doublings."""
    base, doublings = (Size(2_000, 200, 100, 4, 128), 1) if options.quick else (Size(), 3)
    quantities = QUANTITIES[:1] if options.quick else QUANTITIES
    first = measure(base, options)
    points = {
        quantity: [first, *(measure(base.doubled(quantity, times), options) for times in range(1, doublings + 1))]
        for quantity in quantities
    }
    grown = {quantity: growths(found) for quantity, found in points.items()}
    for line in table(grown):
        say(line)
    goals = {} if options.quick else goals_of(grown)
    judged = [grown[quantity][key].exponent for quantity in grown for key in grown[quantity] if key[0] in JUDGED]
    return Result(
        name="growth",
        passed=all_met(goals),
        unit=UNIT,
        ours=max(judged),
        goals=goals,
        details={
            "base": asdict(base),
            "growth": {
                f"{quantity}: {stage}, {measure}": growth.facts(measure)
                for quantity, of_stages in grown.items()
                for (stage, measure), growth in of_stages.items()
            },
            "how": "Time is CPU seconds of one thread, memory is the peak less what the process held before the stage. "
            "Each stage runs in a process of its own: prepare; load, the batches of one epoch; one epoch of two_tower; "
            "the candidates of all users and one epoch of deepfm; evaluate with the report. In-batch softmax compares "
            "each of a batch's queries with each of its items, so that an epoch of retrieval grows with the batch.",
        },
    )


def measure(size: Size, options: Options) -> Costs:
    """All stages at one size, in a folder that is gone afterwards."""
    say(str(size))
    folder = options.folder("growth") / "run"
    shutil.rmtree(folder, ignore_errors=True)
    write_log(folder / "data", size, options.seed)
    try:
        return costs(recipe(folder / "data", size), folder / "run", STAGES, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_log(folder: Path, size: Size, seed: int) -> None:
    """`events.parquet`, in which a few items have most of the events, and `items.parquet`; ids are texts."""
    random = np.random.default_rng(seed)
    user_n = random.integers(0, size.users, size.rows)
    # The cube of a uniform number: a tenth of the items have almost half of the events.
    item_n = (size.items * random.random(size.rows) ** 3).astype(np.int64)
    events = pa.table(
        {
            "user": _texts("u", user_n),
            "item": _texts("i", item_n),
            "time": 1_600_000_000 + 60 * np.arange(size.rows),
            "label": (random.random(size.rows) < 0.5).astype(np.int32),
            "device": _texts("d", random.integers(0, 20, size.rows)),
        }
    )
    items = pa.table(
        {
            "item": _texts("i", np.arange(size.items)),
            "category": _texts("c", random.integers(0, 50, size.items)),
            "price": random.random(size.items).astype(np.float32),
        }
    )
    folder.mkdir(parents=True)
    pq.write_table(events, folder / "events.parquet")
    pq.write_table(items, folder / "items.parquet")


def recipe(data: Path, size: Size) -> Recipe:
    """Both stages for one epoch, with negatives from the user's candidates."""
    return Recipe.model_validate(
        {
            "name": "growth",
            "data": {"interactions": str(data / "events.parquet"), "items": str(data / "items.parquet")},
            "schema": {"user_id": "user", "item_id": "item", "timestamp": "time", "targets": {"liked": "label"}},
            "features": {
                "item": {"category": "categorical", "price": "numeric"},
                "context": {"device": "categorical"},
            },
            "retrieval": {
                "model": {"name": "two_tower", "dim": size.dim, "embedding_dim": size.dim},
                **_training(size),
            },
            "ranking": {
                "model": {"name": "deepfm", "embedding_dim": size.dim},
                "negatives": {"sampled": 1},
                **_training(size),
            },
            "funnel": {"candidates": min(50, size.items // 2), "retrieval_weight": 1.0},
            "compute": {"threads": 1, "device": "cpu", "checkpoint_seconds": 1e9},
        }
    )


def growths(points: Sequence[Costs]) -> dict[tuple[str, str], Growth]:
    """Of each stage and of time and memory how they grew."""
    found = {}
    for stage in STAGES:
        taken = [point[stage] for point in points]
        found[stage, "time"] = Growth([cost["cpu_s"] for cost in taken])
        found[stage, "memory"] = Growth([max(cost["peak"] - cost["before"], _LEAST_BYTES) for cost in taken])
    return found


def goals_of(grown: Mapping[str, Mapping[tuple[str, str], Growth]]) -> dict[str, Goal]:
    """No stage worse than linear in the quantity that is doubled."""
    goals = {}
    for quantity, of_stages in grown.items():
        for measure in ("time", "memory"):
            steepest = max(of_stages[stage, measure].exponent for stage in JUDGED)
            goals[f"{quantity}: {measure} of every stage, exponent"] = at_most(LINEAR, round(steepest, 3))
    return goals


def table(grown: Mapping[str, Mapping[tuple[str, str], Growth]]) -> list[str]:
    """A line for each quantity, stage and measure: where it began, the factor of each doubling, the exponent."""
    lines = [f"{'doubled':<8} {'stage':<10} {'':<7} {'base':>10}   factors of the doublings   exponent"]
    for quantity, of_stages in grown.items():
        for (stage, measure), growth in of_stages.items():
            base = f"{growth.values[0]:.2f} s" if measure == "time" else f"{growth.values[0] / _MEBI:,.0f} MiB"
            factors = " ".join(f"{factor:8.2f}" for factor in growth.factors)
            lines.append(f"{quantity:<8} {stage:<10} {measure:<7} {base:>10} {factors}   {growth.exponent:8.2f}")
    return lines


def _training(size: Size) -> dict[str, Any]:
    return {"batch_size": size.batch, "epochs": 1, "history": 20}


def _texts(letter: str, numbers: Any) -> pa.Array:
    """`letter` and a number each, as a dictionary-encoded column is decoded: only the distinct ones are made."""
    distinct, place_n = np.unique(numbers, return_inverse=True)
    return pa.array([f"{letter}{number}" for number in distinct.tolist()]).take(pa.array(place_n))
