"""Two recommenders on the same held-out users and rows: whether one is better than the other.

Users differ far more than recommenders do. The difference within a user leaves that out, so that two recommenders
whose own intervals overlap may still differ clearly.

Legend: U requests of held-out users, P pairs of a request and a held-out item, N rows, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import DataError, UserError
from shortlist.core.progress import Reporter, Silent
from shortlist.core.suggest import did_you_mean
from shortlist.data.event_rows import EventRows
from shortlist.data.held_out import HeldOut, hold_out
from shortlist.data.prepared import Prepared
from shortlist.evaluation import ranking
from shortlist.evaluation.lists import Lists, Truth, deepest, list_metrics
from shortlist.evaluation.protocol import Lengths, check_same_data, questions
from shortlist.evaluation.slices import kinds_of_items
from shortlist.evaluation.tasks import Task, measure
from shortlist.features.rows import Floats
from shortlist.metrics._interval import Estimate, mean_interval
from shortlist.metrics._names import METRICS, parse
from shortlist.metrics._paired import paired_accuracy, paired_auc, paired_log_loss, paired_r2
from shortlist.schema import Split, TargetKind


@dataclass(frozen=True, slots=True)
class Contender:
    """A recommender, and the prepared data that it was made from."""

    recommender: Recommender
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric of one stage: of its lists by user, or of the ranker's first target by row."""

    stage: str
    metric: str

    @classmethod
    def of(cls, name: str) -> Measure:
        """Read `STAGE.METRIC`.

        Raises:
            UserError: a stage or a metric that cannot be compared.
        """
        stage, dot, metric = name.partition(".")
        if not dot or stage not in STAGES:
            known = ", ".join(f"{known}.ndcg@10" for known in LISTS)
            raise UserError(f"`{name}`: expected STAGE.METRIC, such as {known} or ranking.auc.{_nearest(stage)}")
        if stage in LISTS:
            list_metrics([metric])
            if parse(metric)[1] is None:
                raise UserError(f"`{name}`: lists have metrics of their first k, such as {stage}.ndcg@10")
        elif metric not in _OF_ROWS:
            raise UserError(f"`{name}`: of the ranker alone, {', '.join(_OF_ROWS)} can be compared.")
        return cls(stage, metric)

    @property
    def name(self) -> str:
        """As in metrics.json."""
        return f"{self.stage}.{self.metric}"

    @property
    def lower_is_better(self) -> bool:
        """Whether it is a loss."""
        return self.metric == "log_loss"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of two recommenders on the same users or rows."""

    measure: Measure
    first: float
    second: float
    difference: Estimate
    """Of the second less the first, with its 95 % interval; bounds are NaN where nothing tells how sure it is."""

    @property
    def has_interval(self) -> bool:
        """Whether it is known how far the difference may be from what more users would show."""
        return not (math.isnan(self.difference.low) or math.isnan(self.difference.high))

    @property
    def at_least_as_good(self) -> bool:
        """Whether the second's value is the first's or better, however sure that is."""
        return self.second <= self.first if self.measure.lower_is_better else self.second >= self.first

    @property
    def better(self) -> bool:
        """Whether the second is better by more than its interval; without one nothing is."""
        return bool(-self.difference.high > 0 if self.measure.lower_is_better else self.difference.low > 0)

    @property
    def worse(self) -> bool:
        """Whether the second is worse by more than its interval; without one nothing is."""
        return bool(-self.difference.low < 0 if self.measure.lower_is_better else self.difference.high < 0)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which does not know NaN: None."""
        values = {"first": self.first, "second": self.second}
        known = {name: None if math.isnan(value) else value for name, value in values.items()}
        return {**known, **self.difference.as_dict(), "verdict": self._verdict}

    @property
    def _verdict(self) -> str:
        if not self.has_interval:
            return "unknown"
        return "better" if self.better else "worse" if self.worse else "no different"


LISTS = ("funnel", "retrieval", "popularity")
STAGES = (*LISTS, "ranking")


def value_of(contender: Contender, measure: Measure, split: Split, reporter: Reporter | None = None) -> float:
    """The metric of one recommender on the held-out users or rows of `split`.

    Raises:
        DataError: nothing is held out that the metric could be measured on.
    """
    if measure.stage == "ranking":
        return _value_of_rows(_task(contender, split, reporter or Silent()), measure)
    return float(_values_of_users(contender, [measure], split, reporter or Silent()).of[measure].mean())


