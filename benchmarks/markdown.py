"""Pieces of the pages that `report` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness import number


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


def goals_table(goals: Mapping[str, Sequence[Any]]) -> str:
    """What was asked for beside what was measured; nothing without goals."""
    rows = [
        [name, number(asked), number(found), "met" if met else "**NOT MET**"]
        for name, (asked, found, met) in goals.items()
    ]
    return table(["goal", "asked for", "measured", ""], rows) if rows else ""


def stamp(result: Mapping[str, Any]) -> str:
    """Machine, versions, seed, date and command of a result."""
    machine = result["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"{line(result['versions'])}; seed {result['seed']}. {result['date']}: `{result['command']}`"
    )


def line(values: Mapping[str, Any]) -> str:
    """Names and values in one line."""
    return ", ".join(f"{key.replace('_', ' ')} {cell(value)}" for key, value in values.items())


def cell(value: Any) -> str:
    """A value for people."""
    if value is None:
        return ""
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, list):
        return " x ".join(cell(part) for part in value)
    return number(value)


def versions(versions: Mapping[str, Mapping[str, str]]) -> str:
    """Every package of every contestant with its version, once."""
    every = {f"{package} {version}" for of in versions.values() for package, version in of.items()}
    return ", ".join(sorted(every))
