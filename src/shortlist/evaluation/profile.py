"""The profile of a bundle over its validation requests."""

from __future__ import annotations

from shortlist.bundle.profile import Profile, columns_of, profile_of
from shortlist.bundle.recommender import Recommender
from shortlist.data.held_out import hold_out
from shortlist.data.prepared import Prepared
from shortlist.evaluation.protocol import questions
from shortlist.schema import Split

_USERS = 2000
_ITEMS = 10


def measure_profile(recommender: Recommender, prepared: Prepared) -> Profile | None:
    """How scores and features are distributed; None where nothing is recommended, or nobody is held out."""
    bundle = recommender.bundle
    if not (bundle.schema.has_items and bundle.schema.has_users):
        return None
    recipe = bundle.recipe
    users = hold_out(prepared, Split.VALID, recipe.funnel.exclude_seen, _USERS, recipe.seed, recipe.split.requests)
    if len(users) == 0:
        return None
    batches = (batch.requests for batch in questions(prepared, users))
    parts = [columns_of(bundle.schema, requests, recommender.run(requests, _ITEMS)) for requests in batches]
    return profile_of(parts)
