"""What a benchmark comes back with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """One benchmark's figures; `to_json` is the one line that `--json` prints."""

    name: str
    passed: bool
    """Whether every goal was met."""
    unit: str
    """Of `ours`, `peers` and `limit`, such as `samples per CPU-second`."""
    ours: float
    """Median over the rounds."""
    peers: Mapping[str, float | str] = field(default_factory=dict)
    """The same of each peer, or why it could not be measured."""
    ratio: float | None = None
    """Ours over the best peer's."""
    limit: float | None = None
    """What this machine could do at most by the bytes or FLOPs that the work needs."""
    goals: Mapping[str, tuple[float, float, bool]] = field(default_factory=dict)
    """Of each goal what was asked for, what was measured, and whether that will do."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else was measured: every round, memory, quality, versions, machine."""

    @property
    def of_limit(self) -> float | None:
        """The share of the limit that was reached."""
        return None if self.limit is None else self.ours / self.limit

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "of_limit": self.of_limit}
