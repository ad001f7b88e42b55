"""The audit: what was wrong with the tables, how often, with examples, and what was done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import ibis

from shortlist.tables.engine import Engine

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of thing that was found."""

    what: str
    """In the plural: `rows without a user id`."""
    count: int
    done: str
    """What was done about it."""
    examples: tuple[str, ...] = ()
    """At most three."""

    def line(self) -> str:
        """For a person."""
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        return f"{self.count:,} {self.what}: {self.done}{shown}"


@dataclass(slots=True)
class Audit:
    """All findings of one preparation."""

    rows_read: int = 0
    rows_kept: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Keep a finding; one that counts nothing is none."""
        if finding.count:
            self.findings.append(finding)

    def lines(self) -> list[str]:
        """For a person, one line a finding."""
        return [finding.line() for finding in self.findings]

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "findings": [{**asdict(f), "examples": list(f.examples)} for f in self.findings],
        }


def example_rows(engine: Engine, rows: ibis.Table, order: str, columns: list[str]) -> tuple[str, ...]:
    """The first rows in the order of the column `order`, as text: `row 17: user_id = None, rating = 3`."""
    shown = list(dict.fromkeys(columns))
    first = rows.order_by(order).select(**{"#row": rows[order]}, **{name: rows[name] for name in shown})
    found = engine.to_arrow(first.limit(EXAMPLES)).to_pylist()
    return tuple(f"row {row['#row']}: {_values({name: row[name] for name in shown})}" for row in found)


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())
