"""Quality beside peers and published tables: `python -m benchmarks accuracy frappe`, or another of DATA_SETS."""

from __future__ import annotations

import importlib

from benchmarks.harness import Options
from benchmarks.result import Result
from shortlist.core.errors import UserError
from shortlist.core.suggest import did_you_mean

DESCRIPTION = "metrics on the test of every model, beside peers and published tables, one data set at a time"
DATA_SETS = (
    "frappe",
    "adult",
    "movielens",
    "gowalla",
    "beauty",
    "diginetica",
    "movielens_ncf",
    "movielens_sasrec",
    "cold",
)
"""Each is a module `accuracy_NAME` beside this one, with a function `run`."""


def run(options: Options) -> Result:
    """The comparison on one data set."""
    given = options.arguments
    if len(given) != 1 or given[0] not in DATA_SETS:
        found = f"found {' '.join(given)!r}" if given else "found none"
        hint = did_you_mean(given[0], DATA_SETS) if given else f" There is: {', '.join(DATA_SETS)}."
        raise UserError(f"accuracy takes one data set, such as `python -m benchmarks accuracy frappe`; {found}.{hint}")
    # It loads what trains; the list of benchmarks does not need that.
    result: Result = importlib.import_module(f"benchmarks.accuracy_{given[0]}").run(options)
    return result
