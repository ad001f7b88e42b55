"""docs/accuracy.md: the tables of every comparison that is kept, with how they came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import number
from benchmarks.markdown import goals_table, stamp, table, versions

_INTRODUCTION = """# Accuracy

What `python -m benchmarks accuracy NAME --data DATA --json` last measured; `python -m benchmarks report` writes this
page. Settings are chosen on validation rows alone, as is the epoch of each training, and the test is scored once.
"""
_TITLES = {
    "frappe": "Frappe: click models beside peers and the published table",
    "adult": "Adult census: two tasks",
    "movielens": "MovieLens-1M: every ranker in the funnel",
    "gowalla": "Gowalla: every kind of retrieval beside the published table",
    "beauty": "Amazon Beauty: what comes next, of all items",
    "diginetica": "Diginetica: the next click of a session",
    "movielens_ncf": "MovieLens-1M: one film among 99 others",
    "movielens_sasrec": "MovieLens-1M: what comes next, of all films",
    "cold": "MovieLens-1M: users and films that training never met",
}


def write_page(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the page of all the results."""
    by_name = {result["details"]["data_set"]: result for result in results}
    sections = [_section(title, by_name[name]) for name, title in _TITLES.items() if name in by_name]
    path.write_text("\n".join([_INTRODUCTION, *sections]), encoding="utf-8")


def _section(title: str, result: Mapping[str, Any]) -> str:
    details = result["details"]
    lines = [f"## {title}", ""]
    for shown in details["tables"]:
        lines += [f"{shown['title']}:", "", _rows(shown["rows"])]
    lines += [f"- {name} could not be measured: {why}\n" for name, why in details.get("failed", {}).items()]
    lines += [f"Not run: {', '.join(details['left_out'])}.\n"] if details.get("left_out") else []
    lines += [goals_table(result["goals"])] if result["goals"] else []
    lines += [f"{paragraph}\n" for paragraph in details["how"]]
    if details.get("peers_versions"):
        lines.append(f"Versions: {versions(details['peers_versions'])}.\n")
    return "\n".join([*lines, stamp(result), ""])


def _rows(rows: Mapping[str, Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    return table(["", *columns], [[name, *(cell(row.get(column)) for column in columns)] for name, row in rows.items()])


def cell(value: Any) -> str:
    """`.9840 ± .0003` of a mean over seeds, `.142 ± .009` of an estimate with its interval, else the figure."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "mean" in value:
        # 0 of a single seed, and of a model that is the same with each.
        spread = f" ± {_share(value['sd'], 4)}" if value["sd"] else ""
        return f"{_share(value['mean'], 4)}{spread}"
    if isinstance(value, Mapping):
        half = "" if value["high"] is None else f" ± {_share((value['high'] - value['low']) / 2, 3)}"
        return f"{_share(value['value'], 3)}{half}"
    if isinstance(value, int):
        return f"{value:,}"
    return _share(value, 4) if 0 < value < 1 else number(value)


def _share(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".removeprefix("0")
