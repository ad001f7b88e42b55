"""Choosing how much the retrieval score counts beside the ranker: the best of a grid, on validation users.

Legend: U users, K candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.bundle.recommender import Recommender
from shortlist.data.held_out import check_validation, hold_out
from shortlist.data.prepared import Prepared
from shortlist.evaluation.lists import Lists, Truth
from shortlist.evaluation.protocol import check_same_data, questions
from shortlist.evaluation.slices import kinds_of_items
from shortlist.metrics._names import parse
from shortlist.schema import Split

MAX_USERS = 5_000
"""Enough to tell weights apart; more would only take longer."""


def choose_retrieval_weight(
    recommender: Recommender,
    prepared: Prepared,
    grid: Sequence[float],
    metric: str = "ndcg@10",
    max_users: int = MAX_USERS,
) -> tuple[float, dict[float, float]]:
    """The weight of `grid` with the best `metric` on validation users, and the metric of each weight.

    The candidates are retrieved and ranked once; only the blend differs between weights. A tie goes to the
    lower weight. The test is not looked at.
    Without a retrieval model, or without a ranker, there is nothing to blend: (0.0, {}).

    Raises:
        DataError: the validation split has nobody to ask for.
    """
    rank = recommender.ranker
    if recommender.retrieval is None or rank is None:
        return 0.0, {}
    check_same_data(recommender, prepared)
    recipe = recommender.bundle.recipe
    users = hold_out(prepared, Split.VALID, recipe.funnel.exclude_seen, max_users, recipe.seed, recipe.split.requests)
    check_validation(users, recipe)
    kind_I = kinds_of_items(prepared.item_train_count)
    depth = recommender.bundle.settings.candidates
    positions = parse(metric)[1] or depth
    lists: dict[float, list[Lists]] = {weight: [] for weight in sorted(set(grid))}
    for batch in questions(prepared, users):
        found = recommender.run(batch.requests, depth)
        for weight, parts in lists.items():
            parts.append(Lists.of(rank.blended(found, weight).item_UK, batch.truth, kind_I, positions))
    truth = Truth.of(users.truth, kind_I)
    table = {weight: Lists.join(parts).measure([metric], truth)[metric].value for weight, parts in lists.items()}
    return max(table, key=lambda weight: table[weight]), table
