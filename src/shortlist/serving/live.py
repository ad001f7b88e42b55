"""The line-up that answers now, and the one that did before: replaced between two requests."""

from __future__ import annotations

from shortlist.serving.lineup import Lineup
from shortlist.serving.metrics import Metrics


class Live:
    """A request takes `lineup` once and keeps it to its end, so a swap waits for none and drops none."""

    def __init__(self, lineup: Lineup, metrics: Metrics) -> None:
        self.lineup = lineup
        self.before: Lineup | None = None
        self._metrics = metrics
        metrics.drift.watches(lineup)
        self._tell(lineup, True)

    def swap(self, lineup: Lineup) -> None:
        """Answer from another line-up; the one until now is kept."""
        self._metrics.drift.watches(lineup)
        self._tell(self.lineup, False)
        self.before, self.lineup = self.lineup, lineup
        self._tell(lineup, True)

    def _tell(self, lineup: Lineup, is_served: bool) -> None:
        for arm in lineup.arms:
            self._metrics.serves(arm.name, arm.service.label, is_served)