def compare(
    first: Contender, second: Contender, measures: Sequence[Measure], split: Split, reporter: Reporter | None = None
) -> tuple[Comparison, ...]:
    """Each metric of both on the same held-out users or rows of `split`, and their difference with its interval.

    Users and items are told by their keys: the two may have been made from other features of the same events.

    Raises:
        DataError: the two have not the same users, or rows, held out.
    """
    reporter = reporter or Silent()
    found: dict[Measure, Comparison] = {}
    lists = [measure for measure in measures if measure.stage != "ranking"]
    if lists:
        found |= _compare_users(
            _values_of_users(first, lists, split, reporter), _values_of_users(second, lists, split, reporter)
        )
    if len(lists) < len(measures):
        tasks = _task(first, split, reporter), _task(second, split, reporter)
        _check_same_rows(*tasks, _Rows.of(first, split), _Rows.of(second, split))
        found |= {m: _compare_rows(*tasks, m) for m in measures if m.stage == "ranking"}
    return tuple(found[measure] for measure in measures)


@dataclass(frozen=True, slots=True)
class _Values:
    """Metrics of the requests of held-out users, by user key."""

    key_U: npt.NDArray[Any]
    relevant_U: npt.NDArray[np.int64]
    truth_P: npt.NDArray[Any]
    """Keys of the held-out items, request after request, in order within each."""
    of: Mapping[Measure, Floats]

    def of_same(self, other: _Values) -> bool:
        """Whether both were asked for the same users, with the same items held out."""
        mine, others = (self.key_U, self.relevant_U, self.truth_P), (other.key_U, other.relevant_U, other.truth_P)
        return all(np.array_equal(a, b) for a, b in zip(mine, others, strict=True))


def _values_of_users(contender: Contender, measures: Sequence[Measure], split: Split, reporter: Reporter) -> _Values:
    recommender, prepared = contender.recommender, contender.prepared
    check_same_data(recommender, prepared)
    recipe = recommender.bundle.recipe
    users = hold_out(prepared, split, recipe.funnel.exclude_seen, None, recipe.seed, recipe.split.requests)
    if len(users) == 0:
        raise DataError(f"no user has a relevant event in the {split.name.lower()} split: make it larger")
    positions = deepest(measure.metric for measure in measures)
    kind_I = kinds_of_items(prepared.item_train_count)
    parts: dict[str, list[Lists]] = {measure.stage: [] for measure in measures}
    lengths = {s: Lengths.of(recommender, s, [m.metric for m in measures if m.stage == s]) for s in parts}
    with reporter.bar("compare", len(users), "users") as advance:
        for batch in questions(prepared, users):
            for stage, lists in parts.items():
                answer = lengths[stage].ask(recommender, batch.requests)
                lists.append(answer.lists(batch.truth, kind_I, positions))
            advance(len(batch.place_U), split.name.lower())
    found = {stage: Lists.join(lists) for stage, lists in parts.items()}
    relevant_U = Truth.of(users.truth, kind_I).relevant_U
    key_U = prepared.user_keys.take(users.user_U).to_numpy(zero_copy_only=False)
    order_U = np.argsort(key_U, kind="stable")
    return _Values(
        key_U[order_U],
        relevant_U[order_U],
        _truth_keys(prepared, users, order_U),
        {
            measure: _of_users(measure, found[measure.stage].hits(measure.metric), relevant_U)[order_U]
            for measure in measures
        },
    )


