"""Names of metrics as people write them: `ndcg@10`, `map@12`, `auc`."""

from __future__ import annotations

import inspect
import re

from shortlist.core.errors import UserError
from shortlist.core.registry import Catalogue
from shortlist.core.suggest import did_you_mean

METRICS = Catalogue("shortlist.metrics", "metric")

# A metric's file is named after its value for one user; these are the field's names for the mean over users.
SHORT_NAMES = {"map": "average_precision", "mrr": "reciprocal_rank", "hit": "hit_rate"}


def parse(text: str) -> tuple[str, int | None]:
    """`"ndcg@10"` as `("ndcg", 10)`, `"map@12"` as `("average_precision", 12)`, `"auc"` as `("auc", None)`.

    A metric of lists (one with an argument shaped `_UK`) needs a cut-off, any other takes none.

    Raises:
        UserError: an unknown name (with the nearest known one), a cut-off that is missing, not wanted, or
            not a whole number of at least 1.
    """
    written, at, cutoff = text.strip().partition("@")
    name = SHORT_NAMES.get(written, written)
    if name not in METRICS:
        raise UserError(f"`{text}`: no metric is called `{written}`.{_nearest(written)}")
    if not _of_lists(name):
        if at:
            raise UserError(f"`{text}`: {written} is measured over all rows and takes no cut-off. Write `{written}`.")
        return name, None
    if not re.fullmatch(r"[1-9][0-9]*", cutoff):
        found = f"found `{cutoff}`" if at else "found none"
        raise UserError(
            f"`{text}`: {written} is measured over the first k of a list and needs k, a whole number from 1; "
            f"{found}. Write, for instance, `{written}@10`."
        )
    return name, int(cutoff)


def _nearest(written: str) -> str:
    return did_you_mean(written.lower(), [*METRICS, *SHORT_NAMES])


def _of_lists(name: str) -> bool:
    return any(parameter.endswith("_UK") for parameter in inspect.signature(METRICS[name]).parameters)
