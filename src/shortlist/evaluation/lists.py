"""What one stage answered, kept as hits: everything that metrics of ranked lists need, a byte a position.

Legend: U users, K list positions, M the first positions that metrics look at, I item rows, P pairs of a
user and a held-out item.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.core.errors import UserError
from shortlist.evaluation.places import places
from shortlist.features.rows import Ints, Longs, RaggedBag
from shortlist.metrics._interval import Estimate, mean_interval
from shortlist.metrics._names import METRICS, parse
from shortlist.metrics.coverage import coverage

SHOWN = 10
"""List positions that count as shown to a person: for coverage, and for where truth was lost."""

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Truth:
    """How many held-out items each user has: of all kinds together, and of each (see `kinds_of_items`)."""

    relevant_U: Longs
    relevant_by_kind: Mapping[int, Longs]
    user_U: Ints | None = None
    """Who asks: the requests of one user are taken together in intervals. None where each is another's."""

    @classmethod
    def of(cls, truth: RaggedBag, kind_I: Bytes, user_U: Ints | None = None) -> Truth:
        """Count the items of each user, or of each request of the users `user_U`."""
        owner_P, item_P = truth.flat()
        kind_P = kind_I[item_P]
        by_kind = {
            int(kind): np.bincount(owner_P[kind_P == kind], minlength=len(truth)) for kind in np.unique(kind_I[1:])
        }
        return cls(truth.counts(), by_kind, user_U)


@dataclass(frozen=True, slots=True)
class Lists:
    """The answers of one stage for U users."""

    hit_UM: Bytes
    """Kind, at least 1, of the held-out item at that position; 0 where the position holds none."""
    shown_I: Longs
    """How many users have the item among their first SHOWN."""

    @classmethod
    def of(cls, item_UK: Ints, truth: RaggedBag, kind_I: Bytes, positions: int) -> Lists:
        """One batch of answers held against the truth; a shorter list has no hits past its end."""
        item_UM = item_UK[:, :positions]
        place_P = places(truth, item_UM)
        owner_P, item_P = truth.flat()
        found_P = place_P < item_UM.shape[1]
        hit_UM = np.zeros((len(item_UK), positions), np.int8)
        hit_UM[owner_P[found_P], place_P[found_P]] = kind_I[item_P[found_P]]
        shown = item_UK[:, :SHOWN]
        return cls(hit_UM, np.bincount(shown[shown > 0], minlength=len(kind_I)))

    @classmethod
    def join(cls, parts: Iterable[Lists]) -> Lists:
        """Batches of users one after another."""
        hits, shown = zip(*((part.hit_UM, part.shown_I) for part in parts), strict=True)
        return cls(np.concatenate(hits), np.sum(shown, axis=0))

    def measure(
        self, names: Iterable[str], truth: Truth, users_U: Bools | None = None, kind: int | None = None
    ) -> dict[str, Estimate]:
        """Each metric over all users, over some of them, or for items of one kind (and users who have such).

        Empty when no user is left.
        """
        relevant_U = truth.relevant_U if kind is None else truth.relevant_by_kind[kind]
        keep_U = relevant_U > 0 if users_U is None else users_U & (relevant_U > 0)
        if not keep_U.any():
            return {}
        hit_UM = self.hit_UM[keep_U] > 0 if kind is None else self.hit_UM[keep_U] == kind
        user_U = None if truth.user_U is None else truth.user_U[keep_U]
        return {name: _mean(name, hit_UM, relevant_U[keep_U], user_U) for name in names}

    def coverage(self, catalogue: int) -> float:
        """Share of the catalogue that stands among anybody's first SHOWN."""
        shown = np.flatnonzero(self.shown_I)[None]
        return coverage(shown, np.ones(shown.shape, np.bool_), catalogue)


def list_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the recipe's metrics that are measured on lists: the ones with a cut-off.

    Raises:
        UserError: an unknown metric, or one of lists that is no mean over users, such as coverage.
    """
    found = tuple(name for name in names if parse(name)[1] is not None)
    for name in found:
        if next(iter(inspect.signature(METRICS[parse(name)[0]]).parameters)) != "hits_UK":
            raise UserError(
                f"evaluation.metrics: `{name}` is no mean over users. Leave it out; coverage@{SHOWN} always is there."
            )
    return found


def deepest(names: Iterable[str]) -> int:
    """How many list positions the metrics, or what is shown, look at."""
    return max([SHOWN, *(parse(name)[1] or 0 for name in names)])


def _mean(name: str, hit_UM: Bools, relevant_U: Longs, user_U: Ints | None) -> Estimate:
    function, cutoff = parse(name)
    return mean_interval(METRICS[function](hit_UM, relevant_U, cutoff), cluster_U=user_U)
