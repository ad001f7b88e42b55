"""The evaluation: the bundle's own funnel over the held-out users, and its ranker over the held-out rows.

Legend: U users, K candidates, S fates.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.bundle.recommender import Recommender
from shortlist.core.files import fingerprint
from shortlist.core.progress import Reporter, Silent
from shortlist.data.held_out import HeldOut, hold_out
from shortlist.data.prepared import Prepared
from shortlist.evaluation import lost, ranking
from shortlist.evaluation.lists import SHOWN, Lists, Truth, deepest, list_metrics
from shortlist.evaluation.popularity import by_popularity
from shortlist.evaluation.protocol import Answer, Lengths, Questions, check_same_data, described, questions
from shortlist.evaluation.slices import kinds_of_items, slices
from shortlist.evaluation.table import results_table
from shortlist.evaluation.tasks import measure, reliabilities
from shortlist.features.rows import Ints
from shortlist.funnel.columns import Source
from shortlist.metrics._interval import Estimate
from shortlist.recipe.sections import Evaluation
from shortlist.schema import Split


def evaluate(
    recommender: Recommender,
    prepared: Prepared,
    reporter: Reporter | None = None,
    split: Split = Split.TEST,
    settings: Evaluation | None = None,
) -> dict[str, Any]:
    """Measure a bundle on the held-out users and rows of `split`: the content of metrics.json.

    `settings` say what is measured; by default what the bundle's own recipe says, which may be older than a run's.

    What runs is the exported funnel itself, in batches, and not the training code. A log without users or
    items has only the ranker to measure, a bundle without a ranker only its lists. The table goes to the
    reporter.

    Raises:
        BundleError: the bundle was made from other prepared data.
    """
    started = time.perf_counter()
    check_same_data(recommender, prepared)
    reporter = reporter or Silent()
    recipe = recommender.bundle.recipe
    result: dict[str, Any] = {
        "recipe": recipe.name,
        "fingerprint": _fingerprint(recommender, prepared),
        "protocol": {"split": split.name.lower(), "split_kind": recipe.split.kind, "seed": recipe.seed},
        "stages": {},
    }
    if prepared.schema.has_users and prepared.schema.has_items:
        _measure_lists(result, recommender, prepared, reporter, split, settings or recipe.evaluation)
    if recommender.ranker is not None:
        _measure_ranking(result, recommender, prepared, reporter, split, settings or recipe.evaluation)
    seconds = round(time.perf_counter() - started, 3)
    result["timings_s"] = {"prepare": prepared.manifest["seconds"], "evaluate": seconds}
    result["rows"] = prepared.manifest["rows"]
    reporter.say("evaluate", results_table(result))
    return result


def _measure_ranking(
    result: dict[str, Any],
    recommender: Recommender,
    prepared: Prepared,
    reporter: Reporter,
    split: Split,
    settings: Evaluation,
) -> None:
    """Add what the ranker alone is worth: of its first target, of each where there are several, and within groups."""
    rows = ranking.score(recommender, prepared, split, reporter)
    tasks = rows.tasks()
    measured = {task.target.name: _as_dicts(measure(task)) for task in tasks}
    result["stages"]["ranking"] = measured[tasks[0].target.name]
    if len(tasks) > 1:
        result["tasks"] = measured
    predictions = rows.predictions
    result["protocol"] |= {
        "ranking_rows": len(rows.weight_N),
        "ranking": rows.protocol,
        "score": predictions.expression.text if predictions.expression else "the first target's own",
        "calibrated": list(predictions.calibrations),
    }
    result |= reliabilities(tasks[0])
    metrics = list_metrics(settings.metrics)
    if (groups := rows.groups(deepest(metrics), recommender.bundle.recipe.seed)) is not None:
        result["stages"]["ranking"] = {**result["stages"]["ranking"], **_as_dicts(groups.measure(metrics))}
        result["protocol"] |= {
            "group": recommender.bundle.recipe.schema_.group,
            "groups": len(groups.relevant_G),
            "groups_without_relevant": groups.without,
        }


def _measure_lists(
    result: dict[str, Any],
    recommender: Recommender,
    prepared: Prepared,
    reporter: Reporter,
    split: Split,
    settings: Evaluation,
) -> None:
    """Add what every stage's lists are worth."""
    recipe = recommender.bundle.recipe
    seen, most = recipe.funnel.exclude_seen, settings.max_users
    users = hold_out(prepared, split, seen, most, recipe.seed, recipe.split.requests)
    metrics = list_metrics(settings.metrics)
    run = _Run.of(recommender, prepared, metrics)
    result["protocol"] |= described(recommender, prepared, users, split, run.lengths["funnel"])
    result["protocol"]["sample_of_users"] = settings.max_users
    if len(users) == 0:
        return
    lists, share_US = run.all_users(prepared, users, reporter)
    truth, kind_I, catalogue_I = Truth.of(users.truth, run.kind_I, users.user_U), run.kind_I, run.catalogue_I
    for stage, found in lists.items():
        coverage = Estimate(found.coverage(int(catalogue_I.sum())), np.nan, np.nan)
        measured = {**found.measure(metrics, truth), f"coverage@{SHOWN}": coverage}
        result["stages"][stage] = _as_dicts(measured)
    result["slices"] = slices(users, truth, kind_I, lists, metrics)
    result["lost"] = lost.named(share_US.mean(axis=0))
    result[f"found@{SHOWN}"] = float(share_US[:, lost.Fate.FOUND].mean())
    wanted = np.bincount(users.truth.flat()[1], minlength=len(kind_I))
    shown = {"truth": wanted, **{stage: found.shown_I for stage, found in lists.items()}}
    result["popularity"] = by_popularity(prepared.item_train_count, catalogue_I, shown)


