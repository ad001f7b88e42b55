"""From bundles in folders to a line-up: loaded, checked and warmed before a request meets it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shortlist.bundle.manifest import version_of
from shortlist.bundle.parity_sample import check_sample
from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import BundleError
from shortlist.serving.lineup import Arm, Lineup, shares
from shortlist.serving.orders import Order, Placed, Placement, Report
from shortlist.serving.service import Service
from shortlist.serving.settings import MAIN, ServeSettings, Variant
from shortlist.state import State

_log = logging.getLogger("shortlist.serving")


class Loader:
    """Makes line-ups; what is answered from now and what was before stays loaded."""

    def __init__(
        self, settings: ServeSettings, state: State | None = None, make: Callable[[Recommender], Service] = Service
    ) -> None:
        """`state` is that of every bundle: what users did stays known when another one takes over."""
        variants = settings.variants or (Variant(name=MAIN, bundle="", share=1.0),)
        parts = shares([variant.share for variant in variants])
        self._parts = {variant.name: part for variant, part in zip(variants, parts, strict=True)}
        self._experiment = settings.experiment
        self._state = state
        self._make = make
        self._loaded: dict[Placed, Service] = {}

    def first(self, order: Order) -> tuple[Lineup, Report]:
        """What a process begins with: the order's bundles, or those before where they cannot be loaded."""
        try:
            return self.lineup(order.bundles), Report(order.generation)
        except BundleError as error:
            if not order.before:
                raise
            _log.error("generation %d cannot be served, the one before is: %s", order.generation, error)
            return self.lineup(order.before[0]), Report(order.generation, str(error))

    def lineup(self, bundles: Placement) -> Lineup:
        """The line-up of these bundles; BundleError says which of them cannot answer."""
        arms = [Arm(name, self._service(bundles[name]), part) for name, part in self._parts.items()]
        for arm in arms:
            _check_alike(arms[0].service, arm.service)
        return Lineup(self._experiment, arms)

    def forget_but(self, *kept: Lineup | None) -> None:
        """Let go of every service that is in none of these line-ups."""
        services = [arm.service for lineup in kept if lineup is not None for arm in lineup.arms]
        self._loaded = {placed: service for placed, service in self._loaded.items() if service in services}

    def _service(self, placed: Placed) -> Service:
        if placed not in self._loaded:
            self._loaded[placed] = self._loaded_from(placed)
        return self._loaded[placed]

    def _loaded_from(self, placed: Placed) -> Service:
        try:
            recommender = Recommender.load(placed.path, state=self._state)
            check_sample(recommender)
            service = self._make(recommender)
            service.warm_up()
            _check_is_the_ordered(recommender, placed)
        except BundleError:
            raise
        except Exception as error:
            # Whatever an unfit bundle raises, the one that serves must go on.
            raise BundleError(
                f"{placed.path} cannot answer its own examples: {type(error).__name__}: {error}"
            ) from error
        return service


def _check_is_the_ordered(recommender: Recommender, placed: Placed) -> None:
    """Whoever starts later than the others must not answer from something that they were never told of."""
    if version_of(recommender.bundle.manifest) != placed.version:
        raise BundleError(
            f"another bundle lies at {placed.path} than the one that was ordered. Order it, by POST /v1/admin/reload "
            "or by SIGHUP to the parent process"
        )


def check_takes_the_place_of(now: Lineup, new: Lineup) -> None:
    """BundleError where the clients of one line-up could not go on with the other."""
    _check_alike(now.first, new.first)


def _check_alike(one: Service, other: Service) -> None:
    """Bodies are read before a variant is chosen, and described once: all bundles must take the same ones."""
    first, second = one.recommender.bundle, other.recommender.bundle
    if first.schema.id_types != second.schema.id_types or first.schema.has_items != second.schema.has_items:
        raise BundleError(
            f"{second.path} has other ids than {first.path}, {dict(second.schema.id_types)} and not "
            f"{dict(first.schema.id_types)}: its callers would have to ask otherwise. Serve it on a port of its own"
        )
