"""How a recommender is asked for held-out users, and the words that say so in metrics.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import BundleError
from shortlist.data.held_out import HeldOut
from shortlist.data.prepared import Prepared
from shortlist.evaluation.lists import SHOWN, Bytes, Lists, deepest
from shortlist.features.rows import Ints, Longs, RaggedBag
from shortlist.funnel.columns import Requests
from shortlist.funnel.moments import requests_of
from shortlist.metrics._names import parse
from shortlist.schema import Split

BATCH = 512
"""Users asked for at once."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Some of the held-out users: what the recommender is asked, and what it should have answered."""

    place_U: Longs
    """Positions among all held-out users."""
    requests: Requests
    truth: RaggedBag


def questions(prepared: Prepared, users: HeldOut, size: int = BATCH) -> Iterator[Questions]:
    """Held-out users in batches, in their order, each asked for at the user's first event of the split.

    Known at that moment: the user's features, the context of that event (its time among it), and the user's
    events of earlier splits as history, with their types and times. The event's item is not: it may be the truth.
    """
    for place_U, requests in requests_of(prepared, users, size):
        yield Questions(place_U, requests, users.truth.rows(place_U))


@dataclass(frozen=True, slots=True)
class Answer:
    """What one stage answered to some of the users."""

    item_UK: Ints
    """The list that most cut-offs look at, whole."""
    item_by_cutoff: Mapping[int, Ints]
    """Those of the cut-offs that have lists of their own."""

    def lists(self, truth: RaggedBag, kind_I: Bytes, positions: int) -> Lists:
        """Held against the truth."""
        return Lists.of(self.item_UK, truth, kind_I, positions, self.item_by_cutoff)


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many items a stage is asked for, so that each cut-off looks at the list that a request for so many gets."""

    stage: str
    pooled: bool
    """Whether the lists are drawn from a pool of candidates, see `Recommender.pools`."""
    common: int
    """Of the list that most cut-offs look at."""
    own: tuple[int, ...]
    """Cut-offs whose lists are made from another number of candidates."""

    @classmethod
    def of(cls, recommender: Recommender, stage: str, metrics: Iterable[str]) -> Lengths:
        """Those of a stage whose lists are measured by `metrics`, all of which have a cut-off."""
        metrics = tuple(metrics)
        if not recommender.pools(stage, stage == "funnel" and recommender.rules.reorder):
            return cls(stage, False, deepest(metrics), ())
        candidates = recommender.bundle.settings.candidates
        common = max(candidates, SHOWN)
        cutoffs = {parse(name)[1] or 0 for name in metrics}
        return cls(stage, True, common, tuple(sorted(k for k in cutoffs if max(k, candidates) != common)))

    def ask(self, recommender: Recommender, requests: Requests) -> Answer:
        """The stage's answer to these requests."""
        own = {k: recommender.run(requests, k, self.stage).item_UK for k in self.own}
        return Answer(recommender.run(requests, self.common, self.stage).item_UK, own)


def check_same_data(recommender: Recommender, prepared: Prepared) -> None:
    """BundleError if the bundle was not made from this data: its rows would mean other users and items."""
    bundle = recommender.bundle
    made = (bundle.schema.fingerprint(), len(bundle.users), len(bundle.items))
    found = (prepared.schema.fingerprint(), len(prepared.users), len(prepared.items))
    if made != found:
        raise BundleError(
            f"{bundle.path} was made from other data than {prepared.folder}: schema {made[0]}, {made[1]:,} "
            f"user and {made[2]:,} item rows, against {found[0]}, {found[1]:,} and {found[2]:,}. "
            "Export it again from this data with: shortlist run"
        )


def described(
    recommender: Recommender, prepared: Prepared, users: HeldOut, split: Split, funnel: Lengths
) -> dict[str, Any]:
    """The `protocol` of metrics.json for lists: every choice that moves a figure, in words and numbers."""
    bundle, recipe = recommender.bundle, recommender.bundle.recipe
    target = prepared.schema.targets[0] if prepared.schema.targets else None
    relevant = f"item with target {target.name} > 0" if target else "item"
    unseen = ", unless it was seen before" if recipe.funnel.exclude_seen else ""
    catalogue = int(bundle.eligible_I.sum())
    longest = min(funnel.common, catalogue)
    return {
        "requests": len(users),
        "requests_for_each": recipe.split.requests,
        "users": len(np.unique(users.user_U)),
        "users_are": "sessions" if recipe.schema_.session_id else "users",
        "new_users": int((users.history.counts() == 0).sum()),
        **_asked(recipe.split.requests, split, relevant, unseen),
        "truth_items": int(users.truth.counts().sum()),
        "truth_seen_before": users.repeats,
        "exclude_seen": recipe.funnel.exclude_seen,
        # Without anything that puts candidates in order there are none: a list is the first so many of its one source.
        **({"candidates": longest} if funnel.pooled else {"positions": longest}),
        "candidates_from": (recommender.retrieval or recommender.popularity).name,
        "index": bundle.manifest.get("index", {}),
        "retrieval_weight": bundle.settings.retrieval_weight,
        "catalogue": catalogue,
        "negatives_in_lists": "none sampled: every list is drawn from the whole catalogue",
        "intervals": _intervals(recipe.split.requests),
    }


def _intervals(requests: Literal["user", "event"]) -> str:
    together = ", the requests of each taken together (cluster-robust)" if requests == "event" else ""
    return f"95 %, normal approximation over users{together}"


def _asked(requests: Literal["user", "event"], split: Split, item: str, unseen: str) -> dict[str, str]:
    """What is asked when, and what is known then."""
    name = split.name.lower()
    if requests == "event":
        return {
            "truth": f"the event's {item}{unseen}",
            "request": f"at each of the user's {name} events that others came before, with its time and context",
            "history": "all of the user's events before it",
        }
    return {
        "truth": f"every {item} in the user's {name} events{unseen}",
        "request": f"at the user's first {name} event, with its time and context",
        "history": f"the user's events of {' and '.join(s.name.lower() for s in Split if s < split)}",
    }
