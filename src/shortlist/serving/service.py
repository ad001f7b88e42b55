"""From validated bodies to answers: the recommender's part of a request, without HTTP."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from shortlist.bundle.about_user import AboutUser, about_user
from shortlist.bundle.manifest import version_of
from shortlist.bundle.past_events import Event
from shortlist.bundle.recommender import Recommendation, Recommender
from shortlist.bundle.times import seconds_told
from shortlist.core.errors import RequestError
from shortlist.core.version import __version__
from shortlist.funnel.stopwatch import Stopwatch
from shortlist.serving.about import AboutAnswer, about
from shortlist.serving.answers import BundleLabel, ItemsAnswer, PredictionsAnswer, SimilarAnswer, VersionAnswer
from shortlist.serving.bodies import ItemId, RankBody, RecommendBody, UserId, bodies
from shortlist.serving.columns import RequestColumns
from shortlist.serving.events import EventsAnswer, EventsBody, append, events_body
from shortlist.serving.examples import Examples
from shortlist.serving.read import path
from shortlist.serving.refusal import Refusal

T = TypeVar("T")


class Service:
    """Answers requests from one recommender; safe to use from several threads."""

    def __init__(self, recommender: Recommender) -> None:
        bundle = recommender.bundle
        self.recommender = recommender
        self.columns = RequestColumns(bundle)
        self.recommend_body, self.rank_body = bodies(bundle.schema)
        self.events_body = events_body(bundle.schema)
        self.examples = Examples.of(bundle)
        self.label = BundleLabel(str(bundle.manifest["name"]), version_of(bundle.manifest))

    def recommend(
        self, bodies: Sequence[RecommendBody[UserId, ItemId]], watch: Stopwatch | None = None
    ) -> list[ItemsAnswer]:
        """The best items for each user; `watch` as in `Recommender.run`.

        bodies: one, or several that are `alike`. Refusal where one of them is wrong.
        """
        watch, first = watch or Stopwatch(), bodies[0]
        try:
            items = self.recommender.recommend(
                [body.user_id for body in bodies],
                first.n,
                first.exclude_seen,
                history=_lists(self._events(body) for body in bodies),
                context=self._context(bodies),
                user_features=self._user_features(bodies),
                exclude=_lists(body.exclude for body in bodies),
                candidates=_lists(body.candidates for body in bodies),
                filter=first.filter,
                diversity=first.diversity,
                explain=first.explain,
                seed=secrets.randbits(63) if first.seed is None else first.seed,
                watch=watch,
            )
        except RequestError as error:
            raise Refusal.of(error) from error
        return [
            ItemsAnswer(of_one, is_known, self.label, watch.fallback, propensity=_propensity(of_one))
            for of_one, is_known in zip(items, self._know([body.user_id for body in bodies]), strict=True)
        ]

    def rank(self, body: RankBody[UserId, ItemId], watch: Stopwatch | None = None) -> ItemsAnswer | PredictionsAnswer:
        """The candidates in order, or what is predicted of the rows; `watch` times it."""
        watch = watch or Stopwatch()
        try:
            if body.rows is not None:
                self._check_rows_suffice()
                predicted = self._predicted(self.columns.of_rows(body.rows))
                watch.passed("ranking")
                return PredictionsAnswer(predicted, self.label)
            items = self.recommender.rank(
                body.user_id,
                body.candidates or [],
                history=self._events(body) or [],
                context=self._context([body]),
                user_features=self._user_features([body]),
            )
            watch.passed("ranking")
        except RequestError as error:
            raise Refusal.of(error) from error
        return ItemsAnswer(items, self._know([body.user_id])[0], self.label)

    def events(self, body: EventsBody[UserId, ItemId]) -> EventsAnswer:
        """Keep what users did."""
        state = self.recommender.state
        if state is None:
            raise Refusal(
                "this server keeps no events: it was started with --state none", "path", "/v1/events", status=404
            )
        return append(self.recommender.bundle, state, body.events)

    def user(self, user: int | str, n: int) -> AboutUser:
        """What is known of one user."""
        return about_user(self.recommender.asking, user, n)

    def similar(self, item: int | str, n: int) -> SimilarAnswer:
        """The items like one."""
        if self.recommender.bundle.item_vocabulary.rows_of([item])[0] == 0:
            raise Refusal(f"the bundle knows no item {item!r}", "id", item, "an item of the bundle", status=404)
        try:
            return SimilarAnswer(self.recommender.similar([item], n)[0], self.label)
        except RequestError as error:
            raise Refusal.of(error) from error

    def _predicted(self, rows: Mapping[str, Sequence[object]]) -> dict[str, list[float] | list[dict[str, float]]]:
        predicted = {name: values.tolist() for name, values in self.recommender.predict_rows(rows).items()}
        for target in self.recommender.predictions.targets:
            if target.classes:
                chances = predicted[target.name]
                predicted[target.name] = [dict(zip(target.classes, chance, strict=True)) for chance in chances]
        return predicted

    @cached_property
    def about(self) -> AboutAnswer:
        """What can be asked."""
        return about(self.recommender, self.label)

    def version(self) -> VersionAnswer:
        """What runs here."""
        bundle = self.recommender.bundle
        retrieval, ranking = bundle.recipe.retrieval, bundle.recipe.ranking
        return VersionAnswer(
            shortlist=__version__,
            bundle=self.label,
            created=str(bundle.manifest["created"]),
            items=len(bundle.items) - 1,
            users=len(bundle.users) - 1,
            retrieval=retrieval.model.name if retrieval else None,
            ranking=ranking.model.name if ranking and bundle.has_ranking else None,
        )

    def warm_up(self) -> None:
        """Answer every example once: models are loaded, and pages that requests touch are in memory."""
        for values in self.examples.recommend.values():
            self.recommend([self.recommend_body.model_validate(values)])
        for values in self.examples.rank.values():
            self.rank(self.rank_body.model_validate(values))

    def _events(self, body: RecommendBody[UserId, ItemId] | RankBody[UserId, ItemId]) -> list[Event | int | str] | None:
        """The history as the recommender takes it; RequestError, which says where in the body, for what is no time."""
        events = body.events()
        times = [given.time if isinstance(given, Event) else None for given in events or ()]
        unit = self.recommender.bundle.schema.time_unit
        seconds_told(times, unit, lambda place: path("history", place, "time"), is_past=True)
        return events

    def _context(
        self, bodies: Sequence[RecommendBody[UserId, ItemId] | RankBody[UserId, ItemId]]
    ) -> dict[str, list[object]] | None:
        return self.columns.of_requests([body.context for body in bodies], self.columns.context, "context")

    def _user_features(
        self, bodies: Sequence[RecommendBody[UserId, ItemId] | RankBody[UserId, ItemId]]
    ) -> dict[str, list[object]] | None:
        told = [body.user_features for body in bodies]
        return self.columns.of_requests(told, self.columns.user_features, "user_features")

    def _check_rows_suffice(self) -> None:
        if self.recommender.bundle.settings.ranking_history:
            raise Refusal(
                "rows: this bundle's ranking model reads the user's history, which rows do not hold",
                "rows",
                expected="`candidates`, with `user_id` or `history`",
            )

    def _know(self, users: Sequence[int | str | None]) -> list[bool]:
        """Which of these users the bundle knows."""
        known: list[bool] = (self.recommender.bundle.user_vocabulary.rows_of(users) > 0).tolist()
        return known


def _propensity(items: Sequence[Recommendation]) -> float | None:
    """The probability of the whole list, where rules explore."""
    chances = [item.propensity for item in items if item.propensity is not None]
    return math.prod(chances) if chances else None


def _lists(of_requests: Iterable[list[T] | None]) -> list[list[T]] | None:
    """The lists of requests of which all, or none, have one."""
    return [given for given in of_requests if given is not None] or None
