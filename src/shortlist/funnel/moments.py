"""Requests as the log has them: rows of prepared events, asked for as a server would be.

Legend: B rows of a shard.
"""

from __future__ import annotations

from shortlist.data.event_shard import EventShard
from shortlist.data.loader import Gather
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
