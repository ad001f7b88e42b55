"""The columns that rules leave in candidates, and what they say to a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shortlist.funnel.columns import PINNED

BOOST, DIVERSITY, PROPENSITY = "rule.boost", "rule.diversity", "rule.propensity"
"""Columns: what was added to the score, the cosine with the most like of the items above, and how likely exploration
was to put the item where it is. 0: nothing was done."""


def said_of(values: Mapping[str, float]) -> tuple[str, ...]:
    """The rules that touched one candidate, by its values of all columns."""
    words: Mapping[str, Callable[[float], str]] = {
        PINNED: lambda place: f"pinned to place {place:.0f}",
        BOOST: lambda factor: f"boosted by {factor:+g}",
        DIVERSITY: lambda cosine: f"at most {cosine:.2f} like those above it",
        PROPENSITY: lambda chance: f"drawn for its place with probability {chance:.3g}",
    }
    return tuple(say(values[name]) for name, say in words.items() if values.get(name, 0.0) != 0.0)