@dataclass(frozen=True, slots=True)
class _Run:
    """What stays the same from batch to batch."""

    recommender: Recommender
    kind_I: npt.NDArray[np.int8]
    catalogue_I: npt.NDArray[np.bool_]
    lengths: Mapping[str, Lengths]
    """By stage."""
    positions: int
    """List positions that metrics look at."""
    unranked: bool
    """Whether the funnel's list is that of its one source, and no longer one has to be asked for."""
    exact: Source | None
    """Retrieval without what an index loses; None where no index loses anything."""

    @classmethod
    def of(cls, recommender: Recommender, prepared: Prepared, metrics: Sequence[str]) -> _Run:
        retrieval, sources, bundle = recommender.retrieval, recommender.sources, recommender.bundle
        # Of several sources each one's own lists are measured too, beside those of all together.
        alone = [source.name for source in sources] if len(sources) > 1 else []
        stages = ("popularity", *alone, *(["retrieval"] if retrieval else []), "funnel")
        exact = retrieval.exact() if retrieval else None
        return cls(
            recommender=recommender,
            kind_I=kinds_of_items(prepared.item_train_count),
            catalogue_I=bundle.eligible_I,
            lengths={stage: Lengths.of(recommender, stage, metrics) for stage in stages},
            positions=deepest(metrics),
            unranked=recommender.ranker is None and not alone and not recommender.rules.reorder,
            exact=None if exact is retrieval else exact,
        )

    def all_users(
        self, prepared: Prepared, users: HeldOut, reporter: Reporter
    ) -> tuple[dict[str, Lists], npt.NDArray[np.float64]]:
        """Every stage's lists, and share_US of each user's held-out items by fate."""
        parts: dict[str, list[Lists]] = {stage: [] for stage in self.lengths}
        fates = []
        with reporter.bar("evaluate", len(users), "users") as advance:
            for batch in questions(prepared, users):
                for stage, answer in self._answers(batch).items():
                    parts[stage].append(answer.lists(batch.truth, self.kind_I, self.positions))
                    if stage == "funnel":
                        fates.append(self._shares(batch, answer.item_UK))
                advance(len(batch.place_U), "funnel")
        return {stage: Lists.join(found) for stage, found in parts.items()}, np.concatenate(fates)

    def _answers(self, batch: Questions) -> dict[str, Answer]:
        """What each stage answers."""
        funnel = self.lengths["funnel"].ask(self.recommender, batch.requests)
        known = {"funnel": funnel, **({"retrieval": funnel} if self.unranked else {})}
        return {
            stage: known[stage] if stage in known else lengths.ask(self.recommender, batch.requests)
            for stage, lengths in self.lengths.items()
        }

    def _shares(self, batch: Questions, answer_UK: Ints) -> npt.NDArray[np.float64]:
        exact_UK = self._exact(batch, answer_UK.shape[1])
        fate_P = lost.fates(batch.truth, answer_UK, exact_UK, self.catalogue_I)
        return lost.shares(batch.truth, fate_P)

    def _exact(self, batch: Questions, k: int) -> Ints | None:
        """What exact searches would have given as candidates, whatever indexes the bundle has."""
        if self.exact is None:
            return None
        return self.exact(self.recommender.rules.narrowed(batch.requests), k).item_UK


def _as_dicts(measured: dict[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {name: estimate.as_dict() for name, estimate in measured.items()}


def _fingerprint(recommender: Recommender, prepared: Prepared) -> str:
    """A hash of the data and of the bundle that were measured."""
    return fingerprint([prepared.manifest["fingerprint"], recommender.bundle.manifest["files"]])
