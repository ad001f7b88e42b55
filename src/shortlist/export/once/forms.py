"""How a value of M rows follows from values of U requests.

Legend: M rows of the ranker, U requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import onnx_ir as ir


@dataclass(frozen=True, slots=True)
class PerRequest:
    """The value is `value[request]`: every row has what its request has."""

    value: ir.Value
    """As wide in every axis but the first, which is U."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the columns of a value."""

    value: ir.Value
    width: int
    per_request: bool
    """Whether `value` has a row for each request, and not for each row."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The value is its parts side by side, some of each kind."""

    axis: int
    """Along which they stand, at least 1."""
    parts: tuple[Part, ...]

    @property
    def width(self) -> int:
        """Of all parts together."""
        return sum(part.width for part in self.parts)

    @property
    def layout(self) -> tuple[object, ...]:
        """Equal for values whose parts can be taken pair by pair."""
        return self.axis, *((part.width, part.per_request) for part in self.parts)

    @property
    def starts(self) -> list[int]:
        """The first column of each part."""
        return [sum(part.width for part in self.parts[:place]) for place in range(len(self.parts))]

    def runs(self) -> list[list[Part]]:
        """Parts of one kind that stand next to one another, together."""
        return [list(run) for _, run in groupby(self.parts, lambda part: part.per_request)]

    def of_kind(self, per_request: bool) -> tuple[list[Part], list[int]]:
        """The parts of one kind, and which of all columns they are."""
        parts: list[Part] = []
        columns: list[int] = []
        for part, start in zip(self.parts, self.starts, strict=True):
            if part.per_request == per_request:
                parts.append(part)
                columns += range(start, start + part.width)
        return parts, columns

    def selected(self, columns: Sequence[int]) -> list[tuple[Part, list[int]]]:
        """Where each of some columns is: runs of the same part, with places in it."""
        places = [
            (part, place, start)
            for part, start in zip(self.parts, self.starts, strict=True)
            for place in range(part.width)
        ]
        runs = groupby((places[column] for column in columns), lambda found: found[2])
        taken = [list(run) for _, run in runs]
        return [(run[0][0], [place for _, place, _ in run]) for run in taken]


Form = PerRequest | Columns
Result = Form | ir.Value
"""What a rule makes of a node's output: a form, or a value that takes its place."""
