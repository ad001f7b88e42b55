"""How scores and features were distributed over validation requests: what is served later is compared with it.

Legend: U requests, K list positions, F categorical columns, N numeric columns, B bins of one column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.core.files import read_json
from shortlist.funnel.columns import Candidates, Requests
from shortlist.schema import Schema, Side
from shortlist.schema.columns import USER_ID

PROFILE = "profile.json"
"""File of a bundle."""
SCORE = "score"
"""Name of the last model's scores among the columns."""
_BINS = 10
_VALUES = 20
"""Values of a categorical column that have a bin of their own."""

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Binned:
    """One column's bins, and the part of the validation requests in each."""

    edges: tuple[float, ...]
    """Of numbers the ends between bins, rising; of a categorical column the ids that have a bin, rising."""
    shares_B: tuple[float, ...]
    """One more than `edges`; of a categorical column the last is of all other ids."""
    is_categorical: bool

    @classmethod
    def of_numbers(cls, values: Numbers) -> Binned:
        """Bins of about as many values each."""
        inner = np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1])
        empty = cls(tuple(np.unique(inner).tolist()), (), False)
        return empty._filled(values)

    @classmethod
    def of_ids(cls, values: Numbers) -> Binned:
        """A bin for each of the most frequent ids."""
        ids, counts = np.unique(values, return_counts=True)
        frequent = np.sort(ids[np.argsort(-counts, kind="stable")[:_VALUES]])
        return cls(tuple(frequent.tolist()), (), True)._filled(values)

    def bins(self, values: Numbers) -> npt.NDArray[np.int64]:
        """The bin of each value."""
        place = np.searchsorted(self.edges, values, side="left" if self.is_categorical else "right")
        if not self.is_categorical:
            return place
        edges = np.append(self.edges, np.nan)
        return np.where(edges[place] == values, place, len(self.edges))

    def _filled(self, values: Numbers) -> Binned:
        counts_B = np.bincount(self.bins(values), minlength=len(self.edges) + 1)
        return Binned(self.edges, tuple((counts_B / len(values)).tolist()), self.is_categorical)


Profile = Mapping[str, Binned]
"""By column."""


def columns_of(schema: Schema, requests: Requests, found: Candidates) -> dict[str, tuple[Numbers, bool]]:
    """What a profile looks at: by name the values of all requests, and whether they are ids.

    Not who asks: users come and go, and that says nothing of what they are like.
    """
    inputs, query = schema.inputs(Side.USER, Side.CONTEXT), requests.query
    numbers = {c.name: (query.numbers_BN[:, n], False) for n, c in enumerate(inputs.numbers)}
    fields = {c.name: (query.ids_BF[:, f], True) for f, c in enumerate(inputs.fields) if c.name != USER_ID}
    # The last model's score, not the final one: rules, which may change without the models, have scales of their own.
    score_UK = found.columns.get("ranking", found.columns["retrieval"])
    return {SCORE: (score_UK[found.valid_UK], False), **numbers, **fields}


def profile_of(parts: Sequence[Mapping[str, tuple[Numbers, bool]]]) -> Profile:
    """The profile of several batches of requests."""
    joined = {name: np.concatenate([part[name][0] for part in parts]) for name in parts[0]}
    return {
        name: Binned.of_ids(values) if parts[0][name][1] else Binned.of_numbers(values)
        for name, values in joined.items()
        if len(values)
    }


def profile_to_json(profile: Profile) -> dict[str, Any]:
    """As JSON values."""
    return {name: asdict(binned) for name, binned in profile.items()}


def read_profile(bundle: Path) -> Profile | None:
    """The profile of a bundle; None if it has none."""
    path = bundle / PROFILE
    if not path.is_file():
        return None
    return {
        name: Binned(tuple(values["edges"]), tuple(values["shares_B"]), values["is_categorical"])
        for name, values in read_json(path).items()
    }
