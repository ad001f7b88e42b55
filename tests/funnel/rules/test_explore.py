"""Exploration: what is drawn how often, held against the propensities it says."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from shortlist.funnel.columns import Candidates
from shortlist.funnel.rules.explore import Exploration
from shortlist.funnel.rules.said import PROPENSITY
from shortlist.recipe.rules import Explore
from tests.funnel.rules.toy import candidates, lists, requests

USERS = 20_000
SCORES = [2.0, 1.0, 0.0]
PLACKETT_LUCE, EPSILON = Explore(temperature=0.8), Explore(kind="epsilon", epsilon=0.3)


def drawn(settings: Explore, seed: int = 0, users: int = USERS) -> Candidates:
    given = candidates([[1, 2, 3, 0]] * users, [[*SCORES, 0.0]] * users)
    return Exploration(settings, 3, seed)(requests(users), given)


def plackett_luce(order: tuple[int, ...]) -> float:
    """By the definition: scores standardised, then a draw for each place from what is left."""
    weight = np.exp((np.array(SCORES) - 1) / np.sqrt(2 / 3) / 0.8)
    chance, left = 1.0, [0, 1, 2]
    for item in order:
        chance *= weight[item] / weight[left].sum()
        left.remove(item)
    return float(chance)


def by_epsilon(order: tuple[int, ...]) -> float:
    chance, left = 1.0, [0, 1, 2]
    for item in order:
        chance *= 0.3 / len(left) + 0.7 * (item == left[0])
        left.remove(item)
    return chance


@pytest.mark.parametrize(("settings", "chance"), [(PLACKETT_LUCE, plackett_luce), (EPSILON, by_epsilon)])
def test_lists_come_as_often_as_they_say(settings: Explore, chance: object) -> None:
    assert callable(chance)
    found = drawn(settings)
    often = Counter(tuple(item - 1 for item in row) for row in lists(found))
    product_U = found.columns[PROPENSITY][:, :3].prod(axis=1)

    assert sum(chance(order) for order in permutations(range(3))) == pytest.approx(1)
    for order in permutations(range(3)):
        is_it_U = (found.item_UK[:, :3] == np.array(order) + 1).all(axis=1)
        # Five standard errors of a share of 20,000.
        assert often[order] / USERS == pytest.approx(chance(order), abs=5 * 0.5 / np.sqrt(USERS))
        assert product_U[is_it_U] == pytest.approx(chance(order), rel=1e-4)


def test_a_seed_says_what_is_drawn() -> None:
    assert lists(drawn(PLACKETT_LUCE, 1, 50)) == lists(drawn(PLACKETT_LUCE, 1, 50))
    assert lists(drawn(PLACKETT_LUCE, 1, 50)) != lists(drawn(PLACKETT_LUCE, 2, 50))


def test_little_chance_leaves_the_order() -> None:
    for settings in (Explore(temperature=1e-6), Explore(kind="epsilon", epsilon=0.0)):
        found = drawn(settings, users=5)
        assert lists(found) == [[1, 2, 3]] * 5
        assert found.columns[PROPENSITY][:, :3] == pytest.approx(1.0)


def test_pinned_items_are_certain_and_lists_of_nothing_stay_so() -> None:
    given = candidates([[1, 2, 3], [0, 0, 0]], places=[[0, 1, 0], [0, 0, 0]])
    found = Exploration(Explore(temperature=1e-6), 3, 0)(requests(2), given)

    assert lists(found) == [[1, 3, 2], []]
    assert found.columns[PROPENSITY].tolist() == [[1, 1, 1], [0, 0, 0]]
