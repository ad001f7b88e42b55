"""The table that a run prints: every stage beside the baseline, and where the truth was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.evaluation.lists import SHOWN

Metrics = Mapping[str, Any]

_LABEL, _CELL = 12, 15


def headline(metrics: Metrics) -> tuple[str, ...]:
    """The two metrics of lists to show first: one of breadth and one of the order at the top."""
    measured = [name for name in metrics["stages"].get("funnel", {}) if not name.startswith("coverage")]
    wide = [name for name in measured if name.startswith(("recall", "hit"))]
    sharp = [name for name in measured if name not in wide]
    widest = max(wide, key=_cutoff, default=None)
    sharpest = min(sharp, key=lambda name: (not name.startswith("ndcg"), _cutoff(name)), default=None)
    return tuple(name for name in (widest, sharpest) if name) or tuple(measured[:2])


def results_table(metrics: Metrics) -> str:
    """Stages by metrics as text, `value ± half of the interval`, and lines for the ranker's tasks and groups."""
    stages = metrics["stages"]
    if "funnel" not in stages:
        return "\n".join(_ranker_alone(metrics))
    columns = headline(metrics)
    has_auc = "auc" in stages.get("ranking", {})
    width = max([_LABEL, *(len(stage) + 2 for stage in lists_of(stages))])
    lines = [_introduction(metrics["protocol"]), _line("", [*columns, *(["auc"] if has_auc else [])], width)]
    for stage in lists_of(stages):
        cells = [cell(stages[stage][name]) for name in columns]
        ranker = [cell(stages["ranking"]["auc"]) if stage == "funnel" else "-"] if has_auc else []
        lines.append(_line(stage, [*cells, *ranker], width))
    return "\n".join([*lines, *_task_lines(metrics), *_group_lines(metrics), lost_line(metrics)])


def lists_of(stages: Metrics) -> list[str]:
    """The stages whose lists were measured: the baseline, each of several sources, all of them, the funnel."""
    return [stage for stage in stages if stage != "ranking"]


def cell(estimate: Mapping[str, float | None]) -> str:
    """`.412 ± .010`; the value alone where there is no interval."""
    value, low, high = (estimate[part] for part in ("value", "low", "high"))
    if value is None:
        return "-"
    if low is None or high is None:
        return _short(value)
    return f"{_short(value)} ± {_short((high - low) / 2)}"


def whom(protocol: Metrics) -> str:
    """`1,783 test users`, or `70 test requests of 20 sessions` where each event is asked for."""
    users, split, are = protocol["users"], protocol["split"], protocol["users_are"]
    if protocol["requests_for_each"] == "user":
        return f"{users:,} {split} {are}"
    return f"{protocol['requests']:,} {split} requests of {users:,} {are}"


def lost_line(metrics: Metrics) -> str:
    """Where the truth that nobody got to see was lost, stage by stage."""
    lost, found = metrics["lost"], metrics[f"found@{SHOWN}"]
    parts = [
        f"{_percent(lost['not_among_candidates'])} not among {among(metrics['protocol'])}",
        f"{_percent(lost['index'])} to the index",
        f"{_percent(lost[f'ranked_below_{SHOWN}'])} ranked below {SHOWN}",
    ]
    if lost["not_in_catalogue"] > 0:
        parts.insert(0, f"{_percent(lost['not_in_catalogue'])} not in the catalogue")
    return f"where truth was lost: {', '.join(parts)}; {_percent(found)} found"


def among(protocol: Metrics) -> str:
    """`500 candidates`, or `the first 100` of a list that nothing puts in another order."""
    if "candidates" in protocol:
        return f"{protocol['candidates']:,} candidates"
    return f"the first {protocol['positions']:,}"


def _ranker_alone(metrics: Metrics) -> list[str]:
    """What is shown of a log without lists: the ranker's tasks, one by one where there are several."""
    measured, protocol = metrics["stages"].get("ranking", {}), metrics["protocol"]
    if not measured:
        return ["nothing held out"]
    rows = f"{protocol.get('ranking_rows', 0):,} {protocol['split']} rows"
    tasks = _task_lines(metrics)
    return [*([rows, *tasks] if tasks else [f"{rows}: {_of_rows(measured)}"]), *_group_lines(metrics)]


def _task_lines(metrics: Metrics) -> list[str]:
    """A line for each target of several; of one alone its calibration, where there is one and a table above it."""
    tasks = metrics.get("tasks", {})
    if not tasks and "funnel" in metrics["stages"]:
        ranked = metrics["stages"].get("ranking", {})
        tasks = {"ranker": {name: ranked[name] for name in ranked if name.startswith("calibration_error")}}
        if "calibration_error_before" not in ranked:
            return []
    width = max([_LABEL, *(len(name) + 2 for name in tasks)])
    return [f"  {name:<{width}}{_of_rows(measured)}" for name, measured in tasks.items()]


def _group_lines(metrics: Metrics) -> list[str]:
    """The ranker's lists within groups, such as MAP@12 per display."""
    measured, protocol = metrics["stages"].get("ranking", {}), metrics["protocol"]
    lists = ", ".join(f"{name} {cell(value)}" for name, value in measured.items() if "@" in name)
    return [f"per {protocol['group']}, {protocol['groups']:,} of them: {lists}"] if lists else []


def _of_rows(measured: Mapping[str, Mapping[str, float | None]]) -> str:
    """`auc .801 ± .002, calibration_error .010 (.050 before)`, without metrics of lists."""
    before = measured.get("calibration_error_before")
    parts = []
    for name, value in measured.items():
        if name == "calibration_error" and before is not None:
            parts.append(f"{name} {cell(value)} ({cell(before)} before)")
        elif "@" not in name and name != "calibration_error_before":
            parts.append(f"{name} {cell(value)}")
    return ", ".join(parts)


def _introduction(protocol: Metrics) -> str:
    sample = "a sample of " if protocol.get("sample_of_users") else ""
    seen = ", seen items left out" if protocol["exclude_seen"] else ""
    return f"{sample}{whom(protocol)}, whole catalogue{seen}"


def _line(label: str, cells: Sequence[str], width: int) -> str:
    return f"  {label:<{width}}" + "  ".join(f"{text:<{_CELL}}" for text in cells).rstrip()


def _short(value: float) -> str:
    """Three decimals, without the zero before the point."""
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0.") else text


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _cutoff(name: str) -> int:
    return int(name.partition("@")[2] or 0)
