"""The recommender: a bundle that answers. The Python API, the commands, the server and the evaluation all call this."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.bundle.asking import Asking
from shortlist.bundle.checks import check_k, check_list
from shortlist.bundle.new_items import with_items, write_items
from shortlist.bundle.past_events import Event
from shortlist.bundle.read import Bundle
from shortlist.bundle.reasons import Reasons, reasons
from shortlist.bundle.rulebook import RuleBook
from shortlist.bundle.rules import BundleRules
from shortlist.bundle.similar import similar
from shortlist.core.errors import RequestError
from shortlist.core.files import whole_folder
from shortlist.core.suggest import did_you_mean
from shortlist.features.rows import FeatureRows, Floats
from shortlist.funnel.calibration import calibration_from_json
from shortlist.funnel.columns import Candidates, Requests, Source, candidates_of_one
from shortlist.funnel.predictions import Predictions
from shortlist.funnel.rank import Rank
from shortlist.funnel.rank_model import Catalogue, RankModel
from shortlist.funnel.rules.said import PROPENSITY
from shortlist.funnel.sources.filled import filled
from shortlist.funnel.sources.folder import Surroundings, mixed, open_sources
from shortlist.funnel.sources.mixture import Mixture
from shortlist.funnel.sources.popularity import PopularitySource
from shortlist.funnel.stopwatch import Stopwatch
from shortlist.schema import Side
from shortlist.state.base import State

Id = int | str
Rows = FeatureRows | Mapping[str, Sequence[Any]]

_MOST_SHOWN = 2**14
"""Items whose ids and titles a process keeps at hand: those that are answered again and again."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One recommended item."""

    item_id: Id
    score: float
    source: str
    """Which candidate source proposed it."""
    title: str | None = None
    predictions: dict[str, float | str] | None = None
    """Where there are several targets what is predicted of each: the probability of a binary one, the value of a
    regression, the likeliest class of a multi-class one."""
    reasons: Reasons | None = None
    """Why it is there, where that was asked for."""
    propensity: float | None = None
    """Where rules explore, how likely it was to be drawn for its place, given the items above it."""


