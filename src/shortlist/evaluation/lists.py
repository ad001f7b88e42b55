"""What one stage answered, kept as hits: everything that metrics of ranked lists need, a byte a position.

Legend: U users, K list positions, M the first positions that metrics look at, I item rows, P pairs of a
user and a held-out item.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

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
    hit_by_cutoff: Mapping[int, Bytes] = field(default_factory=dict)
    """Of the cut-offs that have lists of their own, the hits in those."""

    @classmethod
    def of(
        cls,
        item_UK: Ints,
        truth: RaggedBag,
        kind_I: Bytes,
        positions: int,
        item_by_cutoff: Mapping[int, Ints] = MappingProxyType({}),
    ) -> Lists:
        """One batch of answers held against the truth; a shorter list has no hits past its end.

        item_by_cutoff: other lists, which the metrics of these cut-offs look at.
        """
        own = {k: _hits(item_UK, truth, kind_I, k) for k, item_UK in item_by_cutoff.items()}
        shown = item_UK[:, :SHOWN]
        return cls(_hits(item_UK, truth, kind_I, positions), np.bincount(shown[shown > 0], minlength=len(kind_I)), own)

    @classmethod
    def join(cls, parts: Sequence[Lists]) -> Lists:
        """Batches of users one after another."""
        own = {k: np.concatenate([part.hit_by_cutoff[k] for part in parts]) for k in parts[0].hit_by_cutoff}
        shown_I = np.sum([part.shown_I for part in parts], axis=0)
        return cls(np.concatenate([part.hit_UM for part in parts]), shown_I, own)

    def hits(self, metric: str, kind: int | None = None) -> Bools:
        """Where the lists that a metric looks at hold a held-out item, or one of a kind."""
        hit_UM = self.hit_by_cutoff.get(parse(metric)[1] or 0, self.hit_UM)
        return hit_UM > 0 if kind is None else hit_UM == kind

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
        user_U = None if truth.user_U is None else truth.user_U[keep_U]
        kept = replace(
            self,
            hit_UM=self.hit_UM[keep_U],
            hit_by_cutoff={k: hit_UM[keep_U] for k, hit_UM in self.hit_by_cutoff.items()},
        )
        return {name: _mean(name, kept.hits(name, kind), relevant_U[keep_U], user_U) for name in names}

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


def _hits(item_UK: Ints, truth: RaggedBag, kind_I: Bytes, positions: int) -> Bytes:
    item_UM = item_UK[:, :positions]
    place_P = places(truth, item_UM)
    owner_P, item_P = truth.flat()
    found_P = place_P < item_UM.shape[1]
    hit_UM = np.zeros((len(item_UK), positions), np.int8)
    hit_UM[owner_P[found_P], place_P[found_P]] = kind_I[item_P[found_P]]
    return hit_UM


def _mean(name: str, hit_UM: Bools, relevant_U: Longs, user_U: Ints | None) -> Estimate:
    function, cutoff = parse(name)
    return mean_interval(METRICS[function](hit_UM, relevant_U, cutoff), cluster_U=user_U)
