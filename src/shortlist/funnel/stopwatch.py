"""How long the stages of one call took, and whether there is time for the next one.

Legend: U requests of the call.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from shortlist.funnel.columns import Candidates, Requests


@dataclass(slots=True)
class Stopwatch:
    """Goes along with one call through the funnel."""

    deadline: float = math.inf
    """When the answer is due, in seconds of `time.perf_counter`."""
    asked: int = 0
    """Candidates that were asked for, by each request."""
    found_U: Sequence[int] = ()
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

    def shared(self, call: Stopwatch, place: int) -> None:
        """What `call` says of one of its requests, whose own watch this is.

        Each of them has waited for all of the call, so its stages are theirs.
        """
        for stage, took in call.took_s.items():
            self.took_s[stage] = self.took_s.get(stage, 0.0) + took
        self.asked, self.found_U, self.fallback = call.asked, call.found_U[place : place + 1], call.fallback
        self._since = call._since

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.perf_counter() >= self.deadline
