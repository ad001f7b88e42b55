"""Requests as the log has them: rows of prepared events, asked for as a server would be.

Legend: B rows of a shard.
"""

from __future__ import annotations

from collections.abc import Iterator

from shortlist.data.event_shard import EventShard
from shortlist.data.held_out import HeldOut
from shortlist.data.loader import Gather
from shortlist.data.prepared import Prepared
from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, Longs, RaggedBag
from shortlist.funnel.columns import Requests


def requests_at(
    gather: Gather[FeatureRows], shard: EventShard, rows_B: Longs, history: Events, exclude: RaggedBag
) -> Requests:
    """What is asked at each row's moment: its user's features, its context and its time.

    The row's item is not known: it may be the truth. `gather` adds no history, which is given here as the events
    themselves, as a request has them.
    """
    return Requests(
        user_U=shard.user.take(rows_B),
        query=gather.query(shard, rows_B),
        time_U=shard.time.take(rows_B),
        history=history,
        exclude=exclude,
    )


def requests_of(prepared: Prepared, held_out: HeldOut, size: int) -> Iterator[tuple[Longs, Requests]]:
    """Held-out requests in batches of at most `size`: their places among all of them, and what is asked."""
    gather = Gather(prepared, history_length=0)
    for shard, rows_B, place_B in held_out.requests(size):
        history, seen = held_out.history.rows(place_B), held_out.seen.rows(place_B)
        yield place_B, requests_at(gather, shard, rows_B, history, seen)
