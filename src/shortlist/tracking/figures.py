"""The numbers that are recorded, by names that MLflow takes: of an epoch, of a stage, of the whole."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shortlist.core.files import read_json
from shortlist.core.progress import Epoch
from shortlist.pipeline.stages import Stage, marker

Figures = Mapping[str, float]

_NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]", re.ASCII)
_LONGEST_NAME = 250


def named(name: str) -> str:
    """`ndcg@10` as `ndcg_at_10`; what MLflow does not take in a name becomes `_`."""
    return _NOT_IN_A_NAME.sub("_", name.replace("@", "_at_"))[:_LONGEST_NAME]


def curve_of(folder: Path, stage: Stage) -> list[Epoch]:
    """The learning curve that a stage has left; empty for a stage without epochs."""
    path = folder / stage / "history.json"
    curve: list[Epoch] = read_json(path) if path.is_file() else []
    return curve


def of_epoch(entry: Epoch) -> Figures:
    """`train_loss`, `rows_per_s`, `seconds`, and `valid/METRIC`."""
    own = {name: entry[name] for name in ("train_loss", "rows_per_s", "seconds")}
    return dict(_numbers({**own, "valid": entry["valid"]}))


def of_stage(folder: Path, stage: Stage) -> Figures:
    """What the stage's marker says in numbers: its seconds and, where it has them, rows, parity and the index."""
    left = read_json(folder / marker(stage))
    told = {name: left[name] for name in ("rows", "users", "items", "parity", "index", "valid") if name in left}
    return dict(_numbers({**told, "stage_seconds": left["seconds"]}))


def of_results(metrics: Mapping[str, Any]) -> Figures:
    """The content of metrics.json: `funnel/ndcg_at_10` with `/low` and `/high`, what was lost, and seconds by stage."""
    found: dict[str, Any] = {}
    for stage, measured in metrics["stages"].items():
        for metric, estimate in measured.items():
            bounds = {f"{metric}/{end}": estimate[end] for end in ("low", "high")}
            found[stage] = {**found.get(stage, {}), metric: estimate["value"], **bounds}
    for target, measured in (metrics.get("tasks") or {}).items():
        found[f"tasks/{target}"] = {metric: estimate["value"] for metric, estimate in measured.items()}
    return dict(_numbers({**found, "lost": metrics.get("lost") or {}, "seconds": metrics["timings_s"]}))


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every finite number in nested mappings, by its path."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield named(f"{prefix}{name}"), float(value)
