"""Quality beside peers and published tables: `python -m benchmarks accuracy frappe`, `adult` or `movielens`."""

from __future__ import annotations

from benchmarks.harness import Options
from benchmarks.result import Result
from shortlist.core.errors import UserError
from shortlist.core.suggest import did_you_mean

DESCRIPTION = "test AUC and ranking metrics of every model, beside peers and published tables: frappe, adult, movielens"
DATA_SETS = ("frappe", "adult", "movielens")


def run(options: Options) -> Result:
    """The comparison on one data set."""
    # Each of them loads what trains; the list of benchmarks does not need that.
    from benchmarks import accuracy_adult, accuracy_frappe, accuracy_movielens

    runs = {"frappe": accuracy_frappe.run, "adult": accuracy_adult.run, "movielens": accuracy_movielens.run}
    given = options.arguments
    if len(given) != 1 or given[0] not in runs:
        found = f"found {' '.join(given)!r}" if given else "found none"
        hint = did_you_mean(given[0], runs) if given else f" There is: {', '.join(DATA_SETS)}."
        raise UserError(f"accuracy takes one data set, such as `python -m benchmarks accuracy frappe`; {found}.{hint}")
    return runs[given[0]](options)
