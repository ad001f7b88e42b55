"""`python -m benchmarks report`: the pages of what is kept, docs/performance.md with its plots and docs/accuracy.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy_page import write_page
from benchmarks.chart import bars
from benchmarks.command import descriptions
from benchmarks.harness import number
from benchmarks.markdown import cell, goals_table, line, stamp, table, versions

_ACCURACY = "accuracy"
_FIRST = (
    *("train", "sequence", "classical", "loader", "prepare", "engines"),
    *("index", "ann", "growth", "memory", "gpu", "serve"),
)
_INTRODUCTION = """# Performance

What `python -m benchmarks NAME --json` last measured. Every contestant is loaded at once and they take turns within one
run; the median of at least five rounds counts. Each peer has an environment of its own with pinned versions, which the
benchmark installs. `python -m benchmarks` lists the benchmarks, `python -m benchmarks report` writes this page.
"""
_CAVEATS = """## What these figures show, and what they do not

- A rate per CPU-second counts the time that the processor spent on the measured process, in the system too, not the
  time on the wall: it says what work costs. Other work on the machine lowers it too, through caches and memory,
  by up to a half. It is no latency, and it says nothing of how well work spreads over cores. Where a unit says so, the
  wall clock counts.
- Ratios carry over to other machines better than rates do, and neither carries over to a GPU.
- The data is synthetic, made from a seed: its law is the same for all contestants, and it is no data set of yours. An
  AUC here says whether speed was bought with quality, not what a model reaches on real clicks.
- Peers run with the defaults that their documentation shows. Someone who knows one of them well may make it faster.
- A limit is what this machine could do at most by the bytes or the floating-point operations that the work needs, or by
  the plainest program for the part that cannot be left out; each section says which.
"""
_PROSE = ("how", "case")
_LINES = {"roofline": "Roofline", "sizes": "Sizes"}
_NOT_SHOWN = {"contestants", "rounds", "peers_versions", "limit_is", *_PROSE, *_LINES}


def write_report(folder: Path) -> list[Path]:
    """Write the pages beside `folder` and a plot for each result of performance in it; returns what was written."""
    every = [json.loads(path.read_text(encoding="utf-8")) | {"file": path.stem} for path in folder.glob("*.json")]
    results = [result for result in every if result["name"] != _ACCURACY]
    results.sort(key=lambda result: (_place(result["name"]), result["file"]))
    written = []
    if len(every) > len(results):
        written.append(folder.parent / f"{_ACCURACY}.md")
        write_page([result for result in every if result["name"] == _ACCURACY], written[0])
    for result in results:
        plot = folder / f"{result['file']}.svg"
        plot.write_text(bars(_heights(result), result["unit"]), encoding="utf-8")
        written.append(plot)
    page = folder.with_suffix(".md")
    page.write_text(_page(results, folder.name), encoding="utf-8")
    return [page, *written]


def _place(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _heights(result: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """What the plot shows: name, value and kind (`ours`, `peer`, `limit`), the fastest first below the limit."""
    peers = [(name, value, "peer") for name, value in result["peers"].items() if not isinstance(value, str)]
    limit = [("limit", result["limit"], "limit")] if result["limit"] else []
    return [*limit, *sorted([("ours", result["ours"], "ours"), *peers], key=lambda bar: -bar[1])]


def _page(results: Sequence[Mapping[str, Any]], folder: str) -> str:
    parts = [_INTRODUCTION, _overview(results), *(_section(result, folder) for result in results), _CAVEATS]
    return "\n".join(parts)


def _overview(results: Sequence[Mapping[str, Any]]) -> str:
    """One row a result, the ratio first."""
    rows = [
        [
            f"[{result['file']}](#{result['file']})",
            "" if result["ratio"] is None else f"**{result['ratio']:.2f}**",
            number(result["ours"]),
            _best_peer(result["peers"]),
            "" if result["limit"] is None else number(result["limit"]),
            "" if result["of_limit"] is None else f"{result['of_limit']:.0%}",
            _met(result["goals"]),
            result["unit"],
        ]
        for result in results
    ]
    return table(["", "ratio", "ours", "best peer", "limit", "of limit", "goals", "unit"], rows)


def _best_peer(peers: Mapping[str, float | str]) -> str:
    there = {name: value for name, value in peers.items() if not isinstance(value, str)}
    best = max(there, key=lambda name: there[name], default=None)
    return "" if best is None else f"{number(there[best])} ({best})"


def _met(goals: Mapping[str, Sequence[Any]]) -> str:
    met = sum(bool(goal[2]) for goal in goals.values())
    return f"{met} of {len(goals)} met" if goals else "none set"


def _section(result: Mapping[str, Any], folder: str) -> str:
    """All there is to say of one result."""
    name, details = result["file"], result["details"]
    what = descriptions().get(result["name"], "")
    lines = [
        f"## {name}",
        "",
        f"{what[:1].upper()}{what[1:]}." if what else "",
        "",
        f"![{name}: {result['unit']}, on a logarithmic scale]({folder}/{name}.svg)",
        "",
        _contestants(result),
        goals_table(result["goals"]),
        *(f"{details[key]}\n" for key in _PROSE if key in details),
        *([f"Limit: {details['limit_is']}.\n"] if "limit_is" in details else []),
        *(f"{title}: {line(details[key])}.\n" for key, title in _LINES.items() if details.get(key)),
        *(_details(key, value) for key, value in details.items() if key not in _NOT_SHOWN),
        *([f"Peers' versions: {versions(details['peers_versions'])}.\n"] if details.get("peers_versions") else []),
        stamp(result),
        "",
    ]
    return "\n".join(lines)


def _contestants(result: Mapping[str, Any]) -> str:
    """Every contestant with all that was measured of it, the fastest first, then those that are missing."""
    peers, unit = result["peers"], result["unit"]
    every = {"ours": result["ours"], **{name: value for name, value in peers.items() if not isinstance(value, str)}}
    found = result["details"].get("contestants") or {name: {"rate": value} for name, value in every.items()}
    shown = dict(sorted(found.items(), key=lambda contestant: -contestant[1].get("rate", 0)))
    missing = [f"- {name} could not be measured: {why}\n" for name, why in peers.items() if isinstance(why, str)]
    return f"{unit[:1].upper()}{unit[1:]}:\n\n{_table_of(shown)}\n{''.join(missing)}"


def _details(key: str, value: Any) -> str:
    """A mapping of mappings as a table, a plain one as a line, anything else as its text."""
    title = key.replace("_", " ")
    title = title[:1].upper() + title[1:]
    if isinstance(value, Mapping) and value and all(isinstance(row, Mapping) for row in value.values()):
        return f"{title}:\n\n{_table_of(value)}"
    return f"{title}: {line(_flat(value)) if isinstance(value, Mapping) else cell(value)}.\n"


def _table_of(rows: Mapping[str, Mapping[str, Any]]) -> str:
    flat = {name: _flat(row) for name, row in rows.items()}
    columns = list(dict.fromkeys(column for row in flat.values() for column in row))
    cells = [[name, *(cell(row.get(column)) for column in columns)] for name, row in flat.items()]
    return table(["", *(column.replace("_", " ") for column in columns)], cells)


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Inner mappings' values under both names; lists, such as single rounds, are left out."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{key} ")
        elif not isinstance(value, list):
            found[before + key] = value
    return found
