"""How long the stages of one call took, and whether there is time for the next one."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Literal

from shortlist.funnel.columns import Candidates, Requests


@dataclass(slots=True)
class Stopwatch:
    """Goes along with one call through the funnel."""

    deadline: float = math.inf
    """When the answer is due, in seconds of `time.perf_counter`."""
    asked: int = 0
    """Candidates that were asked for."""
    found: int = 0
    """Candidates that were found."""
    fallback: Literal["popularity", "retrieval"] | None = None
    """What answered because the time was up; None where the whole funnel did."""
    answered: tuple[Requests, Candidates] | None = None
    """What was asked, encoded, and what was found of it in the end."""
    took_s: dict[str, float] = field(default_factory=dict)
    """By stage."""
    _since: float = field(default_factory=time.perf_counter)

    def passed(self, stage: str) -> None:
        """What happened since the stage before was this one."""
        now = time.perf_counter()
        self.took_s[stage] = self.took_s.get(stage, 0.0) + now - self._since
        self._since = now

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.perf_counter() >= self.deadline