def _truth_keys(prepared: Prepared, users: HeldOut, order_U: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    owner_P, item_P = users.truth.rows(order_U).flat()
    key_P = prepared.item_keys.take(item_P).to_numpy(zero_copy_only=False)
    truth_P: npt.NDArray[Any] = key_P[np.lexsort((key_P, owner_P))]
    return truth_P


def _of_users(measure: Measure, hit_UM: npt.NDArray[np.bool_], relevant_U: npt.NDArray[np.int64]) -> Floats:
    function, cutoff = parse(measure.metric)
    value_U: Floats = METRICS[function](hit_UM, relevant_U, cutoff)
    return value_U


def _compare_users(first: _Values, second: _Values) -> dict[Measure, Comparison]:
    if not first.of_same(second):
        raise DataError(
            "the two have not the same users and items held out: "
            f"{len(first.key_U):,} requests and {len(first.truth_P):,} items against {len(second.key_U):,} and "
            f"{len(second.truth_P):,}, or as many others. Only recommenders of the same events, targets and split "
            "can be compared"
        )
    _, user_U = np.unique(first.key_U, return_inverse=True)
    return {
        measure: Comparison(
            measure,
            float(first.of[measure].mean()),
            float(second.of[measure].mean()),
            mean_interval(second.of[measure] - first.of[measure], cluster_U=user_U),
        )
        for measure in first.of
    }


def _task(contender: Contender, split: Split, reporter: Reporter) -> Task:
    """What the ranker says of its first target on the rows of the split."""
    check_same_data(contender.recommender, contender.prepared)
    if contender.recommender.ranker is None:
        raise DataError("there is no ranker, and so no metric of it")
    return ranking.score(contender.recommender, contender.prepared, split, reporter).tasks()[0]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Which rows a ranker is measured on."""

    user_N: pa.ChunkedArray
    """Key of each observed row's user."""
    item_N: pa.ChunkedArray
    drawn: tuple[int, int, pa.Array] | None
    """What decides which negatives join them: how many, the seed, and the items in their order. None without any."""

    @classmethod
    def of(cls, contender: Contender, split: Split) -> _Rows:
        """The rows of the split, of which rankers may leave out irrelevant ones."""
        prepared, recipe = contender.prepared, contender.recommender.bundle.recipe
        users, items = [], []
        for batch in EventRows(prepared, split).batches(ranking.BATCH, recipe.seed, 0, shuffle=False):
            users.append(prepared.user_keys.take(batch.shard.user[batch.rows_B]))
            items.append(prepared.item_keys.take(batch.shard.item[batch.rows_B]))
        sampled = recipe.ranking.negatives.sampled if recipe.ranking is not None else 0
        drawn = sampled and prepared.schema.has_users and prepared.schema.has_items
        return cls(
            pa.chunked_array(users, prepared.user_keys.type),
            pa.chunked_array(items, prepared.item_keys.type),
            (sampled, recipe.seed, prepared.item_keys) if drawn else None,
        )


def _check_same_rows(first: Task, second: Task, rows: _Rows, others: _Rows) -> None:
    if rows != others or not np.array_equal(first.happened_N, second.happened_N):
        raise DataError(
            f"the two are not measured on the same rows: {len(first.happened_N):,} against {len(second.happened_N):,}"
            ", or as many others. Only rankers of the same events, targets, split and negatives can be compared"
        )


def _value_of_rows(task: Task, name: Measure) -> float:
    found = measure(task)
    if name.metric not in found:
        known = ", ".join(found) or "none: no row of the split tells the target, or all tell the same"
        raise DataError(f"{name.name}: target `{task.target.name}` has no such metric here; it has {known}")
    return found[name.metric].value


def _compare_rows(first: Task, second: Task, name: Measure) -> Comparison:
    values = _value_of_rows(first, name), _value_of_rows(second, name)
    return Comparison(name, *values, _OF_ROWS[name.metric](second, first))


def _auc(a: Task, b: Task) -> Estimate:
    return paired_auc(a.logit_N, b.logit_N, a.label_N, a.weight_N)


def _log_loss(a: Task, b: Task) -> Estimate:
    if a.target.kind != TargetKind.BINARY:
        raise DataError(f"log_loss is compared of binary targets alone, and `{a.target.name}` is {a.target.kind}")
    return paired_log_loss(a.predicted, b.predicted, a.happened_N, a.weight_N)


def _accuracy(a: Task, b: Task) -> Estimate:
    class_N = a.happened_N.astype(np.int64)
    return paired_accuracy(a.predicted.argmax(axis=1), b.predicted.argmax(axis=1), class_N, a.weight_N)


def _r2(a: Task, b: Task) -> Estimate:
    return paired_r2(a.predicted, b.predicted, a.happened_N, a.weight_N)


_OF_ROWS: Mapping[str, Callable[[Task, Task], Estimate]] = {
    "auc": _auc,
    "log_loss": _log_loss,
    "accuracy": _accuracy,
    "r2": _r2,
}


def _nearest(stage: str) -> str:
    return did_you_mean(stage, STAGES)
