"""Fitting: the features of one side from statistics that the engine computes over training rows."""

from __future__ import annotations

from collections.abc import Mapping

import ibis

from shortlist.features.base import Transform
from shortlist.features.statistics import Counts, Moments, Need, Quantiles, Statistics
from shortlist.features.transforms import fit, need
from shortlist.recipe.features import Feature
from shortlist.schema import Side
from shortlist.tables import statistics
from shortlist.tables.engine import Engine


def fit_features(engine: Engine, side: Side, train: ibis.Table, features: Mapping[str, Feature]) -> list[Transform]:
    """The transforms of a side, fitted on the rows of `train`, in the order of the recipe."""
    needs = {name: need(spec) for name, spec in features.items()}
    columns = {name: spec.column or name for name, spec in features.items()}
    averaged = {name: (columns[name], of.log) for name, of in needs.items() if of.what == "moments"}
    moments = statistics.moments(engine, train, averaged)

    def known(name: str) -> Statistics:
        return Moments(*moments[name]) if name in moments else _ask(engine, train, columns[name], needs[name])

    return [fit(side, name, spec, known(name)) for name, spec in features.items()]


def _ask(engine: Engine, train: ibis.Table, column: str, needed: Need) -> Statistics:
    if needed.what == "quantiles":
        levels = [place / needed.buckets for place in range(1, needed.buckets)]
        return Quantiles(statistics.quantiles(engine, train, column, levels))
    if needed.what == "counts":
        counted = statistics.counts(engine, train, column, needed.separator)
        return Counts(counted["value"].combine_chunks(), counted["count"].to_numpy())
    return None
