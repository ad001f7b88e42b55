"""Example users: what they had, what they were recommended, and what they went on to choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.bundle.recommender import Recommender
from shortlist.data.held_out import hold_out
from shortlist.data.prepared import Prepared
from shortlist.evaluation.lists import SHOWN
from shortlist.evaluation.protocol import questions
from shortlist.features.rows import Ints, RaggedBag
from shortlist.schema import Split

USERS = 10
LATEST = 8
"""Events of a history that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One held-out user, with items by title, or by id where they have none."""

    user: str
    known: int
    """Events before the request."""
    history: Sequence[str]
    """The latest of them, the newest first."""
    recommended: Sequence[tuple[str, bool]]
    """The first items of the answer, and whether the user went on to choose them."""
    missed: Sequence[str]
    """Chosen later and not recommended."""


def examples(recommender: Recommender, prepared: Prepared, split: Split) -> list[Example]:
    """Held-out users drawn at random by the recipe's seed, not picked for how good they look."""
    recipe = recommender.bundle.recipe
    users = hold_out(prepared, split, recipe.funnel.exclude_seen, USERS, recipe.seed, recipe.split.requests)
    titles = _Titles(prepared)
    found = []
    for batch in questions(prepared, users):
        answer = recommender.run(batch.requests, SHOWN).item_UK
        for u, user in enumerate(batch.requests.user_U):
            history = _row(batch.requests.history.items, u)
            chosen = _row(batch.truth, u)
            shown = answer[u][answer[u] > 0]
            latest = history[::-1][:LATEST]
            example = Example(
                user=str(prepared.user_keys[int(user)].as_py()),
                known=len(history),
                history=titles.of(latest),
                recommended=list(zip(titles.of(shown), np.isin(shown, chosen).tolist(), strict=True)),
                missed=titles.of(chosen[~np.isin(chosen, shown)]),
            )
            found.append(example)
    return found


class _Titles:
    """Titles of item rows."""

    def __init__(self, prepared: Prepared) -> None:
        self._titles, self._keys = prepared.item_titles, prepared.item_keys

    def of(self, rows: Ints) -> list[str]:
        """Each row's title, or its id."""
        return [self._titles[int(row)].as_py() or str(self._keys[int(row)].as_py()) for row in rows]


def _row(bag: RaggedBag, u: int) -> Ints:
    return bag.values[bag.offsets_n[u] : bag.offsets_n[u + 1]]
