"""What users did since a bundle was made: events, items seen, features and counters, in LMDB or Redis."""

from __future__ import annotations

from shortlist.state.address import open_state
from shortlist.state.base import Id, State, StateEvent, StateFault, UserState

__all__ = ["Id", "State", "StateEvent", "StateFault", "UserState", "open_state"]
