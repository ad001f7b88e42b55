"""Order, duplicates and bounds, against a model that sorts a list after every event."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.state import State, StateEvent, record

EVENTS, OLDER = 4, 3
_USERS = count()

Told = tuple[int, str | None, int, str | None]

told = st.tuples(
    st.integers(0, 5),
    st.sampled_from([None, "view", "cart"]),
    st.integers(0, 8),
    st.sampled_from([None, None, None, "one", "two"]),
)


class Model:
    """A user as plain lists."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, int, StateEvent]] = []
        self.older: list[int | str] = []

    def add(self, arrival: int, event: StateEvent) -> bool:
        if any(same(event, other) for _, _, other in self.kept):
            return False
        if len(self.kept) == EVENTS and event.time <= self.kept[0][0]:
            self.see(event.item)
            return False
        self.kept.append((event.time, arrival, event))
        self.kept.sort(key=lambda one: one[:2])
        if len(self.kept) > EVENTS:
            self.see(self.kept.pop(0)[2].item)
        return True

    def see(self, item: int | str) -> None:
        if item not in self.older:
            self.older.append(item)
        self.older = self.older[-OLDER:]


def same(one: StateEvent, other: StateEvent) -> bool:
    if one.event_id is not None or other.event_id is not None:
        return one.event_id == other.event_id
    return (one.item, one.type, one.time) == (other.item, other.type, other.time)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(told, max_size=12), st.integers(1, 4))
def test_a_user_is_what_the_model_says(state: State, given: list[Told], size: int) -> None:
    user, model = f"user {next(_USERS)}", Model()
    events = [StateEvent(user, item, time, kind, name) for item, kind, time, name in given]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "MOST_EVENTS", EVENTS)
        patch.setattr(record, "MOST_OLDER", OLDER)
        batches = [events[start : start + size] for start in range(0, len(events), size)]
        found = [new for batch in batches for new in state.append(batch)]

    assert found == [model.add(arrival, event) for arrival, event in enumerate(events)]
    known = state.user(user)
    if known is None:
        assert not events
        return
    kept = [event for _, _, event in model.kept]
    assert list(known.items) == [event.item for event in kept]
    assert list(known.types) == [event.type for event in kept]
    assert known.times_L.tolist() == [event.time for event in kept]
    assert list(known.older) == model.older
