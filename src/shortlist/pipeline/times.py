"""Where the time of a run went: seconds by part of the work and stage, as a table and as JSON."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from shortlist.core.profile import recording
from shortlist.pipeline.stages import Stage

PARTS = (
    "import",
    "read",
    "apply",
    "write",
    "load",
    "embed",
    "dense",
    "communicate",
    "optimiser",
    "checkpoint",
    "validate",
    "export",
    "evaluate",
    "other",
)
"""Rows of the table. `import` is loading packages; `communicate` what processes that train together tell
one another, the waiting for one another included; `other` is what no span covers: setting models and their training
up, and whatever lies between the stages."""


class Times:
    """Seconds by stage and part. What is added up over the parts is the time that passed."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.stages: dict[Stage, dict[str, float]] = {}

    @contextlib.contextmanager
    def of(self, stage: Stage) -> Iterator[None]:
        """Record the work of a stage."""
        started = time.perf_counter()
        with recording() as profile:
            yield
        passed = time.perf_counter() - started
        self.stages[stage] = {**profile.seconds, "other": passed - sum(profile.seconds.values())}

    def to_json(self) -> dict[str, Any]:
        """`stages` and `total` by part, and `seconds` in all."""
        passed = time.perf_counter() - self.started
        total = {part: sum(stage.get(part, 0.0) for stage in self.stages.values()) for part in PARTS}
        total["other"] += passed - sum(total.values())
        rounded = {stage: _rounded(parts) for stage, parts in self.stages.items()}
        return {"seconds": round(passed, 3), "stages": rounded, "total": _rounded(total)}

    def table(self) -> str:
        """A row for each part that took time, a column for each stage that was done, in seconds."""
        found = self.to_json()
        columns = {**found["stages"], "total": found["total"]}
        shown = [part for part in PARTS if found["total"][part]]
        lines = [f"{'seconds':<11}" + "".join(f"{stage:>11}" for stage in columns) + f"{'share':>8}"]
        for part in shown:
            cells = "".join(f"{parts[part]:>11.2f}" if parts.get(part) else f"{'-':>11}" for parts in columns.values())
            lines.append(f"{part:<11}{cells}{found['total'][part] / found['seconds']:>8.1%}")
        sums = "".join(f"{sum(parts.values()):>11.2f}" for parts in columns.values())
        return "\n".join([*lines, f"{'total':<11}{sums}{1:>8.1%}"])


def _rounded(parts: dict[str, float]) -> dict[str, float]:
    return {part: round(parts[part], 3) for part in PARTS if part in parts}
