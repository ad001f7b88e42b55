"""Where the demo shop takes candidates from: items of a group, drawn in proportion to their fame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.data.shop.goods import CATEGORIES, TAGS
from shortlist.data.shop.items import Items

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

SEARCHED, BROWSED, OTHERS = 16, 10, 6
"""Candidates a visit: of the category and style sought, of the category sought, of the whole shop."""


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """Items laid out by category and style, so that any of these groups is one stretch of cumulative fame.

    A draw from a group is then one uniform number and one binary search, whatever the size of the catalogue.
    """

    item_I: Integers
    fame_I: Floats
    """Cumulative fame up to and including each place on the shelf."""
    style_start_G: Floats
    style_end_G: Floats
    category_start_C: Floats
    category_end_C: Floats
    style_weight_CT: NDArray[np.float32]
    """Log share of each category's items that carry a style first; -inf where none does."""

    @classmethod
    def of(cls, items: Items) -> Shelf:
        """Lay out all items."""
        tags, categories = len(TAGS), len(CATEGORIES)
        group_I = items.category_I * tags + items.tag_I
        item_I = np.argsort(group_I, kind="stable")
        fame_I = np.cumsum(items.fame_I[item_I])
        before_I = np.concatenate([[0.0], fame_I])
        edges_G = np.searchsorted(group_I[item_I], np.arange(categories * tags + 1))
        edges_C = edges_G[::tags]
        with np.errstate(divide="ignore"):
            weight_CT = np.log(np.diff(edges_G).reshape(categories, tags))
        return cls(
            item_I=item_I,
            fame_I=fame_I,
            style_start_G=before_I[edges_G[:-1]],
            style_end_G=before_I[edges_G[1:]],
            category_start_C=before_I[edges_C[:-1]],
            category_end_C=before_I[edges_C[1:]],
            style_weight_CT=weight_CT.astype(np.float32),
        )

    def draw(self, category_S: Integers, tag_S: Integers, rng: np.random.Generator) -> Integers:
        """Rows of candidate items [S, K] for S visits that seek a category and, within it, a style."""
        group_S = category_S * len(TAGS) + tag_S
        everything = np.zeros(len(category_S)), np.full(len(category_S), self.fame_I[-1])
        stretches = [
            (SEARCHED, self.style_start_G[group_S], self.style_end_G[group_S]),
            (BROWSED, self.category_start_C[category_S], self.category_end_C[category_S]),
            (OTHERS, *everything),
        ]
        mass_SK = np.hstack(
            [start[:, None] + (end - start)[:, None] * rng.random((len(start), n)) for n, start, end in stretches]
        )
        place_SK = np.searchsorted(self.fame_I, mass_SK, side="right")
        # Rounding may carry a draw past the last item's edge.
        return self.item_I[np.minimum(place_SK, len(self.item_I) - 1)]