class Recommender:
    """Answers requests from a bundle. Safe to use from several threads."""

    def __init__(self, bundle: Bundle, threads: int = 1, state: State | None = None) -> None:
        """`threads` are those of one call of ONNX Runtime or faiss; `state` is what users did since the bundle.

        NumPy's products take the threads that BLAS has in this process: threadpoolctl bounds them.
        """
        self.bundle = bundle
        self.threads = threads
        self.state = state
        self.asking = Asking(bundle, state)
        self._key_and_title = lru_cache(_MOST_SHOWN)(self._read_key_and_title)

    @classmethod
    def load(cls, path: str | Path, threads: int = 1, verify: bool = True, state: State | None = None) -> Recommender:
        """Open the bundle at `path`; BundleError if it is incomplete or altered."""
        return cls(Bundle.open(path, verify), threads, state)

    def save(self, path: str | Path) -> None:
        """Copy the bundle to `path`, whole or not at all.

        An older bundle there is replaced; RequestError where something else is.
        """
        target = Path(path)
        if not _is_free_for_a_bundle(target):
            raise RequestError(
                f"{target} is there already and is no bundle. Expected a new name, an empty folder or an older bundle; "
                f"save below it, for instance: {target / self.bundle.recipe.name}"
            )
        with whole_folder(target) as draft:
            shutil.copytree(self.bundle.path, draft, dirs_exist_ok=True)
            if len(self.bundle.changed_A):
                if self.ranker is not None:
                    self.ranker.catalogue.save(draft / "ranking")
                write_items(self.bundle, self.sources, draft)

    def with_items(self, table: pa.Table | Mapping[str, Sequence[Any]]) -> Recommender:
        """A recommender that knows these items too, from their features alone: nothing is trained.

        table: one row for each item, with its raw columns as the item table has them, among them its id. An item that
            is there already gets these features; columns that are left out count as missing.

        Models encode a new item by its features. Sources that know items by what users did with them, such as
        neighbours or popularity, do not propose it; towers seldom do unless they were trained with `id_dropout`, which
        is off by default. RequestError where the table does not fit. `save` keeps the items.
        """
        return Recommender(with_items(self.bundle, table), self.threads, self.state)

    @cached_property
    def rules(self) -> RuleBook:
        """The bundle's rules. UserError where they do not fit it."""
        return RuleBook(self.bundle, BundleRules.read(self.bundle.path), self.asking.masks, lambda: self.sources)

    @cached_property
    def popularity(self) -> PopularitySource:
        """The baseline, and the source of candidates where there is no retrieval model."""
        return PopularitySource(self.bundle.positive_count, self.bundle.eligible_I)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The recipe's sources of candidates, that of [retrieval] first; none in a bundle without retrieval."""
        around = Surroundings(
            schema=self.bundle.schema,
            eligible_I=self.bundle.eligible_I,
            id_of_item=self.asking.id_of_item,
            threads=self.threads,
            items=self.bundle.items,
            changed_A=self.bundle.changed_A,
        )
        return open_sources(self.bundle.recipe, lambda stage: self.bundle.path / stage, around)

    @cached_property
    def retrieval(self) -> Source | None:
        """All sources as one, if the bundle has any."""
        return mixed(self.bundle.recipe, self.sources)

    @cached_property
    def ranker(self) -> Rank | None:
        """The ranking model, if the bundle has one."""
        if not self.bundle.has_ranking:
            return None
        settings = self.bundle.settings
        folder = self.bundle.path / "ranking"
        model = RankModel(folder, self.threads)
        return Rank(
            Catalogue.open(folder, model, self.bundle.items, self.bundle.changed_A),
            self.asking.id_of_item,
            settings.ranking_history,
            settings.retrieval_weight if self.bundle.recipe.retrieval is not None else 0.0,
            predictions=self.predictions,
            past=self.bundle.schema.side(Side.PAST) if model.takes("history.past") else (),
        )

    @cached_property
    def predictions(self) -> Predictions:
        """What the ranker's outputs say of each target."""
        ranking, calibration = self.bundle.recipe.ranking, self.bundle.settings.calibration
        return Predictions(
            self.bundle.schema.targets,
            {name: calibration_from_json(values) for name, values in calibration.items()},
            ranking.score if ranking is not None else None,
        )

    def requests(
        self,
        users: Sequence[Id | None],
        *,
        history: Sequence[Sequence[Event | Id]] | None = None,
        context: Mapping[str, Sequence[Any]] | None = None,
        user_features: Mapping[str, Sequence[Any]] | None = None,
        exclude: Sequence[Sequence[Id]] | None = None,
        candidates: Sequence[Sequence[Id]] | None = None,
        exclude_seen: bool | None = None,
        filter: str | None = None,
    ) -> Requests:
        """Encode U requests. Histories are what the bundle knows, then what the state does, then `history`.

        users: ids as the tables have them; an unknown one, or None, is a new user.
        history: events after those that are known, oldest first, or their items alone; those of unknown items are
            left out. An event that says no type is of an unknown one, and one that says no time is as the request is.
        context, user_features: raw columns of U values; what is left out counts as missing, the time as now. The
            time is a number in the log's unit, text in ISO 8601, or a date or time of Python's.
        exclude, candidates: items that must not be answered, and items to choose from.
        exclude_seen: leave out the items of the history; by default as the recipe says.
        filter: choose from the items that it keeps, such as `category = "coffee" and price < 20`.

        RequestError for what is none of these.
        """
        return self.asking.requests(
            users,
            history=history,
            context=context,
            user_features=user_features,
            exclude=exclude,
            candidates=candidates,
            exclude_seen=exclude_seen,
            filter=filter,
        )

    def run(
        self,
        requests: Requests,
        k: int,
        stages: str = "funnel",
        candidates: int | None = None,
        *,
        diversity: float | None = None,
        seed: int | None = None,
        watch: Stopwatch | None = None,
    ) -> Candidates:
        """The best `k` for each request; fewer, padded with item 0, where fewer are left.

        stages: `funnel` for all of it, `retrieval` without the ranker, `popularity` for the baseline, or the name of
            one of several sources.
        candidates: how many the ranker gets, and among how many several sources share the places; by default as the
            recipe says, at least `k`.
        diversity: of the funnel, 0 to 1; by default as the rules say.
        seed: of the funnel's exploration, where the rules have any; without one nothing is left to chance, so that
            what is measured can be measured again.
        watch: times the stages; where it is late popularity takes the place of the sources, or theirs is the order.

        The standing filter of the rules holds for all stages, the other rules for the funnel, also where it is late.
        """
        check_k(k)
        self._check_items()
        watch, requests = watch or Stopwatch(), self.rules.narrowed(requests)
        whole = stages == "funnel"
        if watch.is_late and whole:
            stages = watch.fallback = "popularity"
        source = self._source(stages)
        rank = self.ranker if stages == "funnel" else None
        rules = self.rules.stages(k, diversity, seed) if whole else []
        wide = max(k, candidates or self.bundle.settings.candidates) if self.pools(stages, bool(rules)) else k
        found = source(requests, min(wide, len(self.bundle.items) - 1))
        if requests.within_I is not None:
            found = filled(found, requests, source, self.popularity, k)
        if whole:
            found = self.rules.with_pins(requests, found, source)
        watch.asked, watch.found_U = wide, np.count_nonzero(found.valid_UK, axis=1).tolist()
        watch.passed("candidates")
        if rank is not None:
            found = self._ranked(rank, requests, found, watch)
        for stage in rules:
            found = stage(requests, found)
        return found.top(k)

    def pools(self, stages: str, ruled: bool) -> bool:
        """Whether lists are drawn from `funnel.candidates` or more, put in order; else they are the best of one source.

        In the former case a list of more than `funnel.candidates` is drawn from more, and need not begin as a shorter
        one does. `ruled` says whether rules come after the ranker.
        """
        return ruled or isinstance(self._source(stages), Mixture) or (stages == "funnel" and self.ranker is not None)

    @staticmethod
    def _ranked(rank: Rank, requests: Requests, found: Candidates, watch: Stopwatch) -> Candidates:
        """The candidates in the ranker's order; where there is no time for it as they are."""
        if watch.is_late:
            watch.fallback = "retrieval"
            return found
        ranked = rank(requests, found)
        watch.passed("ranking")
        return ranked

    def _check_items(self) -> None:
        if not self.bundle.schema.has_items:
            raise RequestError("this bundle ranks rows of a log without items: send `rows` to be scored instead")

    def _source(self, stages: str) -> Source:
        """What proposes candidates; popularity where there is no retrieval."""
        if stages in ("funnel", "retrieval"):
            return self.retrieval or self.popularity
        named: dict[str, Source] = {source.name: source for source in (*self.sources, self.popularity)}
        if stages not in named:
            raise RequestError(
                f"no source is called {stages!r}.{did_you_mean(stages, ['funnel', 'retrieval', *named])}"
            )
        return named[stages]

    def recommend(
        self,
        users: Sequence[Id | None],
        k: int = 10,
        exclude_seen: bool | None = None,
        *,
        explain: bool = False,
        diversity: float | None = None,
        seed: int | None = None,
        watch: Stopwatch | None = None,
        **about: Any,
    ) -> list[list[Recommendation]]:
        """The best `k` items for each user, best first; `about` is what `requests` takes.

        explain: say of each why it is there.
        diversity, seed, watch: see `run`.
        """
        if diversity is not None and not 0 <= diversity <= 1:
            raise RequestError(f"diversity: expected a number from 0 to 1, found {diversity}")
        watch = watch or Stopwatch()
        requests = self.requests(users, exclude_seen=exclude_seen, **about)
        watch.passed("encode")
        found = self.run(requests, k, diversity=diversity, seed=seed, watch=watch)
        watch.answered = requests, found
        answers = self.present(found)
        if explain:
            why = reasons(self.bundle, self.sources, requests, found)
            answers = [
                [replace(item, reasons=because) for item, because in zip(items, because_of, strict=True)]
                for items, because_of in zip(answers, why, strict=True)
            ]
        watch.passed("present")
        return answers

    def similar(self, items: Sequence[Id], k: int = 10) -> list[list[Recommendation]]:
        """The `k` items most like each of these, itself not among them: see `shortlist.bundle.similar`."""
        return self.present(similar(self.bundle, self.sources, items, k))

    def rank(self, user: Id | None, items: Sequence[Id], **about: Any) -> list[Recommendation]:
        """The given items in the ranker's order for one user; items the bundle does not know are left out."""
        self._check_items()
        check_list(items, "items")
        about = {name: [value] if name == "history" else value for name, value in about.items()}
        requests = self.requests([user], candidates=[items], exclude_seen=False, **about)
        assert requests.allowed is not None
        rows = [row for row in dict.fromkeys(requests.allowed.values.tolist()) if row not in requests.exclude.values]
        item_UK, source = np.array([rows], np.int32), self.retrieval or self.popularity
        # No source is searched: what it would not propose, such as a new item, the ranker can order all the same.
        score_UK = source.scores(requests, item_UK)
        found = candidates_of_one(source.name, item_UK, score_UK).ordered(score_UK)
        return self.present(found if self.ranker is None else self.ranker(requests, found))[0]

    def score_rows(self, rows: Rows) -> Floats:
        """What is predicted of the first target, as `predict_rows` has it."""
        return next(iter(self.predict_rows(rows).values()))

    def predict_rows(self, rows: Rows) -> dict[str, Floats]:
        """What is predicted of every target for B whole rows: encoded ones, or raw columns of user, context and item.

        By the target's name: of a binary one the calibrated probability_B, of a regression one value_B, of a
        multi-class one probability_BC in the order of the schema's classes.
        """
        return dict(self.predictions(self.output_rows(rows)))

    def output_rows(self, rows: Rows) -> Floats:
        """outputs_BO of the ranker as it was trained: logits and values, those of a target as `schema.slices` says."""
        if self.ranker is None:
            raise RequestError("this bundle has no ranking model, so it cannot score rows")
        if not isinstance(rows, FeatureRows):
            rows = self.asking.rows(rows, self.bundle.settings.ranking_history)
        return self.ranker.outputs_of_rows(rows)

    def present(self, found: Candidates) -> list[list[Recommendation]]:
        """Candidates as ids, scores and titles, with their predictions where there are several targets."""
        propensity_UK = found.columns.get(PROPENSITY)
        columns = (found.item_UK, found.score_UK, found.source_UK)
        answers: list[list[Recommendation]] = []
        for u, of_user in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            answer = []
            for i, (row, score, source) in enumerate(zip(*of_user, strict=True)):
                if row > 0:
                    key, title = self._key_and_title(row)
                    predictions = self._predictions(found, u, i)
                    propensity = None if propensity_UK is None else float(propensity_UK[u, i])
                    sourced = found.sources[source]
                    answer.append(Recommendation(key, score, sourced, title, predictions, propensity=propensity))
            answers.append(answer)
        return answers

    def _read_key_and_title(self, row: int) -> tuple[Id, str | None]:
        """An item's id and title. One by one: of a short list Arrow's `take` costs several times as much."""
        return self.bundle.item_keys[row].as_py(), self.bundle.titles[row].as_py()

    def _predictions(self, found: Candidates, u: int, i: int) -> dict[str, float | str] | None:
        """What the ranker predicts of the targets of one candidate; None without a ranker, or of one target."""
        targets = self.predictions.targets
        if len(targets) < 2 or f"target.{targets[0].name}" not in found.columns:
            return None
        values = {target: found.columns[f"target.{target.name}"][u, i] for target in targets}
        return {
            target.name: target.classes[int(value)] if target.classes else float(value)
            for target, value in values.items()
        }


def _is_free_for_a_bundle(path: Path) -> bool:
    """Whether nothing is lost when a bundle takes the place."""
    if not path.is_dir():
        return not path.exists()
    return (path / "funnel.json").is_file() or not any(path.iterdir())
